/* stream.h - record streams: Apache Arrow IPC with our kinds, checksums, provenance and an end.
 *
 * Format (man quern-stream): an Arrow IPC stream, metadata V5, little endian. Schema metadata
 * quern.kind, quern.version, quern.provenance (the chain so far); each record batch message carries
 * quern.seq and quern.xxh3 (XXH3-64 of the body as written); a last batch of zero rows carries
 * quern.end, quern.rows, quern.batches, quern.xxh3 (over the prefix and metadata of every message, and this one's body; bodies
 * are in it by their checksums; its own sixteen digits taken as zeros) and quern.provenance, the chain with its totals, known only at the end; then the end-of-stream marker. A failing writer writes neither.
 *
 * A reader takes by content: an Arrow stream, an Arrow file, JSON Lines, a JSON array of objects, each also
 * inside gzip, zstd, xz or bzip2; and a Parquet file, which must be a plain file (or memory), for it is read from its end. Batches returned by reader_next are the caller's (batch_release);
 * the schema is the reader's and lives until reader_close. */
#ifndef QUERN_STREAM_STREAM_H
#define QUERN_STREAM_STREAM_H

#include "base/file.h"
#include "base/pool.h"
#include "stream/provenance.h"
#include "stream/record.h"

#define STREAM_VERSION "1.0"
#define STREAM_BATCH_BYTES (1 << 20)          /* builders of streaming tools cut a batch at this size … */
#define STREAM_BATCH_ROWS 4096                /* … or at this many rows, whichever comes first */

/* --- kinds -------------------------------------------------------------------------------- */
enum kind {
	KIND_OTHER, KIND_DOCUMENTS, KIND_CHAT, KIND_PROBLEMS, KIND_PREFERENCES, KIND_FEEDBACK,
	KIND_TOKENS, KIND_PACKED, KIND_COMPLETIONS, KIND_SCORES, KIND_STEPWISE
};
const char *kind_name(enum kind k);
enum kind kind_parse(const char *name);                      /* KIND_OTHER if unknown */
/* The kind that a schema's metadata names, else the one its columns fit. */
enum kind kind_of(const struct schema *s);
/* The columns of a kind, as DESIGN lists them, optional ones included only if asked. Packed needs its length. */
void kind_schema(enum kind k, bool optional, int32_t packed_length, struct schema *out);
/* ERR_DATA with a sentence that lists what is there, if s lacks a required column of k or types it otherwise. */
enum status kind_check(enum kind k, const struct schema *s, struct error *err);

/* --- reading ------------------------------------------------------------------------------ */
struct reader;
struct reader_options {
	bool unhashed;                   /* reader_input is not wanted: the input's bytes need not be hashed */
	bool allow_truncated;            /* accept a stream without end (view --verify reports it) */
	const struct schema *json_schema; /* types for JSON fields by name; NULL: ours by name, else inferred */
	bool json_plain;                 /* no types of ours: an answer that is a number stays one (data of others' tasks) */
	size_t json_huge;                /* JSON rows of so many bytes are batches of their own, and are not copied; 0: 8 MiB */
};
enum status reader_open(struct reader **r, const char *path, const struct reader_options *o, struct error *err);
/* Over an opened input, which the reader then owns (also on failure). */
enum status reader_open_input(struct reader **r, struct input *in, const struct reader_options *o, struct error *err);
/* Over an input that stays the caller's, and open as long as the reader is. */
enum status reader_open_borrowed(struct reader **r, struct input *in, const struct reader_options *o, struct error *err);
const struct schema *reader_schema(const struct reader *r);
enum kind reader_kind(const struct reader *r);
/* OK with *b, END after the stream's proper end, or an error that names file and batch. */
enum status reader_next(struct reader *r, struct batch **b, struct error *err);
/* Passes over as many whole batches as lie within the next rows rows, and tells the number of their rows. In a plain file (not a
 * pipe, not compressed from outside) only their headers are read; else, and in other formats, none is passed. What was passed
 * is not checked, and the input's hash is not known then. */
enum status reader_skip_rows(struct reader *r, int64_t rows, int64_t *passed, struct error *err);
const char *reader_name(const struct reader *r);
int64_t reader_size(const struct reader *r);
/* Chain of stages that made this stream: the opening form before END, complete after it. NULL when foreign. */
const char *reader_provenance(const struct reader *r);
/* This input's entry for our own provenance; complete after END. */
enum status reader_input(struct reader *r, struct provenance_input *in, struct error *err);
void reader_close(struct reader *r);                         /* NULL allowed */

/* --- writing ------------------------------------------------------------------------------ */
enum stream_format { FORMAT_AUTO, FORMAT_ARROW, FORMAT_JSONL };
struct writer;
struct writer_options {
	enum stream_format format;       /* AUTO: JSON Lines on a terminal, Arrow else */
	int zstd_level;                  /* 0 = plain bodies; -1 = 3 in files, plain on pipes */
	struct pool *pool;               /* compresses buffers in parallel; NULL = in the caller */
};
/* schema is copied. prov may be NULL (no provenance); its totals are filled by the caller before commit. */
enum status writer_open(struct writer **w, const char *path, const struct schema *schema, enum kind kind,
			struct provenance *prov, const struct writer_options *o, struct error *err);
enum status writer_write(struct writer *w, struct batch *b, struct error *err);   /* b stays the caller's */
/* Builder over the writer's schema; writer_row cuts and writes batches as they fill. */
struct builder *writer_builder(struct writer *w);
enum status writer_row(struct writer *w, struct error *err);  /* call after each appended row */
/* Last rows, closing batch, end marker, flush, rename. Frees w. */
enum status writer_commit(struct writer *w, struct error *err);
void writer_abort(struct writer *w);                          /* NULL allowed; leaves no end marker */
int64_t writer_rows(const struct writer *w);
const struct schema *writer_schema(const struct writer *w);

#endif

/* parquet.h - reading Parquet files: the footer to a schema, column chunks to rows, page by page.
 *
 * The pieces, each in its file: thrift (the compact protocol that headers are written in), meta (the footer), page (a page's
 * bytes, decompressed, its levels and values in place), decode (the encodings, one value at a time, so that a page needs no
 * more memory than its bytes), rows (levels and values to nested rows), source (a file as batches).
 *
 * Formats: parquet.thrift, Encodings.md and LogicalTypes.md of apache/parquet-format 2.11. Whatever the bytes, a function
 * returns OK or an error; counts and places from the file are checked before use. Private to the stream room. */
#ifndef QUERN_STREAM_PARQUET_H
#define QUERN_STREAM_PARQUET_H

#include "base/file.h"
#include "stream/record.h"

#define PARQUET_FOOTER_MAX (64 << 20)            /* bytes */
#define PARQUET_PAGE_MAX (1 << 30)               /* bytes of a page, decompressed */
#define PARQUET_DEPTH_MAX 32
#define PARQUET_FIELDS_MAX 65536

/* --- thrift ----------------------------------------------------------------------------------- */
enum thrift_type {
	THRIFT_TRUE = 1, THRIFT_FALSE, THRIFT_BYTE, THRIFT_I16, THRIFT_I32, THRIFT_I64, THRIFT_DOUBLE, THRIFT_BINARY,
	THRIFT_LIST, THRIFT_SET, THRIFT_MAP, THRIFT_STRUCT
};

/* A position in compact-protocol bytes. Once bad, every function gives nothing. */
struct thrift {
	const uint8_t *p;
	size_t n, at;
	int type;                                /* of the value that comes next */
	int depth;
	bool bad;
};

/* The next field of a struct: its id from the last one (0 at first), type in t->type. False at the struct's end. */
bool thrift_field(struct thrift *t, int *id);
/* The value that comes next. One of another type is skipped, and gives 0. */
int64_t thrift_int(struct thrift *t);
bool thrift_bool(struct thrift *t);
const char *thrift_bytes(struct thrift *t, size_t *n);
/* Elements that follow, each of type t->type; set it again before each element. 0 if no list comes. */
int64_t thrift_list(struct thrift *t);
void thrift_skip(struct thrift *t);

/* --- the footer -------------------------------------------------------------------------------- */
enum parquet_type { PQ_BOOLEAN, PQ_INT32, PQ_INT64, PQ_INT96, PQ_FLOAT, PQ_DOUBLE, PQ_BYTE_ARRAY, PQ_FIXED };
enum parquet_codec { PQ_PLAIN_BYTES, PQ_SNAPPY, PQ_GZIP, PQ_LZO, PQ_BROTLI, PQ_LZ4, PQ_ZSTD, PQ_LZ4_RAW };

struct parquet_leaf {                            /* a column of values */
	char *path;                              /* "messages.content", for messages */
	const struct field *field;
	enum parquet_type type;
	int width;                               /* bytes of a value, 0 for byte arrays and booleans */
	int def_max, rep_max;
};

/* How a field's rows are made of levels. One for each field of the schema, children alike. */
struct parquet_node {
	int def;                                 /* definition level from which the value is not null */
	int rep;                                 /* lists and maps: repetition level of a further element */
	int first_leaf, n_leaves;
	int n_children;
	struct parquet_node *children;
};

struct parquet_chunk {                           /* a column of a row group */
	int codec;
	int64_t values;                          /* with nulls and empty lists */
	int64_t at, bytes;                       /* in the file, dictionary page first */
};

struct parquet_group {
	int64_t rows, bytes;                     /* bytes decompressed */
	struct parquet_chunk *chunks;            /* [leaves] */
};

struct parquet_meta {
	struct schema schema;
	struct parquet_node *nodes;              /* [schema.n_fields] */
	struct parquet_leaf *leaves;
	int n_leaves, cap_leaves;
	struct parquet_group *groups;
	int n_groups;
	int64_t rows;
};

/* From the footer's bytes; file_bytes bounds the places of chunks. Release it in every case. */
enum status parquet_read_meta(struct parquet_meta *m, const uint8_t *p, size_t n, int64_t file_bytes, struct error *err);
void parquet_meta_release(struct parquet_meta *m);

/* --- decoding ------------------------------------------------------------------------------------ */
/* Runs and bit-packed groups of numbers of up to 32 bits, as levels, dictionary indices and booleans are written. */
struct parquet_rle {
	const uint8_t *p, *end;
	int width;
	uint64_t run, packed;                    /* left of the current run, of the current packed group */
	uint32_t value;                          /* of the run */
	const uint8_t *bits;                     /* of the packed group */
	uint64_t bit;
};
void parquet_rle_open(struct parquet_rle *r, const uint8_t *p, const uint8_t *end, int width);
bool parquet_rle_next(struct parquet_rle *r, uint32_t *v);       /* false: no more, or corrupt */

/* DELTA_BINARY_PACKED: integers as differences, packed by miniblocks. */
struct parquet_delta {
	const uint8_t *p, *end;
	uint64_t per_block, per_mini, left, value, least;
	const uint8_t *widths, *bits;
	int minis, mini, width;
	uint64_t mini_left, bit;
	bool first;
};
bool parquet_delta_open(struct parquet_delta *d, const uint8_t *p, const uint8_t *end);
bool parquet_delta_next(struct parquet_delta *d, int64_t *v);

/* Values of a page in any encoding. A value is bytes: little-endian numbers, one byte for booleans, or a byte array. */
struct parquet_dictionary {
	struct buf bytes;
	struct parquet_text { const uint8_t *p; size_t n; } *texts;  /* byte arrays; else NULL */
	uint32_t n;
	int width;
};
struct parquet_values {
	int encoding;
	enum parquet_type type;
	int width;
	const uint8_t *p, *end;
	uint64_t at, stride;                     /* booleans: bit; byte stream split: value, values in all */
	struct parquet_rle rle;
	struct parquet_delta numbers, suffixes;
	const struct parquet_dictionary *dictionary;
	struct buf last;                         /* delta byte array */
	uint8_t scratch[8];
};
/* n values at [p, end). ERR_UNSUPPORTED for encodings we do not know. */
enum status parquet_values_open(struct parquet_values *v, int encoding, const struct parquet_leaf *leaf, const uint8_t *p,
				const uint8_t *end, uint64_t n, const struct parquet_dictionary *dictionary, struct error *err);
/* The next value, in memory that lives until the next call or the page's end. False: the page is corrupt. */
bool parquet_values_next(struct parquet_values *v, const uint8_t **p, size_t *n);
/* A dictionary page's bytes (in d->bytes already) as n values. */
enum status parquet_dictionary_open(struct parquet_dictionary *d, const struct parquet_leaf *leaf, int64_t n, struct error *err);
void parquet_dictionary_release(struct parquet_dictionary *d);

/* --- pages ----------------------------------------------------------------------------------------- */
/* A column being read: one page in memory, and the level that comes next. */
struct parquet_column {
	struct input *in;
	const struct parquet_leaf *leaf;
	const struct parquet_chunk *chunk;
	int64_t at;                              /* of the next page */
	int64_t values_left, page_left;          /* levels not yet taken: of the chunk, of the page */
	struct buf header, raw, page;
	struct parquet_dictionary dictionary;
	struct parquet_rle defs, reps;
	struct parquet_values values;
	uint32_t def, rep;                       /* the level that comes next, if loaded */
	bool loaded;
};
void parquet_column_start(struct parquet_column *c, const struct parquet_chunk *chunk);
/* Loads the next level. END after the last of the chunk. */
enum status parquet_column_peek(struct parquet_column *c, struct error *err);
/* Takes the loaded level; with to, appends its value or null there. */
enum status parquet_column_take(struct parquet_column *c, struct column *to, struct error *err);
void parquet_column_release(struct parquet_column *c);

/* --- rows -------------------------------------------------------------------------------------------- */
/* Appends one row of a field; columns are those of all leaves. */
enum status parquet_append_row(const struct parquet_node *n, const struct field *f, struct parquet_column *columns,
			       struct column *to, struct error *err);

#endif

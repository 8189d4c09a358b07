/* import_source.h - raw records from files, directories, archives and WARC files, recognised by content.
 *
 * Directories are walked in byte order of names, symbolic links not followed. What a file is: an archive, WARC, JSON (Lines or an
 * array), a table with a header (CSV, TSV), Parquet (whose rows are handed out as JSON objects), else text. Records are handed out in chunks of a fixed size, so that work on them
 * can be spread over threads without changing a byte; a damaged file within a directory or an archive becomes a bad
 * record, a damaged operand an error. */
#ifndef QUERN_TEXT_IMPORT_SOURCE_H
#define QUERN_TEXT_IMPORT_SOURCE_H

#include "base/file.h"
#include "base/json.h"
#include "stream/provenance.h"

#define CHUNK_BYTES (1 << 20)
#define CHUNK_RECORDS 1024

enum import_form { IMPORT_AUTO, IMPORT_JSON, IMPORT_CSV, IMPORT_TSV, IMPORT_TEXT, IMPORT_HTML, IMPORT_MAN, IMPORT_WARC, IMPORT_ARCHIVE };
enum import_split { SPLIT_NONE, SPLIT_LINES, SPLIT_PARAGRAPHS, SPLIT_STRING };

enum raw_form {
	RAW_JSON, RAW_CSV, RAW_TEXT, RAW_HTML, RAW_MAN,
	RAW_HTTP,                    /* a response, head and body */
	RAW_BAD                      /* reason says why; data may hold the text */
};

/* A CSV file's columns; reference counted, as chunks outlive files. */
struct csv_header {
	int refs, n;
	char delimiter;
	struct json *names;
	struct arena arena;
};

/* Places are offsets of NUL-terminated strings (at: of n bytes) in the chunk's data; 0 is none. */
struct raw {
	enum raw_form form;
	size_t at, n;
	size_t name;                 /* path relative to the operand */
	size_t source;               /* the operand, or a record's URI */
	size_t charset, date;        /* of WARC records */
	int64_t number;              /* line or record in the file, from 1; 0: the file is the record */
	bool by_line;                /* … the line */
	const char *reason;
	struct csv_header *header;
};

struct chunk {
	struct buf data;
	struct raw *v;
	int64_t n, cap;
};

struct import_options {
	enum import_form form;
	enum import_split split;     /* of text files */
	const char *separator;       /* of SPLIT_STRING */
	size_t max_bytes;            /* of a record */
	const char *const *paths;    /* none: stdin */
	int n_paths;
	void (*input)(void *arg, const struct provenance_input *in);      /* an operand is done */
	void (*warn)(void *arg, const char *text);
	void *arg;
};

struct import_source;
struct import_source *import_source_open(const struct import_options *o);
/* The next chunk (chunk_free). END at the end. */
enum status import_source_next(struct import_source *s, struct chunk **c, struct error *err);
void import_source_close(struct import_source *s);
void chunk_free(struct chunk *c);

#endif

/* arrow.h - the Arrow IPC codec: bytes to schemas and batches and back, without any I/O (but for the end of a file).
 *
 * Reading is total: whatever the bytes, a function returns OK, ERR_DATA, ERR_UNSUPPORTED or
 * ERR_MEMORY, and what it made is safe to walk. Messages carry no file name: callers prefix it.
 * Private to the stream room. */
#ifndef QUERN_STREAM_ARROW_H
#define QUERN_STREAM_ARROW_H

#include "base/json_escape.h"
#include "base/pool.h"
#include "stream/fbs.h"
#include "stream/record.h"

#define ARROW_METADATA_MAX (16 << 20)            /* bytes of one message's flatbuffer */
#define ARROW_BODY_MAX ((int64_t)4 << 30)        /* bytes of one body, also when decompressed */
#define ARROW_FOOTER_MAX ((size_t)256 << 20)      /* bytes of a file's footer: 24 for each batch */
#define ARROW_FIELDS_MAX 65536                   /* fields of a schema, nested ones included */
#define ARROW_META_MAX 4096                      /* key/value pairs of a schema */
#define ARROW_DEPTH_MAX 64

enum arrow_header { ARROW_SCHEMA = 1, ARROW_DICTIONARY = 2, ARROW_BATCH = 3 };

/* Members of the union Type. */
enum arrow_type {
	TYPE_NULL = 1, TYPE_INT = 2, TYPE_FLOAT = 3, TYPE_BINARY = 4, TYPE_UTF8 = 5, TYPE_BOOL = 6, TYPE_DECIMAL = 7,
	TYPE_DATE = 8, TYPE_TIME = 9, TYPE_TIMESTAMP = 10, TYPE_INTERVAL = 11, TYPE_LIST = 12, TYPE_STRUCT = 13,
	TYPE_FIXED_BINARY = 15, TYPE_FIXED_LIST = 16, TYPE_MAP = 17, TYPE_DURATION = 18, TYPE_LARGE_BINARY = 19,
	TYPE_LARGE_UTF8 = 20, TYPE_LARGE_LIST = 21, TYPE_BINARY_VIEW = 23, TYPE_UTF8_VIEW = 24
};

/* --- reading --- */
struct message {
	struct fbs fbs;                          /* borrows the metadata bytes */
	struct fbs_table root, header;
	int type;                                /* enum arrow_header or another number */
	int64_t body_bytes;
};
enum status message_parse(struct message *m, const void *metadata, uint32_t n, struct error *err);
/* Value of a key of the message's own metadata, NULL if absent. */
const char *message_meta(struct message *m, const char *key, uint32_t *n);
/* What a schema says about its columns' form in batches, beside their types, and the dictionaries that have come.
 * Batches carry plain values only: dictionaries and views are undone as they are read. */
struct encodings;
/* *e is NULL where every column is plain (encodings_close allows it). */
enum status arrow_read_schema(struct message *m, struct schema *out, struct encodings **e, struct error *err);
void encodings_close(struct encodings *e);
bool encodings_have_dictionaries(const struct encodings *e);
/* As arrow_read_schema, of a Schema table elsewhere (a file's footer), without the encodings. */
enum status arrow_read_schema_table(struct fbs_table *t, struct schema *out, struct error *err);
/* The m->body_bytes bytes behind a message, 8-byte aligned; who gets one takes it over in every case. */
struct body {
	const uint8_t *p;
	void *owned;                             /* mem_free, or NULL */
	struct input_map map;                    /* … or what it lies in */
};
void body_release(struct body *body);
enum status arrow_read_batch(struct message *m, const struct schema *s, const struct encodings *e, struct body body,
			     struct batch **out, struct error *err);
/* A dictionary message: its values are kept in e, in place of or behind those that it had. */
enum status arrow_read_dictionary(struct message *m, struct encodings *e, struct body body, struct error *err);
/* A message of an Arrow file: its first byte, its metadata with the prefix, its body. */
struct file_block {
	int64_t offset, metadata_bytes, body_bytes;
	bool dictionary;
};
/* tail[0..n) is what follows the end-of-stream marker in a file: holds its footer to the schema and the messages read. */
enum status arrow_check_footer(const void *tail, size_t n, const struct schema *s, const struct file_block *blocks,
			       int64_t n_blocks, struct error *err);
/* Reads the dictionaries that the footer of a file lists. ERR_UNSUPPORTED if in has no end at hand (a pipe); ERR_IO has the
 * input's name in its text. */
enum status arrow_load_dictionaries(struct input *in, struct encodings *e, struct error *err);

/* --- writing --- */
struct message_pair {
	const char *key, *value;
	uint32_t at;                             /* set: place of value's bytes in the message */
};
/* A schema message's metadata, a multiple of 8 bytes. */
void arrow_write_schema(const struct schema *s, struct buf *out);

struct body_part {
	const void *p;
	size_t n;                                /* bytes to write; padding to 64 follows */
	void *owned;
};
struct encoded {
	struct body_part *parts;
	int64_t *nodes;                          /* length, null_count */
	int n_parts, cap_parts, n_nodes, cap_nodes;
	int64_t rows, body_bytes;
	bool compressed;
	struct column **rebuilt;
	int n_rebuilt, cap_rebuilt;
	struct arena arena;
};
struct zstd_contexts;
struct zstd_contexts *zstd_contexts_open(struct pool *pool, int level);
void zstd_contexts_close(struct zstd_contexts *z);
/* The body of b as parts that borrow b's memory (b must stay); z NULL = plain. */
enum status arrow_encode_body(struct encoded *e, const struct batch *b, struct zstd_contexts *z, struct error *err);
/* Its message's metadata with these pairs. */
void arrow_encode_message(const struct encoded *e, struct message_pair *pairs, int n_pairs, struct buf *out);
void encoded_release(struct encoded *e);

#endif

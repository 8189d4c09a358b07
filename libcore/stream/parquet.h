/* parquet.h - Apache Parquet files as a source of batches: what its pieces share. Private to the stream room.
 *
 *   parquet_thrift.c   the compact protocol of footer and page headers
 *   parquet_meta.c     the footer: schema elements, row groups, column chunks
 *   parquet_schema.c   schema elements to our fields, nodes and leaves
 *   parquet_page.c     pages of a column chunk: header, checksum, dictionary; parquet_codec.c inflates them
 *   parquet_bits.c     bit-packed values: the RLE hybrid and the delta encoding
 *   parquet_values.c   values of a page by its encoding
 *   parquet_column.c   levels and values to Arrow's buffers, by leaf; parquet_node.c hands those over
 *   parquet_source.c   rows of all leaves to batches
 *
 * A leaf is a column that has values; a node is a field of our schema (structs and lists are nodes without values). Memory
 * is a page and a dictionary per leaf and the batch being built. Every size that the file tells is checked before it is
 * allocated or used; errors name the leaf's column and row group in parquet_source.c. */
#ifndef QUERN_STREAM_PARQUET_H
#define QUERN_STREAM_PARQUET_H

#include "stream/source.h"

enum pq_type { PQ_BOOLEAN, PQ_INT32, PQ_INT64, PQ_INT96, PQ_FLOAT, PQ_DOUBLE, PQ_BYTES, PQ_FIXED, PQ_TYPES };
enum pq_repetition { PQ_REQUIRED, PQ_OPTIONAL, PQ_REPEATED };
enum pq_codec { PQ_PLAIN_BYTES, PQ_SNAPPY, PQ_GZIP, PQ_LZO, PQ_BROTLI, PQ_LZ4, PQ_ZSTD, PQ_LZ4_RAW };
enum pq_encoding {
	PQ_PLAIN, PQ_PLAIN_DICTIONARY = 2, PQ_RLE, PQ_BIT_PACKED, PQ_DELTA_BINARY, PQ_DELTA_LENGTH, PQ_DELTA_BYTES,
	PQ_RLE_DICTIONARY, PQ_SPLIT
};

#define PQ_SLACK 64                          /* bytes that may be read, or written, behind the end of every block */
#define PQ_DEPTH_MAX 64                      /* of nesting, each of which is two definition levels at most */
#define PQ_STEP 1024                         /* values handled at once */

/* --- thrift ------------------------------------------------------------------------------------ */
struct thrift {
	const uint8_t *p, *end;
	bool bad;                            /* nothing read since can be trusted */
	bool cut;                            /* … because the bytes ended */
};
/* Zero-initialise before the first field of a struct. */
struct thrift_field {
	int id, type;
};
enum { THRIFT_TRUE = 1, THRIFT_FALSE = 2, THRIFT_BINARY = 8, THRIFT_LIST = 9, THRIFT_STRUCT = 12 };

/* The next field of a struct: its value must be read or skipped. False at the struct's end and when bad. */
bool thrift_next(struct thrift *t, struct thrift_field *f);
int64_t thrift_int(struct thrift *t, const struct thrift_field *f);
int32_t thrift_int32(struct thrift *t, const struct thrift_field *f);
bool thrift_bool(struct thrift *t, const struct thrift_field *f);
const char *thrift_binary(struct thrift *t, const struct thrift_field *f, size_t *n);
/* True (else bad) if a struct's fields follow. */
bool thrift_struct(struct thrift *t, const struct thrift_field *f);
/* Elements that follow, each at least one byte, all of the type put into element. */
int64_t thrift_list(struct thrift *t, const struct thrift_field *f, struct thrift_field *element);
void thrift_skip(struct thrift *t, const struct thrift_field *f);

/* --- the footer -------------------------------------------------------------------------------- */
/* The union LogicalType by its field numbers; where absent, what ConvertedType says in its terms. */
enum pq_meaning {
	PQ_NO_MEANING, PQ_STRING, PQ_MAP, PQ_LIST, PQ_ENUM, PQ_DECIMAL, PQ_DATE, PQ_TIME, PQ_TIMESTAMP, PQ_INTEGER = 10,
	PQ_UNKNOWN, PQ_JSON, PQ_BSON, PQ_UUID, PQ_FLOAT16
};

struct pq_element {
	char *name;
	int32_t type;                        /* enum pq_type; -1 for groups */
	int32_t width;                       /* of PQ_FIXED */
	int32_t repetition, n_children;
	int32_t meaning;                     /* enum pq_meaning, or one that we do not know */
	int32_t unit;                        /* enum time_unit */
	bool utc;
	int32_t bits;                        /* of integers */
	bool is_signed;
	int32_t precision, scale;
};

struct pq_chunk {
	int64_t at, bytes;                   /* in the file */
	int64_t values;
	int32_t type, codec;
	bool elsewhere, encrypted;
};

struct pq_group {
	int64_t rows, bytes;                 /* uncompressed */
	struct pq_chunk *chunks;
	int64_t n_chunks;
};

struct pq_meta {
	struct pq_element *elements;         /* depth first; the first is the root */
	int64_t n_elements;
	struct pq_group *groups;
	int64_t n_groups, rows;
	char *huggingface;                   /* the value of that key of the file, or NULL */
	struct arena arena;
};
enum status parquet_meta_read(struct pq_meta *m, struct source *s, struct error *err);
void parquet_meta_release(struct pq_meta *m);

/* --- blocks: memory that the file decides about -------------------------------------------------- */
struct pq_block {
	uint8_t *data;
	size_t len, cap;
};
/* Room for more bytes and the slack behind len, the bytes so far kept. ERR_MEMORY. */
enum status pq_room(struct pq_block *b, size_t more, struct error *err);
void pq_block_release(struct pq_block *b);

/* --- packed bits ----------------------------------------------------------------------------------- */
/* Runs of one value and runs of bit-packed groups of eight. */
struct pq_rle {
	const uint8_t *p, *end;
	int bits;
	int64_t run, packed;                 /* values left of the run under way, of either sort */
	uint32_t value;                      /* of a run of one value */
	uint32_t eight[8];                   /* the group under way */
	int n_eight;                         /* how many of it are left */
};
void pq_rle_open(struct pq_rle *r, const uint8_t *p, const uint8_t *end, int bits);
/* How many of the next values are surely *value; 0 says nothing. */
int64_t pq_rle_same(struct pq_rle *r, uint32_t *value);
void pq_rle_skip_same(struct pq_rle *r, int64_t n);
/* False if fewer are left. */
bool pq_rle_take(struct pq_rle *r, uint32_t *out, int64_t n);

struct pq_delta {
	const uint8_t *p, *end;
	int64_t per_mini, left;              /* values of a miniblock; values still to come, the first among them */
	int64_t minis, mini;
	const uint8_t *widths;
	bool first;
	uint64_t value, min_delta;
	int64_t mini_left, mini_at;
	const uint8_t *packed;
	int bits;
};
bool pq_delta_open(struct pq_delta *d, const uint8_t *p, const uint8_t *end);
bool pq_delta_take(struct pq_delta *d, uint64_t *out, int64_t n);
/* Where the bytes behind all values begin; NULL if the encoding is broken. Of a decoder that nothing was taken from. */
const uint8_t *pq_delta_end(const struct pq_delta *d);

/* --- values ------------------------------------------------------------------------------------------ */
struct pq_slice {
	const uint8_t *p;
	size_t n;
};

struct pq_dictionary {
	struct pq_block body, slices;        /* slices: of PQ_BYTES, pointing into body */
	int64_t n;
	bool there;
};

struct pq_values {
	enum pq_type type;
	int width;                           /* bytes of a value; 0 for PQ_BYTES, 1 for PQ_BOOLEAN */
	int encoding;
	const uint8_t *p, *end;
	int64_t at;                          /* values taken: PLAIN booleans, PQ_SPLIT */
	int64_t split;                       /* PQ_SPLIT: values in all */
	const struct pq_dictionary *dictionary; /* set if the encoding looks up there */
	struct pq_rle rle;
	struct pq_delta delta, prefix;
	struct pq_block text;                /* PQ_DELTA_BYTES: the strings handed out last */
	size_t last;                         /* … and where the last of them begins */
};
/* Begins a page's values at p[0..n); dictionary is the leaf's. */
enum status pq_values_open(struct pq_values *v, int encoding, const uint8_t *p, size_t n,
			   const struct pq_dictionary *dictionary, struct error *err);
/* n (<= PQ_STEP) values of a fixed width into out, booleans as bytes. */
enum status pq_values_fixed(struct pq_values *v, int64_t n, uint8_t *out, struct error *err);
/* n (<= PQ_STEP) strings; they stay until the next call. */
enum status pq_values_bytes(struct pq_values *v, int64_t n, struct pq_slice *out, struct error *err);
/* The strings of a plain page of n; slack as ever. */
enum status pq_plain_slices(const uint8_t **p, const uint8_t *end, int64_t n, struct pq_slice *out, struct error *err);
const char *pq_encoding_name(int encoding);

/* --- pages --------------------------------------------------------------------------------------------- */
struct pq_pages {
	struct source *source;
	const struct pq_chunk *chunk;
	int max_def, max_rep;
	bool text;                           /* strings of the dictionary must be UTF-8 */
	int64_t at, end;                     /* in the file: the next page, the chunk's end */
	int64_t values_left;                 /* of the chunk, in pages to come */
	int64_t page_left;                   /* entries of the page whose levels have not been taken */
	const uint8_t *window;               /* bytes of the file [window_at, window_at + window_bytes), slack behind them: */
	int64_t window_at, window_bytes;
	struct input_map map;                /* … mapped */
	struct pq_block copy;                /* … or copied */
	struct pq_block body;                /* the page, inflated */
	struct pq_dictionary dictionary;
	struct pq_rle rep, def;
	struct pq_values values;
};
void pq_pages_start(struct pq_pages *g, const struct pq_chunk *chunk);
/* The next data page; END behind the chunk's last. */
enum status pq_pages_next(struct pq_pages *g, struct error *err);
void pq_pages_release(struct pq_pages *g);
/* Exactly n bytes from packed bytes into out. */
enum status pq_inflate(int codec, const uint8_t *from, size_t packed, uint8_t *out, size_t n, struct error *err);
const char *pq_codec_name(int codec);        /* NULL if unknown */

/* --- columns ----------------------------------------------------------------------------------------------- */
enum pq_node_kind { PQ_LEAF, PQ_STRUCT, PQ_ROWS };    /* PQ_ROWS: a list or a map */

/* A field of our schema and its rows of the batch being built. A row of it exists in an entry of a leaf's levels that has
 * at most repetition level slot_rep and at least definition level slot_def; it is null below definition level def. */
struct pq_node {
	const struct field *field;
	enum pq_node_kind kind;
	int def, slot_def, slot_rep;
	int element_def;                     /* PQ_ROWS: an entry at repetition level slot_rep + 1 or below begins an element from here on */
	int n_children;
	struct pq_node *children;
	int64_t length, nulls;
	int64_t elements;                    /* PQ_ROWS */
	struct pq_block validity, offsets, values; /* as in struct array; validity only if there are nulls, offsets of 32 bits */
};

/* How values of the physical type become values of the field's. */
enum pq_convert {
	PQ_AS_IS, PQ_NARROW, PQ_WIDEN, PQ_BIG_ENDIAN, PQ_JULIAN, PQ_NOTHING
};

struct pq_leaf {
	char *path;                          /* dotted, for errors */
	struct pq_node *node;
	struct pq_node **above;              /* nodes without values that this leaf's levels build, outermost first */
	int n_above;
	int list_def[PQ_DEPTH_MAX + 1];      /* element_def of the list at each repetition level */
	enum pq_convert convert;
	struct pq_pages pages;
	uint32_t *def, *rep;                 /* levels taken and not yet used: [at, n) of PQ_STEP */
	int64_t at, n;
	bool full;                           /* all of these have a value */
	uint32_t last_def;                   /* of the entry before; list_def's guard */
	bool begun;                          /* an entry of the chunk has come */
	struct pq_block scratch;             /* values before their conversion */
};
void pq_leaf_start(struct pq_leaf *l, const struct pq_chunk *chunk);
/* Appends the next rows to the leaf's nodes. */
enum status pq_leaf_read(struct pq_leaf *l, int64_t rows, struct error *err);
/* Whether the chunk holds nothing more. */
bool pq_leaf_done(const struct pq_leaf *l);
void pq_leaf_release(struct pq_leaf *l);

size_t pq_node_bytes(const struct pq_node *n);
/* Rows of nested columns agree with what stands above them. */
enum status pq_node_check(const struct pq_node *n, int64_t rows, struct error *err);
/* Bytes that pq_node_move needs; it copies the rows to *at, describes them in a, and empties the node. */
size_t pq_node_block(const struct pq_node *n);
void pq_node_move(struct pq_node *n, struct arena *arena, uint8_t **at, struct array *a);
void pq_node_release(struct pq_node *n);

/* --- the schema ---------------------------------------------------------------------------------------------- */
struct pq_tree {
	struct pq_node *nodes;               /* one a field of the schema */
	int n_nodes;
	struct pq_leaf *leaves;
	int n_leaves;
};
/* Fields into s, nodes and leaves into t. */
enum status parquet_schema_read(const struct pq_meta *m, struct schema *s, struct pq_tree *t, struct error *err);
void parquet_tree_release(struct pq_tree *t);

#endif

/* arrow_decode.h - what the parts of the Arrow reader share: a message being decoded, encodings of columns.
 * Private to the reader (arrow_*.c). */
#ifndef QUERN_STREAM_ARROW_DECODE_H
#define QUERN_STREAM_ARROW_DECODE_H

#include "stream/arrow.h"
#include "stream/layout.h"

/* A buffer of a body: a place and its bytes; NULL if there are none. */
struct piece {
	const uint8_t *p;
	int64_t n;
};

/* How a field's column stands in a batch; a tree of the field's shape. */
struct wire {
	bool view;                           /* utf8 or binary as views */
	bool encoded;                        /* indices into a dictionary, whose values are of the field's type */
	enum field_type index;               /* of those indices */
	int64_t id;
	struct dictionary *dictionary;       /* set when the whole schema is known */
	struct wire *children;
};

/* Values that columns' indices point to. */
struct dictionary {
	int64_t id;
	struct schema schema;                /* the values' field alone */
	const struct wire *wire;             /* how they stand in their batch */
	bool present;
	struct batch *batch;                 /* values as they came, or NULL */
	struct column *grown;                /* values that deltas have been appended to, or NULL */
	struct arena arena;                  /* of the view on them */
	struct array values;
};

struct encodings {
	int n_fields;
	struct field *fields;                /* copies: shapes of the wires */
	struct wire *wires;
	struct dictionary **dictionaries;    /* by id */
	int n_dictionaries;
};

/* Takes over wires, which has the shape of s's fields; *e is NULL if all are plain. */
enum status encodings_open(struct encodings **e, const struct schema *s, struct wire *wires, struct error *err);
void wires_free(struct wire *wires, const struct field *fields, int n);

struct decoder {
	struct message *m;
	struct fbs_vector nodes, variadics;  /* rows of each array; buffers of each view column */
	struct piece *pieces;                /* the buffers, inflated */
	uint32_t n_pieces, next_piece, next_node, next_variadic;
	struct batch *b;
	int64_t left;                        /* bytes that decoding may still make, beside the body */
	struct error *err;
};

enum status decode_error(struct decoder *d, const struct array *a, const char *what);
/* Length and nulls of the next node into a, and its validity bitmap. */
enum status decode_node(struct decoder *d, struct array *a);
enum status decode_validity(struct decoder *d, struct array *a);
/* Text columns: that every row is UTF-8. */
enum status decode_check_utf8(struct decoder *d, const struct array *a);
/* The columns of a RecordBatch table; batch and memory are d's. */
enum status decode_table(struct decoder *d, struct fbs_table *t, const struct schema *s, const struct wire *wires,
			 bool values, const uint8_t *body);
/* Memory of the batch that d makes, NULL beyond the limits. */
void *decode_alloc(struct decoder *d, int64_t bytes);
enum status decode_no_memory(struct decoder *d, const struct array *a);
/* A column of indices as the values they point to. */
enum status decode_indices(struct decoder *d, const struct wire *w, struct array *a);
/* A column of views as plain utf8 or binary. */
enum status decode_views(struct decoder *d, struct array *a);
/* Inflates d's pieces into one block, which replaces the batch's body. codec is the BodyCompression table. */
enum status decode_inflate(struct decoder *d, const struct fbs_table *codec);
/* Rows idx[0..n) of from (-1: none) as an array of field f in d's memory. may_null: rows without a value are null even if
 * f says that it has no nulls. */
enum status decode_take(struct decoder *d, const struct field *f, const struct array *from, const int64_t *idx, int64_t n,
			bool may_null, struct array *out);

#endif

/* store.h - inside the model room: the matrices of a frozen base, held in the form that was asked for. */
#ifndef QUERN_MODEL_STORE_H
#define QUERN_MODEL_STORE_H

#include "model/layout.h"
#include "model/source.h"

/* Forms and places as the files of s have them: a matrix that is one plain tensor of float32 or bfloat16 is used where its file is
 * mapped; one of several is copied in their form; all others become float32. */
enum status store_map(struct model *m, const struct source *s, struct error *err);
/* All values of a tensor that is plain floats as float32 into the device's memory, by all threads; false, and nothing done, where the
 * file cannot be mapped. */
bool store_widen(struct model *m, const struct source_tensor *from, float *to);
/* The values of such a tensor where its file is mapped, if they have this type, aligned in no way; NULL else. */
const void *store_bytes(struct model *m, const struct source_tensor *from, const char *dtype);
/* Copies such values to the device by all threads. */
void store_copy(struct model *m, void *to, const void *from, size_t bytes);
/* The values of a tensor of float32, aligned. */
const float *store_floats(struct model *m, const struct source_tensor *from);
/* No file is needed any more. */
void store_unmap(struct model *m);
/* The tensor of the source under its name, or, in a file of the bare decoder, without the prefix; NULL: there is none. */
const struct source_tensor *store_find(const struct model *m, const struct source *s, const char *name);

/* The matrices of a model: embeddings, the output matrix (NULL: it is the embeddings), four of each layer. */
static inline int store_linears(const struct model *m) { return 4 * m->cfg.n_layers + 2; }
struct linear *store_linear(const struct model *m, int i);
/* How much a matrix takes in its form. */
size_t store_data_bytes(const struct linear *l);
/* Whether a matrix is wanted as it is, not just packed. */
bool store_keeps(const struct model *m, const struct linear *l);

/* While a model is loaded: where matrices that will only be packed come together, one after the other. */
struct stage {
	void *data;                          /* device */
	size_t bytes;
};
enum status stage_open(struct stage *s, const struct model *m, struct error *err);
void stage_close(struct stage *s, const struct model *m);
/* Before a matrix's parts are read, and after. */
void stage_begin(const struct stage *s, struct linear *l);
void stage_end(const struct model *m, struct linear *l);

/* Rows of a tensor, by pieces and in order; from[rows, cols] are host floats. ERR_UNSUPPORTED for a form that cannot hold the matrix. */
struct store_writer {
	const struct model *m;
	const struct stored_part *part;
	bool nested;                         /* NF4: the factors go through double quantisation; they have been, where the file is NF4 */
	int64_t row;                         /* rows that came */
	void *codes;                         /* a piece, encoded */
	float *scales;                       /* of the whole part */
	size_t code_bytes;
};
void store_begin(struct store_writer *w, const struct model *m, const struct stored_part *part, bool nested);
enum status store_rows(struct store_writer *w, const float *from, int64_t rows, struct error *err);
/* After the last row, or an error; releases. */
void store_end(struct store_writer *w);

#endif

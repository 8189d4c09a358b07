/* store.h - inside the model room: the matrices of a frozen base, held in the form that was asked for. */
#ifndef QUERN_MODEL_STORE_H
#define QUERN_MODEL_STORE_H

#include "model/layout.h"
#include "model/source.h"

/* Forms and places as the files of s have them: a matrix that is one plain tensor of float32 or bfloat16 is used where its file is
 * mapped; one of several is copied in their form; all others become float32. */
enum status store_map(struct model *m, const struct source *s, struct error *err);
/* The tensor of the source under its name, or, in a file of the bare decoder, without the prefix; NULL: there is none. */
const struct source_tensor *store_find(const struct model *m, const struct source *s, const char *name);

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

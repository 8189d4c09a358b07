/* fasttext.h - language by a user's fastText model: supervised models as fastText 0.9 writes them (version 12), plain (.bin) and quantised (.ftz),
 * with softmax, hierarchical softmax, one-vs-all or negative sampling.
 *
 * The text is read as fastText reads a line: words parted by ASCII white space, each with its character n-grams, then word n-grams, then the end of
 * the line. Prediction is the model's: the mean of the rows, times the output, as probabilities in float. Memory is the file's. A model may be shared by
 * threads, a scratch may not. */
#ifndef QUERN_TEXT_FASTTEXT_H
#define QUERN_TEXT_FASTTEXT_H

#include "base/error.h"
#include "base/mem.h"

struct fasttext;
/* ERR_DATA if it is no such model, or cut off or inconsistent anywhere. */
enum status fasttext_open(struct fasttext **m, const char *path, struct error *err);
/* The same of bytes, which must stay. */
enum status fasttext_read(struct fasttext **m, const char *data, size_t n, struct error *err);
void fasttext_close(struct fasttext *m);                           /* NULL allowed */

struct fasttext_scratch {
	float *hidden, *output;
	struct { int32_t node; float score; } *stack; /* of branches not yet looked at */
	int32_t *rows;               /* of the input matrix */
	int64_t n_rows, cap_rows;
	int32_t *hashes;             /* of words */
	int64_t n_hashes, cap_hashes;
	struct buf word;
};
void fasttext_scratch_release(struct fasttext_scratch *x);
/* Probability of the most probable label, whose name, without __label__, is *label (the model's); NaN and "" where the text has nothing that the
 * model knows. */
double fasttext_predict(const struct fasttext *m, const char *s, size_t n, struct fasttext_scratch *x, const char **label);
/* Whether the model has this label. */
bool fasttext_has(const struct fasttext *m, const char *label);

#endif

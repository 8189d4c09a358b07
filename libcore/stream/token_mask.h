/* token_mask.h - which tokens of a row of kind tokens a loss is taken on: where loss_mask is not 0; without it, where a list labels is not
 * -100, as data that were tokenized for Hugging Face's trainers have it; without both, everywhere. */
#ifndef QUERN_STREAM_TOKEN_MASK_H
#define QUERN_STREAM_TOKEN_MASK_H

#include "stream/record.h"

#include <stdbool.h>

struct token_mask {
	const struct array *values;  /* NULL: all tokens count */
	int64_t from;                /* of the row's first */
	bool labels;
};
/* The column that says so, loss_mask or a list labels of numbers; -1: none. */
int token_mask_column(const struct schema *s);
/* Of the row's n ids. ERR_DATA if there are not as many values, or a label is neither negative nor its token. The batch stays the caller's. */
enum status token_mask_read(struct token_mask *m, const struct batch *b, int64_t row, const int32_t *ids, int64_t n, struct error *err);

static inline bool token_mask_has(const struct token_mask *m, int64_t i)
{
	if (!m->values)
		return true;
	return m->labels ? array_int(m->values, m->from + i) >= 0 : array_int(m->values, m->from + i) != 0;
}

#endif

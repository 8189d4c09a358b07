/* serve.h - products with weights that are packed for the forward alone, in the table of bf16 (serve.cu). */
#ifndef QUERN_CUDA_SERVE_H
#define QUERN_CUDA_SERVE_H

#include "device.h"

/* Y[N, O] = X[N, I] W^T + bias + add, rounded once. Rows of X and Y are ldx and ldy values apart; Y, and add, which is laid out as Y and may
 * be it, are bf16 or, to_float, floats; bias, add or both may be NULL. */
struct serving {
	void *y;
	const void *x, *add;
	struct weights w;            /* packed is what serve_pack has made; scale */
	const float *bias;
	int64_t ldy, ldx, n, o, i;
	bool to_float;
};
void serve_product(const struct serving &s);
/* Rows ids[n] of packed weights of c columns. */
void serve_embed(bf16 *y, struct weights w, const int32_t *ids, int64_t n, int64_t c);

static inline bool is_served(bool half, const struct weights &w) { return half && w.packed && w.forward; }

/* Weights of floats become bf16; the others keep their form. */
size_t serve_bytes(enum elem elem, int64_t o, int64_t i);
void serve_pack(void *packed, struct weights w, int64_t o, int64_t i);
void serve_open(void);

#endif

/* head.c - the output matrix where its logits are wanted whole: of a vocabulary in decoding, or of a classifier, a reward model's one or
 * the two of a process reward model, at every token. */
#include "model/layout.h"

void head_forward(const struct model *m, float *logits, const act *x, int64_t n)
{
	const struct linear *l = &m->layout->head;

	m->k->matmul_float(m->pool, logits, x, linear_weights(m, l), l->b >= 0 ? m->params + l->b : NULL, n, l->out, l->in);
}

void classify_backward(const struct model *m, act *dx, const act *dlogits, const act *x, float *grads, int64_t n)
{
	const struct linear *l = &m->layout->head;

	m->k->matmul_dx(m->pool, dx, dlogits, linear_weights(m, l), n, l->out, l->in, 0);
	if (l->w >= 0 && !l->fixed)  /* a frozen base's is not there */
		m->k->matmul_dw(m->pool, grads + l->w, dlogits, x, n, l->out, l->in);
	if (l->w >= 0 && l->b >= 0 && !l->b_fixed)
		m->k->bias_db(m->pool, grads + l->b, dlogits, n, l->out);
}

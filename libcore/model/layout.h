/* layout.h - inside the model room: where parameters lie, and how device buffers are planned.
 *
 * A plan is walked twice: once without a base to count bytes, once with one to hand out pieces. Sizes
 * saturate at SIZE_MAX, so an impossible request is an allocation that fails and no overflow. */
#ifndef QUERN_MODEL_LAYOUT_H
#define QUERN_MODEL_LAYOUT_H

#include "model/model.h"

/* Offsets in elements of the parameter buffer. */
struct layer_layout {
	int64_t attn_norm;           /* [hidden] */
	int64_t qkv;                 /* [(heads + 2 kv_heads) head_dim, hidden] */
	int64_t out;                 /* [hidden, heads head_dim] */
	int64_t mlp_norm;            /* [hidden] */
	int64_t gate_up;             /* [2 ffn, hidden] */
	int64_t down;                /* [hidden, ffn] */
};

struct model_layout {
	int64_t embed;               /* [vocab, hidden] */
	int64_t norm;                /* [hidden] */
	int64_t head;                /* [vocab, hidden]; = embed when tied */
	struct layer_layout layers[];
};

/* The matrix at an offset of the layout. */
static inline struct weights model_weights(const struct model *m, int64_t offset)
{
	return weights_f32(m->params + offset);
}

/* Widths of the concatenated projections. */
static inline int64_t attn_width(const struct model_config *c) { return (int64_t)c->heads * c->head_dim; }
static inline int64_t qkv_width(const struct model_config *c)
{
	return (int64_t)(c->heads + 2 * c->kv_heads) * c->head_dim;
}

struct plan {
	char *base;                  /* NULL: count only */
	size_t used;                 /* bytes so far, SIZE_MAX once it overflowed */
};
/* n elements of size bytes, 64-byte aligned; NULL while counting. */
static inline void *plan_take(struct plan *p, int64_t n, size_t size)
{
	size_t at = p->used, bytes;

	if (n < 0 || __builtin_mul_overflow((size_t)n, size, &bytes) || __builtin_add_overflow(bytes, 63, &bytes) ||
	    __builtin_add_overflow(at, bytes & ~(size_t)63, &p->used))
		p->used = SIZE_MAX;
	return p->base ? p->base + at : NULL;
}
static inline float *plan_floats(struct plan *p, int64_t rows, int64_t cols)
{
	int64_t n;

	return plan_take(p, __builtin_mul_overflow(rows, cols, &n) ? -1 : n, sizeof(float));
}

/* The rotary tables: angle p * theta^(-2i/D), in the float arithmetic of transformers. cos, sin: host [positions, D/2]. */
void rope_tables(const struct model_config *c, int64_t positions, float *cos_table, float *sin_table);

/* Activations of one layer for N tokens. In training each layer has its own; else all share one set, x2 is x, and
 * the residual stream is updated in place. */
struct acts {
	float *x;                    /* [N, hidden] residual stream at the layer's entry */
	float *n1, *rstd1;           /* [N, hidden], [N]: normalised x */
	float *qkv;                  /* [N, qkv_width] rotated */
	float *o, *lse;              /* [N, attn_width], [N, heads]; lse is NULL in decoding */
	float *x2;                   /* [N, hidden] x + attention */
	float *n2, *rstd2;
	float *gate_up;              /* [N, 2 ffn] */
	float *h;                    /* [N, ffn] */
};
struct rotary {
	const float *cos, *sin;      /* device [positions, head_dim / 2] */
	const int32_t *pos;          /* device [N] */
};
/* Takes one set from the plan; x is taken by the caller. own: x2 apart from x (training). */
void acts_plan(struct plan *p, struct acts *a, const struct model_config *c, int64_t n, bool own);
/* A layer before and after its attention: a->x to a->qkv, and a->o to the residual stream x_next. */
void layer_before(const struct model *m, int l, const struct acts *a, const struct rotary *r, int64_t n);
void layer_after(const struct model *m, int l, const struct acts *a, float *x_next, int64_t n);

#endif

/* layout.h - inside the model room: where parameters lie, and how device buffers are planned.
 *
 * A plan is walked twice: once without a base to count bytes, once with one to hand out pieces. Sizes
 * saturate at SIZE_MAX, so an impossible request is an allocation that fails and no overflow. */
#ifndef QUERN_MODEL_LAYOUT_H
#define QUERN_MODEL_LAYOUT_H

#include "base/file.h"
#include "model/model.h"

#include <string.h>

/* An adapter of rows [row, row + rows) of a matrix: y += scale (x A^T) B^T, A being rows [rank_row, rank_row + r) of the matrix's a. */
struct lora_part {
	int64_t row, rows, rank_row;
	int64_t r;
	float scale;
	int64_t b;                   /* [rows, r] */
};

/* Offsets are in elements of the parameter buffer, -1 = there is none. */
struct linear {
	int64_t out, in;
	int64_t w;                   /* [out, in] */
	int64_t b;                   /* [out] */
	bool fixed, b_fixed;         /* not trained: no gradient is wanted (model_train_only) */
	struct weights stored;       /* where the matrix lies if not at w; packed: what the products take, wherever it lies. data is NULL
				      * where it was packed and is not kept besides */
	size_t packed_bytes;         /* of a matrix in the store that is packed when it is loaded; 0: it is not */
	int n_lora;
	struct lora_part lora[3];
	int64_t rank;                /* of all together */
	int64_t a;                   /* [rank, in] */
};

/* Rows [row, row + tensor.rows) of a matrix that lies in the store. */
struct stored_part {
	struct tensor tensor;
	struct linear *linear;
	int64_t row;
	const void *bytes;           /* its values in a mapped file, in the form of the store; NULL: they are read */
};
/* A weight file of which matrices are used where they lie. */
struct model_map {
	const void *file;            /* which, while the model is loaded */
	struct input_map map;
	const uint8_t *data;         /* its first value; NULL: it could not be mapped */
};
struct norm_place {
	int64_t g, b;                /* [hidden] */
	bool fixed;
};

struct layer_layout {
	struct norm_place attn_norm, attn_post, mlp_norm, mlp_post;
	int64_t q_norm, k_norm;      /* [head_dim] */
	bool qk_fixed;
	struct linear qkv;           /* [(heads + 2 kv_heads) head_dim, hidden] */
	struct linear out;           /* [hidden, heads head_dim] */
	struct linear gate_up;       /* [2 ffn, hidden]; [ffn, hidden] without a gate */
	struct linear down;          /* [hidden, ffn] */
};

struct model_layout {
	struct linear embed;         /* [vocab, hidden] */
	int64_t positions;           /* [positions, hidden] */
	bool positions_fixed;
	int lowest;                  /* layer that the backward goes down to: below it nothing is trained */
	struct norm_place norm;
	struct linear head;          /* [vocab, hidden]; = embed when tied */
	struct layer_layout layers[];
};

static inline struct weights linear_weights(const struct model *m, const struct linear *l)
{
	struct weights w = l->stored;

	if (l->w >= 0)
		w.data = m->params + l->w, w.elem = ELEM_F32;
	return w;
}

/* y[n, out] = x W^T + b, and res besides (which may be y; NULL = nothing). */
void linear_forward(const struct model *m, const struct linear *l, act *y, const act *x, const act *res, int64_t n);
/* dx[n, in] = dy W; the gradients of W and b are added to grads. */
void linear_backward(const struct model *m, const struct linear *l, act *dx, const act *dy, const act *x, float *grads, int64_t n);
/* logits[n, out] = x W^T + b of the output matrix, in floats: of a vocabulary, or a classifier's (head.c). */
void head_forward(const struct model *m, float *logits, const act *x, int64_t n);
/* Of a classifier: from the logits' gradient that of x, and of the head if it is trained. */
void classify_backward(const struct model *m, act *dx, const act *dlogits, const act *x, float *grads, int64_t n);
void norm_forward(const struct model *m, const struct norm_place *p, act *y, float *rstd, const act *x, int64_t n);

/* Whether matrices keep the form that they have in their files, and, on a device with host access, their place. */
bool model_in_place(const struct model_how *how);
static inline bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

/* Layout of c's parameters and zeroed memory for them. */
enum status model_allocate(struct model *m, const struct model_config *c, const struct model_how *how, const struct kernels *k,
			   struct pool *pool, struct error *err);
/* Memory for the stored matrices, and each one's place in it. Those that are packed, on being loaded, have no other place, but for
 * embeddings that are the output matrix too where the table cannot embed from that. */
enum status store_take(struct model *m, enum model_form form, struct error *err);
/* The same for those that have a form and no data yet. */
enum status store_place(struct model *m, struct error *err);

/* Widths of the concatenated projections. */
static inline int64_t attn_width(const struct model_config *c) { return (int64_t)c->heads * c->head_dim; }
static inline int64_t qkv_width(const struct model_config *c)
{
	return (int64_t)(c->heads + 2 * c->kv_heads) * c->head_dim;
}
static inline int64_t gate_up_width(const struct model_config *c)
{
	return (c->act == ACT_GELU ? 1 : 2) * (int64_t)c->ffn;
}
struct heads layer_heads(const struct model_config *c, int l);

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

static inline act *plan_acts(struct plan *p, const struct kernels *k, int64_t rows, int64_t cols)
{
	int64_t n;

	return plan_take(p, __builtin_mul_overflow(rows, cols, &n) ? -1 : n, k->elem_bytes);
}

/* Activations of one layer for N tokens. What is not kept for the backward lies in one set that the layers share; in
 * scoring and decoding that is all of it, x2 is x, and the residual stream is updated in place. */
struct attention_acts {
	act *n1;                     /* [N, hidden]: normalised x */
	act *qkv;                    /* [N, qkv_width] */
	act *rot;                    /* the same, normalised by heads and rotated; = qkv where heads are not normalised */
	act *o;                      /* [N, attn_width] */
	act *t1;                     /* [N, hidden]: attention's output before its post-norm (only with post-norms) */
	float *rstd1, *lse, *rstd_t1;        /* [N], [N, heads], [N]: of n1, of o (not used in decoding), of t1 */
};
struct mlp_acts {
	act *x2;                     /* [N, hidden] x + attention */
	act *n2;
	act *gate_up;                /* [N, gate_up_width] */
	act *h;                      /* [N, ffn] */
	act *t2;                     /* as t1, of the feed-forward */
	float *rstd2, *rstd_t2;
};
struct acts {
	act *x;                      /* [N, hidden] residual stream at the layer's entry */
	struct attention_acts att;
	struct mlp_acts mlp;
};

/* The rotary tables of a state or a cache: cosines and sines of each position's angles. Layers with a window may have a
 * base of their own (Gemma 3). Under scaling that depends on the length of a sequence, the tables of long sequences stand
 * behind those of the others. */
struct rotary {
	int64_t half;                /* pairs of a head that are rotated */
	int64_t base;                /* rows for sequences that are not stretched */
	int64_t rows;                /* all */
	float *cos, *sin;            /* device [rows, half] */
	float *local_cos, *local_sin; /* of the layers with a window; = cos, sin where they have no base of their own */
	int32_t *row;                /* device [N]: each token's row of the tables */
	int32_t *host_row;           /* [N] */
	float *host;                 /* [2, rows, half] */
};
/* Takes tables for n tokens in sequences of at most positions tokens, and rows for the tokens. */
void rotary_plan(struct plan *p, struct rotary *r, const struct model_config *c, int64_t positions, int64_t n);
/* Fills the tables, once the plan has a base. */
void rotary_open(struct rotary *r, const struct model *m, int64_t n);
void rotary_close(struct rotary *r);
/* Rows of the tokens of s sequences; past[i] tokens of sequence i came before (NULL: none, the sequences are whole, and row is not in use by
 * what is in flight). */
void rotary_set(struct rotary *r, const struct model *m, const int32_t *cu, int64_t s, const int32_t *past);

/* Takes one set for scoring or decoding. */
void acts_plan(struct plan *p, struct acts *a, const struct model *m, int64_t n);
/* A layer before and after its attention: a->x to att.rot, and att.o to the residual stream x_next. */
void layer_before(const struct model *m, int l, const struct acts *a, const struct rotary *r, int64_t n);
void layer_after(const struct model *m, int l, const struct acts *a, act *x_next, int64_t n);
/* Tokens to their vectors, with positions where they are learned. */
void embed_tokens(const struct model *m, act *x, const int32_t *ids, const int32_t *pos, int64_t n);

#endif

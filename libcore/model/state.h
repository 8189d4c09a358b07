/* state.h - inside the model room: the device memory of a pass over one packed micro-batch, and the parts of a layer's forward that the
 * backward computes again.
 *
 * The residual stream at the entry of each half layer is kept (training), and the norms' outputs, rotated qkv,
 * attention output, gate|up and their product; or some of them are computed again (enum model_use). The logits never exist
 * as a whole, and those of tokens without a target never exist. N tokens, C hidden, F ffn, V vocabulary. */
#ifndef QUERN_MODEL_STATE_H
#define QUERN_MODEL_STATE_H

#include "model/layout.h"

struct model_state {
	const struct kernels *k;
	enum model_use use;
	bool fresh;                  /* a forward has run and no backward since */
	int64_t n_max;
	int64_t positions;           /* of the longest sequence */
	void *arena;                 /* device */
	struct acts *acts;           /* [n_layers] */
	act *x_end, *n_end;          /* [N, C]: after the last layer */
	float *rstd_end;             /* [N] */
	float *logp, *lse, *mean;    /* [N] */
	float *logits;               /* [N, labels] of a classifier, and their gradient from the host */
	struct rotary rotary;
	int32_t *ids, *pos, *cu, *targets;
	/* Those, and the rows of the rotary tables, of this batch and of the one before it, whose backward may be under way when they come. */
	struct batch_room {
		int32_t *ids, *pos, *cu, *targets, *row;
	} rooms[2];
	int room;                    /* of this batch */
	float *head_scratch;
	/* training only */
	act *dx, *dn, *dh, *dqkv, *dt, *dlogits;
	float *dlogp, *dlse, *dmean, *norm_scratch;
	float *noise_size;           /* [N] */
	uint64_t *noise_key;
	int32_t *host_pos;           /* [N] host */
};

/* Checks the batch and moves it to the device; positions restart in each sequence. */
enum status state_take_batch(struct model_state *s, const struct model *m, const struct model_batch *b, struct error *err);
/* The forward of b, which is taken already, up to the normalised stream n_end. */
void forward_stream(struct model *m, struct model_state *s, const struct model_batch *b);

/* A layer's forward, part by part: x to att.rot, and on to att.o; att.qkv to att.rot; att.o to mlp.x2; mlp.x2 to mlp.h; that to the
 * next layer's x. */
void layer_attend(const struct model *m, const struct model_state *s, int l, int64_t seqs, int64_t n);
void layer_heads_forward(const struct model *m, int l, const struct attention_acts *a, const struct rotary *r, int64_t n);
void layer_attention_out(const struct model *m, int l, const struct acts *a, int64_t n);
void layer_mlp_inside(const struct model *m, int l, const struct acts *a, int64_t n);
void layer_mlp_out(const struct model *m, int l, const struct acts *a, act *x_next, int64_t n);
/* sign -1: the backward */
void layer_rotate(const struct model *m, int l, const struct rotary *r, act *qkv, int64_t n, int sign);

#endif

/* family.h - the table of architectures: what distinguishes one family from another, in one row each.
 *
 * A row holds what its config.json does not say (which biases it has, where its norms stand, what its tensors are called)
 * and what holds when a member is missing, as in transformers' classes. Adding a family is adding a row. */
#ifndef QUERN_MODEL_FAMILY_H
#define QUERN_MODEL_FAMILY_H

#include "model/model.h"

/* Which layers have a window. */
enum windows {
	WINDOW_NONE,                 /* none: sliding_window is refused */
	WINDOW_ALL,                  /* all, if sliding_window is a number */
	WINDOW_UPPER,                /* from max_window_layers on, if use_sliding_window; or layer_types says it */
	WINDOW_PATTERN,              /* all but every n-th; or layer_types says it */
};
enum attention_bias { BIAS_NONE, BIAS_QKV, BIAS_ASKED, BIAS_ALL };   /* asked: attention_bias and mlp_bias say it */

/* The parts of a model, each with a name per family; NULL = it has no such part. ".weight" and ".bias" follow. */
enum part {
	PART_EMBED, PART_POSITIONS, PART_NORM, PART_HEAD,
	/* of a layer, behind the name of the layer */
	PART_ATTN_NORM, PART_Q, PART_K, PART_V, PART_QKV, PART_Q_NORM, PART_K_NORM, PART_OUT, PART_ATTN_POST,
	PART_MLP_NORM, PART_GATE, PART_UP, PART_GATE_UP, PART_DOWN, PART_MLP_POST,
	PARTS
};
struct part_names {
	const char *base;            /* prefix of the decoder's tensors; files of a bare decoder lack it */
	const char *layer;           /* with %d for its number */
	bool transposed;             /* matrices of the layers are stored [in, out] (Conv1D) */
	const char *parts[PARTS];
};

struct family {
	const char *architecture, *model_type;
	const struct part_names *names;
	bool gpt2;                   /* config.json calls the sizes n_embd, n_layer, ... and has no rotary positions */
	enum norm_kind norm;
	float norm_plus;
	bool post_norms, qk_norm, scale_embed, mlp_bias;
	enum attention_bias bias;
	enum windows windows;
	bool tied, rotary_share, caps; /* caps: soft caps of scores and logits are computed */
	const char *act_key, *act;   /* its member, and what it is when that is missing */
	int kv_heads, head_dim;      /* defaults; 0 = heads, hidden / heads */
	int positions, window, pattern;
	double eps, theta, local_theta, query_scale, attention_cap, logit_cap;
	const char *token_head;      /* the head's name in its token classifier; NULL: transformers has none */
};

/* The row of a model_type or an architecture; NULL if there is none. */
const struct family *family_find(const char *name);
static inline const struct family *family_of(const struct model_config *c) { return family_find(c->model_type); }
/* The same of a classifier's architecture, LlamaForSequenceClassification (1 label) or LlamaForTokenClassification (2). */
const struct family *family_find_classifier(const char *architecture, int *labels);
#define CLASSIFIER "ForSequenceClassification"
#define TOKEN_CLASSIFIER "ForTokenClassification"
#define CLASSIFIER_HEAD "score"
/* Length of what comes before "ForCausalLM" or its like in a family's architecture. */
size_t family_stem(const struct family *f);
/* All architectures, for messages. */
void family_list(struct buf *out);

#endif

/* model.h - a decoder: configuration, parameters, forward and backward, cached decoding.
 *
 * One transformer whose features are read from config.json: the norm and where it stands, how positions enter, the
 * activation, biases, windows and caps. The families are rows of a table (family.h); nothing else knows their names.
 * Read and written as a Hugging Face directory (config.json, model.safetensors or an index and shards,
 * generation_config.json). All parameters of a model lie in one
 * device buffer in the order of the tensor table, gradients in another of the same shape, so that optimizer,
 * checkpoint and reduction walk plain arrays. QKV and gate|up are stored concatenated. */
#ifndef QUERN_MODEL_MODEL_H
#define QUERN_MODEL_MODEL_H

#include "base/error.h"
#include "base/json.h"
#include "kernels.h"

#include <stdbool.h>
#include <stdint.h>

#define MODEL_LAYERS_MAX 4096

enum norm_kind { NORM_RMS, NORM_LAYER };
enum activation { ACT_SWIGLU, ACT_GEGLU, ACT_GELU };      /* ACT_GELU has no gate: one matrix of ffn rows instead of two */
enum rope_type { ROPE_DEFAULT, ROPE_LINEAR, ROPE_DYNAMIC, ROPE_LLAMA3, ROPE_YARN, ROPE_LONG };

/* How rotary positions are stretched; names and meaning are those of transformers' rope parameters. */
struct rope_scaling {
	enum rope_type type;
	double factor, attention_factor;         /* attention_factor 0: what the type derives */
	double low_freq_factor, high_freq_factor; /* llama3 */
	double beta_fast, beta_slow, mscale, mscale_all_dim; /* yarn */
	bool no_truncate;                        /* yarn */
	int original;                            /* positions of the training before it was stretched */
	float short_factor[KERNELS_HEAD_MAX / 2], long_factor[KERNELS_HEAD_MAX / 2]; /* longrope */
};

/* Zero is what Llama has, in every member that is not a size. */
struct model_config {
	char architecture[64];       /* "LlamaForCausalLM" */
	char model_type[32];         /* "llama" */
	int n_layers, hidden, heads, kv_heads, head_dim, ffn, vocab;
	int positions;               /* the longest sequence */
	double rope_theta;
	float norm_eps;
	float init_range;
	bool tied;
	int bos_id, eos_id, pad_id;  /* -1 = none */
	int n_ends, ends[16];        /* other tokens that end what the model says, of the lists in config.json and generation_config.json */
	/* A classifier, which has so many outputs in the place of the vocabulary's: 1, a reward model, that counts at a sequence's last token;
	 * or 2, a process reward model: logits of a wrong and a right step, at the last token of the step and the separator behind it. 0: none. */
	int labels;
	bool head_bias;              /* of the two outputs */
	char step_separator[32];     /* what a step was trained to end with; "" where that is not known */

	enum norm_kind norm;
	float norm_plus;             /* a gain is weight + norm_plus: 1 in Gemma */
	bool post_norms;             /* a norm behind attention and feed-forward, too, before they are added */
	enum activation act;
	bool qkv_bias, out_bias, mlp_bias, qk_norm;
	bool learned_positions;      /* a table of vectors added to the embedding, and nothing rotated */
	int trained_positions;       /* max_position_embeddings; scaled rotary positions may reach further. 0: positions */
	double rotary_share;         /* of each head; 0 = all of it */
	struct rope_scaling rope;
	double local_theta;          /* base of the layers with a window, which are not scaled; 0: as the others */
	int window;                  /* of the layers that have one; 0 = none has */
	bool local[MODEL_LAYERS_MAX]; /* which */
	float attention_cap, logit_cap; /* 0 = none */
	double query_scale;          /* scores are divided by its root; 0: head_dim */
	float embed_scale;           /* 0 = 1 */
	char *text;                  /* the config.json that was read, whose other members are written back; NULL = none */
};
/* Reads and checks DIR/config.json (or a file). What the engine does not compute (other architectures, activations, kinds
 * of scaling) is refused with its name. Release it. */
enum status model_config_read(const char *path, struct model_config *c, struct error *err);
enum status model_config_parse(const struct json *j, struct model_config *c, struct error *err);  /* text is NULL */
/* Adds the end tokens of a configuration to c's: those of its vocabulary that it does not have yet. */
void model_config_add_ends(struct model_config *c, const struct json *j);
void model_config_release(struct model_config *c);
/* A language model's configuration as that of a classifier: of 1 label (…ForSequenceClassification) or 2 (…ForTokenClassification).
 * ERR_UNSUPPORTED if transformers has no such class. */
enum status model_config_as_classifier(struct model_config *c, int labels, struct error *err);
/* The member step_separator of an object, "" where there is none. ERR_UNSUPPORTED if it is too long. */
enum status model_config_separator(struct model_config *c, const struct json *j, struct error *err);
/* Rows of the output matrix. */
static inline int64_t model_outputs(const struct model_config *c) { return c->labels ? c->labels : c->vocab; }
/* The features and defaults of a family by its model_type, sizes 0. */
enum status model_config_family(struct model_config *c, const char *model_type, struct error *err);
/* Checks sizes against each other, and fills in what follows from them. Every reader calls it, and who changes a size. */
enum status model_config_finish(struct model_config *c, struct error *err);
/* config.json: the members of text that we do not compute with as they were, ours as they are now; dtype is "float32". */
void model_config_print(const struct model_config *c, const char *dtype, struct buf *out);

struct tensor {
	const char *name;            /* Hugging Face name of a part, e.g. "model.layers.0.self_attn.q_proj.weight" */
	int64_t offset, rows, cols;  /* place in the parameter buffer, in elements; vectors have cols 1 … rows = size */
	bool decay;                  /* weight decay applies (matrices yes, norms no) */
	int n_dims;                  /* 1 or 2, as stored in safetensors */
	bool transposed;             /* the file has [cols, rows] (GPT-2) */
	bool frozen;                 /* not trained: it belongs to the base of an adapter, and its gradient is not computed */
};

struct model {
	struct model_config cfg;
	const struct kernels *k;
	struct pool *pool;
	float *params;               /* device, n_params elements */
	int64_t n_params;
	struct tensor *tensors;      /* n_tensors entries, in file order; parts of QKV and gate|up are row ranges */
	int n_tensors;
	struct model_layout *layout; /* offsets per layer (model.c) */
	/* A base that is frozen keeps its matrices outside the parameters, in the form asked for; what is left there are its
	 * vectors, the adapters, and matrices that are trained as a whole. */
	bool frozen;
	void *store;                 /* device */
	size_t store_bytes;
	bool packs;                  /* its matrices are packed when they are loaded */
	void *packed;                /* device: what model_pack has made */
	struct stored_part *stored;  /* n_stored matrices in it */
	int n_stored;
	struct model_map *maps;      /* n_maps weight files that some of them lie in */
	int n_maps;
	struct lora *lora;           /* NULL: no adapters */
};

/* How the matrices of a frozen base are held. MODEL_NF4 is as bitsandbytes' 4 bits with double quantisation, MODEL_INT8 has a factor for
 * each row; both hold embeddings and output matrix in bfloat16. */
enum model_form { MODEL_F32, MODEL_BF16, MODEL_INT8, MODEL_NF4 };
#define MODEL_FORMS "f32|bf16|int8|nf4"
struct adapter_config;
struct model_how {
	enum model_form form;        /* other than MODEL_F32: the model is not trained, but for adapters */
	const char *base;            /* of an adapter's directory: its base, instead of the one that it names */
	bool in_place;               /* the model is only used, or its adapters are trained: with MODEL_F32, matrices stay in the form
				      * and, where they can, in the pages of their files, and give the same numbers to the bit */
	bool pack;                   /* the model is only used: matrices outside the parameters are laid out for products, once, where the
				      * device gains by it, and kept in no other way */
	bool apart;                  /* an adapter is kept apart from its base, which is frozen; else it is merged into it */
	const struct adapter_config *lora; /* new adapters: A at random, B zero; the base is frozen */
	uint64_t seed;               /* of those */
	int vocab;                   /* at least so many tokens: new rows of the embeddings are the mean of the old ones */
	const struct kernels *kernels; /* for lm_open_as: where it computes; NULL: kernels_cpu() */
	bool plan;                   /* shapes are checked, and no weight is read: they are zeros */
	int labels;                  /* a language model becomes such a classifier (which stays one): its output matrix goes, a head is drawn from seed */
};

/* Random initialisation: normal(0, init_range) for matrices, ones for norms, from seed and tensor index alone. */
enum status model_init(struct model *m, const struct model_config *c, uint64_t seed, const struct kernels *k,
		       struct pool *pool, struct error *err);
/* From a directory of a model, its weights float32, bfloat16, float16 or quantised by bitsandbytes, or of an adapter. how NULL: all of it as
 * parameters, an adapter merged. */
enum status model_load_as(struct model *m, const char *dir, const struct model_how *how, const struct kernels *k, struct pool *pool,
			  struct error *err);
enum status model_load(struct model *m, const char *dir, const struct kernels *k, struct pool *pool, struct error *err);
/* All weights, of the parameters and of the store. */
int64_t model_size(const struct model *m);
/* Whether training draws random numbers: the batch's noise_key is wanted, also where there is no noise_size. */
bool model_draws(const struct model *m);
/* Takes adapters out of the computation, or back into it. */
void model_adapter_off(struct model *m, bool off);
/* Lays out the matrices for the products of both passes, where the device gains by it: again after each change of the parameters. A
 * model that was packed on loading stays as it is. */
enum status model_pack(struct model *m, struct error *err);
size_t model_pack_bytes(const struct model *m);      /* what that takes on the device */
/* Writes config.json, generation_config.json, model.safetensors (float32) into an existing directory, each file whole or not; a model with
 * adapters writes those, as PEFT does. */
enum status model_save(const struct model *m, const char *dir, struct error *err);
void model_release(struct model *m);
/* Which tensors are trained (NULL: all). The backward leaves out the gradients of the others, and the layers that have none but others
 * and lie below all that is trained. */
void model_train_only(struct model *m, const bool *trained);

/* --- training and scoring: one packed micro-batch ------------------------------------------------ */
struct model_batch {
	int64_t n;                   /* tokens */
	int64_t s;                   /* sequences */
	const int32_t *ids;          /* [n] host */
	const int32_t *cu;           /* [s + 1] host, cumulative lengths; positions restart in each sequence */
	const int32_t *targets;      /* [n] host: the token to predict at each place, -1 (or any negative) = none */
	/* Host, [n] each; NULL where it is not wanted. */
	float *lse, *mean;           /* model_forward fills: log sum exp of the logits, and their mean; 0 where there is no target */
	const float *dlse, *dmean;   /* model_backward: the upstream gradients of those */
	/* A classifier has, instead of all these and logp, its outputs and their gradient: [n, labels] each. */
	float *logits;
	const float *dlogits;
	const float *noise_size;     /* forward in training: to the embeddings noise is added, uniform in +-noise_size[i], */
	const uint64_t *noise_key;   /* drawn, as the dropout of adapters is, from noise_seed and noise_key[i] alone */
	uint64_t noise_seed;
};

/* What a state is for. Training keeps each layer's activations for the backward, or computes those of its attention, or all
 * but its input, again there: the gradients are the same to the bit, memory is less. */
enum model_use { MODEL_SCORE, MODEL_TRAIN, MODEL_TRAIN_LESS, MODEL_TRAIN_LEAST };
/* Activations for up to n_max tokens, and gradients if train: one device buffer sized here, nothing allocated after. */
struct model_state;
enum status model_state_open(struct model_state **st, const struct model *m, int64_t n_max, enum model_use use,
			     struct error *err);
size_t model_state_bytes(const struct model *m, int64_t n_max, enum model_use use);
/* How much of a training state only lives within a call; the rest is kept from the forward to the backward pass. */
size_t model_scratch_bytes(const struct model *m, int64_t n_max);
void model_state_close(struct model_state *st);
/* Forward; logp[n] (host) receives log p(targets[i] | ids up to i), 0 where there is no target. */
enum status model_forward(struct model *m, struct model_state *st, const struct model_batch *b, float *logp, struct error *err);
/* Backward of the last model_forward for an upstream gradient dlogp[n] (host): adds to grads (device, n_params). */
enum status model_backward(struct model *m, struct model_state *st, const struct model_batch *b, const float *dlogp,
			   float *grads, struct error *err);
/* Both at once, where the upstream gradient does not depend on what the forward gives: each logit is computed once instead of twice.
 * The same gradient within rounding. b->mean is not filled. */
enum status model_learn(struct model *m, struct model_state *st, const struct model_batch *b, const float *dlogp, float *logp,
			float *grads, struct error *err);

/* --- generation: KV cache ------------------------------------------------------------------------ */
/* The longest sequence that can be decoded token by token; under dynamic and longrope scaling the rotation of the tokens that
 * are there would change beyond it. */
int model_decodable(const struct model_config *c);

/* Keys and values lie in pages of KERNELS_KEY_BLOCK tokens that several sequences may share; one that is shared is copied when a
 * sequence writes to it. Memory is taken as it is used. */
struct model_cache;
/* slots sequences of at most positions tokens; n_max = most new tokens in one call. */
enum status model_cache_open(struct model_cache **c, const struct model *m, int slots, int positions, int64_t n_max,
			     struct error *err);
void model_cache_close(struct model_cache *c);
/* Before the first call: the pages take at most so many bytes, instead of what all slots could need. ERR_USAGE if those do
 * not hold so many tokens of one sequence. */
enum status model_cache_limit(struct model_cache *c, size_t bytes, int64_t tokens, struct error *err);
/* Takes what n tokens in slot, after past that are there, need; false if there are no pages left. model_decode does it too, and
 * fails with ERR_MEMORY. */
bool model_cache_room(struct model_cache *c, int slot, int64_t past, int64_t n);
/* Whether the slot has what a token at position n sees; it gives that up in model_cache_slide alone. */
bool model_cache_holds(const struct model_cache *c, int slot, int64_t n);
/* Slot `to` gives up what it has and shares the first n tokens of from; false, and nothing is changed, unless from
 * holds them. */
bool model_cache_share(struct model_cache *c, int from, int to, int64_t n);
/* The slot gives up what it has. */
void model_cache_drop(struct model_cache *c, int slot);
/* The slot has n tokens, and gives up those that no later one sees, all layers having windows. */
void model_cache_slide(struct model_cache *c, int slot, int64_t n);
struct model_cache_use {
	int64_t pages;               /* at most */
	int64_t used, peak;          /* pages, each counted once; peak: the most so far */
	size_t page_bytes;
};
struct model_cache_use model_cache_use(const struct model_cache *c);
/* Feeds sequence i (of s) with tokens ids[cu[i]..cu[i+1]) into slot[i], after past[i] tokens already there, and gives the logits
 * of its last token in logits[i * vocab] (host). A result does not depend on which other sequences share the call. */
enum status model_decode(struct model *m, struct model_cache *c, int s, const int32_t *ids, const int32_t *cu,
			 const int32_t *slot, const int32_t *past, float *logits, struct error *err);
/* Of the logits that the last model_decode gave for s sequences (kernels.h). */
enum status model_decode_sums(struct model *m, struct model_cache *c, int s, struct logits_sum *sums, struct error *err);
/* As model_decode where the computing goes on while the caller does: a negative id is said[-1 - id] (device, NULL: none is), and the logits, those
 * of tokens rows[n_rows] of the call, at most as many as there are slots, stay on the device until the next call. Failures of the device are
 * left for the table's status. */
enum status model_decode_said(struct model *m, struct model_cache *c, int s, const int32_t *ids, const int32_t *cu, const int32_t *slot,
			      const int32_t *past, const int32_t *said, const int32_t *rows, int64_t n_rows, const float **logits,
			      struct error *err);
/* As model_decode, but of every token fed: logp[i] receives log p(targets[i] | what is before it and token i), and greedy[i] whether no token
 * is more probable there (of equals the lowest id). Where targets[i] is negative nothing is computed or written. */
enum status model_decode_targets(struct model *m, struct model_cache *c, int s, const int32_t *ids, const int32_t *cu,
				 const int32_t *slot, const int32_t *past, const int32_t *targets, float *logp, bool *greedy,
				 struct error *err);
/* FLOPs of one training token at sequence length t (forward + backward), for benchmarks and the summary. */
double model_flops_per_token(const struct model_config *c, int64_t t);

#endif

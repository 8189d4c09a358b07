/* adapter.h - LoRA adapters (Hu et al. 2021) as PEFT keeps them: a directory with adapter_config.json and adapter_model.safetensors.
 *
 * A linear layer y = x W^T becomes y = x W^T + s (x A^T) B^T with A [r, in] and B [out, r]; s is alpha / r, or alpha / sqrt(r) with
 * rsLoRA (Kalajdzievski 2023). Which layers have one, and of which rank and alpha, is decided as PEFT decides it: target_modules is a list of
 * names' ends, a regular expression for whole names, or "all-linear"; rank_pattern and alpha_pattern are regular expressions for
 * names' ends, the first that matches counts. Tensors are named base_model.model.MODULE.lora_A.weight and .lora_B.weight; others of the file
 * are whole tensors that take the place of the base's (modules_to_save, embeddings of a vocabulary that has grown).
 *
 * A field that would change the computation in a way that is not computed here (DoRA, biases, PiSSA, …) is refused by its name, and
 * so is one that is not known, unless it is null, false or empty. */
#ifndef QUERN_MODEL_ADAPTER_H
#define QUERN_MODEL_ADAPTER_H

#include "base/error.h"
#include "base/json.h"
#include "model/model.h"
#include "model/safetensors.h"

#define ADAPTER_CONFIG "adapter_config.json"
#define ADAPTER_SEPARATOR "process_reward.json"  /* ours: {"step_separator": ...}, for PEFT warns of members that it does not know */
#define ADAPTER_WEIGHTS "adapter_model.safetensors"

struct adapter_rule {
	char *pattern;
	double value;
};

struct adapter_config {
	char *base;                          /* base_model_name_or_path; NULL: not told */
	char *task;                          /* task_type, or NULL; see adapter_labels */
	int r;
	double alpha, dropout;
	bool rslora, fan_in_fan_out;
	char *target_pattern;                /* a regular expression, "all-linear", or NULL: the list */
	char **targets, **save;              /* target_modules, modules_to_save */
	int n_targets, n_save;
	struct adapter_rule *ranks, *alphas;
	int n_ranks, n_alphas;
};
enum status adapter_config_parse(const struct json *j, struct adapter_config *c, struct error *err);
/* Of a directory. */
enum status adapter_config_read(const char *dir, struct adapter_config *c, struct error *err);
/* As JSON that PEFT reads. */
void adapter_config_print(const struct adapter_config *c, struct buf *out);
/* The separator of an adapter of a process reward model, where its directory tells it. */
enum status adapter_separator(const char *dir, struct model_config *c, struct error *err);
void adapter_separator_print(const struct model_config *c, struct buf *out);
void adapter_config_copy(struct adapter_config *to, const struct adapter_config *from);
void adapter_config_release(struct adapter_config *c);
bool adapter_is_dir(const char *dir);
/* Outputs of the classifier that it makes of a language model (model_config.labels): 1 for SEQ_CLS, 2 for TOKEN_CLS, else 0. */
int adapter_labels(const struct adapter_config *c);

/* Whether a name is this, or ends so behind a dot. */
bool adapter_ends_with(const char *name, const char *end);
/* Whether a linear layer of this name gets an adapter. */
enum status adapter_targets(const struct adapter_config *c, const char *module, bool *yes, struct error *err);
/* Its rank, and the factor s. */
enum status adapter_rank(const struct adapter_config *c, const char *module, int *r, float *scale, struct error *err);

/* --- the tensors of a directory ------------------------------------------------------------------- */
struct adapter_module {
	char *name;                          /* "model.layers.0.self_attn.q_proj" */
	int64_t r, in, out;
	float scale;
	const struct safetensors_entry *a, *b;
};
struct adapter_tensor {                      /* one that stands for a whole tensor of the base */
	char *name;                          /* "lm_head.weight" */
	const struct safetensors_entry *entry;
};
struct adapter {
	struct adapter_config config;
	struct safetensors *file;
	struct adapter_module *modules;      /* by name */
	struct adapter_tensor *saved;        /* by name */
	int n_modules, n_saved;
};
/* Opens and checks: A and B of each module fit each other and the configuration. */
enum status adapter_open(struct adapter *a, const char *dir, struct error *err);
void adapter_close(struct adapter *a);
/* NULL: there is none. */
const struct adapter_module *adapter_find(const struct adapter *a, const char *module);
const struct adapter_tensor *adapter_saved(const struct adapter *a, const char *tensor);

/* Where a module or tensor of an adapter stands in a base: as it is called, or without the first of its parts, or behind "transformer."
 * or "model." (a checkpoint of the bare decoder). Calls exists for each until it says yes. The name (mem_free), or NULL. */
char *adapter_base_name(const char *name, bool (*exists)(const void *arg, const char *name), const void *arg);

#endif

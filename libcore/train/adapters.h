/* adapters.h - the options of training adapters (LoRA, QLoRA) instead of the model, once for all training tools. */
#ifndef QUERN_TRAIN_ADAPTERS_H
#define QUERN_TRAIN_ADAPTERS_H

#include "base/options.h"
#include "model/adapter.h"
#include "model/model.h"

struct adapter_flags {
	int64_t rank;
	double alpha, dropout;
	const char *targets;
	bool rslora;
	int load;                    /* enum model_form */
};

#define ADAPTER_FLAGS_DEFAULT .targets = "all-linear"

#define ADAPTER_FLAGS(f)                                                                                              \
	OPT_GROUP("Adapters"),                                                                                        \
	OPT_INT(0, "lora-rank", &(f).rank, "R", 0, 65536, "train adapters of this rank, and leave the model as it is; 0 is none"), \
	OPT_DOUBLE(0, "lora-alpha", &(f).alpha, "X", 0, 1e6, "adapters count alpha / rank times; 0 is twice the rank"), \
	OPT_DOUBLE(0, "lora-dropout", &(f).dropout, "P", 0, 0.99, "share of an adapter's inputs that is dropped in training"), \
	OPT_STRING(0, "lora-targets", &(f).targets, "LAYERS",                                                         \
		   "which layers: ends of names, as q_proj,v_proj:8 (that with a rank of its own), a regular expression for whole names, or all-linear"), \
	OPT_FLAG(0, "lora-rslora", &(f).rslora, "alpha / sqrt(rank) instead of alpha / rank"),                        \
	OPT_CHOICE(0, "load", &(f).load, MODEL_FORMS, "how the frozen weights are held in memory; nf4 is QLoRA")

/* How to load the model for these options: c is filled and belongs to how (adapter_config_release). base: the model, whose path
 * adapter_config.json will name; one that is an adapter itself is trained further. */
enum status adapter_flags_how(const struct adapter_flags *f, const char *base, int64_t seed, struct adapter_config *c,
			      struct model_how *how, struct error *err);

#endif

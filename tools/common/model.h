/* model.h - a model as the options of a main name it: a directory, perhaps with an adapter, in some form; entered into the provenance. */
#ifndef QUERN_TOOLS_MODEL_H
#define QUERN_TOOLS_MODEL_H

#include "common/device.h"
#include "common/tool.h"
#include "infer/lm.h"

struct model_flags {
	const char *adapter;
	int load;                    /* enum model_form */
	bool bf16;
	struct device_flags device;
};

#define BF16_HELP "activations, cached keys and values and operands of products in bfloat16, sums in float32"
#define LOAD_HELP "how the weights are held in memory"
#define MODEL_FLAGS_DEFAULT { .device = DEVICE_FLAGS_DEFAULT }
#define MODEL_FLAGS(f)                                                                                                \
	OPT_STRING(0, "adapter", &(f).adapter, "DIR", "a LoRA adapter over the model; the model may also be an adapter itself"), \
	OPT_CHOICE(0, "load", &(f).load, MODEL_FORMS, LOAD_HELP),                                                     \
	OPT_FLAG(0, "bf16", &(f).bf16, BF16_HELP),                                                                    \
	DEVICE_FLAGS((f).device)

/* The directory as an input of the stage, and, if it is an adapter, its base (base NULL: the one that it names). */
enum status tool_add_model(struct tool *t, const char *dir, const char *base, struct error *err);
/* Both models of the flags as inputs, and opened. In float32 an adapter is merged, in other forms it is computed beside its base. */
enum status tool_open_lm(struct tool *t, struct lm *lm, const char *dir, const struct model_flags *f, struct error *err);

#endif

/* adapters.c - see adapters.h. */
#include "train/adapters.h"

#include "base/mem.h"

#include <string.h>

static enum status check(const struct adapter_flags *f, const char *base, struct error *err)
{
	if (f->rank) {
		if (adapter_is_dir(base))
			return error_set(err, ERR_USAGE, "%s is an adapter itself: `quern merge` makes a model of it to train adapters of", base);
		return OK;
	}
	if (f->alpha > 0 || f->dropout > 0 || f->rslora || strcmp(f->targets, "all-linear"))
		return error_set(err, ERR_USAGE, "--lora-alpha, --lora-dropout, --lora-targets and --lora-rslora need --lora-rank");
	if (f->load)
		return error_set(err, ERR_USAGE, "--load is for weights that are not trained: it needs --lora-rank");
	return OK;
}

/* A list of names' ends between commas, unless it has what only a regular expression has. */
static void set_targets(struct adapter_config *c, const char *text)
{
	size_t n;

	if (!strcmp(text, "all-linear") || strpbrk(text, "*^$()[]|+?\\")) {
		c->target_pattern = mem_strdup(text);
		return;
	}
	c->targets = mem_array(strlen(text) + 1, sizeof(*c->targets));
	for (; *text; text += n + (text[n] == ',')) {
		n = strcspn(text, ",");
		if (n)
			c->targets[c->n_targets++] = mem_strndup(text, n);
	}
}

enum status adapter_flags_how(const struct adapter_flags *f, const char *base, int64_t seed, struct adapter_config *c,
			      struct model_how *how, struct error *err)
{
	*c = (struct adapter_config){ 0 };
	*how = (struct model_how){ 0 };
	TRY(check(f, base, err));
	if (!f->rank)
		return OK;
	*c = (struct adapter_config){ .base = mem_strdup(base), .task = mem_strdup("CAUSAL_LM"), .r = (int)f->rank, .rslora = f->rslora,
				      .alpha = f->alpha > 0 ? f->alpha : 2 * (double)f->rank, .dropout = f->dropout };
	set_targets(c, f->targets);
	*how = (struct model_how){ .form = (enum model_form)f->load, .lora = c, .seed = (uint64_t)seed };
	return OK;
}

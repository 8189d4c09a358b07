/* adapters.c - see adapters.h. */
#include "train/adapters.h"

#include "base/mem.h"
#include "text/pattern.h"

#include <stdlib.h>
#include <string.h>

static enum status check(const struct adapter_flags *f, bool further, const char *base, struct error *err)
{
	if (further && f->rank)
		return error_set(err, ERR_USAGE, "%s is an adapter, which is trained further without --lora-rank; `quern merge` makes a model "
				 "of it to train new adapters of", base);
	if (!f->rank && (f->alpha > 0 || f->dropout > 0 || f->rslora || strcmp(f->targets, "all-linear")))
		return error_set(err, ERR_USAGE, "--lora-alpha, --lora-dropout, --lora-targets and --lora-rslora need --lora-rank");
	if (f->load && !f->rank && !further)
		return error_set(err, ERR_USAGE, "--load is for weights that are not trained: it needs --lora-rank");
	return OK;
}

/* NAME, or NAME:RANK, which keeps the scale that the others have. */
static enum status add_target(struct adapter_config *c, const char *text, size_t n, bool keep_scale, struct error *err)
{
	const char *colon = memchr(text, ':', n);
	size_t name = colon ? (size_t)(colon - text) : n;
	char *end;
	long rank;

	c->targets[c->n_targets++] = mem_strndup(text, name);
	if (!colon)
		return OK;
	rank = strtol(colon + 1, &end, 10);
	if (end != text + n || colon[1] < '1' || colon[1] > '9' || rank > 65536)
		return error_set(err, ERR_USAGE, "--lora-targets: '%.*s' has no rank from 1 to 65536", (int)n, text);
	c->ranks[c->n_ranks++] = (struct adapter_rule){ mem_strndup(text, name), (double)rank };
	if (keep_scale)
		c->alphas[c->n_alphas++] = (struct adapter_rule){ mem_strndup(text, name), 2 * (double)rank };
	return OK;
}

/* A list of names' ends between commas, unless it has what only a regular expression has. */
static enum status set_targets(struct adapter_config *c, const char *text, bool keep_scale, struct error *err)
{
	size_t n, most = strlen(text) + 1;

	bool all = !strcmp(text, "all-linear"), yes;

	if (all || strpbrk(text, "*^$()[]|+?\\")) {
		c->target_pattern = mem_strdup(text);
		return all || pattern_covers(text, "", &yes, err) == OK ? OK : error_prefix(err, ERR_USAGE, "--lora-targets");
	}
	c->targets = mem_array(most, sizeof(*c->targets));
	c->ranks = mem_array(most, sizeof(*c->ranks));
	c->alphas = mem_array(most, sizeof(*c->alphas));
	for (; *text; text += n + (text[n] == ',')) {
		n = strcspn(text, ",");
		if (n)
			TRY(add_target(c, text, n, keep_scale, err));
	}
	return OK;
}

enum status adapter_flags_how(const struct adapter_flags *f, const char *base, int64_t seed, struct adapter_config *c,
			      struct model_how *how, struct error *err)
{
	bool further = adapter_is_dir(base);
	enum status st;

	*c = (struct adapter_config){ 0 };
	*how = (struct model_how){ .form = (enum model_form)f->load, .apart = further, .in_place = further };
	TRY(check(f, further, base, err));
	if (!f->rank)
		return OK;
	*c = (struct adapter_config){ .base = mem_strdup(base), .task = mem_strdup("CAUSAL_LM"), .r = (int)f->rank, .rslora = f->rslora,
				      .alpha = f->alpha > 0 ? f->alpha : 2 * (double)f->rank, .dropout = f->dropout };
	st = set_targets(c, f->targets, f->alpha == 0, err);
	if (st != OK) {
		adapter_config_release(c);
		return st;
	}
	*how = (struct model_how){ .form = (enum model_form)f->load, .in_place = true, .lora = c, .seed = (uint64_t)seed };
	return OK;
}

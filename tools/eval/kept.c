/* kept.c - what quern eval keeps: with --cache and --resume log-probabilities in the user's file, and those or answers in this run's own beside its
 * output; with --samples the rows that a look at evaluations found. */
#include "eval/eval.h"

static struct {
	struct likelihood_cache *likelihoods;
	struct journal *answers;
} kept;

enum status eval_keep_likelihoods(struct tool *tool, const struct eval_options *o, const struct lm *lm, int n_inputs,
				  struct likelihood_cache **c, struct error *err)
{
	struct buf identity = { 0 };
	char *path;
	enum status st;

	*c = NULL;
	if (!o->cache && !o->resume)
		return OK;
	for (int i = 0; i < n_inputs; i++)
		buf_printf(&identity, "%s ", tool->prov.inputs[i].xxh3);
	buf_printf(&identity, "%d %s%s", o->form.load, lm->model.k->name, o->form.bf16 || lm->model.k->elem_bytes == 2 ? " bf16" : "");
	path = o->cache ? mem_strdup(o->cache) : mem_printf("%s.journal", tool->out_path);
	st = likelihood_cache_open(&kept.likelihoods, path, identity.data, err);
	*c = kept.likelihoods;
	buf_release(&identity);
	mem_free(path);
	return st;
}

enum status eval_keep_answers(struct tool *tool, const struct eval_options *o, struct journal **j, struct error *err)
{
	*j = NULL;
	if (o->resume)
		TRY(tool_open_journal(tool, &kept.answers, err));
	*j = kept.answers;
	return OK;
}

void eval_keep_end(struct tool *tool, const struct eval_options *o, bool complete)
{
	if (kept.likelihoods)
		tool_stat_int(tool, "cached_requests", likelihood_cache_found(kept.likelihoods));
	likelihood_cache_close(kept.likelihoods, complete && !o->cache);
	tool_close_journal(tool, kept.answers, complete);
}

enum status eval_open_samples(struct tool *tool, const char *path, const char *const *specs, size_t n, struct writer **w, struct error *err)
{
	struct writer_options o = tool_writer_options(tool);
	struct schema schema = { 0 };
	enum status st;

	for (size_t i = 0; i < n; i++)
		schema_add_spec(&schema, specs[i]);
	st = writer_open(w, path, &schema, KIND_OTHER, &tool->prov, &o, err);
	schema_release(&schema);
	return st;
}

enum status eval_close_samples(struct writer *w, enum status st, struct error *err)
{
	if (st == OK)
		return writer_commit(w, err);
	writer_abort(w);
	return st;
}

/* quern generate - completions of prompts, sampled from a model.
 *
 * Rows of problems, chat or documents in; n completions of each out, in input order. libcore/infer does the work: generate.h
 * batches sequences over a KV cache, sample.h draws, complete.h turns rows into prompts and results into rows. */
#include "common/model.h"
#include "common/tool.h"
#include "infer/complete.h"

#include <string.h>

static struct {
	const char *model;
	struct model_flags form;
	int64_t n, top_k, max_new_tokens, batch, context;
	double temperature, top_p, min_p, repetition_penalty;
	bool greedy;
	struct opt_list stop;
} opts = { .n = 1, .max_new_tokens = 256, .batch = 64, .temperature = 1, .top_p = 1, .repetition_penalty = 1 };

static struct opt options[] = {
	OPT_GROUP("Model"),
	OPT_STRING('m', "model", &opts.model, "DIR", "model directory (required)"),
	MODEL_FLAGS(opts.form),
	OPT_INT('n', "samples", &opts.n, "N", 1, 65536, "completions of each prompt"),
	OPT_GROUP("Sampling"),
	OPT_DOUBLE(0, "temperature", &opts.temperature, "T", 0, 1e6, "divides the logits; 0 is --greedy"),
	OPT_FLAG(0, "greedy", &opts.greedy, "always the most probable token"),
	OPT_INT(0, "top-k", &opts.top_k, "K", 0, 1e9, "keep the K most probable tokens; 0 is all"),
	OPT_DOUBLE(0, "top-p", &opts.top_p, "P", 1e-9, 1, "keep the most probable tokens that together reach P"),
	OPT_DOUBLE(0, "min-p", &opts.min_p, "P", 0, 1, "keep tokens at least P times as probable as the best"),
	OPT_DOUBLE(0, "repetition-penalty", &opts.repetition_penalty, "R", 0.01, 100, "divide scores of tokens seen before by R"),
	OPT_GROUP("Length"),
	OPT_INT(0, "max-new-tokens", &opts.max_new_tokens, "N", 1, 16777216, "end a completion after N tokens"),
	OPT_LIST(0, "stop", &opts.stop, "TEXT", "end a completion before TEXT (may be repeated)"),
	OPT_INT(0, "context", &opts.context, "N", 0, 16777216, "most tokens of prompt and completion; 0 is the model's, up to 4096"),
	OPT_GROUP("Resources"),
	OPT_INT(0, "batch", &opts.batch, "N", 1, 65536, "sequences that run at once"),
	OPT_END,
};

static struct tool tool = {
	.name = "generate", .summary = "sample completions of prompts from a model", .operands = "[FILE ...]",
	.options = options, .max_operands = -1,
};

static struct completion_columns columns;

static enum status next_batch(void *arg, struct batch **b, struct error *err)
{
	return tool_next(arg, b, err);
}

static enum status reject(void *arg, struct batch *b, int64_t row, const char *reason, struct error *err)
{
	return tool_reject(arg, b, row, reason, err);
}

static enum status write_completion(void *arg, const struct completion *c, struct error *err)
{
	struct tool *t = arg;
	completion_append(writer_builder(t->out), &columns, c);
	return writer_row(t->out, err);
}

static enum status plan(struct generate_options *o, struct error *err)
{
	if (!opts.model)
		return error_set(err, ERR_USAGE, "-m is needed: which model shall answer?");
	*o = (struct generate_options){
		.sample = { opts.greedy ? 0 : opts.temperature, opts.top_k, opts.top_p, opts.min_p, opts.repetition_penalty },
		.n = opts.n, .max_new_tokens = opts.max_new_tokens, .slots = opts.batch, .context = opts.context,
		.seed = (uint64_t)tool.seed, .stops = opts.stop.items, .n_stops = opts.stop.n,
	};
	return OK;
}

static void report(const struct generate_totals *totals, double seconds)
{
	tool_stat_int(&tool, "prompts", totals->prompts);
	tool_stat_int(&tool, "prompt_tokens", totals->prompt_tokens);
	tool_stat_int(&tool, "new_tokens", totals->new_tokens);
	tool_stat_int(&tool, "new_tokens_per_second", seconds > 0 ? (int64_t)((double)totals->new_tokens / seconds) : 0);
}

static enum status generate(struct lm *lm, const struct generate_options *o, struct error *err)
{
	struct schema s = { 0 };
	struct generate_totals totals = { 0 };
	struct complete_io io = { next_batch, reject, write_completion, &tool };
	double start = clock_seconds();
	enum status st = completion_schema(tool_schema(&tool), tool_kind(&tool), &s, &columns, err);
	if (st == OK)
		st = tool_open_output(&tool, &s, KIND_COMPLETIONS, err);
	if (st == OK)
		st = complete_rows(lm, tool_schema(&tool), tool_kind(&tool), o, &io, &totals, err);
	if (st == OK)
		st = tool_commit(&tool, err);
	report(&totals, clock_seconds() - start);
	completion_columns_release(&columns);
	schema_release(&s);
	return st;
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = { KIND_PROBLEMS, KIND_CHAT, KIND_DOCUMENTS };
	struct generate_options o;
	struct lm lm;
	TRY(plan(&o, err));
	TRY(tool_open_inputs(&tool, kinds, 3, err));
	TRY(tool_open_lm(&tool, &lm, opts.model, &opts.form, err));
	enum status st = generate_check(&lm.model, &o, err);
	if (st == OK)
		st = generate(&lm, &o, err);
	lm_close(&lm);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}

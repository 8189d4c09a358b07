/* quern generate - completions of prompts, sampled from a model.
 *
 * Rows of problems, chat or documents in, or the texts of --prompt; n completions of each out, in input order. libcore/infer does
 * the work: generate.h batches sequences over a KV cache, sample.h draws, beam.h searches, complete.h turns rows into prompts and
 * results into rows, journal.h keeps what is finished for --resume. */
#include "common/journal.h"
#include "common/model.h"
#include "common/tool.h"
#include "infer/complete.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	const char *model, *kv_memory;
	struct model_flags form;
	int64_t n, best_of, beams, top_k, max_new_tokens, batch, context;
	double temperature, top_p, min_p, typical_p, repetition_penalty, frequency_penalty, presence_penalty, length_penalty;
	bool greedy, early_stopping, resume;
	struct opt_list prompts, stop, bias;
} opts = { .n = 1, .max_new_tokens = 256, .batch = 64, .temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1,
	   .beams = 1, .length_penalty = 1, .form = MODEL_FLAGS_DEFAULT };

static struct opt options[] = {
	OPT_GROUP("Model"),
	OPT_STRING('m', "model", &opts.model, "DIR", "model directory (required)"),
	MODEL_FLAGS(opts.form),
	OPT_LIST('p', "prompt", &opts.prompts, "TEXT", "a prompt, instead of FILEs: what a user says, or a text if the model has no template"),
	OPT_INT('n', "samples", &opts.n, "N", 1, 65536, "completions of each prompt"),
	OPT_INT(0, "best-of", &opts.best_of, "N", 0, 65536, "draw N and keep those of the highest log-probability per token"),
	OPT_GROUP("Sampling"),
	OPT_DOUBLE(0, "temperature", &opts.temperature, "T", 0, 1e6, "divides the logits; 0 is --greedy"),
	OPT_FLAG(0, "greedy", &opts.greedy, "always the most probable token"),
	OPT_INT(0, "top-k", &opts.top_k, "K", 0, 1e9, "keep the K most probable tokens; 0 is all"),
	OPT_DOUBLE(0, "top-p", &opts.top_p, "P", 1e-9, 1, "keep the most probable tokens that together reach P"),
	OPT_DOUBLE(0, "min-p", &opts.min_p, "P", 0, 1, "keep tokens at least P times as probable as the best"),
	OPT_DOUBLE(0, "typical-p", &opts.typical_p, "P", 1e-9, 1, "keep the tokens of about expected surprise that together reach P"),
	OPT_DOUBLE(0, "repetition-penalty", &opts.repetition_penalty, "R", 0.01, 100, "divide scores of tokens seen before by R"),
	OPT_DOUBLE(0, "frequency-penalty", &opts.frequency_penalty, "X", -100, 100, "subtract X for each time that a token was said"),
	OPT_DOUBLE(0, "presence-penalty", &opts.presence_penalty, "X", -100, 100, "subtract X if a token was said before"),
	OPT_LIST(0, "logit-bias", &opts.bias, "ID=X", "add X to a token's score; -inf bans it (may be repeated)"),
	OPT_GROUP("Beam search"),
	OPT_INT(0, "beams", &opts.beams, "N", 1, 1024, "search with N beams instead of sampling; the -n best are kept"),
	OPT_DOUBLE(0, "length-penalty", &opts.length_penalty, "A", -100, 100, "divide a result's log-probability by its length to the power of A"),
	OPT_FLAG(0, "early-stopping", &opts.early_stopping, "end a search with as many complete results as beams"),
	OPT_GROUP("Length"),
	OPT_INT(0, "max-new-tokens", &opts.max_new_tokens, "N", 1, 16777216, "end a completion after N tokens"),
	OPT_LIST(0, "stop", &opts.stop, "TEXT", "end a completion before TEXT (may be repeated)"),
	OPT_INT(0, "context", &opts.context, "N", 0, 16777216, "most tokens of prompt and completion; 0 is the model's, up to 4096"),
	OPT_GROUP("Resources"),
	{ .type = OPT_TYPE_INT, .name = "batch", .value = &opts.batch, .arg = "N", .min = 1, .max = 65536, .no_provenance = true,
	  .help = "sequences that run at once" },
	{ .type = OPT_TYPE_STRING, .name = "kv-memory", .value = &opts.kv_memory, .arg = "BYTES", .no_provenance = true,
	  .help = "most memory of their keys and values (such as 2G; default three quarters of what is free)" },
	{ .type = OPT_TYPE_FLAG, .name = "resume", .value = &opts.resume, .no_provenance = true,
	  .help = "keep what is finished in FILE.journal beside -o FILE, and go on from there after a kill" },
	OPT_END,
};

static struct tool tool = {
	.name = "generate", .summary = "sample completions of prompts from a model", .operands = "[FILE ...]",
	.options = options, .max_operands = -1,
};

static struct completion_columns columns;
static struct batch *given;                  /* the rows of --prompt, until they are taken */

static enum status next_batch(void *arg, struct batch **b, struct error *err)
{
	if (!opts.prompts.n)
		return tool_next(arg, b, err);
	*b = given;
	given = NULL;
	if (!*b)
		return END;
	tool_count_in(arg, (*b)->rows);
	return OK;
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

static struct logit_bias *bias;      /* [opts.bias.n] */

static enum status parse_bias(struct error *err)
{
	bias = mem_array((size_t)opts.bias.n + 1, sizeof(*bias));
	for (int i = 0; i < opts.bias.n; i++) {
		char *end;
		long id = strtol(opts.bias.items[i], &end, 10);
		const char *number = *end == '=' ? end + 1 : "";

		bias[i] = (struct logit_bias){ (int32_t)id, strtof(number, &end) };
		if (!*number || *end || id < 0 || id > INT32_MAX || isnan(bias[i].bias) || bias[i].bias == INFINITY)
			return error_set(err, ERR_USAGE, "--logit-bias %s: give a token's number and what to add, as in 42=-1.5 or 42=-inf",
					 opts.bias.items[i]);
	}
	return OK;
}

static enum status parse_memory(size_t *bytes, struct error *err)
{
	double number = 0;

	if (opts.kv_memory && (opt_number(opts.kv_memory, &number, err) != OK || !(number >= 1 && number < 1e18)))
		return error_set(err, ERR_USAGE, "--kv-memory: a number of bytes such as 2G is wanted, not '%s'", opts.kv_memory);
	*bytes = (size_t)number;
	return OK;
}

static enum status plan(struct generate_options *o, struct error *err)
{
	if (!opts.model)
		return error_set(err, ERR_USAGE, "-m is needed: which model shall answer?");
	if (opts.prompts.n && tool.files.n)
		return error_set(err, ERR_USAGE, "give FILEs or --prompt, not both");
	if (opts.resume && (!tool.out_path || !strcmp(tool.out_path, "-")))
		return error_set(err, ERR_USAGE, "--resume needs -o FILE: the journal stands beside it");
	if (opts.greedy && ((opts.temperature != 1 && opts.temperature != 0) || opts.top_k || opts.top_p < 1 || opts.min_p > 0 || opts.typical_p < 1))
		return error_set(err, ERR_USAGE, "--greedy does not sample: --temperature, --top-k, --top-p, --min-p and --typical-p mean nothing to it");
	if (opts.beams > 1 && (opts.greedy || opts.temperature != 1 || opts.top_k || opts.top_p < 1 || opts.min_p > 0 || opts.typical_p < 1))
		return error_set(err, ERR_USAGE, "beam search does not sample: --greedy, --temperature, --top-k, --top-p, --min-p and "
				 "--typical-p mean nothing to it");
	if (opts.beams == 1 && (opts.early_stopping || opts.length_penalty != 1))
		return error_set(err, ERR_USAGE, "--length-penalty and --early-stopping are for beam search: give --beams N");
	TRY(parse_bias(err));
	size_t kv_memory = 0;
	TRY(parse_memory(&kv_memory, err));
	*o = (struct generate_options){
		.sample = { .temperature = opts.greedy ? 0 : opts.temperature, .top_k = opts.top_k, .top_p = opts.top_p,
			    .min_p = opts.min_p, .typical_p = opts.typical_p, .repetition_penalty = opts.repetition_penalty,
			    .frequency_penalty = opts.frequency_penalty, .presence_penalty = opts.presence_penalty,
			    .bias = bias, .n_bias = opts.bias.n },
		.n = opts.n, .best_of = opts.best_of, .beams = opts.beams, .length_penalty = opts.length_penalty,
		.early_stopping = opts.early_stopping, .max_new_tokens = opts.max_new_tokens, .slots = opts.batch,
		.context = opts.context, .kv_memory = kv_memory, .seed = (uint64_t)tool.seed, .stops = opts.stop.items, .n_stops = opts.stop.n,
	};
	return OK;
}

/* The texts of --prompt as rows: one user turn each where the model has a template, else documents. */
static void make_rows(const struct lm *lm)
{
	struct schema s = { 0 };
	struct builder *b;
	bool chat = chat_check(lm->tokenizer, NULL) == OK;
	enum kind kind = chat ? KIND_CHAT : KIND_DOCUMENTS;

	kind_schema(kind, false, 0, &s);
	tool_set_schema(&tool, &s, kind);
	schema_release(&s);
	b = builder_open(tool_schema(&tool));
	for (int i = 0; i < opts.prompts.n; i++) {
		const char *text = opts.prompts.items[i];
		char id[16];

		snprintf(id, sizeof(id), "%d", i);
		column_str(builder_column(b, 0), id);
		if (chat) {
			column_message(builder_column(b, 1), "user", text, strlen(text));
			column_end_list(builder_column(b, 1));
		} else {
			column_str(builder_column(b, 1), text);
		}
	}
	given = builder_finish(b);
	builder_close(b);
}

static void report(const struct generate_totals *totals, double seconds)
{
	tool_stat_int(&tool, "prompts", totals->prompts);
	tool_stat_int(&tool, "prompt_tokens", totals->prompt_tokens);
	if (totals->shared_tokens)
		tool_stat_int(&tool, "shared_prompt_tokens", totals->shared_tokens);
	tool_stat_int(&tool, "new_tokens", totals->new_tokens);
	tool_stat_int(&tool, "kv_pages", totals->kv.pages);
	tool_stat_int(&tool, "kv_pages_peak", totals->kv.peak);
	tool_stat_int(&tool, "kv_bytes_peak", totals->kv.peak * (int64_t)totals->kv.page_bytes);
	if (totals->preemptions) {
		tool_stat_int(&tool, "preemptions", totals->preemptions);
		tool_stat_int(&tool, "recomputed_tokens", totals->recomputed_tokens);
	}
	tool_stat_int(&tool, "new_tokens_per_second", seconds > 0 ? (int64_t)((double)totals->new_tokens / seconds) : 0);
}

static enum status generate(struct lm *lm, const struct generate_options *o, struct error *err)
{
	struct schema s = { 0 };
	struct generate_totals totals = { 0 };
	struct complete_io io = { next_batch, reject, write_completion, &tool, NULL };
	double start = clock_seconds();
	enum status st = completion_schema(tool_schema(&tool), tool_kind(&tool), &s, &columns, err);
	if (st == OK && opts.resume)
		st = tool_open_journal(&tool, &io.journal, err);
	if (st == OK)
		st = tool_open_output(&tool, &s, KIND_COMPLETIONS, err);
	if (st == OK)
		st = complete_rows(lm, tool_schema(&tool), tool_kind(&tool), o, &io, &totals, err);
	if (st == OK)
		st = tool_commit(&tool, err);
	report(&totals, clock_seconds() - start);
	tool_close_journal(&tool, io.journal, st == OK);
	completion_columns_release(&columns);
	schema_release(&s);
	return st;
}

static enum status answer(struct error *err)
{
	static const enum kind kinds[] = { KIND_PROBLEMS, KIND_CHAT, KIND_DOCUMENTS };
	struct generate_options o;
	struct lm lm;
	TRY(plan(&o, err));
	if (!opts.prompts.n)
		TRY(tool_open_inputs(&tool, kinds, 3, err));
	TRY(tool_open_lm(&tool, &lm, opts.model, &opts.form, err));
	if (opts.prompts.n)
		make_rows(&lm);
	enum status st = generate_check(&lm.model, &o, err);
	if (st == OK)
		st = generate(&lm, &o, err);
	lm_close(&lm);
	return st;
}

static enum status run(struct error *err)
{
	enum status st = answer(err);
	mem_free(bias);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}

/* quern eval - what a model can do: a report with standard errors.
 *
 * Here are the options, the inputs and the report; each measurement that --task names has its file in eval/. The report is JSON as
 * lm-evaluation-harness writes it, and a table for people. */
#include "eval/eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum form { FORM_AUTO, FORM_JSON, FORM_TABLE };

static struct eval_options opts = {
	.task = "exact-match", .shots = -1, .bootstrap = -1, .flags = TASK_FLAGS_START,
	.answer = "answer", .profile = "quern", .max_new_tokens = 256, .batch = 64, .prediction = "completion",
	.reference = "answer", .overlap = 13, .text = { .smooth_value = NAN }, .form = MODEL_FLAGS_DEFAULT,
};

static struct opt options[] = {
	OPT_GROUP("What to measure"),
	OPT_STRING(0, "task", &opts.task, "NAME|FILE", "exact-match, perplexity, text, a task by name, or a task file"),
	OPT_STRING('m', "model", &opts.model, "DIR", "model directory; completions need none"),
	MODEL_FLAGS(opts.form),
	OPT_STRING(0, "answer", &opts.answer, "COLUMN", "exact-match: column of the right answer"),
	OPT_STRING(0, "profile", &opts.profile, "NAME", "exact-match: whose rules say which answer is right, as in quern-score(1)"),
	OPT_CHOICE(0, "report", &opts.report, "auto|json|table", "form of the report; auto is a table on a terminal, JSON else"),
	OPT_STRING(0, "samples", &opts.samples, "FILE", "keep every completion with its verdict, of a task file and of perplexity every document, of --compare the rows that flipped, of --check-contamination what was found"),
	OPT_GROUP("What was measured already, with --samples"),
	OPT_FLAG(0, "compare", &opts.compare, "compare two evaluations, A.json B.json, that were run with --samples; or two samples"),
	OPT_STRING(0, "by", &opts.by, "NAME", "break down by this column, or member of the document; source, if there is one"),
	OPT_LIST(0, "check-contamination", &opts.corpora, "CORPUS", "which rows of evaluations stand in CORPUS (may be repeated)"),
	OPT_INT(0, "overlap", &opts.overlap, "N", 1, 1000, "words in a row that both have"),
	OPT_GROUP("Task files"),
	OPT_INT(0, "num-fewshot", &opts.shots, "N", -1, 1000, "examples in a prompt; -1 is what the task says"),
	OPT_STRING(0, "fewshot-data", &opts.shot_data, "FILE", "documents that examples are taken from, if not those measured"),
	OPT_INT(0, "limit", &opts.limit, "N", 0, 1e12, "measure the first N documents; 0 is all"),
	OPT_STRING(0, "cache", &opts.cache, "FILE", "keep log-probabilities in FILE, and take those of the same model and tokens from there"),
	{ .type = OPT_TYPE_FLAG, .name = "resume", .value = &opts.resume, .no_provenance = true,
	  .help = "keep what is finished in FILE.journal beside -o FILE, and go on from there after a kill" },
	TASK_FLAGS(opts.flags),
	OPT_GROUP("Generation"),
	OPT_INT(0, "max-new-tokens", &opts.max_new_tokens, "N", 1, 16777216, "end a completion after N tokens"),
	OPT_DOUBLE(0, "temperature", &opts.temperature, "T", 0, 1e6, "sample instead of taking the most probable token"),
	OPT_LIST(0, "stop", &opts.stop, "TEXT", "end a completion before TEXT (may be repeated)"),
	OPT_INT(0, "context", &opts.context, "N", 0, 16777216,
		"tokens of prompt and completion, or of a perplexity window; 0 is the model's, up to 4096"),
	OPT_INT(0, "batch", &opts.batch, "N", 1, 65536, "sequences that run at once"),
	OPT_GROUP("Text metrics"),
	OPT_STRING(0, "metric", &opts.metrics, "LIST",
		   "bleu, chrf, chrf++, ter, rouge, rouge-unicode, squad, edit, distinct, self-bleu, repetition; of a task those instead of its own"),
	OPT_STRING(0, "prediction", &opts.prediction, "COLUMN", "column of what is measured"),
	OPT_STRING(0, "reference", &opts.reference, "COLUMN", "column of the reference, or of a list of references"),
	OPT_STRING(0, "hypotheses", &opts.hypotheses, "FILE", "text file of predictions, one a line, instead of rows"),
	OPT_LIST(0, "references", &opts.references, "FILE", "text file of their references, line by line (may be repeated)"),
	OPT_INT(0, "bootstrap", &opts.bootstrap, "N", -1, 1000000, "confidence intervals and errors by N resamples; -1 is 0, of task files 100000, of --compare 1000"),
	OPT_STRING(0, "baseline", &opts.baseline, "COLUMN",
		   "another system's predictions to compare with; a FILE with --hypotheses"),
	OPT_CHOICE(0, "test", &opts.test, "bootstrap|randomization", "how the difference to --baseline, or of --compare, is tested"),
	OPT_INT(0, "trials", &opts.trials, "N", 0, 1000000, "trials of the test; 0 is 1000, or 10000 by randomization"),
	OPT_FLAG(0, "lowercase", &opts.text.lowercase, "bleu, chrf: of lower-case text"),
	OPT_CHOICE(0, "tokenize", &opts.text.tokenizer, "13a|intl|zh|char|none", "bleu, distinct and the like: how words are cut"),
	OPT_CHOICE(0, "smooth", &opts.text.smooth, "exp|floor|add-k|none", "bleu: smoothing of orders without a match"),
	OPT_DOUBLE(0, "smooth-value", &opts.text.smooth_value, "X", 0, 1e6, "bleu: of floor (else 0.1) and add-k (else 1)"),
	OPT_FLAG(0, "effective-order", &opts.text.effective_order, "bleu: orders longer than the texts do not count"),
	OPT_FLAG(0, "chrf-whitespace", &opts.text.whitespace, "chrf: white space counts"),
	OPT_FLAG(0, "chrf-eps-smoothing", &opts.text.eps_smoothing, "chrf: mean of the orders' F, as chrF++.py and Moses"),
	OPT_FLAG(0, "ter-normalized", &opts.text.tercom.normalized, "ter: split punctuation from words"),
	OPT_FLAG(0, "ter-no-punct", &opts.text.tercom.no_punct, "ter: remove punctuation"),
	OPT_FLAG(0, "ter-asian-support", &opts.text.tercom.asian, "ter: the two above for Chinese and Japanese too"),
	OPT_FLAG(0, "ter-case-sensitive", &opts.text.tercom.case_sensitive, "ter: capitals differ"),
	OPT_FLAG(0, "stem", &opts.text.stem, "rouge: compare Porter's stems"),
	OPT_END,
};

static struct tool tool = {
	.name = "eval", .summary = "measure a model on held-out data", .operands = "[FILE ...]", .options = options,
	.max_operands = -1,
};

enum measurement { MEASURE_EXACT_MATCH, MEASURE_PERPLEXITY, MEASURE_TEXT, MEASURE_FILE };
static const struct {
	const char *name;            /* for --task; NULL: a file */
	enum status (*run)(struct tool *tool, const struct eval_options *o, struct lm *lm, struct report *report, struct error *err);
	void (*release)(void);
} measurements[] = {
	{ "exact-match", eval_exact_match, eval_exact_match_release },
	{ "perplexity", eval_perplexity, eval_perplexity_release },
	{ "text", eval_text, eval_text_release },
	{ NULL, eval_task, eval_task_release },
};
static enum measurement what;        /* what --task names */
static struct report report;

/* --- the report ------------------------------------------------------------------------------------------------ */

/* The table on a terminal, or when it is asked for; else the JSON, and the table beside it. */
static enum status write_out(const struct buf *json, const struct buf *table, struct error *err)
{
	bool as_table = opts.report == FORM_TABLE || (opts.report == FORM_AUTO && !tool.out_path && isatty(STDOUT_FILENO));
	const struct buf *text = as_table ? table : json;
	struct output *out;

	TRY(output_open(&out, tool.out_path, err));
	enum status st = output_write(out, text->data, text->len, err);
	if (st == OK)
		st = output_commit(out, err);
	else
		output_abort(out);
	if (st == OK && !as_table && !tool.quiet)
		fwrite(table->data, 1, table->len, stderr);
	return st;
}

static enum status write_report(struct error *err)
{
	struct buf json = { 0 }, chain = { 0 }, table = { 0 };

	provenance_print(&tool.prov, &chain);
	report.provenance = chain.data;
	report.original = tool.prov.rows_in;
	report.model = opts.model;
	report.samples = opts.samples;
	report.seed = tool.seed;
	report_table(&report, &table);
	report_json(&report, &json);
	enum status st = write_out(&json, &table, err);
	buf_release(&json);
	buf_release(&chain);
	buf_release(&table);
	return st;
}

/* --compare and --check-contamination: no measurement, but a look at some. */
static enum status look(struct error *err)
{
	struct buf json = { 0 }, table = { 0 };
	enum status st = OK;

	if (opts.model || tool.rejects_path || (opts.compare && opts.corpora.n))
		st = error_set(err, ERR_USAGE, "--%s reads what was measured: %s is not for it", opts.compare ? "compare" : "check-contamination",
			       opts.model ? "-m" : tool.rejects_path ? "--rejects" : "--check-contamination");
	if (st == OK)
		st = (opts.compare ? eval_compare : eval_contamination)(&tool, &opts, &json, &table, err);
	if (st == OK)
		st = write_out(&json, &table, err);
	eval_compare_release();
	eval_contamination_release();
	buf_release(&json);
	buf_release(&table);
	return st;
}

static enum status find_measurement(struct error *err)
{
	while (what < MEASURE_FILE && strcmp(opts.task, measurements[what].name))
		what++;
	if (opts.resume && !opts.model)
		return error_set(err, ERR_USAGE, "--resume is for a model: -m is needed");
	if (opts.resume && !tool.out_path)
		return error_set(err, ERR_USAGE, "--resume needs -o FILE: the journal stands beside it");
	if (opts.cache && (what == MEASURE_EXACT_MATCH || !opts.model))
		return error_set(err, ERR_USAGE, "--cache is for the log-probabilities of a model: -m, and a task or perplexity, are needed");
	if (what == MEASURE_FILE)
		return eval_task_find(opts.task, &opts.task_path, err);
	if (opts.shot_data || opts.shots >= 0 || opts.limit || opts.flags.repeats || opts.flags.chat || opts.flags.code)
		return error_set(err, ERR_USAGE, "--num-fewshot, --fewshot-data, --limit, --repeats, --apply-chat-template and --code are for task files");
	return OK;
}

static enum status open_inputs(struct error *err)
{
	static const enum kind problems[] = { KIND_PROBLEMS, KIND_CHAT, KIND_DOCUMENTS };
	static const enum kind completions[] = { KIND_COMPLETIONS, KIND_SCORES };
	static const enum kind texts[] = { KIND_DOCUMENTS, KIND_CHAT, KIND_TOKENS, KIND_PACKED };
	if (what != MEASURE_TEXT && (opts.hypotheses || opts.references.n || opts.baseline))
		return error_set(err, ERR_USAGE, "--hypotheses, --references and --baseline are for --task text");
	if (what == MEASURE_TEXT && opts.model)
		return error_set(err, ERR_USAGE, "--task text measures texts that are there: 'quern generate -m' makes them");
	if (opts.hypotheses && tool.files.n)
		return error_set(err, ERR_USAGE, "either rows or --hypotheses: '%s' is too much", tool.files.items[0]);
	if (opts.references.n && !opts.hypotheses)
		return error_set(err, ERR_USAGE, "--references is for --hypotheses; the column of rows is --reference");
	if (what == MEASURE_TEXT)
		return opts.hypotheses ? OK : tool_open_inputs(&tool, NULL, 0, err);
	if (!opts.model && (opts.form.adapter || opts.form.load))
		return error_set(err, ERR_USAGE, "--adapter and --load are for a model: -m is needed");
	if (what == MEASURE_PERPLEXITY && !opts.model)
		return error_set(err, ERR_USAGE, "-m is needed: under which model?");
	if (what == MEASURE_FILE) {
		tool.plain_json = true;
		return tool_open_inputs(&tool, NULL, 0, err);
	}
	if (what == MEASURE_PERPLEXITY)
		return tool_open_inputs(&tool, texts, 4, err);
	return opts.model ? tool_open_inputs(&tool, problems, 3, err) : tool_open_inputs(&tool, completions, 2, err);
}

static enum status evaluate(struct error *err)
{
	struct lm lm = { 0 };

	if (opts.model)
		TRY(tool_open_lm(&tool, &lm, opts.model, &opts.form, err));
	enum status st = measurements[what].run(&tool, &opts, opts.model ? &lm : NULL, &report, err);
	lm_close(&lm);
	return st;
}

static enum status run(struct error *err)
{
	if (opts.compare || opts.corpora.n)
		return look(err);
	if (opts.by)
		return error_set(err, ERR_USAGE, "--by is for --compare");
	TRY(find_measurement(err));
	TRY(open_inputs(err));
	TRY(tool_open_rejects(&tool, err));
	enum status st = evaluate(err);
	if (st == OK)
		st = tool_commit(&tool, err);
	if (st == OK)
		st = write_report(err);
	eval_keep_end(&tool, &opts, st == OK);
	measurements[what].release();
	free(opts.task_path);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}

/* quern eval - what a model can do: a report with standard errors.
 *
 * --task exact-match: problems with -m (the model answers, greedily), or completions that are there already. Accuracy by the
 * rule of libcore/judge/verify.h, format rate, length. --task perplexity: documents, conversations, tokens or packed rows
 * under -m. --task text: predictions and references, of any rows or of plain files line by line, by the metrics of
 * libcore/judge/metric.h. --task FILE: a task file of lm-evaluation-harness (eval/task.c). The report is JSON as that writes it, and a table
 * for people. */
#include "common/model.h"
#include "eval/eval.h"
#include "infer/complete.h"
#include "judge/metric_rows.h"
#include "judge/perplexity.h"
#include "judge/report.h"
#include "judge/reward_rules.h"
#include "judge/stats.h"
#include "judge/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum measurement { MEASURE_EXACT_MATCH, MEASURE_PERPLEXITY, MEASURE_TEXT, MEASURE_FILE };
enum form { FORM_AUTO, FORM_JSON, FORM_TABLE };

static struct {
	const char *model, *samples, *answer, *profile;
	const char *task;
	enum measurement what;       /* what task names */
	struct model_flags form;
	int report;
	int64_t max_new_tokens, batch, context;
	double temperature;
	struct opt_list stop;
	const char *metrics, *prediction, *reference, *baseline, *hypotheses;
	struct opt_list references;
	int64_t bootstrap, trials;
	int test;
	struct metric_options text;
	const char *shot_data;
	int64_t shots, limit;
	char *task_path;
	struct task_flags flags;
} opts = {
	.task = "exact-match", .shots = -1, .bootstrap = -1, .flags = TASK_FLAGS_START,
	.answer = "answer", .profile = "quern", .max_new_tokens = 256, .batch = 64, .prediction = "completion",
	.reference = "answer", .text = { .smooth_value = NAN },
};

static struct opt options[] = {
	OPT_GROUP("What to measure"),
	OPT_STRING(0, "task", &opts.task, "NAME|FILE", "exact-match, perplexity, text, a task by name, or a task file"),
	OPT_STRING('m', "model", &opts.model, "DIR", "model directory; completions need none"),
	MODEL_FLAGS(opts.form),
	OPT_STRING(0, "answer", &opts.answer, "COLUMN", "exact-match: column of the right answer"),
	OPT_STRING(0, "profile", &opts.profile, "NAME", "exact-match: whose rules say which answer is right, as in quern-score(1)"),
	OPT_CHOICE(0, "report", &opts.report, "auto|json|table", "form of the report; auto is a table on a terminal, JSON else"),
	OPT_STRING(0, "samples", &opts.samples, "FILE", "keep every completion with its verdict, of a task file every document"),
	OPT_GROUP("Task files"),
	OPT_INT(0, "num-fewshot", &opts.shots, "N", -1, 1000, "examples in a prompt; -1 is what the task says"),
	OPT_STRING(0, "fewshot-data", &opts.shot_data, "FILE", "documents that examples are taken from, if not those measured"),
	OPT_INT(0, "limit", &opts.limit, "N", 0, 1e12, "measure the first N documents; 0 is all"),
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
	OPT_INT(0, "bootstrap", &opts.bootstrap, "N", -1, 1000000, "confidence intervals and errors by N resamples; -1 is 0, of task files 100000"),
	OPT_STRING(0, "baseline", &opts.baseline, "COLUMN",
		   "another system's predictions to compare with; a FILE with --hypotheses"),
	OPT_CHOICE(0, "test", &opts.test, "bootstrap|randomization", "how the difference to --baseline is tested"),
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

static struct report report;
static struct buf settings;                  /* the report's generation_kwargs */

/* --- exact match ------------------------------------------------------------------------------------------ */

static struct {
	struct stats correct, format, tokens;
	int64_t rows, no_gold, no_answer, undecided, outcomes[OUTCOMES];
	struct buf list, notes;
	struct verifier *verifier;
	enum verify_profile profile;
	struct schema schema;                /* of --samples */
	struct completion_columns columns;
	struct writer *samples;
} em;

struct judged {
	double format;
	struct judgement answer;
};

static struct judged measure(const struct batch *b, int64_t row, const char *text, size_t n, int64_t tokens)
{
	struct verify_input v = { .prediction = text, .prediction_n = n, .profile = em.profile };
	v.gold = array_text(batch_column(b, opts.answer), row, &v.gold_n);
	struct judged j = { reward_format_loose(text, n), verify(em.verifier, &v) };
	em.rows++;
	if (verify_no_gold(j.answer))
		em.no_gold++;
	else if (j.answer.verdict == VERDICT_UNDECIDED)
		em.undecided++;
	else
		stats_add(&em.correct, j.answer.verdict == VERDICT_EQUAL);
	em.outcomes[outcome_of(j.answer)]++;
	em.no_answer += j.answer.verdict == VERDICT_DIFFERENT && j.answer.reason == REASON_NO_ANSWER;
	stats_add(&em.format, j.format);
	if (tokens >= 0)
		stats_add(&em.tokens, (double)tokens);
	return j;
}

static void append_verdict(struct builder *out, int at, const struct judged *j)
{
	if (j->answer.verdict == VERDICT_UNDECIDED) {
		column_null(builder_column(out, at));
		column_null(builder_column(out, at + 1));
	} else {
		column_double(builder_column(out, at), j->answer.verdict == VERDICT_EQUAL);
		column_double(builder_column(out, at + 1), j->answer.verdict == VERDICT_EQUAL);
	}
	column_double(builder_column(out, at + 2), j->format);
	char verdict[64];
	snprintf(verdict, sizeof(verdict), "%s:%s", verdict_name(j->answer.verdict), reason_name(j->answer.reason));
	column_str(builder_column(out, at + 3), verdict);
}

static enum status open_samples(struct error *err)
{
	static const char *const specs[] = { "score: float32?", "reward_accuracy: float32?", "reward_format_loose: float32?",
					     "verdict: utf8?" };
	for (int i = 0; i < 4; i++)
		schema_add_spec(&em.schema, specs[i]);
	struct writer_options o = tool_writer_options(&tool);
	return writer_open(&em.samples, opts.samples, &em.schema, KIND_SCORES, &tool.prov, &o, err);
}

static enum status next_batch(void *arg, struct batch **b, struct error *err)
{
	(void)arg;
	return tool_next(&tool, b, err);
}

static enum status reject(void *arg, struct batch *b, int64_t row, const char *reason, struct error *err)
{
	(void)arg;
	return tool_reject(&tool, b, row, reason, err);
}

static enum status measure_completion(void *arg, const struct completion *c, struct error *err)
{
	(void)arg;
	struct judged j = measure(c->batch, c->row, c->text, c->n, c->result->n);
	if (!em.samples)
		return OK;
	struct builder *out = writer_builder(em.samples);
	completion_append(out, &em.columns, c);
	append_verdict(out, 7 + em.columns.n_passed, &j);
	return writer_row(em.samples, err);
}

/* The model answers every problem once. */
static enum status answer_problems(struct lm *lm, struct error *err)
{
	struct generate_totals totals = { 0 };
	struct complete_io io = { next_batch, reject, measure_completion, NULL, NULL };
	struct generate_options o = {
		.sample = { .temperature = opts.temperature, .top_p = 1, .repetition_penalty = 1 }, .n = 1, .max_new_tokens = opts.max_new_tokens, .slots = opts.batch,
		.context = opts.context, .seed = (uint64_t)tool.seed, .stops = opts.stop.items, .n_stops = opts.stop.n,
	};
	TRY(generate_check(&lm->model, &o, err));
	if (opts.samples) {
		TRY(completion_schema(tool_schema(&tool), tool_kind(&tool), &em.schema, &em.columns, err));
		TRY(open_samples(err));
	}
	double start = clock_seconds();
	TRY(complete_rows(lm, tool_schema(&tool), tool_kind(&tool), &o, &io, &totals, err));
	double seconds = clock_seconds() - start;
	tool_stat_int(&tool, "new_tokens", totals.new_tokens);
	tool_stat_int(&tool, "new_tokens_per_second", seconds > 0 ? (int64_t)((double)totals.new_tokens / seconds) : 0);
	return OK;
}

/* Completions that another tool made: they are judged as they are. */
static enum status read_completions(struct error *err)
{
	struct batch *b;
	enum status st;
	if (opts.samples)
		return error_set(err, ERR_USAGE, "--samples is for -m; 'quern score' keeps the verdicts of completions");
	TRY(completion_check(tool_schema(&tool), err));
	while ((st = tool_next(&tool, &b, err)) == OK) {
		for (int64_t row = 0; row < b->rows; row++) {
			size_t n;
			const char *text = array_text(batch_column(b, "completion"), row, &n);
			measure(b, row, text, n, completion_length(b, row));
		}
		batch_release(b);
	}
	return st == END ? OK : st;
}

static void describe_generation(void)
{
	struct json_writer w = json_writer_open(&settings, 0);
	json_begin_object(&w);
	json_kv_bool(&w, "do_sample", opts.temperature > 0);
	json_kv_double(&w, "temperature", opts.temperature);
	json_kv_int(&w, "max_gen_toks", opts.max_new_tokens);
	json_key(&w, "until");
	json_begin_array(&w);
	for (int i = 0; i < opts.stop.n; i++)
		json_string(&w, opts.stop.items[i]);
	json_end_array(&w);
	json_end_object(&w);
	report.settings = settings.data;
}

static void report_exact_match(void)
{
	double none = NAN;
	report.task = "exact-match";
	report.output_type = "generate_until";
	report.effective = em.correct.n;
	report_add(&report, "exact_match", em.correct.n ? em.correct.mean : none, stats_stderr(&em.correct), true);
	report_add(&report, "format", em.format.n ? em.format.mean : none, stats_stderr(&em.format), true);
	report_add(&report, "completion_tokens", em.tokens.n ? em.tokens.mean : none, stats_stderr(&em.tokens), false);
	struct json_writer w = json_writer_open(&em.list, 0);
	json_begin_object(&w);
	eval_list_outcomes(&w, &em.notes, "none", false, em.outcomes);
	json_end_object(&w);
	report.outcomes = em.list.data;
	report.notes = em.notes.data;
	tool_stat_int(&tool, "no_gold", em.no_gold);
	tool_stat_int(&tool, "no_answer", em.no_answer);
	tool_stat_int(&tool, "undecided", em.undecided);
}

static enum status exact_match(struct lm *lm, struct error *err)
{
	int answer = schema_find(tool_schema(&tool), opts.answer);
	if (answer < 0 || !field_is_text(&tool_schema(&tool)->fields[answer]))
		return error_set(err, ERR_DATA, "there is no text column '%s' with the right answers", opts.answer);
	TRY(verify_profile_find(opts.profile, strlen(opts.profile), &em.profile, err));
	em.verifier = verifier_new();
	enum status st = lm ? answer_problems(lm, err) : read_completions(err);
	verifier_free(em.verifier);
	TRY(st);
	report_exact_match();
	if (lm)
		describe_generation();
	return OK;
}

/* --- perplexity ---------------------------------------------------------------------------------------------- */

static struct {
	struct perplexity p;
	struct ids ids, mask;
	struct chat_message *messages;
	int cap;
} px;

static enum status add_chat(const struct lm *lm, const struct batch *b, int64_t row, const char **reason, struct error *err)
{
	int n = messages_read(batch_column(b, "messages"), row, &px.messages, &px.cap);
	px.ids.n = px.mask.n = 0;
	enum status st = chat_encode(lm->tokenizer, lm->scratch, px.messages, n, false, &px.ids, &px.mask, err);
	if (st == ERR_DATA) {
		*reason = "template_error";
		return OK;
	}
	TRY(st);
	return perplexity_add_ids(&px.p, px.ids.v, px.mask.v, px.ids.n, err);
}

static enum status add_tokens(const struct batch *b, int64_t row, struct error *err)
{
	int64_t n, from = 0, to = 0;
	const int32_t *ids = array_int32s(batch_column(b, "input_ids"), row, &n);
	const struct array *mask = batch_column(b, "loss_mask");
	if (!ids && n > 0)
		return error_set(err, ERR_DATA, "%s: row %lld: input_ids holds nulls", tool_where(&tool), (long long)row);
	px.mask.n = 0;
	if (!mask || array_is_null(mask, row))
		return perplexity_add_ids(&px.p, ids, NULL, n, err);
	array_list(mask, row, &from, &to);
	if (to - from != n)
		return error_set(err, ERR_DATA, "%s: row %lld: loss_mask has %lld entries for %lld tokens", tool_where(&tool),
				 (long long)row, (long long)(to - from), (long long)n);
	for (int64_t i = from; i < to; i++)
		ids_push(&px.mask, (int32_t)array_int(&mask->children[0], i));
	return perplexity_add_ids(&px.p, ids, px.mask.v, n, err);
}

/* Every sequence of a packed row by itself; a label of -100 does not count. */
static enum status add_packed(const struct batch *b, int64_t row, struct error *err)
{
	int64_t n, n_labels, n_lengths, at = 0;
	const int32_t *ids = array_int32s(batch_column(b, "input_ids"), row, &n);
	const int32_t *labels = array_int32s(batch_column(b, "labels"), row, &n_labels);
	const int32_t *lengths = array_int32s(batch_column(b, "seq_lengths"), row, &n_lengths);
	for (int64_t i = 0; i < n_lengths; i++) {
		if (!ids || !labels || n != n_labels || lengths[i] < 0 || lengths[i] > n - at)
			return error_set(err, ERR_DATA, "%s: row %lld: seq_lengths do not fit the row", tool_where(&tool),
					 (long long)row);
		px.mask.n = 0;
		for (int64_t k = at; k < at + lengths[i]; k++)
			ids_push(&px.mask, labels[k] >= 0);
		TRY(perplexity_add_ids(&px.p, ids + at, px.mask.v, lengths[i], err));
		at += lengths[i];
	}
	return OK;
}

static enum status add_row(const struct lm *lm, struct batch *b, int64_t row, struct error *err)
{
	const char *reason = NULL;
	size_t n;
	const char *text;
	switch (tool_kind(&tool)) {
	case KIND_CHAT:
		TRY(add_chat(lm, b, row, &reason, err));
		return reason ? tool_reject(&tool, b, row, reason, err) : OK;
	case KIND_TOKENS:
		return add_tokens(b, row, err);
	case KIND_PACKED:
		return add_packed(b, row, err);
	default:
		text = array_text(batch_column(b, "text"), row, &n);
		return perplexity_add_text(&px.p, lm, text, n, err);
	}
}

static void report_perplexity(void)
{
	const struct perplexity *p = &px.p;
	report.task = "perplexity";
	report.output_type = "loglikelihood_rolling";
	report.effective = p->rows;
	if (p->bytes) {
		report_add(&report, "word_perplexity", perplexity_per(p, p->words), NAN, false);
		report_add(&report, "byte_perplexity", perplexity_per(p, p->bytes), NAN, false);
		report_add(&report, "bits_per_byte", perplexity_bits_per_byte(p), NAN, false);
	}
	report_add(&report, "token_perplexity", perplexity_per(p, p->tokens), NAN, false);
	tool_stat_int(&tool, "tokens", p->tokens);
}

static enum status perplexity(struct lm *lm, struct error *err)
{
	struct batch *b;
	enum status st;
	int64_t context = opts.context ? opts.context : generate_context(&lm->model);
	struct generate_options o = { .context = context };
	if (opts.samples)
		return error_set(err, ERR_USAGE, "--samples is for --task exact-match");
	if (tool_kind(&tool) == KIND_TOKENS && schema_find(tool_schema(&tool), "input_ids") < 0)
		return error_set(err, ERR_DATA, "tokens of pairs have no column 'input_ids' to measure");
	TRY(generate_check(&lm->model, &o, err));
	TRY(scorer_open(&px.p.scorer, &lm->model, context, err));
	while ((st = tool_next(&tool, &b, err)) == OK) {
		for (int64_t row = 0; row < b->rows && st == OK; row++)
			st = add_row(lm, b, row, err);
		if (st == OK)
			st = perplexity_settle(&px.p, err);
		batch_release(b);
		TRY(st);
	}
	report_perplexity();
	return st == END ? OK : st;
}

/* --- text metrics --------------------------------------------------------------------------------------------- */

static struct {
	struct metric_set set;
	struct metric_rows rows;
	struct metric_files files;
	struct buf list, notes;
} tx;

static enum status measure_stream(struct error *err)
{
	struct metric_columns columns = { opts.prediction, opts.baseline, opts.reference, tx.set.n > 0 };
	struct batch *b;
	enum status st;
	TRY(metric_columns_check(&columns, tool_schema(&tool), err));
	while ((st = tool_next(&tool, &b, err)) == OK) {
		metric_rows_read(&tx.rows, b, &columns);
		st = metric_set_add(&tx.set, tool.pool, tx.rows.v, tx.rows.n, err);
		for (int64_t i = 0; i < b->rows && st == OK; i++)
			if (tx.rows.v[i].refused)
				st = tool_reject(&tool, b, i, tx.rows.v[i].refused, err);
		batch_release(b);
		TRY(st);
	}
	return st == END ? OK : st;
}

static enum status open_text_files(struct error *err)
{
	struct opt_list paths = { 0 };
	MEM_PUSH_ROOM(paths.items, paths.n, paths.cap);
	paths.items[paths.n++] = opts.hypotheses;
	for (int i = -(opts.baseline != NULL); i < opts.references.n; i++) {
		MEM_PUSH_ROOM(paths.items, paths.n, paths.cap);
		paths.items[paths.n++] = i < 0 ? opts.baseline : opts.references.items[i];
	}
	enum status st = metric_files_open(&tx.files, paths.items, paths.n, opts.baseline != NULL, err);
	for (int i = 0; i < paths.n && st == OK; i++) {
		struct provenance_input entry = { .name = (char *)paths.items[i], .rows = -1 };
		memcpy(entry.xxh3, tx.files.files[i].xxh3, sizeof(entry.xxh3));
		tool_add_input_entry(&tool, &entry);
	}
	mem_free(paths.items);
	return st;
}

static enum status measure_files(struct error *err)
{
	enum status st;
	TRY(open_text_files(err));
	while ((st = metric_rows_lines(&tx.rows, &tx.files, err)) == OK) {
		tool_count_in(&tool, tx.rows.n);
		TRY(metric_set_add(&tx.set, tool.pool, tx.rows.v, tx.rows.n, err));
		for (int64_t i = 0; i < tx.rows.n; i++) {
			const struct metric_row *row = &tx.rows.v[i];
			if (row->refused)
				TRY(tool_reject_text(&tool, "", row->prediction.s, row->prediction.n, row->refused, err));
		}
	}
	return st == END ? OK : st;
}

static enum status text_metrics(struct error *err)
{
	int64_t samples = opts.bootstrap < 0 ? 0 : opts.bootstrap, trials = !opts.baseline ? 0 : opts.trials ? opts.trials : opts.test == PAIRED_BOOTSTRAP ? 1000 : 10000;
	tx.set.options = opts.text;
	tx.set.paired = opts.baseline != NULL;
	tx.set.keep = tx.set.paired || samples > 0;
	TRY(metric_set_parse(&tx.set, opts.metrics ? opts.metrics : "bleu,chrf,ter", err));
	if (opts.hypotheses && tx.set.n && !opts.references.n)
		return error_set(err, ERR_USAGE, "--references is needed: what should the lines have been?");
	TRY(opts.hypotheses ? measure_files(err) : measure_stream(err));
	report.task = "text";
	report.output_type = "generate_until";
	report.effective = tx.set.rows;
	TRY(metric_set_report(&tx.set, samples, opts.test, trials, (uint64_t)tool.seed, &report, &tx.list, &tx.notes, err));
	report.metric_list = tx.list.data;
	report.notes = tx.notes.data;
	return OK;
}

/* --- task files ------------------------------------------------------------------------------------------------- */

static enum status task_file(struct lm *lm, struct error *err)
{
	struct task_options o = { opts.task_path, opts.metrics, opts.prediction, &opts.flags, opts.shot_data, opts.shots, opts.limit, opts.context, opts.batch,
				  opts.bootstrap < 0 ? 100000 : opts.bootstrap, opts.samples };
	return eval_task(&tool, &o, lm, &report, err);
}

/* --- the report ------------------------------------------------------------------------------------------------ */

static enum status write_report(struct error *err)
{
	struct buf text = { 0 }, chain = { 0 }, table = { 0 };
	struct output *out;
	bool as_table = opts.report == FORM_TABLE || (opts.report == FORM_AUTO && !tool.out_path && isatty(STDOUT_FILENO));
	provenance_print(&tool.prov, &chain);
	report.provenance = chain.data;
	report.original = tool.prov.rows_in;
	report.model = opts.model;
	report.seed = tool.seed;
	report_table(&report, &table);
	if (!as_table)
		report_json(&report, &text);
	enum status st = output_open(&out, tool.out_path, err);
	if (st == OK) {
		st = output_write(out, as_table ? table.data : text.data, as_table ? table.len : text.len, err);
		if (st == OK)
			st = output_commit(out, err);
		else
			output_abort(out);
	}
	if (st == OK && !as_table && !tool.quiet)
		fwrite(table.data, 1, table.len, stderr);
	buf_release(&text);
	buf_release(&chain);
	buf_release(&table);
	buf_release(&settings);
	buf_release(&tx.list);
	buf_release(&tx.notes);
	buf_release(&em.list);
	buf_release(&em.notes);
	return st;
}

static enum status find_measurement(struct error *err)
{
	static const char *const names[] = { "exact-match", "perplexity", "text" };
	while (opts.what < MEASURE_FILE && strcmp(opts.task, names[opts.what]))
		opts.what++;
	if (opts.what == MEASURE_FILE)
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
	if (opts.what != MEASURE_TEXT && (opts.hypotheses || opts.references.n || opts.baseline))
		return error_set(err, ERR_USAGE, "--hypotheses, --references and --baseline are for --task text");
	if (opts.what == MEASURE_TEXT && opts.model)
		return error_set(err, ERR_USAGE, "--task text measures texts that are there: 'quern generate -m' makes them");
	if (opts.hypotheses && tool.files.n)
		return error_set(err, ERR_USAGE, "either rows or --hypotheses: '%s' is too much", tool.files.items[0]);
	if (opts.references.n && !opts.hypotheses)
		return error_set(err, ERR_USAGE, "--references is for --hypotheses; the column of rows is --reference");
	if (opts.what == MEASURE_TEXT)
		return opts.hypotheses ? OK : tool_open_inputs(&tool, NULL, 0, err);
	if (!opts.model && (opts.form.adapter || opts.form.load))
		return error_set(err, ERR_USAGE, "--adapter and --load are for a model: -m is needed");
	if (opts.what == MEASURE_PERPLEXITY && !opts.model)
		return error_set(err, ERR_USAGE, "-m is needed: under which model?");
	if (opts.what == MEASURE_FILE) {
		tool.plain_json = true;
		return tool_open_inputs(&tool, NULL, 0, err);
	}
	if (opts.what == MEASURE_PERPLEXITY)
		return tool_open_inputs(&tool, texts, 4, err);
	return opts.model ? tool_open_inputs(&tool, problems, 3, err) : tool_open_inputs(&tool, completions, 2, err);
}

static enum status evaluate(struct error *err)
{
	struct lm lm = { 0 };
	enum status st = OK;
	if (opts.model)
		TRY(tool_open_lm(&tool, &lm, opts.model, &opts.form, err));
	if (opts.what == MEASURE_TEXT)
		st = text_metrics(err);
	else if (opts.what == MEASURE_FILE)
		st = task_file(opts.model ? &lm : NULL, err);
	else if (opts.what == MEASURE_PERPLEXITY)
		st = perplexity(&lm, err);
	else
		st = exact_match(opts.model ? &lm : NULL, err);
	if (st == OK && em.samples) {
		st = writer_commit(em.samples, err);
		em.samples = NULL;
	}
	scorer_close(px.p.scorer);
	lm_close(&lm);
	return st;
}

static enum status run(struct error *err)
{
	TRY(find_measurement(err));
	TRY(open_inputs(err));
	TRY(tool_open_rejects(&tool, err));
	enum status st = evaluate(err);
	writer_abort(em.samples);
	schema_release(&em.schema);
	completion_columns_release(&em.columns);
	perplexity_release(&px.p);
	metric_set_release(&tx.set);
	metric_rows_release(&tx.rows);
	metric_files_release(&tx.files);
	ids_release(&px.ids);
	ids_release(&px.mask);
	mem_free(px.messages);
	if (st == OK)
		st = tool_commit(&tool, err);
	if (st == OK)
		st = write_report(err);
	eval_task_release();
	free(opts.task_path);
	return st;
}

int main(int argc, char **argv)
{
	struct error err;
	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}

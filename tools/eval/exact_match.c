/* exact_match.c - quern eval --task exact-match: right answers, of a model or of completions that are there. */
#include "eval/eval.h"

#include "infer/complete.h"
#include "judge/reward_rules.h"
#include "judge/stats.h"
#include "judge/verify.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct {
	struct tool *tool;
	const struct eval_options *o;
	struct report *report;
	struct stats correct, format, tokens;
	int64_t rows, no_gold, no_answer, undecided, outcomes[OUTCOMES];
	struct buf list, notes;              /* of the report */
	struct verifier *verifier;
	enum verify_profile profile;
	struct schema schema;                /* of --samples */
	struct completion_columns columns;
	struct writer *samples;
	struct buf settings;                 /* the report's generation_kwargs */
} em;

struct judged {
	double format;
	struct judgement answer;
};

static struct judged measure(const struct batch *b, int64_t row, const char *text, size_t n, int64_t tokens)
{
	struct verify_input v = { .prediction = text, .prediction_n = n, .profile = em.profile };
	v.gold = array_text(batch_column(b, em.o->answer), row, &v.gold_n);
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
	struct writer_options o = tool_writer_options(em.tool);
	return writer_open(&em.samples, em.o->samples, &em.schema, KIND_SCORES, &em.tool->prov, &o, err);
}

static enum status next_batch(void *arg, struct batch **b, struct error *err)
{
	(void)arg;
	return tool_next(em.tool, b, err);
}

static enum status reject(void *arg, struct batch *b, int64_t row, const char *reason, struct error *err)
{
	(void)arg;
	return tool_reject(em.tool, b, row, reason, err);
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
		.sample = { .temperature = em.o->temperature, .top_p = 1, .repetition_penalty = 1 }, .n = 1, .max_new_tokens = em.o->max_new_tokens, .slots = em.o->batch,
		.context = em.o->context, .seed = (uint64_t)em.tool->seed, .stops = em.o->stop.items, .n_stops = em.o->stop.n,
	};
	TRY(generate_check(&lm->model, &o, err));
	if (em.o->samples) {
		TRY(completion_schema(tool_schema(em.tool), tool_kind(em.tool), &em.schema, &em.columns, err));
		TRY(open_samples(err));
	}
	double start = clock_seconds();
	TRY(eval_keep_answers(em.tool, em.o, &io.journal, err));
	enum status st = complete_rows(lm, tool_schema(em.tool), tool_kind(em.tool), &o, &io, &totals, err);
	TRY(st);
	double seconds = clock_seconds() - start;
	tool_stat_int(em.tool, "new_tokens", totals.new_tokens);
	tool_stat_int(em.tool, "new_tokens_per_second", seconds > 0 ? (int64_t)((double)totals.new_tokens / seconds) : 0);
	return OK;
}

/* Completions that another tool made: they are judged as they are. */
static enum status read_completions(struct error *err)
{
	struct batch *b;
	enum status st;
	if (em.o->samples)
		return error_set(err, ERR_USAGE, "--samples is for -m; 'quern score' keeps the verdicts of completions");
	TRY(completion_check(tool_schema(em.tool), err));
	while ((st = tool_next(em.tool, &b, err)) == OK) {
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
	struct json_writer w = json_writer_open(&em.settings, 0);
	json_begin_object(&w);
	json_kv_bool(&w, "do_sample", em.o->temperature > 0);
	json_kv_double(&w, "temperature", em.o->temperature);
	json_kv_int(&w, "max_gen_toks", em.o->max_new_tokens);
	json_key(&w, "until");
	json_begin_array(&w);
	for (int i = 0; i < em.o->stop.n; i++)
		json_string(&w, em.o->stop.items[i]);
	json_end_array(&w);
	json_end_object(&w);
	em.report->settings = em.settings.data;
}

static void report_exact_match(void)
{
	double none = NAN;
	em.report->task = "exact-match";
	em.report->output_type = "generate_until";
	em.report->effective = em.correct.n;
	report_add(em.report, "exact_match", em.correct.n ? em.correct.mean : none, stats_stderr(&em.correct), true);
	report_add(em.report, "format", em.format.n ? em.format.mean : none, stats_stderr(&em.format), true);
	report_add(em.report, "completion_tokens", em.tokens.n ? em.tokens.mean : none, stats_stderr(&em.tokens), false);
	struct json_writer w = json_writer_open(&em.list, 0);
	json_begin_object(&w);
	eval_list_outcomes(&w, &em.notes, "none", false, em.outcomes);
	json_end_object(&w);
	em.report->outcomes = em.list.data;
	em.report->notes = em.notes.data;
	tool_stat_int(em.tool, "no_gold", em.no_gold);
	tool_stat_int(em.tool, "no_answer", em.no_answer);
	tool_stat_int(em.tool, "undecided", em.undecided);
}

enum status eval_exact_match(struct tool *tool, const struct eval_options *o, struct lm *lm, struct report *report, struct error *err)
{
	int answer = schema_find(tool_schema(tool), o->answer);

	em.tool = tool;
	em.o = o;
	em.report = report;
	if (answer < 0 || !field_is_text(&tool_schema(em.tool)->fields[answer]))
		return error_set(err, ERR_DATA, "there is no text column '%s' with the right answers", em.o->answer);
	TRY(verify_profile_find(em.o->profile, strlen(em.o->profile), &em.profile, err));
	em.verifier = verifier_new();
	enum status st = lm ? answer_problems(lm, err) : read_completions(err);
	verifier_free(em.verifier);
	TRY(st);
	report_exact_match();
	if (lm)
		describe_generation();
	if (em.samples) {
		struct writer *w = em.samples;

		em.samples = NULL;
		return writer_commit(w, err);
	}
	return OK;
}

void eval_exact_match_release(void)
{
	writer_abort(em.samples);
	schema_release(&em.schema);
	completion_columns_release(&em.columns);
	buf_release(&em.settings);
	buf_release(&em.list);
	buf_release(&em.notes);
}

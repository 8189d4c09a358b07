#include "judge/task_judge.h"

#include <string.h>

struct task_judge {
	const struct task *t;
	struct task_scores *scores;
	struct response_filter *filters[16];
	task_sample_told *told;
	void *arg;
	struct arena arena;
	struct buf target, responses, filtered, outcomes;
};

enum status task_judge_open(struct task_judge **out, const struct task *t, struct task_scores *s, task_sample_told *told, void *arg,
			    struct error *err)
{
	struct task_judge *j = mem_zalloc(sizeof(*j));
	enum status st = OK;

	j->t = t;
	j->scores = s;
	j->told = told;
	j->arg = arg;
	for (int f = 0; f < t->n_filters && st == OK; f++)
		st = response_filter_open(&j->filters[f], &t->filters[f], err);
	if (st != OK) {
		task_judge_close(j);
		return st;
	}
	*out = j;
	return OK;
}

void task_judge_close(struct task_judge *j)
{
	if (!j)
		return;
	for (int f = 0; f < j->t->n_filters; f++)
		response_filter_close(j->filters[f]);
	arena_release(&j->arena);
	buf_release(&j->target);
	buf_release(&j->responses);
	buf_release(&j->filtered);
	buf_release(&j->outcomes);
	mem_free(j);
}

void task_write_texts(struct buf *out, const struct request_text *t, int64_t n)
{
	struct json_writer w = json_writer_open(out, 0);

	json_begin_array(&w);
	for (int64_t i = 0; i < n; i++)
		if (t[i].s)
			json_string_n(&w, t[i].s, t[i].n);
		else
			json_null(&w);
	json_end_array(&w);
}

/* ["right", "unparsed:no_answer", ...] */
static void write_outcomes(struct task_judge *j, int64_t n)
{
	const struct grade *g = task_scores_grades(j->scores);
	struct json_writer w = json_writer_open(&j->outcomes, 0);

	json_begin_array(&w);
	for (int64_t i = 0; i < n; i++) {
		char *said = mem_printf("%s%s%s", outcome_name(g[i].outcome), g[i].reason ? ":" : "", g[i].reason ? g[i].reason : "");

		json_string(&w, said);
		mem_free(said);
	}
	json_end_array(&w);
}

static enum status tell(struct task_judge *j, struct task_sample *s, const struct request_text *left, int64_t n, struct error *err)
{
	if (!j->told)
		return OK;
	buf_clear(&j->filtered);
	task_write_texts(&j->filtered, left, n);
	buf_clear(&j->outcomes);
	write_outcomes(j, n);
	s->filtered = j->filtered.data;
	s->outcomes = j->outcomes.data;
	return j->told(j->arg, j->scores, s, err);
}

enum status task_judge_responses(struct task_judge *j, int64_t doc, const char *doc_text, size_t doc_n, const struct task_request *r,
				 const char *arguments, const struct request_text *responses, int64_t n, struct error *err)
{
	struct task_sample s = { .doc = doc, .text = doc_text, .n = doc_n, .arguments = arguments };
	struct request_text *left;
	struct json_writer w;

	if (j->told) {
		buf_clear(&j->target);
		w = json_writer_open(&j->target, 0);
		json_value(&w, &r->gold);
		s.target = j->target.data;
		buf_clear(&j->responses);
		task_write_texts(&j->responses, responses, n);
		s.responses = j->responses.data;
	}
	for (int f = 0; f < j->t->n_filters; f++) {
		int64_t kept = n;

		arena_reset(&j->arena);
		left = arena_alloc(&j->arena, (size_t)(n + 1) * sizeof(*left));
		memcpy(left, responses, (size_t)n * sizeof(*left));
		TRY(response_filter_apply(j->filters[f], left, &kept, &j->arena, err));
		TRY(task_scores_responses(j->scores, f, r, response_filter_fallback(j->filters[f]), left, kept, err));
		s.filter = f;
		TRY(tell(j, &s, left, kept, err));
	}
	return OK;
}

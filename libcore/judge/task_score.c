/* task_score.c - see task_score.h. */
#include "judge/task_score.h"

#include "base/hash.h"
#include "judge/pass_rate.h"
#include "judge/perplexity.h"
#include "judge/task_series.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct task_scores {
	const struct task *t;
	struct series *series;       /* [filters * metrics] */
	int n_series;
	struct metric_scratch scratch;
	struct metric_options text;
	struct grader *grader;
	int64_t outcomes[16][OUTCOMES];      /* of filter: responses */
	struct grade *grades;        /* of the document under way */
	int64_t cap_grades;
	struct buf a;
};

static const struct metric *text_metric(const char *name) { return metric_find(name, strlen(name)); }

void task_scores_open(struct task_scores **out, const struct task *t)
{
	struct task_scores *s = mem_zalloc(sizeof(*s));

	s->t = t;
	s->n_series = t->n_filters * t->n_metrics;
	s->series = mem_array((size_t)s->n_series, sizeof(*s->series));
	s->text = TASK_TEXT_OPTIONS;
	s->grader = grader_open(t);
	for (int i = 0; i < s->n_series; i++) {
		struct series *x = &s->series[i];
		const struct metric *text;
		int value;

		x->m = &t->metrics[i % t->n_metrics];
		x->text = t->type == TASK_GENERATE ? text_metric(x->m->name) : NULL;
		x->hashed = t->type == TASK_GENERATE && (!strcmp(x->m->name, "mcc") || !strcmp(x->m->name, "macro_f1"));
		x->width = series_width(x->m->name, &text, &value);
		x->width = x->text ? x->text->n_stats : text || !x->width ? 1 : x->width;
	}
	*out = s;
}

void task_scores_close(struct task_scores *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->n_series; i++)
		mem_free(s->series[i].v);
	mem_free(s->series);
	mem_free(s->grades);
	metric_scratch_release(&s->scratch);
	grader_close(s->grader);
	buf_release(&s->a);
	mem_free(s);
}

bool task_wants(const struct task *t, const char *metric)
{
	for (int i = 0; i < t->n_metrics; i++)
		if (!strcmp(t->metrics[i].name, metric))
			return true;
	return false;
}

static double *push(struct series *x)
{
	if ((x->n + 1) * x->width > x->cap) {
		x->cap = 2 * x->cap + 64 * x->width;
		x->v = mem_grow(x->v, (size_t)x->cap, sizeof(*x->v));
	}
	return x->v + x->n++ * x->width;
}

/* Adds to every series of the name (one per filter). */
static void add(struct task_scores *s, const char *name, double a, double b)
{
	for (int i = 0; i < s->n_series; i++)
		if (!strcmp(s->series[i].m->name, name)) {
			double *v = push(&s->series[i]);

			v[0] = a;
			if (s->series[i].width == 2)
				v[1] = b;
		}
}

const double *task_scores_item(const struct task_scores *s, int filter, int metric, int *n)
{
	const struct series *x = &s->series[filter * s->t->n_metrics + metric];

	*n = x->width;
	return x->n ? x->v + (x->n - 1) * x->width : NULL;
}

/* --- multiple choice ------------------------------------------------------------------------------- */

static int64_t characters(struct request_text t)
{
	int64_t n = 0;

	for (size_t i = 0; i < t.n; i++)
		n += ((unsigned char)t.s[i] & 0xc0) != 0x80;
	return n;
}

/* numpy's argmax of v[i] / by[i] (NULL: 1) less minus[i]: the first of the highest; a NaN wins. */
static int64_t argmax(const struct likelihood *v, int64_t n, const double *by, const struct likelihood *minus)
{
	int64_t best = 0;
	double top = NAN;

	for (int64_t i = 0; i < n; i++) {
		double x = v[i].logprob / (by ? by[i] : 1) - (minus ? minus[i].logprob : 0);

		if (i == 0 || (x > top && !isnan(top)) || (isnan(x) && !isnan(top))) {
			best = i;
			top = x;
		}
	}
	return best;
}

/* The right choices as a set: of a number, a text that is a choice, or a list of them. Out of range is wrong always. */
static void right_choices(const struct task_request *r, const struct json *gold, bool *right)
{
	if (gold->type == JSON_ARRAY) {
		for (size_t i = 0; i < gold->len; i++)
			right_choices(r, &gold->items[i], right);
		return;
	}
	if (gold->type == JSON_INT && gold->integer >= 0 && gold->integer < r->n)
		right[gold->integer] = true;
	for (int64_t i = 0; gold->type == JSON_STRING && i < r->n; i++)
		if (r->choices[i].n == gold->len && !memcmp(r->choices[i].s, gold->str, gold->len)) {
			right[i] = true;
			return;
		}
}

static int64_t first_right(const bool *right, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (right[i])
			return i;
	return -1;
}

/* Squared distance of softmax(l) from the right choice. */
static double brier(const struct likelihood *l, int64_t n, int64_t gold)
{
	double top = l[argmax(l, n, NULL, NULL)].logprob, sum = 0, out = 0;

	for (int64_t i = 0; i < n; i++)
		sum += exp(l[i].logprob - top);
	for (int64_t i = 0; i < n; i++) {
		double d = exp(l[i].logprob - top) / sum - (i == gold);

		out += d * d;
	}
	return out;
}

enum status task_scores_choices(struct task_scores *s, const struct task_request *r, const struct likelihood *l,
				const struct likelihood *unconditional, struct error *err)
{
	int64_t n = r->n, pred, gold;
	double *chars = mem_array((size_t)n, sizeof(*chars)), *bytes = mem_array((size_t)n, sizeof(*bytes));
	bool *right = mem_zalloc((size_t)n * sizeof(*right) + 1), greedy = false;

	for (int64_t i = 0; i < n; i++) {
		if (isnan(l[i].logprob)) {
			mem_free(chars), mem_free(bytes), mem_free(right);
			return error_set(err, ERR_DATA, "the log-probability of choice %lld is not a number", (long long)i);
		}
		chars[i] = (double)characters(r->choices[i]);
		bytes[i] = (double)r->choices[i].n;
	}
	right_choices(r, &r->gold, right);
	gold = first_right(right, n);
	pred = argmax(l, n, NULL, NULL);
	for (int64_t i = 0; i < n; i++)
		greedy |= right[i] && l[i].greedy;
	add(s, "acc", right[pred], 0);
	add(s, "acc_norm", right[argmax(l, n, chars, NULL)], 0);
	add(s, "acc_bytes", right[argmax(l, n, bytes, NULL)], 0);
	add(s, "exact_match", greedy, 0);
	add(s, "f1", (double)gold, (double)pred);
	add(s, "macro_f1", (double)gold, (double)pred);
	add(s, "mcc", (double)gold, (double)pred);
	add(s, "brier_score", brier(l, n, gold), 0);
	if (unconditional)
		add(s, "acc_mutual_info", right[argmax(l, n, NULL, unconditional)], 0);
	mem_free(chars), mem_free(bytes), mem_free(right);
	return OK;
}

void task_scores_likelihood(struct task_scores *s, const struct likelihood *l)
{
	add(s, "acc", l->greedy, 0);
	add(s, "perplexity", l->logprob, 0);
}

void task_scores_rolling(struct task_scores *s, const struct perplexity_document *d)
{
	add(s, "word_perplexity", d->logprob, (double)d->words);
	add(s, "byte_perplexity", d->logprob, (double)d->bytes);
	add(s, "bits_per_byte", d->logprob, (double)d->bytes);
}

/* --- responses --------------------------------------------------------------------------------------- */

/* A class by its text, in the bits that a double keeps. */
static enum status class_of(struct task_scores *s, int m, struct request_text t, double *out, struct error *err)
{
	TRY(grader_normalise(s->grader, m, t, &s->a, err));
	*out = (double)(hash64(s->a.data ? s->a.data : "", s->a.len) >> 11);
	return OK;
}

/* Is the answer that most of the first k responses give a right one? Those without one have no vote; of equals the first wins. */
static enum status majority(struct task_scores *s, const struct task_request *r, const struct request_text *text, int64_t k, double *value,
			    struct error *err)
{
	int64_t *votes = mem_zalloc((size_t)k * sizeof(*votes)), best = -1;
	enum status st = OK;

	for (int64_t i = 0; i < k; i++) {
		int64_t of = i;

		if (s->grades[i].outcome == OUTCOME_UNPARSED)
			continue;
		for (int64_t e = 0; e < i && of == i && st == OK; e++) {
			bool same = s->grades[e].outcome == OUTCOME_RIGHT;

			if (!votes[e] || s->grades[e].outcome != s->grades[i].outcome)
				continue;
			if (!same)
				st = grader_alike(s->grader, r, text[e], text[i], &same, err);
			of = same ? e : of;
		}
		votes[of]++;
	}
	for (int64_t i = 0; i < k; i++)
		best = votes[i] && (best < 0 || votes[i] > votes[best]) ? i : best;
	*value = best >= 0 && s->grades[best].outcome == OUTCOME_RIGHT;
	mem_free(votes);
	return st;
}

static int64_t count_right(const struct task_scores *s, int64_t n)
{
	int64_t right = 0;

	for (int64_t i = 0; i < n; i++)
		right += s->grades[i].outcome == OUTCOME_RIGHT;
	return right;
}

/* A metric of several responses. */
static enum status sampled(struct task_scores *s, const struct task_metric *m, const struct task_request *r, const struct request_text *text,
			   int64_t n, double *value, struct error *err)
{
	if (n < m->k)
		return error_set(err, ERR_DATA, "%s needs %lld responses, and there are %lld", m->name, (long long)m->k, (long long)n);
	if (!strncmp(m->name, "maj@", 4))
		return majority(s, r, text, m->k, value, err);
	*value = strncmp(m->name, "pass@", 5) ? (double)count_right(s, m->k) / (double)m->k : pass_at_k(n, count_right(s, n), m->k);
	return OK;
}

static void instructions(const struct task_metric *m, const struct grade *g, double *v)
{
	bool strict = strstr(m->name, "strict") != NULL;

	v[0] = strict ? g->strict_all : g->loose_all;
	if (!strncmp(m->name, "inst_", 5)) {
		v[0] = strict ? g->strict : g->loose;
		v[1] = g->of;
	}
}

static enum status score_metric(struct task_scores *s, int filter, int m, const struct task_request *r, const struct request_text *text, int64_t n,
				const struct metric_text *gold, int64_t n_gold, struct error *err)
{
	struct series *x = &s->series[filter * s->t->n_metrics + m];
	struct request_text first = n ? text[0] : (struct request_text){ NULL, 0 };
	struct metric_text said = { first.s ? first.s : "", first.n };
	double *v = push(x);

	if (x->text)
		return x->text->segment(&s->scratch, &s->text, &said, gold, (int)n_gold, v) ? OK :
		       error_set(err, ERR_DATA, "a response is too long for %s", x->m->name);
	if (x->m->k)
		return sampled(s, x->m, r, text, n, v, err);
	if (x->hashed) {
		TRY(class_of(s, m, (struct request_text){ gold[0].s, gold[0].n }, v, err));
		return class_of(s, m, first, v + 1, err);
	}
	if (strstr(x->m->name, "_level_"))
		instructions(x->m, &s->grades[0], v);
	else
		v[0] = s->grades[0].outcome == OUTCOME_RIGHT;
	return OK;
}

enum status task_scores_responses(struct task_scores *s, int filter, const struct task_request *r, const char *fallback,
				  const struct request_text *text, int64_t n, struct error *err)
{
	size_t most = r->target.type == JSON_ARRAY ? r->target.len : 1;
	struct request_text *answers = mem_array(most + 1, sizeof(*answers)), none = { NULL, 0 };
	struct metric_text *gold = mem_array(most + 1, sizeof(*gold));
	char digits[32];
	int64_t n_gold = grader_answers(r, answers, digits);
	enum status st;

	if (n + 1 > s->cap_grades) {
		s->cap_grades = n + 1;
		s->grades = mem_grow(s->grades, (size_t)s->cap_grades, sizeof(*s->grades));
	}
	for (int64_t i = 0; i < n_gold; i++)
		gold[i] = (struct metric_text){ answers[i].s, answers[i].n };
	if (!n_gold)
		gold[0] = (struct metric_text){ "", 0 };
	st = grader_judge_all(s->grader, r, fallback, n ? text : &none, n ? n : 1, s->grades, err);
	for (int64_t i = 0; i < (n ? n : 1) && st == OK; i++)
		s->outcomes[filter][s->grades[i].outcome]++;
	for (int m = 0; m < s->t->n_metrics && st == OK; m++)
		st = score_metric(s, filter, m, r, text, n, gold, n_gold, err);
	mem_free(answers);
	mem_free(gold);
	return st;
}

const int64_t *task_scores_outcomes(const struct task_scores *s, int filter) { return s->outcomes[filter]; }

const struct grade *task_scores_grades(const struct task_scores *s) { return s->grades; }

void task_scores_set_code(struct task_scores *s, struct code *c, struct pool *pool) { grader_set_code(s->grader, c, pool); }

/* --- the report -------------------------------------------------------------------------------------- */

int task_scores_report(struct task_scores *s, int64_t iterations, struct task_score **scores)
{
	int n = 0;

	*scores = mem_array((size_t)s->n_series, sizeof(**scores));
	for (int i = 0; i < s->n_series; i++) {
		struct series *x = &s->series[i];

		series_settle(x);
		(*scores)[n++] = (struct task_score){ x->m->name, s->t->filters[i / s->t->n_metrics].name, series_value(x),
							 series_error(x, iterations), x->m->higher };
	}
	return n;
}

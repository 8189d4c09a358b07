/* task_score.c - see task_score.h. */
#include "judge/task_score.h"

#include "judge/stats.h"
#include "text/pattern.h"
#include "token/unicode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define BOOTSTRAP_CHUNK 1000         /* resamples of one random stream, as the original cuts them */
#define TEXT_ITERATIONS 100          /* of BLEU, chrF and TER, whose resamples are dear */

/* A metric's items under one filter: width numbers a document. */
struct series {
	const struct task_metric *m;
	const struct metric *text;   /* bleu, chrf, ter: items are its sums */
	double *v;
	int64_t n, cap;
	int width;
};

struct task_scores {
	const struct task *t;
	struct series *series;       /* [filters * metrics] */
	int n_series;
	struct metric_scratch scratch;
	struct metric_options text;
	struct finder *ignored[16][16];      /* of metric, its regexes_to_ignore */
	int n_ignored[16];
	bool compiled;
	struct pattern_scratch *patterns;
	struct buf a, b;
};

static const struct metric *text_metric(const char *name) { return metric_find(name, strlen(name)); }

static int width_of(const struct task_metric *m)
{
	static const char *const two[] = { "f1", "mcc", "word_perplexity", "byte_perplexity", "bits_per_byte" };

	for (int i = 0; i < 5; i++)
		if (!strcmp(m->name, two[i]))
			return 2;
	return 1;
}

void task_scores_open(struct task_scores **out, const struct task *t)
{
	struct task_scores *s = mem_zalloc(sizeof(*s));

	s->t = t;
	s->n_series = t->n_filters * t->n_metrics;
	s->series = mem_array((size_t)s->n_series, sizeof(*s->series));
	s->text = (struct metric_options){ .smooth_value = NAN };
	s->patterns = pattern_scratch_open();
	for (int i = 0; i < s->n_series; i++) {
		struct series *x = &s->series[i];

		x->m = &t->metrics[i % t->n_metrics];
		x->text = t->type == TASK_GENERATE ? text_metric(x->m->name) : NULL;
		x->width = x->text ? x->text->n_stats : width_of(x->m);
	}
	*out = s;
}

void task_scores_close(struct task_scores *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->n_series; i++)
		mem_free(s->series[i].v);
	for (int m = 0; m < 16; m++)
		for (int i = 0; i < s->n_ignored[m]; i++)
			finder_close(s->ignored[m][i]);
	mem_free(s->series);
	metric_scratch_release(&s->scratch);
	pattern_scratch_close(s->patterns);
	buf_release(&s->a);
	buf_release(&s->b);
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

double task_scores_last(const struct task_scores *s, int filter, int metric)
{
	const struct series *x = &s->series[filter * s->t->n_metrics + metric];

	return x->n && x->width == 1 ? x->v[x->n - 1] : NAN;
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

/* len(re.split(r"\s+", text)): runs of white space and one, empty pieces at the edges too. */
static int64_t count_words(struct request_text t)
{
	int64_t n = 1;
	bool inside = false;

	for (size_t i = 0; i < t.n;) {
		int k;
		bool space = unicode_class(utf8_decode((const uint8_t *)t.s + i, &k)) & U_SPACE;

		n += space && !inside;
		inside = space;
		i += (size_t)k;
	}
	return n;
}

void task_scores_rolling(struct task_scores *s, const struct task_request *r, double logprob)
{
	struct request_text t = r->continuations[0];

	add(s, "word_perplexity", logprob, (double)count_words(t));
	add(s, "byte_perplexity", logprob, (double)t.n);
	add(s, "bits_per_byte", logprob, (double)t.n);
}

/* --- responses --------------------------------------------------------------------------------------- */

/* The patterns of regexes_to_ignore, once. */
static enum status compile_ignored(struct task_scores *s, struct error *err)
{
	if (s->compiled)
		return OK;
	s->compiled = true;
	for (int m = 0; m < s->t->n_metrics; m++) {
		const struct json *list = json_get(s->t->metrics[m].options, "regexes_to_ignore");

		for (size_t i = 0; list && list->type == JSON_ARRAY && i < list->len; i++) {
			if (list->items[i].type != JSON_STRING || i == 16)
				return error_set(err, ERR_DATA, "'regexes_to_ignore' is no list of at most 16 patterns");
			TRY(finder_open(&s->ignored[m][i], list->items[i].str, list->items[i].len, err));
			s->n_ignored[m]++;
		}
	}
	return OK;
}

/* A text as exact_match compares it. */
static enum status normalise(struct task_scores *s, int m, struct request_text t, struct buf *out, struct error *err)
{
	const struct json *o = s->t->metrics[m].options;
	bool lower = json_get_bool(o, "ignore_case", false), marks = json_get_bool(o, "ignore_punctuation", false);
	bool numbers = json_get_bool(o, "ignore_numbers", false);
	struct buf next = { 0 };
	enum status st = OK;

	buf_clear(out);
	buf_add(out, t.s ? t.s : "", t.n);
	for (int i = 0; i < s->n_ignored[m] && st == OK; i++) {
		buf_clear(&next);
		st = finder_remove(s->ignored[m][i], out->data ? out->data : "", out->len, s->patterns, &next, err);
		buf_clear(out);
		buf_add(out, next.data ? next.data : "", next.len);
	}
	if (st == OK && (lower || marks || numbers)) {
		buf_clear(&next);
		for (size_t i = 0; i < out->len;) {
			int k;
			uint32_t c = utf8_decode((const uint8_t *)out->data + i, &k);
			char u[4];

			i += (size_t)k;
			if ((marks && c > 0x20 && c < 0x7f && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (int)c)) ||
			    (numbers && c >= '0' && c <= '9'))
				continue;
			c = lower ? (uint32_t)utf8proc_tolower((utf8proc_int32_t)c) : c;
			buf_add(&next, u, (size_t)utf8_encode(c, u));
		}
		buf_clear(out);
		buf_add(out, next.data ? next.data : "", next.len);
	}
	buf_release(&next);
	return st;
}

/* The right answers as texts. */
static int64_t answers(const struct task_request *r, const struct json *gold, struct request_text *out, char digits[32])
{
	if (gold->type == JSON_ARRAY) {
		int64_t n = 0;

		for (size_t i = 0; i < gold->len; i++)
			if (gold->items[i].type == JSON_STRING)
				out[n++] = (struct request_text){ gold->items[i].str, gold->items[i].len };
		return n;
	}
	if (gold->type == JSON_INT && gold->integer >= 0 && gold->integer < r->n && r->choices) {
		out[0] = r->choices[gold->integer];
	} else if (gold->type == JSON_INT) {
		snprintf(digits, 32, "%lld", (long long)gold->integer);
		out[0] = (struct request_text){ digits, strlen(digits) };
	} else if (gold->type == JSON_STRING) {
		out[0] = (struct request_text){ gold->str, gold->len };
	} else {
		return 0;
	}
	return 1;
}

static enum status exact_match(struct task_scores *s, int m, const struct request_text *gold, int64_t n, struct request_text text,
			       double *value, struct error *err)
{
	*value = 0;
	TRY(normalise(s, m, text, &s->a, err));
	for (int64_t i = 0; i < n; i++) {
		TRY(normalise(s, m, gold[i], &s->b, err));
		if (text.s && s->a.len == s->b.len && !memcmp(s->a.data ? s->a.data : "", s->b.data ? s->b.data : "", s->a.len))
			*value = 1;
	}
	return OK;
}

enum status task_scores_response(struct task_scores *s, int filter, const struct task_request *r, struct request_text text,
				 struct error *err)
{
	int64_t most = r->target.type == JSON_ARRAY ? (int64_t)r->target.len : 1, n;
	struct request_text *gold = mem_array((size_t)most + 1, sizeof(*gold));
	struct metric_text *refs = mem_array((size_t)most + 1, sizeof(*refs));
	char digits[32];
	enum status st = compile_ignored(s, err);

	n = answers(r, &r->target, gold, digits);
	if (st == OK && !n)
		st = error_set(err, ERR_DATA, "doc_to_target gives no answer");
	for (int64_t i = 0; i < n; i++)
		refs[i] = (struct metric_text){ gold[i].s, gold[i].n };
	for (int m = 0; m < s->t->n_metrics && st == OK; m++) {
		struct series *x = &s->series[filter * s->t->n_metrics + m];
		struct metric_text said = { text.s ? text.s : "", text.n };
		double *v = push(x);

		if (!x->text)
			st = exact_match(s, m, gold, n, text, v, err);
		else if (!x->text->segment(&s->scratch, &s->text, &said, refs, (int)n, v))
			st = error_set(err, ERR_DATA, "a response is too long for %s", x->m->name);
	}
	mem_free(gold);
	mem_free(refs);
	return st;
}

/* --- from items to a value --------------------------------------------------------------------------- */

/* Items are picked by place, so that a resample needs no copy; NULL: all in order. */
struct picked {
	const struct series *x;
	const int32_t *at;
	int64_t n;
};

static const double *item(const struct picked *p, int64_t i)
{
	return p->x->v + (p->at ? p->at[i] : i) * p->x->width;
}

static double mean_of(const struct picked *p)
{
	double sum = 0;

	for (int64_t i = 0; i < p->n; i++)
		sum += item(p, i)[0];
	return sum / (double)p->n;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* sorted(x)[n // 2] */
static double median_of(const struct picked *p)
{
	double *v = mem_array((size_t)p->n, sizeof(*v)), out;

	for (int64_t i = 0; i < p->n; i++)
		v[i] = item(p, i)[0];
	qsort(v, (size_t)p->n, sizeof(*v), by_size);
	out = v[p->n / 2];
	mem_free(v);
	return out;
}

static double weighted_mean(const struct picked *p)
{
	double a = 0, b = 0;

	for (int64_t i = 0; i < p->n; i++) {
		a += item(p, i)[0];
		b += item(p, i)[1];
	}
	return a / b;
}

/* scikit-learn's f1_score of class 1. */
static double f1_of(const struct picked *p)
{
	double hit = 0, said = 0, right = 0;

	for (int64_t i = 0; i < p->n; i++) {
		const double *v = item(p, i);

		hit += v[0] == 1 && v[1] == 1;
		right += v[0] == 1;
		said += v[1] == 1;
	}
	return said + right > 0 ? 2 * hit / (said + right) : 0;
}

/* scikit-learn's matthews_corrcoef of any number of classes (Gorodkin 2004). */
static double mcc_of(const struct picked *p)
{
	double classes = 0, right = 0, n = (double)p->n, pt = 0, pp = 0, tt = 0;

	for (int64_t i = 0; i < p->n; i++) {
		const double *v = item(p, i);

		classes = fmax(classes, fmax(v[0], v[1]) + 1);
		right += v[0] == v[1];
	}
	for (double k = -1; k < classes; k++) {
		double t = 0, s = 0;

		for (int64_t i = 0; i < p->n; i++) {
			t += item(p, i)[0] == k;
			s += item(p, i)[1] == k;
		}
		pt += t * s;
		pp += s * s;
		tt += t * t;
	}
	pp = (n * n - pp) * (n * n - tt);
	return pp > 0 ? (right * n - pt) / sqrt(pp) : 0;
}

static double text_of(const struct picked *p, const struct metric_options *o)
{
	double sums[METRIC_STATS] = { 0 }, values[METRIC_VALUES] = { 0 };

	for (int64_t i = 0; i < p->n; i++)
		for (int k = 0; k < p->x->width; k++)
			sums[k] += item(p, i)[k];
	p->x->text->score(o, sums, p->n, values);
	return values[0];
}

static double value_of(const struct task_scores *s, const struct picked *p)
{
	const char *a = p->x->m->aggregation;

	if (!p->n)
		return NAN;
	if (p->x->text)
		return text_of(p, &s->text);
	if (!strcmp(a, "median"))
		return median_of(p);
	if (!strcmp(a, "perplexity"))
		return exp(-mean_of(p));
	if (!strcmp(a, "weighted_perplexity"))
		return exp(-weighted_mean(p));
	if (!strcmp(a, "bits_per_byte"))
		return -weighted_mean(p) / M_LN2;
	if (!strcmp(a, "f1"))
		return f1_of(p);
	if (!strcmp(a, "matthews_corrcoef"))
		return mcc_of(p);
	return mean_of(p);
}

static bool is_resampled(const struct series *x)
{
	static const char *const names[] = { "median", "perplexity", "f1", "matthews_corrcoef" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(x->m->aggregation, names[i]))
			return true;
	return x->text != NULL;
}

/* Deviation of the value over resamples; random.Random(i).choices for each thousand of them. */
static double bootstrap(const struct task_scores *s, const struct series *x, int64_t iterations)
{
	int64_t most = x->text && iterations > TEXT_ITERATIONS ? TEXT_ITERATIONS : iterations;
	int64_t chunk = most < BOOTSTRAP_CHUNK ? most : BOOTSTRAP_CHUNK;
	int32_t *at = mem_array((size_t)x->n, sizeof(*at));
	struct picked p = { x, at, x->n };
	struct stats spread = { 0 };

	for (int64_t c = 0; c < most / chunk; c++) {
		struct pyrandom r = pyrandom_open((uint64_t)c);

		for (int64_t k = 0; k < chunk; k++) {
			for (int64_t i = 0; i < x->n; i++)
				at[i] = (int32_t)floor(pyrandom_real(&r) * (double)x->n);
			stats_add(&spread, value_of(s, &p));
		}
	}
	mem_free(at);
	return spread.n > 1 ? sqrt(spread.squares / (double)(spread.n - 1)) : NAN;
}

static double error_of(const struct task_scores *s, const struct series *x, int64_t iterations)
{
	struct stats spread = { 0 };

	if (is_resampled(x))
		return iterations > 0 && x->n ? bootstrap(s, x, iterations) : NAN;
	if (strcmp(x->m->aggregation, "mean"))
		return NAN;
	for (int64_t i = 0; i < x->n; i++)
		stats_add(&spread, x->v[i]);
	return stats_stderr(&spread);
}

int task_scores_report(const struct task_scores *s, int64_t iterations, struct task_score **scores)
{
	int n = 0;

	*scores = mem_array((size_t)s->n_series, sizeof(**scores));
	for (int i = 0; i < s->n_series; i++) {
		const struct series *x = &s->series[i];
		struct picked all = { x, NULL, x->n };

		(*scores)[n++] = (struct task_score){ x->m->name, s->t->filters[i / s->t->n_metrics].name, value_of(s, &all),
							 error_of(s, x, iterations), x->m->higher };
	}
	return n;
}

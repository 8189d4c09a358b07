#include "judge/metric_set.h"

#include "judge/metric_resample.h"

/* --- which ------------------------------------------------------------------------------------------------------- */

static enum status unknown(const char *name, size_t n, struct error *err)
{
	struct buf list = { 0 };
	for (int i = 0; metrics[i]; i++)
		buf_printf(&list, "%s, ", metrics[i]->name);
	enum status st = error_set(err, ERR_USAGE, "there is no metric '%.*s'; there are %sdistinct, self-bleu, repetition", (int)n, name,
				   list.data);
	buf_release(&list);
	return st;
}

static enum status parse_one(struct metric_set *s, const char *name, size_t n, struct error *err)
{
	const struct { const char *name; bool *flag; } diversity[] = {
		{ "distinct", &s->distinct }, { "self-bleu", &s->self_bleu }, { "repetition", &s->repetition },
	};
	for (int i = 0; i < 3; i++) {
		if (strlen(diversity[i].name) == n && !memcmp(diversity[i].name, name, n)) {
			*diversity[i].flag = true;
			return OK;
		}
	}
	const struct metric *m = metric_find(name, n);
	if (!m)
		return unknown(name, n, err);
	for (int i = 0; i < s->n; i++)
		if (s->metric[i] == m)
			return OK;
	s->metric[s->n++] = m;
	s->width += m->n_stats;
	return OK;
}

enum status metric_set_parse(struct metric_set *s, const char *names, struct error *err)
{
	for (const char *p = names;; p++) {
		size_t n = strcspn(p, ",");
		TRY(parse_one(s, p, n, err));
		p += n;
		if (!*p)
			return OK;
	}
}

/* --- rows ---------------------------------------------------------------------------------------------------------- */

struct measuring {
	struct metric_set *s;
	struct metric_row *rows;
};

static bool measure_text(struct metric_set *s, struct metric_scratch *scratch, const struct metric_text *text,
			 const struct metric_row *row, double *out)
{
	for (int i = 0; i < s->n; out += s->metric[i++]->n_stats)
		if (!s->metric[i]->segment(scratch, &s->options, text, row->references, row->n_references, out))
			return false;
	return true;
}

static bool is_huge(const struct metric_row *row)
{
	size_t n = row->prediction.n + row->baseline.n;
	for (int i = 0; i < row->n_references && n <= METRIC_BYTES; i++)
		n += row->references[i].n;
	return n > METRIC_BYTES;
}

static void measure_row(void *arg, int64_t i, int worker)
{
	struct measuring *m = arg;
	struct metric_set *s = m->s;
	struct metric_row *row = &m->rows[i];
	int systems = 1 + s->paired;
	if (row->refused)
		return;
	if (s->n && row->n_references == 0)
		row->refused = "no_reference";
	else if (is_huge(row) ||
		 !measure_text(s, &s->scratch[worker], &row->prediction, row, s->numbers + i * s->width * systems) ||
		 (s->paired &&
		  !measure_text(s, &s->scratch[worker], &row->baseline, row, s->numbers + (i * systems + 1) * s->width)))
		row->refused = "too_long";
}

static void add_numbers(struct metric_set *s, int system, const double *numbers)
{
	struct kept *k = &s->kept[system];
	for (int i = 0; i < s->width; i++)
		s->sums[system][i] += numbers[i];
	for (int i = 0; s->keep && i < s->width; i++) {
		MEM_PUSH_ROOM(k->v, k->n, k->cap);
		k->v[k->n++] = numbers[i];
	}
}

static enum status add_row(struct metric_set *s, const struct metric_row *row, const double *numbers, struct error *err)
{
	if (s->rows == 0)
		s->n_references = row->n_references;
	else if (s->n_references != row->n_references)
		s->n_references = -1;
	s->rows++;
	add_numbers(s, 0, numbers);
	if (s->paired)
		add_numbers(s, 1, numbers + s->width);
	for (int i = 0, at = 0; i < s->n; at += s->metric[i++]->n_stats)
		for (int k = 0; !s->metric[i]->corpus && k < s->metric[i]->n_values; k++)
			stats_add(&s->means[i * METRIC_VALUES + k], numbers[at + k]);
	if ((s->distinct || s->self_bleu || s->repetition) && !diversity_add(&s->diversity, &s->options, &row->prediction))
		return error_set(err, ERR_DATA, "the predictions have more than 4294967295 words: too many for distinct-n");
	return OK;
}

enum status metric_set_add(struct metric_set *s, struct pool *pool, struct metric_row *rows, int64_t n, struct error *err)
{
	int per_row = s->width * (1 + s->paired);
	struct measuring m = { s, rows };
	if (!s->scratch) {
		s->n_scratch = pool ? pool_threads(pool) : 1;
		s->scratch = mem_array((size_t)s->n_scratch, sizeof(*s->scratch));
	}
	if (n * per_row > s->cap_numbers) {
		s->cap_numbers = n * per_row;
		s->numbers = mem_grow(s->numbers, (size_t)s->cap_numbers, sizeof(*s->numbers));
	}
	pool_run(pool, n, measure_row, &m);
	for (int64_t i = 0; i < n; i++)
		if (!rows[i].refused)
			TRY(add_row(s, &rows[i], s->numbers + i * per_row, err));
	return OK;
}

const double *metric_set_numbers(const struct metric_set *s, int64_t i) { return s->numbers + i * s->width * (1 + s->paired); }

void metric_set_release(struct metric_set *s)
{
	for (int i = 0; i < s->n_scratch; i++)
		metric_scratch_release(&s->scratch[i]);
	mem_free(s->scratch);
	mem_free(s->numbers);
	mem_free(s->kept[0].v);
	mem_free(s->kept[1].v);
	diversity_release(&s->diversity);
}

/* --- the report ------------------------------------------------------------------------------------------------------ */

struct comparison {
	enum paired_test test;
	int64_t samples, trials;
	double baseline;
};

/* What resampling found: members of a value's object, and a line. */
static void list_resampled(const struct metric_set *s, const char *name, const struct comparison *c, const struct resampled *f,
			   struct json_writer *w, struct buf *notes)
{
	const char *test = c->test == PAIRED_BOOTSTRAP ? "paired bootstrap" : "approximate randomization";
	if (c->samples) {
		json_key(w, "confidence");
		json_begin_object(w);
		json_kv_double(w, "mean", f->interval.mean);
		json_kv_double(w, "half_width", f->interval.half_width);
		json_kv_double(w, "level", 0.95);
		json_kv_int(w, "samples", c->samples);
		json_end_object(w);
		buf_printf(notes, "%s: %.4f ± %.4f in 95 %% of %lld resamples\n", name, f->interval.mean, f->interval.half_width,
			   (long long)c->samples);
	}
	if (s->paired) {
		json_kv_double(w, "baseline", c->baseline);
		json_kv_string(w, "test", test);
		json_kv_int(w, "trials", c->trials);
		json_kv_double(w, "p_value", f->p_value);
		buf_printf(notes, "%s: baseline %.4f, p = %.4f by %s of %lld trials\n", name, c->baseline, f->p_value, test,
			   (long long)c->trials);
	}
}

static void list_signature(const struct metric_set *s, const struct metric *m, int64_t samples, uint64_t seed, struct json_writer *w)
{
	struct buf sign = { 0 }, full = { 0 };
	if (!m->sign)
		return;
	m->sign(&s->options, s->n_references, &sign);
	const char *rest = strchr(sign.data, '|');
	buf_add(&full, sign.data, (size_t)(rest - sign.data));
	if (samples)
		buf_printf(&full, "|bs:%lld|seed:%llu", (long long)samples, (unsigned long long)seed);
	buf_str(&full, rest);
	buf_str(&full, "|version:2.6.0");
	json_kv_string(w, "signature", full.data);
	buf_release(&sign);
	buf_release(&full);
}

static void list_diversity(const struct metric_set *s, struct report *r)
{
	static const char *const names[] = { "distinct_1", "distinct_2", "distinct_3" };
	struct diversity_values v;
	if (!s->distinct && !s->self_bleu && !s->repetition)
		return;
	diversity_values(&s->diversity, &s->options, &v);
	for (int i = 0; s->distinct && i < 3; i++)
		report_add(r, names[i], v.distinct[i], NAN, true);
	if (s->self_bleu)
		report_add(r, "self_bleu", v.self_bleu, NAN, false);
	if (s->repetition)
		report_add(r, "seq_rep_4", v.seq_rep_4, NAN, false);
}

enum status metric_set_report(struct metric_set *s, int64_t samples, enum paired_test test, int64_t trials, uint64_t seed,
			      struct report *r, struct buf *list, struct buf *notes, struct error *err)
{
	struct resampled *found = mem_array((size_t)SET_METRICS * METRIC_VALUES, sizeof(*found));
	struct json_writer w = json_writer_open(list, 0);
	double values[METRIC_VALUES], baseline[METRIC_VALUES];
	enum status st = metric_resample(s, samples, test, trials, seed, found, err);
	json_begin_array(&w);
	for (int i = 0, at = 0; st == OK && i < s->n; at += s->metric[i++]->n_stats) {
		const struct metric *m = s->metric[i];
		m->score(&s->options, s->sums[0] + at, s->rows, values);
		m->score(&s->options, s->sums[1] + at, s->rows, baseline);
		for (int k = 0; k < m->n_values; k++) {
			const struct resampled *f = &found[i * METRIC_VALUES + k];
			double error = m->corpus ? f->stderr_of : stats_stderr(&s->means[i * METRIC_VALUES + k]);
			report_add(r, m->values[k].name, s->rows ? values[k] : NAN, error, m->values[k].higher);
			struct comparison c = { test, samples, trials, baseline[k] };
			json_begin_object(&w);
			json_kv_string(&w, "metric", m->values[k].name);
			json_kv_bool(&w, "higher_is_better", m->values[k].higher);
			list_signature(s, m, samples, seed, &w);
			if (s->rows)
				list_resampled(s, m->values[k].name, &c, f, &w, notes);
			json_end_object(&w);
		}
	}
	json_end_array(&w);
	if (st == OK)
		list_diversity(s, r);
	mem_free(found);
	return st;
}

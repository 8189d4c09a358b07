/* metric_bleu.c - BLEU (Papineni et al. 2002) as sacrebleu computes it (Post 2018), with the smoothings of Chen and Cherry (2014).
 *
 * Stats: length of the prediction, of the reference closest in length, matches of order 1 to 4, n-grams of order 1 to 4. */
#include "judge/metric.h"

#include <stdlib.h>

const char *const bleu_smooth_names[] = { "exp", "floor", "add-k", "none" };

/* The shorter of two that are equally close. */
static int64_t closest_length(int64_t length, const struct tokens *references, int n)
{
	int64_t best = references[0].n;
	for (int i = 1; i < n; i++) {
		int64_t k = references[i].n, d = llabs(length - k), least = llabs(length - best);
		if (d < least || (d == least && k < best))
			best = k;
	}
	return best;
}

static bool bleu_segment(struct metric_scratch *m, const struct metric_options *o, const struct metric_text *prediction,
			 const struct metric_text *references, int n_references, double *stats)
{
	int64_t match[4];
	metric_references(m, n_references);
	tokenize_bleu(&m->tokenizing, o->tokenizer, o->lowercase, prediction->s, prediction->n, &m->words, &m->prediction);
	for (int i = 0; i < n_references; i++)
		tokenize_bleu(&m->tokenizing, o->tokenizer, o->lowercase, references[i].s, references[i].n, &m->words,
			      &m->references[i]);
	ngrams_match(&m->ngrams, 4, &m->prediction, m->references, n_references, match);
	stats[0] = (double)m->prediction.n;
	stats[1] = (double)closest_length(m->prediction.n, m->references, n_references);
	for (int n = 1; n <= 4; n++) {
		stats[1 + n] = (double)match[n - 1];
		stats[5 + n] = (double)ngrams_total(m->prediction.n, n);
	}
	return true;
}

static double smooth_value(const struct metric_options *o)
{
	if (!isnan(o->smooth_value))
		return o->smooth_value;
	return o->smooth == SMOOTH_ADD_K ? 1 : 0.1;
}

static double log_precision(double p)
{
	return p == 0 ? -9999999999.0 : log(p);
}

double bleu_score(const struct metric_options *o, const double *sums)
{
	double length = sums[0], reference = sums[1], k = smooth_value(o), halves = 1, sum = 0, precision[4] = { 0 };
	double penalty = length >= reference ? 1 : length > 0 ? exp(1 - reference / length) : 0;
	int orders = 4;
	if (sums[2] + sums[3] + sums[4] + sums[5] == 0)
		return 0;
	for (int n = 0; n < 4; n++) {
		bool more = o->smooth == SMOOTH_ADD_K && n > 0;
		double correct = sums[2 + n] + (more ? k : 0), total = sums[6 + n] + (more ? k : 0);
		if (total == 0)
			break;
		if (o->effective_order)
			orders = n + 1;
		if (correct != 0)
			precision[n] = 100 * correct / total;
		else if (o->smooth == SMOOTH_EXP)
			precision[n] = 100 / ((halves *= 2) * total);
		else if (o->smooth == SMOOTH_FLOOR)
			precision[n] = 100 * k / total;
	}
	for (int n = 0; n < orders; n++)
		sum += log_precision(precision[n]);
	return penalty * exp(sum / orders);
}

static void bleu_values(const struct metric_options *o, const double *sums, int64_t rows, double *values)
{
	(void)rows;
	values[0] = bleu_score(o, sums);
}

static void bleu_sign(const struct metric_options *o, int n_references, struct buf *out)
{
	metric_sign_references(n_references, out);
	buf_printf(out, "|case:%s|eff:%s|tok:%s|smooth:%s", o->lowercase ? "lc" : "mixed", o->effective_order ? "yes" : "no",
		   bleu_tokenizer_names[o->tokenizer], bleu_smooth_names[o->smooth]);
	if (o->smooth == SMOOTH_FLOOR || o->smooth == SMOOTH_ADD_K)
		buf_printf(out, "[%.2f]", smooth_value(o));
}

const struct metric metric_bleu = {
	.name = "bleu", .n_stats = 10, .n_values = 1, .values = { { "bleu", true } }, .corpus = true, .segment = bleu_segment,
	.score = bleu_values, .sign = bleu_sign,
};

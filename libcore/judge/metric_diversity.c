#include "judge/metric_diversity.h"

#include <stdlib.h>

#define ORDERS 4
#define NOBODY UINT32_MAX

struct slot {                        /* an n-gram */
	uint64_t key;
	uint32_t stamp;              /* of the order it was written for */
	uint32_t most, second, who;  /* occurrences in prediction who, and in the runner-up */
	uint32_t here, current;      /* occurrences so far in the current prediction */
};

struct count {
	struct slot *slots;
	size_t mask;
	uint32_t *at;                /* slot of the n-gram at each place */
	double (*sums)[10];          /* BLEU's sums of each prediction */
	int64_t repeating;           /* predictions that have 4-grams */
	double repeated;             /* sum of their shares of repeated ones */
};

bool diversity_add(struct diversity *d, const struct metric_options *o, const struct metric_text *prediction)
{
	tokenize_bleu(&d->tokenizing, o->tokenizer, o->lowercase, prediction->s, prediction->n, &d->words, &d->text);
	if (d->text.n >= UINT32_MAX)
		return false;
	tokens_push(&d->ends, (uint32_t)d->text.n);
	return true;
}

void diversity_release(struct diversity *d)
{
	words_release(&d->words);
	tokens_release(&d->text);
	tokens_release(&d->ends);
	tokenizing_release(&d->tokenizing);
}

static struct slot *slot_of(struct count *c, uint32_t stamp, uint64_t key)
{
	size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 30) & c->mask;
	while (c->slots[at].stamp == stamp && c->slots[at].key != key)
		at = (at + 1) & c->mask;
	return &c->slots[at];
}

/* One occurrence more in prediction who; whether it is its first there. */
static bool occur(struct slot *s, uint32_t who)
{
	bool first = s->current != who;
	s->here = first ? 1 : s->here + 1;
	s->current = who;
	if (s->who == who) {
		s->most = s->here;
	} else if (s->here > s->most) {
		s->second = s->most;
		s->most = s->here;
		s->who = who;
	} else if (s->here > s->second) {
		s->second = s->here;
	}
	return first;
}

/* All n-grams of one order into the table; returns how many differ. */
static int64_t fill_order(struct count *c, const struct diversity *d, int n)
{
	int64_t distinct = 0;
	for (int64_t k = 0, from = 0; k < d->ends.n; from = d->ends.v[k++]) {
		int64_t total = ngrams_total(d->ends.v[k] - from, n), own = 0;
		for (int64_t i = from; i < from + total; i++) {
			struct slot *s = slot_of(c, (uint32_t)n, (uint64_t)c->at[i] << 32 | d->text.v[i + n - 1]);
			if (s->stamp != (uint32_t)n) {
				*s = (struct slot){ .key = (uint64_t)c->at[i] << 32 | d->text.v[i + n - 1], .stamp = (uint32_t)n,
						    .who = NOBODY, .current = NOBODY };
				distinct++;
			}
			own += occur(s, (uint32_t)k);
			c->at[i] = (uint32_t)(s - c->slots);
		}
		if (n == 4 && total > 0) {
			c->repeating++;
			c->repeated += 1 - (double)own / (double)total;
		}
	}
	return distinct;
}

/* The matches of each prediction's n-grams with all others'. */
static void match_others(struct count *c, const struct diversity *d, int n)
{
	for (size_t k = 0; k <= c->mask; k++)
		c->slots[k].current = NOBODY;
	for (int64_t k = 0, from = 0; k < d->ends.n; from = d->ends.v[k++]) {
		int64_t total = ngrams_total(d->ends.v[k] - from, n), match = 0;
		for (int64_t i = from; i < from + total; i++) {
			struct slot *s = &c->slots[c->at[i]];
			if (s->current != (uint32_t)k) {
				s->current = (uint32_t)k;
				s->here = 0;
			}
			match += s->here++ < (s->who == (uint32_t)k ? s->second : s->most);
		}
		c->sums[k][1 + n] = (double)match;
		c->sums[k][5 + n] = (double)total;
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* The length closest to x among the sorted ones, one occurrence of x itself aside; of two the shorter. */
static uint32_t closest(const uint32_t *sorted, int64_t n, uint32_t x)
{
	int64_t lo = 0, hi = n;
	while (lo < hi) {
		int64_t mid = lo + (hi - lo) / 2;
		if (sorted[mid] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo + 1 < n && sorted[lo + 1] == x)
		return x;
	if (lo == 0)
		return sorted[1];
	if (lo + 1 == n)
		return sorted[lo - 1];
	return sorted[lo + 1] - x < x - sorted[lo - 1] ? sorted[lo + 1] : sorted[lo - 1];
}

static double mean_bleu(const struct count *c, const struct diversity *d, const struct metric_options *o)
{
	struct metric_options sentence = *o;
	double sum = 0;
	uint32_t *lengths = mem_array((size_t)d->ends.n, sizeof(*lengths)), *sorted = mem_array((size_t)d->ends.n, sizeof(*sorted));
	sentence.effective_order = true;
	for (int64_t k = 0, from = 0; k < d->ends.n; from = d->ends.v[k++])
		lengths[k] = sorted[k] = d->ends.v[k] - (uint32_t)from;
	qsort(sorted, (size_t)d->ends.n, sizeof(*sorted), by_value);
	for (int64_t k = 0; k < d->ends.n; k++) {
		c->sums[k][0] = lengths[k];
		c->sums[k][1] = closest(sorted, d->ends.n, lengths[k]);
		sum += bleu_score(&sentence, c->sums[k]);
	}
	mem_free(lengths);
	mem_free(sorted);
	return sum / (double)d->ends.n;
}

void diversity_values(const struct diversity *d, const struct metric_options *o, struct diversity_values *out)
{
	struct count c = { .mask = 63 };
	while (c.mask < (size_t)d->text.n * 2)
		c.mask = c.mask * 2 + 1;
	c.slots = mem_array(c.mask + 1, sizeof(*c.slots));
	c.at = mem_array((size_t)d->text.n + 1, sizeof(*c.at));
	c.sums = mem_array((size_t)d->ends.n + 1, sizeof(*c.sums));
	for (int n = 1; n <= ORDERS; n++) {
		int64_t total = 0, distinct = fill_order(&c, d, n);
		match_others(&c, d, n);
		for (int64_t k = 0; k < d->ends.n; k++)
			total += (int64_t)c.sums[k][5 + n];
		if (n <= 3)
			out->distinct[n - 1] = total ? (double)distinct / (double)total : NAN;
	}
	out->seq_rep_4 = c.repeating ? c.repeated / (double)c.repeating : NAN;
	out->self_bleu = d->ends.n > 1 ? mean_bleu(&c, d, o) : NAN;
	mem_free(c.slots);
	mem_free(c.at);
	mem_free(c.sums);
}

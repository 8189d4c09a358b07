/* metric_chrf.c - chrF and chrF++ (Popovic 2015, 2017) as sacrebleu computes them: F2 of character n-grams of order 1 to 6 without
 * white space, and for chrF++ of words of order 1 and 2.
 *
 * Stats: for each order the n-grams of the prediction, of the reference, and the matches, with the reference that scores best. */
#include "judge/metric.h"

#include <ctype.h>

#define CHAR_ORDER 6
#define WORD_ORDER 2
#define BETA2 4.0

static bool is_mark(char c)
{
	return (unsigned char)c < 0x80 && ispunct((unsigned char)c);
}

/* Words by white space; one mark is split from the end of a word, else from its start. */
static void words_without_marks(struct metric_scratch *m, const char *s, size_t n, struct tokens *out)
{
	struct metric_text w;
	for (const char *end = s + n; metric_next_word(&s, end, &w);) {
		size_t first = 1;
		while (first < w.n && ((unsigned char)w.s[first] & 0xc0) == 0x80)
			first++;
		bool one = w.n == first, last_mark = !one && is_mark(w.s[w.n - 1]), first_mark = !one && is_mark(w.s[0]);
		size_t cut = last_mark ? w.n - 1 : first_mark ? 1 : w.n;
		tokens_push(out, words_id(&m->words, w.s, cut));
		if (cut < w.n)
			tokens_push(out, words_id(&m->words, w.s + cut, w.n - cut));
	}
}

static double f_score(const struct metric_options *o, const double *stats, int orders)
{
	const double eps = 1e-16;
	double score = 0, precision = 0, recall = 0;
	int effective = 0;
	for (int i = 0; i < orders; i++) {
		double hyp = stats[3 * i], ref = stats[3 * i + 1], match = stats[3 * i + 2];
		double p = hyp > 0 ? match / hyp : eps, r = ref > 0 ? match / ref : eps, denominator = BETA2 * p + r;
		score += denominator > 0 ? (1 + BETA2) * p * r / denominator : eps;
		if (hyp > 0 && ref > 0) {
			precision += p;
			recall += r;
			effective++;
		}
	}
	if (o->eps_smoothing)
		return 100 * score / orders;
	if (effective) {
		precision /= effective;
		recall /= effective;
	}
	if (precision + recall == 0)
		return 0;
	return 100 * ((1 + BETA2) * precision * recall / (BETA2 * precision + recall));
}

static void fill(double *stats, int orders, const int64_t *match, int64_t hyp, int64_t ref)
{
	for (int n = 1; n <= orders; n++, stats += 3) {
		stats[1] = (double)ngrams_total(ref, n);
		stats[0] = stats[1] > 0 ? (double)ngrams_total(hyp, n) : 0;
		stats[2] = (double)match[n - 1];
	}
}

static void prepare(struct metric_scratch *m, const struct metric_options *o, const struct metric_text *t, int words,
		    struct tokens *chars, struct tokens *marked)
{
	struct metric_text s = *t;
	if (o->lowercase) {
		buf_clear(&m->lower);
		metric_lower(s.s, s.n, &m->lower);
		s = (struct metric_text){ m->lower.data, m->lower.len };
	}
	chars->n = marked->n = 0;
	tokens_chars(chars, s.s, s.n, !o->whitespace);
	if (words)
		words_without_marks(m, s.s, s.n, marked);
}

static bool chrf_segment_words(struct metric_scratch *m, const struct metric_options *o, const struct metric_text *prediction,
			       const struct metric_text *references, int n_references, int words, double *stats)
{
	int64_t match[CHAR_ORDER];
	double best = -1, here[METRIC_STATS];
	int orders = CHAR_ORDER + words;
	struct tokens *marked = &m->more[0], *marked_ref = &m->more[1];
	metric_references(m, 1);
	prepare(m, o, prediction, words, &m->prediction, marked);
	for (int i = 0; i < n_references; i++) {
		prepare(m, o, &references[i], words, &m->references[0], marked_ref);
		ngrams_match(&m->ngrams, CHAR_ORDER, &m->prediction, m->references, 1, match);
		fill(here, CHAR_ORDER, match, m->prediction.n, m->references[0].n);
		if (words) {
			ngrams_match(&m->ngrams, WORD_ORDER, marked, marked_ref, 1, match);
			fill(here + 3 * CHAR_ORDER, WORD_ORDER, match, marked->n, marked_ref->n);
		}
		double f = f_score(o, here, orders);
		if (f > best) {
			best = f;
			memcpy(stats, here, (size_t)orders * 3 * sizeof(*stats));
		}
	}
	return true;
}

static bool chrf_segment(struct metric_scratch *m, const struct metric_options *o, const struct metric_text *prediction,
			 const struct metric_text *references, int n_references, double *stats)
{
	return chrf_segment_words(m, o, prediction, references, n_references, 0, stats);
}

static bool chrfpp_segment(struct metric_scratch *m, const struct metric_options *o, const struct metric_text *prediction,
			   const struct metric_text *references, int n_references, double *stats)
{
	return chrf_segment_words(m, o, prediction, references, n_references, WORD_ORDER, stats);
}

static void chrf_values(const struct metric_options *o, const double *sums, int64_t rows, double *values)
{
	(void)rows;
	values[0] = f_score(o, sums, CHAR_ORDER);
}

static void chrfpp_values(const struct metric_options *o, const double *sums, int64_t rows, double *values)
{
	(void)rows;
	values[0] = f_score(o, sums, CHAR_ORDER + WORD_ORDER);
}

static void sign(const struct metric_options *o, int n_references, int words, struct buf *out)
{
	metric_sign_references(n_references, out);
	buf_printf(out, "|case:%s|eff:%s|nc:%d|nw:%d|space:%s", o->lowercase ? "lc" : "mixed", o->eps_smoothing ? "no" : "yes",
		   CHAR_ORDER, words, o->whitespace ? "yes" : "no");
}

static void chrf_sign(const struct metric_options *o, int n_references, struct buf *out) { sign(o, n_references, 0, out); }
static void chrfpp_sign(const struct metric_options *o, int n_references, struct buf *out) { sign(o, n_references, WORD_ORDER, out); }

const struct metric metric_chrf = {
	.name = "chrf", .n_stats = 3 * CHAR_ORDER, .n_values = 1, .values = { { "chrf", true } }, .corpus = true,
	.segment = chrf_segment, .score = chrf_values, .sign = chrf_sign,
};
const struct metric metric_chrfpp = {
	.name = "chrf++", .n_stats = 3 * (CHAR_ORDER + WORD_ORDER), .n_values = 1, .values = { { "chrf++", true } }, .corpus = true,
	.segment = chrfpp_segment, .score = chrfpp_values, .sign = chrfpp_sign,
};

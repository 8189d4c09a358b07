/* metric_rouge.c - ROUGE-1, -2, -L and -Lsum (Lin 2004) as rouge_score computes them: F-measures, of the best reference where there are
 * several; for Lsum a line is a sentence.
 *
 * rouge has rouge_score's words: lower-case runs of a to z and 0 to 9, everything else deleted. rouge-unicode counts what that deletes:
 * runs of letters, marks and digits of any script in lower case, and Chinese and Japanese characters one by one. */
#include "judge/metric.h"

#include "judge/chars.h"

enum { ROUGE_1, ROUGE_2, ROUGE_L, ROUGE_LSUM, ROUGES };

static double f_measure(double hits, double predicted, double referred)
{
	double precision = predicted > 0 ? hits / predicted : 0, recall = referred > 0 ? hits / referred : 0;
	return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

/* --- words ------------------------------------------------------------------------------------------------- */

static void push_word(struct metric_scratch *m, bool stem, const char *s, size_t n, struct tokens *t)
{
	if (stem && n > 3) {
		buf_clear(&m->text);
		porter_stem(s, n, &m->text);
		s = m->text.data;
		n = m->text.len;
	}
	tokens_push(t, words_id(&m->words, s, n));
}

/* a-z and 0-9 of the lower-case text as Python makes it: the Kelvin sign gives k, the dotted capital I an i. 0 for others. */
static char ascii_letter(const char *p, const char *end, size_t *n)
{
	unsigned char c = (unsigned char)*p;
	*n = 1;
	if (c < 0x80)
		return (char)((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : c >= 'A' && c <= 'Z' ? c + 32 : 0);
	if (end - p >= 3 && !memcmp(p, "\xe2\x84\xaa", 3)) {
		*n = 3;
		return 'k';
	}
	if (end - p >= 2 && !memcmp(p, "\xc4\xb0", 2)) {
		*n = 2;
		return 'i';
	}
	return 0;
}

static void ascii_words(struct metric_scratch *m, bool stem, const char *s, size_t n, struct tokens *t)
{
	buf_clear(&m->lower);
	buf_reserve(&m->lower, n + 1);
	char *o = m->lower.data, *from = o;
	bool split = false;          /* behind the dot of a dotted I, which is no letter */
	for (const char *p = s, *end = s + n; p < end;) {
		size_t len;
		char c = ascii_letter(p, end, &len);
		if ((!c || split) && o > from) {
			push_word(m, stem, from, (size_t)(o - from), t);
			from = o;
		}
		if (c)
			*o++ = c;
		split = c == 'i' && len == 2;
		p += len;
	}
	if (o > from)
		push_word(m, stem, from, (size_t)(o - from), t);
}

/* Scripts that are written without spaces and read character by character: Han, kana, bopomofo. */
static bool stands_alone(uint32_t c)
{
	return (c >= 0x2e80 && c <= 0x2fdf) || (c >= 0x3005 && c <= 0x3007) || (c >= 0x3041 && c <= 0x312f) ||
	       (c >= 0x31a0 && c <= 0x31ff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) ||
	       (c >= 0xf900 && c <= 0xfaff) || (c >= 0xff66 && c <= 0xff9f) || (c >= 0x1b000 && c <= 0x1b16f) ||
	       (c >= 0x20000 && c <= 0x3ffff);
}

static void unicode_words(struct metric_scratch *m, bool stem, const char *s, size_t n, struct tokens *t)
{
	buf_clear(&m->lower);
	metric_lower(s, n, &m->lower);
	const char *from = NULL, *end = m->lower.data + m->lower.len;
	for (const char *p = m->lower.data; p < end;) {
		utf8proc_int32_t c;
		size_t len = chars_next(p, end, &c);
		int category = metric_category((uint32_t)c);
		bool alone = stands_alone((uint32_t)c);
		bool letter = category == CATEGORY_LETTER || category == CATEGORY_MARK || category == CATEGORY_NUMBER;
		if (from && (!letter || alone)) {
			push_word(m, stem, from, (size_t)(p - from), t);
			from = NULL;
		}
		if (letter && alone)
			push_word(m, false, p, len, t);
		else if (letter && !from)
			from = p;
		p += len;
	}
	if (from)
		push_word(m, stem, from, (size_t)(end - from), t);
}

typedef void cut_words(struct metric_scratch *m, bool stem, const char *s, size_t n, struct tokens *t);

/* --- sentences ------------------------------------------------------------------------------------------------ */

/* The words of every line that is not empty, one after the other in t; ends of lines, as numbers of words, in ends. */
static void cut_lines(struct metric_scratch *m, cut_words *cut, bool stem, const struct metric_text *text, struct tokens *t,
		      struct tokens *ends)
{
	const char *p = text->s, *end = p + text->n;
	t->n = ends->n = 0;
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p)), *stop = lf ? lf : end;
		if (stop > p) {
			cut(m, stem, p, (size_t)(stop - p), t);
			tokens_push(ends, (uint32_t)t->n);
		}
		p = stop + (lf != NULL);
	}
}

/* Marks in hit the words of one reference sentence that a common subsequence with any sentence of the prediction has. */
static void mark_union(struct metric_scratch *m, const struct tokens *sentence, const struct tokens *prediction,
		       const struct tokens *ends, bool *hit)
{
	places_set(&m->places, sentence, (uint32_t)m->words.n);
	for (int64_t k = 0, from = 0; k < ends->n; from = ends->v[k++]) {
		struct tokens b = { prediction->v + from, ends->v[k] - from, 0 };
		if (b.n)
			lcs_mark(&m->places, sentence, &b, metric_bits(m, lcs_mark_words(&m->places, b.n)), hit);
	}
}

/* ROUGE-Lsum: hits of all reference sentences, a word counted no more often than both sides have it. */
static double summary_level(struct metric_scratch *m, const struct tokens *ref, const struct tokens *ref_ends,
			    const struct tokens *pred, const struct tokens *pred_ends)
{
	int64_t hits = 0;
	uint32_t n = (uint32_t)m->words.n, *left = mem_array((size_t)n * 2 + 1, sizeof(*left));
	bool *hit = mem_array((size_t)ref->n + 1, sizeof(*hit));
	for (int64_t i = 0; i < ref->n; i++)
		left[ref->v[i]]++;
	for (int64_t i = 0; i < pred->n; i++)
		left[n + pred->v[i]]++;
	for (int64_t k = 0, from = 0; k < ref_ends->n; from = ref_ends->v[k++]) {
		struct tokens sentence = { ref->v + from, ref_ends->v[k] - from, 0 };
		if (sentence.n)
			mark_union(m, &sentence, pred, pred_ends, hit + from);
	}
	for (int64_t i = 0; i < ref->n; i++) {
		uint32_t w = ref->v[i];
		if (hit[i] && left[w] && left[n + w]) {
			left[w]--;
			left[n + w]--;
			hits++;
		}
	}
	mem_free(left);
	mem_free(hit);
	return f_measure((double)hits, (double)pred->n, (double)ref->n);
}

/* --- the metric ------------------------------------------------------------------------------------------------ */

static bool rouge(struct metric_scratch *m, const struct metric_options *o, cut_words *cut, const struct metric_text *prediction,
		  const struct metric_text *references, int n_references, double *stats)
{
	int64_t match[2];
	metric_references(m, 1);
	struct tokens *p = &m->prediction, *r = &m->references[0], *p_ends = &m->more[0], *r_ends = &m->more[1];
	cut_lines(m, cut, o->stem, prediction, p, p_ends);
	memset(stats, 0, ROUGES * sizeof(*stats));
	for (int i = 0; i < n_references; i++) {
		cut_lines(m, cut, o->stem, &references[i], r, r_ends);
		if (((double)r->n + 64 * (double)r_ends->n) * (double)p->n > METRIC_CELLS)
			return false;
		ngrams_match(&m->ngrams, 2, p, r, 1, match);
		places_set(&m->places, r, (uint32_t)m->words.n);
		int64_t common = lcs_length(&m->places, p, metric_bits(m, m->places.width));
		double f[ROUGES] = {
			f_measure((double)match[0], (double)p->n, (double)r->n),
			f_measure((double)match[1], (double)ngrams_total(p->n, 2), (double)ngrams_total(r->n, 2)),
			f_measure((double)common, (double)p->n, (double)r->n),
		};
		/* One sentence each: the same as ROUGE-L, since no word of a subsequence is counted twice. */
		f[ROUGE_LSUM] = p_ends->n <= 1 && r_ends->n <= 1 ? f[ROUGE_L] : summary_level(m, r, r_ends, p, p_ends);
		for (int k = 0; k < ROUGES; k++)
			stats[k] = f[k] > stats[k] ? f[k] : stats[k];
	}
	return true;
}

static bool rouge_segment(struct metric_scratch *m, const struct metric_options *o, const struct metric_text *prediction,
			  const struct metric_text *references, int n_references, double *stats)
{
	return rouge(m, o, ascii_words, prediction, references, n_references, stats);
}

static bool unicode_segment(struct metric_scratch *m, const struct metric_options *o, const struct metric_text *prediction,
			    const struct metric_text *references, int n_references, double *stats)
{
	return rouge(m, o, unicode_words, prediction, references, n_references, stats);
}

const struct metric metric_rouge = {
	.name = "rouge", .n_stats = ROUGES, .n_values = ROUGES, .segment = rouge_segment, .score = metric_mean,
	.values = { { "rouge1", true }, { "rouge2", true }, { "rougeL", true }, { "rougeLsum", true } },
};
const struct metric metric_rouge_unicode = {
	.name = "rouge-unicode", .n_stats = ROUGES, .n_values = ROUGES, .segment = unicode_segment, .score = metric_mean,
	.values = { { "rouge1_unicode", true }, { "rouge2_unicode", true }, { "rougeL_unicode", true }, { "rougeLsum_unicode", true } },
};

/* metric_squad.c - exact match and token F1 as the evaluation script of SQuAD 1.1: lower case, without ASCII punctuation and the
 * articles a, an, the; the best of the references. And the edit distance of characters. */
#include "judge/metric.h"

#include "judge/chars.h"

#include <ctype.h>

/* \w of Python's re, punctuation being gone. */
static bool is_word_char(utf8proc_int32_t c)
{
	int k = metric_category((uint32_t)c);
	return k == CATEGORY_LETTER || k == CATEGORY_NUMBER;
}

static bool is_article(const char *s, size_t n)
{
	return (n == 1 && *s == 'a') || (n == 2 && !memcmp(s, "an", 2)) || (n == 3 && !memcmp(s, "the", 3));
}

static void normalized_words(struct metric_scratch *m, const struct metric_text *t, struct tokens *out)
{
	struct buf *text = &m->text;
	buf_clear(&m->lower);
	buf_clear(text);
	metric_lower(t->s, t->n, &m->lower);
	size_t word = SIZE_MAX;      /* where the run of word characters began */
	for (const char *p = m->lower.data, *end = p + m->lower.len; p < end;) {
		utf8proc_int32_t c;
		size_t n = chars_next(p, end, &c);
		if (c < 0x80 && ispunct(c)) {
			p += n;
			continue;
		}
		bool in_word = is_word_char(c);
		if (in_word && word == SIZE_MAX)
			word = text->len;
		if (!in_word && word != SIZE_MAX) {
			if (is_article(text->data + word, text->len - word)) {
				text->len = word;
				buf_char(text, ' ');
			}
			word = SIZE_MAX;
		}
		buf_add(text, p, n);
		p += n;
	}
	if (word != SIZE_MAX && is_article(text->data + word, text->len - word))
		text->len = word;
	out->n = 0;
	tokens_split(out, &m->words, text->data, text->len);
}

static bool squad_segment(struct metric_scratch *m, const struct metric_options *o, const struct metric_text *prediction,
			  const struct metric_text *references, int n_references, double *stats)
{
	int64_t match;
	(void)o;
	metric_references(m, 1);
	struct tokens *p = &m->prediction, *r = &m->references[0];
	normalized_words(m, prediction, p);
	stats[0] = stats[1] = 0;
	for (int i = 0; i < n_references; i++) {
		normalized_words(m, &references[i], r);
		bool same = p->n == r->n && (!p->n || !memcmp(p->v, r->v, (size_t)p->n * sizeof(*p->v)));
		ngrams_match(&m->ngrams, 1, p, r, 1, &match);
		double precision = p->n ? (double)match / (double)p->n : 0, recall = r->n ? (double)match / (double)r->n : 0;
		double f1 = match ? 2 * precision * recall / (precision + recall) : 0;
		stats[0] = same ? 100 : stats[0];
		stats[1] = 100 * f1 > stats[1] ? 100 * f1 : stats[1];
	}
	return true;
}

const struct metric metric_squad = {
	.name = "squad", .n_stats = 2, .n_values = 2, .values = { { "exact_match", true }, { "f1", true } }, .segment = squad_segment,
	.score = metric_mean,
};

/* --- edit distance: insertions, deletions and replacements of characters; of the nearest reference ------------------ */

static void chars(struct metric_scratch *m, const struct metric_text *t, struct tokens *out)
{
	out->n = 0;
	tokens_chars(out, t->s, t->n, false);
	for (int64_t i = 0; i < out->n; i++)
		out->v[i] = words_id(&m->words, (const char *)&out->v[i], sizeof(out->v[i]));
}

static bool edit_segment(struct metric_scratch *m, const struct metric_options *o, const struct metric_text *prediction,
			 const struct metric_text *references, int n_references, double *stats)
{
	(void)o;
	metric_references(m, 1);
	struct tokens *p = &m->prediction, *r = &m->references[0];
	chars(m, prediction, p);
	for (int i = 0; i < n_references; i++) {
		chars(m, &references[i], r);
		if ((double)p->n * (double)r->n > METRIC_CELLS)
			return false;
		places_set(&m->places, r, (uint32_t)m->words.n);
		double d = (double)edit_distance(&m->places, p, metric_bits(m, 2 * m->places.width));
		if (i == 0 || d < stats[0]) {
			stats[0] = d;
			stats[1] = (double)r->n;
		}
	}
	return true;
}

static void edit_values(const struct metric_options *o, const double *sums, int64_t rows, double *values)
{
	(void)o;
	values[0] = rows ? sums[0] / (double)rows : NAN;
	values[1] = sums[1] > 0 ? sums[0] / sums[1] : sums[0] > 0 ? NAN : 0;
}

const struct metric metric_edit = {
	.name = "edit", .n_stats = 2, .n_values = 2, .values = { { "edit_distance", false }, { "char_error_rate", false } },
	.corpus = true, .segment = edit_segment, .score = edit_values,
};

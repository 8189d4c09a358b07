/* quality_repeat.c - Gopher's repetition rules (Rae et al. 2021, table A1) as datatrove's gopher_repetition_filter.py computes
 * them: second and later copies count, n-grams of words by a greedy scan; see quality_rules.h. Equality is by 64-bit hash. */
#include "text/quality_rules.h"

#include "base/hash.h"

/* --- a table of what was seen, emptied by changing its epoch -------------------------------------- */

static void table_start(struct quality_doc *d, int64_t elements)
{
	uint64_t slots = 64;
	while (slots < (uint64_t)elements * 2)
		slots *= 2;
	if (slots > d->slots) {
		mem_free(d->table);
		d->table = mem_array(slots, sizeof(*d->table));
		d->slots = slots;
		d->epoch = 0;
	}
	if (++d->epoch == 0) {
		memset(d->table, 0, d->slots * sizeof(*d->table));
		d->epoch = 1;
	}
}

/* The entry of a key; count is 0 when it is new. */
static struct seen *table_entry(struct quality_doc *d, uint64_t key)
{
	uint64_t at = key & (d->slots - 1);
	while (d->table[at].epoch == d->epoch && d->table[at].key != key)
		at = (at + 1) & (d->slots - 1);
	struct seen *e = &d->table[at];
	if (e->epoch != d->epoch)
		*e = (struct seen){.key = key, .epoch = d->epoch};
	return e;
}

/* --- repeated lines and paragraphs --------------------------------------------------------------- */

/* Pieces of s between runs of at least `run` line feeds (re.split("\n{run,}")). */
static void split_runs(const char *s, size_t from, size_t to, int run, struct spans *out)
{
	size_t start = from;
	for (size_t i = from; i < to;) {
		size_t k = i;
		while (k < to && s[k] == '\n')
			k++;
		if (k - i >= (size_t)run) {
			spans_add(out, start, i - start);
			start = k;
		}
		i = k > i ? k : i + 1;
	}
	spans_add(out, start, to - start);
}

struct repeats {
	double share, chars;         /* of pieces; of the text's characters */
};

static struct repeats repeated_pieces(struct quality_doc *d, int run)
{
	d->split.n = 0;
	struct span all = run > 1 ? text_strip(d->s, d->n) : (struct span){0, (uint32_t)d->n};
	split_runs(d->s, all.from, (size_t)all.from + all.len, run, &d->split);
	table_start(d, d->split.n);
	double copies = 0, chars = 0;
	for (int64_t i = 0; i < d->split.n; i++) {
		const char *s = d->s + d->split.v[i].from;
		size_t n = d->split.v[i].len;
		struct seen *e = table_entry(d, hash64(s, n));
		if (e->count++) {
			copies++;
			chars += (double)text_length(s, n);
		}
	}
	return (struct repeats){copies / (double)d->split.n, d->chars > 0 ? chars / d->chars : 0};
}

bool repeat_para_share(struct quality_doc *d, double thr)
{
	return repeated_pieces(d, 2).share > thr;
}

bool repeat_para_chars(struct quality_doc *d, double thr)
{
	return repeated_pieces(d, 2).chars > thr;
}

bool repeat_line_share(struct quality_doc *d, double thr)
{
	return repeated_pieces(d, 1).share > thr;
}

bool repeat_line_chars(struct quality_doc *d, double thr)
{
	return repeated_pieces(d, 1).chars > thr;
}

/* --- repeated runs of words ---------------------------------------------------------------------- */

static const struct spans *hash_words(struct quality_doc *d)
{
	const struct spans *w = quality_words(d);
	if (d->have_hashes)
		return w;
	d->have_hashes = true;
	if ((size_t)w->n > d->word_cap) {
		d->word_cap = (size_t)w->n + (size_t)w->n / 2;
		d->word_hash = mem_grow(d->word_hash, d->word_cap, sizeof(*d->word_hash));
		d->word_chars = mem_grow(d->word_chars, d->word_cap, sizeof(*d->word_chars));
	}
	for (int64_t i = 0; i < w->n; i++) {
		d->word_hash[i] = hash64(d->s + w->v[i].from, w->v[i].len);
		d->word_chars[i] = (uint32_t)text_length(d->s + w->v[i].from, w->v[i].len);
	}
	return w;
}

static uint32_t run_chars(const struct quality_doc *d, int64_t at, int n)
{
	uint32_t sum = 0;
	for (int k = 0; k < n; k++)
		sum += d->word_chars[at + k];
	return sum;
}

/* Characters of the most frequent n-gram (words and single spaces) times its count; of several the first. */
static double top_share(struct quality_doc *d, int n)
{
	const struct spans *w = hash_words(d);
	if (w->n < n)
		return 0;
	table_start(d, w->n);
	uint32_t most = 0;
	for (int64_t i = 0; i + n <= w->n; i++) {
		struct seen *e = table_entry(d, hash64(d->word_hash + i, (size_t)n * sizeof(*d->word_hash)));
		if (e->count++ == 0)
			e->chars = run_chars(d, i, n) + (uint32_t)n - 1;
		if (e->count > most)
			most = e->count;
	}
	for (int64_t i = 0; i + n <= w->n; i++) {
		const struct seen *e = table_entry(d, hash64(d->word_hash + i, (size_t)n * sizeof(*d->word_hash)));
		if (e->count == most)
			return (double)e->chars * most / d->chars;
	}
	return 0;
}

/* Characters of words in n-grams that came before; after a hit the scan goes on behind it. */
static double dup_share(struct quality_doc *d, int n)
{
	const struct spans *w = hash_words(d);
	table_start(d, w->n);
	double chars = 0;
	for (int64_t i = 0; i + n <= w->n;) {
		struct seen *e = table_entry(d, hash64(d->word_hash + i, (size_t)n * sizeof(*d->word_hash)));
		if (e->count++) {
			chars += run_chars(d, i, n);
			i += n;
		} else {
			i++;
		}
	}
	return d->chars > 0 ? chars / d->chars : 0;
}

bool repeat_top2(struct quality_doc *d, double thr) { return top_share(d, 2) > thr; }
bool repeat_top3(struct quality_doc *d, double thr) { return top_share(d, 3) > thr; }
bool repeat_top4(struct quality_doc *d, double thr) { return top_share(d, 4) > thr; }
bool repeat_dup5(struct quality_doc *d, double thr) { return dup_share(d, 5) > thr; }
bool repeat_dup6(struct quality_doc *d, double thr) { return dup_share(d, 6) > thr; }
bool repeat_dup7(struct quality_doc *d, double thr) { return dup_share(d, 7) > thr; }
bool repeat_dup8(struct quality_doc *d, double thr) { return dup_share(d, 8) > thr; }
bool repeat_dup9(struct quality_doc *d, double thr) { return dup_share(d, 9) > thr; }
bool repeat_dup10(struct quality_doc *d, double thr) { return dup_share(d, 10) > thr; }

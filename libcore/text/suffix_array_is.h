/* suffix_array_is.h - SA-IS over one type of index: included by suffix_array.c for each, with INDEX and NAME set.
 *
 * A suffix is of type S if it is less than the one behind it, else L; the last is L. An LMS suffix is of type S behind one of type
 * L. All suffixes can be put in order ("induced") from the LMS ones in order: from the left those of type L go to the
 * heads of their first symbols' buckets, then from the right those of type S to the tails. Done with LMS suffixes in any order of
 * equal first symbols it sorts the LMS substrings; those get names in order, and the string of names is sorted by recursion. */
#ifndef INDEX
#include "base/mem.h"
#include "text/suffix_array.h"
#define INDEX int32_t
#define NAME(x) x##_alone
#endif

#define EMPTY ((INDEX)-1)
#define AHEAD 32                     /* how far entries are looked at before their turn */

/* Symbols are bytes in the text itself, indices in strings of names. */
struct NAME(string) {
	const void *symbols;
	INDEX n, kinds;              /* symbols are below kinds */
};

static inline __attribute__((always_inline)) INDEX NAME(at)(const void *symbols, INDEX i, bool bytes)
{
	return bytes ? ((const uint8_t *)symbols)[i] : ((const INDEX *)symbols)[i];
}

static inline __attribute__((always_inline)) void NAME(fetch)(const void *symbols, INDEX j, bool bytes)
{
	__builtin_prefetch(bytes ? (const char *)symbols + j : (const char *)((const INDEX *)symbols + j));
}

/* Asks for what the entries to come will need: their symbols, of names also their buckets' edges and the places there. e points
 * at the entry AHEAD of the one at hand, and by is the step back to it. */
static inline __attribute__((always_inline)) void NAME(look_ahead)(const void *symbols, const INDEX *sa, const INDEX *e, int by, INDEX *edge,
								     bool bytes)
{
	INDEX j = e[0], k = e[by * (AHEAD / 3)], l = e[by * (2 * AHEAD / 3)];
	if (j > 0)
		NAME(fetch)(symbols, j - 1, bytes);
	if (!bytes && k > 0)
		__builtin_prefetch(edge + NAME(at)(symbols, k - 1, bytes), 1);
	if (!bytes && l > 0)
		__builtin_prefetch(sa + edge[NAME(at)(symbols, l - 1, bytes)], 1);
}

/* Where each bucket starts (heads) or ends (tails). */
static void NAME(edges)(const INDEX *count, INDEX kinds, bool tails, INDEX *edge)
{
	INDEX sum = 0;
	for (INDEX c = 0; c < kinds; c++) {
		INDEX from = sum;
		sum += count[c];
		edge[c] = tails ? sum : from;
	}
}

/* Entries in both passes below: a suffix is written with all bits turned if the one before it is not of the pass's type, so that its
 * symbols are not looked up again when its turn comes; 0 is an empty place (or the suffix 0, which has none before it). With
 * `first` only what leads to LMS suffixes is left standing, and in the end these, turned. */

static inline __attribute__((always_inline)) void NAME(put_l)(const void *t, INDEX *sa, INDEX *head, INDEX p, bool bytes, bool first)
{
	INDEX c = NAME(at)(t, p, bytes), entry = p;
	if (p == 0)
		entry = first ? 0 : ~p;
	else if (NAME(at)(t, p - 1, bytes) < c)
		entry = ~p;
	sa[head[c]++] = entry;
}

/* Suffixes of type L from the left. The one before a suffix of type L is of type L if its symbol is no less. */
static inline __attribute__((always_inline)) void NAME(induce_l)(const struct NAME(string) *s, INDEX *sa, INDEX *head, bool bytes, bool first)
{
	NAME(put_l)(s->symbols, sa, head, s->n - 1, bytes, first);
	for (INDEX i = 0; i < s->n; i++) {
		if (i + AHEAD < s->n)
			NAME(look_ahead)(s->symbols, sa, sa + i + AHEAD, -1, head, bytes);
		INDEX j = sa[i];
		if (j > 0) {
			sa[i] = first ? 0 : ~j;
			NAME(put_l)(s->symbols, sa, head, j - 1, bytes, first);
		} else if (j < 0) {
			sa[i] = ~j;          /* has one of type S before it: for the pass from the right */
		}
	}
}

static inline __attribute__((always_inline)) void NAME(put_s)(const void *t, INDEX *sa, INDEX *tail, INDEX p, bool bytes, bool first)
{
	INDEX c = NAME(at)(t, p, bytes), entry = p;
	if (p == 0)
		entry = first ? 0 : ~p;
	else if (NAME(at)(t, p - 1, bytes) > c)
		entry = ~p;                  /* an LMS suffix */
	sa[--tail[c]] = entry;
}

/* Suffixes of type S from the right. The one before a suffix of type S is of type S if its symbol is no greater. Each place of
 * type S is filled before it is met, so what stood there does not matter. */
static inline __attribute__((always_inline)) void NAME(induce_s)(const struct NAME(string) *s, INDEX *sa, INDEX *tail, bool bytes, bool first)
{
	for (INDEX i = s->n - 1; i >= 0; i--) {
		if (i >= AHEAD)
			NAME(look_ahead)(s->symbols, sa, sa + i - AHEAD, 1, tail, bytes);
		INDEX j = sa[i];
		if (j > 0) {
			if (first)
				sa[i] = 0;
			NAME(put_s)(s->symbols, sa, tail, j - 1, bytes, first);
		} else if (j < 0 && !first) {
			sa[i] = ~j;
		}
	}
}

/* Sets a bit for each LMS suffix; returns how many. */
static inline __attribute__((always_inline)) INDEX NAME(mark_lms)(const struct NAME(string) *s, uint64_t *lms, bool bytes)
{
	INDEX m = 0;
	bool rising = false;         /* the suffix at i + 1 is of type S */
	for (INDEX i = s->n - 2; i >= 0; i--) {
		INDEX c = NAME(at)(s->symbols, i, bytes), next = NAME(at)(s->symbols, i + 1, bytes);
		bool s_type = c < next || (c == next && rising);
		if (rising && !s_type) {
			lms[(i + 1) / 64] |= 1ull << (i + 1) % 64;
			m++;
		}
		rising = s_type;
	}
	return m;
}

static inline bool NAME(is_lms)(const uint64_t *lms, INDEX i)
{
	return lms[i / 64] >> i % 64 & 1;
}

/* Whether the LMS substrings at a and b, each up to the next LMS suffix and with its first symbol, are the same. */
static inline __attribute__((always_inline)) bool NAME(same)(const struct NAME(string) *s, const uint64_t *lms, INDEX a, INDEX b, bool bytes)
{
	for (INDEX k = 0;; k++) {
		if (a + k == s->n || b + k == s->n || NAME(at)(s->symbols, a + k, bytes) != NAME(at)(s->symbols, b + k, bytes))
			return false;
		if (k > 0 && (NAME(is_lms)(lms, a + k) || NAME(is_lms)(lms, b + k)))
			return NAME(is_lms)(lms, a + k) && NAME(is_lms)(lms, b + k);
	}
}

/* From sorted LMS substrings among sa to their string of names in sa[n - m, n); returns how many names. */
static inline __attribute__((always_inline)) INDEX NAME(name)(const struct NAME(string) *s, const uint64_t *lms, INDEX *sa, INDEX m, bool bytes)
{
	INDEX found = 0, names = 0;
	for (INDEX i = 0; i < s->n && found < m; i++)
		if (sa[i] < 0)
			sa[found++] = ~sa[i];
	for (INDEX i = m; i < s->n; i++)
		sa[i] = EMPTY;
	/* LMS suffixes are two apart at least, so half their position is a place of their own. */
	for (INDEX i = 0; i < m; i++) {
		if (i + AHEAD < m)
			NAME(fetch)(s->symbols, sa[i + AHEAD], bytes);
		names += i == 0 || !NAME(same)(s, lms, sa[i - 1], sa[i], bytes);
		sa[m + sa[i] / 2] = names - 1;
	}
	for (INDEX i = s->n - 1, to = s->n; i >= m; i--)
		if (sa[i] != EMPTY)
			sa[--to] = sa[i];
	return names;
}

static enum status NAME(sort_names)(const struct NAME(string) *s, INDEX *sa, struct error *err);

/* LMS suffixes in their order to sa[0, m). */
static inline __attribute__((always_inline)) enum status NAME(sort_lms)(const struct NAME(string) *s, const uint64_t *lms, INDEX *sa, INDEX m,
									  bool bytes, struct error *err)
{
	INDEX names = NAME(name)(s, lms, sa, m, bytes), *reduced = sa + s->n - m;
	if (names < m) {
		struct NAME(string) r = {reduced, m, names};
		TRY(NAME(sort_names)(&r, sa, err));
	} else {
		for (INDEX i = 0; i < m; i++)
			sa[reduced[i]] = i;
	}
	INDEX to = 0;
	for (INDEX word = 0; word <= s->n / 64; word++)
		for (uint64_t bits = lms[word]; bits; bits &= bits - 1)
			reduced[to++] = word * 64 + (INDEX)__builtin_ctzll(bits);
	for (INDEX i = 0; i < m; i++)
		sa[i] = reduced[sa[i]];
	return OK;
}

/* All of it, with count and edge of s->kinds places and lms of s->n bits, zeroed. */
static inline __attribute__((always_inline)) enum status NAME(sort_with)(const struct NAME(string) *s, INDEX *sa, INDEX *count, INDEX *edge,
									   uint64_t *lms, bool bytes, struct error *err)
{
	const void *t = s->symbols;
	INDEX m = NAME(mark_lms)(s, lms, bytes);
	for (INDEX i = 0; i < s->n; i++) {
		count[NAME(at)(t, i, bytes)]++;
		sa[i] = 0;
	}
	if (m > 1) {
		NAME(edges)(count, s->kinds, true, edge);
		for (INDEX word = 0; word <= s->n / 64; word++)
			for (uint64_t bits = lms[word]; bits; bits &= bits - 1) {
				INDEX i = word * 64 + (INDEX)__builtin_ctzll(bits);
				sa[--edge[NAME(at)(t, i, bytes)]] = i;
			}
		NAME(edges)(count, s->kinds, false, edge);
		NAME(induce_l)(s, sa, edge, bytes, true);
		NAME(edges)(count, s->kinds, true, edge);
		NAME(induce_s)(s, sa, edge, bytes, true);
		TRY(NAME(sort_lms)(s, lms, sa, m, bytes, err));
	} else if (m == 1) {
		for (INDEX i = 0; i < s->n; i++)
			if (NAME(is_lms)(lms, i))
				sa[0] = i;
	}
	for (INDEX i = m; i < s->n; i++)
		sa[i] = 0;
	NAME(edges)(count, s->kinds, true, edge);
	for (INDEX i = m - 1; i >= 0; i--) {
		INDEX j = sa[i];
		if (i >= AHEAD)
			NAME(fetch)(t, sa[i - AHEAD], bytes);
		sa[i] = 0;
		sa[--edge[NAME(at)(t, j, bytes)]] = j;
	}
	NAME(edges)(count, s->kinds, false, edge);
	NAME(induce_l)(s, sa, edge, bytes, false);
	NAME(edges)(count, s->kinds, true, edge);
	NAME(induce_s)(s, sa, edge, bytes, false);
	return OK;
}

static inline __attribute__((always_inline)) enum status NAME(sort)(const struct NAME(string) *s, INDEX *sa, bool bytes, struct error *err)
{
	size_t n_counts = (size_t)s->kinds * 2, n_bits = (size_t)s->n / 64 + 1;
	INDEX *count = mem_try(n_counts * sizeof(*count));
	uint64_t *lms = mem_try(n_bits * sizeof(*lms));
	enum status st = count && lms ? OK : error_set(err, ERR_MEMORY, "no memory for a suffix array of %lld places", (long long)s->n);
	if (st == OK) {
		memset(count, 0, n_counts * sizeof(*count));
		memset(lms, 0, n_bits * sizeof(*lms));
		st = NAME(sort_with)(s, sa, count, count + s->kinds, lms, bytes, err);
	}
	mem_free(count);
	mem_free(lms);
	return st;
}

static enum status NAME(sort_names)(const struct NAME(string) *s, INDEX *sa, struct error *err)
{
	return NAME(sort)(s, sa, false, err);
}

static enum status NAME(sort_bytes)(const uint8_t *text, INDEX n, INDEX *sa, struct error *err)
{
	struct NAME(string) s = {text, n, 256};
	return n > 0 ? NAME(sort)(&s, sa, true, err) : OK;
}

#undef EMPTY
#undef AHEAD
#undef INDEX
#undef NAME

/* repeats.c - see repeats.h. */
#include "text/repeats.h"

#include "base/hash.h"

#include <sys/random.h>

#define PRIME ((1ull << 61) - 1)
#define RANGE_BITS 16                /* of an anchor's record: how many windows have it */
#define RANGE_MAX ((1ull << RANGE_BITS) - 1)
#define SYMBOLS_MAX (1ull << (64 - RANGE_BITS))
#define NONE UINT64_MAX

enum { ANCHOR_WORDS = 4, WINDOW_WORDS = 3 };     /* hash, hash of the piece, place and range; fingerprints, place and range */

struct roll {                        /* a polynomial modulo PRIME */
	uint64_t point;
	uint64_t leaves;             /* PRIME less point^least */
	uint64_t bytes[256];         /* what to add for a byte that leaves */
};

struct repeats {
	struct repeats_options o;
	int64_t run, runs;           /* symbols of a run; runs in a window */
	uint64_t mix, mix_leaves;    /* the point of the anchors' polynomial modulo 2^64, and point^run */
	uint64_t symbol[256], symbol_leaves[256], salt;
	struct roll rolls[2];
	struct sorter *anchors, *chosen, *windows, *places;
	uint64_t at;                 /* symbols of this reading so far */
	uint64_t next;               /* of chosen or of places; NONE behind the last */
	struct repeats_span *spans;
	int64_t n_spans, cap_spans;
};

/* --- set-up ---------------------------------------------------------------------------------- */

static uint64_t reduce(unsigned __int128 x)
{
	uint64_t y = ((uint64_t)x & PRIME) + (uint64_t)(x >> 61);
	return (y & PRIME) + (y >> 61);
}

static uint64_t secret(void)
{
	uint64_t x;
	if (getrandom(&x, sizeof(x), 0) != sizeof(x))
		x = (uintptr_t)&x * 0x9e3779b97f4a7c15u;
	return x;
}

static uint64_t power(uint64_t x, int64_t n, bool prime)
{
	uint64_t y = 1;
	for (; n > 0; n >>= 1) {
		if (n & 1)
			y = prime ? reduce((unsigned __int128)y * x) : y * x;
		x = prime ? reduce((unsigned __int128)x * x) : x * x;
	}
	return y;
}

static void init_roll(struct roll *p, int64_t least)
{
	p->point = secret() % (PRIME - 2) + 2;
	p->leaves = PRIME - power(p->point, least, true) % PRIME;
	for (uint64_t c = 0; c < 256; c++)
		p->bytes[c] = reduce((unsigned __int128)p->leaves * (c + 1));
}

struct repeats *repeats_open(const struct repeats_options *o)
{
	struct repeats *r = mem_zalloc(sizeof(*r));
	r->o = *o;
	r->run = (o->least * 2 + 2) / 3;
	r->runs = o->least - r->run + 1;
	r->mix = secret() << 3 | 5;
	r->mix_leaves = power(r->mix, r->run, false);
	r->salt = secret();
	for (int c = 0; c < 256; c++) {
		r->symbol[c] = secret();
		r->symbol_leaves[c] = r->symbol[c] * r->mix_leaves;
	}
	init_roll(&r->rolls[0], o->least);
	init_roll(&r->rolls[1], o->least);
	r->anchors = sorter_open(ANCHOR_WORDS, o->memory / 2, o->tmp, o->pool);
	r->chosen = sorter_open(1, o->memory / 4, o->tmp, o->pool);
	r->places = sorter_open(1, o->memory / 4, o->tmp, o->pool);
	return r;
}

void repeats_close(struct repeats *r)
{
	if (!r)
		return;
	sorter_close(r->anchors);
	sorter_close(r->chosen);
	sorter_close(r->windows);
	sorter_close(r->places);
	mem_free(r->spans);
	mem_free(r);
}

void repeats_scratch_release(struct repeats_scratch *x)
{
	mem_free(x->hashes);
	x->hashes = NULL;
}

static inline __attribute__((always_inline)) uint64_t symbol_at(const void *symbols, int64_t i, bool tokens)
{
	return tokens ? ((const uint32_t *)symbols)[i] : ((const uint8_t *)symbols)[i];
}

/* --- first reading: anchors ------------------------------------------------------------------- */

static inline __attribute__((always_inline)) uint64_t value(const struct repeats *r, uint64_t symbol, bool tokens)
{
	if (!tokens)
		return r->symbol[symbol];
	uint64_t x = (symbol ^ r->salt) * 0x9e3779b97f4a7c15u;
	return (x ^ x >> 32) * 0xd6e8feb86659fd93u;
}

/* The polynomial modulo 2^64, which a symbol enters and another leaves. */
static inline __attribute__((always_inline)) uint64_t rolled(const struct repeats *r, uint64_t hash, uint64_t in, uint64_t out, bool tokens)
{
	return hash * r->mix + value(r, in, tokens) - (tokens ? value(r, out, true) * r->mix_leaves : r->symbol_leaves[out]);
}

struct anchors {                     /* of a document */
	const struct repeats *r;
	const char *symbols;
	struct buf *to;
	int64_t at;                  /* symbols of its batch before the document */
	uint64_t hash;               /* of windows [from, end), which are not put out yet */
	int64_t from, end;
	bool again;                  /* the anchor before had the same */
};

static void flush_anchor(struct anchors *a)
{
	size_t width = a->r->o.tokens ? sizeof(uint32_t) : 1;
	for (int64_t from = a->from, n; from < a->end; from += n) {
		n = a->end - from < (int64_t)RANGE_MAX ? a->end - from : (int64_t)RANGE_MAX;
		uint64_t record[ANCHOR_WORDS] = {a->hash, 0, 0, (uint64_t)(a->at + from) << RANGE_BITS | (uint64_t)n};
		hash128_seed(a->symbols + (size_t)from * width, (size_t)(n + a->r->o.least - 1) * width, a->r->salt, record + 1);
		buf_add(a->to, record, sizeof(record));
	}
	a->from = a->end;
}

/* Windows [from, to) have an anchor of this hash. Where the same comes again and again (as in a text of one letter) the first is put
 * out and all others as one: it repeats, and in other words than the first. */
static void put_anchor(struct anchors *a, uint64_t hash, int64_t to)
{
	bool same = a->end > 0 && hash == a->hash;
	if (!same || !a->again)
		flush_anchor(a);
	a->again = same;
	a->hash = hash;
	a->end = to;
}

/* The last of the least of v[0..n). */
static int64_t least_of(const uint64_t *v, int64_t n)
{
	int64_t best = 0;
	for (int64_t i = 1; i < n; i++)
		if (v[i] <= v[best])
			best = i;
	return best;
}

/* Hashes are held of the runs from `base`, in twice the room that a window needs. */
static inline __attribute__((always_inline)) void find_anchors(const struct repeats *r, const void *symbols, int64_t n, uint64_t *hashes,
								struct anchors *out, bool tokens)
{
	const int64_t run = r->run, runs = r->runs, room = 2 * runs + 1024;
	int64_t best = 0, base = 0;
	uint64_t hash = 0, least = UINT64_MAX;
	for (int64_t i = 0; i < run - 1; i++)
		hash = hash * r->mix + value(r, symbol_at(symbols, i, tokens), tokens);
	hash = hash * r->mix + value(r, symbol_at(symbols, run - 1, tokens), tokens);
	for (int64_t j = 0;; j++) {
		if (j - base == room) {
			memmove(hashes, hashes + room - runs, (size_t)runs * sizeof(*hashes));
			base = j - runs;
		}
		hashes[j - base] = hash;
		if (hash <= least || best <= j - runs) {
			int64_t new = hash <= least ? j : j - runs + 1 + least_of(hashes + (j - runs + 1 - base), runs);
			if (j - runs + 1 > out->end)
				put_anchor(out, least, j - runs + 1);
			best = new;
			least = hashes[new - base];
		}
		if (j == n - run)
			break;
		hash = rolled(r, hash, symbol_at(symbols, j + run, tokens), symbol_at(symbols, j, tokens), tokens);
	}
	put_anchor(out, least, n - run - runs + 2);
	flush_anchor(out);
}

void repeats_anchors(const struct repeats *r, const void *symbols, int64_t n, int64_t at, struct repeats_scratch *x, struct buf *anchors)
{
	struct anchors out = {.r = r, .symbols = symbols, .to = anchors, .at = at};
	if (n < r->o.least)
		return;
	if (!x->hashes)
		x->hashes = mem_array(2 * (size_t)r->runs + 1024, sizeof(*x->hashes));
	if (r->o.tokens)
		find_anchors(r, symbols, n, x->hashes, &out, true);
	else
		find_anchors(r, symbols, n, x->hashes, &out, false);
}

enum status repeats_add(struct repeats *r, const struct buf *anchors, int64_t n, struct error *err)
{
	if (r->at + (uint64_t)n >= SYMBOLS_MAX)
		return error_set(err, ERR_UNSUPPORTED, "a corpus of more than %llu symbols", SYMBOLS_MAX);
	for (size_t i = 0; i < anchors->len; i += ANCHOR_WORDS * sizeof(uint64_t)) {
		uint64_t record[ANCHOR_WORDS];
		memcpy(record, anchors->data + i, sizeof(record));
		record[ANCHOR_WORDS - 1] += r->at << RANGE_BITS;
		TRY(sorter_add(r->anchors, record, err));
	}
	r->at += (uint64_t)n;
	return OK;
}

/* The first or the next of what is met in order. */
static enum status advance(struct repeats *r, struct sorter *s, struct error *err)
{
	enum status st = sorter_next(s, &r->next, err);
	if (st == END)
		r->next = NONE;
	return st == END ? OK : st;
}

static enum status begin_reading(struct repeats *r, struct sorter *s, struct error *err)
{
	r->at = 0;
	TRY(sorter_finish(s, err));
	return advance(r, s, err);
}

/* Judges one piece after the other, as they come in the order of anchor, text and place. Of pieces of equal text the first stands for all: the others
 * repeat. Those of one anchor that stand for others are reviewed, window by window, if they are several. */
struct pieces {
	uint64_t first[ANCHOR_WORDS];        /* of those with its text */
	bool begun, alone;                   /* no other has its text so far */
	bool held;                           /* no other has its anchor so far: not chosen yet */
};

static enum status put_piece(struct repeats *r, struct pieces *p, const uint64_t *piece, struct error *err)
{
	const int place = ANCHOR_WORDS - 1;
	if (p->begun && memcmp(piece, p->first, place * sizeof(*piece)) == 0) {
		if (p->alone && r->o.every)
			TRY(sorter_add(r->places, &p->first[place], err));
		p->alone = false;
		return sorter_add(r->places, &piece[place], err);
	}
	bool sibling = p->begun && piece[0] == p->first[0];
	if (sibling && p->held)
		TRY(sorter_add(r->chosen, &p->first[place], err));
	if (sibling)
		TRY(sorter_add(r->chosen, &piece[place], err));
	*p = (struct pieces){.begun = true, .alone = true, .held = !sibling};
	memcpy(p->first, piece, sizeof(p->first));
	return OK;
}

enum status repeats_added(struct repeats *r, struct error *err)
{
	struct pieces pieces = {.begun = false};
	uint64_t piece[ANCHOR_WORDS];
	enum status st;
	TRY(sorter_finish(r->anchors, err));
	while ((st = sorter_next(r->anchors, piece, err)) == OK)
		TRY(put_piece(r, &pieces, piece, err));
	if (st != END)
		return st;
	sorter_close(r->anchors);
	r->anchors = NULL;
	r->windows = sorter_open(WINDOW_WORDS, r->o.memory / 2, r->o.tmp, r->o.pool);
	return begin_reading(r, r->chosen, err);
}

/* --- second reading: windows ------------------------------------------------------------------ */

struct window {
	int64_t at;                  /* in the document; -1: no fingerprints yet */
	uint64_t prints[2];
};

static inline __attribute__((always_inline)) uint64_t entered(const struct roll *p, uint64_t print, uint64_t in)
{
	return reduce((unsigned __int128)print * p->point + in + 1);
}

static inline __attribute__((always_inline)) uint64_t moved(const struct roll *p, uint64_t print, uint64_t in, uint64_t out, bool tokens)
{
	if (!tokens)
		return reduce((unsigned __int128)print * p->point + (in + 1 + p->bytes[out]));
	return reduce((unsigned __int128)print * p->point + reduce((unsigned __int128)p->leaves * (out + 1)) + (in + 1));
}

/* Brings the window to a place, from near by or anew. */
static inline __attribute__((always_inline)) void move_to(const struct repeats *r, const void *symbols, struct window *w, int64_t to, bool tokens)
{
	const int64_t least = r->o.least;
	if (w->at < 0 || to - w->at > least) {
		*w = (struct window){.at = to};
		for (int64_t i = to; i < to + least; i++)
			for (int p = 0; p < 2; p++)
				w->prints[p] = entered(&r->rolls[p], w->prints[p], symbol_at(symbols, i, tokens));
	}
	for (; w->at < to; w->at++)
		for (int p = 0; p < 2; p++)
			w->prints[p] = moved(&r->rolls[p], w->prints[p], symbol_at(symbols, w->at + least, tokens),
					     symbol_at(symbols, w->at, tokens), tokens);
}

static inline __attribute__((always_inline)) enum status put_windows(struct repeats *r, const void *symbols, int64_t n, bool tokens,
								       struct error *err)
{
	struct window w = {.at = -1};
	while (r->next >> RANGE_BITS < r->at + (uint64_t)n) {
		int64_t from = (int64_t)((r->next >> RANGE_BITS) - r->at), to = from + (int64_t)(r->next & RANGE_MAX);
		if (to > n - r->o.least + 1)
			return error_set(err, ERR_DATA, "the inputs changed while they were read");
		for (int64_t i = from; i < to; i++) {
			move_to(r, symbols, &w, i, tokens);
			const uint64_t record[WINDOW_WORDS] = {w.prints[0] % PRIME, w.prints[1] % PRIME, (r->at + (uint64_t)i) << RANGE_BITS | 1};
			TRY(sorter_add(r->windows, record, err));
		}
		TRY(advance(r, r->chosen, err));
	}
	r->at += (uint64_t)n;
	return OK;
}

enum status repeats_review(struct repeats *r, const void *symbols, int64_t n, struct error *err)
{
	return r->o.tokens ? put_windows(r, symbols, n, true, err) : put_windows(r, symbols, n, false, err);
}

/* The first of equal windows with every set only. */
static enum status put_windows_that_repeat(struct repeats *r, struct error *err)
{
	const int place = WINDOW_WORDS - 1;
	uint64_t window[WINDOW_WORDS], before[WINDOW_WORDS] = {0};
	bool held = false;           /* before is the first with its text */
	enum status st;
	TRY(sorter_finish(r->windows, err));
	for (bool begun = false; (st = sorter_next(r->windows, window, err)) == OK; begun = true) {
		bool same = begun && memcmp(window, before, place * sizeof(*window)) == 0;
		if (same && held && r->o.every)
			TRY(sorter_add(r->places, &before[place], err));
		if (same)
			TRY(sorter_add(r->places, &window[place], err));
		held = !same;
		memcpy(before, window, sizeof(before));
	}
	return st == END ? OK : st;
}

enum status repeats_reviewed(struct repeats *r, struct error *err)
{
	sorter_close(r->chosen);
	r->chosen = NULL;
	TRY(put_windows_that_repeat(r, err));
	sorter_close(r->windows);
	r->windows = NULL;
	return begin_reading(r, r->places, err);
}

/* --- third reading: spans --------------------------------------------------------------------- */

enum status repeats_spans(struct repeats *r, int64_t n, const struct repeats_span **spans, int64_t *n_spans, struct error *err)
{
	r->n_spans = 0;
	while (r->next >> RANGE_BITS < r->at + (uint64_t)n) {
		int64_t from = (int64_t)((r->next >> RANGE_BITS) - r->at), to = from + (int64_t)(r->next & RANGE_MAX) + r->o.least - 1;
		struct repeats_span *last = r->n_spans ? &r->spans[r->n_spans - 1] : NULL;
		if (last && from <= last->to) {
			last->to = to > last->to ? to : last->to;
		} else {
			MEM_PUSH_ROOM(r->spans, r->n_spans, r->cap_spans);
			r->spans[r->n_spans++] = (struct repeats_span){from, to};
		}
		TRY(advance(r, r->places, err));
	}
	if (r->n_spans && r->spans[r->n_spans - 1].to > n)
		return error_set(err, ERR_DATA, "the inputs changed while they were read");
	r->at += (uint64_t)n;
	*spans = r->spans;
	*n_spans = r->n_spans;
	return OK;
}

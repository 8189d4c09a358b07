#include "token/bpe_train.h"

#include "token/bpe.h"
#include "token/unicode.h"

#define NO_PAIR UINT64_MAX

/* --- counting ------------------------------------------------------------------------------- */

void word_counts_add(struct word_counts *c, const char *p, size_t n, uint64_t count, bool copy)
{
	int32_t i = strmap_get(&c->index, p, n);

	if (i < 0) {
		MEM_PUSH_ROOM(c->w, c->n, c->cap);
		i = c->n++;
		c->w[i] = (struct word_count){.p = copy ? arena_strndup(&c->keys, p, n) : p, .n = (uint32_t)n};
		strmap_put(&c->index, c->w[i].p, n, i);
	}
	c->w[i].count += count;
}

void word_counts_release(struct word_counts *c)
{
	strmap_release(&c->index);
	mem_free(c->w);
	arena_release(&c->keys);
	*c = (struct word_counts){0};
}

static enum status count_stage(struct piece_cutter *k, int stage, const uint8_t *p, size_t n, struct word_counts *c, struct error *err)
{
	size_t from, to;
	enum status st;

	if (stage == k->n_stages) {
		word_counts_add(c, (const char *)p, n, 1, false);
		return OK;
	}
	pretok_begin(&k->iter[stage], &k->stages[stage], p, n);
	while ((st = pretok_next(&k->iter[stage], &from, &to, err)) == OK)
		TRY(count_stage(k, stage + 1, p + from, to - from, c, err));
	return st == END ? OK : st;
}

enum status piece_count(struct piece_cutter *k, const char *text, size_t n, struct word_counts *c, struct error *err)
{
	if (n > INT32_MAX)
		return error_set(err, ERR_DATA, "a text of %zu bytes is too long", n);
	return count_stage(k, 0, (const uint8_t *)text, n, c, err);
}

void piece_cutter_release(struct piece_cutter *k)
{
	for (int i = 0; i < 2; i++)
		pretok_iter_release(&k->iter[i]);
}

/* --- learning ---------------------------------------------------------------------------------- */

/* A pair waiting to be merged in some words. A pair may wait several times, with different words, when two ways of writing a
 * token give pairs that existed before; each takes its turn, as in the reference. */
struct candidate {
	int64_t count;               /* of the pair when it was queued */
	int32_t a, b;
	int32_t *words;
	int32_t n, cap;
};

struct pair_slot {
	uint64_t pair;               /* NO_PAIR = empty */
	int64_t count;
	int32_t fresh;               /* index of its candidate in the step at hand, -1 */
};

struct trainer {
	const struct word_counts *c;
	struct bpe_vocab *v;
	int32_t *symbols;            /* of all words, each at start[w] */
	size_t *start;
	int32_t *length;
	struct pair_slot *pairs;
	size_t n_pairs, mask;
	struct candidate *heap;
	size_t n_heap, cap_heap;
	struct candidate *fresh;     /* pairs that the step at hand made */
	int32_t n_fresh, cap_fresh;
	struct strmap tokens;        /* bytes -> id */
};

static uint64_t pair_key(int32_t a, int32_t b)
{
	return (uint64_t)(uint32_t)a << 32 | (uint32_t)b;
}

static struct pair_slot *pair_find(const struct trainer *t, uint64_t pair)
{
	size_t i = (size_t)(pair * 0x9e3779b97f4a7c15u >> 20) & t->mask;

	while (t->pairs[i].pair != pair && t->pairs[i].pair != NO_PAIR)
		i = (i + 1) & t->mask;
	return &t->pairs[i];
}

static void pairs_resize(struct trainer *t, size_t cap)
{
	struct pair_slot *old = t->pairs;
	size_t n = old ? t->mask + 1 : 0;

	t->pairs = mem_array(cap, sizeof(*t->pairs));
	t->mask = cap - 1;
	for (size_t i = 0; i < cap; i++)
		t->pairs[i].pair = NO_PAIR;
	for (size_t i = 0; i < n; i++)
		if (old[i].pair != NO_PAIR)
			*pair_find(t, old[i].pair) = old[i];
	mem_free(old);
}

static struct pair_slot *pair_at(struct trainer *t, uint64_t pair)
{
	struct pair_slot *s;

	if (t->n_pairs * 2 > t->mask)
		pairs_resize(t, (t->mask + 1) * 2);
	s = pair_find(t, pair);
	if (s->pair == NO_PAIR) {
		*s = (struct pair_slot){.pair = pair, .fresh = -1};
		t->n_pairs++;
	}
	return s;
}

/* Adds to a pair's count; a pair that gains is queued again at the end of the step, with the word. */
static void change(struct trainer *t, int32_t a, int32_t b, int64_t delta, int32_t word)
{
	struct pair_slot *s = pair_at(t, pair_key(a, b));
	struct candidate *c;

	s->count += delta;
	if (delta < 0)
		return;
	if (s->fresh < 0) {
		MEM_PUSH_ROOM(t->fresh, t->n_fresh, t->cap_fresh);
		s->fresh = t->n_fresh;
		t->fresh[t->n_fresh++] = (struct candidate){.a = a, .b = b};
	}
	c = &t->fresh[s->fresh];
	if (c->n && c->words[c->n - 1] == word)
		return;
	MEM_PUSH_ROOM(c->words, c->n, c->cap);
	c->words[c->n++] = word;
}

static bool before(const struct candidate *x, const struct candidate *y)
{
	if (x->count != y->count)
		return x->count > y->count;
	return x->a != y->a ? x->a < y->a : x->b < y->b;
}

static void heap_push(struct trainer *t, struct candidate c)
{
	size_t i;

	MEM_PUSH_ROOM(t->heap, t->n_heap, t->cap_heap);
	for (i = t->n_heap++; i > 0 && before(&c, &t->heap[(i - 1) / 2]); i = (i - 1) / 2)
		t->heap[i] = t->heap[(i - 1) / 2];
	t->heap[i] = c;
}

static struct candidate heap_pop(struct trainer *t)
{
	struct candidate top = t->heap[0], last = t->heap[--t->n_heap];
	size_t i = 0, c;

	while ((c = 2 * i + 1) < t->n_heap) {
		if (c + 1 < t->n_heap && before(&t->heap[c + 1], &t->heap[c]))
			c++;
		if (!before(&t->heap[c], &last))
			break;
		t->heap[i] = t->heap[c];
		i = c;
	}
	t->heap[i] = last;
	return top;
}

static void queue_fresh(struct trainer *t)
{
	for (int32_t i = 0; i < t->n_fresh; i++) {
		struct candidate c = t->fresh[i];
		struct pair_slot *s = pair_find(t, pair_key(c.a, c.b));

		s->fresh = -1;
		c.count = s->count;
		if (c.count > 0)
			heap_push(t, c);
		else
			mem_free(c.words);
	}
	t->n_fresh = 0;
}

static int32_t add_token(struct trainer *t, const char *p, size_t n)
{
	struct bpe_vocab *v = t->v;
	int32_t id = v->n_tokens;
	char *copy = arena_strndup(&v->strings, p, n);

	MEM_PUSH_ROOM(v->tokens, v->n_tokens, v->cap_tokens);
	v->tokens[id].p = copy;
	v->tokens[id].n = (uint32_t)n;
	v->n_tokens++;
	return id;
}

/* Specials, then the bytes in the order of their printable code points. */
static enum status add_alphabet(struct trainer *t, const char *const *specials, int n, int64_t vocab_size, struct error *err)
{
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < i; k++)
			if (!strcmp(specials[i], specials[k]))
				return error_set(err, ERR_USAGE, "the special token '%s' is given twice", specials[i]);
		if (strlen(specials[i]) < 2)
			return error_set(err, ERR_USAGE, "a special token needs two characters or more: '%s' is also text", specials[i]);
		add_token(t, specials[i], strlen(specials[i]));
	}
	t->v->n_special = n;
	for (uint32_t cp = 0; cp <= 0x143; cp++) {
		int byte = bpe_char_byte(cp);
		char c = (char)byte;

		if (byte < 0)
			continue;
		add_token(t, &c, 1);
		strmap_put(&t->tokens, t->v->tokens[t->v->n_tokens - 1].p, 1, t->v->n_tokens - 1);
	}
	if (vocab_size < t->v->n_tokens)
		return error_set(err, ERR_USAGE, "a vocabulary of %lld has no room for %d special tokens and 256 bytes", (long long)vocab_size, n);
	return OK;
}

/* Words become symbols, their pairs are counted and queued. */
static void start(struct trainer *t)
{
	size_t total = 0;

	t->start = mem_array((size_t)t->c->n + 1, sizeof(*t->start));
	t->length = mem_array((size_t)t->c->n + 1, sizeof(*t->length));
	for (int32_t w = 0; w < t->c->n; w++)
		total += t->c->w[w].n;
	t->symbols = mem_array(total + 1, sizeof(*t->symbols));
	pairs_resize(t, 1 << 16);
	total = 0;
	for (int32_t w = 0; w < t->c->n; w++) {
		const struct word_count *word = &t->c->w[w];
		int32_t *s = t->symbols + total;

		t->start[w] = total;
		t->length[w] = (int32_t)word->n;
		for (uint32_t i = 0; i < word->n; i++)
			s[i] = strmap_get(&t->tokens, word->p + i, 1);
		for (uint32_t i = 0; i + 1 < word->n; i++)
			change(t, s[i], s[i + 1], (int64_t)word->count, w);
		total += word->n;
	}
	queue_fresh(t);
}

/* Replaces a b by id in one word, left to right, and tells the neighbours' pairs. */
static void merge_word(struct trainer *t, int32_t w, int32_t a, int32_t b, int32_t id)
{
	int32_t *s = t->symbols + t->start[w], n = t->length[w], out = 0;
	int64_t count = (int64_t)t->c->w[w].count;

	for (int32_t i = 0; i < n; i++) {
		if (s[i] != a || i + 1 >= n || s[i + 1] != b) {
			s[out++] = s[i];
			continue;
		}
		if (out > 0) {
			change(t, s[out - 1], a, -count, w);
			change(t, s[out - 1], id, count, w);
		}
		if (i + 2 < n) {
			change(t, b, s[i + 2], -count, w);
			change(t, id, s[i + 2], count, w);
		}
		s[out++] = id;
		i++;
	}
	t->length[w] = out;
}

/* The token a+b: a new one, or the one that already has these bytes. */
static int32_t merged_token(struct trainer *t, int32_t a, int32_t b, struct buf *both)
{
	int32_t id;

	buf_clear(both);
	buf_add(both, t->v->tokens[a].p, t->v->tokens[a].n);
	buf_add(both, t->v->tokens[b].p, t->v->tokens[b].n);
	id = strmap_get(&t->tokens, both->data, both->len);
	if (id < 0) {
		id = add_token(t, both->data, both->len);
		strmap_put(&t->tokens, t->v->tokens[id].p, both->len, id);
	}
	return id;
}

static void learn(struct trainer *t, int64_t vocab_size, int64_t min_frequency)
{
	struct bpe_vocab *v = t->v;
	struct buf both = {0};

	while (v->n_tokens < vocab_size && t->n_heap) {
		struct candidate top = heap_pop(t);
		int64_t count = pair_find(t, pair_key(top.a, top.b))->count;
		int32_t id;

		if (top.count != count) { /* stale: again with what it counts now */
			top.count = count;
			heap_push(t, top);
			continue;
		}
		if (count < 1 || count < min_frequency) {
			mem_free(top.words);
			break;
		}
		id = merged_token(t, top.a, top.b, &both);
		MEM_PUSH_ROOM(v->merges, v->n_merges, v->cap_merges);
		v->merges[v->n_merges][0] = top.a;
		v->merges[v->n_merges++][1] = top.b;
		for (int32_t i = 0; i < top.n; i++)
			merge_word(t, top.words[i], top.a, top.b, id);
		mem_free(top.words);
		queue_fresh(t);
	}
	buf_release(&both);
}

/* A pair that was merged twice has the rank of its last time, as a map from pairs to ranks keeps it. */
static void drop_repeats(struct bpe_vocab *v)
{
	struct bpe seen;
	int32_t out = v->n_merges;

	bpe_init(&seen, (size_t)v->n_merges);
	for (int32_t i = v->n_merges; i-- > 0;) {
		if (bpe_rank(&seen, v->merges[i][0], v->merges[i][1]) == BPE_NO_RANK) {
			out--;
			v->merges[out][0] = v->merges[i][0];
			v->merges[out][1] = v->merges[i][1];
		}
		bpe_add_merge(&seen, v->merges[i][0], v->merges[i][1], 0, 0);
	}
	if (out)
		memmove(v->merges, v->merges + out, (size_t)(v->n_merges - out) * sizeof(*v->merges));
	v->n_merges -= out;
	bpe_release(&seen);
}

enum status bpe_train(const struct word_counts *c, const char *const *specials, int n_specials, int64_t vocab_size,
		      int64_t min_frequency, struct bpe_vocab *v, struct error *err)
{
	struct trainer t = {.c = c, .v = v};
	enum status st = add_alphabet(&t, specials, n_specials, vocab_size, err);

	if (st == OK) {
		start(&t);
		learn(&t, vocab_size, min_frequency);
		drop_repeats(v);
	}
	for (size_t i = 0; i < t.n_heap; i++)
		mem_free(t.heap[i].words);
	mem_free(t.heap);
	mem_free(t.fresh);
	mem_free(t.pairs);
	mem_free(t.symbols);
	mem_free(t.start);
	mem_free(t.length);
	strmap_release(&t.tokens);
	return st;
}

void bpe_vocab_release(struct bpe_vocab *v)
{
	arena_release(&v->strings);
	mem_free(v->tokens);
	mem_free(v->merges);
	*v = (struct bpe_vocab){0};
}

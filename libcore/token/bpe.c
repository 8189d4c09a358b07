/* bpe.c - see bpe.h. */
#include "token/bpe.h"

#include "token/bpe_pairs.h"
#include "token/bpe_walk.h"
#include "token/unicode.h"

#include <pthread.h>
#include <stdio.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define PLACE_BITS 4
#define NO_KEY UINT32_MAX
/* A walk takes some 50 ms to make, so what is short does without: so many pieces, of so many bytes, go by way of the heap. */
#define WALK_PIECES 4096
#define WALK_BYTES 4096

int64_t ids_common(const struct ids *a, const struct ids *b, int64_t most)
{
	int64_t n = 0;

	most = most < a->n ? most : a->n;
	most = most < b->n ? most : b->n;
	while (n < most && a->v[n] == b->v[n])
		n++;
	return n;
}

void ids_push(struct ids *ids, int32_t id)
{
	MEM_PUSH_ROOM(ids->v, ids->n, ids->cap);
	ids->v[ids->n++] = id;
}

void ids_release(struct ids *ids)
{
	mem_free(ids->v);
	*ids = (struct ids){0};
}

uint32_t bpe_byte_char(uint8_t b)
{
	if ((b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad))
		return b;
	if (b <= 0x20)
		return 0x100u + b;
	return b == 0xad ? 0x143 : 0x121u + b - 0x7f;
}

int bpe_char_byte(uint32_t cp)
{
	if (cp < 0x100)
		return bpe_byte_char((uint8_t)cp) == cp ? (int)cp : -1;
	if (cp <= 0x120)
		return (int)cp - 0x100;
	if (cp <= 0x142)
		return (int)cp - 0x121 + 0x7f;
	return cp == 0x143 ? 0xad : -1;
}

void bpe_init(struct bpe *m, size_t n)
{
	int bits = 6;

	*m = (struct bpe){0};
	while (((size_t)1 << bits) < n * 2)
		bits++;
	m->shift = 64 - bits;
	m->mask = ((uint64_t)1 << bits) - 1;
	m->slots = mem_array((size_t)1 << bits, sizeof(*m->slots));
	memset(m->slots, 0xFF, sizeof(*m->slots) << bits);
	m->filter = mem_array((size_t)1 << (FILTER_BITS - 6), sizeof(*m->filter));
	m->merged = mem_array(n + 1, sizeof(*m->merged));
	for (int b = 0; b < 256; b++)
		m->byte_id[b] = -1;
	m->unk = -1;
}

void bpe_add_merge(struct bpe *m, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
	uint64_t pair = pair_of(left, right), bit = hash(pair) >> (64 - FILTER_BITS);

	*slot(m, pair) = pair << RANK_BITS | rank;
	m->filter[bit / 64] |= (uint64_t)1 << bit % 64;
	m->merged[rank] = id;
}

void bpe_ask_merge(const struct bpe *m, int32_t left, int32_t right)
{
	__builtin_prefetch(&m->slots[hash(pair_of(left, right)) >> m->shift], 1);
}

bool bpe_next_merge(const struct bpe *m, size_t *i, struct bpe_pair *pair)
{
	while (*i <= m->mask && m->slots[*i] == EMPTY)
		++*i;
	if (*i > m->mask)
		return false;
	uint64_t slot = m->slots[(*i)++];
	*pair = (struct bpe_pair){(int32_t)(slot >> (RANK_BITS + 21)), (int32_t)(slot >> RANK_BITS & (BPE_IDS_MAX - 1)),
				  (uint32_t)(slot & ((1u << RANK_BITS) - 1))};
	return true;
}

uint32_t bpe_rank(const struct bpe *m, int32_t left, int32_t right)
{
	return rank_of(m, left, right);
}

void bpe_finish(struct bpe *m)
{
	for (int b = 0; b < 256; b++)
		if (m->byte_id[b] < 0)
			return;
	m->first = mem_array(65536, sizeof(*m->first));
	for (int a = 0; a < 256; a++)
		for (int b = 0; b < 256; b++)
			m->first[a << 8 | b] = rank_of(m, m->byte_id[a], m->byte_id[b]);
}

void bpe_finish_by_char(struct bpe *m, const struct strmap *vocab, bool byte_fallback)
{
	m->by_char = true;
	m->vocab = vocab;
	m->char_id = mem_array(65536, sizeof(*m->char_id));
	for (uint32_t cp = 0; cp < 65536; cp++) {
		char c[4];

		m->char_id[cp] = strmap_get(vocab, c, (size_t)utf8_encode(cp, c));
	}
	for (int b = 0; b < 256; b++) {
		char text[8];

		snprintf(text, sizeof(text), "<0x%02X>", b);
		m->fallback[b] = byte_fallback ? strmap_get(vocab, text, 6) : -1;
	}
}

void bpe_release(struct bpe *m)
{
	mem_free(m->slots);
	mem_free(m->filter);
	mem_free(m->first);
	mem_free(m->char_id);
	mem_free(m->merged);
	bpe_walk_close(m->walk);
	*m = (struct bpe){0};
}

void bpe_scratch_release(struct bpe_scratch *w)
{
	mem_free(w->id);
	mem_free(w->next);
	mem_free(w->prev);
	mem_free(w->rank);
	mem_free(w->heap);
	mem_free(w->walk.left);
	mem_free(w->walk.seen);
	*w = (struct bpe_scratch){0};
}

/* Tokens of n bytes by fallback; 0 if one has none. */
static size_t fallback(const struct bpe *m, const uint8_t *p, size_t n, int32_t *id)
{
	for (size_t i = 0; i < n; i++)
		if ((id[i] = m->fallback[p[i]]) < 0)
			return 0;
	return n;
}

/* The token of the character at p, -1 if it has none. */
static inline int32_t char_token(const struct bpe *m, const uint8_t *p, int *bytes)
{
	uint32_t cp = utf8_decode(p, bytes);

	return cp < 65536 ? m->char_id[cp] : strmap_get(m->vocab, (const char *)p, (size_t)*bytes);
}

/* As the reference does it: an unknown token waits for the next character that is known, or for the end, also behind
 * bytes that have come by fallback. */
static size_t symbols_by_char(const struct bpe *m, const uint8_t *p, size_t n, int32_t *id)
{
	size_t k = 0;
	bool unknown = false;
	int bytes;

	for (size_t i = 0; i < n; i += (size_t)bytes) {
		int32_t v = char_token(m, p + i, &bytes);

		if (v >= 0) {
			if (unknown)
				id[k++] = m->unk;
			unknown = false;
			id[k++] = v;
			continue;
		}
		size_t got = fallback(m, p + i, (size_t)bytes, id + k);
		k += got;
		if (got || m->unk < 0)
			continue;
		if (unknown && !m->fuse_unk)
			id[k++] = m->unk;
		unknown = true;
	}
	if (unknown)
		id[k++] = m->unk;
	return k;
}

/* The symbols a piece starts from; returns how many. id has room for n. */
static size_t symbols(const struct bpe *m, const uint8_t *p, size_t n, int32_t *id)
{
	if (m->by_char)
		return symbols_by_char(m, p, n, id);
	size_t k = 0;
	bool after_unk = false;

	for (size_t i = 0; i < n; i++) {
		int32_t v = m->byte_id[p[i]];

		if (v < 0 && (m->unk < 0 || (after_unk && m->fuse_unk)))
			continue;
		after_unk = v < 0;
		id[k++] = v < 0 ? m->unk : v;
	}
	return k;
}

/* --- short pieces -------------------------------------------------------------------------------- */

/* Rank and place of a pair in one word: the least of them is the next merge. */
static inline uint32_t key_of(uint32_t rank, size_t place)
{
	return rank == BPE_NO_RANK ? NO_KEY : rank << PLACE_BITS | (uint32_t)place;
}

/* Keys of the pairs that k symbols begin with, NO_KEY behind them. bytes: what the symbols stand for, one each. */
static void first_keys(const struct bpe *m, const int32_t *id, size_t k, const uint8_t *bytes, uint32_t *key)
{
	for (size_t i = 0; i + 1 < k; i++)
		key[i] = key_of(bytes ? m->first[bytes[i] << 8 | bytes[i + 1]] : rank_of(m, id[i], id[i + 1]), i);
	for (size_t i = k - 1; i < BPE_SHORT; i++)
		key[i] = NO_KEY;
}

/* Merges k (2 to BPE_SHORT) symbols whose first keys are in key; what is left stands where alive has a bit. */
typedef uint32_t merge_fn(const struct bpe *m, int32_t *id, size_t k, uint32_t *key);

/* Places before and behind i of symbols that are alive; BPE_SHORT if there is none behind. */
static inline size_t alive_before(uint32_t alive, size_t i)
{
	return 31 - (size_t)__builtin_clz(alive & ((1u << i) - 1));
}

static inline size_t alive_behind(uint32_t alive, size_t i)
{
	return (size_t)__builtin_ctz((alive | 1u << BPE_SHORT) & ~((2u << i) - 1));
}

static uint32_t merge_plain(const struct bpe *m, int32_t *id, size_t k, uint32_t *key)
{
	uint32_t alive = (1u << k) - 1;

	for (;;) {
		uint32_t best = NO_KEY;
		for (size_t i = 0; i < k; i++)
			best = key[i] < best ? key[i] : best;
		if (best == NO_KEY)
			return alive;
		size_t i = best & (BPE_SHORT - 1), right = alive_behind(alive, i), after;
		id[i] = m->merged[best >> PLACE_BITS];
		key[right] = NO_KEY;
		alive &= ~(1u << right);
		after = alive_behind(alive, i);
		key[i] = after < BPE_SHORT ? key_of(rank_of(m, id[i], id[after]), i) : NO_KEY;
		if (i > 0) {
			size_t before = alive_before(alive, i);
			key[before] = key_of(rank_of(m, id[before], id[i]), before);
		}
	}
}

#ifdef __x86_64__
/* The same with the keys in registers: written to memory and read at once again, each would wait for the store. keys(load) and least give
 * the vector and its least key, put(place, x) sets one of them. */
#define MERGE(name, isa, keys, least, put)                                                                                              \
	__attribute__((target(isa))) static uint32_t name(const struct bpe *m, int32_t *id, size_t k, uint32_t *key)                    \
	{                                                                                                                               \
		uint32_t alive = (1u << k) - 1, best;                                                                                   \
		keys;                                                                                                                   \
		while ((best = least) != NO_KEY) {                                                                                      \
			size_t i = best & (BPE_SHORT - 1), right = alive_behind(alive, i), after, before = BPE_SHORT;                   \
			uint32_t mine = NO_KEY, its = NO_KEY;                                                                           \
			int32_t now = id[i] = m->merged[best >> PLACE_BITS];                                                            \
			alive &= ~(1u << right);                                                                                        \
			after = alive_behind(alive, i);                                                                                 \
			if (after < BPE_SHORT)                                                                                          \
				mine = key_of(rank_of(m, now, id[after]), i);                                                           \
			if (i > 0) {                                                                                                    \
				before = alive_before(alive, i);                                                                        \
				its = key_of(rank_of(m, id[before], now), before);                                                      \
			}                                                                                                               \
			put(right, NO_KEY);                                                                                             \
			put(i, mine);                                                                                                   \
			put(before, its);                                                                                               \
		}                                                                                                                       \
		return alive;                                                                                                           \
	}

#define KEYS_512 __m512i v = _mm512_loadu_si512(key)
#define LEAST_512 _mm512_reduce_min_epu32(v)
#define PUT_512(place, x) v = _mm512_mask_set1_epi32(v, (__mmask16)(1u << (place)), (int)(x))
MERGE(merge_avx512, "avx512f", KEYS_512, LEAST_512, PUT_512)

__attribute__((target("avx2"))) static inline uint32_t least_256(__m256i v)
{
	__m128i w = _mm_min_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

	w = _mm_min_epu32(w, _mm_shuffle_epi32(w, 0x4E));
	w = _mm_min_epu32(w, _mm_shuffle_epi32(w, 0xB1));
	return (uint32_t)_mm_cvtsi128_si32(w);
}

__attribute__((target("avx2"))) static inline __m256i put_256(__m256i v, int first, size_t place, uint32_t x)
{
	__m256i here = _mm256_cmpeq_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32((int)place - first));

	return _mm256_blendv_epi8(v, _mm256_set1_epi32((int)x), here);
}

#define KEYS_256                                                                                                                        \
	__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)key);                                                             \
	__m256i u = _mm256_loadu_si256((const __m256i *)(const void *)(key + 8))
#define LEAST_256 least_256(_mm256_min_epu32(v, u))
#define PUT_256(place, x) (v = put_256(v, 0, place, x), u = put_256(u, 8, place, x))
MERGE(merge_avx2, "avx2", KEYS_256, LEAST_256, PUT_256)
#endif

static merge_fn *merge;

bool bpe_force(const char *isa)
{
	struct { const char *name; merge_fn *fn; bool there; } all[] = {
#ifdef __x86_64__
		{"avx512", merge_avx512, __builtin_cpu_supports("avx512f")},
		{"avx2", merge_avx2, __builtin_cpu_supports("avx2")},
#endif
		{"plain", merge_plain, true},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].there && (!isa || strcmp(isa, all[i].name) == 0)) {
			merge = all[i].fn;
			return true;
		}
	return false;
}

/* Before main, so that threads only read it. */
__attribute__((constructor)) static void choose(void)
{
	bpe_force(NULL);
}

static void encode_short(const struct bpe *m, const uint8_t *p, size_t n, struct ids *out)
{
	int32_t id[BPE_SHORT];
	uint32_t key[BPE_SHORT];
	size_t k = symbols(m, p, n, id);
	uint32_t alive = 1;

	if (out->cap - out->n < BPE_SHORT) {
		out->cap = out->cap * 2 + BPE_SHORT;
		out->v = mem_grow(out->v, (size_t)out->cap, sizeof(*out->v));
	}
	if (k == 0)
		return;
	if (k > 1) {
		first_keys(m, id, k, m->first ? p : NULL, key);
		alive = merge(m, id, k, key);
	}
	for (; alive; alive &= alive - 1)
		out->v[out->n++] = id[__builtin_ctz(alive)];
}

/* --- long pieces ----------------------------------------------------------------------------------- */

static void heap_push(struct bpe_scratch *w, uint64_t v)
{
	size_t i;

	MEM_PUSH_ROOM(w->heap, w->heap_n, w->heap_cap);
	for (i = w->heap_n++; i > 0 && w->heap[(i - 1) / 2] > v; i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = v;
}

static uint64_t heap_pop(struct bpe_scratch *w)
{
	uint64_t top = w->heap[0], last = w->heap[--w->heap_n];
	size_t i = 0, c;

	while ((c = 2 * i + 1) < w->heap_n) {
		if (c + 1 < w->heap_n && w->heap[c + 1] < w->heap[c])
			c++;
		if (w->heap[c] >= last)
			break;
		w->heap[i] = w->heap[c];
		i = c;
	}
	w->heap[i] = last;
	return top;
}

static void scratch_room(struct bpe_scratch *w, size_t n)
{
	if (n <= w->cap)
		return;
	w->cap = n;
	w->id = mem_grow(w->id, n, sizeof(*w->id));
	w->next = mem_grow(w->next, n, sizeof(*w->next));
	w->prev = mem_grow(w->prev, n, sizeof(*w->prev));
	w->rank = mem_grow(w->rank, n, sizeof(*w->rank));
}

/* Ranks the pair that begins at i anew and queues it. */
static void queue_pair(const struct bpe *m, struct bpe_scratch *w, int32_t i)
{
	w->rank[i] = w->next[i] < 0 ? BPE_NO_RANK : bpe_rank(m, w->id[i], w->id[w->next[i]]);
	if (w->rank[i] != BPE_NO_RANK)
		heap_push(w, (uint64_t)w->rank[i] << 32 | (uint32_t)i);
}

static void encode_long(const struct bpe *m, struct bpe_scratch *w, const uint8_t *p, size_t n, struct ids *out)
{
	size_t k;

	scratch_room(w, n);
	w->heap_n = 0;
	k = symbols(m, p, n, w->id);
	for (size_t i = 0; i < k; i++) {
		w->prev[i] = (int32_t)i - 1;
		w->next[i] = i + 1 < k ? (int32_t)i + 1 : -1;
	}
	for (size_t i = 0; i < k; i++)
		queue_pair(m, w, (int32_t)i);
	while (w->heap_n) {
		uint64_t top = heap_pop(w);
		int32_t i = (int32_t)(uint32_t)top, right, after;

		if (w->rank[i] != top >> 32) /* the pair has changed since it was queued */
			continue;
		right = w->next[i];
		after = w->next[right];
		w->id[i] = m->merged[top >> 32];
		w->rank[right] = BPE_NO_RANK;
		w->next[i] = after;
		if (after >= 0)
			w->prev[after] = i;
		queue_pair(m, w, i);
		if (w->prev[i] >= 0)
			queue_pair(m, w, w->prev[i]);
	}
	for (int32_t i = k ? 0 : -1; i >= 0; i = w->next[i])
		ids_push(out, w->id[i]);
}

/* The walk, made now if nobody has needed it yet; NULL if there can be none. */
static const struct bpe_walk *walk_of(const struct bpe *m)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct bpe *own = (struct bpe *)m;           /* these two fields alone change behind a reader's back */

	if (atomic_load_explicit(&own->walk_tried, memory_order_acquire))
		return atomic_load_explicit(&own->walk, memory_order_relaxed);
	pthread_mutex_lock(&lock);
	if (!own->walk_tried) {
		atomic_store_explicit(&own->walk, bpe_walk_open(m), memory_order_relaxed);
		atomic_store_explicit(&own->walk_tried, true, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return own->walk;
}

/* Runs of characters that are tokens are walked; the others become what symbols_by_char makes of them. False if that is nothing: then what
 * stands around them may merge. */
static bool walk_by_char(const struct bpe *m, const struct bpe_walk *walk, struct bpe_scratch *w, const uint8_t *p, size_t n, struct ids *out)
{
	for (size_t from = 0, to = 0; from < n; from = to) {
		bool known = char_token(m, p + from, &(int){0}) >= 0;
		int bytes;

		for (; to < n && (char_token(m, p + to, &bytes) >= 0) == known; to += (size_t)bytes)
			;
		if (known) {
			bpe_walk_encode(walk, m, &w->walk, p + from, to - from, out);
			continue;
		}
		scratch_room(w, to - from);
		size_t k = symbols_by_char(m, p + from, to - from, w->id);
		for (size_t i = 0; i < k; i++)
			ids_push(out, w->id[i]);
		if (k == 0)
			return false;
	}
	return true;
}

void bpe_encode_by_heap(const struct bpe *m, struct bpe_scratch *w, const uint8_t *p, size_t n, struct ids *out)
{
	encode_long(m, w, p, n, out);
}

void bpe_encode(const struct bpe *m, struct bpe_scratch *w, const uint8_t *p, size_t n, struct ids *out)
{
	if (n <= BPE_SHORT) {
		encode_short(m, p, n, out);
		return;
	}
	bool soon = n >= WALK_BYTES || w->long_pieces >= WALK_PIECES || ++w->long_pieces == WALK_PIECES;
	const struct bpe_walk *walk = soon && (m->by_char || m->first) ? walk_of(m) : NULL;
	int64_t begin = out->n;

	if (walk && !m->by_char) {
		bpe_walk_encode(walk, m, &w->walk, p, n, out);
	} else if (!walk || !walk_by_char(m, walk, w, p, n, out)) {
		out->n = begin;
		encode_long(m, w, p, n, out);
	}
}

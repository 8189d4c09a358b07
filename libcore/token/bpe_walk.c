/* bpe_walk.c - see bpe_walk.h. */
#include "token/bpe_walk.h"

#include "token/bpe_pairs.h"
#include "token/unicode.h"

#include <stdlib.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NONE (-1)
#define NEVER UINT32_MAX
#define ID_BITS 21
#define LEN_BITS 11
#define SEEN_BITS 15

/* A token that merging makes, or a first symbol. What it was made of, and when: 0 for a symbol, else 1 + rank. */
struct part {
	int32_t left, right;
	uint32_t time;
	uint32_t len : LEN_BITS;     /* bytes; 0 = no text becomes this token */
	uint32_t shorter : ID_BITS;  /* the longest other token that its bytes begin with, plus one; 0 = none */
};

/* A node of the trie of all tokens. Nodes stand level by level, so that the children of one are next to each other, from `first` to the
 * next node's first; most have one or none, whose label is here, and all that a step needs in one load. */
struct node {
	uint64_t first : 26;
	uint64_t longest : ID_BITS;  /* of the tokens that begin what the node stands for, plus one; 0 = none */
	uint64_t children : 2;       /* 0, 1, or 2 for more */
	uint64_t label : 8;          /* the byte that leads to the only child */
	uint64_t own : 1;            /* that token ends here */
};

struct bpe_walk {
	uint64_t number;             /* from 1 on: no two have the same */
	struct part *parts;          /* by id */
	size_t n_parts;
	struct node *nodes;          /* node 0 is the root; one more behind the last */
	uint8_t *label;              /* the byte that leads to a node; 16 more behind the last */
	size_t n_nodes;
	uint32_t *second;            /* by two bytes: their node, 0 = none */
	uint32_t *third;             /* by the value of a character of three bytes: its node, 0 = none */
};

struct merge {
	int32_t left, right;
	uint32_t rank;
};

/* --- what merging can make ------------------------------------------------------------------------- */

/* Whether a and b, each merged by itself, are still apart before `limit`: at each moment from the last back to the first, no merge joins
 * what touches the border. Of merges of one rank the leftmost is first: one that ends at the border comes before one across it, and one
 * across it before one that begins there. */
static inline bool stay_apart(const struct part *parts, const struct bpe *m, int32_t a, int32_t b, uint32_t limit)
{
	for (;;) {
		uint32_t rank = rank_of(m, a, b);

		if (rank != BPE_NO_RANK && rank + 1 < limit)
			return false;
		if (parts[a].time > parts[b].time) {
			limit = parts[a].time;
			a = parts[a].right;
		} else if (parts[b].time) {
			limit = parts[b].time + 1;
			b = parts[b].left;
		} else {
			return true;
		}
	}
}

/* All merges by rank. */
static struct merge *merges_of(const struct bpe *m, size_t *n)
{
	size_t *start, all = 0, top = 0;
	struct bpe_pair pair;
	struct merge *out;

	for (size_t i = 0; bpe_next_merge(m, &i, &pair);) {
		all++;
		top = pair.rank > top ? pair.rank : top;
	}
	start = mem_array(top + 2, sizeof(*start));
	out = mem_array(all + 1, sizeof(*out));
	for (size_t i = 0; bpe_next_merge(m, &i, &pair);)
		start[pair.rank + 1]++;
	for (size_t r = 0; r <= top; r++)
		start[r + 1] += start[r];
	for (size_t i = 0; bpe_next_merge(m, &i, &pair);)
		out[start[pair.rank]++] = (struct merge){pair.left, pair.right, pair.rank};
	mem_free(start);
	*n = all;
	return out;
}

/* Texts of the tokens, one behind the other, while the trie is built. */
struct texts {
	struct buf bytes;
	uint32_t *at;                /* by id */
};

static void add_symbol(struct bpe_walk *k, struct texts *texts, int32_t id, const char *p, size_t n)
{
	if (id < 0 || (size_t)id >= k->n_parts || k->parts[id].len)
		return;
	k->parts[id] = (struct part){.left = id, .right = id, .len = (uint32_t)n};
	texts->at[id] = (uint32_t)texts->bytes.len;
	buf_add(&texts->bytes, p, n);
}

static void add_symbols(struct bpe_walk *k, const struct bpe *m, struct texts *texts)
{
	for (int b = 0; b < 256 && !m->by_char; b++)
		add_symbol(k, texts, m->byte_id[b], &(char){(char)b}, 1);
	if (!m->by_char || !m->vocab->n)
		return;
	for (size_t i = 0; i <= m->vocab->mask; i++) {
		const struct strmap_slot *t = &m->vocab->slots[i];
		int bytes;

		if (t->key && t->len && (utf8_decode((const uint8_t *)t->key, &bytes), (uint32_t)bytes == t->len))
			add_symbol(k, texts, t->value, t->key, t->len);
	}
}

/* Fills the parts. False if the merges are not in order of time. */
static bool find_parts(struct bpe_walk *k, const struct bpe *m, const struct merge *v, size_t n, struct texts *texts)
{
	struct part *parts = k->parts;

	add_symbols(k, m, texts);
	for (size_t i = 0; i < n; i++) {
		struct part *l = &parts[v[i].left], *r = &parts[v[i].right], *t = &parts[m->merged[v[i].rank]];

		if (!l->len || !r->len || t->len || !stay_apart(parts, m, v[i].left, v[i].right, v[i].rank + 1))
			continue;
		uint32_t len = (uint32_t)l->len + r->len;
		if (len >= 1 << LEN_BITS)
			return false;
		*t = (struct part){.left = v[i].left, .right = v[i].right, .time = v[i].rank + 1, .len = len};
		texts->at[t - parts] = (uint32_t)texts->bytes.len;
		buf_reserve(&texts->bytes, len);
		buf_add(&texts->bytes, texts->bytes.data + texts->at[v[i].left], l->len);
		buf_add(&texts->bytes, texts->bytes.data + texts->at[v[i].right], r->len);
	}
	for (size_t i = 0; i < n; i++) {
		const struct part *l = &parts[v[i].left], *r = &parts[v[i].right];

		/* no harm in one whose parts never come to stand side by side */
		if (l->len && r->len && (l->time > v[i].rank || r->time > v[i].rank) && stay_apart(parts, m, v[i].left, v[i].right, 0))
			return false;
	}
	return true;
}

/* --- the trie ---------------------------------------------------------------------------------------- */

struct sorted {
	uint64_t head;               /* the first bytes, big-endian */
	const uint8_t *text;
	uint32_t len;
	int32_t id;
};

static int by_text(const void *x, const void *y)
{
	const struct sorted *a = x, *b = y;
	size_t n = a->len < b->len ? a->len : b->len;

	if (a->head != b->head)
		return a->head < b->head ? -1 : 1;
	int c = memcmp(a->text, b->text, n);
	return c ? c : a->len < b->len ? -1 : a->len > b->len;
}

static struct sorted *sort_tokens(const struct bpe_walk *k, const struct texts *texts, size_t *n)
{
	struct sorted *v = mem_array(k->n_parts + 1, sizeof(*v));

	*n = 0;
	for (size_t id = 0; id < k->n_parts; id++) {
		const struct part *t = &k->parts[id];
		struct sorted s = {0, (const uint8_t *)texts->bytes.data + texts->at[id], t->len, (int32_t)id};

		for (uint32_t i = 0; i < 8; i++)
			s.head = s.head << 8 | (i < s.len ? s.text[i] : 0);
		if (t->len)
			v[(*n)++] = s;
	}
	qsort(v, *n, sizeof(*v), by_text);
	return v;
}

struct range {                       /* sorted tokens that begin with what a node stands for */
	uint32_t from, to;
};

static void trie_room(struct bpe_walk *k, struct range **ranges, size_t *cap)
{
	if (k->n_nodes + 256 + 16 <= *cap)
		return;
	*cap = *cap * 2 + 1024;
	*ranges = mem_grow(*ranges, *cap, sizeof(**ranges));
	k->nodes = mem_grow(k->nodes, *cap, sizeof(*k->nodes));
	k->label = mem_grow(k->label, *cap, 1);
}

/* The nodes of one level follow those of the level before; ranges has one entry a node. */
static void build_trie(struct bpe_walk *k, const struct sorted *v, size_t n)
{
	size_t cap = 0, level_end = 1;
	uint32_t depth = 0;
	struct range *ranges = NULL;

	trie_room(k, &ranges, &cap);
	ranges[0] = (struct range){0, (uint32_t)n};
	k->nodes[0] = (struct node){0};
	k->n_nodes = 1;
	for (size_t i = 0; i < k->n_nodes; i++) {
		struct range r = ranges[i];
		struct node node = {.first = k->n_nodes, .longest = k->nodes[i].longest};

		if (i == level_end) {
			depth++;
			level_end = k->n_nodes;
		}
		trie_room(k, &ranges, &cap);
		if (r.from < r.to && v[r.from].len == depth) {
			k->parts[v[r.from].id].shorter = (uint32_t)node.longest;
			node.longest = (uint32_t)v[r.from++].id + 1;
			node.own = 1;
		}
		while (r.from < r.to) {
			uint32_t to = r.from;

			node.label = v[r.from].text[depth];
			while (to < r.to && v[to].text[depth] == node.label)
				to++;
			k->label[k->n_nodes] = node.label;
			k->nodes[k->n_nodes].longest = node.longest;
			ranges[k->n_nodes++] = (struct range){r.from, to};
			node.children += node.children < 2;
			r.from = to;
		}
		k->nodes[i] = node;
	}
	k->nodes[k->n_nodes] = (struct node){.first = k->n_nodes};
	memset(k->label + k->n_nodes, 0, 16);
	mem_free(ranges);
}

/* Of many children the one by a byte; 0 if there is none. SSE2 is part of every x86-64. */
static uint32_t child_of_many(const struct bpe_walk *k, uint32_t c, uint32_t end, uint8_t byte)
{
#ifdef __SSE2__
	for (; c < end; c += 16) {
		__m128i labels = _mm_loadu_si128((const __m128i *)(const void *)(k->label + c));
		uint32_t hit = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(labels, _mm_set1_epi8((char)byte)));

		if (hit) {
			c += (uint32_t)__builtin_ctz(hit);
			return c < end ? c : 0;
		}
	}
#else
	for (; c < end; c++)
		if (k->label[c] == byte)
			return c;
#endif
	return 0;
}

static inline uint32_t child(const struct bpe_walk *k, uint32_t node, struct node here, uint8_t byte)
{
	if (here.children < 2)
		return here.children && here.label == byte ? (uint32_t)here.first : 0;
	return child_of_many(k, (uint32_t)here.first, (uint32_t)k->nodes[node + 1].first, byte);
}

static void fill_tables(struct bpe_walk *k)
{
	k->second = mem_array(65536, sizeof(*k->second));
	k->third = mem_array(65536, sizeof(*k->third));
	for (uint32_t a = 0; a < 256; a++) {
		uint32_t c = child(k, 0, k->nodes[0], (uint8_t)a);

		for (uint32_t b = 0; c && b < 256; b++)
			k->second[a << 8 | b] = child(k, c, k->nodes[c], (uint8_t)b);
	}
	for (uint32_t cp = 0x800; cp < 65536; cp++) {
		char c[4];

		utf8_encode(cp, c);
		uint32_t node = k->second[(uint8_t)c[0] << 8 | (uint8_t)c[1]];
		k->third[cp] = node ? child(k, node, k->nodes[node], (uint8_t)c[2]) : 0;
	}
}

/* --- making one ---------------------------------------------------------------------------------------- */

/* The tokens of byte fallback and the unknown one stand for bytes that the trie does not have. */
static bool merges_unknown(const struct bpe *m, const struct merge *v, size_t n)
{
	for (size_t i = 0; m->by_char && i < n; i++) {
		if (v[i].left == m->unk || v[i].right == m->unk)
			return true;
		for (int b = 0; b < 256; b++)
			if (m->fallback[b] >= 0 && (v[i].left == m->fallback[b] || v[i].right == m->fallback[b]))
				return true;
	}
	return false;
}

static size_t ids_of(const struct bpe *m, const struct merge *v, size_t n)
{
	int32_t top = 0;

	for (size_t i = 0; i < n; i++) {
		top = v[i].left > top ? v[i].left : top;
		top = v[i].right > top ? v[i].right : top;
		top = m->merged[v[i].rank] > top ? m->merged[v[i].rank] : top;
	}
	for (int b = 0; b < 256; b++)
		top = m->byte_id[b] > top ? m->byte_id[b] : top;
	for (size_t i = 0; m->by_char && m->vocab->n && i <= m->vocab->mask; i++)
		if (m->vocab->slots[i].key && m->vocab->slots[i].value > top)
			top = m->vocab->slots[i].value;
	return (size_t)top + 1;
}

struct bpe_walk *bpe_walk_open(const struct bpe *m)
{
	static _Atomic uint64_t made;
	struct bpe_walk *k = mem_zalloc(sizeof(*k));
	struct texts texts = {0};
	size_t n, n_tokens;
	struct merge *v = merges_of(m, &n);
	bool good = !merges_unknown(m, v, n);

	k->number = ++made;
	k->n_parts = ids_of(m, v, n);
	k->parts = mem_array(k->n_parts, sizeof(*k->parts));
	texts.at = mem_array(k->n_parts, sizeof(*texts.at));
	if (good && (good = find_parts(k, m, v, n, &texts))) {
		struct sorted *s = sort_tokens(k, &texts, &n_tokens);

		build_trie(k, s, n_tokens);
		fill_tables(k);
		mem_free(s);
	}
	mem_free(v);
	buf_release(&texts.bytes);
	mem_free(texts.at);
	if (good)
		return k;
	bpe_walk_close(k);
	return NULL;
}

void bpe_walk_close(struct bpe_walk *k)
{
	if (!k)
		return;
	mem_free(k->parts);
	mem_free(k->nodes);
	mem_free(k->label);
	mem_free(k->second);
	mem_free(k->third);
	mem_free(k);
}

int64_t bpe_walk_time(const struct bpe_walk *k, int32_t id)
{
	return id >= 0 && (size_t)id < k->n_parts && k->parts[id].len ? (int64_t)k->parts[id].time : -1;
}

bool bpe_walk_meet(const struct bpe_walk *k, const struct bpe *m, int32_t left, int32_t right)
{
	return bpe_walk_time(k, left) >= 0 && bpe_walk_time(k, right) >= 0 && stay_apart(k->parts, m, left, right, 0);
}

/* --- walking ---------------------------------------------------------------------------------------------- */

/* The longest token that begins at p, plus one, and its length; 0 if there is none. A character of three bytes, as most of those of Chinese
 * and Japanese, is one step if that is a whole one; else, and with another sequence of its shape, the bytes are taken one by one. */
static inline uint32_t longest_at(const struct bpe_walk *k, const uint8_t *p, size_t n, size_t *len)
{
	uint32_t node, next;
	size_t i = 2;

	if (n > 2 && (p[0] & 0xf0) == 0xe0 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80 &&
	    (next = k->third[(p[0] & 0x0f) << 12 | (p[1] & 0x3f) << 6 | (p[2] & 0x3f)])) {
		node = next;
		i = 3;
	} else if (n < 2 || !(node = k->second[p[0] << 8 | p[1]])) {
		node = child(k, 0, k->nodes[0], p[0]);
		i = 1;
		n = 1;
	}
	struct node here = k->nodes[node];
	*len = here.own ? i : 0;
	while (i < n && (next = child(k, node, here, p[i]))) {
		node = next;
		here = k->nodes[node];
		i++;
		*len = here.own ? i : *len;
	}
	if (!*len && here.longest)           /* it ended before the first node that was looked at */
		*len = k->parts[here.longest - 1].len;
	return (uint32_t)here.longest;
}

/* stay_apart of two whole tokens, through what the scratch remembers: in a text the same neighbours come again. */
static inline bool may_follow(const struct part *parts, const struct bpe *m, struct bpe_walk_scratch *w, int32_t last, int32_t token)
{
	uint64_t pair = pair_of(last, token);
	uint64_t *seen = &w->seen[hash(pair) >> (64 - SEEN_BITS)];

	if (*seen >> 1 != pair)
		*seen = pair << 1 | stay_apart(parts, m, last, token, NEVER);
	return *seen & 1;
}

static inline bool get_bit(const uint64_t *bits, size_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static void room(const struct bpe_walk *k, struct bpe_walk_scratch *w, size_t n)
{
	size_t words = n / 64 + 1;

	if (words > w->cap) {
		w->cap = words * 2;
		w->left = mem_grow(w->left, w->cap, sizeof(*w->left));
	}
	memset(w->left, 0, words * sizeof(*w->left));
	if (w->of != k->number) { /* what another vocabulary's tokens do means nothing here */
		if (!w->seen)
			w->seen = mem_array((size_t)1 << SEEN_BITS, sizeof(*w->seen));
		memset(w->seen, 0xff, sizeof(*w->seen) << SEEN_BITS);
		w->of = k->number;
	}
}

void bpe_walk_encode(const struct bpe_walk *k, const struct bpe *m, struct bpe_walk_scratch *w, const uint8_t *p, size_t n, struct ids *out)
{
	const struct part *parts = k->parts;
	int64_t begin = out->n;
	size_t at = 0, len = 0;
	uint32_t token = n ? longest_at(k, p, n, &len) : 0; /* plus one, as in the tables */

	room(k, w, n);
	while (at < n && (at == 0 || out->n > begin)) { /* each symbol is a token, so the start always has one that leads on */
		int32_t last = out->n > begin ? out->v[out->n - 1] : NONE;

		while (token && (get_bit(w->left, at + len) || (last != NONE && !may_follow(parts, m, w, last, (int32_t)token - 1)))) {
			token = parts[token - 1].shorter;
			len = token ? parts[token - 1].len : 0;
		}
		if (token) {
			ids_push(out, (int32_t)token - 1);
			at += len;
			token = at < n ? longest_at(k, p + at, n - at, &len) : 0;
		} else {                     /* no token fits here: the last was not the right one */
			w->left[at / 64] |= (uint64_t)1 << at % 64;
			len = parts[last].len;
			at -= len;
			out->n--;
			token = (uint32_t)last + 1; /* its end is marked now, so a shorter one is tried */
		}
	}
}

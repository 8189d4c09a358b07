#include "judge/metric_lcs.h"

#define ALL_ROWS 65536               /* words of bits that every token may have its row in */
#define KEEP 256

static void room(void **p, size_t *cap, size_t n, size_t size)
{
	if (n <= *cap)
		return;
	mem_free(*p);
	*cap = n + n / 2;
	*p = mem_array(*cap, size);
}

void lcs_places_release(struct places *p)
{
	mem_free(p->head);
	mem_free(p->next);
	mem_free(p->rows);
	mem_free(p->rare);
	*p = (struct places){ 0 };
}

/* Forgets the last text; the arrays per token stay zero but for its tokens. */
static void clear(struct places *p, uint32_t ids, int64_t n)
{
	if (ids > p->cap_ids) {
		mem_free(p->head);
		p->cap_ids = ids + ids / 2;
		p->head = mem_array(p->cap_ids * 3, sizeof(*p->head));
		p->count = p->head + p->cap_ids;
		p->row = p->count + p->cap_ids;
	} else {
		for (int64_t i = 0; i < p->n; i++)
			p->head[p->token[i]] = p->count[p->token[i]] = p->row[p->token[i]] = 0;
	}
	if ((size_t)n > p->cap_places) {
		mem_free(p->next);
		p->cap_places = (size_t)n + (size_t)n / 2;
		p->next = mem_array(p->cap_places * 2, sizeof(*p->next));
		p->token = p->next + p->cap_places;
	}
}

void places_set(struct places *p, const struct tokens *t, uint32_t ids)
{
	uint32_t rows = 0;
	clear(p, ids, t->n);
	p->n = t->n;
	p->width = ((size_t)t->n + 63) / 64;
	p->ids = ids;
	for (int64_t i = 0; i < t->n; i++) {
		uint32_t id = p->token[i] = t->v[i];
		p->next[i] = p->head[id];
		p->head[id] = (uint32_t)i + 1;
		p->count[id]++;
	}
	bool all = (uint64_t)t->n * p->width <= ALL_ROWS;
	for (int64_t i = 0; i < t->n; i++)
		if (!p->row[t->v[i]] && (all || p->count[t->v[i]] > p->width))
			p->row[t->v[i]] = ++rows;
	room((void **)&p->rows, &p->cap_rows, rows * p->width, sizeof(*p->rows));
	room((void **)&p->rare, &p->cap_rare, p->width * 2, sizeof(*p->rare));
	if (rows)
		memset(p->rows, 0, rows * p->width * sizeof(*p->rows));
	if (p->width)
		memset(p->rare, 0, p->width * 2 * sizeof(*p->rare));
	for (int64_t i = 0; i < t->n; i++)
		if (p->row[t->v[i]])
			p->rows[(p->row[t->v[i]] - 1) * p->width + (size_t)i / 64] |= 1ull << (i & 63);
}

/* The first half of rare stays zero: the bits of a token that is nowhere. */
const uint64_t *places_of(struct places *p, uint32_t id)
{
	uint64_t *bits = p->rare + p->width;
	if (id >= p->ids || !p->count[id])
		return p->rare;
	if (p->row[id])
		return p->rows + (p->row[id] - 1) * p->width;
	memset(bits, 0, p->width * sizeof(*bits));
	for (uint32_t i = p->head[id]; i; i = p->next[i - 1])
		bits[(i - 1) / 64] |= 1ull << ((i - 1) & 63);
	return bits;
}

/* A zero bit i of v: the subsequence with text[0..i] is one longer than with text[0..i). */
static void lcs_step(const struct places *p, const uint64_t *from, const uint64_t *eq, uint64_t *to)
{
	unsigned char carry = 0;
	for (size_t k = 0; k < p->width; k++) {
		uint64_t v = from[k], u = v & eq[k], sum = v + u, with = sum + carry;
		carry = (sum < v) | (with < sum);
		to[k] = with | (v & ~u);
	}
}

int64_t lcs_length(struct places *p, const struct tokens *b, uint64_t *v)
{
	int64_t ones = 0;
	if (!p->n)
		return 0;
	memset(v, 0xff, p->width * sizeof(*v));
	for (int64_t j = 0; j < b->n; j++)
		lcs_step(p, v, places_of(p, b->v[j]), v);
	if (p->n & 63)
		v[p->width - 1] |= ~0ull << (p->n & 63);
	for (size_t k = 0; k < p->width; k++)
		ones += __builtin_popcountll(v[k]);
	return (int64_t)p->width * 64 - ones;
}

size_t lcs_mark_words(const struct places *p, int64_t b)
{
	return ((size_t)b / KEEP + 1 + KEEP) * p->width;
}

void lcs_mark(struct places *p, const struct tokens *text, const struct tokens *b, uint64_t *scratch, bool *hit)
{
	size_t width = p->width, bytes = width * sizeof(*scratch);
	uint64_t *kept = scratch, *rows = scratch + ((size_t)b->n / KEEP + 1) * width;
	int64_t i = p->n, j = b->n, first = b->n + 1;        /* rows[0] is that of b[0..first) */
	if (!p->n)
		return;
	memset(kept, 0xff, bytes);
	for (int64_t k = 0; k + KEEP <= b->n; k += KEEP) {
		uint64_t *to = kept + (size_t)(k / KEEP + 1) * width;
		memcpy(to, to - width, bytes);
		for (int64_t q = k; q < k + KEEP; q++)
			lcs_step(p, to, places_of(p, b->v[q]), to);
	}
	while (i > 0 && j > 0) {
		if (j < first) {
			first = j / KEEP * KEEP;
			memcpy(rows, kept + (size_t)(first / KEEP) * width, bytes);
			for (int64_t q = first; q < j; q++)
				lcs_step(p, rows + (size_t)(q - first) * width, places_of(p, b->v[q]),
					 rows + (size_t)(q - first + 1) * width);
		}
		if (text->v[i - 1] == b->v[j - 1]) {
			hit[--i] = true;
			j--;
		} else if (rows[(size_t)(j - first) * width + (size_t)(i - 1) / 64] >> ((i - 1) & 63) & 1) {
			i--;
		} else {
			j--;
		}
	}
}

int64_t edit_distance(struct places *p, const struct tokens *b, uint64_t *v)
{
	int64_t distance = p->n;
	size_t width = p->width;
	uint64_t *plus = v, *minus = v + width, last = 1ull << ((p->n - 1) & 63);
	if (!p->n)
		return b->n;
	memset(plus, 0xff, width * sizeof(*plus));
	memset(minus, 0, width * sizeof(*minus));
	for (int64_t j = 0; j < b->n; j++) {
		const uint64_t *eq = places_of(p, b->v[j]);
		uint64_t in_plus = 1, in_minus = 0;       /* the first row of the table grows by one each column */
		for (size_t k = 0; k < width; k++) {
			uint64_t pv = plus[k], mv = minus[k], x = eq[k] | mv, e = eq[k] | in_minus;
			uint64_t d = (((e & pv) + pv) ^ pv) | e, hp = mv | ~(d | pv), hm = d & pv;
			if (k == width - 1)
				distance += ((hp & last) != 0) - ((hm & last) != 0);
			uint64_t out_plus = hp >> 63, out_minus = hm >> 63;
			hp = hp << 1 | in_plus;
			hm = hm << 1 | in_minus;
			plus[k] = hm | ~(x | hp);
			minus[k] = hp & x;
			in_plus = out_plus;
			in_minus = out_minus;
		}
	}
	return distance;
}

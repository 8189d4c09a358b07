/* clusters.c - candidate pairs by sorting, components by union-find; see clusters.h. */
#include "text/clusters.h"

#include "base/mem.h"

/* A record: 64 bits of the key; 31 more, the bit of equal texts, and the row. */
#define WORDS 2
#define ROWS_MIN 4096

struct clusters {
	struct clusters_options o;
	struct sorter *keys;
	uint32_t rows, cap;
	uint32_t *parent;            /* a row of the same cluster with a smaller number, or the row itself */
	uint64_t *rank;              /* NULL where they do not matter */
	uint32_t *best;              /* of a cluster, at its first row */
	uint64_t *earlier;           /* of a row, then of a cluster at its first row; NULL without earlier runs */
	uint8_t *repeats, *several;  /* bits by row */
	struct clusters_stats stats;
};

static bool bit(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

static void set_bit(uint8_t *bits, uint32_t i)
{
	bits[i / 8] |= (uint8_t)(1 << i % 8);
}

struct clusters *clusters_open(const struct clusters_options *o)
{
	struct clusters *c = mem_zalloc(sizeof(*c));
	c->o = *o;
	c->keys = sorter_open(WORDS, o->memory / 4, o->tmp, o->pool);
	return c;
}

void clusters_close(struct clusters *c)
{
	if (!c)
		return;
	sorter_close(c->keys);
	mem_free(c->parent);
	mem_free(c->rank);
	mem_free(c->best);
	mem_free(c->earlier);
	mem_free(c->repeats);
	mem_free(c->several);
	mem_free(c);
}

static size_t row_bytes(const struct clusters *c)
{
	return (c->o.keep == CLUSTERS_RANKED ? 16 : 4) + (c->o.meet ? 8 : 0);
}

enum status clusters_row(struct clusters *c, uint64_t rank, struct error *err)
{
	if (c->rows == CLUSTERS_ROWS_MAX)
		return error_set(err, ERR_UNSUPPORTED, "more than %u rows to compare", CLUSTERS_ROWS_MAX);
	if (c->rows == c->cap) {
		size_t most = c->o.memory / 4 * 3 / row_bytes(c), cap = c->cap ? (size_t)c->cap + c->cap / 2 : ROWS_MIN;
		most = most < ROWS_MIN ? ROWS_MIN : most < CLUSTERS_ROWS_MAX ? most : CLUSTERS_ROWS_MAX;
		if (c->rows == most)
			return error_set(err, ERR_MEMORY, "--memory: %zu bytes do for %zu rows, and there are more", c->o.memory, most);
		cap = cap < most ? cap : most;
		c->parent = mem_grow(c->parent, cap, sizeof(*c->parent));
		if (c->o.keep == CLUSTERS_RANKED)
			c->rank = mem_grow(c->rank, cap, sizeof(*c->rank));
		if (c->o.meet)
			c->earlier = mem_grow(c->earlier, cap, sizeof(*c->earlier));
		c->cap = (uint32_t)cap;
	}
	if (c->rank)
		c->rank[c->rows] = rank;
	if (c->earlier)
		c->earlier[c->rows] = CLUSTERS_NEW;
	c->parent[c->rows] = c->rows;
	c->rows++;
	return OK;
}

enum status clusters_key(struct clusters *c, const uint64_t key[2], bool equal, struct error *err)
{
	const uint64_t record[WORDS] = {key[1], (key[0] & 0xfffffffeull << 32) | (uint64_t)equal << 32 | (c->rows - 1)};
	return sorter_add(c->keys, record, err);
}

/* --- components ------------------------------------------------------------------------------ */

/* The first row of the cluster; the path to it is halved on the way (van Leeuwen and van der Weide 1977). */
static uint32_t find(struct clusters *c, uint32_t row)
{
	while (c->parent[row] != row) {
		c->parent[row] = c->parent[c->parent[row]];
		row = c->parent[row];
	}
	return row;
}

static void join(struct clusters *c, uint32_t a, uint32_t b)
{
	a = find(c, a);
	b = find(c, b);
	if (a == b)
		return;
	uint32_t first = a < b ? a : b, other = a < b ? b : a;
	c->parent[other] = first;
	set_bit(c->several, first);
	c->stats.joined++;
}

/* After the last row. */
static void make_bits(struct clusters *c)
{
	if (c->repeats)
		return;
	c->repeats = mem_zalloc(c->rows / 8 + 1);
	c->several = mem_zalloc(c->rows / 8 + 1);
}

void clusters_join(struct clusters *c, uint32_t a, uint32_t b, bool equal)
{
	make_bits(c);
	if (equal)
		set_bit(c->repeats, b);
	join(c, a, b);
}

enum status clusters_keys(struct clusters *c, enum status (*tell)(void *arg, const uint64_t record[2], struct error *err), void *arg,
			  struct error *err)
{
	uint64_t record[WORDS];
	enum status st;
	TRY(sorter_finish(c->keys, err));
	while ((st = sorter_next(c->keys, record, err)) == OK)
		TRY(tell(arg, record, err));
	return st == END ? OK : st;
}

uint32_t clusters_rows(const struct clusters *c)
{
	return c->rows;
}

uint64_t clusters_rank(const struct clusters *c, uint32_t row)
{
	return c->rank ? c->rank[row] : 0;
}

void clusters_seen(struct clusters *c, uint32_t row, uint64_t earlier)
{
	if (earlier < c->earlier[row])
		c->earlier[row] = earlier;
}

bool clusters_is_seen(const struct clusters *c, uint32_t row)
{
	return c->earlier[row] != CLUSTERS_NEW;
}

bool clusters_together(struct clusters *c, uint32_t a, uint32_t b)
{
	return find(c, a) == find(c, b);
}

struct bucket {                      /* rows with one key, as they come */
	uint64_t key;
	uint32_t more;               /* 31 bits of it, and the bit of equal texts */
	uint32_t n;                  /* rows so far */
	uint32_t first;
	uint64_t earlier;            /* row of an earlier run that has the key */
	uint32_t *rows, n_rows, cap; /* all of them, if they are to be judged */
};

/* A row and those of its bucket that came before it. */
static void meet(struct clusters *c, const struct bucket *b, uint32_t row)
{
	bool equal = b->more & 1;
	if (equal)
		set_bit(c->repeats, row);
	if (equal || !c->o.judge)
		join(c, b->first, row);
}

/* The best of each cluster, at its first row; ties go to the earlier row. */
static void choose_best(struct clusters *c)
{
	c->best = mem_array(c->rows, sizeof(*c->best));
	for (uint32_t row = 0; row < c->rows; row++) {
		uint32_t first = find(c, row);
		if (first == row || c->rank[row] < c->rank[c->best[first]])
			c->best[first] = row;
	}
}

/* What one row has of earlier runs, all of its cluster have. */
static void share_earlier(struct clusters *c)
{
	for (uint32_t row = 0; row < c->rows; row++) {
		uint32_t first = find(c, row);
		if (c->earlier[row] < c->earlier[first])
			c->earlier[first] = c->earlier[row];
	}
}

/* After its last row. */
static enum status end_bucket(struct clusters *c, struct bucket *b, struct error *err)
{
	return c->o.judge && b->n_rows > (c->o.meet ? 0 : 1) ? c->o.judge(c->o.arg, b->rows, b->n_rows, err) : OK;
}

/* The next record in order: of the bucket, or the first of another. */
static enum status take(struct clusters *c, struct bucket *b, const uint64_t record[WORDS], struct error *err)
{
	uint32_t row = (uint32_t)record[1], more = (uint32_t)(record[1] >> 32);
	if (b->n == 0 || record[0] != b->key || more != b->more) {
		TRY(end_bucket(c, b, err));
		*b = (struct bucket){.key = record[0], .more = more, .first = row, .earlier = CLUSTERS_NEW, .rows = b->rows, .cap = b->cap};
	} else {
		meet(c, b, row);
	}
	if (c->o.meet)
		TRY(c->o.meet(c->o.arg, record, b->n == 0, &b->earlier, err));
	b->n++;
	if (c->o.judge && !(more & 1)) {
		MEM_PUSH_ROOM(b->rows, b->n_rows, b->cap);
		b->rows[b->n_rows++] = row;
	}
	if (b->earlier < CLUSTERS_NEW)
		clusters_seen(c, row, b->earlier);
	return OK;
}

static enum status take_all(struct clusters *c, struct error *err)
{
	struct bucket b = {.n = 0};
	uint64_t record[WORDS];
	enum status st;
	while ((st = sorter_next(c->keys, record, err)) == OK && (st = take(c, &b, record, err)) == OK)
		;
	if (st == END)
		st = end_bucket(c, &b, err);
	mem_free(b.rows);
	return st;
}

enum status clusters_decide(struct clusters *c, struct error *err)
{
	c->stats.bytes = sorter_records(c->keys) * WORDS * sizeof(uint64_t) + c->rows * row_bytes(c) + c->rows / 4;
	make_bits(c);
	TRY(sorter_finish(c->keys, err));
	TRY(take_all(c, err));
	c->stats.keys = sorter_records(c->keys);
	c->stats.runs = sorter_runs(c->keys);
	sorter_close(c->keys);
	c->keys = NULL;
	if (c->o.keep == CLUSTERS_RANKED)
		choose_best(c);
	if (c->earlier)
		share_earlier(c);
	return OK;
}

uint64_t clusters_earlier(struct clusters *c, uint32_t row)
{
	return c->earlier ? c->earlier[find(c, row)] : CLUSTERS_NEW;
}

uint32_t clusters_kept(struct clusters *c, uint32_t row)
{
	uint32_t first = find(c, row);
	return c->best ? c->best[first] : first;
}

bool clusters_drops(struct clusters *c, uint32_t row)
{
	uint32_t kept = clusters_kept(c, row);
	return kept != row || (c->o.keep == CLUSTERS_NONE && bit(c->several, row)) || clusters_earlier(c, row) != CLUSTERS_NEW;
}

bool clusters_repeats(const struct clusters *c, uint32_t row)
{
	return bit(c->repeats, row);
}

struct clusters_stats clusters_stats(struct clusters *c)
{
	struct clusters_stats s = c->stats;
	s.rows = c->rows;
	for (uint32_t row = 0; row < c->rows; row++)
		s.clusters += find(c, row) == row && bit(c->several, row);
	return s;
}

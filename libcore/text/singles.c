/* singles.c - see singles.h. */
#include "text/singles.h"

#include "base/mem.h"

#define VERDICT 2                    /* words: the row and the one that is kept, the earlier one */

struct singles {
	struct clusters_options o;
	bool ranked;
	int words;                   /* of a key: 64 bits of it; 31 more, the bit of equal texts, and the row; or the rank and the row behind */
	struct sorter *keys, *verdicts;
	uint64_t next[VERDICT];      /* of the next row that goes */
	uint32_t rows, told;
	struct clusters_stats stats;
};

struct singles *singles_open(const struct clusters_options *o)
{
	struct singles *s = mem_zalloc(sizeof(*s));
	s->o = *o;
	s->ranked = o->keep == CLUSTERS_RANKED;
	s->words = s->ranked ? 4 : 2;
	s->keys = sorter_open(s->words, o->memory / 2, o->tmp, o->pool);
	s->verdicts = sorter_open(VERDICT, o->memory / 2, o->tmp, o->pool);
	return s;
}

void singles_close(struct singles *s)
{
	if (!s)
		return;
	sorter_close(s->keys);
	sorter_close(s->verdicts);
	mem_free(s);
}

enum status singles_row(struct singles *s, const uint64_t key[2], uint64_t rank, struct error *err)
{
	uint64_t record[4] = {key[1], (key[0] & 0xfffffffeull) << 32 | 1ull << 32, rank, s->rows};
	if (s->rows == CLUSTERS_ROWS_MAX)
		return error_set(err, ERR_UNSUPPORTED, "more than %u rows to compare", CLUSTERS_ROWS_MAX);
	if (!s->ranked)
		record[1] |= s->rows;
	s->rows++;
	return sorter_add(s->keys, record, err);
}

static enum status put(struct singles *s, uint32_t row, uint32_t kept, uint64_t earlier, struct error *err)
{
	const uint64_t verdict[VERDICT] = {(uint64_t)row << 32 | kept, earlier};
	return sorter_add(s->verdicts, verdict, err);
}

struct group {                       /* rows with one key, as they come: the one that is kept first */
	uint64_t key[2], n, earlier;
	uint32_t kept;
};

static enum status take(struct singles *s, struct group *g, const uint64_t *key, struct error *err)
{
	uint64_t more = key[1] >> 32;
	uint32_t row = (uint32_t)key[s->words - 1];
	if (g->n == 0 || key[0] != g->key[0] || more != g->key[1]) {
		const uint64_t record[2] = {key[0], more << 32 | row};
		*g = (struct group){.key = {key[0], more}, .n = 1, .earlier = CLUSTERS_NEW, .kept = row};
		if (s->o.meet)
			TRY(s->o.meet(s->o.arg, record, true, &g->earlier, err));
		return g->earlier != CLUSTERS_NEW ? put(s, row, row, g->earlier, err) : OK;
	}
	if (g->n++ == 1) {
		s->stats.clusters++;
		if (s->o.keep == CLUSTERS_NONE && g->earlier == CLUSTERS_NEW)
			TRY(put(s, g->kept, g->kept, g->earlier, err));
	}
	return put(s, row, g->kept, g->earlier, err);
}

static enum status advance(struct singles *s, struct error *err)
{
	enum status st = sorter_next(s->verdicts, s->next, err);
	if (st == END)
		s->next[0] = UINT64_MAX;
	return st == END ? OK : st;
}

enum status singles_decide(struct singles *s, struct error *err)
{
	struct group g = {.n = 0};
	uint64_t key[4];
	enum status st;
	TRY(sorter_finish(s->keys, err));
	while ((st = sorter_next(s->keys, key, err)) == OK)
		TRY(take(s, &g, key, err));
	if (st != END)
		return st;
	s->stats.keys = sorter_records(s->keys);
	s->stats.runs = sorter_runs(s->keys);
	s->stats.rows = s->rows;
	s->stats.bytes = s->stats.keys * (uint64_t)s->words * sizeof(*key) + sorter_records(s->verdicts) * sizeof(s->next);
	sorter_close(s->keys);
	s->keys = NULL;
	TRY(sorter_finish(s->verdicts, err));
	return advance(s, err);
}

enum status singles_next(struct singles *s, struct singles_verdict *v, struct error *err)
{
	uint32_t row = s->told++;
	*v = (struct singles_verdict){.kept = row, .earlier = CLUSTERS_NEW};
	if (s->next[0] >> 32 != row || s->next[0] == UINT64_MAX)
		return OK;
	*v = (struct singles_verdict){true, (uint32_t)s->next[0], s->next[1]};
	return advance(s, err);
}

struct clusters_stats singles_stats(const struct singles *s)
{
	return s->stats;
}

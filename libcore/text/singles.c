/* singles.c - see singles.h. */
#include "text/singles.h"

#include "base/mem.h"
#include "text/seen.h"

#define VERDICT 2                    /* words: the row and the one that is kept, the earlier one */

struct singles {
	struct clusters_options o;
	bool ranked;
	int words;                   /* of a key: 64 bits of it; 31 more, the bit of equal texts, and the row; or the rank and the row behind */
	struct sorter *keys, *verdicts;
	uint64_t next[VERDICT];      /* of the next row that goes */
	uint32_t rows, told;
	struct seen *seen;           /* keys of rows that are judged as they come; NULL: none are, or none any more */
	uint32_t known;              /* rows before this one were */
	struct pair { uint32_t row, kept; } *pairs;  /* of those that singles_next has not told yet, which go, and the rows that stay for them */
	uint32_t n_pairs, next_pair, cap_pairs;
	struct clusters_stats stats;
};

struct singles *singles_open(const struct clusters_options *o, bool at_once)
{
	struct singles *s = mem_zalloc(sizeof(*s));
	s->o = *o;
	s->ranked = o->keep == CLUSTERS_RANKED;
	s->words = s->ranked ? 4 : 2;
	s->keys = sorter_open(s->words, o->memory / 2, o->tmp, o->pool);
	s->verdicts = sorter_open(VERDICT, o->memory / 2, o->tmp, o->pool);
	if (at_once && o->keep == CLUSTERS_FIRST && !o->meet)
		s->seen = seen_open(o->memory / 2);
	return s;
}

void singles_close(struct singles *s)
{
	if (!s)
		return;
	sorter_close(s->keys);
	sorter_close(s->verdicts);
	seen_close(s->seen);
	mem_free(s->pairs);
	mem_free(s);
}

/* The table has become too large: its keys go where those of the rows to come do. One that came again goes there twice, with the row that
 * has been told to stay, so that it counts as a cluster. */
static enum status stop_judging(struct singles *s, struct error *err)
{
	uint64_t at = 0, record[2];
	bool again;
	enum status st = OK;
	while (st == OK && seen_next(s->seen, &at, record, &again)) {
		st = sorter_add(s->keys, record, err);
		if (st == OK && again)
			st = sorter_add(s->keys, record, err);
	}
	seen_close(s->seen);
	s->seen = NULL;
	return st;
}

enum status singles_expect(struct singles *s, uint64_t n, bool *at_once, struct error *err)
{
	*at_once = s->seen && n <= CLUSTERS_ROWS_MAX - s->rows && seen_room(s->seen, n);
	return s->seen && !*at_once ? stop_judging(s, err) : OK;
}

void singles_prefetch(const struct singles *s, const uint64_t key[2])
{
	if (s->seen)
		seen_prefetch(s->seen, key);
}

static void judge_now(struct singles *s, const uint64_t key[2])
{
	uint32_t row = s->rows++, kept = seen_meet(s->seen, key, row);
	s->known = s->rows;
	if (s->next_pair == s->n_pairs)
		s->next_pair = s->n_pairs = 0;
	if (kept == row)
		return;
	MEM_PUSH_ROOM(s->pairs, s->n_pairs, s->cap_pairs);
	s->pairs[s->n_pairs++] = (struct pair){row, kept};
}

enum status singles_row(struct singles *s, const uint64_t key[2], uint64_t rank, struct error *err)
{
	uint64_t record[4] = {key[1], (key[0] & 0xfffffffeull) << 32 | 1ull << 32, rank, s->rows};
	if (s->rows == CLUSTERS_ROWS_MAX)
		return error_set(err, ERR_UNSUPPORTED, "more than %u rows to compare", CLUSTERS_ROWS_MAX);
	if (s->seen) {
		judge_now(s, key);
		return OK;
	}
	if (!s->ranked)
		record[1] |= s->rows;
	s->rows++;
	return sorter_add(s->keys, record, err);
}

static enum status put(struct singles *s, uint32_t row, uint32_t kept, uint64_t earlier, struct error *err)
{
	const uint64_t verdict[VERDICT] = {(uint64_t)row << 32 | kept, earlier};
	if (row < s->known)
		return OK;           /* judged as it came */
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
	if (s->seen) {
		struct seen_stats seen = seen_stats(s->seen);
		s->stats = (struct clusters_stats){
			.keys = seen.keys, .rows = s->rows, .clusters = seen.repeated, .bytes = seen.slots * 2 * sizeof(*key),
		};
		return OK;
	}
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
	if (row < s->known) {
		if (s->next_pair < s->n_pairs && s->pairs[s->next_pair].row == row)
			*v = (struct singles_verdict){true, s->pairs[s->next_pair++].kept, CLUSTERS_NEW};
		return OK;
	}
	if (s->next[0] >> 32 != row || s->next[0] == UINT64_MAX)
		return OK;
	*v = (struct singles_verdict){true, (uint32_t)s->next[0], s->next[1]};
	return advance(s, err);
}

struct clusters_stats singles_stats(const struct singles *s)
{
	return s->stats;
}

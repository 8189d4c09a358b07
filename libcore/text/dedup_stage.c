/* dedup_stage.c - see dedup_stage.h. */
#include "text/dedup_stage_file.h"

#include "base/mem.h"
#include "text/jaccard.h"

#include <math.h>
#include <stdio.h>

#define RECORD 2                     /* words: a key with its row, a pair of rows with whether their texts are equal */

enum status dedup_stage_part(struct dedup_stage *s, const char *text, struct error *err)
{
	int used = 0;
	if (sscanf(text, "%d/%d%n", &s->part, &s->parts, &used) != 2 || text[used] || s->part < 1 || s->part > s->parts || s->parts > 100000)
		return error_set(err, ERR_USAGE, "--part: K/N such as 3/8 is wanted, not '%s'", text);
	return OK;
}

/* Rows of each part before its own, in base[parts + 1]; the last is the sum. ERR_UNSUPPORTED if that is too many. */
static enum status count_rows(const struct dedup_stage *s, uint32_t *base, struct error *err)
{
	uint64_t sum = 0;
	for (int p = 1; p <= s->parts; p++) {
		struct stage_in f;
		TRY(stage_map(&f, s, "rows", p, err));
		base[p - 1] = (uint32_t)sum;
		sum += f.end.rows;
		stage_unmap(&f);
		if (sum > CLUSTERS_ROWS_MAX)
			return error_set(err, ERR_UNSUPPORTED, "more than %u rows to compare", CLUSTERS_ROWS_MAX);
	}
	base[s->parts] = (uint32_t)sum;
	return OK;
}

/* --- sign ------------------------------------------------------------------------------------ */

static enum status put_record(void *arg, const uint64_t record[RECORD], struct error *err)
{
	return stage_put(arg, record, RECORD * sizeof(*record), err);
}

static enum status sign_keys(const struct dedup_stage *s, struct clusters *c, struct error *err)
{
	struct stage_out f;
	enum status st = stage_create(&f, s, "keys", s->part, err);
	if (st == OK)
		st = clusters_keys(c, put_record, &f, err);
	return stage_finish(&f, st, clusters_rows(c), err);
}

static enum status sign_rows(const struct dedup_stage *s, struct clusters *c, struct error *err)
{
	struct stage_out f;
	enum status st = stage_create(&f, s, "rows", s->part, err);
	for (uint32_t row = 0; row < clusters_rows(c) && s->keep == CLUSTERS_RANKED && st == OK; row++) {
		uint64_t rank = clusters_rank(c, row);
		st = stage_put(&f, &rank, sizeof(rank), err);
	}
	return stage_finish(&f, st, clusters_rows(c), err);
}

/* The rows come last: where they are, all is. */
enum status dedup_stage_sign(const struct dedup_stage *s, struct clusters *c, const struct spool *ids, const struct spool *sets,
			     struct error *err)
{
	TRY(sign_keys(s, c, err));
	TRY(stage_put_things(s, "ids", ids, clusters_rows(c), err));
	if (sets)
		TRY(stage_put_things(s, "sets", sets, clusters_rows(c), err));
	return sign_rows(s, c, err);
}

/* --- group ----------------------------------------------------------------------------------- */

/* The first record whose key is in range k of the parts, by halving. */
static uint64_t range_start(const struct dedup_stage *s, const uint64_t *records, uint64_t n, int k)
{
	uint64_t from = 0, to = n;
	while (from < to) {
		uint64_t at = from + (to - from) / 2;
		if ((int)((unsigned __int128)records[at * RECORD] * (unsigned)s->parts >> 64) < k)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

/* A part's keys in this group's range, with the rows counted over all parts. */
static enum status add_keys(const struct dedup_stage *s, int part, uint32_t base, struct sorter *sorter, struct error *err)
{
	struct stage_in f;
	TRY(stage_map(&f, s, "keys", part, err));
	const uint64_t *records = (const uint64_t *)(const void *)f.bytes;
	uint64_t n = f.end.bytes / (RECORD * sizeof(*records)), end = range_start(s, records, n, s->part);
	enum status st = OK;
	for (uint64_t i = range_start(s, records, n, s->part - 1); i < end && st == OK; i++) {
		const uint64_t *r = records + i * RECORD, record[RECORD] = {r[0], (r[1] >> 32 << 32) | (uint32_t)((uint32_t)r[1] + base)};
		st = sorter_add(sorter, record, err);
	}
	stage_unmap(&f);
	return st;
}

static enum status put_pair(struct stage_out *f, uint32_t a, uint32_t b, bool equal, struct error *err)
{
	const uint64_t pair[RECORD] = {(uint64_t)a << 32 | b, equal};
	return stage_put(f, pair, sizeof(pair), err);
}

struct bucket {                      /* rows that share a key */
	const struct dedup_stage *s;
	const struct stage_things *sets;
	struct stage_out *to;
	uint32_t *rows, n, cap;
	uint32_t *group, cap_group;  /* of a row of them, one before it that goes with it, or itself */
	enum status st;              /* of what has been put */
	struct error *err;
};

static uint32_t group_of(const struct bucket *b, uint32_t i)
{
	while (b->group[i] != i)
		i = b->group[i] = b->group[b->group[i]];
	return i;
}

static const uint64_t *set_of(void *arg, uint32_t i, size_t *n)
{
	const struct bucket *b = arg;
	const uint64_t *set = stage_thing(b->sets, b->rows[i], n);
	*n /= sizeof(*set);
	return set;
}

static bool linked(void *arg, uint32_t i, uint32_t k)
{
	return group_of(arg, i) == group_of(arg, k);
}

static void link_rows(void *arg, uint32_t i, uint32_t k)
{
	struct bucket *b = arg;
	uint32_t x = group_of(b, i), y = group_of(b, k);
	b->group[x > y ? x : y] = x > y ? y : x;
	if (b->st == OK)
		b->st = put_pair(b->to, b->rows[i < k ? i : k], b->rows[i < k ? k : i], false, b->err);
}

/* Rows with one key all go with the first, or those that are similar with each other. */
static enum status end_bucket(struct bucket *b, bool equal, struct error *err)
{
	uint64_t judged = 0;
	if (equal || !b->s->verify) {
		for (uint32_t i = 1; i < b->n; i++)
			TRY(put_pair(b->to, b->rows[0], b->rows[i], equal, err));
		return OK;
	}
	if (b->n > b->cap_group) {
		b->cap_group = b->n * 2;
		b->group = mem_grow(b->group, b->cap_group, sizeof(*b->group));
	}
	for (uint32_t i = 0; i < b->n; i++)
		b->group[i] = i;
	const struct jaccard_sets j = {
		.least = b->s->verify, .memory = b->s->memory / 4, .tmp = b->s->tmp, .pool = b->s->pool,
		.set = set_of, .linked = linked, .link = link_rows, .arg = b,
	};
	b->err = err;
	TRY(jaccard_link(&j, b->n, &judged, err));
	return b->st;
}

static enum status put_pairs(struct bucket *b, struct sorter *sorter, struct error *err)
{
	uint64_t first[RECORD] = {0, 0}, r[RECORD];
	enum status st;
	while ((st = sorter_next(sorter, r, err)) == OK) {
		if (b->n && (r[0] != first[0] || r[1] >> 32 != first[1] >> 32)) {
			TRY(end_bucket(b, first[1] >> 32 & 1, err));
			b->n = 0;
		}
		memcpy(first, r, sizeof(first));
		MEM_PUSH_ROOM(b->rows, b->n, b->cap);
		b->rows[b->n++] = (uint32_t)r[1];
	}
	return st == END ? end_bucket(b, first[1] >> 32 & 1, err) : st;
}

static enum status write_pairs(const struct dedup_stage *s, struct sorter *sorter, uint64_t rows, struct error *err)
{
	struct stage_things sets = {0};
	struct stage_out f;
	struct bucket b = {.s = s, .sets = &sets, .to = &f};
	enum status st = s->verify ? stage_map_things(&sets, s, "sets", err) : OK;
	if (st == OK)
		st = stage_create(&f, s, "pairs", s->part, err);
	if (st == OK)
		st = stage_finish(&f, put_pairs(&b, sorter, err), rows, err);
	stage_unmap_things(&sets);
	mem_free(b.rows);
	mem_free(b.group);
	return st;
}

enum status dedup_stage_group(const struct dedup_stage *s, struct error *err)
{
	uint32_t *base = mem_array((size_t)s->parts + 1, sizeof(*base));
	struct sorter *sorter = sorter_open(RECORD, s->memory / 2, s->tmp, s->pool);
	enum status st = count_rows(s, base, err);
	for (int p = 1; p <= s->parts && st == OK; p++)
		st = add_keys(s, p, base[p - 1], sorter, err);
	if (st == OK)
		st = sorter_finish(sorter, err);
	if (st == OK)
		st = write_pairs(s, sorter, base[s->parts], err);
	sorter_close(sorter);
	mem_free(base);
	return st;
}

/* --- cluster --------------------------------------------------------------------------------- */

static enum status add_rows(const struct dedup_stage *s, int part, struct clusters *c, struct error *err)
{
	struct stage_in f;
	TRY(stage_map(&f, s, "rows", part, err));
	const uint64_t *ranks = (const uint64_t *)(const void *)f.bytes;
	bool ranked = s->keep == CLUSTERS_RANKED;
	enum status st = OK;
	if (ranked && f.end.bytes / sizeof(*ranks) != f.end.rows)
		st = error_set(err, ERR_DATA, "%s: part %d has no ranks", s->dir, part);
	for (uint64_t row = 0; row < f.end.rows && st == OK; row++)
		st = clusters_row(c, ranked ? ranks[row] : 0, err);
	stage_unmap(&f);
	return st;
}

static enum status add_pairs(const struct dedup_stage *s, int part, struct clusters *c, struct error *err)
{
	struct stage_in f;
	TRY(stage_map(&f, s, "pairs", part, err));
	const uint64_t *pairs = (const uint64_t *)(const void *)f.bytes;
	enum status st = OK;
	for (uint64_t i = 0; i < f.end.bytes / (RECORD * sizeof(*pairs)) && st == OK; i++) {
		uint32_t a = (uint32_t)(pairs[i * RECORD] >> 32), b = (uint32_t)pairs[i * RECORD];
		if (a >= clusters_rows(c) || b >= clusters_rows(c))
			st = error_set(err, ERR_DATA, "%s: part %d has pairs of rows that are not there", s->dir, part);
		else
			clusters_join(c, a, b, pairs[i * RECORD + 1] & 1);
	}
	stage_unmap(&f);
	return st;
}

static enum status put_verdicts(const struct dedup_stage *s, struct clusters *c, struct error *err)
{
	struct stage_out f;
	enum status st = stage_create(&f, s, "verdicts", 0, err);
	for (uint32_t row = 0; row < clusters_rows(c) && st == OK; row++) {
		uint64_t said = !clusters_drops(c, row) ? STAGE_KEPT : clusters_repeats(c, row) ? STAGE_EXACT : STAGE_NEAR;
		uint64_t v = said << 32 | clusters_kept(c, row);
		st = stage_put(&f, &v, sizeof(v), err);
	}
	return stage_finish(&f, st, clusters_rows(c), err);
}

enum status dedup_stage_cluster(const struct dedup_stage *s, void (*tell)(void *arg, const char *key, int64_t n), void *arg, struct error *err)
{
	struct clusters_options o = {.memory = s->memory, .tmp = s->tmp, .pool = s->pool, .keep = s->keep};
	struct clusters *c = clusters_open(&o);
	enum status st = OK;
	for (int p = 1; p <= s->parts && st == OK; p++)
		st = add_rows(s, p, c, err);
	for (int p = 1; p <= s->parts && st == OK; p++)
		st = add_pairs(s, p, c, err);
	if (st == OK)
		st = clusters_decide(c, err);
	if (st == OK)
		st = put_verdicts(s, c, err);
	if (st == OK)
		tell(arg, "clusters", clusters_stats(c).clusters);
	clusters_close(c);
	return st;
}

/* --- filter ---------------------------------------------------------------------------------- */

struct dedup_verdicts {
	struct stage_in f;
	struct stage_things ids, sets;
	uint32_t at, end;
	int part;
	char number[16];             /* of a row without id */
};

static enum status open_verdicts(struct dedup_verdicts *v, const struct dedup_stage *s, const uint32_t *base, struct error *err)
{
	TRY(stage_map(&v->f, s, "verdicts", 0, err));
	if (v->f.end.bytes != base[s->parts] * sizeof(uint64_t))
		return error_set(err, ERR_DATA, "%s: verdicts about other rows", s->dir);
	if (s->ids)
		TRY(stage_map_things(&v->ids, s, "ids", err));
	if (s->ids && s->verify)
		TRY(stage_map_things(&v->sets, s, "sets", err));
	v->part = s->part;
	v->at = base[s->part - 1];
	v->end = base[s->part];
	return OK;
}

enum status dedup_verdicts_open(struct dedup_verdicts **out, const struct dedup_stage *s, int64_t *first, struct error *err)
{
	uint32_t *base = mem_array((size_t)s->parts + 1, sizeof(*base));
	struct dedup_verdicts *v = mem_zalloc(sizeof(*v));
	enum status st = count_rows(s, base, err);
	if (st == OK)
		st = open_verdicts(v, s, base, err);
	*first = v->at;
	mem_free(base);
	if (st == OK)
		*out = v;
	else
		dedup_verdicts_close(v);
	return st;
}

static double similarity(const struct dedup_verdicts *v, uint64_t row, uint64_t kept)
{
	size_t na, nb;
	const uint64_t *a = stage_thing(&v->sets, row, &na), *b = stage_thing(&v->sets, kept, &nb);
	return na && nb ? jaccard(a, na / sizeof(*a), b, nb / sizeof(*b)) : NAN;
}

enum status dedup_verdicts_next(struct dedup_verdicts *v, struct dedup_stage_verdict *out, struct error *err)
{
	if (v->at == v->end)
		return error_set(err, ERR_DATA, "part %d has more rows than when it was signed", v->part);
	uint64_t row = v->at++, said = ((const uint64_t *)(const void *)v->f.bytes)[row], kept = (uint32_t)said;
	*out = (struct dedup_stage_verdict){.what = (int)(said >> 32), .similarity = NAN};
	if (out->what != STAGE_KEPT && v->ids.parts)
		out->original = stage_thing(&v->ids, kept, &out->original_bytes);
	if (out->original && out->original_bytes == 0) {
		out->original = v->number;
		out->original_bytes = (size_t)snprintf(v->number, sizeof(v->number), "%llu", (unsigned long long)kept);
	}
	if (out->what != STAGE_KEPT && v->sets.parts)
		out->similarity = similarity(v, row, kept);
	return OK;
}

enum status dedup_verdicts_end(const struct dedup_verdicts *v, struct error *err)
{
	return v->at == v->end ? OK : error_set(err, ERR_DATA, "part %d has fewer rows than when it was signed", v->part);
}

void dedup_verdicts_close(struct dedup_verdicts *v)
{
	if (!v)
		return;
	stage_unmap(&v->f);
	stage_unmap_things(&v->ids);
	stage_unmap_things(&v->sets);
	mem_free(v);
}

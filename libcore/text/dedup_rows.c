/* dedup_rows.c - whole rows that repeat others: equal texts, MinHash, or both; see dedup.h.
 *
 * Each row gives a key of its text (XXH3-128) and one of each band of its signature; clusters.h does the rest. For verification and
 * for similarities the sets of shingles go to disk, by row. */
#include "text/dedup.h"

#include "base/hash.h"
#include "base/sorter.h"
#include "base/spool.h"
#include "text/clusters.h"
#include "text/jaccard.h"
#include "text/rowkeys.h"
#include "text/singles.h"

#include <math.h>

#define PREFETCH_ROWS 8              /* ahead of the row at hand */

struct rows {
	struct dedup_common common;
	struct dedup_rows o;
	struct rowkeys *keys;
	int n_keys;                  /* of a row */
	struct expr *prefer;
	bool prefer_is_test, prefer_least;
	struct clusters *clusters;
	struct singles *singles;     /* in its place where rows have one key each */
	struct dedup_index *index;   /* NULL: none */
	struct dedup_index_rows earlier;     /* of it, with the key at hand */
	struct spool *ids, *sets;    /* by row; NULL where not needed */
	bool at_once;                /* what was added last may be judged */
	uint32_t judged;             /* rows of the second pass so far */
	uint64_t pairs;              /* that were verified */
};

/* --- facts ----------------------------------------------------------------------------------- */

struct facts {
	uint64_t *keys;              /* [rows][n_keys][2]; a key of zeros is none */
	uint64_t *bytes;             /* of the compared texts */
	uint64_t *ends;              /* of each row's set in sets, in bytes */
	struct buf sets;             /* sorted shingles, each once */
};

static void free_facts(void *facts)
{
	struct facts *f = facts;
	if (!f)
		return;
	mem_free(f->keys);
	mem_free(f->bytes);
	mem_free(f->ends);
	buf_release(&f->sets);
	mem_free(f);
}

static void add_set(struct facts *f, uint64_t *shingles, size_t n)
{
	size_t distinct = 0;
	sorter_sort(shingles, n, 1);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || shingles[i] != shingles[distinct - 1])
			shingles[distinct++] = shingles[i];
	buf_add(&f->sets, shingles, distinct * sizeof(*shingles));
}

static enum status read_facts(void *self, const struct batch *b, int worker, void **out, struct error *err)
{
	struct rows *r = self;
	struct facts *f = mem_zalloc(sizeof(*f));
	size_t rows = (size_t)b->rows, n;
	*out = f;
	f->keys = mem_array(rows * (size_t)r->n_keys, 2 * sizeof(*f->keys));
	f->bytes = mem_array(rows, sizeof(*f->bytes));
	f->ends = mem_array(rows, sizeof(*f->ends));
	for (int64_t i = 0; i < b->rows; i++) {
		TRY(rowkeys_make(r->keys, b, i, worker, f->keys + 2 * i * r->n_keys, err));
		f->bytes[i] = rowkeys_bytes(r->keys, worker);
		if (r->sets) {
			uint64_t *shingles = rowkeys_shingles(r->keys, worker, &n);
			add_set(f, shingles, n);
		}
		f->ends[i] = f->sets.len;
	}
	return OK;
}

/* --- ranks ----------------------------------------------------------------------------------- */

/* Numbers in the reverse of their order, as unsigned ones: the most preferred is least. */
static uint64_t rank_of(double v)
{
	uint64_t bits;
	if (isnan(v))
		return UINT64_MAX;
	v += 0.0;                    /* -0 is 0 */
	memcpy(&bits, &v, sizeof(bits));
	return bits >> 63 ? bits : ~(bits | 1ull << 63);
}

static enum status preference(struct rows *r, const struct batch *b, int64_t row, double *out, struct error *err)
{
	struct expr_value v;
	if (r->prefer_is_test) {
		*out = expr_test(r->prefer, b, row);
		return OK;
	}
	v = expr_value(r->prefer, b, row);
	*out = v.type == V_BOOL || v.type == V_NUMBER ? (double)v.number : NAN;
	if (v.type == V_INSTANT || v.type == V_CLOCK || v.type == V_SPAN)
		*out = (double)v.ns;
	if (isnan(*out) && v.type != V_NULL && v.type != V_NUMBER)
		return error_set(err, ERR_DATA, "--prefer %s: a number, a time or a condition is wanted", r->o.prefer);
	return OK;
}

static enum status row_rank(struct rows *r, const struct batch *b, const struct facts *f, int64_t row, uint64_t *rank, struct error *err)
{
	double v = 0;
	*rank = ~f->bytes[row];
	if (r->common.keep != KEEP_BEST)
		return OK;
	TRY(preference(r, b, row, &v, err));
	*rank = rank_of(r->prefer_least ? -v : v);
	return OK;
}

/* --- first pass ------------------------------------------------------------------------------ */

static enum status add_ids(struct rows *r, const struct batch *b, struct error *err)
{
	struct buf id = {0};
	enum status st = OK;
	for (int64_t i = 0; i < b->rows && st == OK; i++) {
		compare_id(b, i, r->judged++, &id);
		if (r->o.signs && !batch_column(b, "id"))
			buf_clear(&id);      /* its number among the rows of all parts is not known yet */
		st = spool_add(r->ids, id.data, id.len, err);
	}
	buf_release(&id);
	return st;
}

/* Rows with one key each. */
static enum status add_singles(struct rows *r, const struct batch *b, const struct facts *f, struct error *err)
{
	TRY(singles_expect(r->singles, (uint64_t)b->rows, &r->at_once, err));
	for (int64_t i = 0; i < b->rows; i++) {
		uint64_t rank = 0;
		if (i + PREFETCH_ROWS < b->rows)
			singles_prefetch(r->singles, f->keys + 2 * (i + PREFETCH_ROWS));
		TRY(row_rank(r, b, f, i, &rank, err));
		TRY(singles_row(r->singles, f->keys + 2 * i, rank, err));
	}
	return OK;
}

static bool at_once(const void *self)
{
	const struct rows *r = self;
	return r->at_once;
}

static enum status add(void *self, const struct batch *b, const void *facts, struct error *err)
{
	struct rows *r = self;
	const struct facts *f = facts;
	if (r->ids)
		TRY(add_ids(r, b, err));
	if (r->singles)
		return add_singles(r, b, f, err);
	for (int64_t i = 0; i < b->rows; i++) {
		uint64_t rank = 0;
		TRY(row_rank(r, b, f, i, &rank, err));
		TRY(clusters_row(r->clusters, rank, err));
		for (int k = 0; k < r->n_keys; k++) {
			const uint64_t *key = f->keys + 2 * (i * r->n_keys + k);
			if (key[0] || key[1])
				TRY(clusters_key(r->clusters, key, r->o.exact && k == 0, err));
		}
		if (r->sets)
			TRY(spool_add(r->sets, f->sets.data + (i ? f->ends[i - 1] : 0), f->ends[i] - (i ? f->ends[i - 1] : 0), err));
	}
	return OK;
}

/* --- similarity ------------------------------------------------------------------------------ */

/* A row's set of shingles. */
static const uint64_t *set_of(const struct rows *r, uint32_t row, size_t *n)
{
	const uint64_t *set = spool_get(r->sets, row, n);
	*n /= sizeof(*set);
	return set;
}

static double similarity(const struct rows *r, uint32_t one, uint32_t other)
{
	size_t na, nb;
	const uint64_t *a = set_of(r, one, &na), *b = set_of(r, other, &nb);
	return jaccard(a, na, b, nb);
}

static double similarity_to_earlier(const struct rows *r, uint32_t row, uint64_t earlier)
{
	size_t na, nb;
	const uint64_t *a = set_of(r, row, &na), *b = dedup_index_set(r->index, earlier, &nb);
	return na && nb ? jaccard(a, na, b, nb) : NAN;       /* equal texts too short for shingles */
}

/* Rows that share a band: those of earlier runs, then today's. */
struct candidates {
	struct rows *r;
	const uint32_t *rows;
};

static const uint64_t *candidate_set(void *arg, uint32_t i, size_t *n)
{
	const struct candidates *c = arg;
	uint32_t earlier = c->r->earlier.n;
	return i < earlier ? dedup_index_set(c->r->index, c->r->earlier.rows[i], n) : set_of(c->r, c->rows[i - earlier], n);
}

static bool candidates_linked(void *arg, uint32_t i, uint32_t k)
{
	const struct candidates *c = arg;
	uint32_t earlier = c->r->earlier.n, first = i < k ? i : k, other = i < k ? k : i;
	if (other < earlier)
		return true;
	if (first < earlier)
		return clusters_is_seen(c->r->clusters, c->rows[other - earlier]);
	return clusters_together(c->r->clusters, c->rows[i - earlier], c->rows[k - earlier]);
}

static void link_candidates(void *arg, uint32_t i, uint32_t k)
{
	const struct candidates *c = arg;
	uint32_t earlier = c->r->earlier.n, first = i < k ? i : k, other = i < k ? k : i;
	if (first < earlier)
		clusters_seen(c->r->clusters, c->rows[other - earlier], c->r->earlier.rows[first]);
	else
		clusters_join(c->r->clusters, c->rows[i - earlier], c->rows[k - earlier], false);
}

static enum status verify(void *arg, const uint32_t *rows, uint32_t n, struct error *err)
{
	struct rows *r = arg;
	struct candidates c = {r, rows};
	const struct jaccard_sets s = {
		.least = r->o.recipe.threshold, .memory = r->common.memory / 4, .tmp = r->common.tmp, .pool = r->common.pool,
		.set = candidate_set, .linked = candidates_linked, .link = link_candidates, .arg = &c,
	};
	if (n > UINT32_MAX - r->earlier.n)
		return error_set(err, ERR_UNSUPPORTED, "more than %u rows of all runs have one key", UINT32_MAX);
	return jaccard_link(&s, r->earlier.n + n, &r->pairs, err);
}

/* Verified keys wait for verify; of the others the first row of each is enough. */
static enum status meet(void *arg, const uint64_t record[2], bool first, uint64_t *earlier, struct error *err)
{
	struct rows *r = arg;
	bool verified = r->o.verify && !(record[1] >> 32 & 1);
	if (first)
		TRY(dedup_index_find(r->index, record, &r->earlier, err));
	if (first && !verified && r->earlier.n)
		*earlier = r->earlier.rows[0];
	return first || verified ? dedup_index_add(r->index, record, err) : OK;
}

static enum status decide(void *self, struct error *err)
{
	struct rows *r = self;
	r->judged = 0;
	if (r->ids)
		TRY(spool_finish(r->ids, err));
	if (r->sets)
		TRY(spool_finish(r->sets, err));
	TRY(r->singles ? singles_decide(r->singles, err) : clusters_decide(r->clusters, err));
	return r->index ? dedup_index_finish(r->index, err) : OK;
}

/* --- second pass ----------------------------------------------------------------------------- */

/* Whether the next row goes, in favour of which, and whether because of the same text. */
static enum status next_verdict(struct rows *r, struct singles_verdict *v, bool *exact, struct error *err)
{
	uint32_t row = r->judged++;
	*exact = true;
	if (r->singles)
		return singles_next(r->singles, v, err);
	*v = (struct singles_verdict){clusters_drops(r->clusters, row), clusters_kept(r->clusters, row), clusters_earlier(r->clusters, row)};
	*exact = !r->o.minhash || clusters_repeats(r->clusters, row);
	return OK;
}

static enum status judge(void *self, const struct batch *b, void *facts, int64_t row, struct verdict *v, struct error *err)
{
	struct rows *r = self;
	uint32_t number = r->judged;
	struct singles_verdict said;
	bool exact;
	(void)b;
	(void)facts;
	(void)row;
	*v = (struct verdict){.similarity = NAN};
	TRY(next_verdict(r, &said, &exact, err));
	if (!said.drops)
		return OK;
	if (said.earlier != CLUSTERS_NEW) {
		v->reason = "seen_before";
		v->original = dedup_index_id(r->index, said.earlier, &v->original_bytes);
		v->similarity = r->o.verify ? similarity_to_earlier(r, number, said.earlier) : NAN;
		return OK;
	}
	v->reason = exact ? "exact_duplicate" : "near_duplicate";
	v->similarity = !r->o.minhash ? 1 : r->sets ? similarity(r, number, said.kept) : NAN;
	if (exact && r->o.minhash && v->similarity == 0)
		v->similarity = NAN;         /* too short for shingles */
	if (r->ids)
		v->original = spool_get(r->ids, said.kept, &v->original_bytes);
	return OK;
}

static struct clusters_stats stats_of(const struct rows *r)
{
	return r->singles ? singles_stats(r->singles) : clusters_stats(r->clusters);
}

static void stats(const void *self, void (*tell)(void *arg, const char *key, int64_t n), void *arg)
{
	const struct rows *r = self;
	struct clusters_stats s = stats_of(r);
	tell(arg, "clusters", s.clusters);
	tell(arg, "index_bytes", (int64_t)s.bytes);
	if (s.runs)
		tell(arg, "runs", s.runs);
	if (r->o.verify)
		tell(arg, "pairs_judged", (int64_t)r->pairs);
}

/* --- the index, and stages ------------------------------------------------------------------- */

/* What is compared and how, in words. */
static void identify(const struct dedup_common *common, const struct dedup_rows *o, struct buf *out)
{
	static const char *const by[] = {"auto", "text", "prompt", "last"};
	const struct minhash_recipe *m = &o->recipe;
	buf_clear(out);
	buf_printf(out, "by %s", by[common->by]);
	if (o->exact)
		buf_printf(out, ", exact with %u put aside", common->folds);
	if (o->minhash)
		buf_printf(out, ", minhash of %d %s (manner %d, hash %d%s) in %d bands of %d rows, seed %u", m->ngram,
			   m->unit == MINHASH_WORDS ? "words" : "characters", (int)m->manner, (int)m->hash,
			   m->short_texts ? ", short texts too" : "", m->bands, m->rows, m->seed);
	if (o->verify)
		buf_printf(out, ", verified at %g", m->threshold);
}

enum status dedup_rows_commit(struct dedup_method *m, bool compact, void (*tell)(void *arg, const char *key, int64_t n), void *arg,
			      struct error *err)
{
	struct rows *r = m->self;
	TRY(dedup_index_commit(r->index, r->ids, r->sets, stats_of(r).rows, err));
	if (compact)
		TRY(dedup_index_compact(r->index, err));
	tell(arg, "index_rows", (int64_t)dedup_index_rows(r->index));
	tell(arg, "index_runs", dedup_index_segments(r->index));
	return OK;
}

static const enum clusters_keep keeps[] = {
	[KEEP_FIRST] = CLUSTERS_FIRST, [KEEP_LONGEST] = CLUSTERS_RANKED, [KEEP_BEST] = CLUSTERS_RANKED, [KEEP_NONE] = CLUSTERS_NONE,
};

void dedup_rows_stage(struct dedup_stage *s, const struct dedup_common *common, const struct dedup_rows *o)
{
	struct buf identity = {0};
	identify(common, o, &identity);
	buf_printf(&identity, ", keep %d", (int)common->keep);
	if (o->prefer)
		buf_printf(&identity, ", prefer %s", o->prefer);
	s->identity = hash64(identity.data, identity.len);
	s->memory = common->memory;
	s->tmp = common->tmp;
	s->pool = common->pool;
	s->keep = keeps[common->keep];
	s->ids = common->ids;
	s->verify = o->verify ? o->recipe.threshold : 0;
	buf_release(&identity);
}

enum status dedup_rows_sign(struct dedup_method *m, const struct dedup_stage *stage, struct error *err)
{
	struct rows *r = m->self;
	TRY(spool_finish(r->ids, err));
	if (r->sets)
		TRY(spool_finish(r->sets, err));
	return dedup_stage_sign(stage, r->clusters, r->ids, r->sets, err);
}

/* --- set-up ---------------------------------------------------------------------------------- */

static void close_rows(void *self)
{
	struct rows *r = self;
	rowkeys_close(r->keys);
	expr_free(r->prefer);
	clusters_close(r->clusters);
	singles_close(r->singles);
	dedup_index_close(r->index);
	mem_free(r->earlier.rows);
	spool_close(r->ids);
	spool_close(r->sets);
	mem_free(r);
}

/* A value if it can be one, else a condition. */
static enum status parse_preference(struct rows *r, struct error *err)
{
	const char *text = r->o.prefer;
	r->prefer_least = *text == '-';
	text += r->prefer_least;
	if (expr_parse_value(&r->prefer, text, r->o.schema, NULL) == OK)
		return OK;
	r->prefer_is_test = true;
	return error_prefix(err, expr_parse(&r->prefer, text, r->o.schema, err), "--prefer");
}

static enum status open_index(struct rows *r, struct error *err)
{
	struct buf identity = {0};
	identify(&r->common, &r->o, &identity);
	enum status st = dedup_index_open(&r->index, r->o.index, identity.data, r->o.verify, err);
	buf_release(&identity);
	return st;
}

static enum status open_parts(struct rows *r, struct error *err)
{
	const struct clusters_options o = {
		.memory = r->common.memory, .tmp = r->common.tmp, .pool = r->common.pool, .keep = keeps[r->common.keep],
		.judge = r->o.verify ? verify : NULL, .meet = r->o.index ? meet : NULL, .arg = r,
	};
	const struct rowkeys_options keys = {
		r->o.exact, r->o.minhash, r->common.by, r->common.folds, r->o.recipe, pool_threads(r->common.pool),
	};
	if (r->common.keep == KEEP_BEST)
		TRY(parse_preference(r, err));
	TRY(rowkeys_open(&r->keys, &keys, err));
	if (r->common.ids || r->o.index || r->o.signs)
		TRY(spool_open(&r->ids, r->common.tmp, err));
	if (r->o.verify || (r->o.minhash && r->common.ids && !r->o.signs))
		TRY(spool_open(&r->sets, r->common.tmp, err));
	if (r->o.index)
		TRY(open_index(r, err));
	r->n_keys = rowkeys_count(r->keys);
	if (r->n_keys == 1 && r->o.exact && !r->o.signs)
		r->singles = singles_open(&o, r->o.at_once && !r->ids);
	else
		r->clusters = clusters_open(&o);
	return OK;
}

enum status dedup_rows_open(struct dedup_method *m, const struct dedup_common *common, const struct dedup_rows *o, struct error *err)
{
	struct rows *r = mem_zalloc(sizeof(*r));
	r->common = *common;
	r->o = *o;
	enum status st = open_parts(r, err);
	if (st == OK)
		*m = (struct dedup_method){.self = r, .facts = read_facts, .free_facts = free_facts, .add = add, .at_once = at_once, .decide = decide,
					   .judge = judge, .stats = stats, .close = close_rows};
	else
		close_rows(r);
	return st;
}

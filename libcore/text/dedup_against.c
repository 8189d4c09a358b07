/* dedup_against.c - rows that share something with test sets, judged while they are read; see dedup.h and against.h. */
#include "text/dedup_cut.h"

#include "text/against.h"

#include <math.h>

struct tests {
	struct against *against;
	struct dedup_against o;
};

struct facts {
	struct against_facts *rows;
	struct buf left;             /* of the document that was judged last */
};

static enum status read_facts(void *self, const struct batch *b, int worker, void **out, struct error *err)
{
	struct tests *t = self;
	struct facts *f = mem_zalloc(sizeof(*f));
	*out = f;
	return against_read(t->against, b, worker, &f->rows, err);
}

static void free_facts(void *facts)
{
	struct facts *f = facts;
	against_facts_free(f->rows);
	buf_release(&f->left);
	mem_free(f);
}

static enum status judge(void *self, const struct batch *b, void *facts, int64_t row, struct verdict *v, struct error *err)
{
	const struct tests *t = self;
	struct facts *f = facts;
	const struct against_hit *hits;
	int64_t n_hits = against_find(t->against, f->rows, row, &hits);
	size_t n;
	(void)err;
	*v = (struct verdict){.similarity = NAN};
	if (n_hits == 0)
		return OK;
	if (t->o.cut && hits[0].at != AGAINST_WHOLE) {
		const char *s = array_text(batch_column(b, "text"), row, &n);
		against_cut(s, n, hits, n_hits, &f->left);
		*v = dedup_cut_verdict(&f->left, n, t->o.share_max, "contaminated");
	} else {
		v->reason = "contaminated";
	}
	v->hits = hits;
	v->n_hits = n_hits;
	return OK;
}

static void stats(const void *self, void (*tell)(void *arg, const char *key, int64_t n), void *arg)
{
	const struct tests *t = self;
	tell(arg, "against_rows", against_rows(t->against));
	if (t->o.overlap)
		tell(arg, "against_short_rows", against_short(t->against));
	tell(arg, "against_bytes", (int64_t)against_bytes(t->against));
}

static void close_tests(void *self)
{
	struct tests *t = self;
	against_close(t->against);
	mem_free(t);
}

enum status dedup_against_load(struct dedup_method *m, const char *path, struct pool *pool, struct provenance_input *entry, struct error *err)
{
	struct tests *t = m->self;
	return against_load(t->against, path, pool, entry, err);
}

enum status dedup_against_open(struct dedup_method *m, const struct dedup_common *common, const struct dedup_against *o, struct error *err)
{
	const struct rowkeys_options keys = {o->exact, o->minhash, common->by, common->folds, o->recipe, pool_threads(common->pool)};
	struct tests *t = mem_zalloc(sizeof(*t));
	t->o = *o;
	enum status st = against_open(&t->against, &keys, o->overlap, common->memory, common->ids, err);
	if (st == OK)
		*m = (struct dedup_method){.self = t, .facts = read_facts, .free_facts = free_facts, .judge = judge, .stats = stats,
					   .close = close_tests, .cuts = o->cut};
	else
		mem_free(t);
	return st;
}

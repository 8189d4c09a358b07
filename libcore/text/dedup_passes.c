/* dedup_passes.c - see dedup_passes.h. */
#include "text/dedup_passes.h"

#include "text/dedup_cut.h"
#include "text/dedup_report.h"

/* A batch on its way through the first pass. */
struct item {
	const struct dedup_passes *p;
	struct batch *b;             /* as read */
	void *tests;                 /* facts about it */
	struct batch *rest;          /* rows that pass the tests */
	void *facts;                 /* about rest */
};

static void free_item(void *arg, void *item)
{
	struct item *it = item;
	(void)arg;
	if (it->tests)
		it->p->tests.free_facts(it->tests);
	if (it->facts)
		it->p->method.free_facts(it->facts);
	batch_release(it->rest);
	batch_release(it->b);
	mem_free(it);
}

/* The rows keep[0..n) of b; b itself where that is all of them. */
static struct batch *take(struct batch *b, const int64_t *keep, int64_t n)
{
	return n == b->rows ? batch_retain(b) : batch_take(b, keep, n);
}

/* A row that goes, and why; where it is to be told, also what it shares with another. */
static enum status drop(struct dedup_passes *p, struct batch *b, int64_t row, const struct verdict *v, struct error *err)
{
	p->dropped += v->reason != NULL;
	if (p->report)
		TRY(dedup_report_add(p->report, b, row, p->number + row, v, err));
	return v->reason ? p->drop(p->arg, b, row, v->reason, err) : OK;
}

/* Judges the rows of a batch: those that stay are told in keep, or go to cut, as they are then. */
static enum status judge_rows(struct dedup_passes *p, const struct dedup_method *m, struct batch *b, void *facts, int64_t *keep, int64_t *n,
			      struct builder *cut, struct error *err)
{
	for (int64_t i = 0; i < b->rows; i++) {
		struct verdict v;
		TRY(m->judge(m->self, b, facts, i, &v, err));
		if (v.reason || v.n_hits)
			TRY(drop(p, b, i, &v, err));
		if (v.reason)
			continue;
		keep[(*n)++] = i;
		p->cut += v.cut > 0;
		if (cut)
			dedup_cut_row(cut, b, i, &v);
	}
	return OK;
}

/* The same, and hands over those that stay. */
static enum status judge_batch(struct dedup_passes *p, const struct dedup_method *m, struct batch *b, void *facts, struct error *err)
{
	struct builder *cut = m->cuts ? builder_open(b->schema) : NULL;
	int64_t *keep = mem_array((size_t)b->rows, sizeof(*keep)), n = 0;
	enum status st = judge_rows(p, m, b, facts, keep, &n, cut, err);
	if (st == OK) {
		struct batch *rest = cut ? builder_finish(cut) : take(b, keep, n);
		st = rest->rows ? p->keep(p->arg, rest, err) : OK;
		batch_release(rest);
	}
	builder_close(cut);
	mem_free(keep);
	p->number += b->rows;
	return st;
}

/* --- first pass ------------------------------------------------------------------------------ */

static enum status read_first(void *arg, void **out, struct error *err)
{
	struct dedup_passes *p = arg;
	struct batch *b;
	TRY(p->next(p->arg, &b, err));
	struct item *it = mem_zalloc(sizeof(*it));
	it->p = p;
	it->b = b;
	*out = it;
	return OK;
}

/* The rows that pass the tests, in it->rest: asked twice, here and in end_first, which tells of the others. */
static enum status test_rows(struct item *it, struct error *err)
{
	const struct dedup_method *tests = &it->p->tests;
	int64_t *keep = mem_array((size_t)it->b->rows, sizeof(*keep)), n = 0;
	enum status st = OK;
	for (int64_t i = 0; i < it->b->rows && st == OK; i++) {
		struct verdict v;
		st = tests->judge(tests->self, it->b, it->tests, i, &v, err);
		if (!v.reason)
			keep[n++] = i;
	}
	it->rest = take(it->b, keep, n);
	mem_free(keep);
	return st;
}

static enum status work_first(void *arg, void *item, int worker, struct error *err)
{
	const struct dedup_passes *p = arg;
	struct item *it = item;
	if (p->tests.facts)
		TRY(p->tests.facts(p->tests.self, it->b, worker, &it->tests, err));
	if (!p->method.self)
		return OK;
	if (p->tests.self)
		TRY(test_rows(it, err));
	else
		it->rest = batch_retain(it->b);
	return p->method.facts ? p->method.facts(p->method.self, it->rest, worker, &it->facts, err) : OK;
}

static enum status drop_tested(struct dedup_passes *p, const struct item *it, struct error *err)
{
	for (int64_t i = 0; i < it->b->rows; i++) {
		struct verdict v;
		TRY(p->tests.judge(p->tests.self, it->b, it->tests, i, &v, err));
		if (v.reason)
			TRY(drop(p, it->b, i, &v, err));
	}
	return OK;
}

static enum status end_first(void *arg, void *item, struct error *err)
{
	struct dedup_passes *p = arg;
	struct item *it = item;
	if (!p->method.self)
		return judge_batch(p, &p->tests, it->b, it->tests, err);
	if (p->tests.self)
		TRY(drop_tested(p, it, err));
	TRY(p->method.add(p->method.self, it->rest, it->facts, err));
	if (p->method.at_once && p->method.at_once(p->method.self)) {
		twice_pass(p->twice, it->rest->rows);
		p->passed += it->rest->rows;
		return judge_batch(p, &p->method, it->rest, NULL, err);
	}
	p->number += it->b->rows;
	return p->twice ? twice_keep(p->twice, it->rest, err) : OK;
}

enum status dedup_pass_first(struct dedup_passes *p, struct error *err)
{
	struct pipeline pl = {read_first, work_first, end_first, free_item, p, 0, NULL};
	enum status st = pool_pipeline(p->pool, &pl, err);
	if (st != OK && st != END)
		return st;
	return p->tests.end ? p->tests.end(p->tests.self, err) : OK;
}

/* --- and those after it ---------------------------------------------------------------------- */

static enum status review(struct dedup_passes *p, struct error *err)
{
	struct batch *b;
	enum status st;
	TRY(p->method.begin_review(p->method.self, err));
	while ((st = twice_next(p->twice, &b, err)) == OK) {
		st = p->method.review(p->method.self, b, err);
		batch_release(b);
		TRY(st);
	}
	return st == END ? OK : st;
}

enum status dedup_pass_rest(struct dedup_passes *p, struct error *err)
{
	struct batch *b;
	enum status st;
	if (!p->method.self)
		return OK;
	if (p->method.review)
		TRY(review(p, err));
	TRY(p->method.decide(p->method.self, err));
	p->number = p->passed;
	while ((st = twice_next(p->twice, &b, err)) == OK) {
		st = judge_batch(p, &p->method, b, NULL, err);
		batch_release(b);
		TRY(st);
	}
	return st == END ? OK : st;
}

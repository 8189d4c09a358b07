/* dedup_filter.c - the last stage: rows as the verdicts of dedup_stage.h say; see dedup.h. */
#include "text/dedup.h"

#include <math.h>

struct filter {
	struct dedup_verdicts *verdicts;
	bool minhash;
};

static enum status judge(void *self, const struct batch *b, void *facts, int64_t row, struct verdict *v, struct error *err)
{
	struct filter *f = self;
	struct dedup_stage_verdict said;
	(void)b;
	(void)facts;
	(void)row;
	TRY(dedup_verdicts_next(f->verdicts, &said, err));
	*v = (struct verdict){.similarity = f->minhash ? said.similarity : 1, .original = said.original, .original_bytes = said.original_bytes};
	if (said.what != STAGE_KEPT)
		v->reason = said.what == STAGE_EXACT || !f->minhash ? "exact_duplicate" : "near_duplicate";
	return OK;
}

static enum status end(void *self, struct error *err)
{
	const struct filter *f = self;
	return dedup_verdicts_end(f->verdicts, err);
}

static void close_filter(void *self)
{
	struct filter *f = self;
	dedup_verdicts_close(f->verdicts);
	mem_free(f);
}

enum status dedup_filter_open(struct dedup_method *m, const struct dedup_stage *s, const struct dedup_rows *o, int64_t *first,
			      struct error *err)
{
	struct dedup_verdicts *v;
	TRY(dedup_verdicts_open(&v, s, first, err));
	struct filter *f = mem_zalloc(sizeof(*f));
	*f = (struct filter){v, o->minhash};
	*m = (struct dedup_method){.self = f, .judge = judge, .end = end, .close = close_filter};
	return OK;
}

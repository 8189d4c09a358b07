/* dedup_substring.c - spans of bytes or tokens that repeat anywhere in the corpus: repeats.h over the rows; see dedup.h. */
#include "text/dedup_cut.h"

#include "text/repeats.h"

#include <math.h>

struct substring {
	struct dedup_common common;
	struct dedup_substring o;
	struct repeats *repeats;
	struct repeats_scratch *scratch;     /* one per thread */
	int64_t spans, cut;
	struct buf text;             /* of the row that was judged last */
};

struct facts {
	struct buf anchors;
	int64_t symbols;
};

/* A row's symbols. */
static enum status symbols_of(const struct substring *x, const struct batch *b, int64_t row, const void **symbols, int64_t *n,
			      struct error *err)
{
	size_t bytes;
	if (x->o.tokens) {
		const struct array *ids = batch_column(b, "input_ids");
		*n = 0;
		*symbols = ids ? array_int32s(ids, row, n) : NULL;
		return ids && (*symbols || *n == 0) ? OK : error_set(err, ERR_DATA, "tokens have no column 'input_ids: list<int32>', or nulls in it");
	}
	*symbols = array_text(batch_column(b, "text"), row, &bytes);
	*n = (int64_t)bytes;
	return OK;
}

static enum status read_facts(void *self, const struct batch *b, int worker, void **out, struct error *err)
{
	struct substring *x = self;
	struct facts *f = mem_zalloc(sizeof(*f));
	*out = f;
	for (int64_t i = 0, n; i < b->rows; i++) {
		const void *symbols;
		TRY(symbols_of(x, b, i, &symbols, &n, err));
		repeats_anchors(x->repeats, symbols, n, f->symbols, &x->scratch[worker], &f->anchors);
		f->symbols += n;
	}
	return OK;
}

static void free_facts(void *facts)
{
	struct facts *f = facts;
	buf_release(&f->anchors);
	mem_free(f);
}

static enum status add(void *self, const struct batch *b, const void *facts, struct error *err)
{
	struct substring *x = self;
	const struct facts *f = facts;
	(void)b;
	return repeats_add(x->repeats, &f->anchors, f->symbols, err);
}

static enum status begin_review(void *self, struct error *err)
{
	struct substring *x = self;
	return repeats_added(x->repeats, err);
}

static enum status review(void *self, const struct batch *b, struct error *err)
{
	struct substring *x = self;
	for (int64_t i = 0, n; i < b->rows; i++) {
		const void *symbols;
		TRY(symbols_of(x, b, i, &symbols, &n, err));
		TRY(repeats_review(x->repeats, symbols, n, err));
	}
	return OK;
}

static enum status decide(void *self, struct error *err)
{
	struct substring *x = self;
	return repeats_reviewed(x->repeats, err);
}

/* The first place at or behind i where a character starts. */
static size_t character_from(const char *s, size_t n, size_t i)
{
	while (i < n && ((unsigned char)s[i] & 0xc0) == 0x80)
		i++;
	return i;
}

/* The last place at or before i where one does. */
static size_t character_to(const char *s, size_t n, size_t i)
{
	while (i > 0 && i < n && ((unsigned char)s[i] & 0xc0) == 0x80)
		i--;
	return i;
}

static struct verdict judge_text(struct substring *x, const char *s, size_t n, const struct repeats_span *spans, int64_t n_spans)
{
	size_t kept = 0;
	buf_clear(&x->text);
	for (int64_t i = 0; i < n_spans; i++) {
		size_t from = character_from(s, n, (size_t)spans[i].from), to = character_to(s, n, (size_t)spans[i].to);
		if (from >= to)
			continue;
		buf_add(&x->text, s + kept, from - kept);
		kept = to;
		x->spans++;
	}
	if (kept == 0)
		return (struct verdict){.similarity = NAN};
	buf_add(&x->text, s + kept, n - kept);
	return dedup_cut_verdict(&x->text, n, x->o.share_max, "repeated_parts");
}

static struct verdict judge_tokens(struct substring *x, int64_t n, const struct repeats_span *spans, int64_t n_spans)
{
	struct verdict v = {.similarity = NAN, .spans = spans, .n_spans = n_spans};
	for (int64_t i = 0; i < n_spans; i++)
		v.cut += spans[i].to - spans[i].from;
	x->spans += n_spans;
	if ((double)v.cut > x->o.share_max * (double)n)
		v.reason = "repeated_parts";
	else if (n > 0 && v.cut == n)
		v.reason = "nothing_left";
	return v;
}

static enum status judge(void *self, const struct batch *b, void *facts, int64_t row, struct verdict *v, struct error *err)
{
	struct substring *x = self;
	const void *symbols;
	const struct repeats_span *spans;
	int64_t n, n_spans;
	(void)facts;
	TRY(symbols_of(x, b, row, &symbols, &n, err));
	TRY(repeats_spans(x->repeats, n, &spans, &n_spans, err));
	*v = x->o.tokens ? judge_tokens(x, n, spans, n_spans) : judge_text(x, symbols, (size_t)n, spans, n_spans);
	x->cut += v->reason ? 0 : v->cut;
	return OK;
}

static void stats(const void *self, void (*tell)(void *arg, const char *key, int64_t n), void *arg)
{
	const struct substring *x = self;
	tell(arg, "spans", x->spans);
	tell(arg, x->o.tokens ? "tokens_cut" : "bytes_cut", x->cut);
}

static void close_substring(void *self)
{
	struct substring *x = self;
	for (int i = 0; i < pool_threads(x->common.pool); i++)
		repeats_scratch_release(&x->scratch[i]);
	mem_free(x->scratch);
	repeats_close(x->repeats);
	buf_release(&x->text);
	mem_free(x);
}

enum status dedup_substring_open(struct dedup_method *m, const struct dedup_common *common, const struct dedup_substring *o, struct error *err)
{
	const struct repeats_options r = {o->least, o->tokens, common->keep == KEEP_NONE, common->memory, common->tmp, common->pool};
	TRY(dedup_cut_check(common, err));
	struct substring *x = mem_zalloc(sizeof(*x));
	x->common = *common;
	x->o = *o;
	x->repeats = repeats_open(&r);
	x->scratch = mem_array((size_t)pool_threads(common->pool), sizeof(*x->scratch));
	*m = (struct dedup_method){
		.self = x, .facts = read_facts, .free_facts = free_facts, .add = add, .begin_review = begin_review, .review = review,
		.decide = decide, .judge = judge, .stats = stats, .close = close_substring, .cuts = true,
	};
	return OK;
}

/* cleaner.c - see cleaner.h. */
#include "text/cleaner_priv.h"

#include <math.h>

static const char *const step_names[CLEAN_RULES] = {"too_large", "replace_limit", "language", "drop_if", "keep_if", "pii", "pattern_limit"};

int clean_steps(const struct cleaner *c)
{
	return CLEAN_RULES + c->quality.n;
}

const char *clean_step_name(const struct cleaner *c, int step)
{
	return step < CLEAN_RULES ? step_names[step] : quality_name(&c->quality, step - CLEAN_RULES);
}

const char *clean_step_reason(const struct cleaner *c, int step)
{
	return step < CLEAN_RULES ? step_names[step] : quality_reason(&c->quality, step - CLEAN_RULES);
}

void clean_worker_open(struct clean_worker *w, const struct cleaner *c, int number)
{
	w->scratch = mem_zalloc(sizeof(*w->scratch));
	*w->scratch = (struct clean_scratch){.cleaner = c, .number = number, .stats = text_stats_open(), .patterns = pattern_scratch_open()};
	w->seen = mem_array((size_t)clean_steps(c), sizeof(*w->seen));
	w->hit = mem_array((size_t)clean_steps(c), sizeof(*w->hit));
}

static void release_texts(struct clean_scratch *x)
{
	html_page_clear(&x->page);
	buf_release(&x->own);
	buf_release(&x->other);
	for (int64_t i = 0; i < x->turns_cap; i++)
		buf_release(&x->contents[i]);
}

void clean_worker_close(struct clean_worker *w)
{
	struct clean_scratch *x = w->scratch;
	if (!x)
		return;
	release_texts(x);
	text_stats_close(x->stats);
	pattern_scratch_close(x->patterns);
	fasttext_scratch_release(&x->lid);
	mem_free(x->turns);
	mem_free(x->contents);
	mem_free(x);
	mem_free(w->seen);
	mem_free(w->hit);
}

/* --- steps ---------------------------------------------------------------------------------------- */

bool clean_drops(struct clean_worker *w, struct clean_fate *f, int step, bool failed)
{
	w->seen[step]++;
	w->hit[step] += failed;
	if (failed)
		*f = (struct clean_fate){.step = step, .value = (double)NAN, .threshold = (double)NAN};
	return failed;
}

bool clean_prepare(struct clean_worker *w, const char **s, size_t *n, bool last, struct buf *own, struct clean_fate *f)
{
	struct clean_scratch *x = w->scratch;
	const struct cleaner *c = x->cleaner;
	bool too_large = false;
	buf_clear(own);
	if (c->extract != EXTRACT_NONE && (c->extract != EXTRACT_AUTO || html_looks_like(*s, *n))) {
		too_large = html_extract(*s, *n, c->extract == EXTRACT_ALL ? HTML_ALL : HTML_MAIN, &x->page, NULL) != OK;
		*s = x->page.text.data ? x->page.text.data : "";
		*n = x->page.text.len;
	}
	if (clean_drops(w, f, STEP_SIZE, too_large || *n > CLEAN_BYTES_MAX))
		return false;
	if (c->repairs) {
		struct repair how = c->repair;
		how.consume = last;
		text_repair_as(&how, *s, *n, own);
		*s = own->data;
		*n = own->len;
	}
	for (int i = 0; i < c->n_replace; i++) {
		int64_t count;
		buf_clear(&x->other);
		if (clean_drops(w, f, STEP_REPLACE, replacement_apply(c->replace[i], *s, *n, x->patterns, &x->other, &count, NULL) != OK))
			return false;
		buf_reserve(&x->other, 0);
		struct buf swap = *own;
		*own = x->other;
		x->other = swap;
		*s = own->data;
		*n = own->len;
	}
	return true;
}

bool clean_drop_by_language(struct clean_worker *w, const char *s, size_t n, struct clean_fate *f)
{
	struct clean_scratch *x = w->scratch;
	const struct lang_filter *lang = x->cleaner->lang;
	double score;
	if (!lang || !clean_drops(w, f, STEP_LANG, !lang_filter_keeps(lang, s, n, &x->lid, &score)))
		return false;
	f->value = score;
	f->threshold = lang_filter_least(lang);
	return true;
}

bool clean_drop_by_conditions(struct clean_worker *w, struct batch *b, int64_t row, struct clean_fate *f)
{
	struct clean_scratch *x = w->scratch;
	const struct cleaner *c = x->cleaner;
	for (int i = 0; i < c->n_tests; i++) {
		bool drop = i < c->n_drop_if, holds = conditions_hold(c->conditions, i, x->number, b, row, x->stats, c->quality.words);
		if (clean_drops(w, f, drop ? STEP_DROP_IF : STEP_KEEP_IF, holds == drop)) {
			f->rule = c->tests[i];
			return true;
		}
	}
	return false;
}

bool clean_drop_by_pii(struct clean_worker *w, const char **s, size_t *n, struct buf *own, struct clean_fate *f)
{
	struct clean_scratch *x = w->scratch;
	const struct cleaner *c = x->cleaner;
	if (c->pii == PII_LEAVE)
		return false;
	buf_clear(&x->other);
	int64_t found = pii_scan(*s, *n, c->pii_kinds, c->pii == PII_MASK ? &x->other : NULL, w->pii);
	if (found && c->pii == PII_MASK) {
		struct buf swap = *own;
		*own = x->other;
		x->other = swap;
		*s = own->data;
		*n = own->len;
	}
	return c->pii == PII_DROP && clean_drops(w, f, STEP_PII, found > 0);
}

void clean_measure(struct clean_worker *w, double *values)
{
	const struct cleaner *c = w->scratch->cleaner;
	for (int k = 0; k < N_STATS; k++)
		if (c->measured[k])
			values[k] = text_stats_get(w->scratch->stats, (enum stat)k, c->quality.words);
}

/* --- a document ------------------------------------------------------------------------------------ */

/* The preset's rules for documents, on the text that the statistics are set to. */
static bool drop_by_rules(struct clean_worker *w, struct clean_fate *f)
{
	const struct quality *q = &w->scratch->cleaner->quality;
	struct verdict v = quality_judge(q, w->scratch->stats, w->seen + CLEAN_RULES, w->hit + CLEAN_RULES);
	if (v.rule >= 0)
		*f = (struct clean_fate){CLEAN_RULES + v.rule, v.value, q->rules[v.rule].threshold, quality_name(q, v.rule)};
	return v.rule >= 0;
}

static struct clean_fate clean_document(struct clean_worker *w, struct batch *b, int64_t row, int column, double *values, struct column *out)
{
	struct clean_scratch *x = w->scratch;
	struct clean_fate f = {.step = -1};
	size_t n;
	const char *s = array_text(&b->columns[column], row, &n);
	/* Conditions read the row again, and another buffer may lie over a hostile stream's text. */
	bool last = x->cleaner->consume && x->cleaner->n_tests == 0 && n > TEXT_STATS_LARGE && batch_holding(b, s, n) == 1;
	if (!clean_prepare(w, &s, &n, last, &x->own, &f))
		return f;
	text_stats_set(x->stats, s, n);
	if (values)
		clean_measure(w, values);
	if (clean_drop_by_language(w, s, n, &f) || drop_by_rules(w, &f) || clean_drop_by_conditions(w, b, row, &f))
		return f;
	const char *judged = s;
	s = text_stats_text(x->stats, &n);
	if (clean_drop_by_pii(w, &s, &n, &x->own, &f) || !out)
		return f;
	if (n > TEXT_STATS_LARGE && (s == judged || s == x->own.data))
		text_stats_set(x->stats, "", 0);     /* what it holds goes before the text is copied */
	if (s == x->own.data)
		column_adopt(out, &x->own);
	else
		column_text(out, s, n);
	return f;
}

struct clean_fate clean_row(struct clean_worker *w, bool chat, struct batch *b, int64_t row, int column, double *values, struct column *out)
{
	struct clean_scratch *x = w->scratch;
	memset(w->pii, 0, sizeof(w->pii));
	for (int k = 0; values && k < N_STATS; k++)
		values[k] = (double)NAN;
	struct clean_fate f = (chat ? clean_chat : clean_document)(w, b, row, column, values, out);
	if (x->own.cap > TEXT_STATS_LARGE || x->other.cap > TEXT_STATS_LARGE || x->page.text.cap > TEXT_STATS_LARGE || x->contents_bytes > TEXT_STATS_LARGE)
		release_texts(x);
	return f;
}

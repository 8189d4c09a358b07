/* dedup_parts.c - paragraphs or lines that come more than once in the corpus; see dedup.h.
 *
 * Parts are numbered through the corpus. The first pass sorts (key, number); what repeats is sorted by number, and the second pass,
 * which counts the parts again, meets it in that order. */
#include "text/dedup_cut.h"

#include "base/hash.h"
#include "base/sorter.h"

#include <math.h>

#define KEY_WORDS 3                  /* two of the key, the part's number */

struct parts {
	struct dedup_common common;
	struct dedup_parts o;
	struct buf *folded;          /* one per thread */
	struct sorter *keys, *repeats;
	uint64_t n, repeated, bytes_cut;
	uint64_t number, next;       /* second pass: of the next part, and of the next that repeats */
	struct buf text;             /* of the row that was judged last */
};

/* --- cutting a text in parts ----------------------------------------------------------------- */

struct part {
	size_t from, len, end;       /* content, and where the next part starts */
};

/* Bytes of white space at the start of a line, line feed included; 0 if the line is not blank or nothing is left. */
static size_t blank_line(const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		int len;
		uint32_t c = text_decode(s + i, n - i, &len);
		if (!text_is_space(c))
			return 0;
		i += (size_t)len;
		if (c == '\n')
			return i;
	}
	return n;
}

/* The line at s[at] as str.split("\n") has it: behind a last line feed there is one more. The end of the last is n + 1. */
static bool next_split(const char *s, size_t n, size_t at, struct part *p)
{
	if (at > n)
		return false;
	const char *feed = at < n ? memchr(s + at, '\n', n - at) : NULL;
	*p = (struct part){.from = at, .len = (feed ? (size_t)(feed - s) : n) - at, .end = (feed ? (size_t)(feed - s) : n) + 1};
	return true;
}

/* The part at s[at], if there is one. Blank lines before the first paragraph belong to it, but not to its content. */
static bool next_part(const struct dedup_parts *o, const char *s, size_t n, size_t at, struct part *p)
{
	const bool lines = o->lines;
	size_t blank;
	if (o->blanks)
		return next_split(s, n, at, p);
	p->from = at;
	while (!lines && (blank = blank_line(s + p->from, n - p->from)) > 0)
		p->from += blank;
	if (at >= n)
		return false;
	for (p->end = p->from; p->end < n;) {
		const char *feed = memchr(s + p->end, '\n', n - p->end);
		p->end = feed ? (size_t)(feed - s) + 1 : n;
		p->len = (feed ? p->end - 1 : n) - p->from;
		if (lines || (blank = blank_line(s + p->end, n - p->end)) > 0)
			break;
	}
	if (p->from == n)
		p->len = 0;
	while (!lines && (blank = blank_line(s + p->end, n - p->end)) > 0)
		p->end += blank;
	return true;
}

static bool compared(const struct parts *x, const char *s, const struct part *p)
{
	return x->o.blanks ? p->len >= x->o.bytes_min : p->len > 0 && p->len >= x->o.bytes_min && text_strip(s + p->from, p->len).len > 0;
}

/* --- first pass ------------------------------------------------------------------------------ */

static enum status read_facts(void *self, const struct batch *b, int worker, void **out, struct error *err)
{
	struct parts *x = self;
	struct buf *folded = &x->folded[worker], *keys = mem_zalloc(sizeof(*keys));
	const struct array *a = batch_column(b, "text");
	*out = keys;
	for (int64_t i = 0; i < b->rows; i++) {
		struct part p = {.end = 0};
		size_t n;
		const char *s = array_text(a, i, &n);
		if (n > INT32_MAX)
			return error_set(err, ERR_DATA, "a text of %zu bytes; the limit is 2 GiB", n);
		while (next_part(&x->o, s, n, p.end, &p)) {
			uint64_t key[2];
			if (!compared(x, s, &p))
				continue;
			buf_clear(folded);
			if (x->common.folds)
				text_fold(s + p.from, p.len, x->common.folds, folded);
			hash128(x->common.folds ? folded->data : s + p.from, x->common.folds ? folded->len : p.len, key);
			buf_add(keys, key, sizeof(key));
		}
	}
	return OK;
}

static void free_facts(void *facts)
{
	buf_release(facts);
	mem_free(facts);
}

static enum status add(void *self, const struct batch *b, const void *facts, struct error *err)
{
	struct parts *x = self;
	const struct buf *keys = facts;
	(void)b;
	for (size_t at = 0; at < keys->len; at += 2 * sizeof(uint64_t)) {
		uint64_t record[KEY_WORDS] = {0, 0, x->n++};
		memcpy(record, keys->data + at, 2 * sizeof(uint64_t));
		TRY(sorter_add(x->keys, record, err));
	}
	return OK;
}

static enum status note(struct parts *x, uint64_t number, struct error *err)
{
	x->repeated++;
	return sorter_add(x->repeats, &number, err);
}

static enum status next_repeat(struct parts *x, struct error *err)
{
	enum status st = sorter_next(x->repeats, &x->next, err);
	if (st == END)
		x->next = UINT64_MAX;
	return st == END ? OK : st;
}

static enum status decide(void *self, struct error *err)
{
	struct parts *x = self;
	uint64_t record[KEY_WORDS], before[KEY_WORDS];
	bool alone = true, first = true;     /* the part before has no like so far; there is none before */
	enum status st;
	TRY(sorter_finish(x->keys, err));
	for (; (st = sorter_next(x->keys, record, err)) == OK; first = false) {
		bool same = !first && record[0] == before[0] && record[1] == before[1];
		if (same && alone && x->common.keep == KEEP_NONE)
			TRY(note(x, before[2], err));
		if (same)
			TRY(note(x, record[2], err));
		alone = !same;
		memcpy(before, record, sizeof(before));
	}
	if (st != END)
		return st;
	sorter_close(x->keys);
	x->keys = NULL;
	TRY(sorter_finish(x->repeats, err));
	return next_repeat(x, err);
}

/* --- second pass ----------------------------------------------------------------------------- */

/* The text without its repeated parts, in x->text; *cut is how many bytes are gone. */
static enum status cut_parts(struct parts *x, const char *s, size_t n, size_t *cut, struct error *err)
{
	struct part p = {.end = 0};
	size_t at = 0, last_end = 0, last_content = 0;       /* of the last part that stays */
	bool last_stays = true;
	*cut = 0;
	buf_clear(&x->text);
	for (; next_part(&x->o, s, n, p.end, &p); at = p.end) {
		last_stays = true;
		if (compared(x, s, &p)) {
			last_stays = x->number++ != x->next;
			if (!last_stays)
				TRY(next_repeat(x, err));
		}
		size_t end = p.end < n ? p.end : n;
		if (last_stays) {
			buf_add(&x->text, s + at, end - at);
			last_end = x->text.len;
			last_content = last_end - (end - p.from - p.len);
		} else {
			*cut += p.end - at;
		}
	}
	/* The end of a part goes with what followed it. */
	if (!last_stays && last_end)
		x->text.len = last_content;
	return OK;
}

static enum status judge(void *self, const struct batch *b, void *facts, int64_t row, struct verdict *v, struct error *err)
{
	struct parts *x = self;
	size_t n, cut;
	const char *s = array_text(batch_column(b, "text"), row, &n);
	(void)facts;
	*v = (struct verdict){.similarity = NAN};
	TRY(cut_parts(x, s, n, &cut, err));
	if (cut == 0)
		return OK;
	*v = dedup_cut_verdict(&x->text, n, x->o.share_max, "repeated_parts");
	x->bytes_cut += v->reason ? 0 : (uint64_t)v->cut;
	return OK;
}

static void stats(const void *self, void (*tell)(void *arg, const char *key, int64_t n), void *arg)
{
	const struct parts *x = self;
	tell(arg, "parts", (int64_t)x->n);
	tell(arg, "parts_repeated", (int64_t)x->repeated);
	tell(arg, "bytes_cut", (int64_t)x->bytes_cut);
	tell(arg, "index_bytes", (int64_t)(x->n * KEY_WORDS * sizeof(uint64_t)));
}

/* --- set-up ---------------------------------------------------------------------------------- */

static void close_parts(void *self)
{
	struct parts *x = self;
	for (int i = 0; i < pool_threads(x->common.pool); i++)
		buf_release(&x->folded[i]);
	mem_free(x->folded);
	buf_release(&x->text);
	sorter_close(x->keys);
	sorter_close(x->repeats);
	mem_free(x);
}

enum status dedup_parts_preset(const char *name, struct dedup_parts *o, struct dedup_common *common, struct error *err)
{
	static const struct { const char *name; bool blanks; unsigned folds; enum keep keep; } presets[] = {
		{"c4", false, FOLD_ENDS | FOLD_CASE, KEEP_FIRST},
		{"cc_net", true, FOLD_ENDS | FOLD_CASE | FOLD_EACH_DIGIT | FOLD_CCNET, KEEP_NONE},
		{"dolma", false, 0, KEEP_FIRST},
	};
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		if (strcmp(presets[i].name, name) != 0)
			continue;
		o->blanks = presets[i].blanks;
		common->folds = presets[i].folds;
		common->keep = presets[i].keep;
		return OK;
	}
	return error_set(err, ERR_USAGE, "preset '%s' of --line is none of c4, cc_net, dolma", name);
}

enum status dedup_parts_open(struct dedup_method *m, const struct dedup_common *common, const struct dedup_parts *o, struct error *err)
{
	TRY(dedup_cut_check(common, err));
	struct parts *x = mem_zalloc(sizeof(*x));
	x->common = *common;
	x->o = *o;
	x->folded = mem_array((size_t)pool_threads(common->pool), sizeof(*x->folded));
	x->keys = sorter_open(KEY_WORDS, common->memory / 2, common->tmp, common->pool);
	x->repeats = sorter_open(1, common->memory / 2, common->tmp, common->pool);
	*m = (struct dedup_method){.self = x, .facts = read_facts, .free_facts = free_facts, .add = add, .decide = decide, .judge = judge,
				   .stats = stats, .close = close_parts, .cuts = true};
	return OK;
}

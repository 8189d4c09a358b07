/* clean.c - repairs text and drops the rows that are not worth training on, each with its reason.
 *
 * For each text, in this order: HTML extraction if asked, repair (text_repair), language, the rules of a preset, personal data.
 * Documents are judged by their text, chat by its turns. */
#include "common/tool.h"

#include "text/html.h"
#include "text/lang.h"
#include "text/pii.h"
#include "text/quality.h"
#include "text/unicode.h"

#include <stdlib.h>

enum extract { EXTRACT_NONE, EXTRACT_MAIN, EXTRACT_ALL, EXTRACT_AUTO };
enum pii { PII_NONE, PII_MASK, PII_DROP };

static struct {
	const char *preset, *lang;
	struct opt_list rules, without;
	int extract, pii;
} opts;

static struct opt options[] = {
	OPT_STRING(0, "preset", &opts.preset, "NAME", "rules to apply: quern, gopher, c4-paper, chat or none; by default quern, chat for chat"),
	OPT_LIST(0, "rule", &opts.rules, "NAME[=VALUE]", "add a rule, or change its threshold"),
	OPT_LIST(0, "without", &opts.without, "NAME", "leave out a rule of the preset"),
	OPT_CHOICE(0, "extract", &opts.extract, "none|main|all|auto",
		   "take texts as HTML and keep their main content or all text; auto is main for texts that look like a page"),
	OPT_STRING(0, "lang", &opts.lang, "CODE,...[=SHARE]",
		   "keep texts mainly in one of these languages, by CLD2, with at least this share of the text (0.65)"),
	OPT_CHOICE(0, "pii", &opts.pii, "none|mask|drop", "e-mail and public IPv4 addresses: leave, replace by [EMAIL] and [IP], or drop the row"),
	OPT_END,
};

static struct tool tool = {
	.name = "clean",
	.summary = "repair text and drop rows that are not worth training on",
	.operands = "[FILE ...]",
	.options = options,
	.max_operands = -1,
};

/* What a worker keeps between rows. */
struct scratch {
	struct quality_scratch *quality;
	struct builder *rows;
	struct html_page page;
	struct buf repaired, masked, all;
	struct chat_turn *turns;
	struct buf *contents;        /* of the turns, repaired */
	int64_t turns_cap;
};

struct job {
	struct quality quality;
	struct opt_list langs;
	double lang_share;
	bool chat;
	int column;                  /* of text or messages */
	struct scratch *scratch;     /* one per thread */
};

/* --- options ------------------------------------------------------------------------------------- */

static enum status parse_lang(struct job *j, struct error *err)
{
	j->lang_share = 0.65;
	if (!opts.lang)
		return OK;
	const char *eq = strchr(opts.lang, '='), *s = opts.lang, *end = eq ? eq : s + strlen(s);
	if (eq && (opt_number(eq + 1, &j->lang_share, err) != OK || !(j->lang_share >= 0 && j->lang_share <= 1)))
		return error_set(err, ERR_USAGE, "--lang: a share from 0 to 1 is wanted after '=', not '%s'", eq + 1);
	while (s <= end) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		size_t n = (size_t)((comma ? comma : end) - s);
		if (n < 2 || n > 8)
			return error_set(err, ERR_USAGE, "--lang: codes such as en,zh are wanted, not '%s'", opts.lang);
		MEM_PUSH_ROOM(j->langs.items, j->langs.n, j->langs.cap);
		char *code = mem_strndup(s, n);
		j->langs.items[j->langs.n++] = code;
		if (!lang_known(code))
			return error_set(err, ERR_USAGE, "--lang: no language '%s' is known; codes are as in en,zh,de", code);
		s += n + 1;
	}
	return OK;
}

static enum status choose_rules(struct job *j, struct error *err)
{
	TRY(quality_preset(&j->quality, opts.preset ? opts.preset : j->chat ? "chat" : "quern", err));
	for (int i = 0; i < opts.rules.n; i++)
		TRY(quality_set(&j->quality, opts.rules.items[i], err));
	for (int i = 0; i < opts.without.n; i++)
		TRY(quality_remove(&j->quality, opts.without.items[i], err));
	return OK;
}

/* --- one text ------------------------------------------------------------------------------------- */

/* Whether the first part of a code ("zh" of "zh-Hant") or the whole is in the list. */
static bool lang_wanted(const struct job *j, const char *code)
{
	size_t base = strcspn(code, "-");
	for (int i = 0; i < j->langs.n; i++) {
		const char *want = j->langs.items[i];
		if (strcmp(want, code) == 0 || (strlen(want) == base && memcmp(want, code, base) == 0))
			return true;
	}
	return false;
}

static const char *check_lang(const struct job *j, const char *s, size_t n)
{
	char code[16];
	if (j->langs.n == 0)
		return NULL;
	double share = lang_detect(s, n, code);
	return lang_wanted(j, code) && share >= j->lang_share ? NULL : "language";
}

/* Extraction and repair into out; a reason if the page cannot be parsed. */
static const char *prepare(struct scratch *x, const char *s, size_t n, struct buf *out)
{
	buf_clear(out);
	if (opts.extract != EXTRACT_NONE && (opts.extract != EXTRACT_AUTO || html_looks_like(s, n))) {
		if (html_extract(s, n, opts.extract == EXTRACT_ALL ? HTML_ALL : HTML_MAIN, &x->page, NULL) != OK)
			return "too_large";
		s = x->page.text.data ? x->page.text.data : "";
		n = x->page.text.len;
	}
	text_repair(s, n, out);
	buf_reserve(out, 1);
	return NULL;
}

/* Personal data in a text that passed: replaces it, or gives the reason. */
static const char *treat_pii(struct scratch *x, const char **s, size_t *n)
{
	if (opts.pii == PII_NONE)
		return NULL;
	if (opts.pii == PII_DROP)
		return pii_mask(*s, *n, NULL) ? "pii" : NULL;
	buf_clear(&x->masked);
	if (pii_mask(*s, *n, &x->masked)) {
		*s = x->masked.data;
		*n = x->masked.len;
	}
	return NULL;
}

static const char *clean_document(const struct job *j, struct scratch *x, const struct array *a, int64_t row, struct column *out)
{
	size_t n;
	const char *s = array_text(a, row, &n), *reason = prepare(x, s, n, &x->repaired);
	if (reason)
		return reason;
	s = x->repaired.data;
	n = x->repaired.len;
	reason = check_lang(j, s, n);
	if (!reason)
		reason = quality_judge(&j->quality, &s, &n, x->quality);
	if (!reason)
		reason = treat_pii(x, &s, &n);
	if (!reason)
		column_text(out, s, n);
	return reason;
}

/* --- one conversation ---------------------------------------------------------------------------- */

static void turns_room(struct scratch *x, int64_t n)
{
	if (n <= x->turns_cap)
		return;
	x->turns = mem_grow(x->turns, (size_t)n, sizeof(*x->turns));
	x->contents = mem_grow(x->contents, (size_t)n, sizeof(*x->contents));
	memset(x->contents + x->turns_cap, 0, (size_t)(n - x->turns_cap) * sizeof(*x->contents));
	x->turns_cap = n;
}

static const char *treat_pii_of_turns(struct scratch *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		const char *s = x->turns[i].content;
		size_t len = x->turns[i].n_content;
		const char *reason = treat_pii(x, &s, &len);
		if (reason)
			return reason;
		if (s == x->masked.data && len) {
			buf_clear(&x->contents[i]);
			buf_add(&x->contents[i], s, len);
			x->turns[i].content = x->contents[i].data;
			x->turns[i].n_content = len;
		}
	}
	return NULL;
}

/* Writes the list anew: contents from the turns, every other field of a message as it was. */
static void write_turns(const struct scratch *x, const struct array *a, int64_t from, int64_t to, struct column *out)
{
	const struct array *messages = &a->children[0];
	struct column *element = column_child(out, 0);
	for (int64_t i = from; i < to; i++) {
		for (int c = 0; c < messages->field->n_children; c++) {
			const struct array *child = &messages->children[c];
			if (strcmp(child->field->name, "content") == 0 && !array_is_null(child, i))
				column_text(column_child(element, c), x->turns[i - from].content, x->turns[i - from].n_content);
			else
				column_copy(column_child(element, c), child, i);
		}
		column_end_struct(element);
	}
	column_end_list(out);
}

static const char *clean_chat(const struct job *j, struct scratch *x, const struct array *a, int64_t row, struct column *out)
{
	int64_t from, to;
	array_list(a, row, &from, &to);
	const struct array *role = array_child(&a->children[0], "role"), *content = array_child(&a->children[0], "content");
	turns_room(x, to - from);
	buf_clear(&x->all);
	for (int64_t i = from; i < to; i++) {
		struct chat_turn *t = &x->turns[i - from];
		struct buf *text = &x->contents[i - from];
		size_t n;
		const char *s = array_text(content, i, &n), *reason = prepare(x, s, n, text);
		if (reason)
			return reason;
		t->role = array_text(role, i, &t->n_role);
		t->content = text->data;
		t->n_content = text->len;
		buf_add(&x->all, text->data, text->len);
		buf_char(&x->all, '\n');
	}
	const char *reason = check_lang(j, x->all.data ? x->all.data : "", x->all.len);
	if (!reason)
		reason = quality_judge_chat(&j->quality, x->turns, to - from);
	if (!reason)
		reason = treat_pii_of_turns(x, to - from);
	if (!reason)
		write_turns(x, a, from, to, out);
	return reason;
}

/* --- the loop ------------------------------------------------------------------------------------ */

static enum status work(void *arg, struct batch *b, struct batch **out, const char **reject, int worker, struct error *err)
{
	struct job *j = arg;
	struct scratch *x = &j->scratch[worker];
	(void)err;
	if (!x->rows) {
		x->rows = builder_open(tool_schema(&tool));
		x->quality = quality_scratch_open();
	}
	for (int64_t row = 0; row < b->rows; row++) {
		const struct array *a = &b->columns[j->column];
		struct column *c = builder_column(x->rows, j->column);
		reject[row] = j->chat ? clean_chat(j, x, a, row, c) : clean_document(j, x, a, row, c);
		for (int i = 0; !reject[row] && i < b->schema->n_fields; i++)
			if (i != j->column)
				column_copy(builder_column(x->rows, i), &b->columns[i], row);
	}
	*out = builder_finish(x->rows);
	return OK;
}

static void scratch_release(struct scratch *x)
{
	builder_close(x->rows);
	quality_scratch_close(x->quality);
	html_page_clear(&x->page);
	buf_release(&x->repaired);
	buf_release(&x->masked);
	buf_release(&x->all);
	for (int64_t i = 0; i < x->turns_cap; i++)
		buf_release(&x->contents[i]);
	mem_free(x->turns);
	mem_free(x->contents);
}

static enum status run(struct error *err)
{
	static const enum kind kinds[] = {KIND_DOCUMENTS, KIND_CHAT};
	static struct job j;
	TRY(choose_rules(&j, err));      /* mistakes in names are told before any input is waited for */
	TRY(parse_lang(&j, err));
	TRY(tool_open_inputs(&tool, kinds, 2, err));
	j.chat = tool_kind(&tool) == KIND_CHAT;
	j.column = schema_find(tool_schema(&tool), j.chat ? "messages" : "text");
	TRY(choose_rules(&j, err));
	TRY(quality_check(&j.quality, j.chat, err));
	TRY(tool_open_output(&tool, tool_schema(&tool), tool_kind(&tool), err));
	j.scratch = mem_array((size_t)pool_threads(tool.pool), sizeof(*j.scratch));
	struct filter f = {work, &j};
	enum status st = tool_filter(&tool, &f, err);
	for (int i = 0; i < pool_threads(tool.pool); i++)
		scratch_release(&j.scratch[i]);
	mem_free(j.scratch);
	for (int i = 0; i < j.langs.n; i++)
		mem_free((void *)j.langs.items[i]);
	mem_free(j.langs.items);
	return st == OK || st == END ? tool_commit(&tool, err) : st;
}

int main(int argc, char **argv)
{
	struct error err = {{0}};
	tool_start(&tool, argc, argv);
	return tool_end(&tool, run(&err), &err);
}

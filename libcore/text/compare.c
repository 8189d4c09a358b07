/* compare.c - see compare.h. */
#include "text/compare.h"

const enum kind compare_kinds[] = {KIND_DOCUMENTS, KIND_CHAT, KIND_PROBLEMS, KIND_PREFERENCES, KIND_FEEDBACK};
const int compare_kinds_n = sizeof(compare_kinds) / sizeof(compare_kinds[0]);

bool compare_takes(enum kind k)
{
	for (int i = 0; i < compare_kinds_n; i++)
		if (compare_kinds[i] == k)
			return true;
	return false;
}

enum status compare_choose(enum kind k, const char *const *paths, int n, enum compare_by *by, struct error *err)
{
	*by = k == KIND_PROBLEMS ? COMPARE_PROMPT : COMPARE_TEXT;
	for (int i = 0; i < n; i++) {
		struct reader *r;
		TRY(reader_open(&r, paths[i], NULL, err));
		if (reader_kind(r) == KIND_PROBLEMS)
			*by = COMPARE_PROMPT;
		reader_close(r);
	}
	return OK;
}

static bool is_role(const struct array *role, int64_t turn, const char *name)
{
	size_t n;
	const char *s = array_text(role, turn, &n);
	return n == strlen(name) && memcmp(s, name, n) == 0;
}

static void add_turns(const struct array *messages, int64_t row, enum compare_by by, struct buf *out)
{
	int64_t from, to;
	array_list(messages, row, &from, &to);
	const struct array *role = array_child(&messages->children[0], "role"), *content = array_child(&messages->children[0], "content");
	size_t start = out->len;
	for (int64_t i = from; i < to; i++) {
		size_t n;
		const char *s = array_text(content, i, &n);
		if (!is_role(role, i, "user") && !(by == COMPARE_TEXT && is_role(role, i, "assistant")))
			continue;
		if (by == COMPARE_LAST)
			out->len = start;
		buf_add(out, s, n);
		buf_char(out, '\n');
	}
}

static void add_column(const struct array *a, int64_t row, enum compare_by by, struct buf *out)
{
	size_t n;
	if (field_is_messages(a->field)) {
		add_turns(a, row, by, out);
	} else if (field_is_text(a->field)) {
		const char *s = array_text(a, row, &n);
		buf_add(out, s, n);
	}
}

/* The column that rows are about: turns, where there are such, else the text of documents (which may have other columns of any
 * name); NULL if there is neither. */
static const struct array *subject(const struct batch *b)
{
	static const char *const names[] = {"messages", "prompt"};
	for (int i = 0; i < 2; i++) {
		const struct array *a = batch_column(b, names[i]);
		if (a && field_is_messages(a->field))
			return a;
	}
	const struct array *text = batch_column(b, "text");
	return text && field_is_text(text->field) ? text : NULL;
}

void compare_text(const struct batch *b, int64_t row, enum compare_by by, struct buf *out)
{
	static const char *const answers[] = {"chosen", "rejected", "completion"};
	const struct array *a = subject(b);
	if (a)
		add_column(a, row, by, out);
	if (!a || field_is_text(a->field) || by != COMPARE_TEXT)
		return;
	for (int i = 0; i < 3; i++) {
		if (!(a = batch_column(b, answers[i])))
			continue;
		buf_char(out, 0x1e);
		add_column(a, row, by, out);
	}
}

const char *compare_view(const struct batch *b, int64_t row, enum compare_by by, struct buf *scratch, size_t *n)
{
	const struct array *a = subject(b);
	if (a && field_is_text(a->field))
		return array_text(a, row, n);
	buf_clear(scratch);
	buf_reserve(scratch, 1);
	compare_text(b, row, by, scratch);
	*n = scratch->len;
	return scratch->data;
}

void compare_id(const struct batch *b, int64_t row, int64_t number, struct buf *out)
{
	const struct array *id = batch_column(b, "id");
	buf_clear(out);
	buf_reserve(out, 1);
	if (id && field_is_text(id->field)) {
		size_t n;
		const char *s = array_text(id, row, &n);
		buf_add(out, s, n);
	} else {
		buf_printf(out, "%lld", (long long)number);
	}
}

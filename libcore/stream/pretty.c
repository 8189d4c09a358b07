/* pretty.c - see pretty.h: lines, and what stands in them but tokens. */
#include "stream/pretty.h"

#include "base/terminal.h"

#include <stdio.h>
#include <string.h>

#define TAB 8
#define LINE_MIN 10                  /* cells that a line has, however narrow the terminal */

static const char *const escapes[] = {
	[STYLE_NONE] = "", [STYLE_RULE] = "\033[33m", [STYLE_NAME] = "\033[36m", [STYLE_CHOSEN] = "\033[1;32m",
	[STYLE_REJECTED] = "\033[1;31m", [STYLE_SYSTEM] = "\033[1;35m", [STYLE_USER] = "\033[1;34m",
	[STYLE_ASSISTANT] = "\033[1;32m", [STYLE_DIM] = "\033[2m", [STYLE_SPECIAL] = "\033[35m",
};

/* --- lines --------------------------------------------------------------------------------------- */

void pretty_styled(const struct pretty *p, enum style style, const char *s, size_t n, struct buf *out)
{
	bool on = p->color && style != STYLE_NONE && n > 0;

	buf_str(out, on ? escapes[style] : "");
	buf_add(out, s, n);
	buf_str(out, on ? "\033[0m" : "");
}

static void spaces(struct buf *out, int n)
{
	while (n-- > 0)
		buf_char(out, ' ');
}

/* Cells of the character at s when at cells stand before it, and its bytes. */
static int cells_of(const char *s, size_t n, int64_t at, size_t *bytes)
{
	int cells;

	*bytes = terminal_char(s, n, &cells);
	return *s == '\t' ? TAB - (int)(at % TAB) : cells;
}

int64_t pretty_cells(const char *s, size_t n)
{
	int64_t cells = 0;
	size_t bytes;

	for (; n > 0; s += bytes, n -= bytes) {
		if (*s == '\n')
			return -1;
		cells += cells_of(s, n, cells, &bytes);
	}
	return cells;
}

/* Bytes of the next line of s, which has no line feed: up to the last space that fits, or in a longer word to the last character. */
static size_t line_bytes(const char *s, size_t n, int64_t width)
{
	size_t at = 0, space = 0, bytes;
	int64_t cells = 0;

	for (; at < n; at += bytes) {
		int c = cells_of(s + at, n - at, cells, &bytes);
		if (cells + c > width && at > 0 && c > 0 && s[at] != ' ')
			return space ? space : at;
		cells += c;
		if (s[at] == ' ' || s[at] == '\t')
			space = at + 1;
	}
	return n;
}

/* Tabs go to stops of the text, wherever that begins. */
static void add_line(const struct pretty *p, const char *s, size_t n, struct buf *out)
{
	int64_t at = 0;
	size_t bytes;

	if (!p->width) {
		buf_add(out, s, n);
		return;
	}
	while (n > 0 && s[n - 1] == ' ')
		n--;
	for (; n > 0; s += bytes, n -= bytes) {
		int cells = cells_of(s, n, at, &bytes);
		if (*s == '\t')
			spaces(out, cells);
		else
			buf_add(out, s, bytes);
		at += cells;
	}
}

void pretty_block(const struct pretty *p, int indent, const char *s, size_t n, struct buf *out)
{
	int64_t width = p->width - indent > LINE_MIN ? p->width - indent : LINE_MIN;
	struct buf safe = {0};

	buf_add(&safe, s, n);
	n = terminal_safe(safe.data, safe.len);
	for (s = safe.data;; ) {
		const char *feed = n ? memchr(s, '\n', n) : NULL;
		size_t rest = feed ? (size_t)(feed - s) : n;
		n -= rest + (feed != NULL);
		do {
			size_t line = p->width ? line_bytes(s, rest, width) : rest;
			spaces(out, line ? indent : 0);
			add_line(p, s, line, out);
			buf_char(out, '\n');
			s += line;
			rest -= line;
		} while (rest > 0);
		if (!feed)
			break;
		s++;
	}
	buf_release(&safe);
}

void flow_add(struct flow *f, enum style style, const char *s, size_t n)
{
	int64_t cells = pretty_cells(s, n);

	if (f->at && f->p->width && f->at + 1 + cells > f->p->width)
		flow_end(f);
	spaces(f->out, f->at ? 1 : f->indent);
	f->at += (f->at ? 1 : f->indent) + cells;
	pretty_styled(f->p, style, s, n, f->out);
}

void flow_end(struct flow *f)
{
	if (f->at)
		buf_char(f->out, '\n');
	f->at = 0;
}

/* --- columns --------------------------------------------------------------------------------------- */

/* A name or role on one line, whatever it holds. */
static void add_title(const struct pretty *p, int indent, const char *before, const char *s, size_t n, const char *after,
		      enum style style, struct buf *out)
{
	struct buf title = {0};

	buf_str(&title, before);
	buf_add(&title, s, n);
	buf_str(&title, after);
	title.len = terminal_safe(title.data, title.len);
	for (size_t i = 0; i < title.len; i++)
		title.data[i] = title.data[i] == '\n' ? '?' : title.data[i];
	spaces(out, indent);
	pretty_styled(p, style, title.data, title.len, out);
	buf_release(&title);
}

static void add_name(const struct pretty *p, int indent, const struct field *f, enum style style, struct buf *out)
{
	add_title(p, indent, "", f->name, strlen(f->name), ":", style, out);
}

/* A value beside its name, or below it where it has lines or does not fit. */
static void add_value(const struct pretty *p, int indent, const struct array *a, int64_t row, enum style style, struct buf *out)
{
	struct buf value = {0};

	array_plain(a, row, &value);
	add_name(p, indent, a->field, style, out);
	int64_t cells = pretty_cells(value.data, value.len), before = indent + pretty_cells(a->field->name, strlen(a->field->name)) + 2;
	if (cells == 0) {
		buf_char(out, '\n');
	} else if (cells > 0 && (!p->width || before + cells <= p->width)) {
		buf_char(out, ' ');
		pretty_block(p, 0, value.data, value.len, out);
	} else {
		buf_char(out, '\n');
		pretty_block(p, indent + 2, value.data, value.len, out);
	}
	buf_release(&value);
}

static enum style role_style(const char *s, size_t n)
{
	static const struct { const char *role; enum style style; } roles[] = {
		{ "system", STYLE_SYSTEM }, { "developer", STYLE_SYSTEM }, { "user", STYLE_USER }, { "human", STYLE_USER },
		{ "assistant", STYLE_ASSISTANT }, { "gpt", STYLE_ASSISTANT }, { "model", STYLE_ASSISTANT },
	};

	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (strlen(roles[i].role) == n && memcmp(roles[i].role, s, n) == 0)
			return roles[i].style;
	return STYLE_NAME;
}

static void add_turn(const struct pretty *p, const struct array *turn, int64_t i, struct buf *out)
{
	size_t n;

	const char *s = array_text(array_child(turn, "role"), i, &n);
	add_title(p, 2, "[", s, n, "]", role_style(s, n), out);
	buf_char(out, '\n');
	s = array_text(array_child(turn, "content"), i, &n);
	if (n)
		pretty_block(p, 4, s, n, out);
	for (int k = 0; k < turn->field->n_children; k++) {
		const struct array *a = &turn->children[k];
		if (strcmp(a->field->name, "role") != 0 && strcmp(a->field->name, "content") != 0 && !array_is_null(a, i))
			add_value(p, 4, a, i, STYLE_DIM, out);
	}
}

static void add_column(const struct pretty *p, const struct array *a, const struct token_row *t, int64_t row, struct buf *out)
{
	const char *name = a->field->name;
	enum style style = strncmp(name, "chosen", 6) == 0 ? STYLE_CHOSEN : strncmp(name, "rejected", 8) == 0 ? STYLE_REJECTED : STYLE_NAME;
	int64_t from, to;

	if (field_is_messages(a->field)) {
		add_name(p, 0, a->field, style, out);
		buf_char(out, '\n');
		array_list(a, row, &from, &to);
		for (int64_t i = from; i < to; i++)
			add_turn(p, &a->children[0], i, out);
	} else if (pretty_is_ids(a->field)) {
		add_name(p, 0, a->field, style, out);
		pretty_ids(p, a, t, row, out);
	} else {
		add_value(p, 0, a, row, style, out);
	}
}

void pretty_row(const struct pretty *p, const struct batch *b, const int *columns, int n, int64_t row, int64_t number,
		struct buf *out)
{
	struct token_row t = pretty_token_row(b, columns, n, row);
	char rule[40];

	pretty_styled(p, STYLE_RULE, rule, (size_t)snprintf(rule, sizeof(rule), "---- %lld", (long long)number), out);
	buf_char(out, '\n');
	for (int i = 0; i < n; i++) {
		const struct array *a = &b->columns[columns[i]];
		/* what is shown with the ids */
		if (array_is_null(a, row) || a == t.mask || a == t.lengths || (a == t.labels && !t.labels_differ))
			continue;
		add_column(p, a, &t, row, out);
	}
}

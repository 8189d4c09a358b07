/* pretty_tokens.c - see pretty.h: token ids, each beside its text if there is a tokenizer, by documents in a packed row. What counts for no
 * loss stands in parentheses. */
#include "stream/pretty.h"

#include "base/terminal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NO_LOSS (-100)

static bool is_ints(const struct field *f)
{
	if (f->n_children != 1 || (f->type != T_LIST && f->type != T_LARGE_LIST && f->type != T_FIXED_LIST))
		return false;
	return f->children[0].type >= T_INT8 && f->children[0].type <= T_UINT32;
}

bool pretty_is_ids(const struct field *f)
{
	size_t n = strlen(f->name);

	return is_ints(f) && n >= 4 && strcmp(f->name + n - 4, "_ids") == 0;
}

static int64_t list_length(const struct array *a, int64_t row)
{
	int64_t from, to;

	array_list(a, row, &from, &to);
	return to - from;
}

/* The chosen column of this name, if it is a list of integers and not null in this row. */
static const struct array *find(const struct batch *b, const int *columns, int n, int64_t row, const char *name)
{
	for (int i = 0; i < n; i++) {
		const struct array *a = &b->columns[columns[i]];
		if (strcmp(a->field->name, name) == 0)
			return is_ints(a->field) && !array_is_null(a, row) ? a : NULL;
	}
	return NULL;
}

/* Lengths of documents, which lie within size tokens. */
static bool lengths_fit(const struct array *lengths, int64_t row, int64_t size)
{
	int64_t from, to, sum = 0;

	array_list(lengths, row, &from, &to);
	for (int64_t i = from; i < to; i++) {
		int64_t length = array_int(&lengths->children[0], i);
		if (array_is_null(&lengths->children[0], i) || length < 0 || length > size - sum)
			return false;
		sum += length;
	}
	return true;
}

struct token_row pretty_token_row(const struct batch *b, const int *columns, int n, int64_t row)
{
	struct token_row t = {0};
	const struct array *ids = find(b, columns, n, row, "input_ids");
	int64_t from, to, label;

	if (!ids)
		return t;
	array_list(ids, row, &from, &to);
	t.mask = find(b, columns, n, row, "loss_mask");
	if (t.mask && list_length(t.mask, row) != to - from)
		t.mask = NULL;
	t.labels = find(b, columns, n, row, "labels");
	if (t.labels && list_length(t.labels, row) != to - from)
		t.labels = NULL;
	t.lengths = find(b, columns, n, row, "seq_lengths");
	if (t.lengths && !lengths_fit(t.lengths, row, to - from))
		t.lengths = NULL;
	for (int64_t i = 0; t.labels && i < to - from && !t.labels_differ; i++) {
		int64_t first, end;
		array_list(t.labels, row, &first, &end);
		label = array_int(&t.labels->children[0], first + i);
		t.labels_differ = label != NO_LOSS && label != array_int(&ids->children[0], from + i);
	}
	return t;
}

/* --- one token ------------------------------------------------------------------------------------- */

/* Whether n bytes begin with a whole character; its bytes. */
static size_t whole_char(const char *s, size_t n)
{
	int cells;
	size_t bytes = terminal_char(s, n, &cells);

	return bytes == 1 && (unsigned char)*s >= 0x80 ? 0 : bytes;
}

/* Bytes of a token; what is no character, or none to be shown, as its bytes: <0xE4>. */
static void add_bytes(const char *s, size_t n, struct buf *out)
{
	while (n > 0) {
		size_t bytes = whole_char(s, n);
		bool c1 = bytes == 2 && (unsigned char)s[0] == 0xC2 && (unsigned char)s[1] < 0xA0;
		if (*s == '\n')
			buf_str(out, "\\n");
		else if (*s == '\t')
			buf_str(out, "\\t");
		else if (*s == '"' || *s == '\\')
			buf_printf(out, "\\%c", *s);
		else if (bytes == 0 || c1 || (unsigned char)*s < 0x20 || *s == 0x7F)
			buf_printf(out, "<0x%02X>", (unsigned char)*s);
		else
			buf_add(out, s, bytes);
		bytes = bytes && !c1 ? bytes : 1;
		s += bytes;
		n -= bytes;
	}
}

struct token_printer {
	const struct pretty *p;
	struct flow flow;
	struct buf word;
};

static void add_token(struct token_printer *w, const struct array *ids, int64_t i, bool counts)
{
	const struct array *values = &ids->children[0];
	int64_t id = array_int(values, i);
	bool special = false;
	size_t n = 0;

	buf_clear(&w->word);
	buf_str(&w->word, counts ? "" : "(");
	if (array_is_null(values, i))
		buf_str(&w->word, "null");
	else
		buf_printf(&w->word, "%" PRId64, id);
	if (w->p->token && !array_is_null(values, i)) {
		const char *s = id >= 0 && id <= INT32_MAX ? w->p->token(w->p->arg, (int32_t)id, &n, &special) : "";
		buf_str(&w->word, n == 0 ? "?" : special ? "" : "\"");
		add_bytes(s, n, &w->word);
		buf_str(&w->word, n && !special ? "\"" : "");
	}
	buf_str(&w->word, counts ? "" : ")");
	flow_add(&w->flow, special ? STYLE_SPECIAL : counts ? STYLE_NONE : STYLE_DIM, w->word.data, w->word.len);
}

/* Whether token k of the row counts for the loss, which begins at ids' element from. */
static bool counts(const struct token_row *t, bool masked, int64_t row, int64_t k)
{
	int64_t from, to;

	if (masked && t->labels) {
		array_list(t->labels, row, &from, &to);
		return array_int(&t->labels->children[0], from + k) != NO_LOSS;
	}
	if (masked && t->mask) {
		array_list(t->mask, row, &from, &to);
		return array_int(&t->mask->children[0], from + k) != 0;
	}
	return true;
}

/* Tokens [first, end) of the row: how many they are, on the line that stands, and below it they themselves. */
static void add_range(struct token_printer *w, const struct array *ids, const struct token_row *t, bool masked, int64_t row,
		      int64_t first, int64_t end, int indent)
{
	int64_t from, to, n = 0;

	array_list(ids, row, &from, &to);
	for (int64_t k = first; k < end; k++)
		n += counts(t, masked, row, k);
	buf_printf(w->flow.out, " %" PRId64 " token%s", end - first, end - first == 1 ? "" : "s");
	if (masked && (t->labels || t->mask))
		buf_printf(w->flow.out, ", %" PRId64 " with loss", n);
	buf_char(w->flow.out, '\n');
	w->flow.indent = indent;
	for (int64_t k = first; k < end; k++)
		add_token(w, ids, from + k, counts(t, masked, row, k));
	flow_end(&w->flow);
}

static void add_heading(struct token_printer *w, const char *name, int64_t number)
{
	char heading[40];
	size_t n = (size_t)(number < 0 ? snprintf(heading, sizeof(heading), "[%s]", name)
				       : snprintf(heading, sizeof(heading), "[%s %" PRId64 "]", name, number));

	buf_str(w->flow.out, "  ");
	pretty_styled(w->p, STYLE_USER, heading, n, w->flow.out);
}

void pretty_ids(const struct pretty *p, const struct array *ids, const struct token_row *t, int64_t row, struct buf *out)
{
	struct token_printer w = { .p = p, .flow = { .p = p, .out = out } };
	bool masked = strcmp(ids->field->name, "input_ids") == 0;
	int64_t size = list_length(ids, row), from, to, at = 0;

	if (!masked || !t->lengths) {
		add_range(&w, ids, t, masked, row, 0, size, 2);
	} else {
		array_list(t->lengths, row, &from, &to);
		buf_printf(out, " %" PRId64 " document%s in %" PRId64 " tokens\n", to - from, to - from == 1 ? "" : "s", size);
		for (int64_t i = from; i < to; i++) {
			int64_t length = array_int(&t->lengths->children[0], i);
			add_heading(&w, "document", i - from);
			add_range(&w, ids, t, true, row, at, at + length, 4);
			at += length;
		}
		if (at < size) {
			add_heading(&w, "padding", -1);
			add_range(&w, ids, t, true, row, at, size, 4);
		}
	}
	buf_release(&w.word);
}

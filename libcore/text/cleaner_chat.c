/* cleaner_chat.c - conversations; see cleaner.h. */
#include "text/cleaner_priv.h"

static void turns_room(struct clean_scratch *x, int64_t n)
{
	if (n <= x->turns_cap)
		return;
	x->turns = mem_grow(x->turns, (size_t)n, sizeof(*x->turns));
	x->contents = mem_grow(x->contents, (size_t)n, sizeof(*x->contents));
	memset(x->contents + x->turns_cap, 0, (size_t)(n - x->turns_cap) * sizeof(*x->contents));
	x->turns_cap = n;
}

/* Prepares the turns [from, to), and x->own, their contents one behind the other. False: the row goes. */
static bool read_turns(struct clean_worker *w, const struct array *a, int64_t from, int64_t to, struct clean_fate *f)
{
	struct clean_scratch *x = w->scratch;
	const struct array *role = array_child(&a->children[0], "role"), *content = array_child(&a->children[0], "content");
	turns_room(x, to - from);
	buf_clear(&x->own);
	x->contents_bytes = 0;
	for (int64_t i = from; i < to; i++) {
		struct chat_turn *t = &x->turns[i - from];
		struct buf *own = &x->contents[i - from];
		t->role = array_text(role, i, &t->n_role);
		t->content = array_text(content, i, &t->n_content);
		if (!clean_prepare(w, &t->content, &t->n_content, false, own, f))
			return false;
		if (t->content == x->page.text.data) {       /* the next turn's page takes its place */
			buf_add(own, t->content, t->n_content);
			t->content = own->data;
		}
		x->contents_bytes += own->cap;
		buf_add(&x->own, t->content, t->n_content);
		buf_char(&x->own, '\n');
	}
	buf_reserve(&x->own, 1);
	return !clean_drops(w, f, STEP_SIZE, x->own.len > CLEAN_BYTES_MAX);
}

static bool drop_by_chat_rules(struct clean_worker *w, int64_t n, struct clean_fate *f)
{
	struct clean_scratch *x = w->scratch;
	const struct quality *q = &x->cleaner->quality;
	for (int i = 0; i < q->n; i++) {
		double value;
		enum chat_stat which = (enum chat_stat)quality_chat_rule(q, i);
		if (clean_drops(w, f, STEP_LIMIT, chat_measure(which, x->turns, n, x->stats, x->cleaner->refusals, x->patterns, &value, NULL) != OK))
			return true;
		if (!clean_drops(w, f, CLEAN_RULES + i, quality_fails(q, i, value)))
			continue;
		*f = (struct clean_fate){CLEAN_RULES + i, value, q->rules[i].threshold, quality_name(q, i)};
		return true;
	}
	return false;
}

static bool drop_by_pii(struct clean_worker *w, int64_t n, struct clean_fate *f)
{
	struct clean_scratch *x = w->scratch;
	for (int64_t i = 0; i < n; i++)
		if (clean_drop_by_pii(w, &x->turns[i].content, &x->turns[i].n_content, &x->contents[i], f))
			return true;
	return false;
}

/* Writes the list anew: contents from the turns, every other field of a message as it was. */
static void write_turns(const struct clean_scratch *x, const struct array *a, int64_t from, int64_t to, struct column *out)
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

struct clean_fate clean_chat(struct clean_worker *w, struct batch *b, int64_t row, int column, double *values, struct column *out)
{
	struct clean_scratch *x = w->scratch;
	struct clean_fate f = {.step = -1};
	int64_t from, to;
	const struct array *a = &b->columns[column];
	array_list(a, row, &from, &to);
	bool stays = read_turns(w, a, from, to, &f) && !clean_drop_by_language(w, x->own.data, x->own.len, &f) && !drop_by_chat_rules(w, to - from, &f);
	if (values || stays)
		text_stats_set(x->stats, x->own.data ? x->own.data : "", x->own.len);
	if (values)
		clean_measure(w, values);
	if (!stays || clean_drop_by_conditions(w, b, row, &f) || drop_by_pii(w, to - from, &f) || !out)
		return f;
	write_turns(x, a, from, to, out);
	return f;
}

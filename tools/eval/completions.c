/* completions.c - a generate_until task on responses that are there already: no model, no network. */
#include "eval/eval.h"

#include "judge/prompt_groups.h"

#include <string.h>

static struct {
	struct tool *tool;
	struct task *task;
	const char *column;
	bool is_list, bound;
	struct task_judge *judge;
	struct docs doc;             /* the one under way */
	struct json_parser *meta, *parser;
	struct arena arena;
	struct request_text *said;
	int64_t n, cap, documents, limit;
} cr;

static void add_response(const struct array *a, int64_t row)
{
	struct request_text t;

	MEM_PUSH_ROOM(cr.said, cr.n, cr.cap);
	t.s = array_text(a, row, &t.n);
	cr.said[cr.n++] = t;
}

/* The responses of a row; none: it is rejected. */
static enum status read_row(const struct prompt_row *r, struct error *err)
{
	const struct array *a = batch_column(r->batch, cr.column);
	int64_t before = cr.n, from = 0, to = 0;

	if (cr.is_list && !array_is_null(a, r->row))
		array_list(a, r->row, &from, &to);
	for (int64_t i = from; i < to; i++)
		if (!array_is_null(&a->children[0], i))
			add_response(&a->children[0], i);
	if (!cr.is_list && !array_is_null(a, r->row))
		add_response(a, r->row);
	return cr.n > before ? OK : tool_reject(cr.tool, r->batch, r->row, "no_prediction", err);
}

static enum status judge_doc(struct error *err)
{
	struct task_request r;
	const struct json *doc;
	size_t n;
	const char *text = docs_text(&cr.doc, 0, &n);

	TRY(docs_get(&cr.doc, 0, cr.parser, &doc, err));
	if (!cr.bound)
		TRY(task_bind_doc(cr.task, doc, err));
	cr.bound = true;
	TRY(task_answer(cr.task, doc, &cr.arena, &r, err));
	return task_judge_responses(cr.judge, cr.documents, text, n, &r, "[]", cr.said, cr.n, err);
}

static enum status judge_group(void *arg, const struct prompt_row *rows, int64_t n, struct error *err)
{
	enum status st = OK;

	(void)arg;
	if (cr.limit && cr.documents == cr.limit)
		return OK;
	cr.n = 0;
	for (int64_t i = 0; i < n && st == OK; i++)
		st = read_row(&rows[i], err);
	if (st != OK || !cr.n)
		return st;
	docs_clear(&cr.doc);
	docs_add_meta(&cr.doc, rows[0].batch, rows[0].row, cr.meta);
	arena_reset(&cr.arena);
	st = judge_doc(err);
	if (st != OK)
		return error_prefix(err, st, "document %lld", (long long)cr.documents);
	cr.documents++;
	return OK;
}

static enum status read_groups(bool by_id, struct error *err)
{
	struct prompt_groups *g = prompt_groups_open(tool_schema(cr.tool), 0, cr.tool->pool, judge_group, NULL);
	struct batch *b;
	enum status st;

	while ((st = tool_next(cr.tool, &b, err)) == OK) {
		if (by_id)
			st = prompt_groups_add(g, b, err);
		for (int64_t row = 0; !by_id && row < b->rows && st == OK; row++)
			st = judge_group(NULL, &(struct prompt_row){ b, row }, 1, err);
		batch_release(b);
		if (st != OK)
			break;
	}
	if (st == END && by_id)
		st = prompt_groups_finish(g, err);
	prompt_groups_close(g);
	return st == END ? OK : st;
}

static enum status check_column(const struct schema *s, struct error *err)
{
	int at = schema_find(s, cr.column);

	cr.is_list = at >= 0 && s->fields[at].n_children == 1 && field_is_text(&s->fields[at].children[0]);
	if (at < 0 || !(cr.is_list || field_is_text(&s->fields[at])))
		return error_set(err, ERR_DATA, "there is no column '%s' of responses: without -m the input has them (--prediction names the column)",
				 cr.column);
	return OK;
}

enum status eval_completions(struct tool *tool, struct task *t, const char *prediction, int64_t limit, struct task_judge *judge,
			     int64_t *documents, struct error *err)
{
	int id = schema_find(tool_schema(tool), "id");
	enum status st;

	cr.tool = tool;
	cr.task = t;
	cr.column = prediction;
	cr.limit = limit;
	cr.judge = judge;
	TRY(check_column(tool_schema(tool), err));
	cr.meta = json_parser_open();
	cr.parser = json_parser_open();
	st = read_groups(id >= 0 && field_is_text(&tool_schema(tool)->fields[id]) && !cr.is_list, err);
	if (st == OK && !cr.documents)
		st = error_set(err, ERR_DATA, "there are no documents");
	*documents = cr.documents;
	docs_release(&cr.doc);
	json_parser_close(cr.meta);
	json_parser_close(cr.parser);
	arena_release(&cr.arena);
	mem_free(cr.said);
	return st;
}

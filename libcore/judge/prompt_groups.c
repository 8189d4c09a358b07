#include "judge/prompt_groups.h"

#include "base/hash.h"
#include "stream/shuffle.h"

#include <string.h>

struct prompt_groups {
	struct shuffle *gathered;            /* NULL: rows are taken as they stand */
	prompt_emit *emit;
	void *arg;
	struct prompt_row *rows;             /* of the group at hand */
	int64_t n, cap;
};

enum status prompt_groups_check(const struct schema *s, struct error *err)
{
	int id = schema_find(s, "id");

	if (id < 0 || !field_is_text(&s->fields[id]))
		return error_set(err, ERR_DATA, "there is no column 'id: utf8', which tells the completions of one prompt from another's");
	return OK;
}

bool prompt_same(const struct prompt_row *a, const struct prompt_row *b)
{
	size_t x, y;
	const char *p = array_text(batch_column(a->batch, "id"), a->row, &x);
	const char *q = array_text(batch_column(b->batch, "id"), b->row, &y);
	return x == y && memcmp(p, q, x) == 0;
}

struct prompt_groups *prompt_groups_open(const struct schema *s, int64_t gather_bytes, struct pool *pool, prompt_emit *emit, void *arg)
{
	struct prompt_groups *g = mem_zalloc(sizeof(*g));
	g->emit = emit;
	g->arg = arg;
	if (gather_bytes)
		g->gathered = shuffle_open(s, gather_bytes, pool);
	return g;
}

static void clear(struct prompt_groups *g)
{
	for (int64_t i = 0; i < g->n; i++)
		batch_release(g->rows[i].batch);
	g->n = 0;
}

void prompt_groups_close(struct prompt_groups *g)
{
	if (!g)
		return;
	clear(g);
	shuffle_close(g->gathered);
	mem_free(g->rows);
	mem_free(g);
}

static enum status end_group(struct prompt_groups *g, struct error *err)
{
	enum status st = g->n ? g->emit(g->arg, g->rows, g->n, err) : OK;
	clear(g);
	return st;
}

static enum status add_row(void *arg, struct batch *b, int64_t row, struct error *err)
{
	struct prompt_groups *g = arg;
	struct prompt_row r = { b, row };
	if (g->n && !prompt_same(&g->rows[0], &r))
		TRY(end_group(g, err));
	if (g->n == PROMPT_ROWS_MAX)
		return error_set(err, ERR_DATA, "more than %d rows%s have the same id", PROMPT_ROWS_MAX, g->gathered ? "" : " in a row");
	MEM_PUSH_ROOM(g->rows, g->n, g->cap);
	batch_retain(b);
	g->rows[g->n++] = r;
	return OK;
}

enum status prompt_groups_add(struct prompt_groups *g, struct batch *b, struct error *err)
{
	const struct array *id = batch_column(b, "id");
	for (int64_t row = 0; row < b->rows; row++) {
		size_t n;
		const char *p = array_text(id, row, &n);
		TRY(g->gathered ? shuffle_add(g->gathered, b, row, hash64(p, n), err) : add_row(g, b, row, err));
	}
	return OK;
}

enum status prompt_groups_finish(struct prompt_groups *g, struct error *err)
{
	if (g->gathered)
		TRY(shuffle_drain(g->gathered, add_row, g, err));
	return end_group(g, err);
}

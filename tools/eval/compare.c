/* compare.c - quern eval --compare: two evaluations of the same rows, and the rows that one has right and the other wrong. */
#include "eval/eval.h"

#include "judge/compare.h"

#include <math.h>

static struct {
	struct comparison *c;
	struct flip_texts {
		char *doc, *target, *response;
	} *texts[2];                 /* of the flipped rows, by the samples' rows */
	struct arena arena;
} cp;

static enum status keep_texts(void *arg, const struct sample_texts *t, struct error *err)
{
	struct flip_texts *to = (struct flip_texts *)arg + t->row;

	(void)err;
	to->doc = arena_strndup(&cp.arena, t->doc.data ? t->doc.data : "", t->doc.len);
	to->target = arena_strndup(&cp.arena, t->target.data ? t->target.data : "", t->target.len);
	to->response = arena_strndup(&cp.arena, t->response.data ? t->response.data : "", t->response.len);
	return OK;
}

static enum status read_texts(const struct samples *s, int side, struct error *err)
{
	bool *wanted = mem_array((size_t)s->n, sizeof(*wanted));

	cp.texts[side] = mem_array((size_t)s->n, sizeof(*cp.texts[side]));
	for (int64_t i = 0; i < cp.c->n_flips; i++)
		wanted[side ? cp.c->flips[i].b : cp.c->flips[i].a] = true;
	enum status st = samples_texts(s, wanted, keep_texts, cp.texts[side], err);
	mem_free(wanted);
	return st;
}

static void append_flip(struct builder *b, const struct flip *f)
{
	const struct samples *a = cp.c->a;
	const struct sample_row *row = &a->rows[f->a];
	const struct flip_texts *x = &cp.texts[0][f->a], *y = &cp.texts[1][f->b];
	const char *texts[] = { x->doc, x->target, x->response, y->response };
	int first = 4;

	column_str(builder_column(b, 0), row->id);
	column_str(builder_column(b, 1), a->metrics[f->metric].name);
	column_str(builder_column(b, 2), a->filters.v[row->filter]);
	column_str(builder_column(b, 3), a->groups.v[row->group]);
	column_str(builder_column(b, first), a->values[f->a * a->n_metrics + f->metric] > 0 ? "a" : "b");
	for (int i = 0; i < 4; i++)
		column_str(builder_column(b, first + 1 + i), texts[i] ? texts[i] : "");
}

/* The flipped rows with what both said, as a stream. */
static enum status write_flips(struct tool *tool, const char *path, struct error *err)
{
	static const char *const specs[] = { "id: utf8", "metric: utf8", "filter: utf8", "source: utf8", "right: utf8",
					     "doc: utf8", "target: utf8", "response_a: utf8", "response_b: utf8" };
	struct writer *w;
	enum status st = OK;

	TRY(read_texts(cp.c->a, 0, err));
	TRY(read_texts(cp.c->b, 1, err));
	TRY(eval_open_samples(tool, path, specs, sizeof(specs) / sizeof(*specs), &w, err));
	for (int64_t i = 0; i < cp.c->n_flips && st == OK; i++) {
		append_flip(writer_builder(w), &cp.c->flips[i]);
		st = writer_row(w, err);
	}
	return eval_close_samples(w, st, err);
}

enum status eval_compare(struct tool *tool, const struct eval_options *o, struct buf *json, struct buf *table, struct error *err)
{
	struct compare_options how = { .by = o->by, .samples = o->bootstrap < 0 ? 1000 : o->bootstrap, .test = o->test, .seed = (uint64_t)tool->seed,
				       .trials = o->trials ? o->trials : o->test == PAIRED_BOOTSTRAP ? 1000 : 10000 };
	struct buf chain = { 0 };

	if (tool->files.n != 2)
		return error_set(err, ERR_USAGE, "--compare takes two evaluations: A.json B.json");
	for (int i = 0; i < 2; i++)
		TRY(tool_add_input(tool, tool->files.items[i], err));
	TRY(compare_open(&cp.c, tool->files.items[0], tool->files.items[1], &how, err));
	tool_count_in(tool, cp.c->a->n + cp.c->b->n);
	tool_stat_int(tool, "flipped", cp.c->n_flips);
	if (o->samples)
		TRY(write_flips(tool, o->samples, err));
	provenance_print(&tool->prov, &chain);
	compare_json(cp.c, chain.data, json);
	compare_table(cp.c, table);
	buf_release(&chain);
	return OK;
}

void eval_compare_release(void)
{
	compare_close(cp.c);
	mem_free(cp.texts[0]);
	mem_free(cp.texts[1]);
	arena_release(&cp.arena);
}

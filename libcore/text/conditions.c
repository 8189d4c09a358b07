/* conditions.c - see conditions.h: the statistics stand beside the row's columns as columns of doubles. */
#include "text/conditions.h"

struct worker {
	struct expr **exprs;
	double *values[N_STATS];     /* of the columns that an expression asks about, rows long */
	int64_t rows;
	struct array *columns;
};

struct conditions {
	struct schema schema;        /* the row's columns, then statistics */
	int n_columns;               /* of the row */
	int column_of[N_STATS];      /* -1: a column has the name */
	bool used[N_STATS];
	int n, n_workers;
	struct worker *workers;
};

static enum status open_worker(struct conditions *c, struct worker *w, const char *const *texts, struct error *err)
{
	w->exprs = mem_array((size_t)c->n + 1, sizeof(struct expr *));
	w->columns = mem_array((size_t)c->schema.n_fields, sizeof(*w->columns));
	for (int i = 0; i < c->n; i++) {
		TRY(expr_parse(&w->exprs[i], texts[i], &c->schema, err));
		for (int k = 0; k < N_STATS; k++)
			c->used[k] = c->used[k] || (c->column_of[k] >= 0 && expr_uses(w->exprs[i], c->column_of[k]));
	}
	return OK;
}

enum status conditions_open(struct conditions **out, const struct schema *s, const char *const *texts, int n, int workers, struct error *err)
{
	struct conditions *c = mem_zalloc(sizeof(*c));
	enum status st = OK;
	c->n = n;
	c->n_workers = workers;
	c->workers = mem_array((size_t)workers, sizeof(*c->workers));
	schema_copy(&c->schema, s);
	c->n_columns = s->n_fields;
	for (int k = 0; k < N_STATS; k++) {
		struct field f = {.name = (char *)stat_name((enum stat)k), .type = T_FLOAT64};
		c->column_of[k] = schema_find(&c->schema, f.name) >= 0 ? -1 : schema_add(&c->schema, &f);
	}
	for (int i = 0; i < workers && st == OK; i++)
		st = open_worker(c, &c->workers[i], texts, err);
	if (st != OK) {
		conditions_close(c);
		return st;
	}
	*out = c;
	return OK;
}

void conditions_close(struct conditions *c)
{
	if (!c)
		return;
	for (int k = 0; k < c->n_workers; k++) {
		struct worker *w = &c->workers[k];
		for (int i = 0; w->exprs && i < c->n; i++)
			expr_free(w->exprs[i]);
		for (int i = 0; i < N_STATS; i++)
			mem_free(w->values[i]);
		mem_free(w->exprs);
		mem_free(w->columns);
	}
	mem_free(c->workers);
	schema_release(&c->schema);
	mem_free(c);
}

bool conditions_hold(struct conditions *c, int i, int worker, const struct batch *b, int64_t row, struct text_stats *t, enum splitter how)
{
	struct worker *w = &c->workers[worker];
	struct batch with = *b;
	bool grow = b->rows > w->rows;
	w->rows = grow ? b->rows : w->rows;
	memcpy(w->columns, b->columns, (size_t)c->n_columns * sizeof(*w->columns));
	for (int k = 0; k < N_STATS; k++) {
		if (!c->used[k])
			continue;
		if (grow)
			w->values[k] = mem_grow(w->values[k], (size_t)w->rows, sizeof(double));
		w->values[k][row] = text_stats_get(t, (enum stat)k, how);
		w->columns[c->column_of[k]] = (struct array){.field = &c->schema.fields[c->column_of[k]], .length = b->rows, .values = w->values[k],
							     .values_bytes = b->rows * (int64_t)sizeof(double)};
	}
	with.schema = &c->schema;
	with.columns = w->columns;
	return expr_test(w->exprs[i], &with, row);
}

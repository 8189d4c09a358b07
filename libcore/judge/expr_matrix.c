#include "judge/expr_compare.h"

static struct expr *plus(struct arena *arena, struct expr *a, struct expr *b, enum expr_kind kind)
{
	struct expr *e = expr_new(arena, kind, 2);
	e->kids[0] = a;
	e->kids[1] = b;
	return e;
}

/* Nodes below e as a tree (products share their factors), no more than limit. */
static int64_t tree_size(const struct expr *e, int64_t limit)
{
	int64_t n = 1;
	for (int i = 0; i < e->n && n < limit; i++)
		n += e->kids[i] ? tree_size(e->kids[i], limit - n) : 0;
	return n;
}
#define FOLDED_NODES 8192

/* a + b or a b, where one may be a scalar; NULL where shapes do not fit, or what comes out is too large. */
static struct expr *combine(struct equal *q, struct expr *a, struct expr *b, enum expr_kind kind)
{
	bool x = a->kind == EXPR_MATRIX, y = b->kind == EXPR_MATRIX;
	int inner = a->places, rows = x && inner ? a->n / inner : 0, columns = b->places;
	int64_t copies_a = x && y ? columns : y ? b->n : 1, copies_b = x && y ? rows : x ? a->n : 1;
	int64_t size = tree_size(a, FOLDED_NODES) * copies_a + tree_size(b, FOLDED_NODES) * copies_b;
	if (size > FOLDED_NODES)
		return NULL;
	q->work -= size;
	if ((kind == EXPR_ADD && (!x || !y || a->n != b->n || a->places != b->places)) || (!x && !y))
		return NULL;
	if (kind == EXPR_ADD || !x || !y) {
		struct expr *shape = x ? a : b, *e = expr_new(q->arena, EXPR_MATRIX, shape->n);
		e->places = shape->places;
		for (int i = 0; i < e->n; i++)
			e->kids[i] = plus(q->arena, x ? a->kids[i] : a, y ? b->kids[i] : b, kind);
		return e;
	}
	if (b->n != inner * columns || rows * columns > 64 || inner > 16)
		return NULL;
	struct expr *e = expr_new(q->arena, EXPR_MATRIX, rows * columns);
	e->places = columns;
	for (int i = 0; i < rows * columns; i++) {
		struct expr *sum = expr_new(q->arena, EXPR_ADD, inner);
		for (int k = 0; k < inner; k++)
			sum->kids[k] = plus(q->arena, a->kids[i / columns * inner + k], b->kids[k * columns + i % columns], EXPR_MUL);
		e->kids[i] = inner > 1 ? sum : sum->kids[0];
	}
	return e;
}

/* Sums, products and multiples of matrices as one matrix; e itself where there is nothing to do. */
struct expr *matrix_folded(struct equal *q, struct expr *e)
{
	struct expr *minus = expr_integer(q->arena, -1), *sum;
	if ((q->work -= 4) < 0 || (e->kind != EXPR_ADD && e->kind != EXPR_MUL && e->kind != EXPR_NEG && e->kind != EXPR_DIV))
		return e;
	struct expr *a = matrix_folded(q, e->kids[0]);
	if (e->kind == EXPR_NEG)
		sum = a->kind == EXPR_MATRIX ? combine(q, minus, a, EXPR_MUL) : NULL;
	else if (e->kind == EXPR_DIV)
		sum = a->kind == EXPR_MATRIX ? combine(q, plus(q->arena, expr_integer(q->arena, 1), e->kids[1], EXPR_DIV), a, EXPR_MUL) : NULL;
	else
		for (int i = 1; (sum = a) && i < e->n; i++) {
			struct expr *b = matrix_folded(q, e->kids[i]);
			bool matrix = a->kind == EXPR_MATRIX || b->kind == EXPR_MATRIX;
			a = matrix ? combine(q, a, b, e->kind) : e->kind == EXPR_MUL ? plus(q->arena, a, b, EXPR_MUL) : NULL;
		}
	return sum && sum->kind == EXPR_MATRIX ? sum : e;
}

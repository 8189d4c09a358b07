#include "judge/expr.h"

struct expr *expr_new(struct arena *arena, enum expr_kind kind, int n)
{
	struct expr *e = arena_alloc(arena, sizeof(*e) + (size_t)n * sizeof(*e->kids));
	memset(e, 0, sizeof(*e) + (size_t)n * sizeof(*e->kids));
	e->kind = kind;
	e->n = n;
	e->kids = (struct expr **)(e + 1);
	return e;
}

struct expr *expr_integer(struct arena *arena, int64_t v)
{
	struct expr *e = expr_new(arena, EXPR_NUMBER, 0);
	char digits[24];
	char *p = digits + sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	e->text_n = (int)(digits + sizeof(digits) - p);
	e->text = arena_strndup(arena, p, (size_t)e->text_n);
	e->small = u == 0 && e->text_n <= 18;
	e->value = v < 0 ? -v : v;
	if (v >= 0)
		return e;
	struct expr *m = expr_new(arena, EXPR_NEG, 1);
	m->kids[0] = e;
	return m;
}

bool expr_same(const struct expr *a, const struct expr *b)
{
	if (a == b)
		return true;
	if (!a || !b || a->kind != b->kind || a->n != b->n || a->places != b->places || a->open != b->open || a->close != b->close ||
	    a->text_n != b->text_n || (a->text_n && memcmp(a->text, b->text, (size_t)a->text_n)))
		return false;
	for (int i = 0; i < a->n; i++)
		if (!expr_same(a->kids[i], b->kids[i]))
			return false;
	return true;
}

bool expr_has(const struct expr *e, enum expr_kind kind)
{
	if (e->kind == kind)
		return true;
	for (int i = 0; i < e->n; i++)
		if (e->kids[i] && expr_has(e->kids[i], kind))
			return true;
	return false;
}

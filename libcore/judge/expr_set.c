#include "judge/expr_set.h"

#include "judge/expr_ball.h"

#define PIECES 32

struct piece {
	struct expr *lo, *hi;
	bool lo_open, hi_open;
};

struct pieces {
	struct arena *arena;
	const struct expr_rules *rules;
	int64_t *work;
	int n;
	bool failed;
	struct piece p[PIECES];
};

/* --- names ----------------------------------------------------------------------------------------------- */

static bool is_constant(const struct expr *e)
{
	return expr_is(e, "i") || expr_is(e, "pi") || expr_is(e, "e") || expr_is(e, "infty") || expr_is(e, "emptyset");
}

static bool upper(const struct expr *e) { return e->kind == EXPR_SYMBOL && e->text_n >= 1 && e->text[0] >= 'A' && e->text[0] <= 'Z'; }

/* P, f', f^{-1}: what stands before (x) and is read as a factor. */
static bool names_function(const struct expr *e)
{
	if (e->kind == EXPR_POW)
		return e->kids[0]->kind == EXPR_SYMBOL && e->kids[0]->text_n == 1 && strchr("fgh", e->kids[0]->text[0]) &&
		       e->kids[1]->kind == EXPR_NEG;
	return upper(e) || (e->kind == EXPR_SYMBOL && e->text[e->text_n - 1] == '\'');
}

bool is_head(const struct expr *e)
{
	switch (e->kind) {
	case EXPR_TEXT: return true;
	case EXPR_SYMBOL: return !is_constant(e);
	case EXPR_CALL:
		if (expr_is(e, "abs"))
			return is_head(e->kids[0]);
		return e->n == 1 && (e->text_n == 1 || expr_is(e, "re") || expr_is(e, "im"));
	case EXPR_DIV: case EXPR_RATIO: case EXPR_TUPLE:
		for (int i = 0; i < e->n; i++)
			if (!is_head(e->kids[i]))
				return false;
		return true;
	case EXPR_MUL:                               /* AB, ABC; P(x), f'(x), f^{-1}(x) */
		if (e->n == 2 && names_function(e->kids[0]) && e->kids[1]->kind == EXPR_SYMBOL && !is_constant(e->kids[1]))
			return true;
		for (int i = 0; i < e->n; i++)
			if (!upper(e->kids[i]))
				return false;
		return true;
	default: return false;
	}
}

/* --- relations ------------------------------------------------------------------------------------------- */

static struct expr *infinity(struct arena *arena, bool negative)
{
	struct expr *e = expr_new(arena, EXPR_SYMBOL, 0);
	e->text = "infty";
	e->text_n = 5;
	if (!negative)
		return e;
	struct expr *m = expr_new(arena, EXPR_NEG, 1);
	m->kids[0] = e;
	return m;
}

static struct expr *interval(struct arena *arena, struct expr *lo, struct expr *hi, bool lo_open, bool hi_open)
{
	struct expr *e = expr_new(arena, EXPR_TUPLE, 2);
	e->kids[0] = lo;
	e->kids[1] = hi;
	e->open = lo_open ? '(' : '[';
	e->close = hi_open ? '(' : '[';
	return e;
}

static char flipped(char op) { return op == '<' ? '>' : op == '>' ? '<' : op == 'l' ? 'g' : op == 'g' ? 'l' : op; }

static struct expr *half_line(struct arena *arena, char op, struct expr *end)
{
	switch (op) {
	case '<': case 'l': return interval(arena, infinity(arena, true), end, true, op == '<');
	case '>': case 'g': return interval(arena, end, infinity(arena, false), op == '>', true);
	case '!': {
		struct expr *u = expr_new(arena, EXPR_UNION, 2);
		u->kids[0] = half_line(arena, '<', end);
		u->kids[1] = half_line(arena, '>', end);
		return u;
	}
	default: return NULL;
	}
}

/* |x| against a bound, x being a letter that stands for a real number: (-2, 2), or what lies outside. */
static struct expr *set_of_magnitude(struct arena *arena, char op, struct expr *bound)
{
	struct expr *low = expr_new(arena, EXPR_NEG, 1);
	low->kids[0] = bound;
	if (op == '<' || op == 'l')
		return interval(arena, low, bound, op == '<', op == '<');
	if (op != '>' && op != 'g')
		return NULL;
	struct expr *u = expr_new(arena, EXPR_UNION, 2);
	u->kids[0] = half_line(arena, flipped(op), low);
	u->kids[1] = half_line(arena, op, bound);
	return u;
}

static bool is_magnitude(const struct expr *e)
{
	const struct expr *x = e->kind == EXPR_CALL && expr_is(e, "abs") ? e->kids[0] : NULL;
	return x && x->kind == EXPR_SYMBOL && x->text_n == 1 && x->text[0] >= 'a' && x->text[0] < 'z' && x->text[0] != 'w' && is_head(x);
}

struct expr *set_of_relation(struct arena *arena, const struct expr_rules *rules, struct expr *r)
{
	struct expr **k = r->kids;
	const char *op = r->text;
	if (r->kind != EXPR_RELATION)
		return NULL;
	if (r->text_n == 1 && op[0] == 'e')
		return k[1];
	if (rules->real_line && r->text_n == 1 && is_magnitude(k[0]) && k[1]->kind == EXPR_NUMBER)
		return set_of_magnitude(arena, op[0], k[1]);
	if (r->text_n == 1 && is_head(k[0]) && !is_head(k[1]))
		return half_line(arena, op[0], k[1]);
	if (r->text_n == 1 && is_head(k[1]) && !is_head(k[0]))
		return half_line(arena, flipped(op[0]), k[0]);
	if (r->text_n != 2 || !is_head(k[1]) || is_head(k[0]) || is_head(k[2]))
		return NULL;
	bool up = strchr("<l", op[0]) && strchr("<l", op[1]), down = strchr(">g", op[0]) && strchr(">g", op[1]);
	if (up)
		return interval(arena, k[0], k[2], op[0] == '<', op[1] == '<');
	return down ? interval(arena, k[2], k[0], op[1] == '>', op[0] == '>') : NULL;
}

bool set_like(const struct expr *e)
{
	switch (e->kind) {
	case EXPR_UNION: case EXPR_INTERSECTION: case EXPR_MINUS_SET: case EXPR_SET: return true;
	case EXPR_TUPLE: return e->n == 2;
	case EXPR_LIST:                              /* x < -1 or x > 1 */
		for (int i = 0; i < e->n; i++)
			if (e->kids[i]->kind != EXPR_RELATION)
				return false;
		return true;
	case EXPR_SYMBOL: return expr_is(e, "emptyset") || expr_is(e, "mathbb{R}");
	default: return false;
	}
}

/* --- pieces ------------------------------------------------------------------------------------------------ */

static void add_piece(struct pieces *s, struct expr *lo, struct expr *hi, bool lo_open, bool hi_open)
{
	int order;
	if (s->n == PIECES || !ball_order(lo, hi, &order, s->work) || order > 0) {
		s->failed = true;
		return;
	}
	if (order == 0 && (lo_open || hi_open))
		return;
	s->p[s->n++] = (struct piece){ lo, hi, lo_open, hi_open };
}

/* Takes the point out of the pieces. */
static void remove_point(struct pieces *s, struct expr *x)
{
	for (int i = 0; i < s->n; i++) {
		struct piece *p = &s->p[i];
		int lo, hi;
		if (!ball_order(p->lo, x, &lo, s->work) || !ball_order(x, p->hi, &hi, s->work) || s->n == PIECES) {
			s->failed = true;
			return;
		}
		if (lo > 0 || hi > 0)
			continue;
		p->lo_open |= lo == 0;
		p->hi_open |= hi == 0;
		if (lo == 0 || hi == 0)
			continue;
		s->p[s->n++] = (struct piece){ x, p->hi, true, p->hi_open };
		p->hi = x;
		p->hi_open = true;
		return;
	}
}

static void gather(struct pieces *s, struct expr *e)
{
	struct expr *r;
	switch (e->kind) {
	case EXPR_SYMBOL:
		if (expr_is(e, "mathbb{R}"))
			add_piece(s, infinity(s->arena, true), infinity(s->arena, false), true, true);
		else
			s->failed |= !expr_is(e, "emptyset");
		return;
	case EXPR_TUPLE:
		if (e->n != 2)
			s->failed = true;
		else
			add_piece(s, e->kids[0], e->kids[1], e->open == '(', e->close == '(');
		return;
	case EXPR_SET:
		for (int i = 0; i < e->n && !s->failed; i++)
			add_piece(s, e->kids[i], e->kids[i], false, false);
		return;
	case EXPR_UNION: case EXPR_LIST:
		for (int i = 0; i < e->n && !s->failed; i++)
			gather(s, e->kids[i]);
		return;
	case EXPR_MINUS_SET:
		gather(s, e->kids[0]);
		if (e->kids[1]->kind != EXPR_SET)
			s->failed = true;
		for (int i = 0; i < e->kids[1]->n && !s->failed; i++)
			remove_point(s, e->kids[1]->kids[i]);
		return;
	case EXPR_RELATION:
		r = set_of_relation(s->arena, s->rules, e);
		if (r)
			gather(s, r);
		else
			s->failed = true;
		return;
	default: s->failed = true;
	}
}

static int piece_order(struct pieces *s, const struct piece *a, const struct piece *b)
{
	int order = 0;
	s->failed |= !ball_order(a->lo, b->lo, &order, s->work);
	return order ? order : a->lo_open - b->lo_open;
}

/* Sorts by the lower end (few pieces: insertion) and joins what touches. */
static void settle(struct pieces *s)
{
	for (int i = 1; i < s->n && !s->failed; i++) {
		struct piece x = s->p[i];
		int k = i;
		for (; k > 0 && piece_order(s, &s->p[k - 1], &x) > 0 && !s->failed; k--)
			s->p[k] = s->p[k - 1];
		s->p[k] = x;
	}
	int n = 0;
	for (int i = 0; i < s->n && !s->failed; i++) {
		struct piece *last = n ? &s->p[n - 1] : NULL;
		int order = -1, ends = 0;
		if (last)
			s->failed |= !ball_order(last->hi, s->p[i].lo, &order, s->work);
		if (order < 0 || (order == 0 && last->hi_open && s->p[i].lo_open)) {
			s->p[n++] = s->p[i];
			continue;
		}
		s->failed |= !ball_order(last->hi, s->p[i].hi, &ends, s->work);
		if (ends < 0) {
			last->hi = s->p[i].hi;
			last->hi_open = s->p[i].hi_open;
		} else if (ends == 0) {
			last->hi_open &= s->p[i].hi_open;
		}
	}
	s->n = n;
}

struct judgement set_compare(struct arena *arena, const struct expr_rules *rules, struct expr *a, struct expr *b, int64_t *work)
{
	struct pieces x = { .arena = arena, .rules = rules, .work = work }, y = x;
	gather(&x, a);
	gather(&y, b);
	if (!x.failed && !y.failed) {
		settle(&x);
		settle(&y);
	}
	if (x.failed || y.failed)
		return judge_as(VERDICT_UNDECIDED, *work < 0 ? REASON_WORK : REASON_DOMAIN);
	if (x.n != y.n)
		return judge_as(VERDICT_DIFFERENT, REASON_STRUCTURE);
	for (int i = 0; i < x.n; i++) {
		int lo, hi;
		if (x.p[i].lo_open != y.p[i].lo_open || x.p[i].hi_open != y.p[i].hi_open ||
		    !ball_order(x.p[i].lo, y.p[i].lo, &lo, work) || !ball_order(x.p[i].hi, y.p[i].hi, &hi, work) || lo || hi)
			return judge_as(VERDICT_DIFFERENT, REASON_STRUCTURE);
	}
	return judge_as(VERDICT_EQUAL, REASON_STRUCTURE);
}

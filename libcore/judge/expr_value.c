#include "judge/expr_compare.h"

#include "judge/expr_ball.h"
#include "judge/expr_form.h"
#include "judge/unit.h"

#define DECIMAL_DIGITS 6             /* shown, before a decimal stands for what it rounds */

/* --- numbers --------------------------------------------------------------------------------------------- */

/* A number written with a point, a sign before and a power of ten behind it; how many places and digits it shows. */
static bool decimal(const struct expr *e, int64_t *places, int *digits)
{
	struct fraction k;
	while (e->kind == EXPR_NEG)
		e = e->kids[0];
	if (e->kind == EXPR_PERCENT && decimal(e->kids[0], places, digits)) {
		*places += 2;
		return true;
	}
	if (e->kind == EXPR_NUMBER && e->written) {
		*places = e->places;
		*digits = e->text_n;
		return true;
	}
	if (e->kind == EXPR_MUL && e->n == 2 && e->kids[1]->kind == EXPR_POW && decimal(e->kids[0], places, digits)) {
		const struct expr *ten = e->kids[1]->kids[0];
		if (ten->kind != EXPR_NUMBER || !ten->small || ten->value != 10 || ten->places || !form_fraction(e->kids[1]->kids[1], &k) ||
		    k.den != 1 || k.num > 4096 || k.num < -4096)
			return false;
		*places -= k.num;
		return true;
	}
	return false;
}

/* One side a decimal, the other not: is the one the other, rounded or cut to the places that it shows? */
static bool rounds(struct equal *q, const struct expr *g, const struct expr *p)
{
	int64_t g_places, p_places;
	int g_digits, p_digits;
	bool g_dec = decimal(g, &g_places, &g_digits), p_dec = decimal(p, &p_places, &p_digits);
	if (q->rules->six_decimals)                                /* 1.23\times 10^{-9} is a product there, no decimal */
		return ((g_dec && g->kind != EXPR_MUL) || (p_dec && p->kind != EXPR_MUL)) && ball_same_rounded(g, p, 6, &q->work);
	if (g_dec == p_dec || (g_dec ? g_digits : p_digits) < DECIMAL_DIGITS)
		return false;
	return ball_within(g, p, g_dec ? g_places : p_places, &q->work) == BALL_EQUAL;
}

/* +1 and -1 for the infinities, 0 for all else. */
static int infinite(const struct expr *e)
{
	if (e->kind == EXPR_NEG)
		return -infinite(e->kids[0]);
	return e->kind == EXPR_SYMBOL && expr_is(e, "infty");
}

/* Is all of it made of what has a value? */
static bool is_value(const struct expr *e)
{
	switch (e->kind) {
	case EXPR_NUMBER: return true;
	case EXPR_SYMBOL: return !expr_is(e, "emptyset") && !expr_is(e, "infty");
	case EXPR_ADD: case EXPR_MUL: case EXPR_NEG: case EXPR_DIV: case EXPR_POW: case EXPR_ROOT: case EXPR_CALL: case EXPR_FACTORIAL:
	case EXPR_PERCENT: case EXPR_DEGREE: case EXPR_UNIT:
		for (int i = 0; i < e->n; i++)
			if (!is_value(e->kids[i]))
				return false;
		return true;
	default: return false;
	}
}

struct judgement compare_values(struct equal *q, const struct expr *g, const struct expr *p)
{
	struct fraction a, b;
	if (!is_value(g) || !is_value(p)) {
		bool one = is_value(g) || is_value(p), infinities = infinite(g) || infinite(p);
		return infinities && infinite(g) == infinite(p) ? yes(REASON_EXACT) : one || infinities ? no(REASON_SHAPE) : not_decided(REASON_DOMAIN);
	}
	if (form_fraction(g, &a) && form_fraction(p, &b)) {
		if (a.num == b.num && a.den == b.den)
			return yes(REASON_NUMBER);
		return rounds(q, g, p) ? yes(REASON_DECIMAL) : no(REASON_NUMBER);
	}
	q->work -= 500;
	enum form_answer f = form_compare(g, p, &q->work);
	if (f == FORM_EQUAL)
		return yes(REASON_EXACT);
	if (q->rules->six_decimals && !form_fraction(g, &a) && !form_fraction(p, &a) && ball_within(g, p, 15, &q->work) == BALL_EQUAL)
		return yes(REASON_DECIMAL);
	if (rounds(q, g, p))
		return yes(REASON_DECIMAL);
	if (f == FORM_DIFFERENT)
		return no(REASON_EXACT);
	switch (ball_compare(g, p, &q->work)) {
	case BALL_EQUAL: return yes(REASON_NUMERIC);
	case BALL_DIFFERENT: return no(REASON_NUMERIC);
	case BALL_UNDEFINED:                                       /* 0/0 is no answer where there is one */
		return ball_compare(g, g, &q->work) == BALL_EQUAL ? no(REASON_DOMAIN) : not_decided(REASON_DOMAIN);
	case BALL_UNKNOWN: break;
	}
	return not_decided(q->work < 0 ? REASON_WORK : REASON_PRECISION);
}

/* --- units, percent, bases ------------------------------------------------------------------------------- */

static struct expr *plain_digits(struct arena *arena, const struct expr *base)
{
	struct expr *e = expr_new(arena, EXPR_NUMBER, 0);
	e->text = base->text;
	e->text_n = base->text_n;
	while (e->text_n && *e->text == '0')
		e->text++, e->text_n--;
	return e;
}

/* 4210_5 by its digits, and by its base where both sides name one: 36 is no answer to what 36 is in base 9. */
struct judgement compare_bases(struct equal *q, struct expr *g, struct expr *p)
{
	bool both = g->kind == EXPR_BASE && p->kind == EXPR_BASE;
	struct expr *a = g->kind == EXPR_BASE ? plain_digits(q->arena, g) : g;
	struct expr *b = p->kind == EXPR_BASE ? plain_digits(q->arena, p) : p;
	if (a->kind != EXPR_NUMBER || b->kind != EXPR_NUMBER)
		return no(REASON_SHAPE);
	if (a->places || b->places || a->text_n != b->text_n || memcmp(a->text, b->text, (size_t)a->text_n))
		return no(REASON_NUMBER);
	return both && !q->rules->any_unit ? expr_compare(q, g->kids[0], p->kids[0]) : yes(REASON_CONVENTION);
}

static struct expr *radians(struct arena *arena, struct expr *degrees)
{
	struct expr *e = expr_new(arena, EXPR_DIV, 2), *m = expr_new(arena, EXPR_MUL, 2), *pi = expr_new(arena, EXPR_SYMBOL, 0);
	pi->text = "pi";
	pi->text_n = 2;
	m->kids[0] = degrees;
	m->kids[1] = pi;
	e->kids[0] = m;
	e->kids[1] = expr_integer(arena, 180);
	return e;
}

bool has_unit(const struct expr *e) { return e->kind == EXPR_UNIT || e->kind == EXPR_DEGREE; }

/* 12h, beside 12 hours: the letter is that unit, no variable. */
static struct expr *letter_as_unit(struct equal *q, struct expr *e, const struct expr *beside)
{
	const struct expr *letter = e->kind == EXPR_MUL && e->n == 2 && e->kids[0]->kind == EXPR_NUMBER ? e->kids[1] : NULL;
	if (!letter || letter->kind != EXPR_SYMBOL || beside->kind != EXPR_UNIT ||
	    !units_same(letter->text, letter->text_n, beside->text, beside->text_n))
		return e;
	struct expr *u = expr_new(q->arena, EXPR_UNIT, 1);
	u->kids[0] = e->kids[0];
	u->text = letter->text;
	u->text_n = letter->text_n;
	return u;
}

struct judgement compare_units(struct equal *q, struct expr *g, struct expr *p)
{
	g = letter_as_unit(q, g, p);
	p = letter_as_unit(q, p, g);
	struct expr *x = has_unit(g) ? g->kids[0] : g, *y = has_unit(p) ? p->kids[0] : p;
	const char *gu = g->kind == EXPR_DEGREE ? "degree" : g->text, *pu = p->kind == EXPR_DEGREE ? "degree" : p->text;
	int gn = g->kind == EXPR_DEGREE ? 6 : g->text_n, pn = p->kind == EXPR_DEGREE ? 6 : p->text_n;
	if (has_unit(g) && has_unit(p) && !q->rules->any_unit && !units_agree(gu, gn, pu, pn))
		return no(REASON_UNIT);
	struct judgement j = expr_compare(q, x, y);
	if (is_yes(j))
		return has_unit(g) && has_unit(p) ? j : yes(REASON_CONVENTION);
	if (g->kind == EXPR_DEGREE && !has_unit(p) && is_yes(compare_values(q, radians(q->arena, x), y)))
		return yes(REASON_CONVENTION);
	if (p->kind == EXPR_DEGREE && !has_unit(g) && is_yes(compare_values(q, x, radians(q->arena, y))))
		return yes(REASON_CONVENTION);
	return j;
}

struct judgement compare_percent(struct equal *q, struct expr *g, struct expr *p)
{
	struct judgement j = compare_values(q, g, p);
	if (is_yes(j) || q->rules->percent_counts)
		return j;
	struct expr *x = g->kind == EXPR_PERCENT ? g->kids[0] : g, *y = p->kind == EXPR_PERCENT ? p->kids[0] : p;
	return is_yes(compare_values(q, x, y)) ? yes(REASON_CONVENTION) : j;
}

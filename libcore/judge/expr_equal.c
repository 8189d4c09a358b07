#include "judge/expr_equal.h"

#include "judge/expr_ball.h"
#include "judge/expr_form.h"
#include "judge/expr_set.h"
#include "judge/unit.h"

#include <stdlib.h>
#include <utf8proc.h>

const struct expr_rules expr_rules_own = { .strict_chains = true };
const struct expr_rules expr_rules_math_verify = { .six_decimals = true, .any_unit = true, .last_side = true, .loose_pairs = true };

#define DEPTH 32
#define ITEMS 256
#define DECIMAL_DIGITS 6             /* shown, before a decimal stands for what it rounds */

struct equal {
	struct arena *arena;
	const struct expr_rules *rules;
	int64_t work;
	int depth;
};

static struct judgement compare(struct equal *q, struct expr *g, struct expr *p);

static struct judgement yes(enum reason r) { return judge_as(VERDICT_EQUAL, r); }
static struct judgement no(enum reason r) { return judge_as(VERDICT_DIFFERENT, r); }
static struct judgement open_(enum reason r) { return judge_as(VERDICT_UNDECIDED, r); }
static bool is_yes(struct judgement j) { return j.verdict == VERDICT_EQUAL; }

const char *verdict_name(enum verdict v)
{
	static const char *const names[] = { "equal", "different", "undecided" };
	return names[v];
}

const char *reason_name(enum reason r)
{
	static const char *const names[REASONS] = {
		"text", "number", "exact", "numeric", "decimal", "structure", "convention", "no_answer", "unreadable", "shape", "count",
		"unit", "hedged", "work", "precision", "domain", "no_gold", "gold_unreadable",
	};
	return names[r];
}

/* --- words ----------------------------------------------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* NFC, case folded, white space and LaTeX's wrappers aside; NULL when the bytes are not UTF-8. free() */
static char *fold(const char *p, size_t n, size_t *out_n)
{
	utf8proc_uint8_t *out = NULL;
	utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, &out,
					    UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
	if (len < 0)
		return NULL;
	char *s = (char *)out;
	size_t m = 0, end = (size_t)len;
	for (size_t i = 0; i < end; i++) {
		if (s[i] == '\\') {
			while (i + 1 < end && s[i + 1] >= 'a' && s[i + 1] <= 'z')
				i++;
		} else if (is_space(s[i])) {
			if (m && s[m - 1] != ' ')
				s[m++] = ' ';
		} else if (s[i] != '{' && s[i] != '}' && s[i] != '$') {
			s[m++] = s[i];
		}
	}
	while (m && (s[m - 1] == ' ' || s[m - 1] == '.'))
		m--;
	*out_n = m;
	return s;
}

bool text_equal(const char *a, size_t a_n, const char *b, size_t b_n)
{
	size_t n, m;
	if (a_n == b_n && memcmp(a, b, a_n) == 0)
		return true;
	char *x = fold(a, a_n, &n), *y = fold(b, b_n, &m);
	bool same = x && y && n == m && memcmp(x, y, n) == 0;
	free(x);
	free(y);
	return same;
}

/* The letters of a product of single letters: o d d is the word "odd" that LaTeX took apart. */
static bool spelled(const struct expr *e, char *out, int *n)
{
	if (e->kind == EXPR_TEXT || e->kind == EXPR_SYMBOL) {
		if (e->text_n > 200)
			return false;
		memcpy(out, e->text, (size_t)e->text_n);
		*n = e->text_n;
		return true;
	}
	*n = 0;
	for (int i = 0; e->kind == EXPR_MUL && i < e->n && i < 200; i++) {
		if (e->kids[i]->kind != EXPR_SYMBOL || e->kids[i]->text_n != 1)
			return false;
		out[(*n)++] = e->kids[i]->text[0];
	}
	return *n > 0;
}

static struct judgement compare_words(const struct expr *g, const struct expr *p)
{
	char a[256], b[256];
	int n, m;
	if (g->kind == EXPR_TEXT && p->kind == EXPR_TEXT)
		return text_equal(g->text, (size_t)g->text_n, p->text, (size_t)p->text_n) ? yes(REASON_TEXT) : no(REASON_TEXT);
	if (spelled(g, a, &n) && spelled(p, b, &m))
		return text_equal(a, (size_t)n, b, (size_t)m) ? yes(REASON_TEXT) : no(REASON_TEXT);
	return no(REASON_SHAPE);
}

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

static struct judgement compare_values(struct equal *q, const struct expr *g, const struct expr *p)
{
	struct fraction a, b;
	if (!is_value(g) || !is_value(p)) {
		bool one = is_value(g) || is_value(p), infinities = infinite(g) || infinite(p);
		return infinities && infinite(g) == infinite(p) ? yes(REASON_EXACT) : one || infinities ? no(REASON_SHAPE) : open_(REASON_DOMAIN);
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
	case BALL_UNDEFINED: return open_(REASON_DOMAIN);
	case BALL_UNKNOWN: break;
	}
	return open_(q->work < 0 ? REASON_WORK : REASON_PRECISION);
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
static struct judgement compare_bases(struct equal *q, struct expr *g, struct expr *p)
{
	bool both = g->kind == EXPR_BASE && p->kind == EXPR_BASE;
	struct expr *a = g->kind == EXPR_BASE ? plain_digits(q->arena, g) : g;
	struct expr *b = p->kind == EXPR_BASE ? plain_digits(q->arena, p) : p;
	if (a->kind != EXPR_NUMBER || b->kind != EXPR_NUMBER)
		return no(REASON_SHAPE);
	if (a->places || b->places || a->text_n != b->text_n || memcmp(a->text, b->text, (size_t)a->text_n))
		return no(REASON_NUMBER);
	return both && !q->rules->any_unit ? compare(q, g->kids[0], p->kids[0]) : yes(REASON_CONVENTION);
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

static bool has_unit(const struct expr *e) { return e->kind == EXPR_UNIT || e->kind == EXPR_DEGREE; }

static struct judgement compare_units(struct equal *q, struct expr *g, struct expr *p)
{
	struct expr *x = has_unit(g) ? g->kids[0] : g, *y = has_unit(p) ? p->kids[0] : p;
	const char *gu = g->kind == EXPR_DEGREE ? "degree" : g->text, *pu = p->kind == EXPR_DEGREE ? "degree" : p->text;
	int gn = g->kind == EXPR_DEGREE ? 6 : g->text_n, pn = p->kind == EXPR_DEGREE ? 6 : p->text_n;
	if (has_unit(g) && has_unit(p) && !q->rules->any_unit && !units_agree(gu, gn, pu, pn))
		return no(REASON_UNIT);
	struct judgement j = compare(q, x, y);
	if (is_yes(j))
		return has_unit(g) && has_unit(p) ? j : yes(REASON_CONVENTION);
	if (g->kind == EXPR_DEGREE && !has_unit(p) && is_yes(compare_values(q, radians(q->arena, x), y)))
		return yes(REASON_CONVENTION);
	if (p->kind == EXPR_DEGREE && !has_unit(g) && is_yes(compare_values(q, x, radians(q->arena, y))))
		return yes(REASON_CONVENTION);
	return j;
}

static struct judgement compare_percent(struct equal *q, struct expr *g, struct expr *p)
{
	struct judgement j = compare_values(q, g, p);
	if (is_yes(j))
		return j;
	struct expr *x = g->kind == EXPR_PERCENT ? g->kids[0] : g, *y = p->kind == EXPR_PERCENT ? p->kids[0] : p;
	return is_yes(compare_values(q, x, y)) ? yes(REASON_CONVENTION) : j;
}

/* --- several values -------------------------------------------------------------------------------------- */

static bool has_pm(const struct expr *e)
{
	if (e->kind == EXPR_PM)
		return true;
	for (int i = 0; i < e->n; i++)
		if (e->kids[i] && has_pm(e->kids[i]))
			return true;
	return false;
}

/* e with every \pm taken as + (sign 1) or - (sign -1), every \mp the other way. */
static struct expr *with_sign(struct equal *q, struct expr *e, int sign)
{
	if (!has_pm(e))
		return e;
	q->work -= e->n + 1;
	if (e->kind == EXPR_PM) {
		int s = e->places < 0 ? -sign : sign;
		struct expr *b = with_sign(q, e->kids[1], sign);
		if (s < 0) {
			struct expr *m = expr_new(q->arena, EXPR_NEG, 1);
			m->kids[0] = b;
			b = m;
		}
		if (!e->kids[0])
			return b;
		struct expr *sum = expr_new(q->arena, EXPR_ADD, 2);
		sum->kids[0] = with_sign(q, e->kids[0], sign);
		sum->kids[1] = b;
		return sum;
	}
	struct expr *c = expr_new(q->arena, e->kind, e->n);
	struct expr **kids = c->kids;
	*c = *e;
	c->kids = kids;
	for (int i = 0; i < e->n; i++)
		kids[i] = with_sign(q, e->kids[i], sign);
	return c;
}

struct items {
	int n;
	bool overflow;
	struct expr *item[ITEMS];
};

static void add_item(struct equal *q, struct items *to, struct expr *e)
{
	for (int i = 0; i < to->n; i++, q->work--)
		if (expr_same(to->item[i], e))
			return;                                    /* said twice */
	if (to->n == ITEMS)
		to->overflow = true;
	else
		to->item[to->n++] = e;
}

/* The items of a list or set, of lists in it too, each \pm as two; a single value is a list of one. */
static void items_of(struct equal *q, struct expr *e, struct items *to)
{
	bool many = e->kind == EXPR_LIST || e->kind == EXPR_SET;
	for (int i = 0; i < (many ? e->n : 1); i++) {
		struct expr *k = many ? e->kids[i] : e;
		bool tuple = k->kind == EXPR_TUPLE || k->kind == EXPR_MATRIX;
		if (many && k->kind == EXPR_LIST) {
			items_of(q, k, to);
		} else if (has_pm(k) && !tuple) {
			add_item(q, to, with_sign(q, k, 1));
			add_item(q, to, with_sign(q, k, -1));
		} else {
			add_item(q, to, k);
		}
	}
}

static struct judgement compare_ordered(struct equal *q, struct expr **g, struct expr **p, int n)
{
	struct judgement worst = yes(REASON_STRUCTURE);
	for (int i = 0; i < n; i++) {
		struct judgement j = compare(q, g[i], p[i]);
		if (j.verdict == VERDICT_DIFFERENT)
			return j;
		if (!is_yes(j))
			worst = j;
	}
	return worst;
}

/* Each gold item its own partner, in any order. */
static struct judgement compare_unordered(struct equal *q, struct expr **g, int g_n, struct expr **p, int p_n)
{
	bool used[ITEMS] = { false };
	struct judgement doubt = yes(REASON_STRUCTURE);
	if (g_n > ITEMS || p_n > ITEMS)
		return open_(REASON_WORK);
	if (g_n != p_n)
		return no(REASON_COUNT);
	for (int i = 0; i < g_n; i++) {
		int found = -1;
		struct judgement j = no(REASON_STRUCTURE);
		for (int k = 0; k < p_n && found < 0; k++) {
			int at = (i + k) % p_n;                      /* most keep the order */
			if (used[at])
				continue;
			struct judgement one = compare(q, g[i], p[at]);
			if (is_yes(one))
				found = at;
			else if (one.verdict == VERDICT_UNDECIDED)
				j = one;
		}
		if (found >= 0)
			used[found] = true;
		else if (j.verdict == VERDICT_DIFFERENT)
			return j;
		else
			doubt = j;
	}
	return doubt;
}

static struct judgement compare_lists(struct equal *q, struct expr *g, struct expr *p)
{
	struct items *a = arena_alloc(q->arena, sizeof(*a)), *b = arena_alloc(q->arena, sizeof(*b));
	a->n = b->n = 0;
	a->overflow = b->overflow = false;
	items_of(q, g, a);
	items_of(q, p, b);
	if (a->overflow || b->overflow)
		return open_(REASON_WORK);
	return compare_unordered(q, a->item, a->n, b->item, b->n);
}

static bool is_vector(const struct expr *e) { return e->kind == EXPR_MATRIX && (e->places == 1 || e->places == e->n); }

static struct judgement compare_tuples(struct equal *q, struct expr *g, struct expr *p)
{
	if (g->n != p->n)
		return no(REASON_COUNT);
	bool brackets = g->kind == EXPR_TUPLE && p->kind == EXPR_TUPLE && g->n == 2;
	if (brackets && (g->open != p->open || g->close != p->close))
		return no(REASON_STRUCTURE);
	struct judgement j = compare_ordered(q, g->kids, p->kids, g->n);
	if (!is_yes(j) && q->rules->loose_pairs && g->kind != EXPR_TUPLE)
		return compare_unordered(q, g->kids, g->n, p->kids, p->n);
	return is_yes(j) && g->kind != p->kind ? yes(REASON_CONVENTION) : j;
}

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
	int64_t size = tree_size(a, FOLDED_NODES) * (x && y ? columns : y ? b->n : 1) + tree_size(b, FOLDED_NODES) * (x && y ? rows : x ? a->n : 1);
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
static struct expr *folded(struct equal *q, struct expr *e)
{
	struct expr *minus = expr_integer(q->arena, -1), *sum;
	if ((q->work -= 4) < 0 || (e->kind != EXPR_ADD && e->kind != EXPR_MUL && e->kind != EXPR_NEG && e->kind != EXPR_DIV))
		return e;
	struct expr *a = folded(q, e->kids[0]);
	if (e->kind == EXPR_NEG)
		sum = a->kind == EXPR_MATRIX ? combine(q, minus, a, EXPR_MUL) : NULL;
	else if (e->kind == EXPR_DIV)
		sum = a->kind == EXPR_MATRIX ? combine(q, plus(q->arena, expr_integer(q->arena, 1), e->kids[1], EXPR_DIV), a, EXPR_MUL) : NULL;
	else
		for (int i = 1; (sum = a) && i < e->n; i++) {
			struct expr *b = folded(q, e->kids[i]);
			bool matrix = a->kind == EXPR_MATRIX || b->kind == EXPR_MATRIX;
			a = matrix ? combine(q, a, b, e->kind) : e->kind == EXPR_MUL ? plus(q->arena, a, b, EXPR_MUL) : NULL;
		}
	return sum && sum->kind == EXPR_MATRIX ? sum : e;
}

static bool has_matrix(const struct expr *e)
{
	if (e->kind == EXPR_MATRIX)
		return true;
	for (int i = 0; i < e->n; i++)
		if (e->kids[i] && has_matrix(e->kids[i]))
			return true;
	return false;
}

static struct judgement compare_matrices(struct equal *q, struct expr *g, struct expr *p)
{
	if (g->n != p->n || g->places != p->places)
		return no(REASON_COUNT);
	return compare_ordered(q, g->kids, p->kids, g->n);
}

/* --- relations ------------------------------------------------------------------------------------------- */

static bool all_ops(const struct expr *e, const char *among)
{
	for (int i = 0; i < e->text_n; i++)
		if (!strchr(among, e->text[i]))
			return false;
	return e->kind == EXPR_RELATION;
}

static bool is_equation(const struct expr *e) { return all_ops(e, "=~"); }
static bool is_assignment(const struct expr *e) { return is_equation(e) && is_head(e->kids[0]); }

/* The side of an equation that counts: the last, or the last before an approximation of it. */
static struct expr *last_side(const struct expr *e)
{
	int k = e->text_n;
	for (int i = e->text_n; i > 0; i--)
		if (e->text[i - 1] == '~')
			k = i - 1;
	return e->kids[k == 0 && is_head(e->kids[0]) ? 1 : k];
}

static struct expr *difference(struct arena *arena, struct expr *a, struct expr *b)
{
	struct expr *m = expr_new(arena, EXPR_NEG, 1), *s = expr_new(arena, EXPR_ADD, 2);
	m->kids[0] = b;
	s->kids[0] = a;
	s->kids[1] = m;
	return s;
}

static struct expr *relation(struct arena *arena, const char *op, struct expr *a, struct expr *b)
{
	struct expr *e = expr_new(arena, EXPR_RELATION, 2);
	e->kids[0] = a;
	e->kids[1] = b;
	e->text = op;
	e->text_n = 1;
	return e;
}

/* Do the members of a chain a = b = c contradict each other? */
static bool contradicts(struct equal *q, const struct expr *e)
{
	int from = is_head(e->kids[0]) ? 1 : 0;
	struct expr *last = last_side(e);
	for (int i = from; i < e->text_n && e->kids[i] != last; i++) {
		if (is_head(e->kids[i]))
			continue;
		if (compare(q, e->kids[i], last).verdict == VERDICT_DIFFERENT)
			return true;
	}
	return false;
}

/* An equation of values, 2 + 2 = 4: proven, or said to be about equal. */
static bool holds(struct equal *q, const struct expr *e)
{
	return e->text_n > 1 || e->text[0] == '~' || is_yes(compare(q, e->kids[0], e->kids[1]));
}

static char turned(char op) { return op == '<' ? '>' : op == 'l' ? 'g' : op; }

/* One step of a chain against one step of another. */
static struct judgement compare_steps(struct equal *q, struct expr *g, char g_op, struct expr *g2, struct expr *p, char p_op, struct expr *p2)
{
	if (strchr("<l", g_op)) {
		struct expr *t = g;
		g = g2, g2 = t, g_op = turned(g_op);
	}
	if (strchr("<l", p_op)) {
		struct expr *t = p;
		p = p2, p2 = t, p_op = turned(p_op);
	}
	if (g_op == '~')
		g_op = '=';
	if (p_op == '~')
		p_op = '=';
	if (g_op != p_op)
		return no(REASON_STRUCTURE);
	if (expr_same(g, p) && expr_same(g2, p2))
		return yes(REASON_STRUCTURE);
	struct judgement left = compare(q, g, p);
	if (is_yes(left) || g_op == 'e') {
		struct judgement right = compare(q, g2, p2);
		if (is_yes(right) || g_op == 'e')
			return right;
	}
	int sign = 0;
	q->work -= 500;
	struct expr *a = difference(q->arena, g, g2), *b = difference(q->arena, p, p2);
	enum form_answer f = form_proportional(a, b, &sign, &q->work);
	bool directed = g_op == '>' || g_op == 'g';
	if (f == FORM_EQUAL && (!directed || sign > 0))
		return yes(REASON_EXACT);
	if (f == FORM_DIFFERENT || (f == FORM_EQUAL && sign < 0))
		return no(REASON_EXACT);
	if (f == FORM_UNKNOWN && !directed) {
		enum ball_answer ball = ball_proportional(a, b, &q->work);
		if (ball != BALL_UNKNOWN && ball != BALL_UNDEFINED)
			return ball == BALL_EQUAL ? yes(REASON_NUMERIC) : no(REASON_NUMERIC);
	}
	return is_yes(left) ? compare(q, g2, p2) : open_(q->work < 0 ? REASON_WORK : REASON_DOMAIN);
}

/* Chains: every step of one has its like in the other. */
static struct judgement compare_chains(struct equal *q, struct expr *g, struct expr *p)
{
	bool used[64] = { false };
	if (g->text_n != p->text_n || g->text_n > 64)
		return no(REASON_COUNT);
	struct judgement result = yes(REASON_STRUCTURE);
	for (int i = 0; i < g->text_n; i++) {
		bool found = false;
		struct judgement worst = no(REASON_STRUCTURE);
		for (int k = 0; k < p->text_n && !found; k++) {
			if (used[k])
				continue;
			struct judgement j = compare_steps(q, g->kids[i], g->text[i], g->kids[i + 1], p->kids[k], p->text[k], p->kids[k + 1]);
			found = used[k] = is_yes(j);
			if (found && g->text_n == 1)
				result = j;
			if (j.verdict == VERDICT_UNDECIDED)
				worst = j;
		}
		if (!found)
			return worst;
	}
	return result;
}

static struct judgement compare_relations(struct equal *q, struct expr *g, struct expr *p)
{
	if (q->rules->strict_chains && p->text_n > 1 && is_equation(p) && contradicts(q, p))
		return no(REASON_HEDGED);
	if (is_equation(g) && (g->text_n > 1))
		g = relation(q->arena, "=", g->kids[0], last_side(g));
	if (is_equation(p) && (p->text_n > 1))
		p = relation(q->arena, "=", p->kids[0], last_side(p));
	struct judgement j = compare_chains(q, g, p);
	if (is_yes(j) || (is_equation(g) && is_equation(p)))
		return j;
	struct expr *x = set_of_relation(q->arena, g), *y = set_of_relation(q->arena, p);
	if (!x || !y)
		return j;
	struct judgement s = set_compare(q->arena, x, y, &q->work);
	return s.verdict == VERDICT_UNDECIDED ? j : s;
}

/* A prediction that is a relation, a gold answer that is none. */
static struct judgement relation_predicted(struct equal *q, struct expr *g, struct expr *p)
{
	if (is_equation(p) && q->rules->last_side)
		return compare(q, g, last_side(p));
	if (is_equation(p)) {
		if (contradicts(q, p))
			return no(is_assignment(p) ? REASON_HEDGED : REASON_SHAPE);
		if (!is_assignment(p) && !holds(q, p))
			return no(REASON_SHAPE);
		return compare(q, g, last_side(p));
	}
	struct expr *set = set_of_relation(q->arena, p);
	if (!set || (!set_like(g) && p->text[0] != 'e'))
		return no(REASON_SHAPE);
	return compare(q, g, set);
}

static struct judgement relation_in_gold(struct equal *q, struct expr *g, struct expr *p)
{
	if (is_assignment(g) || (is_equation(g) && holds(q, g) && !contradicts(q, g)))
		return compare(q, last_side(g), p);
	struct expr *set = set_of_relation(q->arena, g);
	if (!set || (!set_like(p) && g->text[0] != 'e'))
		return no(REASON_SHAPE);
	return compare(q, set, p);
}

/* --- the order of the questions -------------------------------------------------------------------------- */

static bool is_collection(const struct expr *e) { return e->kind == EXPR_LIST || e->kind == EXPR_SET; }
static bool is_scalar(const struct expr *e)
{
	switch (e->kind) {
	case EXPR_NUMBER: case EXPR_SYMBOL: case EXPR_ADD: case EXPR_MUL: case EXPR_NEG: case EXPR_DIV: case EXPR_POW: case EXPR_ROOT:
	case EXPR_CALL: case EXPR_FACTORIAL: case EXPR_PERCENT:
		return true;
	default: return false;
	}
}

static bool is_tuple_like(const struct expr *e) { return e->kind == EXPR_TUPLE || is_vector(e); }
static bool is_interval_set(const struct expr *e) { return e->kind == EXPR_UNION || e->kind == EXPR_MINUS_SET || e->kind == EXPR_INTERSECTION; }

static struct judgement compare_collections(struct equal *q, struct expr *g, struct expr *p)
{
	if (is_interval_set(g) || is_interval_set(p)) {
		if (!set_like(g) || !set_like(p))
			return no(REASON_SHAPE);
		struct judgement j = set_compare(q->arena, g, p, &q->work);
		if (j.verdict != VERDICT_UNDECIDED || g->kind != p->kind)
			return j;
		return g->kind == EXPR_MINUS_SET ? compare_ordered(q, g->kids, p->kids, g->n) :
			compare_unordered(q, g->kids, g->n, p->kids, p->n);
	}
	if (g->kind == EXPR_TUPLE && g->n == 2 && p->kind == EXPR_RELATION)
		return compare(q, g, set_of_relation(q->arena, p));
	if (g->kind == EXPR_MATRIX && p->kind == EXPR_MATRIX)
		return compare_matrices(q, g, p);
	bool tuples = is_tuple_like(g) && is_tuple_like(p);
	bool mixed = (is_tuple_like(g) && p->kind == EXPR_LIST) || (g->kind == EXPR_LIST && is_tuple_like(p));
	if (q->rules->loose_pairs)
		mixed = (is_tuple_like(g) && is_collection(p)) || (is_collection(g) && is_tuple_like(p));
	if (mixed && ((g->kind == EXPR_TUPLE && g->open != g->close) || (p->kind == EXPR_TUPLE && p->open != p->close)))
		mixed = false;
	if (tuples || mixed)
		return compare_tuples(q, g, p);
	if (is_collection(g) || is_collection(p))
		return compare_lists(q, g, p);
	return no(REASON_SHAPE);
}

static struct judgement compare_inner(struct equal *q, struct expr *g, struct expr *p)
{
	if (g->kind == EXPR_RELATION && p->kind == EXPR_RELATION)
		return compare_relations(q, g, p);
	if (p->kind == EXPR_RELATION && !(g->kind == EXPR_LIST && g->n > 1))
		return relation_predicted(q, g, p);
	if (g->kind == EXPR_RELATION && !(p->kind == EXPR_LIST && p->n > 1))
		return relation_in_gold(q, g, p);
	if (g->kind == EXPR_RELATION && is_assignment(g))       /* x = 1 \pm 2 against 3, -1 */
		return compare(q, last_side(g), p);
	if (p->kind == EXPR_RELATION && is_assignment(p))
		return compare(q, g, last_side(p));
	if (g->kind == EXPR_TEXT || p->kind == EXPR_TEXT)
		return compare_words(g, p);
	if ((has_pm(g) || has_pm(p)) && !is_tuple_like(g) && !is_tuple_like(p))
		return compare_lists(q, g, p);
	if (has_unit(g) || has_unit(p))
		return compare_units(q, g, p);
	if (g->kind == EXPR_BASE || p->kind == EXPR_BASE)
		return compare_bases(q, g, p);
	if ((is_scalar(g) && has_matrix(g)) || (is_scalar(p) && has_matrix(p))) {
		struct expr *x = folded(q, g), *y = folded(q, p);
		return x != g || y != p ? compare(q, x, y) : open_(REASON_DOMAIN);
	}
	if (g->kind == EXPR_CALL && p->kind == EXPR_CALL && g->n == p->n && g->n > 0 && (expr_is(g, "sum") || expr_is(g, "product")) &&
	    g->text_n == p->text_n &&
	    is_yes(compare_ordered(q, g->kids, p->kids, g->n)))
		return yes(REASON_STRUCTURE);
	if (is_scalar(g) && is_scalar(p)) {
		bool percent = g->kind == EXPR_PERCENT || p->kind == EXPR_PERCENT;
		bool words = g->kind == EXPR_SYMBOL && p->kind == EXPR_SYMBOL;
		if (words && text_equal(g->text, (size_t)g->text_n, p->text, (size_t)p->text_n) && g->text_n > 1)
			return yes(REASON_TEXT);
		return percent ? compare_percent(q, g, p) : compare_values(q, g, p);
	}
	if (g->kind == EXPR_RATIO && p->kind == EXPR_RATIO)
		return g->n == p->n ? compare_ordered(q, g->kids, p->kids, g->n) : no(REASON_COUNT);
	return compare_collections(q, g, p);
}

static struct judgement compare(struct equal *q, struct expr *g, struct expr *p)
{
	if (!g || !p)
		return no(REASON_SHAPE);
	q->work -= 8;
	if (q->work < 0 || q->depth >= DEPTH)
		return open_(REASON_WORK);
	if (expr_same(g, p))
		return yes(g->kind == EXPR_NUMBER ? REASON_NUMBER : g->kind == EXPR_TEXT ? REASON_TEXT : REASON_EXACT);
	q->depth++;
	struct judgement j = compare_inner(q, g, p);
	q->depth--;
	return j;
}

struct judgement expr_equal(struct arena *arena, const struct expr_rules *rules, struct expr *gold, struct expr *prediction,
			    int64_t work)
{
	struct equal q = { .arena = arena, .rules = rules, .work = work };
	return compare(&q, gold, prediction);
}

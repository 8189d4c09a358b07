#include "judge/expr_compare.h"

#include "judge/expr_set.h"

const struct expr_rules expr_rules_own = { .strict_chains = true, .real_line = true };
const struct expr_rules expr_rules_math_verify = {
	.six_decimals = true, .any_unit = true, .last_side = true, .loose_pairs = true,
};
const struct expr_rules expr_rules_lighteval = {
	.six_decimals = true, .any_unit = true, .last_side = true, .loose_pairs = true, .percent_counts = true,
};

#define DEPTH 32
#define ITEMS 256

/* --- words ------------------------------------------------------------------------------------------------- */

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

/* --- several values -------------------------------------------------------------------------------------- */

/* e with every \pm taken as + (sign 1) or - (sign -1), every \mp the other way. */
static struct expr *with_sign(struct equal *q, struct expr *e, int sign)
{
	if (!expr_has(e, EXPR_PM))
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
		} else if (expr_has(k, EXPR_PM) && !tuple) {
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
		struct judgement j = expr_compare(q, g[i], p[i]);
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
		return not_decided(REASON_WORK);
	if (g_n != p_n)
		return no(REASON_COUNT);
	for (int i = 0; i < g_n; i++) {
		int found = -1;
		struct judgement j = no(REASON_STRUCTURE);
		for (int k = 0; k < p_n && found < 0; k++) {
			int at = (i + k) % p_n;                      /* most keep the order */
			if (used[at])
				continue;
			struct judgement one = expr_compare(q, g[i], p[at]);
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
		return not_decided(REASON_WORK);
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

static struct judgement compare_matrices(struct equal *q, struct expr *g, struct expr *p)
{
	if (g->n != p->n || g->places != p->places)
		return no(REASON_COUNT);
	return compare_ordered(q, g->kids, p->kids, g->n);
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
	if (is_interval_set(g) || is_interval_set(p) || (g->kind == EXPR_SYMBOL && set_like(g)) || (p->kind == EXPR_SYMBOL && set_like(p))) {
		if (!set_like(g) || !set_like(p))
			return no(REASON_SHAPE);
		struct judgement j = set_compare(q->arena, q->rules, g, p, &q->work);
		if (j.verdict != VERDICT_UNDECIDED || g->kind != p->kind)
			return j;
		return g->kind == EXPR_MINUS_SET ? compare_ordered(q, g->kids, p->kids, g->n) :
			compare_unordered(q, g->kids, g->n, p->kids, p->n);
	}
	if (g->kind == EXPR_TUPLE && g->n == 2 && p->kind == EXPR_RELATION)
		return expr_compare(q, g, set_of_relation(q->arena, q->rules, p));
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

/* x \in S, where only S counts against a list. */
static bool is_membership(const struct expr *e)
{
	return e->kind == EXPR_RELATION && e->text_n == 1 && e->text[0] == 'e';
}

static bool is_longer_list(const struct expr *e) { return e->kind == EXPR_LIST && e->n > 1; }

/* "All real numbers" beside a set. */
static struct expr *reals_as_set(struct equal *q, struct expr *e, const struct expr *beside)
{
	static const char *const names[] = { "all real numbers", "all reals", "all real numbers x", "the real numbers" };
	for (size_t i = 0; q->rules->real_line && e->kind == EXPR_TEXT && set_like(beside) && i < sizeof(names) / sizeof(*names); i++)
		if (text_equal(e->text, (size_t)e->text_n, names[i], strlen(names[i]))) {
			struct expr *r = expr_new(q->arena, EXPR_SYMBOL, 0);
			r->text = "mathbb{R}";
			r->text_n = 9;
			return r;
		}
	return e;
}

static struct judgement compare_inner(struct equal *q, struct expr *g, struct expr *p)
{
	g = reals_as_set(q, g, p);
	p = reals_as_set(q, p, g);
	if (expr_same(g, p))
		return yes(REASON_STRUCTURE);
	if (is_membership(g) && is_longer_list(p))              /* x \in (-1, 2) \cup (3, 4) against -1 < x < 2 or 3 < x < 4 */
		return expr_compare(q, g->kids[1], p);
	if (is_membership(p) && is_longer_list(g))
		return expr_compare(q, g, p->kids[1]);
	if (g->kind == EXPR_RELATION && p->kind == EXPR_RELATION)
		return compare_relations(q, g, p);
	if (p->kind == EXPR_RELATION && !is_longer_list(g))
		return relation_predicted(q, g, p);
	if (g->kind == EXPR_RELATION && !is_longer_list(p))
		return relation_in_gold(q, g, p);
	if (g->kind == EXPR_RELATION && is_assignment(g))       /* x = 1 \pm 2 against 3, -1 */
		return expr_compare(q, last_side(g), p);
	if (p->kind == EXPR_RELATION && is_assignment(p))
		return expr_compare(q, g, last_side(p));
	if (g->kind == EXPR_TEXT || p->kind == EXPR_TEXT)
		return compare_words(g, p);
	if ((expr_has(g, EXPR_PM) || expr_has(p, EXPR_PM)) && !is_tuple_like(g) && !is_tuple_like(p))
		return compare_lists(q, g, p);
	if (has_unit(g) || has_unit(p))
		return compare_units(q, g, p);
	if (g->kind == EXPR_BASE || p->kind == EXPR_BASE)
		return compare_bases(q, g, p);
	if ((is_scalar(g) && expr_has(g, EXPR_MATRIX)) || (is_scalar(p) && expr_has(p, EXPR_MATRIX))) {
		struct expr *x = matrix_folded(q, g), *y = matrix_folded(q, p);
		return x != g || y != p ? expr_compare(q, x, y) : not_decided(REASON_DOMAIN);
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

struct judgement expr_compare(struct equal *q, struct expr *g, struct expr *p)
{
	if (!g || !p)
		return no(REASON_SHAPE);
	q->work -= 8;
	if (q->work < 0 || q->depth >= DEPTH)
		return not_decided(REASON_WORK);
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
	return expr_compare(&q, gold, prediction);
}

#include "judge/expr_compare.h"

#include "judge/expr_ball.h"
#include "judge/expr_form.h"
#include "judge/expr_set.h"

static bool all_ops(const struct expr *e, const char *among)
{
	for (int i = 0; i < e->text_n; i++)
		if (!strchr(among, e->text[i]))
			return false;
	return e->kind == EXPR_RELATION;
}

static bool is_equation(const struct expr *e) { return all_ops(e, "=~"); }
bool is_assignment(const struct expr *e) { return is_equation(e) && is_head(e->kids[0]); }

/* The side of an equation that counts: the last, or the last before an approximation of it. */
struct expr *last_side(const struct expr *e)
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
		if (expr_compare(q, e->kids[i], last).verdict == VERDICT_DIFFERENT)
			return true;
	}
	return false;
}

/* An equation of values, 2 + 2 = 4: proven, or said to be about equal. */
static bool holds(struct equal *q, const struct expr *e)
{
	return e->text_n > 1 || e->text[0] == '~' || is_yes(expr_compare(q, e->kids[0], e->kids[1]));
}

static char turned(char op) { return op == '<' ? '>' : op == 'l' ? 'g' : op; }

/* One step of a chain against one step of another. */
static struct judgement compare_steps(struct equal *q, struct expr *g, char g_op, struct expr *g2, struct expr *p, char p_op,
				      struct expr *p2)
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
	struct judgement left = expr_compare(q, g, p);
	if (is_yes(left) || g_op == 'e') {
		struct judgement right = expr_compare(q, g2, p2);
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
	return is_yes(left) ? expr_compare(q, g2, p2) : not_decided(q->work < 0 ? REASON_WORK : REASON_DOMAIN);
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

struct judgement compare_relations(struct equal *q, struct expr *g, struct expr *p)
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
	struct expr *x = set_of_relation(q->arena, q->rules, g), *y = set_of_relation(q->arena, q->rules, p);
	if (!x || !y)
		return j;
	struct judgement s = set_compare(q->arena, q->rules, x, y, &q->work);
	return s.verdict == VERDICT_UNDECIDED ? j : s;
}

/* A prediction that is a relation, a gold answer that is none. */
struct judgement relation_predicted(struct equal *q, struct expr *g, struct expr *p)
{
	if (is_equation(p) && q->rules->last_side)
		return expr_compare(q, g, last_side(p));
	if (is_equation(p)) {
		if (contradicts(q, p))
			return no(is_assignment(p) ? REASON_HEDGED : REASON_SHAPE);
		if (!is_assignment(p) && !holds(q, p))
			return no(REASON_SHAPE);
		return expr_compare(q, g, last_side(p));
	}
	struct expr *set = set_of_relation(q->arena, q->rules, p);
	if (!set || (!set_like(g) && p->text[0] != 'e'))
		return no(REASON_SHAPE);
	return expr_compare(q, g, set);
}

struct judgement relation_in_gold(struct equal *q, struct expr *g, struct expr *p)
{
	if (is_assignment(g) || (is_equation(g) && holds(q, g) && !contradicts(q, g)))
		return expr_compare(q, last_side(g), p);
	struct expr *set = set_of_relation(q->arena, q->rules, g);
	if (!set || (!set_like(p) && g->text[0] != 'e'))
		return no(REASON_SHAPE);
	return expr_compare(q, set, p);
}

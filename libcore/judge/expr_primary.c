/* expr_primary.c - what operators stand between: numbers, names, brackets, functions, fractions, roots, matrices, words. */
#include "judge/expr_parse.h"

#include <stdlib.h>

/* Digits, point and exponent of a number token. places may come out negative: 2e3 is 2 with places -3. */
struct expr *parse_digits(struct parser *p, const char *s, int n)
{
	struct expr *e = node(p, EXPR_NUMBER, 0);
	char *digits = arena_alloc(p->arena, (size_t)n + 1);
	int d = 0, i = 0;
	for (; i < n && s[i] != 'e' && s[i] != 'E'; i++) {
		if (s[i] == '.') {
			e->written = true;
			continue;
		}
		e->places += e->written;
		if (d || s[i] != '0')
			digits[d++] = s[i];
	}
	if (i < n) {
		e->places -= atoi(s + i + 1);
		e->written = true;
	}
	e->text = digits;
	e->text_n = d;
	e->small = d <= 18;
	for (i = 0; i < d && e->small; i++)
		e->value = e->value * 10 + (digits[i] - '0');
	return e;
}

/* --- scripts and arguments ------------------------------------------------------------------------------- */

/* One digit of a number token, as TeX takes an argument without braces. */
static struct expr *one_digit(struct parser *p)
{
	struct token *t = p->t;
	struct expr *e = parse_digits(p, t->p, 1);
	t->p++;
	t->n--;
	t->space = false;
	if (t->n == 0)
		p->t++;
	return e;
}

static struct expr *close_group(struct parser *p, struct expr *e)
{
	if (!at_close(p, "b"))
		return fail(p);
	p->t++;
	return e;
}

/* The argument of \frac, \sqrt, \binom; whole: a bare number is taken whole, not digit by digit. */
static struct expr *argument(struct parser *p, bool whole)
{
	if (at_open(p, "b")) {
		p->t++;
		return close_group(p, parse_items(p));
	}
	if (p->t->kind == TOK_NUMBER && !whole && p->t->n > 1 && p->t->p[1] != '.')
		return one_digit(p);
	if (p->t->kind == TOK_NUMBER || p->t->kind == TOK_NAME || p->t->kind == TOK_SQRT || p->t->kind == TOK_FRAC || at_open(p, "("))
		return parse_primary(p);
	return fail(p);
}

/* What stands after ^ : a group, a sign and a number, a name, a bracket. */
struct expr *parse_exponent(struct parser *p)
{
	if (at_op(p, "-+")) {
		bool minus = p->t->c == '-';
		p->t++;
		struct expr *e = argument(p, true);
		return minus ? unary(p, EXPR_NEG, e) : e;
	}
	if (p->t->kind == TOK_OP && p->t->c == '*') {         /* x^* */
		p->t++;
		return named(p, EXPR_SYMBOL, "*", 1);
	}
	return argument(p, true);
}

#define SUBSCRIPT 64                 /* bytes of a longest */

/* The tokens of a subscript as a name without spaces and braces: {n-1} gives n-1. */
static struct expr *subscript(struct parser *p, const char *base, int base_n)
{
	char *name = arena_alloc(p->arena, SUBSCRIPT + 64 + (size_t)base_n);
	int n = base_n;
	memcpy(name, base, (size_t)base_n);
	name[n++] = '_';
	int depth = 0;
	do {
		struct token *t = p->t;
		if (t->kind == TOK_END)
			return fail(p);
		depth += at_open(p, "b") - at_close(p, "b");
		if (!(t->kind == TOK_OPEN && t->c == 'b') && !(t->kind == TOK_CLOSE && t->c == 'b')) {
			if (n + t->n >= base_n + SUBSCRIPT)
				return fail(p);
			memcpy(name + n, t->p, (size_t)t->n);
			n += t->n;
		}
		p->t++;
	} while (depth > 0);
	return named(p, EXPR_SYMBOL, name, (size_t)n);
}

/* --- primaries ------------------------------------------------------------------------------------------- */

/* 0.1\overline{6}: the number as written, plus the period over 99..900..0 */
static struct expr *repeating(struct parser *p, struct expr *head, const struct token *digits)
{
	int zeros = head->places, nines = digits->n;
	if (nines > 40 || zeros > 40 || zeros < 0)
		return fail(p);
	char den[96];
	memset(den, '9', (size_t)nines);
	memset(den + nines, '0', (size_t)zeros);
	struct expr *part = binary(p, EXPR_DIV, parse_digits(p, digits->p, digits->n),
				   parse_digits(p, arena_strndup(p->arena, den, (size_t)(nines + zeros)), nines + zeros));
	head->written = false;
	return binary(p, EXPR_ADD, head, part);
}

static struct expr *parse_number(struct parser *p)
{
	struct token *t = p->t++;
	struct expr *e = parse_digits(p, t->p, t->n);
	bool decimal = memchr(t->p, '.', (size_t)t->n) != NULL;
	bool barred = decimal && p->t->kind == TOK_OVERLINE && p->t->c && strchr("rb", p->t->c);
	if (barred && p->t[1].kind == TOK_OPEN && p->t[1].c == 'b' && p->t[2].kind == TOK_NUMBER && p->t[3].kind == TOK_CLOSE) {
		p->t += 4;
		return repeating(p, e, p->t - 2);
	}
	if (barred && p->t[1].kind == TOK_NUMBER && p->t[1].n == 1) {      /* 0.\bar3 */
		p->t += 2;
		return repeating(p, e, p->t - 1);
	}
	if (at_op(p, "_")) {                               /* 4210_5, 40_{9} */
		p->t++;
		struct expr *base = argument(p, true);
		struct expr *b = unary(p, EXPR_BASE, base);
		b->text = t->p;
		b->text_n = t->n;
		return b;
	}
	return e;
}

static struct expr *call(struct parser *p, const char *name, struct expr *a)
{
	struct expr *e = unary(p, EXPR_CALL, a);
	e->text = name;
	e->text_n = (int)strlen(name);
	return e;
}

/* \sin^2 x, \log_2 8, \max(a, b), f(x): the argument is a bracket, or the product that follows. */
static struct expr *function_argument(struct parser *p)
{
	if (at_open(p, "([b|{") || p->t->kind == TOK_BAR)
		return parse_primary(p);
	if (at_op(p, "-"))
		return parse_factor(p);
	if (!starts_factor(p))
		return fail(p);
	struct expr *e = parse_factor(p);
	while (starts_factor(p) && p->t->kind != TOK_FUNCTION && p->t->kind != TOK_OPEN && !p->failed)
		e = join(p, EXPR_MUL, e, parse_factor(p), true);
	return e;
}

static struct expr *parse_function(struct parser *p)
{
	struct token *t = p->t++;
	struct expr *power = NULL, *base = NULL;
	for (int i = 0; i < 2; i++) {
		if (at_op(p, "_")) {
			p->t++;
			base = argument(p, true);
		} else if (at_op(p, "^")) {
			p->t++;
			power = parse_exponent(p);
		}
	}
	struct expr *arg = function_argument(p), *e;
	char *name = arena_strndup(p->arena, t->p, (size_t)t->n);
	size_t name_n = (size_t)t->n;
	bool inverse = power && power->kind == EXPR_NEG && power->kids[0]->small && power->kids[0]->value == 1 && t->n == 3;
	if (inverse) {
		name = mem_printf("arc%s", name);
		char *kept = arena_strndup(p->arena, name, name_n + 3);
		mem_free(name);
		name = kept;
		power = NULL;
	}
	if (arg->kind == EXPR_TUPLE || arg->kind == EXPR_LIST || arg->kind == EXPR_SET) {
		e = node(p, EXPR_CALL, arg->n);
		memcpy(e->kids, arg->kids, (size_t)arg->n * sizeof(*arg->kids));
	} else {
		e = base ? binary(p, EXPR_CALL, arg, base) : unary(p, EXPR_CALL, arg);
	}
	e->text = name;
	e->text_n = (int)strlen(name);
	return power ? binary(p, EXPR_POW, e, power) : e;
}

static struct expr *parse_root(struct parser *p)
{
	p->t++;
	struct expr *index = NULL;
	if (at_open(p, "[")) {
		p->t++;
		index = parse_sum(p);
		if (!at_close(p, "["))
			return fail(p);
		p->t++;
	}
	struct expr *e = argument(p, true);
	return binary(p, EXPR_ROOT, e, index ? index : expr_integer(p->arena, 2));
}

struct expr *binomial(struct parser *p, struct expr *n, struct expr *k)
{
	struct expr *e = binary(p, EXPR_CALL, n, k);
	e->text = "binom";
	e->text_n = 5;
	return e;
}

static struct expr *parse_binom(struct parser *p)
{
	p->t++;
	struct expr *a = argument(p, false);
	return binomial(p, a, argument(p, false));
}

/* e with every symbol of this name put to value. */
static struct expr *substituted(struct parser *p, struct expr *e, const struct expr *name, struct expr *value)
{
	if (!e || (e->kind == EXPR_SYMBOL && expr_same(e, name)))
		return e ? value : NULL;
	if (e->n == 0)
		return e;
	struct expr *c = node(p, e->kind, e->n);
	struct expr **kids = c->kids;
	*c = *e;
	c->kids = kids;
	for (int i = 0; i < e->n && !p->failed; i++)
		kids[i] = substituted(p, e->kids[i], name, value);
	return c;
}

#define TERMS 64                     /* of a sum that is written out */

/* \sum_{k=a}^{b} term, \prod: written out when a and b are small integers, else a call of body, index, bounds. */
static struct expr *parse_sigma(struct parser *p)
{
	struct expr *from = NULL, *to = NULL;
	bool product = p->t->c == '*';
	p->t++;
	for (int i = 0; i < 2; i++) {
		if (!at_op(p, "_^"))
			return fail(p);
		bool below = p->t++->c == '_';
		if (p->t->kind == TOK_NUMBER) {                    /* ^3_{k=1}: no numeral in base k */
			to = parse_digits(p, p->t->p, p->t->n);
			p->t++;
		} else {
			*(below ? &from : &to) = argument(p, true);
		}
	}
	if (!from || !to || from->kind != EXPR_RELATION || from->text_n != 1 || from->text[0] != '=' || from->kids[0]->kind != EXPR_SYMBOL)
		return fail(p);
	struct expr *body = parse_term(p), *a = from->kids[1];
	bool small = a->kind == EXPR_NUMBER && to->kind == EXPR_NUMBER && a->small && to->small && !a->places && !to->places &&
		     to->value >= a->value && to->value - a->value < TERMS;
	if (p->failed || !small) {
		struct expr *e = node(p, EXPR_CALL, 4);
		e->text = product ? "product" : "sum";
		e->text_n = product ? 7 : 3;
		e->kids[0] = body;
		e->kids[1] = from->kids[0];
		e->kids[2] = a;
		e->kids[3] = to;
		return e;
	}
	int n = (int)(to->value - a->value) + 1;
	struct expr *e = node(p, product ? EXPR_MUL : EXPR_ADD, n + 1);
	for (int i = 0; i < n; i++)
		e->kids[i] = substituted(p, body, from->kids[0], expr_integer(p->arena, a->value + i));
	e->kids[n] = expr_integer(p->arena, product);
	return e;
}

static struct expr *as_items(struct parser *p, struct expr *e, enum expr_kind kind)
{
	struct expr *s;
	if (e->kind == EXPR_LIST) {
		s = node(p, kind, e->n);
		memcpy(s->kids, e->kids, (size_t)e->n * sizeof(*e->kids));
	} else {
		s = unary(p, kind, e);
	}
	return s;
}

/* After an opening bracket: its items and the closing one, which may be of the other shape: [0, 1). */
static struct expr *parse_bracket(struct parser *p)
{
	char open = p->t->c;
	int bars = p->bars;
	p->t++;
	p->bars = open == '|' || open == '{';                  /* in a set a bar begins the condition, no factor */
	if (open == '{' && at_close(p, "{")) {
		p->t++;
		p->bars = bars;
		return named(p, EXPR_SYMBOL, "emptyset", 8);
	}
	struct expr *e = parse_items(p);
	if (open == '{' && (p->t->kind == TOK_BAR || at_op(p, ":"))) {      /* {x | condition} */
		p->t++;
		e = parse_items(p);
		p->bars = bars;
		if (e->kind != EXPR_RELATION || !at_close(p, "{"))
			return fail(p);
		p->t++;
		return e;
	}
	p->bars = bars;
	bool fits = open == '(' || open == '[' ? at_close(p, "([") : p->t->kind == TOK_CLOSE && p->t->c == open;
	if (!fits)
		return fail(p);
	char close = p->t->c;
	p->t++;
	switch (open) {
	case '{': return as_items(p, e, EXPR_SET);
	case 'b': return e->kind == EXPR_LIST ? as_items(p, e, EXPR_SET) : e;
	case 'f': return call(p, "floor", e);
	case 'c': return call(p, "ceil", e);
	case '|': return call(p, "abs", e);
	case '<': open = close = '('; break;
	default: break;
	}
	if (e->kind != EXPR_LIST && e->kind != EXPR_TEXT)
		return open == close ? e : fail(p);
	if (e->kind == EXPR_TEXT)
		return e;
	struct expr *s = as_items(p, e, EXPR_TUPLE);
	s->open = open;
	s->close = close;
	return s;
}

static struct expr *parse_bars(struct parser *p)
{
	p->t++;
	p->bars++;
	struct expr *e = parse_items(p);
	p->bars--;
	if (p->t->kind != TOK_BAR)
		return fail(p);
	p->t++;
	return call(p, "abs", e);
}

static struct expr *parse_matrix(struct parser *p)
{
	const struct token *begin = p->t++;
	struct expr *cells[256];
	int n = 0, columns = 0, column = 0;
	while (p->t->kind != TOK_ENDENV && !p->failed) {
		if (p->t->kind == TOK_ROW) {
			p->t++;
			if (column == 0)
				continue;
			columns = columns ? columns : column;
			if (column != columns)
				return fail(p);
			column = 0;
			continue;
		}
		if (n == 256 || p->t->kind == TOK_END)
			return fail(p);
		cells[n++] = parse_items(p);
		column++;
		if (p->t->kind == TOK_CELL)
			p->t++;
		else if (p->t->kind != TOK_ROW && p->t->kind != TOK_ENDENV)
			return fail(p);
	}
	columns = columns ? columns : column;
	if (p->failed || n == 0 || n % columns)
		return fail(p);
	p->t++;
	struct expr *e = node(p, EXPR_MATRIX, n);
	memcpy(e->kids, cells, (size_t)n * sizeof(*cells));
	e->places = columns;
	return begin->n && begin->p[0] == 'v' ? call(p, "det", e) : e;
}

/* Words in a row: a name before a relation, or an answer that is words. */
static struct expr *parse_words(struct parser *p)
{
	const struct token *first = p->t;
	while (p->t->kind == TOK_WORD || p->t->kind == TOK_TEXT || p->t->kind == TOK_NAME)
		p->t++;
	if (!at_item_end(p))
		return fail(p);
	const struct token *last = p->t - 1;
	if (first == last) {
		const char *s = first->p;
		size_t n = (size_t)first->n;
		if (n == 3 && s[0] == '(' && s[2] == ')')         /* (C) */
			s++, n = 1;
		return named(p, n == 1 ? EXPR_SYMBOL : EXPR_TEXT, s, n);
	}
	return named(p, EXPR_TEXT, first->from, (size_t)(last->to - first->from));
}

/* p(x) = ...: a function is defined, no product. */
static bool is_definition(const struct parser *p, const struct token *name)
{
	return name->n == 1 && strchr("pqruvwy", name->p[0]) && p->t[1].kind == TOK_NAME && p->t[2].kind == TOK_CLOSE &&
	       p->t[3].kind == TOK_OP && p->t[3].c == '=';
}

static struct expr *parse_name(struct parser *p)
{
	const struct token *t = p->t++;
	if (at_op(p, "_")) {
		p->t++;
		return subscript(p, t->p, t->n);
	}
	if (at_open(p, "(") && t->n == 1 && (strchr("fghFGH", t->p[0]) || is_definition(p, t))) {
		struct expr *arg = parse_bracket(p);
		return call(p, arena_strndup(p->arena, t->p, 1), arg);
	}
	return named(p, EXPR_SYMBOL, t->p, (size_t)t->n);
}

/* \bar{x} is another name than x; \vec{x} and \overline{AB} are not. */
static struct expr *parse_overline(struct parser *p)
{
	char c = p->t++->c;
	struct expr *e = argument(p, true);
	if (!c || e->kind != EXPR_SYMBOL)
		return e;
	char *name = arena_alloc(p->arena, (size_t)e->text_n + 2);
	name[0] = c == 'r' ? 'b' : c;
	name[1] = '~';
	memcpy(name + 2, e->text, (size_t)e->text_n);
	if (!at_op(p, "_"))
		return named(p, EXPR_SYMBOL, name, (size_t)e->text_n + 2);
	p->t++;
	return subscript(p, name, e->text_n + 2);
}

/* \frac{d}{dx}: no fraction. */
static bool is_derivative(const struct expr *a, const struct expr *b)
{
	const struct expr *d = b->kind == EXPR_MUL ? b->kids[0] : b;
	return a->kind == EXPR_SYMBOL && expr_is(a, "d") && d->kind == EXPR_SYMBOL && expr_is(d, "d") && b->kind == EXPR_MUL;
}

static struct expr *parse_fraction(struct parser *p)
{
	p->t++;
	struct expr *a = argument(p, false), *b = argument(p, true);
	return is_derivative(a, b) ? fail(p) : binary(p, EXPR_DIV, a, b);
}

struct expr *parse_primary(struct parser *p)
{
	if (p->failed || ++p->depth > EXPR_DEPTH)
		return fail(p);
	struct expr *e;
	switch (p->t->kind) {
	case TOK_NUMBER: e = parse_number(p); break;
	case TOK_NAME: e = parse_name(p); break;
	case TOK_FUNCTION: e = parse_function(p); break;
	case TOK_FRAC: e = parse_fraction(p); break;
	case TOK_SQRT: e = parse_root(p); break;
	case TOK_BINOM: e = parse_binom(p); break;
	case TOK_SUM: e = parse_sigma(p); break;
	case TOK_OPEN: e = parse_bracket(p); break;
	case TOK_BAR: e = parse_bars(p); break;
	case TOK_BEGIN: e = parse_matrix(p); break;
	case TOK_OVERLINE: e = parse_overline(p); break;
	case TOK_WORD: case TOK_TEXT: e = parse_words(p); break;
	default: e = fail(p);
	}
	p->depth--;
	return e;
}

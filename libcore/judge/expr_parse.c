/* expr_parse.c - tokens to trees, by recursive descent with the precedences of print:
 *
 *   items     item , item ...
 *   item      relation | relation \over relation | relation \choose relation
 *   relation  sets (= < <= ... sets)*
 *   sets      ratio (\cup \cap \setminus ratio)*
 *   ratio     sum (: sum)*
 *   sum       term (+ - \pm \mp term)*
 *   term      factor (\cdot / or nothing between, factor)*; a mixed number 1\frac12 and a unit behind a value are seen here
 *   factor    sign factor | primary with its ! % ^ _ behind */
#include "judge/expr_parse.h"

/* --- operators ------------------------------------------------------------------------------------------- */

/* ^\circ and ^{\circ} */
static bool skip_degree(struct parser *p)
{
	if (at_op(p, "o")) {
		p->t++;
		return true;
	}
	if (at_open(p, "b") && p->t[1].kind == TOK_OP && p->t[1].c == 'o' && p->t[2].kind == TOK_CLOSE) {
		p->t += 3;
		return true;
	}
	return false;
}

static struct expr *primed(struct parser *p, struct expr *e)
{
	if (e->kind != EXPR_SYMBOL)
		return fail(p);
	char *name = arena_alloc(p->arena, (size_t)e->text_n + 1);
	memcpy(name, e->text, (size_t)e->text_n);
	name[e->text_n] = '\'';
	return named(p, EXPR_SYMBOL, name, (size_t)e->text_n + 1);
}

static struct expr *parse_postfix(struct parser *p)
{
	struct expr *e = parse_primary(p);
	bool power = false;                                    /* e is a power written here: (a^b)^c is another thing than a^b^c */
	while (!p->failed && at_op(p, "^f%o'")) {
		char c = p->t->c;
		p->t++;
		if (c == 'f')
			e = unary(p, EXPR_FACTORIAL, e);
		else if (c == '%')
			e = unary(p, EXPR_PERCENT, e);
		else if (c == '\'')
			e = primed(p, e);
		else if (c == 'o' || skip_degree(p))
			e = unary(p, EXPR_DEGREE, e);
		else if (at_op(p, "'"))
			continue;
		else if (power)
			e = binary(p, EXPR_POW, e->kids[0], binary(p, EXPR_POW, e->kids[1], parse_exponent(p)));
		else
			e = binary(p, EXPR_POW, e, parse_exponent(p));
		power = c == '^' && e->kind == EXPR_POW;
	}
	return e;
}

struct expr *parse_factor(struct parser *p)
{
	if (!at_op(p, "+-pm"))
		return parse_postfix(p);
	if (++p->depth > EXPR_DEPTH)
		return fail(p);
	char c = p->t->c;
	p->t++;
	struct expr *e = parse_factor(p);
	p->depth--;
	if (c == '+')
		return e;
	if (c == '-')
		return unary(p, EXPR_NEG, e);
	struct expr *s = binary(p, EXPR_PM, NULL, e);
	s->places = c == 'm' ? -1 : 0;
	return s;
}

static bool plain_integer(const struct expr *e) { return e->kind == EXPR_NUMBER && !e->written; }

/* 1\frac34, 1 3/4 */
static struct expr *mixed_number(struct parser *p, struct expr *whole, const struct token *before)
{
	if (before->kind != TOK_NUMBER || !plain_integer(whole))
		return NULL;
	const struct token *t = p->t;
	if (t->kind == TOK_NUMBER) {
		if (t[1].kind != TOK_OP || t[1].c != '/' || t[2].kind != TOK_NUMBER || !t->space)
			return fail(p);                            /* two numbers side by side */
		struct expr *a = parse_primary(p);
		p->t++;
		return binary(p, EXPR_ADD, whole, binary(p, EXPR_DIV, a, parse_primary(p)));
	}
	if (t->kind != TOK_FRAC)
		return NULL;
	struct expr *f = parse_primary(p);
	bool proper = f->kind == EXPR_DIV && plain_integer(f->kids[0]) && plain_integer(f->kids[1]);
	return proper ? binary(p, EXPR_ADD, whole, f) : binary(p, EXPR_MUL, whole, f);
}

/* -1\frac34: the sign is that of the whole. NULL, and nothing read, where there is no sign before a mixed number. */
static struct expr *signed_mixed(struct parser *p)
{
	const struct token *t = p->t;
	if (!at_op(p, "-+") || t[1].kind != TOK_NUMBER || (t[2].kind != TOK_FRAC && t[2].kind != TOK_NUMBER))
		return NULL;
	p->t++;
	struct expr *whole = parse_primary(p), *mixed = mixed_number(p, whole, t + 1), *e = mixed ? mixed : whole;
	return t->c == '-' ? unary(p, EXPR_NEG, e) : e;
}

/* Text that is no unit: it names another value, or takes back the one before it. */
static bool is_second_thought(const struct token *t)
{
	if (t->kind != TOK_TEXT)
		return false;
	for (int i = 0; i < t->n; i++) {
		bool starts = i == 0 || t->p[i - 1] == ' ' || t->p[i - 1] == '(';
		if (t->p[i] >= '0' && t->p[i] <= '9')
			return true;
		if (starts && ((t->n - i >= 3 && memcmp(t->p + i, "or ", 3) == 0) || (t->n - i >= 4 && memcmp(t->p + i, "not ", 4) == 0)))
			return true;
	}
	return false;
}

/* Words behind a value, up to the end of the item: 5.4 \text{ cents}, 12 miles per hour, 15\mbox{ cm}^2. */
static struct expr *parse_unit(struct parser *p, struct expr *value)
{
	const struct token *first = p->t, *last = first;
	while (p->t->kind == TOK_WORD || p->t->kind == TOK_TEXT || p->t->kind == TOK_NAME || at_op(p, "^/*") || p->t->kind == TOK_NUMBER ||
	       at_open(p, "b(") || at_close(p, "b("))
	{
		if (at_close(p, "b(") && !(last->kind == TOK_NUMBER || last->kind == TOK_WORD || last->kind == TOK_TEXT))
			break;
		if (at_close(p, "b(") && p->t[-2].kind != TOK_OPEN)
			break;                                     /* the group that the value stands in */
		if (is_second_thought(p->t))
			return fail(p);
		last = p->t++;
	}
	if (!at_item_end(p))
		return fail(p);
	struct expr *u = unary(p, EXPR_UNIT, value);
	const char *from = first->kind == TOK_TEXT ? first->p : first->from;       /* a text's own begin lies inside its braces */
	u->text = first == last ? first->p : from;
	u->text_n = first == last ? first->n : (int)(last->to - from);
	return u;
}

/* thousand, million, billion, trillion behind a value: its power of ten, 0 for another word. */
static int magnitude(const struct token *t)
{
	static const struct { const char *word; int power; } words[] = {
		{ "thousand", 3 }, { "million", 6 }, { "billion", 9 }, { "trillion", 12 },
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if ((size_t)t->n == strlen(words[i].word) && memcmp(t->p, words[i].word, (size_t)t->n) == 0)
			return words[i].power;
	return 0;
}

struct expr *parse_term(struct parser *p)
{
	const struct token *before = p->t;
	struct expr *e = signed_mixed(p);
	bool open = false;
	if (!e)
		e = parse_factor(p);
	while (!p->failed) {
		bool times = at_op(p, "*"), over = at_op(p, "/");
		if (times || over) {
			p->t++;
			struct expr *f = parse_factor(p);
			e = over ? binary(p, EXPR_DIV, e, f) : join(p, EXPR_MUL, e, f, open);
			open = times;
		} else if ((p->t->kind == TOK_WORD || p->t->kind == TOK_TEXT) && magnitude(p->t)) {
			struct expr *ten = binary(p, EXPR_POW, expr_integer(p->arena, 10), expr_integer(p->arena, magnitude(p->t)));
			p->t++;
			e = join(p, EXPR_MUL, e, ten, false);
		} else if (p->t->kind == TOK_WORD || p->t->kind == TOK_TEXT) {
			return parse_unit(p, e);
		} else if (starts_factor(p)) {
			const struct token *at = p->t;
			struct expr *mixed = !open && p->t == before + 1 ? mixed_number(p, e, before) : NULL;
			if (!mixed && at->kind == TOK_NUMBER && at[-1].kind == TOK_NUMBER)
				return fail(p);
			if (mixed) {
				e = mixed;
			} else {
				e = join(p, EXPR_MUL, e, parse_postfix(p), open);
				open = true;
			}
		} else {
			break;
		}
	}
	return e;
}

struct expr *parse_sum(struct parser *p)
{
	if (++p->depth > EXPR_DEPTH)
		return fail(p);
	struct expr *e = parse_term(p);
	bool open = false;
	while (!p->failed && at_op(p, "+-pm")) {
		char c = p->t->c;
		p->t++;
		struct expr *f = parse_term(p);
		if (c == 'p' || c == 'm') {
			e = binary(p, EXPR_PM, e, f);
			e->places = c == 'm' ? -1 : 0;
			open = false;
		} else {
			e = join(p, EXPR_ADD, e, c == '-' ? unary(p, EXPR_NEG, f) : f, open);
			open = true;
		}
	}
	p->depth--;
	return e;
}

static struct expr *parse_ratio(struct parser *p)
{
	struct expr *e = parse_sum(p);
	bool open = false;
	while (!p->failed && at_op(p, ":") ) {
		p->t++;
		e = join(p, EXPR_RATIO, e, parse_sum(p), open);
		open = true;
	}
	return e;
}

static struct expr *parse_sets(struct parser *p)
{
	struct expr *e = parse_ratio(p);
	bool open = false;
	while (!p->failed && p->t->kind == TOK_SETOP) {
		char c = p->t->c;
		enum expr_kind kind = c == 'u' ? EXPR_UNION : c == 'n' ? EXPR_INTERSECTION : EXPR_MINUS_SET;
		p->t++;
		e = join(p, kind, e, parse_ratio(p), open && kind != EXPR_MINUS_SET);
		open = true;
	}
	return e;
}

#define CHAIN 16

static struct expr *parse_relation(struct parser *p)
{
	struct expr *sides[CHAIN + 1];
	char *ops = arena_alloc(p->arena, CHAIN);
	int n = 0;
	sides[0] = at_op(p, "=~") ? NULL : parse_sets(p);
	while (!p->failed && at_op(p, "=<>lg!~e")) {
		if (n == CHAIN)
			return fail(p);
		ops[n++] = p->t->c;
		p->t++;
		sides[n] = parse_sets(p);
	}
	if (n == 0)
		return sides[0];
	if (!sides[0])                                     /* "= 5", "\approx 5" */
		return n == 1 ? sides[1] : fail(p);
	struct expr *e = node(p, EXPR_RELATION, n + 1);
	memcpy(e->kids, sides, (size_t)(n + 1) * sizeof(*sides));
	e->text = ops;
	e->text_n = n;
	return e;
}

/* One item: a relation, or what TeX's {a \over b} and {n \choose k} put above and below each other. */
static struct expr *parse_item(struct parser *p)
{
	struct expr *e = parse_relation(p);
	if (p->failed || !at_op(p, "vk"))
		return e;
	return p->t++->c == 'v' ? binary(p, EXPR_DIV, e, parse_relation(p)) : binomial(p, e, parse_relation(p));
}

struct expr *parse_items(struct parser *p)
{
	struct expr **items = NULL;
	int n = 0, cap = 0;
	if (p->failed || ++p->depth > EXPR_DEPTH)
		return fail(p);
	for (;;) {
		while (p->t->kind == TOK_COMMA)
			p->t++;
		if (n && (p->t->kind == TOK_END || p->t->kind == TOK_CLOSE))
			break;
		struct expr *e = parse_item(p);
		MEM_PUSH_ROOM(items, n, cap);
		items[n++] = e;
		if (p->failed || p->t->kind != TOK_COMMA)
			break;
	}
	p->depth--;
	struct expr *e = items[0];
	if (n > 1) {
		e = node(p, EXPR_LIST, n);
		memcpy(e->kids, items, (size_t)n * sizeof(*items));
	}
	mem_free(items);
	return e;
}

/* --- the whole ------------------------------------------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* White space, a final full stop, markdown's asterisks. */
static void strip(const char **p, size_t *n)
{
	for (size_t before = *n + 1; before != *n; ) {
		before = *n;
		while (*n && (is_space((*p)[*n - 1]) || (*p)[*n - 1] == '*' || (*p)[*n - 1] == '.' || (*p)[*n - 1] == ','))
			(*n)--;
		while (*n && (is_space(**p) || **p == '*'))
			(*p)++, (*n)--;
	}
}

/* Letters and no notation: an answer in words, whatever stands between them. */
static bool is_words(const char *p, size_t n)
{
	size_t letters = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		letters += c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (c == '\\' || c == '^' || c == '{' || c == '}' || c == '=' || c == '|')
			return false;
	}
	return letters > 0;
}

/* Full-width forms (U+FF01 to U+FF5E) as the ASCII that they are, zero-width characters left out. */
static void narrow(struct arena *arena, const char **p, size_t *n)
{
	const unsigned char *s = (const unsigned char *)*p;
	if (!memchr(s, 0xef, *n) && !memchr(s, 0xe2, *n))
		return;
	char *out = arena_alloc(arena, *n);
	size_t m = 0;
	for (size_t i = 0; i < *n; ) {
		bool three = *n - i >= 3;
		bool wide = three && s[i] == 0xef && ((s[i + 1] == 0xbc && s[i + 2] >= 0x81) || (s[i + 1] == 0xbd && s[i + 2] <= 0x9e));
		bool nothing = three && (memcmp(s + i, "\xe2\x80\x8b", 3) == 0 || memcmp(s + i, "\xe2\x81\xa0", 3) == 0 ||
					 memcmp(s + i, "\xef\xbb\xbf", 3) == 0);
		if (wide)
			out[m++] = (char)(s[i + 1] == 0xbc ? s[i + 2] - 0x60 : s[i + 2] - 0x20);
		else if (!nothing)
			out[m++] = (char)s[i];
		i += wide || nothing ? 3 : 1;
	}
	*p = out;
	*n = m;
}

struct expr *expr_parse(struct arena *arena, const char *p, size_t n, enum expr_error *why)
{
	int count;
	strip(&p, &n);
	if (n && n <= EXPR_BYTES)
		narrow(arena, &p, &n);
	*why = n == 0 ? EXPR_EMPTY : n > EXPR_BYTES ? EXPR_TOO_LARGE : EXPR_OK;
	if (*why != EXPR_OK)
		return NULL;
	struct parser ps = { .arena = arena, .t = expr_lex(arena, p, n, &count) };
	if (ps.t && ps.t->kind != TOK_END) {
		struct expr *e = parse_items(&ps);
		if (!ps.failed && ps.t->kind == TOK_END)
			return e;
	}
	if (is_words(p, n))
		return named(&(struct parser){ .arena = arena }, EXPR_TEXT, p, n);
	*why = ps.nodes > EXPR_NODES || ps.depth > EXPR_DEPTH ? EXPR_TOO_LARGE : EXPR_SYNTAX;
	return NULL;
}

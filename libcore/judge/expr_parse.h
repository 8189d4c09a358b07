/* expr_parse.h - what the files of the reader share: the parser's state, nodes, looks at the token at hand. For expr_parse.c and
 * expr_primary.c. */
#ifndef QUERN_JUDGE_EXPR_PARSE_H
#define QUERN_JUDGE_EXPR_PARSE_H

#include "judge/expr_lex.h"

struct parser {
	struct arena *arena;
	struct token *t;             /* the token at hand */
	int depth, nodes, bars;
	bool failed;
};

struct expr *parse_items(struct parser *p);          /* relation , relation ... */
struct expr *parse_sum(struct parser *p);
struct expr *parse_term(struct parser *p);
struct expr *parse_factor(struct parser *p);
struct expr *parse_primary(struct parser *p);
struct expr *parse_exponent(struct parser *p);       /* what stands after ^ */
struct expr *binomial(struct parser *p, struct expr *n, struct expr *k);
struct expr *parse_digits(struct parser *p, const char *s, int n);   /* a number token's node */

static inline struct expr *node(struct parser *p, enum expr_kind kind, int n)
{
	if (++p->nodes > EXPR_NODES)
		p->failed = true;
	return expr_new(p->arena, kind, n);
}

static inline struct expr *unary(struct parser *p, enum expr_kind kind, struct expr *a)
{
	struct expr *e = node(p, kind, 1);
	e->kids[0] = a;
	return e;
}

static inline struct expr *binary(struct parser *p, enum expr_kind kind, struct expr *a, struct expr *b)
{
	struct expr *e = node(p, kind, 2);
	e->kids[0] = a;
	e->kids[1] = b;
	return e;
}

/* a and b under one n-ary node: sums and products stay flat. */
static inline struct expr *join(struct parser *p, enum expr_kind kind, struct expr *a, struct expr *b, bool open)
{
	if (!open || a->kind != kind)
		return binary(p, kind, a, b);
	struct expr *e = node(p, kind, a->n + 1);
	memcpy(e->kids, a->kids, (size_t)a->n * sizeof(*a->kids));
	e->kids[a->n] = b;
	return e;
}

static inline struct expr *named(struct parser *p, enum expr_kind kind, const char *text, size_t n)
{
	struct expr *e = node(p, kind, 0);
	e->text = text;
	e->text_n = (int)n;
	return e;
}

static inline struct expr *fail(struct parser *p)
{
	p->failed = true;
	return node(p, EXPR_LIST, 0);
}

static inline bool at_op(const struct parser *p, const char *any)
{
	return p->t->kind == TOK_OP && strchr(any, p->t->c) != NULL;
}

static inline bool at_open(const struct parser *p, const char *any)
{
	return p->t->kind == TOK_OPEN && strchr(any, p->t->c) != NULL;
}

static inline bool at_close(const struct parser *p, const char *any)
{
	return p->t->kind == TOK_CLOSE && strchr(any, p->t->c) != NULL;
}

/* The end of what commas and brackets part. */
static inline bool at_item_end(const struct parser *p)
{
	return p->t->kind == TOK_END || p->t->kind == TOK_COMMA || p->t->kind == TOK_CLOSE || p->t->kind == TOK_CELL ||
	       p->t->kind == TOK_ROW || p->t->kind == TOK_ENDENV || at_op(p, "=<>lg!~e") || p->t->kind == TOK_BAR;
}

static inline bool starts_factor(const struct parser *p)
{
	switch (p->t->kind) {
	case TOK_NUMBER: case TOK_NAME: case TOK_FUNCTION: case TOK_FRAC: case TOK_SQRT: case TOK_BINOM: case TOK_SUM: case TOK_OVERLINE:
	case TOK_BEGIN:
		return true;
	case TOK_OPEN: return true;
	case TOK_BAR: return p->bars == 0;
	default: return false;
	}
}

#endif

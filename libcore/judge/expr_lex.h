/* expr_lex.h - the words of mathematical notation, for expr_parse.c. */
#ifndef QUERN_JUDGE_EXPR_LEX_H
#define QUERN_JUDGE_EXPR_LEX_H

#include "judge/expr.h"

#include <stdbool.h>

enum token_kind {
	TOK_END, TOK_NUMBER, TOK_NAME, TOK_WORD, TOK_TEXT, TOK_FUNCTION, TOK_FRAC, TOK_SQRT, TOK_BINOM, TOK_SUM,
	TOK_OP,              /* c: + - * / ^ _ ! % ' o (degrees) p (+-) m (-+) : and the relations of expr.h */
	TOK_OPEN, TOK_CLOSE, /* c: ( [ { (set) < (angle) b (TeX group) f (floor) c (ceil) | ; and their closings */
	TOK_BAR,             /* | */
	TOK_COMMA,           /* , ; and or */
	TOK_SETOP,           /* c: u n \ */
	TOK_OVERLINE,        /* c: r (\overline) b (\bar) h (\hat) t (\tilde), 0 for arrows, which say nothing */
	TOK_BEGIN, TOK_ENDENV, /* text = the environment */
	TOK_ROW, TOK_CELL,
};

struct token {
	enum token_kind kind;
	char c;
	bool space;                  /* white space before it */
	const char *p;               /* number: digits with a point at most once; else the name */
	int n;
	const char *from, *to;       /* where in the input */
};

/* Reads all of p[0..n); NULL when it holds what is no notation, or too much. The last token is TOK_END. */
struct token *expr_lex(struct arena *arena, const char *p, size_t n, int *count);

#endif

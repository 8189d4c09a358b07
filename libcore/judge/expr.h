/* expr.h - mathematical answers as trees: LaTeX and plain notation in, nodes of an arena out.
 *
 * The reader takes what people and models write: \frac12, 1\tfrac{3}{4}, 10,\!080, 3 \pm 2\sqrt2, (-\infty, 0], \{1, 2\}, x \in [-2, 7],
 * \begin{pmatrix} 1 \\ 2 \end{pmatrix}, 4210_5, 5.4 \text{ cents}, 90^\circ, sqrt(2)/2, \text{(C)}. Spacing, sizes (\left, \dfrac),
 * fonts, dollar signs and currency signs carry no meaning. Brackets stay as written; what (1, 2) means is for expr_equal.h.
 * Work and memory are bounded: EXPR_BYTES of text, EXPR_NODES nodes, EXPR_DEPTH levels; more is no expression. */
#ifndef QUERN_JUDGE_EXPR_H
#define QUERN_JUDGE_EXPR_H

#include "base/mem.h"

#define EXPR_BYTES 4096
#define EXPR_NODES 4096
#define EXPR_DEPTH 64

enum expr_kind {
	EXPR_NUMBER,         /* text = digits, places of them behind the point; written: with a point */
	EXPR_SYMBOL,         /* text = its name: "x", "x_1", "pi", "infty", "emptyset" */
	EXPR_TEXT,           /* text = words that are no mathematics */
	EXPR_ADD, EXPR_MUL,  /* kids, two or more */
	EXPR_NEG,
	EXPR_DIV,            /* kid 0 / kid 1 */
	EXPR_POW,            /* kid 0 ^ kid 1 */
	EXPR_ROOT,           /* the kid 1-th root of kid 0 */
	EXPR_CALL,           /* text = function: "sin", "log" (kid 1 = base, if two), "abs", "floor", "f", ... */
	EXPR_FACTORIAL,
	EXPR_PERCENT, EXPR_DEGREE, /* of kid 0 */
	EXPR_UNIT,           /* kid 0 with a unit behind it: text */
	EXPR_BASE,           /* a numeral: text = its digits, kid 0 = the base */
	EXPR_PM,             /* kid 0 +- kid 1 (kid 0 = NULL: a sign); places is -1 for \mp */
	EXPR_LIST,           /* a, b, c without brackets */
	EXPR_TUPLE,          /* a, b, c in brackets: open, close are '(' '[' ')' ']' */
	EXPR_SET,            /* {a, b, c} */
	EXPR_UNION, EXPR_INTERSECTION, EXPR_MINUS_SET,
	EXPR_RELATION,       /* kids with ops between them: text[i] is one of = < > l (<=) g (>=) ! (not equal) ~ (about) e (in) */
	EXPR_RATIO,          /* a : b */
	EXPR_MATRIX,         /* kids row by row; places columns */
};

struct expr {
	enum expr_kind kind;
	int n;                       /* kids */
	int places;
	bool written;
	char open, close;
	bool small;                  /* NUMBER: value is the digits' integer */
	int64_t value;
	const char *text;            /* text_n bytes of the arena */
	int text_n;
	struct expr **kids;
};

enum expr_error { EXPR_OK, EXPR_EMPTY, EXPR_SYNTAX, EXPR_TOO_LARGE };

/* The tree of p[0..n), or NULL and why. Words alone give EXPR_TEXT. The nodes live in the arena. */
struct expr *expr_parse(struct arena *arena, const char *p, size_t n, enum expr_error *why);

/* Nodes of our own making, for those who rewrite trees. */
struct expr *expr_new(struct arena *arena, enum expr_kind kind, int n);
struct expr *expr_integer(struct arena *arena, int64_t v);
static inline bool expr_is(const struct expr *e, const char *name)
{
	return e->text && (size_t)e->text_n == strlen(name) && memcmp(e->text, name, (size_t)e->text_n) == 0;
}
/* The same tree, node by node. */
bool expr_same(const struct expr *a, const struct expr *b);
/* Is e of this kind, or anything in it? */
bool expr_has(const struct expr *e, enum expr_kind kind);

#endif

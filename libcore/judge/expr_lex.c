/* expr_lex.c - LaTeX and plain notation as one list of tokens; what carries no meaning is gone after this. */
#include "judge/expr_lex.h"

#include <stdlib.h>

struct lexer {
	struct arena *arena;
	const char *p, *end;
	struct token *tok;
	int n, cap;
	int brackets;                /* open ( [ \{: a comma with digits around it parts a list there */
	int matrix;                  /* open matrices: & and \\ part cells and rows */
	bool space, failed;
	char *scratch;               /* for a number without its separators: as long as the input */
};

struct command {
	const char *name;
	enum token_kind kind;
	char c;
	const char *text;            /* NULL: the name itself */
};

/* Sorted by name, for bsearch. TOK_END drops the command. */
static const struct command commands[] = {
	{ "Big", TOK_END, 0, 0 }, { "Bigg", TOK_END, 0, 0 }, { "Bigl", TOK_END, 0, 0 }, { "Bigr", TOK_END, 0, 0 },
	{ "Gamma", TOK_NAME, 0, 0 }, { "Im", TOK_FUNCTION, 0, "im" }, { "Leftrightarrow", TOK_COMMA, 0, 0 },
	{ "Omega", TOK_NAME, 0, 0 }, { "Phi", TOK_NAME, 0, 0 }, { "Pi", TOK_NAME, 0, 0 }, { "Re", TOK_FUNCTION, 0, "re" },
	{ "Rightarrow", TOK_COMMA, 0, 0 },
	{ "alpha", TOK_NAME, 0, 0 }, { "angle", TOK_END, 0, 0 }, { "approx", TOK_OP, '~', 0 }, { "arccos", TOK_FUNCTION, 0, 0 },
	{ "arccot", TOK_FUNCTION, 0, 0 }, { "arcsin", TOK_FUNCTION, 0, 0 }, { "arctan", TOK_FUNCTION, 0, 0 },
	{ "arg", TOK_FUNCTION, 0, 0 }, { "ast", TOK_OP, '*', 0 },
	{ "backslash", TOK_SETOP, '\\', 0 }, { "bar", TOK_OVERLINE, 'b', 0 }, { "begin", TOK_BEGIN, 0, 0 }, { "beta", TOK_NAME, 0, 0 },
	{ "bf", TOK_END, 0, 0 }, { "big", TOK_END, 0, 0 }, { "bigcup", TOK_SETOP, 'u', 0 }, { "bigg", TOK_END, 0, 0 }, { "bigl", TOK_END, 0, 0 },
	{ "bigr", TOK_END, 0, 0 }, { "binom", TOK_BINOM, 0, 0 },
	{ "cap", TOK_SETOP, 'n', 0 }, { "cdot", TOK_OP, '*', 0 }, { "cfrac", TOK_FRAC, 0, 0 }, { "chi", TOK_NAME, 0, 0 },
	{ "choose", TOK_OP, 'k', 0 },
	{ "circ", TOK_OP, 'o', 0 }, { "colon", TOK_OP, ':', 0 }, { "cos", TOK_FUNCTION, 0, 0 }, { "cosh", TOK_FUNCTION, 0, 0 },
	{ "cot", TOK_FUNCTION, 0, 0 }, { "csc", TOK_FUNCTION, 0, 0 }, { "cup", TOK_SETOP, 'u', 0 },
	{ "dbinom", TOK_BINOM, 0, 0 }, { "degree", TOK_OP, 'o', 0 }, { "delta", TOK_NAME, 0, 0 }, { "det", TOK_FUNCTION, 0, 0 },
	{ "dfrac", TOK_FRAC, 0, 0 }, { "displaystyle", TOK_END, 0, 0 }, { "div", TOK_OP, '/', 0 },
	{ "ell", TOK_NAME, 0, 0 }, { "emptyset", TOK_NAME, 0, 0 }, { "end", TOK_ENDENV, 0, 0 }, { "epsilon", TOK_NAME, 0, 0 },
	{ "equiv", TOK_OP, '=', 0 }, { "eta", TOK_NAME, 0, 0 }, { "exp", TOK_FUNCTION, 0, 0 },
	{ "frac", TOK_FRAC, 0, 0 },
	{ "gamma", TOK_NAME, 0, 0 }, { "gcd", TOK_FUNCTION, 0, 0 }, { "ge", TOK_OP, 'g', 0 }, { "geq", TOK_OP, 'g', 0 },
	{ "geqslant", TOK_OP, 'g', 0 }, { "gt", TOK_OP, '>', 0 },
	{ "hat", TOK_OVERLINE, 'h', 0 },
	{ "imath", TOK_NAME, 0, "i" }, { "in", TOK_OP, 'e', 0 }, { "infty", TOK_NAME, 0, 0 }, { "it", TOK_END, 0, 0 },
	{ "kappa", TOK_NAME, 0, 0 },
	{ "lambda", TOK_NAME, 0, 0 }, { "langle", TOK_OPEN, '<', 0 }, { "lbrace", TOK_OPEN, '{', 0 }, { "lbrack", TOK_OPEN, '[', 0 },
	{ "lceil", TOK_OPEN, 'c', 0 }, { "lcm", TOK_FUNCTION, 0, 0 }, { "le", TOK_OP, 'l', 0 }, { "left", TOK_END, 0, 0 },
	{ "leq", TOK_OP, 'l', 0 }, { "leqslant", TOK_OP, 'l', 0 }, { "lfloor", TOK_OPEN, 'f', 0 }, { "lg", TOK_FUNCTION, 0, "lg" },
	{ "limits", TOK_END, 0, 0 }, { "ln", TOK_FUNCTION, 0, 0 }, { "log", TOK_FUNCTION, 0, 0 },
	{ "lt", TOK_OP, '<', 0 }, { "lvert", TOK_OPEN, '|', 0 },
	{ "max", TOK_FUNCTION, 0, 0 }, { "mid", TOK_BAR, 0, 0 }, { "middle", TOK_END, 0, 0 }, { "min", TOK_FUNCTION, 0, 0 }, { "mp", TOK_OP, 'm', 0 },
	{ "mu", TOK_NAME, 0, 0 },
	{ "ne", TOK_OP, '!', 0 }, { "neq", TOK_OP, '!', 0 }, { "nolimits", TOK_END, 0, 0 }, { "nu", TOK_NAME, 0, 0 },
	{ "omega", TOK_NAME, 0, 0 }, { "over", TOK_OP, 'v', 0 }, { "overline", TOK_OVERLINE, 'r', 0 }, { "overrightarrow", TOK_OVERLINE, 0, 0 },
	{ "phi", TOK_NAME, 0, 0 }, { "pi", TOK_NAME, 0, 0 }, { "pm", TOK_OP, 'p', 0 }, { "prime", TOK_OP, '\'', 0 },
	{ "prod", TOK_SUM, '*', 0 }, { "psi", TOK_NAME, 0, 0 },
	{ "qquad", TOK_END, 0, 0 }, { "quad", TOK_END, 0, 0 },
	{ "rangle", TOK_CLOSE, '<', 0 }, { "rbrace", TOK_CLOSE, '{', 0 }, { "rbrack", TOK_CLOSE, '[', 0 },
	{ "rceil", TOK_CLOSE, 'c', 0 }, { "rfloor", TOK_CLOSE, 'f', 0 }, { "rho", TOK_NAME, 0, 0 }, { "right", TOK_END, 0, 0 },
	{ "rm", TOK_END, 0, 0 }, { "rvert", TOK_CLOSE, '|', 0 },
	{ "scriptstyle", TOK_END, 0, 0 }, { "sec", TOK_FUNCTION, 0, 0 }, { "setminus", TOK_SETOP, '\\', 0 },
	{ "sigma", TOK_NAME, 0, 0 }, { "sim", TOK_OP, '~', 0 }, { "sin", TOK_FUNCTION, 0, 0 }, { "sinh", TOK_FUNCTION, 0, 0 },
	{ "sqrt", TOK_SQRT, 0, 0 },
	{ "sum", TOK_SUM, '+', 0 },
	{ "tan", TOK_FUNCTION, 0, 0 }, { "tanh", TOK_FUNCTION, 0, 0 }, { "tau", TOK_NAME, 0, 0 }, { "tbinom", TOK_BINOM, 0, 0 },
	{ "textstyle", TOK_END, 0, 0 }, { "tfrac", TOK_FRAC, 0, 0 }, { "theta", TOK_NAME, 0, 0 }, { "tilde", TOK_OVERLINE, 't', 0 },
	{ "times", TOK_OP, '*', 0 }, { "triangle", TOK_END, 0, 0 }, { "underline", TOK_END, 0, 0 },
	{ "varepsilon", TOK_NAME, 0, "epsilon" }, { "varnothing", TOK_NAME, 0, "emptyset" }, { "varphi", TOK_NAME, 0, "phi" },
	{ "vec", TOK_OVERLINE, 0, 0 }, { "vert", TOK_BAR, 0, 0 },
	{ "widehat", TOK_OVERLINE, 'h', 0 },
	{ "xi", TOK_NAME, 0, 0 }, { "zeta", TOK_NAME, 0, 0 },
};

/* Words that are mathematics in plain text, and characters beyond ASCII. */
static const struct command words[] = {
	{ "and", TOK_COMMA, 0, 0 }, { "arccos", TOK_FUNCTION, 0, 0 }, { "arccosh", TOK_FUNCTION, 0, 0 }, { "arcosh", TOK_FUNCTION, 0, "arccosh" },
	{ "arcsin", TOK_FUNCTION, 0, 0 }, { "arcsinh", TOK_FUNCTION, 0, 0 }, { "arctan", TOK_FUNCTION, 0, 0 },
	{ "arctanh", TOK_FUNCTION, 0, 0 }, { "arsinh", TOK_FUNCTION, 0, "arcsinh" }, { "artanh", TOK_FUNCTION, 0, "arctanh" },
	{ "ceil", TOK_FUNCTION, 0, 0 },
	{ "cos", TOK_FUNCTION, 0, 0 }, { "cot", TOK_FUNCTION, 0, 0 }, { "csc", TOK_FUNCTION, 0, 0 }, { "exp", TOK_FUNCTION, 0, 0 },
	{ "floor", TOK_FUNCTION, 0, 0 }, { "gcd", TOK_FUNCTION, 0, 0 }, { "inf", TOK_NAME, 0, "infty" }, { "infinity", TOK_NAME, 0, "infty" },
	{ "infty", TOK_NAME, 0, "infty" }, { "lcm", TOK_FUNCTION, 0, 0 },
	{ "ln", TOK_FUNCTION, 0, 0 }, { "log", TOK_FUNCTION, 0, 0 }, { "max", TOK_FUNCTION, 0, 0 }, { "min", TOK_FUNCTION, 0, 0 },
	{ "or", TOK_COMMA, 0, 0 }, { "pct", TOK_OP, '%', 0 }, { "percent", TOK_OP, '%', 0 }, { "percentage", TOK_OP, '%', 0 },
	{ "pi", TOK_NAME, 0, 0 }, { "sec", TOK_FUNCTION, 0, 0 }, { "sin", TOK_FUNCTION, 0, 0 }, { "sqrt", TOK_SQRT, 0, 0 },
	{ "tan", TOK_FUNCTION, 0, 0 },
};

static const struct command characters[] = {
	{ "\xc2\xa0", TOK_END, 0, 0 }, { "\xc2\xa2", TOK_END, 0, 0 }, { "\xc2\xa3", TOK_END, 0, 0 }, { "\xc2\xa5", TOK_END, 0, 0 },
	{ "\xc2\xb0", TOK_OP, 'o', 0 }, { "\xc2\xb1", TOK_OP, 'p', 0 }, { "\xc2\xb7", TOK_OP, '*', 0 }, { "\xc3\x97", TOK_OP, '*', 0 },
	{ "\xc3\xb7", TOK_OP, '/', 0 }, { "\xce\xb1", TOK_NAME, 0, "alpha" }, { "\xce\xb2", TOK_NAME, 0, "beta" },
	{ "\xce\xb8", TOK_NAME, 0, "theta" }, { "\xce\xbb", TOK_NAME, 0, "lambda" }, { "\xcf\x80", TOK_NAME, 0, "pi" },
	{ "\xe2\x80\x83", TOK_END, 0, 0 }, { "\xe2\x80\x89", TOK_END, 0, 0 }, { "\xe2\x80\xb2", TOK_OP, '\'', 0 },
	{ "\xe2\x82\xac", TOK_END, 0, 0 }, { "\xe2\x84\x9d", TOK_NAME, 0, "mathbb{R}" }, { "\xe2\x84\xa4", TOK_NAME, 0, "mathbb{Z}" },
	{ "\xe2\x88\x85", TOK_NAME, 0, "emptyset" }, { "\xe2\x88\x88", TOK_OP, 'e', 0 },
	{ "\xe2\x88\x92", TOK_OP, '-', 0 }, { "\xe2\x88\x93", TOK_OP, 'm', 0 }, { "\xe2\x88\x96", TOK_SETOP, '\\', 0 },
	{ "\xe2\x88\x9a", TOK_SQRT, 0, 0 }, { "\xe2\x88\x9e", TOK_NAME, 0, "infty" }, { "\xe2\x88\xa9", TOK_SETOP, 'n', 0 },
	{ "\xe2\x88\xaa", TOK_SETOP, 'u', 0 }, { "\xe2\x89\x88", TOK_OP, '~', 0 }, { "\xe2\x89\xa0", TOK_OP, '!', 0 },
	{ "\xe2\x89\xa4", TOK_OP, 'l', 0 }, { "\xe2\x89\xa5", TOK_OP, 'g', 0 }, { "\xe2\x8b\x85", TOK_OP, '*', 0 },
};

/* Units that are not read as products of letters behind a number. */
static const char *const units[] = {
	"cc", "cm", "dm", "ft", "gm", "hr", "hrs", "kg", "km", "kmh", "kph", "lb", "lbs", "mg", "mi", "min", "mins", "ml", "mL", "mm", "mph",
	"oz", "sec", "secs", "sq", "yd", "yr", "yrs", "am", "pm", "in",
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool same(const char *p, size_t n, const char *word) { return strlen(word) == n && memcmp(p, word, n) == 0; }

static bool starts(const struct lexer *l, const char *word)
{
	size_t w = strlen(word);
	return (size_t)(l->end - l->p) >= w && memcmp(l->p, word, w) == 0;
}

static struct token *push(struct lexer *l, enum token_kind kind, char c, const char *p, size_t n)
{
	if (l->n >= l->cap) {
		l->failed = true;
		return &l->tok[l->cap - 1];
	}
	l->tok[l->n] = (struct token){ .kind = kind, .c = c, .space = l->space, .p = p, .n = (int)n, .from = l->p, .to = l->p };
	l->space = false;
	return &l->tok[l->n++];
}

/* --- numbers --------------------------------------------------------------------------------------------- */

static int digit_run(const char *p, const char *end)
{
	int n = 0;
	while (p + n < end && is_digit(p[n]))
		n++;
	return n;
}

/* What parts thousands at p: "," "{,}" ",\!" "\," " " - its length, 0 for none. */
static int separator(const struct lexer *l, const char *p)
{
	static const char *const always[] = { "{,}", "{, }", ",\\!", ",\\,", "{,\\!}", "\\," };
	if (l->end - p > 2 && p[0] == ' ' && p[1] == '{' && p[2] == ',')
		return 1 + separator(l, p + 1);
	struct lexer at = { .p = p, .end = l->end };
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		if (starts(&at, always[i])) {
			int n = (int)strlen(always[i]);
			while (p + n < l->end && p[n] == ' ' && always[i][0] != '\\')
				n++;
			return n;
		}
	if (p < l->end && ((*p == ',' && l->brackets == 0) || *p == ' '))
		return 1;
	return 0;
}

/* An exponent "e-3" at p: its length. Letters or a point behind it make it something else. */
static int exponent(const char *p, const char *end)
{
	int n = 1;
	if (p >= end || (*p != 'e' && *p != 'E'))
		return 0;
	if (p + n < end && (p[n] == '+' || p[n] == '-'))
		n++;
	int d = digit_run(p + n, end);
	if (d == 0 || d > 6 || (p + n + d < end && (is_letter(p[n + d]) || p[n + d] == '.')))
		return 0;
	return n + d;
}

/* Digits, thousands, point, exponent. The token's text has digits, at most one point, and an exponent as written. */
static void lex_number(struct lexer *l)
{
	const char *p = l->p;
	char *out = l->scratch;
	size_t n = 0;
	int run = digit_run(p, l->end);
	memcpy(out, p, (size_t)run);
	n += (size_t)run;
	p += run;
	if (run >= 1 && run <= 3 && out[0] != '0') {
		for (int sep; (sep = separator(l, p)) > 0; ) {
			if (digit_run(p + sep, l->end) != 3)
				break;
			memcpy(out + n, p + sep, 3);
			n += 3;
			p += sep + 3;
		}
	}
	if (p < l->end && *p == '.') {
		int d = digit_run(p + 1, l->end);
		struct lexer behind = { .p = p + 1, .end = l->end };
		bool repeating = starts(&behind, "\\overline") || starts(&behind, "\\bar");
		if (d || repeating) {
			out[n++] = '.';
			memcpy(out + n, p + 1, (size_t)d);
			n += (size_t)d;
			p += 1 + d;
		} else if (p + 1 == l->end || is_space(p[1]) || p[1] == '$' || p[1] == '}') {
			p++;                             /* a full stop, or "5." */
		}
	}
	int e = exponent(p, l->end);
	memcpy(out + n, p, (size_t)e);
	n += (size_t)e;
	p += e;
	struct token *t = push(l, TOK_NUMBER, 0, arena_strndup(l->arena, out, n), n);
	l->p = p;
	t->to = p;
}

/* --- words ----------------------------------------------------------------------------------------------- */

static int compare_name(const void *key, const void *item)
{
	const struct token *k = key;
	const struct command *c = item;
	int d = strncmp(k->p, c->name, (size_t)k->n);
	return d ? d : -(c->name[k->n] != 0);
}

static const struct command *look_up(const struct command *table, size_t count, const char *p, size_t n)
{
	struct token key = { .p = p, .n = (int)n };
	return bsearch(&key, table, count, sizeof(*table), compare_name);
}
#define LOOK_UP(table, p, n) look_up(table, sizeof(table) / sizeof(*(table)), p, n)

static void push_command(struct lexer *l, const struct command *c, const char *to)
{
	if (c->kind == TOK_END) {
		l->space = true;
	} else {
		const char *text = c->text ? c->text : c->name;
		struct token *t = push(l, c->kind, c->c, text, strlen(text));
		t->to = to;
		l->brackets += (c->kind == TOK_OPEN) - (c->kind == TOK_CLOSE);
	}
	l->p = to;
}

static bool after_value(const struct lexer *l)
{
	if (l->n == 0)
		return false;
	const struct token *t = &l->tok[l->n - 1];
	return t->kind == TOK_NUMBER || t->kind == TOK_CLOSE || t->kind == TOK_WORD || t->kind == TOK_TEXT ||
	       (t->kind == TOK_NAME && same(t->p, (size_t)t->n, "pi"));
}

static bool is_unit(const char *p, size_t n)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (same(p, n, units[i]))
			return true;
	return false;
}

/* Letters of a run that people multiply: abc, xy, 3mn; longer runs, and three letters that spell, are words. */
static bool is_product(const char *p, size_t n)
{
	if (n <= 2)
		return true;
	if (n > 3)
		return false;
	bool upper = true, variables = true;
	for (size_t i = 0; i < n; i++) {
		upper &= p[i] < 'a';
		variables &= strchr("abcdkmnpqrstuvwxyz", p[i]) != NULL;
	}
	return upper || variables;
}

/* Short words of a sentence, which are no product where a longer word follows: "no solution". */
static bool is_small_word(const char *p, size_t n, const char *end)
{
	static const char *const small[] = { "an", "as", "at", "be", "by", "if", "is", "it", "no", "of", "on", "so", "to", "we" };
	const char *q = p + n;
	while (q < end && is_space(*q))
		q++;
	if (q == p + n || end - q < 3 || !is_letter(q[0]) || !is_letter(q[1]) || !is_letter(q[2]))
		return false;
	for (size_t i = 0; i < sizeof(small) / sizeof(*small); i++)
		if (n == 2 && ((unsigned char)*p | 32) == (unsigned char)small[i][0] && p[1] == small[i][1])
			return true;
	return false;
}

/* The x of 1.5 x 10^{-3}. */
static bool is_cross(const struct lexer *l, const char *p, size_t n)
{
	if (n != 1 || (*p != 'x' && *p != 'X') || !l->n || l->tok[l->n - 1].kind != TOK_NUMBER)
		return false;
	for (p++; p < l->end && is_space(*p); p++)
		;
	struct lexer behind = { .p = p, .end = l->end };
	return starts(&behind, "10^") || starts(&behind, "10**");
}

static void lex_letters(struct lexer *l)
{
	size_t n = 0;
	while (l->p + n < l->end && is_letter(l->p[n]))
		n++;
	const char *p = l->p;
	const struct command *c = LOOK_UP(words, p, n);
	if (is_cross(l, p, n)) {
		struct token *t = push(l, TOK_OP, '*', p, 1);
		l->p = t->to = p + 1;
		return;
	}
	bool unit = is_unit(p, n) && after_value(l);
	if (c && !unit) {
		push_command(l, c, p + n);
		return;
	}
	if (n == 4 && (!memcmp(p, "sin", 3) || !memcmp(p, "cos", 3) || !memcmp(p, "tan", 3) || !memcmp(p, "log", 3))) {
		push_command(l, LOOK_UP(words, p, 3), p + 3);  /* sinx */
		return;
	}
	if (n > 1 && (unit || !is_product(p, n) || is_small_word(p, n, l->end))) {
		struct token *t = push(l, TOK_WORD, 0, p, n);
		l->p = t->to = p + n;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct token *t = push(l, TOK_NAME, 0, p + i, 1);
		l->p = t->to = p + i + 1;
	}
}

/* The inside of {...} at l->p (white space before it skipped); l->p moves behind it. */
static bool braced(struct lexer *l, const char **from, size_t *n)
{
	const char *p = l->p;
	while (p < l->end && is_space(*p))
		p++;
	if (p >= l->end || *p != '{')
		return false;
	int depth = 0;
	for (const char *q = p; q < l->end; q++) {
		if (*q == '\\' && q + 1 < l->end) {
			q++;
		} else if (*q == '{') {
			depth++;
		} else if (*q == '}' && --depth == 0) {
			*from = p + 1;
			*n = (size_t)(q - p - 1);
			l->p = q + 1;
			return true;
		}
	}
	return false;
}

/* \text{...}, \mathrm{...}: a word, a separator, a letter, or nothing. */
static void lex_text(struct lexer *l, bool font, bool roman)
{
	const char *from, *p;
	size_t n;
	if (!braced(l, &from, &n))
		return;                                  /* \mathrm x: the letter follows */
	const char *to = l->p;
	for (p = from; n && (is_space(*p) || *p == '~'); p++)
		n--;
	while (n && (is_space(p[n - 1]) || p[n - 1] == '~'))
		n--;
	if (n == 0)
		return;
	const struct command *c = LOOK_UP(words, p, n);
	bool notation = font;                            /* \mathbf{2x}, \text{5}: mathematics in another font */
	if (!font && (is_digit(*p) || *p == '-' || *p == '\\' || *p == '$'))
		notation = memchr(p, ' ', n) == NULL;
	if (c) {
		push_command(l, c, to);
	} else if (n == 1 && is_letter(*p)) {
		bool unit = roman && after_value(l) && !strchr("dei", *p);          /* 5\mathrm{m} */
		push(l, font && !unit ? TOK_NAME : TOK_TEXT, 0, p, n)->to = to;
	} else if (notation) {
		bool word = true;
		for (size_t i = 0; i < n; i++)
			word &= is_letter(p[i]);
		if (word && n > 1) {
			push(l, TOK_TEXT, 0, p, n)->to = to;
			return;
		}
		l->p = from;                             /* read on inside; the closing brace falls to the parser */
		push(l, TOK_OPEN, 'b', "", 0)->to = from;
	} else {
		push(l, TOK_TEXT, 0, p, n)->to = to;
	}
}

/* --- commands -------------------------------------------------------------------------------------------- */

static void lex_environment(struct lexer *l, const struct command *c)
{
	const char *from, *columns;
	size_t n, columns_n;
	if (!braced(l, &from, &n)) {
		l->failed = true;
		return;
	}
	bool matrix = n >= 5 && (n >= 6 ? memcmp(from + n - 6, "matrix", 6) == 0 : false);
	bool array = same(from, n, "array");
	if (array && c->kind == TOK_BEGIN)
		braced(l, &columns, &columns_n);
	if (!matrix && !array) {
		l->failed = !same(from, n, "aligned") && !same(from, n, "align") && !same(from, n, "align*") && !same(from, n, "equation");
		return;
	}
	l->matrix += c->kind == TOK_BEGIN ? 1 : -1;
	push(l, c->kind, 0, from, n)->to = l->p;
}

static void lex_name(struct lexer *l, const char *p, size_t n)
{
	static const char *const fonts[] = { "mathrm", "mathbf", "mathit", "mathsf", "mathcal", "boldsymbol", "operatorname", "bm", "mathop" };
	static const char *const texts[] = { "text", "mbox", "textbf", "textit", "textrm", "textnormal", "hbox", "textsf", "emph" };
	const struct command *c = LOOK_UP(commands, p, n);
	l->p = p + n;
	if (c && (c->kind == TOK_BEGIN || c->kind == TOK_ENDENV)) {
		lex_environment(l, c);
		return;
	}
	if (c) {
		push_command(l, c, p + n);
		if (c->kind == TOK_END && l->p < l->end && *l->p == '.' && (same(p, n, "left") || same(p, n, "right")))
			l->p++;
		return;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (same(p, n, texts[i]) || same(p, n, fonts[i])) {
			lex_text(l, same(p, n, fonts[i]), same(p, n, "mathrm"));
			return;
		}
	const char *from;
	size_t inside;
	if (same(p, n, "boxed") || same(p, n, "fbox"))
		return;
	if ((same(p, n, "color") || same(p, n, "textcolor")) && braced(l, &from, &inside))
		return;
	if (same(p, n, "cr") && l->matrix) {
		push(l, TOK_ROW, 0, p, n)->to = l->p;
		return;
	}
	if (same(p, n, "mathbb") && braced(l, &from, &inside)) {
		push(l, TOK_NAME, 0, arena_strndup(l->arena, p, (size_t)(l->p - p)), (size_t)(l->p - p));
		return;
	}
	if (same(p, n, "pmod") || same(p, n, "bmod") || same(p, n, "mod")) {
		push(l, TOK_WORD, 0, "mod", 3)->to = l->p;
		return;
	}
	if (same(p, n, "ldots") || same(p, n, "dots") || same(p, n, "cdots") || same(p, n, "dotsc")) {
		push(l, TOK_NAME, 0, "dots", 4)->to = l->p;
		return;
	}
	if (same(p, n, "int") || same(p, n, "lim") || n > 24) {
		l->failed = true;
		return;
	}
	push(l, TOK_NAME, 0, p, n)->to = l->p;           /* a name of somebody's own */
}

/* How long the [2pt] behind the end of a row is. */
static size_t row_space(const char *p, const char *end)
{
	static const char *const lengths[] = { "pt", "em", "ex", "mm", "cm", "in", "mu" };
	const char *q = p;
	if (q < end && *q == '*')
		q++;
	if (q >= end || *q != '[')
		return (size_t)(q - p);
	const char *digits = ++q;
	while (q < end && (is_digit(*q) || *q == '.' || *q == '-' || *q == ' '))
		q++;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		if (q > digits && end - q >= 3 && memcmp(q, lengths[i], 2) == 0 && q[2] == ']')
			return (size_t)(q + 3 - p);
	return 0;
}

static void lex_backslash(struct lexer *l)
{
	const char *p = l->p + 1;
	if (p >= l->end) {
		l->p = p;
		return;
	}
	if (*p == '\\' && l->matrix == 0 && p + 1 < l->end && is_letter(p[1]))
		p++;                                     /* \\frac, doubled on its way through JSON */
	if (is_letter(*p)) {
		size_t n = 0;
		while (p + n < l->end && is_letter(p[n]))
			n++;
		lex_name(l, p, n);
		return;
	}
	l->p = p + 1;
	switch (*p) {
	case '{': push(l, TOK_OPEN, '{', p, 1)->to = p + 1; l->brackets++; break;
	case '}': push(l, TOK_CLOSE, '{', p, 1)->to = p + 1; l->brackets--; break;
	case '|': push(l, TOK_BAR, 0, p, 1)->to = p + 1; break;
	case '%': push(l, TOK_OP, '%', p, 1)->to = p + 1; break;
	case '\\':
		if (l->matrix) {
			push(l, TOK_ROW, 0, p, 1)->to = p + 1;
			l->p += row_space(l->p, l->end);
		}
		l->space = true;
		break;
	case '(': case ')': case '[': case ']': break;   /* the borders of an inline formula */
	default: l->space = true;                        /* \, \; \! \$ */
	}
}

/* --- everything else ------------------------------------------------------------------------------------- */

static void lex_symbol(struct lexer *l)
{
	static const struct { const char *s; char c; } ops[] = {
		{ "**", '^' }, { "<=", 'l' }, { ">=", 'g' }, { "!=", '!' }, { "==", '=' }, { ":=", '=' }, { "~=", '~' }, { "=<", 'l' },
	};
	const char *p = l->p;
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (starts(l, ops[i].s)) {
			push(l, TOK_OP, ops[i].c, p, 2);
			l->p = p + 2;
			return;
		}
	l->p = p + 1;
	switch (*p) {
	case '!': push(l, TOK_OP, 'f', p, 1); break;
	case '+': case '-': case '*': case '/': case '^': case '_': case '=': case '<': case '>': case '%': case '\'': case ':':
		push(l, TOK_OP, *p, p, 1);
		break;
	case '(': case '[': push(l, TOK_OPEN, *p, p, 1); l->brackets++; break;
	case ')': case ']': push(l, TOK_CLOSE, *p == ')' ? '(' : '[', p, 1); l->brackets--; break;
	case '{': push(l, TOK_OPEN, 'b', p, 1); break;
	case '}': push(l, TOK_CLOSE, 'b', p, 1); break;
	case '|': push(l, TOK_BAR, 0, p, 1); break;
	case ',': case ';': push(l, TOK_COMMA, *p, p, 1); break;
	case '&': if (l->matrix) push(l, TOK_CELL, 0, p, 1); break;
	case '$': case '~': case '"': case '`': l->space = true; break;
	case '.': if (p + 1 < l->end && !is_space(p[1]) && p[1] != '$') l->failed = true; break;
	default: l->failed = true;
	}
}

/* One half and its like, as \frac12. */
static bool lex_vulgar_fraction(struct lexer *l)
{
	static const struct { const char *c, *above, *below; } fractions[] = {
		{ "\xc2\xbc", "1", "4" }, { "\xc2\xbd", "1", "2" }, { "\xc2\xbe", "3", "4" }, { "\xe2\x85\x90", "1", "7" },
		{ "\xe2\x85\x91", "1", "9" }, { "\xe2\x85\x92", "1", "10" }, { "\xe2\x85\x93", "1", "3" }, { "\xe2\x85\x94", "2", "3" },
		{ "\xe2\x85\x95", "1", "5" }, { "\xe2\x85\x96", "2", "5" }, { "\xe2\x85\x97", "3", "5" }, { "\xe2\x85\x98", "4", "5" },
		{ "\xe2\x85\x99", "1", "6" }, { "\xe2\x85\x9a", "5", "6" }, { "\xe2\x85\x9b", "1", "8" }, { "\xe2\x85\x9c", "3", "8" },
		{ "\xe2\x85\x9d", "5", "8" }, { "\xe2\x85\x9e", "7", "8" },
	};
	for (size_t i = 0; i < sizeof(fractions) / sizeof(*fractions); i++)
		if (starts(l, fractions[i].c)) {
			push(l, TOK_FRAC, 0, "frac", 4);
			push(l, TOK_NUMBER, 0, fractions[i].above, 1);
			push(l, TOK_NUMBER, 0, fractions[i].below, strlen(fractions[i].below));
			l->p += strlen(fractions[i].c);
			return true;
		}
	return false;
}

/* An en dash where only a sign can stand, before a digit; between values it may mean "to". */
static bool lex_dash(struct lexer *l)
{
	const struct token *t = l->n ? &l->tok[l->n - 1] : NULL;
	bool sign = !t || t->kind == TOK_OPEN || t->kind == TOK_COMMA || (t->kind == TOK_OP && !strchr("!%'of", t->c));
	if (!starts(l, "\xe2\x80\x93") || !sign || l->end - l->p < 4 || !is_digit(l->p[3]))
		return false;
	push(l, TOK_OP, '-', l->p, 3);
	l->p += 3;
	return true;
}

static void lex_utf8(struct lexer *l)
{
	if (lex_vulgar_fraction(l) || lex_dash(l))
		return;
	for (size_t i = 0; i < sizeof(characters) / sizeof(*characters); i++)
		if (starts(l, characters[i].name)) {
			push_command(l, &characters[i], l->p + strlen(characters[i].name));
			return;
		}
	if (starts(l, "\xc2\xb2") || starts(l, "\xc2\xb3")) {    /* squared, cubed */
		push(l, TOK_OP, '^', l->p, 1);
		struct token *t = push(l, TOK_NUMBER, 0, l->p[1] == '\xb2' ? "2" : "3", 1);
		l->p = t->to = l->p + 2;
		return;
	}
	l->failed = true;
}

struct token *expr_lex(struct arena *arena, const char *p, size_t n, int *count)
{
	struct lexer l = { .arena = arena, .p = p, .end = p + n, .cap = (int)n + 8 };
	if (n > EXPR_BYTES)
		return NULL;
	l.tok = arena_alloc(arena, (size_t)l.cap * sizeof(*l.tok));
	l.scratch = arena_alloc(arena, n + 2);
	while (l.p < l.end && !l.failed) {
		char c = *l.p;
		if (is_space(c)) {
			l.space = true;
			l.p++;
		} else if (is_digit(c) || (c == '.' && l.p + 1 < l.end && is_digit(l.p[1]))) {
			lex_number(&l);
		} else if (is_letter(c)) {
			lex_letters(&l);
		} else if (c == '\\') {
			lex_backslash(&l);
		} else if ((unsigned char)c >= 0x80) {
			lex_utf8(&l);
		} else {
			lex_symbol(&l);
		}
	}
	push(&l, TOK_END, 0, "", 0);
	*count = l.n;
	return l.failed ? NULL : l.tok;
}

/* Template text to tokens. Whitespace control happens here: "-" strips, lstrip_blocks takes the blanks before a
 * block that begins its line, trim_blocks the newline after one. */
#include "token/jinja_priv.h"

#include <ctype.h>
#include <stdlib.h>

struct lexer {
	struct jrun *r;
	const char *s;
	size_t n, i;
	int line;
	struct jtoken *t;
	size_t n_t, cap;
	bool line_start;             /* the text at i begins a line */
};

static struct jtoken *emit(struct lexer *x, enum jtok type, const char *p, size_t n)
{
	if (x->n_t == x->cap) {
		size_t cap = x->cap ? x->cap * 2 : 64;
		struct jtoken *t = jalloc(x->r, cap, sizeof(*t));

		if (x->n_t)
			memcpy(t, x->t, x->n_t * sizeof(*t));
		x->t = t;
		x->cap = cap;
	}
	x->t[x->n_t] = (struct jtoken){.type = type, .line = x->line, .p = p, .n = n};
	return &x->t[x->n_t++];
}

static void advance(struct lexer *x, size_t to)
{
	for (; x->i < to; x->i++)
		x->line += x->s[x->i] == '\n';
}

static bool at(const struct lexer *x, size_t i, const char *what)
{
	size_t n = strlen(what);

	return x->n - i >= n && !memcmp(x->s + i, what, n);
}

/* Text up to the next opening; `open` is where that stands. */
static void lex_text(struct lexer *x, size_t open)
{
	size_t end = open;
	bool ends = open == x->n, block = !ends && x->s[open + 1] != '{';
	char mod = !ends && open + 2 < x->n ? x->s[open + 2] : 0;

	if (mod == '-') {
		while (end > x->i && isspace((unsigned char)x->s[end - 1]))
			end--;
	} else if (block && mod != '+' && x->r->dialect == JINJA_CHAT) {
		size_t p = open;

		while (p > x->i && x->s[p - 1] != '\n' && isspace((unsigned char)x->s[p - 1]))
			p--;
		if (p == x->i ? x->line_start : x->s[p - 1] == '\n')
			end = p;
	}
	if (end > x->i)
		emit(x, JT_TEXT, x->s + x->i, end - x->i);
	advance(x, open);
}

/* After a closing delimiter at i: strips as its modifier and trim_blocks say. */
static void after_close(struct lexer *x, bool strip, bool trim)
{
	size_t p = x->i;

	if (strip)
		while (p < x->n && isspace((unsigned char)x->s[p]))
			p++;
	else if (trim && x->r->dialect == JINJA_CHAT && p < x->n && x->s[p] == '\n')
		p++;
	x->line_start = p > x->i ? x->s[p - 1] == '\n' : false;
	advance(x, p);
}

static void lex_comment(struct lexer *x)
{
	size_t p = x->i + 2;

	while (p + 1 < x->n && !at(x, p, "#}"))
		p++;
	if (p + 1 >= x->n)
		jfail(x->r, ERR_DATA, "line %d: comment without end", x->line);
	advance(x, p + 2);
	after_close(x, p > 2 && x->s[p - 1] == '-', x->s[p - 1] != '+');
}

static void lex_string(struct lexer *x)
{
	char quote = x->s[x->i], *v = jalloc(x->r, x->n - x->i + 1, 1);
	size_t p = x->i + 1, k = 0;

	while (p < x->n && x->s[p] != quote) {
		char c = x->s[p++];

		if (c == '\\' && p < x->n) {
			static const char from[] = "ntrbfv0", to[] = "\n\t\r\b\f\v\0";
			const char *e = memchr(from, x->s[p], sizeof(from) - 1);

			if (strchr("uUxN", x->s[p]))
				jfail(x->r, ERR_UNSUPPORTED, "line %d: the escape \\%c is not supported", x->line, x->s[p]);
			if (e)
				c = to[e - from];
			else if (strchr("\\'\"", x->s[p]))
				c = x->s[p];
			else if (x->s[p] != '\n')
				v[k++] = '\\', c = x->s[p];
			p++;
		}
		v[k++] = c;
	}
	if (p == x->n)
		jfail(x->r, ERR_DATA, "line %d: string without end", x->line);
	emit(x, JT_STRING, v, k);
	advance(x, p + 1);
}

static void lex_number(struct lexer *x)
{
	char digits[64];
	size_t p = x->i, k = 0;
	bool real = false;
	struct jtoken *t;

	while (p < x->n && k + 1 < sizeof(digits)) {
		char c = x->s[p];

		if (c == '.' && !real && p + 1 < x->n && isdigit((unsigned char)x->s[p + 1]))
			real = true;
		else if ((c == 'e' || c == 'E') && p + 1 < x->n && (isdigit((unsigned char)x->s[p + 1]) || x->s[p + 1] == '-'))
			real = true, digits[k++] = 'e', c = x->s[++p];
		else if (!isdigit((unsigned char)c) && c != '_')
			break;
		if (c != '_' && k + 1 < sizeof(digits))
			digits[k++] = c;
		p++;
	}
	digits[k] = 0;
	t = emit(x, real ? JT_FLOAT : JT_INT, x->s + x->i, p - x->i);
	t->f = strtod(digits, NULL);
	if (!real && (k > 18))
		jfail(x->r, ERR_DATA, "line %d: the number %s is too large", x->line, digits);
	t->i = real ? 0 : strtoll(digits, NULL, 10);
	advance(x, p);
}

static void lex_operator(struct lexer *x)
{
	static const char *const ops[] = {"**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(",
					  ")", "[", "]", "{", "}", ",", ":", ".", "|"};

	for (size_t k = 0; k < sizeof(ops) / sizeof(*ops); k++)
		if (at(x, x->i, ops[k])) {
			emit(x, JT_OP, ops[k], strlen(ops[k]));
			x->i += strlen(ops[k]);
			return;
		}
	jfail(x->r, ERR_DATA, "line %d: unexpected character '%c'", x->line, isprint((unsigned char)x->s[x->i]) ? x->s[x->i] : '?');
}

/* Inside {{ }} or {% %}; i stands after the opening. close is "}}" or "%}". */
static void lex_code(struct lexer *x, const char *close)
{
	int nested = 0;              /* open ( [ { : "}}" may close dicts */

	for (;;) {
		char c;

		while (x->i < x->n && isspace((unsigned char)x->s[x->i]))
			advance(x, x->i + 1);
		if (x->i >= x->n)
			jfail(x->r, ERR_DATA, "line %d: '%s' is missing", x->line, close);
		c = x->s[x->i];
		if (!nested && ((c == '-' || c == '+') ? at(x, x->i + 1, close) : at(x, x->i, close))) {
			bool block = close[0] == '%';

			emit(x, block ? JT_BLOCK_END : JT_OUT_END, x->s + x->i, 2);
			advance(x, x->i + (c == '-' || c == '+') + 2);
			after_close(x, c == '-', block && c != '+');
			return;
		}
		if (isalpha((unsigned char)c) || c == '_') {
			size_t p = x->i;

			while (p < x->n && (isalnum((unsigned char)x->s[p]) || x->s[p] == '_'))
				p++;
			emit(x, JT_NAME, x->s + x->i, p - x->i);
			x->i = p;
		} else if (isdigit((unsigned char)c)) {
			lex_number(x);
		} else if (c == '"' || c == '\'') {
			lex_string(x);
		} else {
			nested += (c == '(' || c == '[' || c == '{') - (c == ')' || c == ']' || c == '}');
			lex_operator(x);
		}
	}
}

/* {% raw %}: everything up to {% endraw %} is text. Returns false if the block at i is another. */
static bool lex_raw(struct lexer *x)
{
	size_t p = x->i + 2, begin, q;
	bool strip, strip_before;

	p += p < x->n && (x->s[p] == '-' || x->s[p] == '+');
	while (p < x->n && isspace((unsigned char)x->s[p]))
		p++;
	if (!at(x, p, "raw"))
		return false;
	for (p += 3; p < x->n && isspace((unsigned char)x->s[p]); p++)
		;
	strip = p < x->n && x->s[p] == '-';
	p += strip;
	if (!at(x, p, "%}"))
		return false;
	advance(x, p + 2);
	after_close(x, strip, true);
	begin = x->i;
	for (q = begin; q < x->n; q++) {
		size_t e = q + 2;

		if (!at(x, q, "{%"))
			continue;
		strip_before = e < x->n && x->s[e] == '-';
		for (e += strip_before; e < x->n && isspace((unsigned char)x->s[e]); e++)
			;
		if (!at(x, e, "endraw"))
			continue;
		for (e += 6; e < x->n && isspace((unsigned char)x->s[e]); e++)
			;
		strip = e < x->n && x->s[e] == '-';
		if (!at(x, e + strip, "%}"))
			continue;
		for (p = q; strip_before && p > begin && isspace((unsigned char)x->s[p - 1]); p--)
			;
		emit(x, JT_TEXT, x->s + begin, p - begin);
		advance(x, e + strip + 2);
		after_close(x, strip, true);
		return true;
	}
	jfail(x->r, ERR_DATA, "line %d: raw without endraw", x->line);
}

struct jtoken *jinja_lex(struct jrun *r, const char *text, size_t n)
{
	char *s = jalloc(r, n + 1, 1);
	struct lexer x = {.r = r, .s = s, .line = 1, .line_start = true};

	for (size_t i = 0; i < n; i++) { /* all line ends become \n, and of chat templates the last one goes */
		s[x.n++] = text[i] == '\r' ? '\n' : text[i];
		if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
			i++;
	}
	x.n -= r->dialect == JINJA_CHAT && x.n && s[x.n - 1] == '\n';
	while (x.i < x.n) {
		size_t open = x.i;

		while (open < x.n && !(s[open] == '{' && open + 1 < x.n && strchr("{%#", s[open + 1]) && s[open + 1]))
			open++;
		lex_text(&x, open);
		if (open >= x.n)
			break;
		if (s[open + 1] == '#') {
			lex_comment(&x);
			continue;
		}
		if (s[open + 1] == '%' && lex_raw(&x))
			continue;
		emit(&x, s[open + 1] == '{' ? JT_OUT : JT_BLOCK, s + open, 2);
		x.i += 2;
		x.i += x.i < x.n && (s[x.i] == '-' || s[x.i] == '+') && !(s[open + 1] == '{' && s[x.i] == '+');
		lex_code(&x, s[open + 1] == '{' ? "}}" : "%}");
	}
	emit(&x, JT_EOF, "", 0);
	return x.t;
}

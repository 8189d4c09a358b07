/* literal.c - see literal.h. */
#include "judge/literal.h"

#include "token/unicode.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32

struct parsing {
	const char *s;
	size_t n, at;
	struct arena *arena;
	struct error *err;
	int depth;
};

static enum status fail(const struct parsing *p, const char *what)
{
	return error_set(p->err, ERR_DATA, "no Python literal: %s at byte %zu of '%.*s'", what, p->at,
			 (int)(p->n < 60 ? p->n : 60), p->s);
}

static void skip_blanks(struct parsing *p)
{
	while (p->at < p->n && isspace((unsigned char)p->s[p->at]))
		p->at++;
}

static bool word(struct parsing *p, const char *w)
{
	size_t n = strlen(w);

	if (p->n - p->at < n || memcmp(p->s + p->at, w, n))
		return false;
	p->at += n;
	return true;
}

/* The code point of digits in a base, as many as there are up to max. */
static uint32_t digits(struct parsing *p, int base, int max)
{
	uint32_t v = 0;

	for (int i = 0; i < max && p->at < p->n; i++, p->at++) {
		char c = p->s[p->at];
		int d = isdigit((unsigned char)c) ? c - '0' : isalpha((unsigned char)c) ? (c | 32) - 'a' + 10 : 99;

		if (d >= base)
			break;
		v = v * (uint32_t)base + (uint32_t)d;
	}
	return v;
}

/* After a backslash: appends what it stands for. */
static size_t escape(struct parsing *p, char *to)
{
	static const char from[] = "ntrbfva\\'\"", what[] = "\n\t\r\b\f\v\a\\'\"";
	char c = p->s[p->at++];
	const char *e = memchr(from, c, sizeof(from) - 1);

	if (e) {
		*to = what[e - from];
		return 1;
	}
	if (c == '\n')
		return 0;
	if (c == 'x')
		return (size_t)utf8_encode(digits(p, 16, 2), to);
	if (c == 'u')
		return (size_t)utf8_encode(digits(p, 16, 4), to);
	if (c == 'U')
		return (size_t)utf8_encode(digits(p, 16, 8), to);
	if (c >= '0' && c <= '7') {
		p->at--;
		return (size_t)utf8_encode(digits(p, 8, 3), to);
	}
	to[0] = '\\';
	to[1] = c;
	return 2;
}

static enum status string(struct parsing *p, struct json *out)
{
	char quote = p->s[p->at], *text = arena_alloc(p->arena, p->n - p->at + 4);
	bool triple = p->n - p->at >= 6 && p->s[p->at + 1] == quote && p->s[p->at + 2] == quote;
	size_t k = 0;

	for (p->at += triple ? 3 : 1; p->at < p->n;) {
		char c = p->s[p->at];

		if (c == quote && (!triple || (p->n - p->at >= 3 && p->s[p->at + 1] == quote && p->s[p->at + 2] == quote))) {
			p->at += triple ? 3 : 1;
			text[k] = 0;
			*out = (struct json){ .type = JSON_STRING, .str = text, .len = k };
			return OK;
		}
		if (c == '\n' && !triple)
			break;
		p->at++;
		if (c == '\\' && p->at < p->n)
			k += escape(p, text + k);
		else
			text[k++] = c;
	}
	return fail(p, "a string without end");
}

static enum status number(struct parsing *p, struct json *out)
{
	char copy[64], *end;
	size_t k = 0, at = p->at;
	bool real = false;

	for (; at < p->n && k + 1 < sizeof(copy) && (isalnum((unsigned char)p->s[at]) || strchr("+-._", p->s[at])); at++) {
		real |= strchr(".eE", p->s[at]) != NULL;
		if (p->s[at] != '_')
			copy[k++] = p->s[at];
	}
	copy[k] = 0;
	if (real) {
		*out = (struct json){ .type = JSON_DOUBLE, .number = strtod(copy, &end) };
	} else {
		long long v = strtoll(copy, &end, 10);

		*out = (struct json){ .type = JSON_INT, .integer = v, .number = (double)v };
	}
	if (!k || *end || (!real && k > 18) || (!real && copy[0] == '0' && copy[1]))
		return fail(p, "no number");
	p->at = at;
	return OK;
}

static enum status value(struct parsing *p, struct json *out);

static enum status list(struct parsing *p, struct json *out)
{
	bool tuple = p->s[p->at++] == '(';
	size_t n = 0, cap = 0;
	struct json *items = NULL;
	bool comma = false;

	for (;;) {
		skip_blanks(p);
		if (p->at < p->n && p->s[p->at] == (tuple ? ')' : ']'))
			break;
		if (n && !comma)
			return fail(p, "a comma is missing");
		if (n == cap) {
			struct json *more = arena_alloc(p->arena, (cap = cap ? 2 * cap : 8) * sizeof(*more));

			if (n)
				memcpy(more, items, n * sizeof(*more));
			items = more;
		}
		TRY(value(p, &items[n++]));
		skip_blanks(p);
		comma = p->at < p->n && p->s[p->at] == ',';
		p->at += comma;
	}
	p->at++;
	if (tuple && n == 1 && !comma)
		*out = items[0];     /* only brackets */
	else
		*out = (struct json){ .type = JSON_ARRAY, .items = items, .len = n };
	return OK;
}

static enum status value(struct parsing *p, struct json *out)
{
	enum status st;

	skip_blanks(p);
	if (p->at == p->n)
		return fail(p, "the end");
	if (word(p, "None")) {
		*out = (struct json){ .type = JSON_NULL };
	} else if (word(p, "True")) {
		*out = (struct json){ .type = JSON_BOOL, .boolean = true };
	} else if (word(p, "False")) {
		*out = (struct json){ .type = JSON_BOOL };
	} else if (p->s[p->at] == '\'' || p->s[p->at] == '"') {
		return string(p, out);
	} else if (p->s[p->at] == '[' || p->s[p->at] == '(') {
		if (++p->depth > DEPTH_MAX)
			return fail(p, "nested too deeply");
		st = list(p, out);
		p->depth--;
		return st;
	} else {
		return number(p, out);
	}
	return OK;
}

enum status literal_parse(const char *s, size_t n, struct arena *arena, struct json *out, struct error *err)
{
	struct parsing p = { .s = s, .n = n, .arena = arena, .err = err };

	TRY(value(&p, out));
	skip_blanks(&p);
	return p.at == n ? OK : fail(&p, "more than one value");
}

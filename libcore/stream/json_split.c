/* json_split.c - where one object ends and the next begins; parsing is json.h's. */
#include "stream/json_text.h"

#include <string.h>

#define READ_BYTES ((size_t)256 * 1024)

/* More bytes behind those there. What was handed out is dropped first, unless a rewind will come. */
static enum status fill(struct json_split *s, struct error *err)
{
	size_t got;

	if (s->at > 0 && !s->keep) {
		memmove(s->data.data, s->data.data + s->at, s->data.len - s->at);
		s->data.len -= s->at;
		s->at = 0;
	}
	if (s->data.len - s->at > JSON_OBJECT_MAX)
		return error_set(err, ERR_DATA, "line %lld: longer than 1 GiB", (long long)s->line);
	buf_reserve(&s->data, READ_BYTES + JSON_PADDING);
	enum status st = input_read(s->in, s->data.data + s->data.len, READ_BYTES, &got, err);
	s->input_failed = st != OK;
	TRY(st);
	s->data.len += got;
	s->eof = got == 0;
	return OK;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next byte that is no space, without consuming it; 0 at the end (a NUL in the text is no JSON). */
static enum status peek_char(struct json_split *s, char *c, struct error *err)
{
	for (;;) {
		while (s->at < s->data.len && is_space(s->data.data[s->at]))
			s->line += s->data.data[s->at++] == '\n';
		if (s->at < s->data.len) {
			*c = s->data.data[s->at];
			return OK;
		}
		*c = 0;
		if (s->eof)
			return OK;
		TRY(fill(s, err));
	}
}

/* Objects go one by one if the first is printed over several lines (its line ends behind an opening bracket or a comma), or shares its
 * line with the next. One that is merely broken leaves the others their lines. */
static enum status see_manner(struct json_split *s, struct error *err)
{
	size_t i = s->at, depth = 0;
	bool string = false;
	char last = 0;

	for (;; i++) {
		while (i >= s->data.len) {           /* behind it: an escaped byte has not come yet */
			if (s->eof)
				return OK;
			i -= s->at;                  /* filling moves what has not been handed out to the front */
			TRY(fill(s, err));
			i += s->at;
		}
		char c = s->data.data[i];
		if (c == '\n')
			break;
		if (depth == 0 && last && !is_space(c)) {
			s->manner = c == '{' ? JSON_ONE_BY_ONE : JSON_BY_LINES;
			return OK;
		}
		if (string && c == '\\') {
			i++;
		} else if (c == '"') {
			string = !string;
		} else if (!string) {
			depth += c == '{' || c == '[';
			depth -= (c == '}' || c == ']') && depth > 0;
		}
		last = is_space(c) ? last : c;
	}
	if (!string && depth > 0 && (last == '{' || last == '[' || last == ','))
		s->manner = JSON_ONE_BY_ONE;
	return OK;
}

enum status json_split_open(struct json_split *s, struct input *in, struct error *err)
{
	char c;

	memset(s, 0, sizeof(*s));
	s->in = in;
	s->line = 1;
	TRY(fill(s, err));
	while (s->data.len < 3 && !s->eof)
		TRY(fill(s, err));
	if (s->data.len >= 3 && memcmp(s->data.data, "\xef\xbb\xbf", 3) == 0)
		s->at = 3;
	TRY(peek_char(s, &c, err));
	if (c == '[')
		s->manner = JSON_IN_ARRAY;
	else if (c == '{')
		TRY(see_manner(s, err));
	s->at += s->manner == JSON_IN_ARRAY;
	return OK;
}

static enum status next_line(struct json_split *s, const char **p, size_t *n, struct error *err)
{
	for (;;) {
		const char *from = s->data.data + s->at;
		size_t have = s->data.len - s->at;
		const char *end = have > s->scanned ? memchr(from + s->scanned, '\n', have - s->scanned) : NULL;
		if (end || s->eof) {
			*p = from;
			*n = end ? (size_t)(end - from) : have;
			s->at += *n + (end != NULL);
			s->scanned = 0;
			return OK;
		}
		s->scanned = have;
		TRY(fill(s, err));
	}
}

/* Whether the scan of the value at at may end before c, outside of strings and brackets. */
static bool ends_scalar(char c)
{
	return c == ',' || c == ']' || c == '}' || is_space(c);
}

/* The value that begins at at: up to the bracket that closes it, or to where a scalar ends. */
static enum status next_element(struct json_split *s, const char **p, size_t *n, struct error *err)
{
	size_t i = 0, depth = 0;
	bool string = false, scalar = s->data.data[s->at] != '{' && s->data.data[s->at] != '[';
	int64_t lines = 0;

	for (;;) {
		for (; s->at + i < s->data.len; i++) {
			char c = s->data.data[s->at + i];
			if (scalar && !string && i > 0 && ends_scalar(c)) {
				*p = s->data.data + s->at;
				*n = i;
				s->at += i;
				return OK;
			}
			if (string && c == '\\') {
				if (s->at + i + 1 == s->data.len)
					break;       /* the escaped byte has not come yet */
				i++;
			} else if (c == '"') {
				string = !string;
			} else if (!string) {
				lines += c == '\n';
				depth += c == '{' || c == '[';
				if ((c == '}' || c == ']') && depth > 0 && --depth == 0) {
					*p = s->data.data + s->at;
					*n = i + 1;
					s->at += i + 1;
					s->line += lines;
					return OK;
				}
			}
		}
		if (s->eof)
			return error_set(err, ERR_DATA, "line %lld: truncated: what begins here does not end", (long long)s->line);
		TRY(fill(s, err));
	}
}

static enum status next_of_array(struct json_split *s, const char **p, size_t *n, int64_t *line, struct error *err)
{
	char c;

	TRY(peek_char(s, &c, err));
	if (s->between && c == ',') {
		s->at++;
		TRY(peek_char(s, &c, err));
		if (c == ']')
			c = ',';                     /* a comma before the end */
	} else if (c == ']') {
		s->at++;
		TRY(peek_char(s, &c, err));
		if (c || s->at < s->data.len)
			return error_set(err, ERR_DATA, "line %lld: text after the array", (long long)s->line);
		s->ended = true;
		return END;
	} else if (s->between && s->at < s->data.len) {
		c = ',';                             /* two elements without a comma */
	}
	if (s->at == s->data.len)
		return error_set(err, ERR_DATA, "line %lld: truncated: the array does not end", (long long)s->line);
	if (ends_scalar(c))
		return error_set(err, ERR_DATA, "line %lld: expected an object in the array", (long long)s->line);
	*line = s->line;
	s->between = true;
	return next_element(s, p, n, err);
}

static enum status next_one(struct json_split *s, const char **p, size_t *n, int64_t *line, struct error *err)
{
	char c;

	TRY(peek_char(s, &c, err));
	if (s->at == s->data.len)
		return END;
	if (c != '{')
		return error_set(err, ERR_DATA, "line %lld: expected an object", (long long)s->line);
	*line = s->line;
	return next_element(s, p, n, err);
}

enum status json_split_next(struct json_split *s, const char **p, size_t *n, int64_t *line, struct error *err)
{
	if (s->ended)
		return END;
	if (s->manner == JSON_IN_ARRAY)
		return next_of_array(s, p, n, line, err);
	if (s->manner == JSON_ONE_BY_ONE)
		return next_one(s, p, n, line, err);
	while (s->at < s->data.len || !s->eof) {
		*line = s->line;
		TRY(next_line(s, p, n, err));
		s->line++;
		for (size_t i = 0; i < *n; i++)
			if (!is_space((*p)[i]))
				return OK;
	}
	return END;
}

void json_split_take(struct json_split *s, struct buf *out)
{
	struct buf rest = {0};

	buf_reserve(&rest, s->data.len - s->at + JSON_PADDING);
	buf_add(&rest, s->data.data + s->at, s->data.len - s->at);
	*out = s->data;
	s->data = rest;
	s->at = 0;
}

void json_split_shrink(struct json_split *s)
{
	struct buf all;

	json_split_take(s, &all);
	buf_release(&all);
}

void json_split_release(struct json_split *s)
{
	buf_release(&s->data);
}

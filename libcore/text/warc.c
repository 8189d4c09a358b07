/* warc.c - see warc.h. */
#include "text/warc.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define LINE_MAX_BYTES 65536
#define HEADER_LINES_MAX 1000

/* One line without its end; a line of more than LINE_MAX_BYTES comes in pieces. END at the end. */
static enum status next_line(struct input *in, struct buf *line, struct error *err)
{
	const uint8_t *p;
	size_t n, got;
	buf_clear(line);
	TRY(input_peek(in, 4096, &p, &n, err));
	const uint8_t *end = n ? memchr(p, '\n', n) : NULL;
	if (!end) {
		TRY(input_peek(in, LINE_MAX_BYTES, &p, &n, err));
		end = n ? memchr(p, '\n', n) : NULL;
	}
	if (n == 0)
		return END;
	size_t take = end ? (size_t)(end - p) + 1 : n;
	buf_reserve(line, take + 1);
	TRY(input_read(in, line->data, take, &got, err));
	while (got && (line->data[got - 1] == '\n' || line->data[got - 1] == '\r'))
		got--;
	line->len = got;
	line->data[got] = 0;
	return OK;
}

/* The value if line is "name: value". */
static const char *header(const struct buf *line, const char *name)
{
	size_t n = strlen(name);
	if (line->len <= n || strncasecmp(line->data, name, n) != 0 || line->data[n] != ':')
		return NULL;
	const char *v = line->data + n + 1;
	return v + strspn(v, " \t");
}

static void set(struct buf *b, const char *value)
{
	size_t n = strlen(value);
	bool angled = n >= 2 && value[0] == '<' && value[n - 1] == '>';
	buf_clear(b);
	buf_add(b, value + angled, n - 2 * angled);
}

/* Reads on to the version line of a record; whatever stands before it but blank lines is *junk. */
static enum status find_record(struct input *in, struct buf *line, bool *junk, struct error *err)
{
	*junk = false;
	for (;;) {
		const uint8_t *p;
		size_t n;
		TRY(input_peek(in, 5, &p, &n, err));
		if (n == 5 && memcmp(p, "WARC/", 5) == 0) {
			if (*junk)
				return OK;
			return next_line(in, line, err);
		}
		enum status st = next_line(in, line, err);
		if (st == END && *junk)
			return OK;
		TRY(st);
		*junk |= line->len > 0;
	}
}

static void clear(struct warc_record *r)
{
	struct buf *all[] = { &r->type, &r->uri, &r->date, &r->content_type, &r->body };
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		buf_clear(all[i]);
		buf_str(all[i], "");
	}
	r->bad = NULL;
}

static enum status read_head(struct input *in, struct warc_record *r, struct buf *line, long long *length, struct error *err)
{
	const char *v;
	*length = -1;
	for (int i = 0; i < HEADER_LINES_MAX; i++) {
		TRY(next_line(in, line, err));
		if (line->len == 0)
			return OK;
		if ((v = header(line, "Content-Length"))) {
			char *end;
			*length = strtoll(v, &end, 10);
			if (end == v || *end || *length < 0)
				*length = -1;
		} else if ((v = header(line, "WARC-Type"))) {
			set(&r->type, v);
		} else if ((v = header(line, "WARC-Target-URI"))) {
			set(&r->uri, v);
		} else if ((v = header(line, "WARC-Date"))) {
			set(&r->date, v);
		} else if ((v = header(line, "Content-Type"))) {
			set(&r->content_type, v);
		}
	}
	*length = -1;
	return OK;
}

static enum status read_body(struct input *in, size_t max, long long length, struct warc_record *r, struct error *err)
{
	if ((unsigned long long)length > max) {
		r->bad = "too_large";
		return input_skip(in, (uint64_t)length, err);
	}
	/* In pieces, so that memory follows what is there and not what is promised. */
	for (size_t left = (size_t)length; left > 0;) {
		size_t got, want = left < (1 << 20) ? left : (1 << 20);
		buf_reserve(&r->body, want + 1);
		TRY(input_read(in, r->body.data + r->body.len, want, &got, err));
		if (got == 0)
			return error_set(err, ERR_DATA, "%s: truncated: a WARC record of %lld bytes lacks %zu", input_name(in), length, left);
		r->body.len += got;
		r->body.data[r->body.len] = 0;
		left -= got;
	}
	return OK;
}

enum status warc_next(struct input *in, size_t max, struct warc_record *r, struct error *err)
{
	struct buf line = {0};
	long long length = -1;
	bool junk = false;
	clear(r);
	enum status st = find_record(in, &line, &junk, err);
	if (st == OK && junk) {
		r->bad = "bad_warc";
	} else if (st == OK) {
		st = read_head(in, r, &line, &length, err);
		if (st == END)
			st = error_set(err, ERR_DATA, "%s: truncated within the head of a WARC record", input_name(in));
		if (st == OK && length < 0)
			r->bad = "bad_warc";
		else if (st == OK)
			st = read_body(in, max, length, r, err);
	}
	buf_release(&line);
	return st;
}

void warc_record_release(struct warc_record *r)
{
	buf_release(&r->type);
	buf_release(&r->uri);
	buf_release(&r->date);
	buf_release(&r->content_type);
	buf_release(&r->body);
}

/* --- HTTP ------------------------------------------------------------------------------------ */

void http_content_type(const char *s, size_t n, char type[64], char charset[32])
{
	size_t k = 0, i = 0;
	for (; i < n && s[i] != ';' && s[i] != ' ' && k < 63; i++)
		type[k++] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
	type[k] = charset[0] = 0;
	for (; i + 8 < n; i++)
		if (strncasecmp(s + i, "charset=", 8) == 0)
			break;
	for (k = 0, i += 8; i < n && k < 31 && s[i] != ';' && s[i] != ' '; i++)
		if (s[i] != '"' && s[i] != '\'')
			charset[k++] = s[i];
	charset[k] = 0;
}

/* Joins chunks. Crawlers often store bodies joined already with the header left: then the first line is no size, and the body is as is. */
static bool join_chunks(const char *p, size_t n, struct buf *out)
{
	size_t i = 0;
	while (i < n) {
		char *end;
		const char *line_end = memchr(p + i, '\n', n - i);
		char digits[20] = {0};
		size_t len = line_end ? (size_t)(line_end - (p + i)) : n - i;
		memcpy(digits, p + i, len < 19 ? len : 19);
		unsigned long long size = strtoull(digits, &end, 16);
		if (end == digits || digits[0] == '-' || !line_end)
			return false;
		i += len + 1;
		if (size == 0)
			return true;
		if (size > n - i)
			size = n - i;        /* cut short by the crawler */
		buf_add(out, p + i, (size_t)size);
		i += (size_t)size;
		while (i < n && (p[i] == '\r' || p[i] == '\n'))
			i++;
	}
	return true;
}

static bool gunzip(struct buf *body, size_t max)
{
	struct input *in;
	struct buf out = {0};
	size_t got = 1;
	if (body->len < 2 || memcmp(body->data, "\x1f\x8b", 2) != 0)
		return true;                 /* undone by the crawler */
	if (input_open_memory(&in, "body", body->data, body->len, NULL) != OK)
		return false;
	enum status st = OK;
	while (st == OK && got && out.len <= max) {
		buf_reserve(&out, 65536 + 1);
		st = input_read(in, out.data + out.len, 65536, &got, NULL);
		out.len += st == OK ? got : 0;
	}
	input_close(in);
	buf_release(body);
	buf_str(&out, "");
	*body = out;
	/* A broken head is passed through as it is. */
	bool undone = out.len < 2 || memcmp(out.data, "\x1f\x8b", 2) != 0;
	return st == OK && undone && out.len <= max;
}

bool http_parse(const char *p, size_t n, size_t max, struct http_response *h)
{
	bool chunked = false, gzip = false;
	struct buf line = {0};
	size_t i = 0;
	h->status = 0;
	h->content_type[0] = h->charset[0] = 0;
	buf_clear(&h->body);
	if (n < 12 || memcmp(p, "HTTP/", 5) != 0)
		return false;
	for (int first = 1;; first = 0) {
		const char *end = i < n ? memchr(p + i, '\n', n - i) : NULL;
		size_t len = end ? (size_t)(end - p) - i : n - i;
		const char *v;
		buf_clear(&line);
		buf_add(&line, p + i, len && p[i + len - 1] == '\r' ? len - 1 : len);
		i += len + (end != NULL);
		if (first && (v = strchr(line.data, ' ')))
			h->status = atoi(v + 1) & 1023;
		if (line.len == 0 || !end)
			break;
		if ((v = header(&line, "Content-Type")))
			http_content_type(v, strlen(v), h->content_type, h->charset);
		else if ((v = header(&line, "Transfer-Encoding")))
			chunked = strcasestr(v, "chunked") != NULL;
		else if ((v = header(&line, "Content-Encoding")))
			gzip = strcasecmp(v, "identity") != 0;
	}
	buf_release(&line);
	if (!chunked || !join_chunks(p + i, n - i, &h->body)) {
		buf_clear(&h->body);
		buf_add(&h->body, p + i, n - i);
	}
	return !gzip || gunzip(&h->body, max);
}

/* csv.c - see csv.h. */
#include "stream/csv.h"

#include <ctype.h>

#define READ_BYTES ((size_t)256 * 1024)
#define SNIFF_RECORDS 20
#define SNIFF_BYTES 65536            /* what a caller can peek at: fewer are a whole file */

void pieces_open(struct pieces *p, struct input *in, enum piece_mode mode, char delimiter, size_t max)
{
	*p = (struct pieces){ .in = in, .mode = mode, .delimiter = delimiter, .line = 1, .max = max, .start = true };
}

void pieces_release(struct pieces *p)
{
	buf_release(&p->data);
}

static enum status fill(struct pieces *p, struct error *err)
{
	size_t got;
	if (p->at > 0) {
		memmove(p->data.data, p->data.data + p->at, p->data.len - p->at);
		p->data.len -= p->at;
		p->at = 0;
	}
	if (p->data.len > p->max)
		return error_set(err, ERR_DATA, "%s: line %lld: longer than %zu bytes%s", input_name(p->in), (long long)p->line, p->max,
				 p->mode == PIECE_CSV ? " (a quote that never closes?)" : "");
	buf_reserve(&p->data, READ_BYTES + 1);
	TRY(input_read(p->in, p->data.data + p->data.len, READ_BYTES, &got, err));
	p->data.len += got;
	p->data.data[p->data.len] = 0;
	p->eof = got == 0;
	return OK;
}

/* One byte of a CSV record; true at the line feed that ends it. */
static bool csv_step(char c, char delimiter, bool *quoted, bool *start)
{
	if (*quoted) {
		*quoted = c != '"';          /* "" closes and opens again */
		*start = !*quoted;
		return false;
	}
	if (c == '"' && *start)
		*quoted = true;
	*start = c == delimiter || c == '\n';
	return c == '\n';
}

/* End of the piece that begins at at, looking on from scanned; false if it has not come yet. */
static bool find_end(struct pieces *p, size_t *end, size_t *skip)
{
	if (p->at == p->data.len)
		return false;
	const char *s = p->data.data + p->at;
	size_t n = p->data.len - p->at;
	if (p->mode == PIECE_CSV) {
		for (; p->scanned < n; p->scanned++)
			if (csv_step(s[p->scanned], p->delimiter, &p->quoted, &p->start)) {
				*end = p->scanned;
				*skip = 1;
				return true;
			}
		return false;
	}
	if (p->mode == PIECE_STRING) {
		size_t k = strlen(p->separator);
		const char *at = n >= k ? memmem(s + p->scanned, n - p->scanned, p->separator, k) : NULL;
		*end = at ? (size_t)(at - s) : 0;
		*skip = k;
		p->scanned = n >= k ? n - k + 1 : 0; /* the last bytes may begin one */
		return at != NULL;
	}
	while (p->scanned < n) {
		const char *lf = memchr(s + p->scanned, '\n', n - p->scanned);
		if (!lf)
			break;
		size_t i = (size_t)(lf - s), k = i + 1;
		while (p->mode == PIECE_PARAGRAPHS && k < n && (s[k] == ' ' || s[k] == '\t' || s[k] == '\r'))
			k++;
		*end = i;
		*skip = k + 1 - i;
		if (p->mode == PIECE_LINES) {
			*skip = 1;
			return true;
		}
		if (k == n && !p->eof) {
			p->scanned = i;
			return false;
		}
		if (k < n && s[k] == '\n')
			return true;
		p->scanned = i + 1;
	}
	return false;
}

static bool blank(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r' && s[i] != '\n')
			return false;
	return true;
}

/* A piece that is not blank: lines of white space before its first other line go. */
static void skip_blank_lines(const char **s, size_t *n, int64_t *line)
{
	const char *lf;
	while ((lf = memchr(*s, '\n', *n)) != NULL && blank(*s, (size_t)(lf - *s))) {
		*n -= (size_t)(lf - *s) + 1;
		*s = lf + 1;
		++*line;
	}
}

static int64_t count_lines(const char *s, size_t n)
{
	int64_t lines = 0;
	for (const char *p = s; (p = memchr(p, '\n', n - (size_t)(p - s))) != NULL; p++)
		lines++;
	return lines;
}

enum status pieces_next(struct pieces *p, const char **s, size_t *n, int64_t *line, struct error *err)
{
	for (;;) {
		size_t end, skip = 0;
		while (!find_end(p, &end, &skip)) {
			if (p->eof) {
				end = p->data.len - p->at;
				skip = 0;
				break;
			}
			TRY(fill(p, err));
		}
		if (p->at == p->data.len)
			return END;
		*s = p->data.data + p->at;
		*n = end;
		*line = p->line;
		p->line += count_lines(*s, end + skip);
		p->at += end + skip;
		p->scanned = 0;
		p->start = true;
		p->quoted = false;
		if (blank(*s, *n))
			continue;
		bool several = p->mode == PIECE_PARAGRAPHS || p->mode == PIECE_STRING; /* lines in a piece */
		while (*n && ((*s)[*n - 1] == '\r' || (several && (*s)[*n - 1] == '\n')))
			(*n)--;
		if (several)
			skip_blank_lines(s, n, line);
		return OK;
	}
}

/* One field from s[*i] on; *i ends on the delimiter or at n. */
static bool csv_field(const char *s, size_t n, size_t *i, char delimiter, struct buf *out)
{
	if (*i < n && s[*i] == '"') {
		for (++*i;; ++*i) {
			if (*i >= n)
				return false;
			if (s[*i] != '"') {
				buf_char(out, s[*i]);
			} else if (*i + 1 < n && s[*i + 1] == '"') {
				buf_char(out, '"');
				++*i;
			} else {
				break;
			}
		}
		++*i;
		return *i >= n || s[*i] == delimiter;
	}
	const char *end = *i < n ? memchr(s + *i, delimiter, n - *i) : NULL;
	size_t to = end ? (size_t)(end - s) : n;
	buf_add(out, s + *i, to - *i);
	*i = to;
	return true;
}

int csv_fields(const char *s, size_t n, char delimiter, struct arena *a, struct json **fields)
{
	struct json *v = NULL;
	struct buf b = {0};
	int k = 0, cap = 0;
	bool good = true;
	for (size_t i = 0; good && i <= n && k < (1 << 20); i++) {
		buf_clear(&b);
		good = csv_field(s, n, &i, delimiter, &b);
		if (k == cap) {
			cap = cap ? 2 * cap : 16;
			struct json *more = arena_alloc(a, (size_t)cap * sizeof(*more));
			if (k)
				memcpy(more, v, (size_t)k * sizeof(*v));
			v = more;
		}
		v[k++] = (struct json){ .type = JSON_STRING, .str = arena_strndup(a, b.data ? b.data : "", b.len), .len = b.len };
	}
	buf_release(&b);
	*fields = v;
	return good ? k : -1;
}

/* A header's names: short, different, no numbers, no sentences; the first may be missing, as where an index was written. */
static bool header_like(const struct json *f, int n)
{
	for (int i = 0; i < n; i++) {
		if (i == 0 && f[i].len == 0)
			continue;
		if (f[i].len == 0 || f[i].len > 64 || f[i].str[0] == ' ' || strpbrk(f[i].str, ".!?;(){}<>") != NULL ||
		    strspn(f[i].str, "0123456789+-") == f[i].len)
			return false;
		for (int k = 0; k < i; k++)
			if (strcmp(f[i].str, f[k].str) == 0)
				return false;
	}
	return true;
}

/* Plain words, one of them the name of a field that datasets have. */
static bool has_known(const struct json *f, int n, bool (*known)(const char *name))
{
	bool found = false;
	for (int i = 0; i < n; i++) {
		for (size_t k = 0; k < f[i].len; k++)
			if (!isalnum((unsigned char)f[i].str[k]) && !strchr("_-.", f[i].str[k]))
				return false;
		found |= known(f[i].str);
	}
	return found;
}

/* A header and at least one more record, all with as many fields, two or more. */
static bool table_like(const char *s, size_t n, char delimiter, bool (*known)(const char *name))
{
	struct arena a = {0};
	size_t from = 0, records = 0;
	int columns = 0;
	bool good = true, sure = false, quoted = false, start = true;
	size_t stop = n < SNIFF_BYTES && s[n - 1] != '\n' ? n + 1 : n; /* the whole file: its last line may lack an end */
	for (size_t i = 0; i < stop && good && records < SNIFF_RECORDS; i++) {
		if (!csv_step(i < n ? s[i] : '\n', delimiter, &quoted, &start))
			continue;
		struct json *f;
		size_t end = i > from && s[i - 1] == '\r' ? i - 1 : i;
		int k = csv_fields(s + from, end - from, delimiter, &a, &f);
		if (records == 0)
			sure = k >= 2 && has_known(f, k, known);
		good = end > from && (records == 0 ? k >= 2 && (sure || header_like(f, k)) : sure || k == columns);
		columns = records ? columns : k;
		records++;
		from = i + 1;
	}
	arena_release(&a);
	return (good || sure) && records >= 2;
}

bool csv_looks_like(const char *s, size_t n, bool (*known)(const char *name), char *delimiter)
{
	size_t bom = n >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	if (n == bom)
		return false;
	for (const char *d = "\t,;"; *d; d++)
		if (table_like(s + bom, n - bom, *d, known)) {
			*delimiter = *d;
			return true;
		}
	return false;
}

void csv_add(const char *s, size_t n, struct buf *out)
{
	bool quote = false;
	for (size_t i = 0; i < n && !quote; i++)
		quote = s[i] == ',' || s[i] == '"' || s[i] == '\n' || s[i] == '\r';
	if (!quote) {
		buf_add(out, s, n);
		return;
	}
	buf_char(out, '"');
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"')
			buf_char(out, '"');
		buf_char(out, s[i]);
	}
	buf_char(out, '"');
}

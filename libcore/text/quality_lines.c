/* quality_lines.c - C4's rules (Raffel et al. 2020, section 2.2), FineWeb's line rules, and our own of whole texts. */
#include "text/quality_rules.h"

#include "base/hash.h"
#include "text/punctuation.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

static bool holds(const char *s, size_t n, const char *what)
{
	size_t len = strlen(what);
	for (size_t i = 0; i + len <= n; i++)
		if (tolower((unsigned char)s[i]) == what[0] && strncasecmp(s + i, what, len) == 0)
			return true;
	return false;
}

/* --- C4, the paper's numbers ----------------------------------------------------------------- */

bool c4_lorem(struct quality_doc *d, double thr)
{
	(void)thr;
	return holds(d->s, d->n, "lorem ipsum");
}

bool c4_curly(struct quality_doc *d, double thr)
{
	(void)thr;
	return memchr(d->s, '{', d->n) != NULL;
}

/* Length of a citation marker ("[1]", "[]", "[edit]", "[citation needed]") at s, or 0. */
static size_t citation(const char *s, size_t n)
{
	static const char *const words[] = {"[edit]", "[citation needed]"};
	for (int k = 0; k < 2; k++)
		if (n >= strlen(words[k]) && memcmp(s, words[k], strlen(words[k])) == 0)
			return strlen(words[k]);
	size_t i = 1;
	while (i < n && isdigit((unsigned char)s[i]))
		i++;
	return i < n && s[i] == ']' ? i + 1 : 0;
}

static void append_without_citations(const char *s, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n;) {
		size_t skip = s[i] == '[' ? citation(s + i, n - i) : 0;
		if (!skip)
			buf_char(out, s[i]);
		i += skip ? skip : 1;
	}
}

/* "A terminal punctuation mark (i.e. a period, exclamation mark, question mark, or end quotation mark)." */
static bool ends_sentence(const char *s, size_t n)
{
	return n > 0 && (strchr(".!?\"", s[n - 1]) || (n >= 3 && memcmp(s + n - 3, "\xe2\x80\x9d", 3) == 0));
}

static bool is_notice(const char *s, size_t n)
{
	static const char *const notices[] = {"javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies",
					      "use of cookies", "use cookies"};
	for (size_t k = 0; k < sizeof(notices) / sizeof(notices[0]); k++)
		if (holds(s, n, notices[k]))
			return true;
	return false;
}

/* Rewrites the text to the lines that stay; fails if none does. */
bool c4_lines(struct quality_doc *d, double thr)
{
	const struct spans *l = quality_lines(d);
	struct buf out = {0};
	struct spans words = {0};
	for (int64_t i = 0; i < l->n; i++) {
		const char *line = d->s + l->v[i].from;
		struct span t = text_strip(line, l->v[i].len);
		size_t start = out.len;
		if (start)
			buf_char(&out, '\n');
		size_t body = out.len;
		append_without_citations(line + t.from, t.len, &out);
		words.n = 0;
		if (out.len > body)
			text_words(out.data + body, out.len - body, &words);
		if (!ends_sentence(out.data + body, out.len - body) || (double)words.n < thr || is_notice(out.data + body, out.len - body))
			out.len = start;
	}
	spans_release(&words);
	buf_release(&d->rewritten);
	d->rewritten = out;
	quality_doc_set(d, out.data ? out.data : "", out.len);
	return out.len == 0;
}

/* Sentences end in . ! ? (and closing quotes or brackets) before white space or the end. */
bool c4_sentences(struct quality_doc *d, double thr)
{
	double count = 0;
	for (size_t i = 0; i < d->n; i++) {
		if (d->s[i] != '.' && d->s[i] != '!' && d->s[i] != '?')
			continue;
		size_t k = i + 1;
		while (k < d->n && (d->s[k] == '"' || d->s[k] == '\'' || d->s[k] == ')'))
			k++;
		count += k == d->n || isspace((unsigned char)d->s[k]);
	}
	return count < thr;
}

/* --- FineWeb's line rules, as datatrove 0.10 computes them ---------------------------------------- */

struct line_counts {
	double lines, punctuated, tiny;
};

/* Over the lines that are not blank. */
static struct line_counts count_lines(struct quality_doc *d)
{
	const struct spans *l = quality_lines(d);
	struct line_counts c = {0};
	for (int64_t i = 0; i < l->n; i++) {
		const char *s = d->s + l->v[i].from;
		size_t n = l->v[i].len;
		if (text_strip(s, n).len == 0)
			continue;
		size_t last = n - 1;
		while (last > 0 && ((unsigned char)s[last] & 0xc0) == 0x80)
			last--;
		int len;
		c.lines++;
		c.punctuated += punctuation_is_terminal(text_decode(s + last, n - last, &len));
		c.tiny += text_length(s, n) <= 30;
	}
	return c;
}

bool line_punct(struct quality_doc *d, double thr)
{
	struct line_counts c = count_lines(d);
	return c.lines == 0 || c.punctuated / c.lines < thr;
}

bool short_line(struct quality_doc *d, double thr)
{
	struct line_counts c = count_lines(d);
	return c.lines == 0 || c.tiny / c.lines > thr;
}

static int by_hash(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

bool line_dup_chars(struct quality_doc *d, double thr)
{
	const struct spans *l = quality_lines(d);
	struct hashed { uint64_t hash, chars; } *v = mem_array((size_t)l->n + 1, sizeof(*v));
	int64_t n = 0, feeds = l->n - 1;
	double copies = 0;
	for (int64_t i = 0; i < l->n; i++)
		if (text_strip(d->s + l->v[i].from, l->v[i].len).len)
			v[n++] = (struct hashed){hash64(d->s + l->v[i].from, l->v[i].len),
						 (uint64_t)text_length(d->s + l->v[i].from, l->v[i].len)};
	qsort(v, (size_t)n, sizeof(*v), by_hash);
	for (int64_t i = 1; i < n; i++)
		if (v[i].hash == v[i - 1].hash)
			copies += (double)v[i].chars;
	mem_free(v);
	double chars = d->chars - (double)feeds;
	return chars > 0 && copies / chars > thr;
}

bool newline_share(struct quality_doc *d, double thr)
{
	int64_t words = quality_words(d)->n;
	return words > 0 && (double)(quality_lines(d)->n - 1) / (double)words > thr;
}

/* --- whole texts ------------------------------------------------------------------------------- */

bool text_empty(struct quality_doc *d, double thr)
{
	(void)thr;
	return text_strip(d->s, d->n).len == 0;
}

bool text_min_chars(struct quality_doc *d, double thr)
{
	return d->chars < thr;
}

bool text_max_chars(struct quality_doc *d, double thr)
{
	return d->chars > thr;
}

bool text_letter_share(struct quality_doc *d, double thr)
{
	double letters = 0, all = 0;
	for (size_t i = 0; i < d->n;) {
		int len;
		uint32_t c = text_decode(d->s + i, d->n - i, &len);
		if (!text_is_space(c)) {
			all++;
			letters += text_is_alpha(c);
		}
		i += (size_t)len;
	}
	return all == 0 || letters / all < thr;
}

/* c4.c - C4's pass over the lines of a page (Raffel et al. 2020, section 2.2; tensorflow_datasets' c4_utils.py; datatrove's
 * C4QualityFilter): lines are stripped, lose their citation marks and stay or go, in the order that the originals test. */
#include "text/stats_priv.h"

#include <utf8proc.h>

#define WORD_CHARS_MAX 1000

/* Length of a citation mark ("[1]", "[]", "[edit]", "[citation needed]") at s, or 0; digits are those of any script. */
static size_t citation(const char *s, size_t n)
{
	static const char *const words[] = {"[edit]", "[citation needed]"};
	for (int k = 0; k < 2; k++)
		if (n >= strlen(words[k]) && memcmp(s, words[k], strlen(words[k])) == 0)
			return strlen(words[k]);
	size_t i = 1;
	while (i < n && s[i] != ']') {
		int len;
		uint32_t c = text_decode(s + i, n - i, &len);
		if (c < 0x80 ? c < '0' || c > '9' : utf8proc_category((utf8proc_int32_t)c) != UTF8PROC_CATEGORY_ND)
			return 0;
		i += (size_t)len;
	}
	return i < n ? i + 1 : 0;
}

/* A run of digits is looked through once: "[1[1[1" is linear, as a mark holds no other "[". */
static void append_without_citations(const char *s, size_t n, struct buf *out)
{
	size_t from = 0;
	for (const char *p; (p = memchr(s + from, '[', n - from));) {
		size_t at = (size_t)(p - s), len = citation(p, n - at);
		buf_add(out, s + from, at - from + (len == 0));
		from = at + (len ? len : 1);
	}
	buf_add(out, s + from, n - from);
}

static bool ends_well(const struct c4_manner *m, const char *s, size_t n)
{
	if (m->long_words && n >= 3 && memcmp(s + n - 3, "...", 3) == 0)
		return false;
	if (n > 0 && s[n - 1] && strchr(m->ends, s[n - 1]))
		return true;
	return m->curly_quote && n >= 3 && memcmp(s + n - 3, "\xe2\x80\x9d", 3) == 0;
}

#define KELVIN "\xe2\x84\xaa"      /* str.lower() makes it a k, as in "cookie" */

static bool is_notice(const char *s, size_t n)
{
	static const char *const cookies[] = {"cookie policy", "uses cookies", "use of cookies", "use cookies"};
	if (text_has_folded(s, n, "terms of use") || text_has_folded(s, n, "privacy policy"))
		return true;
	for (size_t k = 0; k < 4 && text_has_folded(s, n, "cookie"); k++)
		if (text_has_folded(s, n, cookies[k]))
			return true;
	if (!text_has_behind(s, n, 0xaa, KELVIN, 2))
		return false;
	struct buf b = {0};
	for (size_t i = 0; i < n; i++) {
		bool kelvin = i + 3 <= n && memcmp(s + i, KELVIN, 3) == 0;
		buf_char(&b, kelvin ? 'k' : s[i]);
		i += kelvin ? 2 : 0;
	}
	bool found = is_notice(b.data, b.len);
	buf_release(&b);
	return found;
}

static bool has_long_word(const char *s, size_t n)
{
	struct spans words = {0};
	bool found = false;
	if (n <= WORD_CHARS_MAX)
		return false;
	for (size_t at = 0; at < n && !found; words.n = 0) {
		at = text_words(s, n, at, 4096, &words);
		for (int64_t i = 0; i < words.n && !found; i++)
			found = words.v[i].len > WORD_CHARS_MAX && text_length(s + words.v[i].from, words.v[i].len) > WORD_CHARS_MAX;
	}
	spans_release(&words);
	return found;
}

/* What every notice has one of. */
static bool may_be_notice(const char *s, size_t n)
{
	return text_has_folded(s, n, "cookie") || text_has_folded(s, n, "privacy p") || text_has_folded(s, n, "terms of") ||
	       text_has_behind(s, n, 0xaa, KELVIN, 2);
}

/* What the text has anywhere, so that its lines need to be searched for it. */
struct page {
	bool lorem, script, notice;
};

/* Notes what makes the whole page go; a page's first such line gives the reason. */
static void look_for_bad(struct text_stats *t, bool lorem, bool curly)
{
	if (!t->c4.lorem && !t->c4.curly)
		t->c4.curly_first = curly && !lorem;
	t->c4.lorem = t->c4.lorem || lorem;
	t->c4.curly = t->c4.curly || curly;
}

/* Whether a line stays; words: of the line, before or after its citation marks went. */
static bool stays(struct text_stats *t, const struct c4_manner *m, const struct page *page, const char *s, size_t n, int64_t words)
{
	if ((m->need_end && !ends_well(m, s, n)) || words < m->min_words)
		return false;
	bool script = page->script && text_has_folded(s, n, "javascript");
	if (!m->whole_page)
		look_for_bad(t, page->lorem && text_has_folded(s, n, "lorem ipsum"), !script && memchr(s, '{', n));
	return !script && !(page->notice && is_notice(s, n));
}

void c4_lines(struct text_stats *t, const struct c4_manner *m, struct buf *out)
{
	struct page page = {text_has_folded(t->s, t->n, "lorem ipsum"), text_has_folded(t->s, t->n, "javascript"), may_be_notice(t->s, t->n)};
	const int64_t enough = (int64_t)m->min_words + 1;
	struct line_walk w;
	walk_start(t, LINES_PYTHON, &w);
	t->c4.whole_lines = !t->odd_breaks && t->list.kept;
	buf_reserve(out, t->n + 1);
	if (m->whole_page)
		look_for_bad(t, page.lorem, memchr(t->s, '{', t->n));
	while (walk_line(t, &w)) {
		const char *line = t->s + w.from;
		struct span in = text_strip(line, w.len);
		size_t start = out->len;
		line += in.from;
		if (m->long_words && has_long_word(line, in.len))
			continue;
		if (start)
			buf_char(out, '\n');
		size_t body = out->len;
		append_without_citations(line, in.len, out);
		const char *kept = out->data + body;
		size_t n = out->len - body;
		if (!stays(t, m, &page, kept, n, m->count_after ? text_count_words(kept, n, enough) : text_count_words(line, in.len, enough))) {
			out->len = start;
			continue;
		}
		t->c4.sentences += (double)words_sentences(kept, n);
		t->c4.whole_lines = t->c4.whole_lines && n == in.len && n > 0;
		if (t->c4.whole_lines)
			spans_add(&t->c4.lines, (size_t)(line - t->s), n);
	}
	struct span in = text_strip(out->data ? out->data : "", out->len);
	t->c4.whole_lines = t->c4.whole_lines && in.len == out->len;
	if (in.from)
		memmove(out->data, out->data + in.from, in.len);
	out->len = in.len;
	buf_reserve(out, 1);
	out->data[out->len] = 0;
}

/* html.c - the text of the chosen blocks; see html.h. */
#include "text/html.h"

#include "base/json_escape.h"
#include "text/html_blocks.h"
#include "text/normal_form.h"
#include "text/unicode.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>
#include <utf8proc.h>

/* --- output ---------------------------------------------------------------------------------- */

static void write_blocks(const struct html_blocks *b, struct buf *out)
{
	const struct block *last = NULL;
	bool paragraph = false;
	unsigned outer = 0;          /* depth of the outermost item of the run */
	for (int i = 0; i < b->n; i++) {
		const struct block *k = &b->v[i];
		paragraph |= k->starts_paragraph;
		if (!k->content)
			continue;
		bool run = last && (k->kind == BLOCK_ITEM || k->kind == BLOCK_CELL) && k->kind == last->kind;
		bool same = run && k->group == last->group;
		bool facts = run && k->kind == BLOCK_CELL && (k->words <= HTML_CELL_WORDS || last->words <= HTML_CELL_WORDS);
		if (same && facts && k->starts_cell)
			buf_str(out, " | ");
		else if (last)
			buf_str(out, (run && !k->starts_paragraph) || (facts && k->starts_cell) || !paragraph ? "\n" : "\n\n");
		if (k->kind == BLOCK_ITEM && !same) {
			outer = run && outer < k->depth ? outer : k->depth;
			for (unsigned d = outer; d < k->depth; d++)
				buf_str(out, "  ");
			buf_str(out, "- ");
		}
		buf_add(out, b->text.data + k->from, k->to - k->from);
		last = k;
		paragraph = false;
	}
}

/* Can what is in the text be written otherwise in NFC? Only what has marks of its own, parts of Hangul, or is excluded from composition. */
static bool may_compose(const char *s, size_t n)
{
	int len = 1;
	for (size_t i = 0; i < n; i += (size_t)len) {
		len = 1;
		if ((unsigned char)s[i] < 0xcc)
			continue;
		uint32_t c = text_decode(s + i, n - i, &len);
		const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
		if (p->combining_class || p->comp_exclusion || (c >= 0x1100 && c < 0x1200))
			return true;
	}
	return false;
}

/* Pages are written on systems that decompose, their readers search for composed text. */
static void compose(struct buf *text)
{
	struct buf composed = {0};
	if (!may_compose(text->data, text->len))
		return;
	text_normalize(text->data, text->len, TEXT_NFC, &composed);
	buf_release(text);
	*text = composed;
}

static void take(struct buf *to, struct buf *from)
{
	struct buf swap = *to;
	*to = *from;
	*from = swap;
}

void html_page_clear(struct html_page *page)
{
	buf_release(&page->text);
	buf_release(&page->title);
	buf_release(&page->lang);
	buf_release(&page->date);
}

int html_looks_like(const char *s, size_t n)
{
	static const char *const starts[] = {"!doctype html", "html", "head", "body", "title", "meta", "script", "div", "table", NULL};
	size_t i = 0;
	if (n >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		i = 3;
	for (;;) {
		while (i < n && isspace((unsigned char)s[i]))
			i++;
		const char *end;
		if (n - i >= 4 && memcmp(s + i, "<!--", 4) == 0 && (end = memmem(s + i, n - i, "-->", 3)))
			i = (size_t)(end - s) + 3;
		else if (n - i >= 5 && memcmp(s + i, "<?xml", 5) == 0 && (end = memchr(s + i, '>', n - i)))
			i = (size_t)(end - s) + 1;
		else
			break;
	}
	if (i >= n || s[i++] != '<')
		return 0;
	for (int k = 0; starts[k]; k++) {
		size_t len = strlen(starts[k]);
		if (n - i > len && strncasecmp(s + i, starts[k], len) == 0 && !isalnum((unsigned char)s[i + len]))
			return 1;
	}
	return 0;
}

enum status html_extract(const char *html, size_t n, enum html_mode mode, struct html_page *page, struct error *err)
{
	html_page_clear(page);
	if (n > HTML_BYTES_MAX)
		return error_set(err, ERR_DATA, "HTML: a page of %zu bytes; the limit is %u", n, HTML_BYTES_MAX);
	struct html_blocks b = {0};
	struct buf valid = {0};
	if (!utf8_valid(html, n)) {
		text_append_valid(&valid, html, n);
		html = valid.data;
		n = valid.len;
	}
	html_collect(html, n, mode, &b);
	html_find_date(html, n, &b);
	html_choose(&b, mode);
	write_blocks(&b, &page->text);
	compose(&page->text);
	take(&page->title, &b.title);
	take(&page->lang, &b.lang);
	take(&page->date, &b.date);
	html_blocks_release(&b);
	buf_release(&valid);
	return OK;
}

/* html_meta.c - what a page declares of itself: title, language, date of publication; see html_blocks.h. */
#include "text/html_blocks.h"

#include "text/html_entities.h"
#include "text/unicode.h"

#include <strings.h>

#define DATE_BYTES_MAX 64

void html_fold(struct buf *out, struct html_slice s, bool attribute)
{
	bool space = false;
	for (size_t i = 0; i < s.n && out->len < HTML_FIELD_BYTES;) {
		char referred[HTML_REFERENCE_BYTES];
		int len, one;
		size_t taken = s.s[i] == '&' ? html_reference(s.s + i, s.n - i, attribute, referred, &len) : 0;
		uint32_t c = taken ? text_decode(referred, (size_t)len, &one) : text_decode(s.s + i, s.n - i, &one);
		const char *from = taken ? referred : s.s + i;
		size_t bytes = taken ? (size_t)len : (size_t)one;
		i += taken ? taken : bytes;
		if (text_is_space(c)) {
			space = out->len > 0;
			continue;
		}
		if (space)
			buf_char(out, ' ');
		space = false;
		buf_add(out, c == 0 ? "\xef\xbf\xbd" : from, c == 0 ? 3 : bytes);
	}
}

void html_read_meta(const struct html_token *t, struct html_blocks *b)
{
	static const char *const names[] = {"article:published_time", "datePublished", "date", "dc.date", "dc.date.issued", "dcterms.created",
					     "publish-date", "pubdate", "sailthru.date", "parsely-pub-date", "og:published_time"};
	static const enum html_attribute keys[] = {ATTR_PROPERTY, ATTR_NAME, ATTR_ITEMPROP};
	if (t->tag == TAG_HTML && html_has(t, ATTR_LANG) && b->lang.len == 0)
		html_fold(&b->lang, t->value[ATTR_LANG], true);
	if (t->tag != TAG_META || b->date.len || !html_has(t, ATTR_CONTENT))
		return;
	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
		for (size_t i = 0; html_has(t, keys[k]) && i < sizeof(names) / sizeof(names[0]); i++)
			if (t->value[keys[k]].n == strlen(names[i]) && strncasecmp(t->value[keys[k]].s, names[i], t->value[keys[k]].n) == 0) {
				html_fold(&b->date, t->value[ATTR_CONTENT], true);
				return;
			}
}

void html_find_date(const char *s, size_t n, struct html_blocks *b)
{
	static const char key[] = "\"datePublished\"";
	const char *p = b->date.len ? NULL : memmem(s, n, key, sizeof(key) - 1), *end = s + n;
	if (!p)
		return;
	p += sizeof(key) - 1;
	while (p < end && (html_space(*p) || *p == ':'))
		p++;
	const char *close = p < end && *p == '"' ? memchr(p + 1, '"', (size_t)(end - p) - 1) : NULL;
	if (close && close - p <= DATE_BYTES_MAX && !memchr(p, '\\', (size_t)(close - p)))
		html_fold(&b->date, (struct html_slice){p + 1, (size_t)(close - p) - 1}, false);
}

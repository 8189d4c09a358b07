/* html_tokens.c - see html_tokens.h. */
#include "text/html_tokens.h"

#include <string.h>
#include <strings.h>

static const char *const tag_names[TAG_N] = {
	"", "a", "address", "annotation", "annotation-xml", "article", "aside", "audio", "blockquote", "body", "br", "button", "canvas", "caption", "center", "datalist",
	"dd", "details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4",
	"h5", "h6", "head", "header", "hgroup", "hr", "html", "iframe", "img", "legend", "li", "listing", "main", "map", "math", "menu", "meta", "nav",
	"noembed", "noframes", "noscript", "object", "ol", "option", "p", "pre", "script", "section", "select", "span", "style", "summary",
	"svg", "table", "tbody", "td", "template", "textarea", "tfoot", "th", "thead", "title", "tr", "ul", "video", "xmp"};
static const char *const attribute_names[ATTR_N] = {"class", "content", "encoding", "hidden", "href", "id", "itemprop", "lang",
						     "name", "property", "role", "style"};

/* Where s is among sorted names, in any case of letters; -1 if it is not. */
static int look_up(const char *s, size_t n, const char *const *names, int count)
{
	int low = 0, high = count;
	while (low < high) {
		int mid = (low + high) / 2, order = strncasecmp(s, names[mid], n);
		if (order == 0 && strlen(names[mid]) == n)
			return mid;
		if (order <= 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -1;
}

static bool is_letter(char c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

/* Reads attributes up to the end of the tag. A tag that the page's end cuts off has no end: false. */
static bool read_attributes(struct html_tokens *r, struct html_token *t)
{
	const char *p = r->s + r->at, *end = r->s + r->n;
	for (;;) {
		while (p < end && (html_space(*p) || *p == '/'))
			p++;
		if (p == end)
			return false;
		if (*p == '>') {
			t->empty = p[-1] == '/';
			r->at = (size_t)(p - r->s) + 1;
			return true;
		}
		const char *name = p++;       /* a '=' may start a name */
		while (p < end && !html_space(*p) && *p != '/' && *p != '>' && *p != '=')
			p++;
		size_t name_bytes = (size_t)(p - name);
		struct html_slice value = {p, 0};
		while (p < end && html_space(*p))
			p++;
		if (p < end && *p == '=') {
			p++;
			while (p < end && html_space(*p))
				p++;
			if (p < end && (*p == '"' || *p == '\'')) {
				const char *quote = memchr(p + 1, *p, (size_t)(end - p) - 1);
				if (!quote)
					return false;
				value = (struct html_slice){p + 1, (size_t)(quote - p) - 1};
				p = quote + 1;
			} else {
				value.s = p;
				while (p < end && !html_space(*p) && *p != '>')
					p++;
				value.n = (size_t)(p - value.s);
			}
		}
		int a = name_bytes <= 8 ? look_up(name, name_bytes, attribute_names, ATTR_N) : -1;
		if (a >= 0 && !(t->present >> a & 1)) {
			t->present |= 1u << a;
			t->value[a] = value;
		}
	}
}

/* A comment, a doctype, a processing instruction, or what is read as one: goes past it. */
static void skip_markup(struct html_tokens *r)
{
	const char *p = r->s + r->at, *end = r->s + r->n, *close;
	if (end - p >= 4 && memcmp(p, "<!--", 4) == 0) {
		p += 4;
		if (p < end && *p == '>')
			close = p + 1;
		else if (end - p >= 2 && memcmp(p, "->", 2) == 0)
			close = p + 2;
		else
			close = (close = memmem(p, (size_t)(end - p), "-->", 3)) ? close + 3 : end;
	} else {
		close = (close = memchr(p, '>', (size_t)(end - p))) ? close + 1 : end;
	}
	r->at = (size_t)(close - r->s);
}

/* The contents of a text element: up to its closing tag, or the end of the page. */
static struct html_slice read_raw(struct html_tokens *r)
{
	const char *name = tag_names[r->raw], *from = r->s + r->at, *end = r->s + r->n, *p = from;
	size_t len = strlen(name);
	for (; (p = memchr(p, '<', (size_t)(end - p))); p++) {
		if ((size_t)(end - p) < len + 3) {
			p = NULL;
			break;
		}
		if (p[1] == '/' && strncasecmp(p + 2, name, len) == 0 && (html_space(p[2 + len]) || p[2 + len] == '/' || p[2 + len] == '>'))
			break;
	}
	p = p ? p : end;
	r->at = (size_t)(p - r->s);
	r->raw = TAG_OTHER;
	return (struct html_slice){from, (size_t)(p - from)};
}

static void expect_raw(struct html_tokens *r, enum html_tag tag)
{
	switch (tag) {
	case TAG_SCRIPT: case TAG_STYLE: case TAG_NOSCRIPT: case TAG_IFRAME: case TAG_NOEMBED: case TAG_NOFRAMES: case TAG_TITLE:
	case TAG_TEXTAREA: case TAG_XMP:
		r->raw = tag;
		break;
	default:
		break;
	}
}

/* What stands in <svg> is XML, whose <title/> and <style/> would be read wrongly. One that is never closed is passed over. */
static void skip_drawing(struct html_tokens *r, struct html_token *t)
{
	const char *p = r->s + r->at, *end = r->s + r->n;
	t->tag = TAG_OTHER;
	if (t->kind == HTML_CLOSE || t->empty || r->no_drawing_ends)
		return;
	while ((p = memchr(p, '<', (size_t)(end - p))) && (size_t)(end - p) > 5)
		if (strncasecmp(++p, "/svg", 4) == 0) {
			r->at = (size_t)(p - r->s) + 4;
			skip_markup(r);
			return;
		}
	r->no_drawing_ends = true;
}

/* The tag at r->at ('<'). False if it has no end. */
static bool read_tag(struct html_tokens *r, struct html_token *t)
{
	bool closing = r->s[r->at + 1] == '/';
	const char *name = r->s + r->at + 1 + closing, *p = name, *end = r->s + r->n;
	while (p < end && !html_space(*p) && *p != '/' && *p != '>')
		p++;
	int tag = p - name <= 14 ? look_up(name, (size_t)(p - name), tag_names, TAG_N) : -1;
	t->kind = closing ? HTML_CLOSE : HTML_OPEN;
	t->tag = tag > 0 ? (enum html_tag)tag : TAG_OTHER;
	t->present = 0;
	r->at = (size_t)(p - r->s);
	if (!read_attributes(r, t)) {
		r->at = r->n;
		return false;
	}
	if (t->tag == TAG_SVG)
		skip_drawing(r, t);
	else if (!closing)
		expect_raw(r, t->tag);
	return true;
}

bool html_next(struct html_tokens *r, struct html_token *t)
{
	while (r->at < r->n) {
		if (r->raw != TAG_OTHER) {
			enum html_tag of = r->raw;
			struct html_slice raw = read_raw(r);
			if (raw.n == 0 || (of != TAG_TITLE && of != TAG_TEXTAREA && of != TAG_XMP))
				continue;
			t->kind = HTML_TEXT;
			t->text = raw;
			return true;
		}
		const char *p = r->s + r->at, *end = r->s + r->n;
		char c1 = end - p > 1 ? p[1] : 0, c2 = end - p > 2 ? p[2] : 0;
		if (*p == '<' && (is_letter(c1) || (c1 == '/' && is_letter(c2)))) {
			if (read_tag(r, t))
				return true;
		} else if (*p == '<' && (c1 == '!' || c1 == '?' || (c1 == '/' && c2))) {
			skip_markup(r);
		} else {
			const char *next = memchr(p + 1, '<', (size_t)(end - p) - 1);
			next = next ? next : end;
			t->kind = HTML_TEXT;
			t->text = (struct html_slice){p, (size_t)(next - p)};
			r->at = (size_t)(next - r->s);
			return true;
		}
	}
	return false;
}

/* html.c - parsing under a budget, and writing the chosen blocks; see html.h.
 *
 * gumbo trusts its input: it frees the tree recursively, and searches its stack of open elements for each tag. So its
 * memory comes from an arena that is dropped whole, with a cap that leaves by longjmp (gumbo holds nothing else that
 * would leak), and pages whose nesting would make those searches quadratic are refused before it sees them. */
#include "text/html.h"

#include "text/html_blocks.h"

#include <ctype.h>
#include <setjmp.h>
#include <strings.h>

#define TREE_BYTES_PER_BYTE 64       /* of parse tree per byte of page before it is refused ... */
#define TREE_BYTES_MIN (64u << 20)   /* ... but small pages may take this much */
#define SEARCH_STEPS_MAX 200000000   /* of stack searched while parsing, as estimated below */
#define SEARCH_DEPTH 64              /* open elements looked at for a closing tag's partner */

/* --- the budget ------------------------------------------------------------------------------ */

struct budget {
	struct arena arena;
	size_t used, max;
	jmp_buf out;
};

static void *budget_alloc(void *userdata, size_t n)
{
	struct budget *g = userdata;
	if (n > g->max - g->used)
		longjmp(g->out, 1);
	g->used += n;
	return arena_alloc(&g->arena, n ? n : 1);
}

static void budget_free(void *userdata, void *p)
{
	(void)userdata;
	(void)p;
}

/* --- the estimate ---------------------------------------------------------------------------- */

static bool name_is(const char *s, size_t n, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == n && strncasecmp(*list, s, n) == 0)
			return true;
	return false;
}

/* Elements that never hold others, or whose end the next of their kind implies. */
static bool never_nests(const char *s, size_t n)
{
	static const char *const list[] = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
					   "track", "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot",
					   "option", "html", "head", "body", NULL};
	return name_is(s, n, list);
}

/* End of the tag that starts at s[i] == '<', and about how many attributes it has. */
static size_t skip_tag(const char *s, size_t n, size_t i, uint64_t *attributes)
{
	char quote = 0, before = 0;
	for (; i < n; before = s[i++]) {
		if (quote) {
			if (s[i] == quote)
				quote = 0;
		} else if (s[i] == '>') {
			return i + 1;
		} else if ((s[i] == '"' || s[i] == '\'') && before == '=') {
			quote = s[i];
			++*attributes;
		} else if (isspace((unsigned char)s[i]) || s[i] == '/') {
			*attributes += !isspace((unsigned char)before);
		}
	}
	return n;
}

/* Text elements (script, style, ...) hold no tags: goes to their closing tag. */
static size_t skip_raw(const char *s, size_t n, size_t i, const char *name, size_t len)
{
	static const char *const raw[] = {"script", "style", "textarea", "title", "xmp", "iframe", NULL};
	if (!name_is(name, len, raw))
		return i;
	for (const char *p; i < n && (p = memchr(s + i, '<', n - i)); i = (size_t)(p - s) + 1)
		if ((size_t)(s + n - p) > len + 2 && p[1] == '/' && strncasecmp(p + 2, name, len) == 0)
			return (size_t)(p - s);
	return n;
}

struct open_tags {
	uint32_t *v;
	size_t n, cap;
};

static uint32_t name_hash(const char *s, size_t n)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)tolower((unsigned char)s[i])) * 16777619u;
	return h;
}

/* Removes the nearest open element of that name; those above it stay, as misnested formatting does in the real parser. */
static void close_tag(struct open_tags *o, uint32_t h)
{
	for (size_t k = 0; k < SEARCH_DEPTH && k < o->n; k++) {
		size_t at = o->n - 1 - k;
		if (o->v[at] != h)
			continue;
		memmove(o->v + at, o->v + at + 1, k * sizeof(*o->v));
		o->n--;
		return;
	}
}

/* The sum over tags of the open elements at that point, plus the square of each tag's attributes: what parsing may search. */
static uint64_t search_steps(const char *s, size_t n)
{
	struct open_tags open = {0};
	uint64_t steps = 0;
	for (size_t i = 0; i < n && steps < SEARCH_STEPS_MAX;) {
		const char *lt = memchr(s + i, '<', n - i);
		if (!lt)
			break;
		i = (size_t)(lt - s) + 1;
		if (n - i >= 3 && memcmp(s + i, "!--", 3) == 0) {
			const char *end = memmem(s + i, n - i, "-->", 3);
			if (end)
				i = (size_t)(end - s) + 3;
			continue;
		}
		bool closing = i < n && s[i] == '/';
		size_t name = i + closing, len = 0;
		while (name + len < n && (isalnum((unsigned char)s[name + len]) || s[name + len] == '-'))
			len++;
		if (len == 0)
			continue;
		uint64_t attributes = 0;
		i = skip_tag(s, n, name + len, &attributes);
		steps += open.n + attributes * attributes;
		if (closing) {
			close_tag(&open, name_hash(s + name, len));
		} else if (!never_nests(s + name, len)) {
			MEM_PUSH_ROOM(open.v, open.n, open.cap);
			open.v[open.n++] = name_hash(s + name, len);
			i = skip_raw(s, n, i, s + name, len);
		}
	}
	mem_free(open.v);
	return steps;
}

/* --- output ---------------------------------------------------------------------------------- */

static void write_blocks(const struct html_blocks *b, struct buf *out)
{
	bool paragraph = false;
	enum block_kind last = BLOCK_PARAGRAPH;
	for (int i = 0; i < b->n; i++) {
		const struct block *k = &b->v[i];
		paragraph |= k->starts_paragraph;
		if (!k->content)
			continue;
		bool run = (k->kind == BLOCK_ITEM || k->kind == BLOCK_ROW) && k->kind == last && !k->starts_paragraph;
		if (out->len)
			buf_str(out, run || !paragraph ? "\n" : "\n\n");
		if (k->kind == BLOCK_ITEM)
			buf_str(out, "- ");
		buf_add(out, b->text.data + k->from, k->to - k->from);
		last = k->kind;
		paragraph = false;
	}
}

void html_page_clear(struct html_page *page)
{
	buf_release(&page->text);
	buf_release(&page->title);
	buf_release(&page->lang);
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

static enum status too_complex(struct error *err)
{
	return error_set(err, ERR_DATA, "HTML: nested too deeply to be parsed in bounded time and memory");
}

enum status html_extract(const char *html, size_t n, enum html_mode mode, struct html_page *page, struct error *err)
{
	html_page_clear(page);
	if (n > HTML_BYTES_MAX)
		return error_set(err, ERR_DATA, "HTML: a page of %zu bytes; the limit is %u", n, HTML_BYTES_MAX);
	if (search_steps(html, n) >= SEARCH_STEPS_MAX)
		return too_complex(err);
	struct budget *g = mem_zalloc(sizeof(*g));
	g->max = n * TREE_BYTES_PER_BYTE > TREE_BYTES_MIN ? n * TREE_BYTES_PER_BYTE : TREE_BYTES_MIN;
	if (setjmp(g->out) != 0) {
		arena_release(&g->arena);
		mem_free(g);
		return too_complex(err);
	}
	GumboOptions o = kGumboDefaultOptions;
	o.allocator = budget_alloc;
	o.deallocator = budget_free;
	o.userdata = g;
	o.max_errors = 0;
	const GumboOutput *tree = gumbo_parse_with_options(&o, html, n);
	struct html_blocks b = {0};
	html_collect(tree->root, &b);
	arena_release(&g->arena);
	mem_free(g);
	html_choose(&b, mode);
	write_blocks(&b, &page->text);
	struct buf swap = page->title;
	page->title = b.title;
	b.title = swap;
	swap = page->lang;
	page->lang = b.lang;
	b.lang = swap;
	html_blocks_release(&b);
	return OK;
}

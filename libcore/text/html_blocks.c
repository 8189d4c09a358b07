/* html_blocks.c - the walk over the parse tree that makes blocks of text; see html_blocks.h. */
#include "text/html_blocks.h"

#include "text/unicode.h"

/* What holds inside an element; a child starts with its parent's. */
struct state {
	bool link, pre;
	enum block_kind kind;
};

struct frame {
	const GumboVector *children;
	unsigned next;
	struct state inside;
	int region;                  /* index of the region this element opened, or -1 */
	bool block;                  /* closing it ends a block */
	bool paragraph;              /* ... and a paragraph */
};

struct walk {
	struct html_blocks *b;
	struct state now;
	struct block open;           /* the block being filled; open.from is its start */
	bool in_word, space, paragraph;
	struct frame *stack;
	int depth, cap;
};

static void begin_block(struct walk *w)
{
	w->open = (struct block){.from = w->b->text.len};
	w->in_word = w->space = false;
}

static void end_block(struct walk *w)
{
	struct html_blocks *b = w->b;
	size_t end = b->text.len;
	while (end > w->open.from && strchr(" |\n", b->text.data[end - 1]))
		end--;
	if (end > w->open.from && w->open.words > 0) {
		w->open.to = end;
		w->open.starts_paragraph = w->paragraph;
		w->paragraph = false;
		MEM_PUSH_ROOM(b->v, b->n, b->cap);
		b->v[b->n++] = w->open;
	}
	begin_block(w);
}

static void count_word(struct walk *w)
{
	w->open.words++;
	w->open.link_words += w->now.link;
}

/* Appends text of the page: white space is folded to one space but in pre. Ideographs count as a word for each two. */
static void add_text(struct walk *w, const char *s, size_t n)
{
	struct buf *out = &w->b->text;
	bool half = false;
	if (w->open.from == out->len)
		w->open.kind = w->now.kind;
	for (size_t i = 0; i < n;) {
		int len;
		uint32_t c = text_decode(s + i, n - i, &len);
		if (text_is_space(c)) {
			w->in_word = false;
			if (w->now.pre)
				buf_add(out, c == '\n' ? "\n" : c == '\t' ? "\t" : " ", 1);
			else
				w->space = out->len > w->open.from;
		} else {
			if (w->space)
				buf_char(out, ' ');
			w->space = false;
			if (c >= 0x2e80 && !(half = !half))
				w->in_word = false;
			if (!w->in_word)
				count_word(w);
			w->in_word = true;
			if (c == 0xfffd || c == 0)
				buf_add(out, "\xef\xbf\xbd", 3);
			else
				buf_add(out, s + i, (size_t)len);
		}
		i += (size_t)len;
	}
}

/* Block elements end the block before them and their own; paragraphs are set off by a blank line. */
static bool is_block(GumboTag tag, bool *paragraph)
{
	*paragraph = false;
	switch (tag) {
	case GUMBO_TAG_P: case GUMBO_TAG_H1: case GUMBO_TAG_H2: case GUMBO_TAG_H3: case GUMBO_TAG_H4: case GUMBO_TAG_H5: case GUMBO_TAG_H6:
	case GUMBO_TAG_BLOCKQUOTE: case GUMBO_TAG_PRE: case GUMBO_TAG_UL: case GUMBO_TAG_OL: case GUMBO_TAG_DL: case GUMBO_TAG_TABLE:
	case GUMBO_TAG_ARTICLE: case GUMBO_TAG_SECTION: case GUMBO_TAG_FIGURE: case GUMBO_TAG_HR:
	case GUMBO_TAG_DIV:
		*paragraph = true;
		return true;
	case GUMBO_TAG_LI: case GUMBO_TAG_DT: case GUMBO_TAG_DD: case GUMBO_TAG_TR: case GUMBO_TAG_CAPTION: case GUMBO_TAG_MAIN:
	case GUMBO_TAG_NAV: case GUMBO_TAG_HEADER: case GUMBO_TAG_FOOTER: case GUMBO_TAG_ASIDE: case GUMBO_TAG_FORM:
	case GUMBO_TAG_FIELDSET: case GUMBO_TAG_ADDRESS: case GUMBO_TAG_CENTER: case GUMBO_TAG_FIGCAPTION: case GUMBO_TAG_DETAILS:
	case GUMBO_TAG_SUMMARY: case GUMBO_TAG_HGROUP: case GUMBO_TAG_BODY: case GUMBO_TAG_MENU: case GUMBO_TAG_LEGEND:
	case GUMBO_TAG_OPTION: case GUMBO_TAG_TBODY: case GUMBO_TAG_THEAD:
		return true;
	default:
		return false;
	}
}

static void set_inside(GumboTag tag, struct state *s)
{
	switch (tag) {
	case GUMBO_TAG_A: s->link = true; break;
	case GUMBO_TAG_PRE: case GUMBO_TAG_LISTING: case GUMBO_TAG_XMP: s->pre = true; s->kind = BLOCK_PRE; break;
	case GUMBO_TAG_H1: case GUMBO_TAG_H2: case GUMBO_TAG_H3: case GUMBO_TAG_H4: case GUMBO_TAG_H5: case GUMBO_TAG_H6:
		s->kind = BLOCK_HEADING;
		break;
	case GUMBO_TAG_LI: case GUMBO_TAG_DD: s->kind = BLOCK_ITEM; break;
	case GUMBO_TAG_TR: s->kind = BLOCK_ROW; break;
	case GUMBO_TAG_P: case GUMBO_TAG_BLOCKQUOTE: s->kind = BLOCK_PARAGRAPH; break;
	default: break;
	}
}

static int open_region(struct walk *w, int kind)
{
	struct html_blocks *b = w->b;
	if (kind < 0)
		return -1;
	MEM_PUSH_ROOM(b->regions, b->n_regions, b->cap_regions);
	b->regions[b->n_regions] = (struct region){(enum region_kind)kind, b->n, b->n};
	return b->n_regions++;
}

static void enter(struct walk *w, const GumboNode *node)
{
	const GumboElement *e = &node->v.element;
	struct frame f = {.children = &e->children, .inside = w->now, .region = -1};
	if (e->tag_namespace == GUMBO_NAMESPACE_SVG || html_is_hidden(e))
		return;
	f.block = is_block(e->tag, &f.paragraph);
	int kind = html_region_of(e);
	if (f.block || kind >= 0) {
		end_block(w);
		f.block = true;
		w->paragraph |= f.paragraph;
	}
	f.region = open_region(w, kind);
	set_inside(e->tag, &f.inside);
	if (e->tag == GUMBO_TAG_BR) {
		buf_char(&w->b->text, '\n');
		w->in_word = w->space = false;
		if (w->open.from + 1 == w->b->text.len)
			begin_block(w);
	}
	if ((e->tag == GUMBO_TAG_TD || e->tag == GUMBO_TAG_TH) && w->b->text.len > w->open.from) {
		buf_str(&w->b->text, " | ");
		w->in_word = w->space = false;
	}
	MEM_PUSH_ROOM(w->stack, w->depth, w->cap);
	w->stack[w->depth++] = f;
}

static void leave(struct walk *w)
{
	const struct frame *f = &w->stack[--w->depth];
	if (f->block) {
		end_block(w);
		w->paragraph |= f->paragraph;
	}
	if (f->region >= 0)
		w->b->regions[f->region].to = w->b->n;
}

static void collect_head(const GumboNode *html, struct html_blocks *b)
{
	const GumboAttribute *lang = gumbo_get_attribute(&html->v.element.attributes, "lang");
	if (lang)
		buf_str(&b->lang, lang->value);
	const GumboVector *top = &html->v.element.children;
	for (unsigned i = 0; i < top->length; i++) {
		const GumboNode *head = top->data[i];
		if (head->type != GUMBO_NODE_ELEMENT || head->v.element.tag != GUMBO_TAG_HEAD)
			continue;
		for (unsigned k = 0; k < head->v.element.children.length; k++) {
			const GumboNode *c = head->v.element.children.data[k];
			if (c->type != GUMBO_NODE_ELEMENT || c->v.element.tag != GUMBO_TAG_TITLE || c->v.element.children.length == 0 || b->title.len)
				continue;
			const char *t = ((const GumboNode *)c->v.element.children.data[0])->v.text.text;
			struct spans words = {0};
			text_words(t, strlen(t), &words);
			for (int64_t j = 0; j < words.n; j++) {
				buf_str(&b->title, j ? " " : "");
				text_append_valid(&b->title, t + words.v[j].from, words.v[j].len);
			}
			spans_release(&words);
		}
	}
}

void html_collect(const GumboNode *root, struct html_blocks *b)
{
	struct walk w = {.b = b};
	collect_head(root, b);
	begin_block(&w);
	enter(&w, root);
	while (w.depth > 0) {
		struct frame *f = &w.stack[w.depth - 1];
		if (f->next == f->children->length) {
			leave(&w);
			continue;
		}
		const GumboNode *node = f->children->data[f->next++];
		w.now = f->inside;
		if (node->type == GUMBO_NODE_ELEMENT)
			enter(&w, node);
		else if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE || node->type == GUMBO_NODE_CDATA)
			add_text(&w, node->v.text.text, strlen(node->v.text.text));
	}
	end_block(&w);
	mem_free(w.stack);
}

void html_blocks_release(struct html_blocks *b)
{
	buf_release(&b->text);
	buf_release(&b->title);
	buf_release(&b->lang);
	mem_free(b->v);
	mem_free(b->regions);
	*b = (struct html_blocks){0};
}

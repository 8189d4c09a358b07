/* html_blocks.c - the pass over tags and text that makes blocks and their containers; see html_blocks.h.
 *
 * The open elements stand on a stack, as in the standard's tree construction (13.2.6), and an end tag closes what stands above
 * its partner; misnested formatting needs no adoption agency here, since of inline elements only the count of open links matters. The stack
 * ends at HTML_OPEN_MAX, where browsers end it too: what is nested deeper is read as if its tags were not there, so that each tag
 * costs at most HTML_OPEN_MAX steps and a page of nothing but tags takes linear time. */
#include "text/html_walk.h"

/* --- what elements do ------------------------------------------------------------------------ */

enum {
	IS_BLOCK = 1,        /* ends the block before it, and its own at its end */
	IS_PARAGRAPH = 2,    /* a blank line before and after */
	IS_CONTAINER = 4,    /* is kept as a node */
	ENDS_P = 8,          /* its start tag closes an open p */
	IS_SCOPE = 16,       /* end tags inside do not reach out of it */
	NOT_OPENED = 32,     /* void, or of no interest: never on the stack */
};

#define PART (IS_BLOCK | IS_CONTAINER | ENDS_P)
#define SET_OFF (PART | IS_PARAGRAPH)
static const uint8_t traits[TAG_N] = {
	[TAG_OTHER] = NOT_OPENED, [TAG_BODY] = NOT_OPENED, [TAG_HTML] = NOT_OPENED, [TAG_HEAD] = NOT_OPENED, [TAG_META] = NOT_OPENED,
	[TAG_BR] = NOT_OPENED, [TAG_IMG] = NOT_OPENED, [TAG_HR] = NOT_OPENED | IS_BLOCK | IS_PARAGRAPH | ENDS_P,
	[TAG_P] = IS_BLOCK | IS_PARAGRAPH | ENDS_P, [TAG_PRE] = SET_OFF, [TAG_LISTING] = SET_OFF, [TAG_XMP] = SET_OFF,
	[TAG_H1] = SET_OFF, [TAG_H2] = SET_OFF, [TAG_H3] = SET_OFF, [TAG_H4] = SET_OFF, [TAG_H5] = SET_OFF, [TAG_H6] = SET_OFF,
	[TAG_BLOCKQUOTE] = SET_OFF, [TAG_UL] = SET_OFF, [TAG_OL] = SET_OFF, [TAG_DL] = SET_OFF, [TAG_DIR] = SET_OFF, [TAG_MENU] = SET_OFF,
	[TAG_TABLE] = SET_OFF | IS_SCOPE, [TAG_ARTICLE] = SET_OFF, [TAG_SECTION] = SET_OFF, [TAG_FIGURE] = SET_OFF, [TAG_DIV] = SET_OFF,
	[TAG_LI] = PART, [TAG_DT] = PART, [TAG_DD] = PART, [TAG_TR] = PART, [TAG_TD] = PART | IS_SCOPE, [TAG_TH] = PART | IS_SCOPE,
	[TAG_CAPTION] = PART | IS_SCOPE, [TAG_MAIN] = PART, [TAG_NAV] = PART, [TAG_HEADER] = PART, [TAG_FOOTER] = PART, [TAG_ASIDE] = PART,
	[TAG_FORM] = PART, [TAG_FIELDSET] = PART, [TAG_ADDRESS] = PART, [TAG_CENTER] = PART, [TAG_FIGCAPTION] = PART, [TAG_DETAILS] = PART,
	[TAG_SUMMARY] = PART, [TAG_HGROUP] = PART, [TAG_LEGEND] = PART, [TAG_DIALOG] = PART, [TAG_TBODY] = IS_BLOCK, [TAG_THEAD] = IS_BLOCK,
	[TAG_TFOOT] = IS_BLOCK, [TAG_OPTION] = IS_BLOCK, [TAG_BUTTON] = IS_SCOPE, [TAG_OBJECT] = IS_SCOPE, [TAG_TEMPLATE] = IS_SCOPE,
};

static bool is_heading(enum html_tag t) { return t >= TAG_H1 && t <= TAG_H6; }
static bool is_cell(enum html_tag t) { return t == TAG_TD || t == TAG_TH; }
static bool is_table_part(enum html_tag t) { return t == TAG_TBODY || t == TAG_THEAD || t == TAG_TFOOT; }

/* --- elements -------------------------------------------------------------------------------- */

static int open_node(struct walk *w, enum html_tag tag, enum html_role role)
{
	struct html_blocks *b = w->b;
	MEM_PUSH_ROOM(b->nodes, b->n_nodes, b->cap_nodes);
	b->nodes[b->n_nodes] = (struct node){.parent = (uint32_t)top(w)->node, .from = (uint32_t)b->n, .tag = (uint8_t)tag, .role = (uint8_t)role};
	return b->n_nodes++;
}

/* <td><p> of one short block is of a table of facts, not of the page's layout. */
static void end_cell(struct html_blocks *b, const struct node *cell, uint8_t kind)
{
	if (cell->from == cell->to)
		return;
	struct block *first = &b->v[cell->from];
	first->starts_cell = 1;
	if (cell->from + 1 == cell->to && first->words <= HTML_CELL_WORDS)
		first->kind = kind;
}

static void pop(struct walk *w)
{
	struct html_blocks *b = w->b;
	struct open e = *top(w);
	if (e.block) {
		html_end_block(w);
		w->paragraph |= (traits[e.tag] & IS_PARAGRAPH) != 0;
	}
	if (e.owns_node) {
		b->nodes[e.node].to = (uint32_t)b->n;
		if (is_cell((enum html_tag)e.tag))
			end_cell(b, &b->nodes[e.node], e.kind);
		if (b->nodes[e.node].from == (uint32_t)b->n && e.node == b->n_nodes - 1) {
			b->n_nodes--;
			b->nodes[b->nodes[e.node].parent].picture |= b->nodes[e.node].picture;
		}
	}
	if (e.tag == TAG_ANNOTATION && !e.hidden && w->hidden == 0) {
		w->space = false;
		html_add_letters(w, "$", 1);
	}
	w->links -= e.link;
	w->hidden -= e.hidden;
	w->open[e.tag]--;
	w->depth--;
}

static void pop_to(struct walk *w, int depth)
{
	while (w->depth > depth)
		pop(w);
}

/* Where the innermost open `tag` stands, looked for down to an element with the trait `until`, or the tag `fence`; 0 if nowhere. */
static int find_open(const struct walk *w, enum html_tag tag, unsigned until, enum html_tag fence)
{
	if (w->open[tag] == 0)
		return 0;
	for (int i = w->depth - 1; i > 0; i--) {
		if (w->stack[i].tag == tag)
			return i;
		if (traits[w->stack[i].tag] & until || (fence != TAG_OTHER && w->stack[i].tag == fence))
			return 0;
	}
	return 0;
}

static void close_open(struct walk *w, enum html_tag tag, unsigned until, enum html_tag fence)
{
	int at = find_open(w, tag, until, fence);
	if (at)
		pop_to(w, at);
}

/* Closes what the start tag of `tag` implies to be closed. */
static void close_implied(struct walk *w, enum html_tag tag)
{
	if (traits[tag] & ENDS_P)
		close_open(w, TAG_P, IS_SCOPE, TAG_OTHER);
	if (is_heading(tag) && is_heading((enum html_tag)top(w)->tag))
		pop(w);
	if (tag == TAG_LI) {
		int list = find_open(w, TAG_UL, IS_SCOPE, TAG_OL), item = find_open(w, TAG_LI, IS_SCOPE, TAG_OL);
		if (item > list)
			pop_to(w, item);
	} else if (tag == TAG_DT || tag == TAG_DD) {
		close_open(w, TAG_DT, IS_SCOPE, TAG_DL);
		close_open(w, TAG_DD, IS_SCOPE, TAG_DL);
	} else if (is_cell(tag)) {
		int cell = find_open(w, TAG_TD, 0, TAG_TABLE), head = find_open(w, TAG_TH, 0, TAG_TABLE);
		if (cell || head)
			pop_to(w, cell > head ? cell : head);
	} else if (tag == TAG_TR) {
		close_open(w, TAG_TR, 0, TAG_TABLE);
	} else if (is_table_part(tag)) {
		close_open(w, TAG_TBODY, 0, TAG_TABLE);
		close_open(w, TAG_THEAD, 0, TAG_TABLE);
		close_open(w, TAG_TFOOT, 0, TAG_TABLE);
	} else if (tag == TAG_OPTION || tag == TAG_A || tag == TAG_BUTTON) {
		close_open(w, tag, IS_SCOPE | IS_BLOCK, TAG_OTHER);
	}
}

static uint8_t kind_inside(const struct walk *w, enum html_tag tag, uint8_t outer)
{
	if (is_heading(tag))
		return BLOCK_HEADING;
	if (tag == TAG_PRE || tag == TAG_LISTING || tag == TAG_XMP)
		return BLOCK_PRE;
	if (tag == TAG_LI || tag == TAG_DD)
		return BLOCK_ITEM;
	if (is_cell(tag) && w->open[TAG_TR] > 0)
		return BLOCK_CELL;
	if (tag == TAG_BLOCKQUOTE || tag == TAG_TABLE || (tag == TAG_P && outer != BLOCK_ITEM))
		return BLOCK_PARAGRAPH;
	return outer;
}

/* aside: a part of a line that names itself junk (a footnote's mark, a permalink): left out without ending the line. shown: whatever
 * the tag. */
static void push(struct walk *w, const struct html_token *t, bool block, enum html_role role, bool aside, bool shown)
{
	struct open e = *top(w);
	e.tag = (uint8_t)t->tag;
	e.kind = kind_inside(w, t->tag, e.kind);
	if (t->tag == TAG_LI || t->tag == TAG_DD || t->tag == TAG_TR)
		e.group = ++w->groups;
	e.block = block;
	e.link = t->tag == TAG_A && html_has(t, ATTR_HREF);
	e.hidden = aside || (!shown && html_is_hidden(t));
	e.owns_node = w->hidden == 0 && !e.hidden && (traits[t->tag] & IS_CONTAINER || role != ROLE_NONE);
	if (e.owns_node)
		e.node = open_node(w, t->tag, role);
	w->links += e.link;
	w->hidden += e.hidden;
	w->open[t->tag]++;
	w->stack[w->depth++] = e;
}

/* Items and rows stand line by line, lists within items too. */
static bool goes_on(const struct walk *w, enum html_tag tag)
{
	const struct open *in = &w->stack[w->depth - 1];
	if (tag == TAG_UL || tag == TAG_OL)
		return in->kind == BLOCK_ITEM;
	bool part = tag == TAG_LI || tag == TAG_DD || tag == TAG_DT || tag == TAG_TR || is_cell(tag);
	return part && w->b->nodes[in->node].from < (uint32_t)w->b->n;
}

/* <li><p>, <td><p> */
static bool begins_item(const struct walk *w, enum html_tag tag)
{
	const struct open *in = &w->stack[w->depth - 1];
	return tag == TAG_P && (in->kind == BLOCK_ITEM || in->kind == BLOCK_CELL) && w->b->nodes[in->node].from == (uint32_t)w->b->n;
}

/* A formula in TeX takes the place of what it says in MathML, which stands before it, between dollar signs. */
static bool replace_math(struct walk *w, const struct html_token *t)
{
	bool replaces = html_is_tex(t) && w->hidden == 0 && w->open[TAG_MATH] > 0 && w->before_math.text >= w->now.from && w->depth < HTML_OPEN_MAX;
	if (!replaces)
		return false;
	w->b->text.len = w->before_math.text;
	w->now.words = w->before_math.words;
	w->now.link_words = w->before_math.link_words;
	w->space = w->before_math.space;
	html_add_letters(w, "$", 1);
	return true;
}

static void open_tag(struct walk *w, const struct html_token *t)
{
	unsigned trait = traits[t->tag];
	w->raw = t->tag;
	if (t->tag == TAG_IMG) {
		w->b->nodes[top(w)->node].picture = true;
		w->now.pictured = w->b->text.len == w->now.from;
	}
	if (t->tag == TAG_MATH) {
		w->before_math.text = (uint32_t)w->b->text.len;
		w->before_math.space = w->space;
		w->before_math.words = w->now.words;
		w->before_math.link_words = w->now.link_words;
	}
	bool tex = replace_math(w, t);
	if (t->tag == TAG_META || t->tag == TAG_HTML)
		html_read_meta(t, w->b);
	if (t->tag == TAG_BR)
		html_break_line(w);
	close_implied(w, t->tag);
	enum html_role role = trait & NOT_OPENED ? ROLE_NONE : html_role_of(t);
	bool within_line = !(trait & IS_BLOCK) && (w->open[TAG_P] > 0 || top(w)->kind == BLOCK_HEADING);
	bool aside = within_line && role == ROLE_JUNK && w->main && (t->tag != TAG_A || top(w)->kind == BLOCK_HEADING);
	role = within_line ? ROLE_NONE : role;
	bool block = w->hidden == 0 && (trait & IS_BLOCK || role != ROLE_NONE);
	if (block) {
		html_end_block(w);
		w->paragraph |= trait & IS_PARAGRAPH && !begins_item(w, t->tag);
		w->paragraph &= !goes_on(w, t->tag);
	}
	if (trait & NOT_OPENED)
		return;
	if (w->depth < HTML_OPEN_MAX)
		push(w, t, block, role, aside, tex);
	else
		w->beyond[t->tag]++;
}

static void close_tag(struct walk *w, enum html_tag tag)
{
	if (tag == TAG_BR || (tag == TAG_P && w->open[TAG_P] == 0)) {
		html_break_line(w);
		return;
	}
	if (traits[tag] & NOT_OPENED)
		return;
	if (w->beyond[tag] > 0) {
		w->beyond[tag]--;
		if (traits[tag] & IS_BLOCK && w->hidden == 0)
			html_end_block(w);
		return;
	}
	bool of_table = tag == TAG_TABLE || tag == TAG_TR || is_cell(tag) || is_table_part(tag);
	unsigned until = of_table ? 0 : tag == TAG_A || tag == TAG_SPAN ? IS_SCOPE | IS_BLOCK : IS_SCOPE;
	int at = find_open(w, tag, until, of_table && tag != TAG_TABLE ? TAG_TABLE : TAG_OTHER);
	if (at)
		pop_to(w, at);
	else if (is_heading(tag) && is_heading((enum html_tag)top(w)->tag))
		pop(w);
	else if (tag == TAG_A && w->open[TAG_A] > 0)
		for (int i = w->depth - 1; i > 0; i--)
			if (w->stack[i].link) {
				w->stack[i].link = false;   /* misnested: the link ends here, the blocks in it do not */
				w->links--;
				break;
			}
}

static void text_token(struct walk *w, struct html_slice text)
{
	if (w->raw == TAG_TITLE) {
		if (w->b->title.len == 0)
			html_fold(&w->b->title, text, false);
	} else if (w->hidden == 0) {
		/* The standard's newline right after <pre> is no part of it. */
		if (w->raw == TAG_PRE && text.n > 0 && text.s[0] == '\n') {
			text.s++;
			text.n--;
		}
		while (w->raw == TAG_ANNOTATION && text.n > 0 && html_space(*text.s)) {
			text.s++;
			text.n--;
		}
		html_add_text(w, text.s, text.n);
	}
}

void html_collect(const char *html, size_t n, enum html_mode mode, struct html_blocks *b)
{
	struct walk *w = mem_zalloc(sizeof(*w));
	struct html_tokens tokens = {.s = html, .n = n};
	struct html_token t;
	w->b = b;
	w->main = mode == HTML_MAIN;
	w->depth = 1;
	b->n_nodes = 0;
	MEM_PUSH_ROOM(b->nodes, b->n_nodes, b->cap_nodes);
	b->nodes[b->n_nodes++] = (struct node){.tag = TAG_BODY};
	html_begin_block(w);
	while (html_next(&tokens, &t)) {
		if (t.kind == HTML_TEXT)
			text_token(w, t.text);
		else if (t.kind == HTML_OPEN)
			open_tag(w, &t);
		else
			close_tag(w, t.tag);
		if (t.kind != HTML_OPEN)
			w->raw = TAG_OTHER;
	}
	pop_to(w, 1);
	html_end_block(w);
	b->nodes[0].to = (uint32_t)b->n;
	mem_free(w);
}

void html_blocks_release(struct html_blocks *b)
{
	buf_release(&b->text);
	buf_release(&b->title);
	buf_release(&b->lang);
	buf_release(&b->date);
	mem_free(b->v);
	mem_free(b->nodes);
	*b = (struct html_blocks){0};
}

/* html_blocks.h - a parsed page as a list of text blocks, and which of them are content. Private to html*.c. */
#ifndef QUERN_TEXT_HTML_BLOCKS_H
#define QUERN_TEXT_HTML_BLOCKS_H

#include "base/mem.h"
#include "text/html.h"

#include <gumbo.h>

enum block_kind { BLOCK_PARAGRAPH, BLOCK_HEADING, BLOCK_ITEM, BLOCK_ROW, BLOCK_PRE };

struct block {
	size_t from, to;             /* its text in html_blocks.text */
	int words, link_words;
	enum block_kind kind;
	bool starts_paragraph;       /* a blank line stands before it */
	bool content;                /* the verdict of html_choose */
};

/* A part of the page that is, by its element or its names, the content or surely not. */
enum region_kind { REGION_JUNK, REGION_MAIN, REGION_ARTICLE, REGION_BODY };
struct region {
	enum region_kind kind;
	int from, to;                /* blocks */
};

struct html_blocks {
	struct buf text, title, lang;
	struct block *v;
	int n, cap;
	struct region *regions;
	int n_regions, cap_regions;
};

/* Walks the tree without recursion. */
void html_collect(const GumboNode *root, struct html_blocks *b);
/* Marks the blocks that belong to the mode. */
void html_choose(struct html_blocks *b, enum html_mode mode);
void html_blocks_release(struct html_blocks *b);

/* What the element's names (tag, role, class, id) say: -1 nothing, else a region_kind. */
int html_region_of(const GumboElement *e);
/* Elements whose text is never read. */
bool html_is_hidden(const GumboElement *e);

#endif

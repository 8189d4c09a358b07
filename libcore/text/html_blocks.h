/* html_blocks.h - a page as a list of text blocks within a tree of containers, and which of them are content. Private to html*.c. */
#ifndef QUERN_TEXT_HTML_BLOCKS_H
#define QUERN_TEXT_HTML_BLOCKS_H

#include "base/mem.h"
#include "text/html.h"
#include "text/html_tokens.h"

enum block_kind { BLOCK_PARAGRAPH, BLOCK_HEADING, BLOCK_ITEM, BLOCK_CELL, BLOCK_PRE };

#define HTML_CELL_WORDS 20   /* what longer cells hold are paragraphs */

/* A run of text that no block element interrupts: 28 bytes, since a page may consist of little else. */
struct block {
	uint32_t from, to;           /* its text in html_blocks.text */
	uint32_t node;               /* the innermost container; 0 is the page */
	uint32_t group;              /* of an item its list item, of a cell its row: a number that blocks next to each other share */
	uint32_t words, link_words;
	unsigned kind : 4;           /* enum block_kind */
	unsigned depth : 4;          /* of an item: the lists that it stands in */
	unsigned starts_paragraph : 1;   /* a blank line stands before it */
	unsigned starts_cell : 1;    /* the first of its table cell */
	unsigned in_p : 1;           /* stands in <p> or <blockquote> */
	unsigned sentence : 1;       /* ends as sentences do */
	unsigned pictured : 1;       /* a picture stands right before it in its line */
	unsigned junk : 1;           /* stands in a part that names itself junk */
	unsigned content : 1;        /* the verdict of html_choose */
};

/* What an element's tag, role, class and id say of its contents. */
enum html_role { ROLE_NONE, ROLE_WEAK, ROLE_JUNK, ROLE_MAIN, ROLE_ARTICLE, ROLE_BODY };

/* A container: an element that groups blocks. Those without text are not kept. Parents stand before children. */
struct node {
	uint32_t parent, from, to;   /* blocks [from, to) */
	uint8_t tag, role;
	bool picture;                /* holds one, or a container without text that does */
};

struct html_blocks {
	struct buf text, title, lang, date;
	struct block *v;
	struct node *nodes;          /* nodes[0] is the page */
	int n, cap, n_nodes, cap_nodes;
};

/* Reads the page, valid UTF-8 of at most HTML_BYTES_MAX, in one pass. */
void html_collect(const char *html, size_t n, enum html_mode mode, struct html_blocks *b);
/* Marks the blocks that belong to the mode. */
void html_choose(struct html_blocks *b, enum html_mode mode);
void html_blocks_release(struct html_blocks *b);

enum html_role html_role_of(const struct html_token *t);
/* Does a short line of n bytes begin as those around articles do ("See also", "Photo:", "Share")? */
bool html_is_cue(const char *s, size_t n);
/* An <annotation> that says in TeX what the formula around it says in MathML. */
bool html_is_tex(const struct html_token *t);
/* Elements whose text is never read. */
bool html_is_hidden(const struct html_token *t);
/* Appends text of the page with its references read and its white space folded to single spaces. */
void html_fold(struct buf *out, struct html_slice s, bool attribute);
/* What a start tag of <html> or <meta> says of language and date. */
void html_read_meta(const struct html_token *t, struct html_blocks *b);
/* If no tag gave the date: JSON-LD in a script may, "datePublished": "2020-05-17T08:00:00+02:00". */
void html_find_date(const char *s, size_t n, struct html_blocks *b);

#endif

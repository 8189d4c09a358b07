/* html_walk.h - the state of the pass over a page, which html_blocks.c (tags) and html_text.c (text) share. */
#ifndef QUERN_TEXT_HTML_WALK_H
#define QUERN_TEXT_HTML_WALK_H

#include "text/html_blocks.h"

#define HTML_OPEN_MAX 512    /* elements on the stack */

struct open {
	uint8_t tag, kind;           /* kind: enum block_kind of the text inside */
	bool link, hidden, block;
	int node;                    /* the container that it is, or stands in */
	bool owns_node;
	uint32_t group;
};

struct walk {
	struct html_blocks *b;
	bool main;                   /* the mode is HTML_MAIN */
	struct block now;            /* the block being filled; now.from is its start */
	struct open stack[HTML_OPEN_MAX];
	int depth;
	int open[TAG_N];             /* how many stand on the stack; and of those that found no room: */
	int64_t beyond[TAG_N];
	int links, hidden;           /* open elements that are */
	bool in_word, space, paragraph, line_break;
	unsigned unspaced;           /* characters of such scripts so far */
	uint32_t groups;
	enum html_tag raw;           /* the text element just opened */
	struct {
		bool space;
		uint32_t text;               /* bytes and words before the formula that is open */
		uint32_t words, link_words;
	} before_math;
};

static inline struct open *top(struct walk *w) { return &w->stack[w->depth - 1]; }

/* Starts a block, whose text begins where the page's ends. */
void html_begin_block(struct walk *w);
/* Ends it: it is kept if it has words. */
void html_end_block(struct walk *w);
/* n bytes of one word, or of a part of it. */
void html_add_letters(struct walk *w, const char *s, size_t n);
/* Text of the page, with its references. */
void html_add_text(struct walk *w, const char *s, size_t n);
/* One line break stays in its block, two in a row end it. */
void html_break_line(struct walk *w);

#endif

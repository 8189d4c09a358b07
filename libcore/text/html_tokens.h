/* html_tokens.h - a page as a sequence of tags and text, after the tokenizer of the HTML standard (13.2.5). Private to html*.c.
 *
 * Any bytes are a page: nothing is an error, each byte is looked at a fixed number of times. Slices point into the page. The contents of
 * script, style and their like come as no token, that of title, textarea and xmp as one text. */
#ifndef QUERN_TEXT_HTML_TOKENS_H
#define QUERN_TEXT_HTML_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The elements that a reader of text tells apart, in the order of their names. */
enum html_tag {
	TAG_OTHER, TAG_A, TAG_ADDRESS, TAG_ANNOTATION, TAG_ANNOTATION_XML, TAG_ARTICLE, TAG_ASIDE, TAG_AUDIO, TAG_BLOCKQUOTE, TAG_BODY, TAG_BR, TAG_BUTTON, TAG_CANVAS,
	TAG_CAPTION, TAG_CENTER, TAG_DATALIST, TAG_DD, TAG_DETAILS, TAG_DIALOG, TAG_DIR, TAG_DIV, TAG_DL, TAG_DT, TAG_FIELDSET,
	TAG_FIGCAPTION, TAG_FIGURE, TAG_FOOTER, TAG_FORM, TAG_H1, TAG_H2, TAG_H3, TAG_H4, TAG_H5, TAG_H6, TAG_HEAD, TAG_HEADER, TAG_HGROUP,
	TAG_HR, TAG_HTML, TAG_IFRAME, TAG_IMG, TAG_LEGEND, TAG_LI, TAG_LISTING, TAG_MAIN, TAG_MAP, TAG_MATH, TAG_MENU, TAG_META, TAG_NAV, TAG_NOEMBED,
	TAG_NOFRAMES, TAG_NOSCRIPT, TAG_OBJECT, TAG_OL, TAG_OPTION, TAG_P, TAG_PRE, TAG_SCRIPT, TAG_SECTION, TAG_SELECT, TAG_SPAN, TAG_STYLE,
	TAG_SUMMARY, TAG_SVG, TAG_TABLE, TAG_TBODY, TAG_TD, TAG_TEMPLATE, TAG_TEXTAREA, TAG_TFOOT, TAG_TH, TAG_THEAD, TAG_TITLE,
	TAG_TR, TAG_UL, TAG_VIDEO, TAG_XMP, TAG_N
};

enum html_attribute {
	ATTR_CLASS, ATTR_CONTENT, ATTR_ENCODING, ATTR_HIDDEN, ATTR_HREF, ATTR_ID, ATTR_ITEMPROP, ATTR_LANG, ATTR_NAME,
	ATTR_PROPERTY, ATTR_ROLE, ATTR_STYLE, ATTR_N
};

struct html_slice {
	const char *s;
	size_t n;
};

struct html_token {
	enum { HTML_TEXT, HTML_OPEN, HTML_CLOSE } kind;
	enum html_tag tag;
	bool empty;                           /* ends in "/>" */
	struct html_slice text;               /* of HTML_TEXT, references not yet read */
	unsigned present;                     /* bit (1 << enum html_attribute); the values of the others are not set */
	struct html_slice value[ATTR_N];
};

struct html_tokens {
	const char *s;
	size_t n, at;
	enum html_tag raw;                    /* the text element whose contents come next */
	bool no_drawing_ends;                 /* no </svg> stands further on */
};

static inline bool html_has(const struct html_token *t, enum html_attribute a) { return t->present >> a & 1; }
static inline bool html_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v'); }

/* The next token; false at the end of the page. {page, bytes} is a fresh reader. */
bool html_next(struct html_tokens *r, struct html_token *t);

#endif

/* html.h - the text of a web page: main content, or all of it; title and language.
 *
 * The page is parsed by gumbo (HTML5), turned into blocks (paragraphs, headings, list items, table rows, preformatted text) by a walk
 * without recursion, and in HTML_MAIN blocks that are navigation, not content, are left out: by element and role
 * (nav, header, footer, aside, form, ...), by the words in class and id, and by the share of their text that stands in links
 * (Kohlschuetter et al., "Boilerplate detection using shallow text features", WSDM 2010). Blocks are separated by one
 * line break, paragraphs and headings by a blank line; list items start with "- ", cells are separated by " | ", pre keeps its
 * white space. The input is UTF-8 (charset.h makes it so); invalid sequences come out as U+FFFD. */
#ifndef QUERN_TEXT_HTML_H
#define QUERN_TEXT_HTML_H

#include "base/error.h"
#include "base/mem.h"

enum html_mode { HTML_MAIN, HTML_ALL };

#define HTML_BYTES_MAX (16u << 20)   /* larger pages are refused: a parse tree takes about 20 times the page */

struct html_page {
	struct buf text, title, lang; /* lang as the page declares it ("en-GB"), "" if it does not */
};

/* Fills page (cleared first; {0} is valid). ERR_DATA if the page is larger than HTML_BYTES_MAX or nested so deeply that
 * parsing it would cost quadratic time. */
enum status html_extract(const char *html, size_t n, enum html_mode mode, struct html_page *page, struct error *err);
/* Whether these bytes look like an HTML page: a doctype, or a tag that only pages start with. */
int html_looks_like(const char *s, size_t n);
void html_page_clear(struct html_page *page);

#endif

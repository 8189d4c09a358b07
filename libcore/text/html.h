/* html.h - the text of a web page: main content, or all of it; title, language, date.
 *
 * One pass reads tags and text as browsers do (tag soup, implied end tags, character references, text elements) and makes blocks of
 * text: paragraphs, headings, list items, table cells, preformatted text; html_choose.c says which of them are content in HTML_MAIN.
 * Blocks are separated by one line break, paragraphs and headings by a blank line; list items start with "- ", two spaces further in for each list
 * around theirs, the cells of a row are separated by " | ", a formula is its TeX between dollar signs where its MathML has one, else the MathML's text, <br> is a line break, pre keeps its white space; the text is in NFC; soft hyphens and
 * zero-width spaces are left out, as are the contents of script, style, noscript, select, button, textarea and their like, and of what is
 * hidden by `hidden` or display:none.
 * Nothing is an error: any bytes are a page, invalid sequences come out as U+FFFD. Time is linear in the page, memory at most 16 times it
 * (pages of nothing but one-letter blocks); elements nested deeper than 512 are read as if they were not there. */
#ifndef QUERN_TEXT_HTML_H
#define QUERN_TEXT_HTML_H

#include "base/error.h"
#include "base/mem.h"

enum html_mode { HTML_MAIN, HTML_ALL };

#define HTML_BYTES_MAX (1u << 30)

/* What the page declares of itself, "" where it does not; at most HTML_FIELD_BYTES each, and a character. */
#define HTML_FIELD_BYTES 4096
struct html_page {
	struct buf text;
	struct buf title;            /* of <title> */
	struct buf lang;             /* of <html lang>: "en-GB" */
	struct buf date;             /* of publication, as written: <meta> (article:published_time, date, ...), else JSON-LD's datePublished */
};

/* Fills page (cleared first; {0} is valid). ERR_DATA if the page is larger than HTML_BYTES_MAX. */
enum status html_extract(const char *html, size_t n, enum html_mode mode, struct html_page *page, struct error *err);
/* Whether these bytes look like an HTML page: a doctype, or a tag that only pages start with. */
int html_looks_like(const char *s, size_t n);
void html_page_clear(struct html_page *page);

#endif

/* import_extract.h - a raw record that is text, HTML, a manual page or an HTTP response, as the text of a document. */
#ifndef QUERN_TEXT_IMPORT_EXTRACT_H
#define QUERN_TEXT_IMPORT_EXTRACT_H

#include "text/html.h"
#include "text/import_source.h"
#include "text/warc.h"

struct extracted {                   /* scratch of one thread; {0} is valid */
	struct buf text;
	struct buf meta;             /* JSON object, or empty */
	struct html_page page;
	struct buf utf8;
	int64_t replaced;            /* invalid bytes of the record, now U+FFFD */
	struct http_response http;
};

/* Fills e->text and e->meta. Returns NULL, or the reason why there is no text. max bounds what a response may unpack to. */
const char *import_extract(const struct chunk *c, const struct raw *r, enum html_mode mode, size_t max, struct extracted *e);
void extracted_release(struct extracted *e);

#endif

/* warc.h - web archives (WARC 0.18, 1.0, 1.1; ISO 28500): record after record off an input, and the HTTP responses in them.
 *
 * Lenient where crawlers err: extra blank lines, bare line feeds, <> around the target URI. A record whose head is broken is
 * reported as bad, and reading goes on at the next line that begins with "WARC/". */
#ifndef QUERN_TEXT_WARC_H
#define QUERN_TEXT_WARC_H

#include "base/file.h"

struct warc_record {
	struct buf type, uri, date, content_type; /* "" where the record does not say */
	struct buf body;
	const char *bad;             /* NULL, or why there is no body: "bad_warc", "too_large" */
};

/* Reads the next record into r (cleared; {0} is valid). A body of more than max bytes is skipped. END at the end. */
enum status warc_next(struct input *in, size_t max, struct warc_record *r, struct error *err);
void warc_record_release(struct warc_record *r);

struct http_response {
	int status;
	char content_type[64];       /* "text/html", lower case, "" if not given */
	char charset[32];
	struct buf body;             /* with chunks joined and gzip undone */
};
/* False if p[0..n) is no response, or is encoded in a way we cannot undo. h is cleared first. */
bool http_parse(const char *p, size_t n, size_t max, struct http_response *h);
/* Splits "text/html; charset=utf-8" (n bytes). */
void http_content_type(const char *s, size_t n, char type[64], char charset[32]);

#endif

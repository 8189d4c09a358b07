/* charset.h - bytes of any encoding to UTF-8.
 *
 * The encoding is, in this order: a byte order mark; the hint (the charset of an HTTP Content-Type); what the first
 * 4 KiB of an HTML page declare (<meta charset>, http-equiv, <?xml encoding>); UTF-8 if the bytes are valid UTF-8; else
 * what charset_guess.h takes them for, windows-1252 where in doubt. As browsers do (WHATWG Encoding), iso-8859-1 and us-ascii are read as windows-1252. A declared encoding that
 * nobody knows is passed over. A declaration of UTF-8 by bytes that are not mostly UTF-8 is believed all the same: each
 * invalid byte becomes U+FFFD and is counted. */
#ifndef QUERN_TEXT_CHARSET_H
#define QUERN_TEXT_CHARSET_H

#include "base/error.h"
#include "base/mem.h"

#include <stdint.h>

/* Appends the text to out. hint may be NULL; n_replaced (may be NULL) gets the number of U+FFFD put in place of invalid bytes.
 * name (may be NULL) gets the encoding that was used, at most 31 characters. */
enum status text_to_utf8(const void *bytes, size_t n, const char *hint, struct buf *out, int64_t *n_replaced, char name[32],
			 struct error *err);

#endif

/* roff_escape.h - escapes of roff text: fonts and motions dropped, glyphs as Unicode. Private to roff. */
#ifndef QUERN_TEXT_ROFF_ESCAPE_H
#define QUERN_TEXT_ROFF_ESCAPE_H

#include "base/mem.h"

/* Appends one line's text to out, up to a comment. */
void roff_escape(const char *s, size_t n, struct buf *out);

#endif

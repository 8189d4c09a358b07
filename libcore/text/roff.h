/* roff.h - the text of a manual page: man(7) or mdoc(7) source without its macros.
 *
 * This is a reduction, not a formatter: headings, paragraphs, tags and list items stand on lines of their own, filled text becomes one
 * line a paragraph, no-fill text and tables keep their lines; fonts, sizes, comments, definitions and conditionals vanish;
 * glyph escapes become Unicode; .so is not followed. Whatever the bytes, it ends, in time linear in them. */
#ifndef QUERN_TEXT_ROFF_H
#define QUERN_TEXT_ROFF_H

#include "base/mem.h"

/* Whether this is the start of a manual page: requests from the first line on, and among them one that only pages have. */
bool roff_looks_like(const char *s, size_t n);
/* Appends the text of s (UTF-8) to out. */
void roff_text(const char *s, size_t n, struct buf *out);

#endif

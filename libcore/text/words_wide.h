/* words_wide.h - the UAX 29 words of every script, many bytes at a time.
 *
 * Each byte has its character's class, a bit for each class: letters, digits and underscores are in runs, which go over one mark between two
 * letters or two digits; Katakana is in runs of its own; marks (Extend) go with what is before them, and every other character begins a
 * segment. Where more than that decides (flags, pictures joined by U+200D, quotes behind Hebrew letters, spaces that a mark follows) it stops:
 * the plain C in words.c, which is the specification, goes on. */
#ifndef QUERN_TEXT_WORDS_WIDE_H
#define QUERN_TEXT_WORDS_WIDE_H

#include "text/unicode.h"

/* As words_ascii (words_ascii.h), for all characters and up to the end of the text. Stops at once where char_window.h is not to be used. */
size_t words_wide(const char *s, size_t n, size_t i, int64_t most, struct spans *words);

#endif

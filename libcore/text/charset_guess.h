/* charset_guess.h - which encoding bytes are in that nobody declared and that are not UTF-8.
 *
 * Each candidate is tried on the first kilobytes with bytes beyond ASCII, and judged by how many of the characters that come out are
 * among the commonest of the languages written in it, measured against how many they are in running text. */
#ifndef QUERN_TEXT_CHARSET_GUESS_H
#define QUERN_TEXT_CHARSET_GUESS_H

#include <stddef.h>

/* An encoding's name for iconv; "windows-1252" where nothing else is clearly better, as of short texts. */
const char *charset_guess(const char *s, size_t n);

#endif

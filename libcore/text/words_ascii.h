/* words_ascii.h - the UAX 29 words of ASCII, many bytes at a time.
 *
 * In ASCII a segment is a run of letters, digits and underscores, which goes over one mark between two letters (' . :) or between
 * two digits (' . , ;), or else a character by itself: bits tell where runs start and end. The plain C in words.c is the specification. */
#ifndef QUERN_TEXT_WORDS_ASCII_H
#define QUERN_TEXT_WORDS_ASCII_H

#include "text/unicode.h"

/* Appends the words (segments that are not white space) of s from i on, where a segment starts, until there are `most` or up to 63
 * more. Returns where it stops: behind the last segment whose end no byte that it has not seen could move, i if there is none. It
 * stops before a byte that is not ASCII, or with fewer than 64 bytes left. */
size_t words_ascii(const char *s, size_t n, size_t i, int64_t most, struct spans *words);
/* Chooses the code by name, for tests: "avx512", "avx2", "plain" (which stops at once); NULL the best. False if the machine cannot. */
bool words_ascii_force(const char *isa);

#endif

/* words.h - the words of a text, in the two ways that quality rules count them, and its sentences.
 *
 * WORDS_SPACE is Python's str.split(). WORDS_UNICODE is the default segmentation of UAX 29, without the segments that are all white
 * space: punctuation marks are words of their own, as they are in spaCy's and NLTK's tokens. No dictionary is asked, so Han and
 * Hiragana count by the character, Katakana by the run, Thai, Lao, Khmer and Burmese by the cluster (a letter with its marks).
 *
 * A sentence ends behind a run of terminal punctuation (punctuation_is_terminal) and what closes it (quotes, brackets), where white space or
 * the end follows; behind the full stops of Chinese and Japanese (U+3002, U+FF01, U+FF1F, U+FF61) nothing needs to follow. What
 * is left at the end is one too. All is linear in the text. */
#ifndef QUERN_TEXT_WORDS_H
#define QUERN_TEXT_WORDS_H

#include "text/unicode.h"

enum splitter { WORDS_SPACE, WORDS_UNICODE, N_SPLITTERS };

/* Appends the words of s (valid UTF-8, below 4 GiB) from a place on where one may start, until there are `most` of them or up to 63
 * more; INT64_MAX is all. Returns where to go on, n at the end. */
size_t words_split(enum splitter how, const char *s, size_t n, size_t from, int64_t most, struct spans *words);
/* End of the UAX 29 segment that starts at s[at], at < n. */
size_t words_segment(const char *s, size_t n, size_t at);
/* Sentences in s, white space alone not counted. */
int64_t words_sentences(const char *s, size_t n);

#endif

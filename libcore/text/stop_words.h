/* stop_words.h - the commonest function words of twenty widely used languages, in lower case.
 *
 * The lists are short and our own: enough to tell prose of a language from lists and tables in its script, not to tell languages
 * apart. Chinese and Japanese ones are single characters, as WORDS_UNICODE cuts them. */
#ifndef QUERN_TEXT_STOP_WORDS_H
#define QUERN_TEXT_STOP_WORDS_H

#include <stddef.h>
#include <stdint.h>

#define STOP_LANGUAGES 20
#define STOP_WORD_BYTES 24       /* none is longer */

/* The languages, as bits, whose lists hold this word. */
uint32_t stop_words_of(const char *s, size_t n);

#endif

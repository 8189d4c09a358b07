/* punctuation.h - the two character sets that datatrove's rules speak of; exact, since thresholds were tuned with them. */
#ifndef QUERN_TEXT_PUNCTUATION_H
#define QUERN_TEXT_PUNCTUATION_H

#include <stdbool.h>
#include <stdint.h>

bool punctuation_has(uint32_t c);            /* PUNCTUATION: 129 characters, controls among them */
bool punctuation_is_terminal(uint32_t c);    /* TERMINAL_PUNCTUATION: 159 ends of sentences of the world's scripts */

#endif

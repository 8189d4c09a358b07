/* minhash_words.h - what minhash.c, minhash_text.c and minhash_words.c have between them. */
#ifndef QUERN_TEXT_MINHASH_WORDS_H
#define QUERN_TEXT_MINHASH_WORDS_H

#include "text/minhash.h"

/* Another word or character, by its places in x->text and in the source. */
void minhash_add_unit(struct minhash_scratch *x, size_t at, size_t source);
/* Whether plain text is taken in blocks, where the CPU can; it gives the same. */
void minhash_words_in_blocks(bool wanted);

#endif

/* bpe_walk.h - byte pair encoding of a long piece in time linear in its length, from left to right.
 *
 * What merging by rank gives is the one sequence of tokens in which each two neighbours, merged by themselves, stay these two: whether a
 * merge crosses their border depends on them alone. So a prefix of a text has one encoding, and that of the whole is found by trying at
 * each place the longest token that may stand behind the last, then shorter ones, and going back where none fits; a place that was left
 * for good is never tried again. (van Antwerpen and Neubeck, "So many tokens, so little time", GitHub 2024, tell the idea; the proof
 * needs no more than that merges happen in order of rank and place.)
 *
 * That order must be one of time: a merge has a higher rank than those that made its parts. Trained and converted vocabularies are so;
 * for others there is no walk, and bpe.c's heap does the work. */
#ifndef QUERN_TOKEN_BPE_WALK_H
#define QUERN_TOKEN_BPE_WALK_H

#include "token/bpe.h"

struct bpe_walk;
/* NULL if merges are not in order of time, or join the tokens of byte fallback or the unknown token. */
struct bpe_walk *bpe_walk_open(const struct bpe *m);
void bpe_walk_close(struct bpe_walk *k);
/* Appends the ids of n bytes, each (or each character, in a model over characters) a token of the vocabulary. */
void bpe_walk_encode(const struct bpe_walk *k, const struct bpe *m, struct bpe_walk_scratch *w, const uint8_t *p, size_t n, struct ids *out);
/* When a token comes to be: 0 for a symbol, else one more than the rank of its last merge; -1 if no text becomes it. */
int64_t bpe_walk_time(const struct bpe_walk *k, int32_t id);
/* Whether two such tokens, left and right, ever stand side by side. */
bool bpe_walk_meet(const struct bpe_walk *k, const struct bpe *m, int32_t left, int32_t right);

#endif

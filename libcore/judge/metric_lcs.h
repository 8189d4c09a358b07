/* metric_lcs.h - where the words of a text stand, as words of 64 bits: what the bit-parallel recurrences for the longest common
 * subsequence and the edit distance read, and a common subsequence itself.
 *
 * A frequent token has its row of bits; a rare one's is made when it is asked for. So a text of n tokens takes O(n) memory, or 64Ki
 * words where that gives every token its row, and asking costs no more than a step of the recurrence. */
#ifndef QUERN_JUDGE_METRIC_LCS_H
#define QUERN_JUDGE_METRIC_LCS_H

#include "judge/metric_text.h"

struct places {                      /* {0} is valid */
	int64_t n;                   /* tokens of the text */
	size_t width;                /* words of a row: n / 64, rounded up */
	uint32_t ids;                /* tokens are below */
	uint32_t *head, *count, *row;        /* of each token: a place + 1, how many, its row + 1 */
	uint32_t *next, *token;      /* of each place: another of the same token + 1; its token */
	uint64_t *rows, *rare;
	size_t cap_ids, cap_places, cap_rows, cap_rare;
};
/* ids: more than any token of t. O(n) but for the growing of tables. */
void places_set(struct places *p, const struct tokens *t, uint32_t ids);
void lcs_places_release(struct places *p);
/* Bits of the places of id (which may be ids or more: none); valid until the next call. */
const uint64_t *places_of(struct places *p, uint32_t id);

/* Length of the longest common subsequence of the text and b (Hyyro 2004). v: p->width words of scratch. */
int64_t lcs_length(struct places *p, const struct tokens *b, uint64_t *v);
/* Words of scratch that lcs_mark wants for b. */
size_t lcs_mark_words(const struct places *p, int64_t b);
/* Sets hit[i] for each place i of the text in one longest common subsequence with b: the one that rouge_score's way back through
 * the table of lengths finds. Rows of the table are kept at every 256th token of b, and the others made again. */
void lcs_mark(struct places *p, const struct tokens *text, const struct tokens *b, uint64_t *scratch, bool *hit);
/* Levenshtein distance of the text and b (Myers 1999). v: 2 * p->width words of scratch. */
int64_t edit_distance(struct places *p, const struct tokens *b, uint64_t *v);

#endif

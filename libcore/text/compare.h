/* compare.h - what of a row is compared with other rows: a document's text, the turns of a conversation, a pair's prompt.
 *
 *	kind          text                                   prompt          last
 *	documents     text                                   -               -
 *	chat          user and assistant turns               user turns      the last user turn
 *	problems      user turns of the prompt               user turns      the last user turn
 *	preferences   user turns, chosen, rejected           user turns      the last user turn
 *	feedback      user turns, completion                 user turns      the last user turn
 *
 * A line feed ends each turn, U+001E each column but the first; system turns are never compared. */
#ifndef QUERN_TEXT_COMPARE_H
#define QUERN_TEXT_COMPARE_H

#include "stream/stream.h"

enum compare_by { COMPARE_AUTO, COMPARE_TEXT, COMPARE_PROMPT, COMPARE_LAST };

/* The kinds that have a text to compare. */
extern const enum kind compare_kinds[];
extern const int compare_kinds_n;
bool compare_takes(enum kind k);

/* What COMPARE_AUTO is where rows of a kind meet those of files, of which the first rows are looked at: COMPARE_PROMPT where one side is problems,
 * else COMPARE_TEXT. */
enum status compare_choose(enum kind k, const char *const *paths, int n, enum compare_by *by, struct error *err);
/* Appends the compared text of a row; by is not COMPARE_AUTO. Documents have only their text. */
void compare_text(const struct batch *b, int64_t row, enum compare_by by, struct buf *out);
/* The same without a copy where the row is a document, else made in scratch. */
const char *compare_view(const struct batch *b, int64_t row, enum compare_by by, struct buf *scratch, size_t *n);
/* A row's id, or its number if it has none, in the place of what out holds. */
void compare_id(const struct batch *b, int64_t row, int64_t number, struct buf *out);

#endif

/* normal_form.h - Unicode's normal forms in time linear in the text. utf8proc has the tables, but sorts each row of marks by insertion, which
 * takes quadratic time on a row that is made to be slow. */
#ifndef QUERN_TEXT_NORMAL_FORM_H
#define QUERN_TEXT_NORMAL_FORM_H

#include "base/mem.h"

enum text_form { TEXT_NFC, TEXT_NFD, TEXT_NFKC, TEXT_NFKD };

/* Appends UTF-8 in that form (UAX #15, of utf8proc's version of Unicode). What is no UTF-8 becomes U+FFFD. */
void text_normalize(const char *s, size_t n, enum text_form form, struct buf *out);
/* Whether a character may change, or change with the one before it, by TEXT_NFC. No other does but by the order of marks in a row. */
bool normal_form_may_change(uint32_t c);
bool normal_form_is_mark(uint32_t c);                /* has a combining class */
/* Whether a row of marks, none of which may change, is in order. */
bool normal_form_ordered(const char *s, size_t n);

#endif

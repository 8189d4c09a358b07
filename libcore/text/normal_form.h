/* normal_form.h - Unicode's normal forms in time linear in the text. utf8proc has the tables, but sorts each row of marks by insertion, which
 * takes quadratic time on a row that is made to be slow. */
#ifndef QUERN_TEXT_NORMAL_FORM_H
#define QUERN_TEXT_NORMAL_FORM_H

#include "base/mem.h"

enum text_form { TEXT_NFC, TEXT_NFD, TEXT_NFKC, TEXT_NFKD };

/* Appends UTF-8 in that form (UAX #15, of utf8proc's version of Unicode). What is no UTF-8 becomes U+FFFD. */
void text_normalize(const char *s, size_t n, enum text_form form, struct buf *out);

#endif

/* pii_priv.h - the finders of pii.c. Each looks at s around the byte at i, which made the scan stop, and not before `from`; a find is
 * [*begin, return value), none is a return value of 0. */
#ifndef QUERN_TEXT_PII_PRIV_H
#define QUERN_TEXT_PII_PRIV_H

#include "text/pii.h"

typedef size_t pii_finder(const char *s, size_t n, size_t from, size_t i, size_t *begin);

pii_finder pii_email, pii_ipv4, pii_ipv6, pii_phone, pii_card, pii_iban, pii_key;

static inline bool pii_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool pii_upper(char c) { return c >= 'A' && c <= 'Z'; }
static inline bool pii_alnum(char c) { return pii_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z'); }

#endif

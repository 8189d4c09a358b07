/* pii.h - e-mail addresses and public IPv4 addresses in text.
 *
 * E-mail: the usual characters before the @ (RFC 5322 atoms with dots between them), a domain of at least two labels after it. IPv4: four
 * decimal octets without leading zeros, not part of a longer dotted number, in a range that IANA lists as globally
 * reachable (as Python's ipaddress.is_global). One pass, linear. */
#ifndef QUERN_TEXT_PII_H
#define QUERN_TEXT_PII_H

#include "base/mem.h"

/* Appends s with each address as "[EMAIL]" or "[IP]" to out (NULL: only counts); returns how many there were. */
int64_t pii_mask(const char *s, size_t n, struct buf *out);

#endif

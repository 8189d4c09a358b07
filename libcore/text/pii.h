/* pii.h - personal data and secrets in text: found by shape and, where there is one, by check digits.
 *
 * email: the usual characters before the @ (RFC 5322 atoms with dots between them), a domain of at least two labels behind it. ip: IPv4 as four
 * decimal octets without leading zeros, IPv6 in any form of RFC 4291 with at least three groups, neither part of something longer, in
 * ranges that IANA lists as globally reachable. phone: numbers that start with + and 8 to 15 digits, and North American ones with separators
 * ((555) 123-4567, 555-123-4567). card: 13 to 19 digits, alone or in groups, of a payment network's prefix, that pass Luhn's test.
 * iban: by country's length and mod 97. key: AWS, GitHub, GitLab, Slack, Google, Stripe and OpenAI-style keys, JSON web tokens, and private keys in
 * PEM. One pass over the text looks for bytes that any of these start at or hold; the rest costs that look only. Linear. */
#ifndef QUERN_TEXT_PII_H
#define QUERN_TEXT_PII_H

#include "base/error.h"
#include "base/mem.h"

enum pii_kind { PII_EMAIL, PII_IP, PII_PHONE, PII_CARD, PII_IBAN, PII_KEY, N_PII };
#define PII_ALL ((1u << N_PII) - 1)

const char *pii_name(enum pii_kind k);               /* "email" */
/* "email,ip" as bits. ERR_USAGE lists what there is. */
enum status pii_parse(const char *list, unsigned *kinds, struct error *err);
/* Adds what is found of these kinds (bits) to count[kind]; returns how many in all. out, if not NULL, gets the text appended with each
 * find as "[EMAIL]", "[IP]", "[PHONE]", "[CARD]", "[IBAN]" or "[KEY]". */
int64_t pii_scan(const char *s, size_t n, unsigned kinds, struct buf *out, int64_t count[N_PII]);

#endif

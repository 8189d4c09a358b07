/* mojibake.h - UTF-8 that was read as Latin-1 or Windows-1252, and back.
 *
 * A run of characters that all are bytes 0x80..0xFF of those encodings and that together are whole UTF-8 sequences is replaced by what the
 * sequences say, if that is sensible: letters and marks of Latin-1 and Latin Extended-A, general punctuation, currency and trade signs, emoji; of other
 * scripts only where the run gives at least two characters of letters. A single two-byte sequence behind a capital letter stays ("MENÜ“"), unless a small
 * letter follows. Text that was spoilt twice or thrice is read back as often. */
#ifndef QUERN_TEXT_MOJIBAKE_H
#define QUERN_TEXT_MOJIBAKE_H

#include "base/mem.h"

/* Appends s with its mojibake read back to out and returns true, or returns false and leaves out as it is if there is none. What is read goes as text_repair_as says. */
bool mojibake_repair(const char *s, size_t n, bool consume, struct buf *out);

#endif

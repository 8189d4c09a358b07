/* repair.h - texts as they were meant: normal form, line ends, characters that only hide, text that was decoded wrongly.
 *
 * Always: NFC (or NFKC); line ends (CR, CRLF, U+0085, U+2028, U+2029) as LF; control characters other than LF and TAB, and hidden ones
 * (U+00AD soft hyphen, U+200B, U+2060, U+FEFF), gone; white space at line ends gone; no more than two line feeds in a row; none at either
 * end. A text that needs none of this costs one look at its bytes.
 *
 * Mojibake: a run of characters that are what UTF-8's bytes look like when they are read as Latin-1 or Windows-1252 ("Ã©", "â€™") becomes what
 * the bytes say, if the whole run decodes, twice over where it was spoilt twice. Runs that also make sense as they stand stay: "Ã" or "â" with nothing
 * behind it, and pairs whose decoding is no letter, mark or punctuation of wide use (see repair.c).
 *
 * Hyphens: a letter, a hyphen and a line feed before a small letter are joined, as print breaks words. */
#ifndef QUERN_TEXT_REPAIR_H
#define QUERN_TEXT_REPAIR_H

#include "base/mem.h"

struct repair {
	bool nfkc, mojibake, hyphens;
	bool consume;                /* the text, which is huge, is read for the last time: its pages go as they are read (mem_discard) */
};

/* Appends s (valid UTF-8) to out, repaired. True if that changed it, or with consume. */
bool text_repair_as(const struct repair *how, const char *s, size_t n, struct buf *out);
/* The part that is always done. */
void text_repair(const char *s, size_t n, struct buf *out);

#endif

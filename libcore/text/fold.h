/* fold.h - texts that shall count as equal made equal: case, white space, punctuation, numbers and Unicode form put aside. */
#ifndef QUERN_TEXT_FOLD_H
#define QUERN_TEXT_FOLD_H

#include "base/error.h"
#include "base/mem.h"

enum fold {
	FOLD_CASE = 1,               /* lower case, character by character */
	FOLD_SPACE = 2,              /* each run of white space is one space, none at the ends */
	FOLD_PUNCTUATION = 4,        /* each of datatrove's 129 punctuation characters is a space */
	FOLD_DIGITS = 8,             /* each run of decimal digits is one 0 */
	FOLD_FORM = 16,              /* NFC */
	/* What other programs put aside, which has no word of its own. */
	FOLD_ENDS = 32,              /* white space at both ends */
	FOLD_EACH_DIGIT = 64,        /* each decimal digit is a 0 */
	FOLD_CCNET = 128             /* 34 characters that CCNet takes for punctuation, and controls, are gone */
};

/* "case,space" and so on, "all" or "none", as the sum of their bits. ERR_USAGE names the word that is none. */
enum status fold_parse(const char *words, unsigned *folds, struct error *err);
/* Appends the folded text; s may be invalid UTF-8, whose bad bytes stay. */
void text_fold(const char *s, size_t n, unsigned folds, struct buf *out);

#endif

/* unit.h - units of measurement behind a number: are two of them the same? */
#ifndef QUERN_JUDGE_UNIT_H
#define QUERN_JUDGE_UNIT_H

#include <stdbool.h>

/* "cm^2" and "square centimeters" agree, "cm" and "m" do not; words that we do not know agree with all. */
bool units_agree(const char *a, int a_n, const char *b, int b_n);

/* The same, of units that we both know: "h" and "hours". */
bool units_same(const char *a, int a_n, const char *b, int b_n);

#endif

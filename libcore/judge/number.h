/* number.h - exact rational numbers as people write them, for comparing answers (answer.h says which forms). */
#ifndef QUERN_JUDGE_NUMBER_H
#define QUERN_JUDGE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#define NUMBER_DIGITS 512

struct number {                      /* +-num/den, decimal digits without leading zeros ("" = 0), den > 0 */
	bool negative;
	int num_n, den_n;
	char num[NUMBER_DIGITS], den[NUMBER_DIGITS];
};

/* Reads the number that starts at p[0] and returns its length in bytes, 0 if there is none (or it has too many digits). */
size_t number_prefix(const char *p, size_t n, struct number *out);
/* The whole of p[0..n), white space, a final full stop and math dollars aside. */
bool number_parse(const char *p, size_t n, struct number *out);
/* Counts the numbers in a text and gives the last of them. */
int number_scan(const char *p, size_t n, struct number *last, const char **at, size_t *at_n);
bool number_equal(const struct number *a, const struct number *b);

#endif

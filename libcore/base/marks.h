/* marks.h - the canonical order of combining marks (UAX #15, D109), in linear time: utf8proc sorts by insertion, which a row that is made to be slow
 * makes quadratic. */
#ifndef QUERN_BASE_MARKS_H
#define QUERN_BASE_MARKS_H

#include <stddef.h>
#include <stdint.h>

/* The canonical combining class of a character, 0 for starters. */
int mark_class(int32_t c);
/* Sorts the rows of marks among n decomposed characters: each row by class, those of one class as they stand. */
void marks_order(int32_t *c, size_t n);

#endif

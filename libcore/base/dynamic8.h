/* dynamic8.h - numbers of [-1, 1] or [0, 1] in eight bits, finer near zero: the dynamic data type of bitsandbytes.
 *
 * Seven decades, each twice as fine as the one below it, and in each the middles of equal parts of [0.1, 1] (Dettmers,
 * 8-Bit Approximations for Parallelism in Deep Learning, 2015; bitsandbytes' create_dynamic_map). A number becomes the code of the
 * nearest value, of two equally near the lower. */
#ifndef QUERN_BASE_DYNAMIC8_H
#define QUERN_BASE_DYNAMIC8_H

#include <stdint.h>
#include <string.h>

/* The code is found by the number's sign, exponent and highest seven bits of fraction: such a cell has at most one place where the
 * nearest value changes. Below 2^-24 all are one cell. */
#define DYNAMIC8_FIRST 0x3380        /* cell of 2^-24 */
#define DYNAMIC8_CELLS (0x3f80 - DYNAMIC8_FIRST + 1)

struct dynamic8 {
	float value[256];            /* rising */
	float above[256];            /* beyond it, the next code's value is nearer */
	uint8_t low[2][DYNAMIC8_CELLS]; /* by sign: the lowest code of a cell */
	uint8_t behind[3];           /* so that four bytes can be read at each of those */
};
/* Made when first asked for; any thread. */
const struct dynamic8 *dynamic8_signed(void);
const struct dynamic8 *dynamic8_unsigned(void);

static inline uint8_t dynamic8_code(const struct dynamic8 *d, float x)
{
	int32_t bits, cell;
	uint8_t low;

	memcpy(&bits, &x, sizeof bits);
	cell = ((bits & 0x7fffffff) >> 16) - DYNAMIC8_FIRST;
	cell = cell < 0 ? 0 : cell < DYNAMIC8_CELLS ? cell : DYNAMIC8_CELLS - 1;
	low = d->low[bits < 0][cell];
	return (uint8_t)(low + (x > d->above[low]));
}

#endif

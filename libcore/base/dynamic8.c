/* dynamic8.c - see dynamic8.h. The values are those of torch's float arithmetic, to the bit. */
#include "base/dynamic8.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define DECADES 7

static struct dynamic8 with_sign, without_sign;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* torch.linspace(0.1, 1, n)[i]: from the nearer end, with one rounding. */
static float linspace(int i, int n)
{
	float step = (1.0f - 0.1f) / (float)(n - 1);

	return i < n / 2 ? (float)((double)0.1f + (double)step * i) : (float)(1.0 - (double)step * (n - 1 - i));
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static uint8_t nearest(const struct dynamic8 *d, float x)
{
	int code = 0;

	while (code < 255 && x > d->above[code])
		code++;
	return (uint8_t)code;
}

/* The numbers of a cell begin at this one. */
static float cell_begin(int cell)
{
	int32_t bits = (DYNAMIC8_FIRST + cell) << 16;
	float x;

	memcpy(&x, &bits, sizeof x);
	return cell ? x : 0;
}

static void make(struct dynamic8 *d, int is_signed)
{
	int n = 0;

	for (int decade = 0; decade < DECADES; decade++) {
		int parts = is_signed ? 1 << decade : 2 << decade;
		float scale = (float)pow(10, decade + 1 - DECADES);

		for (int i = 0; i < parts; i++) {
			float v = scale * ((linspace(i, parts + 1) + linspace(i + 1, parts + 1)) / 2);

			d->value[n++] = v;
			if (is_signed)
				d->value[n++] = -v;
		}
	}
	d->value[n++] = 0;
	d->value[n++] = 1;
	qsort(d->value, (size_t)n, sizeof *d->value, by_value);
	for (int i = 0; i < 255; i++)
		d->above[i] = (float)(((double)d->value[i] + (double)d->value[i + 1]) / 2);
	d->above[255] = INFINITY;
	for (int cell = 0; cell < DYNAMIC8_CELLS; cell++) {
		d->low[0][cell] = nearest(d, cell_begin(cell));
		d->low[1][cell] = nearest(d, -cell_begin(cell + 1));
	}
}

static void make_both(void)
{
	make(&with_sign, 1);
	make(&without_sign, 0);
}

const struct dynamic8 *dynamic8_signed(void)
{
	pthread_once(&once, make_both);
	return &with_sign;
}

const struct dynamic8 *dynamic8_unsigned(void)
{
	pthread_once(&once, make_both);
	return &without_sign;
}

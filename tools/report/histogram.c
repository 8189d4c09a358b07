/* histogram.c - see histogram.h. */
#include "report/histogram.h"

#include <math.h>
#include <string.h>

#define FINEST (-6)                  /* widths below 1/64 show nothing of a length or a reward */

double histogram_width(const struct histogram *h) { return ldexp(1, h->exponent); }

static int64_t half(int64_t i) { return i < 0 ? -((1 - i) / 2) : i / 2; }

/* Two bins become one, at even places. */
static void widen(struct histogram *h)
{
	int64_t bins[HISTOGRAM_BINS] = { 0 }, first = half(h->first);

	for (int i = 0; i < HISTOGRAM_BINS; i++)
		if (h->bins[i])
			bins[half(h->first + i) - first] += h->bins[i];
	memcpy(h->bins, bins, sizeof(bins));
	h->first = first;
	h->exponent++;
}

/* Moves the bins so that number i is among them, if all that is counted still fits. */
static int shift(struct histogram *h, int64_t i)
{
	int from = 0, to = HISTOGRAM_BINS - 1;
	int64_t first;

	while (from < HISTOGRAM_BINS && !h->bins[from])
		from++;
	while (to > from && !h->bins[to])
		to--;
	int64_t lowest = h->first + from, highest = h->first + to;
	first = i < lowest ? i : lowest;
	if ((i > highest ? i : highest) - first >= HISTOGRAM_BINS)
		return 0;
	int64_t bins[HISTOGRAM_BINS] = { 0 };
	for (int k = from; k <= to; k++)
		bins[h->first + k - first] = h->bins[k];
	memcpy(h->bins, bins, sizeof(bins));
	h->first = first;
	return 1;
}

void histogram_add(struct histogram *h, double v)
{
	int64_t i;

	if (!(fabs(v) < 0x1p60))
		return;
	if (!h->n) {
		h->exponent = FINEST;
		h->min = h->max = v;
		while (fabs(v) / histogram_width(h) > 0x1p50)
			h->exponent++;
		h->first = (int64_t)floor(v / histogram_width(h));
	}
	h->min = v < h->min ? v : h->min;
	h->max = v > h->max ? v : h->max;
	for (;;) {
		while (fabs(v) / histogram_width(h) > 0x1p50)
			widen(h);
		i = (int64_t)floor(v / histogram_width(h));
		if ((i >= h->first && i < h->first + HISTOGRAM_BINS) || (h->n ? shift(h, i) : 1))
			break;
		widen(h);
	}
	h->bins[i - h->first]++;
	h->n++;
	h->sum += v;
}

/* check_split.c - weights packed for many products; products of floats in tiles of bf16, as exact as those of multiply-adds; and of integers. */
#include "check.h"
#include "cpu/isa.h"

#include <math.h>

/* Products with packed weights give the bits that they give without. */
void check_packed(struct check *c)
{
	bool backward = below(c, 2), acc = below(c, 2);
	int64_t n = below(c, 3) ? 1 + below(c, 18) : size(c, below(c, 3) ? 80 : 700), o = size1(c, 200), i = size1(c, below(c, 3) ? 300 : 700);
	bool in_place = below(c, 6) == 0;   /* rows of whole tiles, read where they lie */
	float *x, *dy, *y[2], *dx[2];
	struct stored w;
	size_t bytes;
	void *packed;

	if (in_place)
		n = 513 + below(c, 200), o = (o + 31) / 32 * 32, i = (i + 31) / 32 * 32;
	x = values(c, n * i), dy = values(c, n * o), w = random_weights(c, o, i);
	/* What is only used keeps its form in the memory of a device, and trained weights do not. */
	if (!c->k->host_access && c->half)
		for (int e = ELEM_F32; e <= ELEM_NF4; e++) {
			int64_t rows = 16 * (1 + below(c, 100)), cols = KERNELS_NF4_BLOCK * (1 + below(c, 100)), bits = e == ELEM_I8 ? 8 : e == ELEM_NF4 ? 4 : 16;
			size_t took = c->k->packed_bytes((enum elem)e, rows, cols, false);

			if (took != (size_t)(rows * cols * bits / 8))
				fail(c, "bytes of packed weights", e, (double)took, (double)(rows * cols * bits) / 8);
		}
	/* A device's weights are packed on every other call of its products (check_device.c). */
	bytes = c->k->host_access ? c->k->packed_bytes(w.w.elem, o, i, backward) : 0;
	packed = bytes ? c->k->alloc(c->pools[0], bytes) : NULL;
	if (packed) {
		memset(packed, 0xff, bytes);
		c->k->pack(c->pools[below(c, 2)], packed, w.w, o, i, backward);
	}
	for (int p = 0; p < 2; p++) {
		y[p] = copy_of(dy, n * o), dx[p] = copy_of(x, n * i);
		c->k->matmul(c->pools[p], out(c, y[p], n * o), in(c, x, n * i), w.w, n, o, i, acc);
		c->k->matmul_dx(c->pools[p], out(c, dx[p], n * i), in(c, dy, n * o), w.w, n, o, i, acc);
		done(c);
		w.w.packed = packed;
	}
	expect_same(c, "y, packed", y[1], y[0], n * o);
	expect_same(c, "dx, packed", dx[1], dx[0], n * i);
	if (packed)
		c->k->release(packed);
	for (int p = 0; p < 2; p++)
		mem_free(y[p]), mem_free(dx[p]);
	mem_free(x), mem_free(dy), stored_free(&w);
}

/* A row alone has the bits that it has among others, at every number of rows where a table might go another way, in each form, with odd sizes
 * and without; alone against packed weights, if the CPU's table packs those. */
void check_matmul_tiles(struct check *c)
{
	static const int64_t some[] = {1, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129};
	int64_t n = 130 + below(c, 200), o = 1 + below(c, 200), i = below(c, 2) ? 64 * (1 + below(c, 12)) : 1 + below(c, 700);
	float *x = values(c, n * i), *all = junk(n * o), *part = junk(n * o), *b = floats(c, o);

	for (int elem = 0; elem < (i % KERNELS_NF4_BLOCK ? 3 : 4); elem++) {
		struct stored w = weights_of(c, (enum elem)elem, o, i);
		size_t bytes = c->k->host_access ? c->k->packed_bytes(w.w.elem, o, i, false) : 0;
		void *packed = bytes ? c->k->alloc(c->pools[0], bytes) : NULL;

		c->k->matmul_float(c->pools[1], all, in(c, x, n * i), w.w, b, n, o, i);
		done(c);
		if (packed) {
			c->k->pack(c->pools[1], packed, w.w, o, i, false);
			w.w.packed = packed, w.w.data = NULL, w.w.forward = true;
		}
		for (size_t s = 0; s < sizeof some / sizeof *some; s++) {
			int64_t m = some[s], from = below(c, n - m + 1);

			c->k->matmul_float(c->pools[0], part, in(c, x + from * i, m * i), w.w, b, m, o, i);
			done(c);
			expect_same(c, "rows alone", part, all + from * o, m * o);
		}
		if (packed)
			c->k->release(packed);
		stored_free(&w);
	}
	mem_free(x), mem_free(all), mem_free(part), mem_free(b);
}

/* The table of multiply-adds that tiles stand in for. */
#define SPLIT_FACTOR 1.5

/* Root of the mean square of a product's errors, each over the sum of its terms' sizes; k is a table of floats on the CPU. */
static double error_of(const struct kernels *k, const float *x, const float *w, int64_t n, int64_t o, int64_t i)
{
	float *y = junk(n * o);
	double sum = 0;

	k->matmul(NULL, (act *)y, (const act *)x, weights_f32(w), n, o, i, 0);
	for (int64_t r = 0; r < n; r++)
		for (int64_t j = 0; j < o; j++) {
			double want = 0, all = 0, off;

			for (int64_t p = 0; p < i; p++) {
				want += (double)x[r * i + p] * w[j * i + p];
				all += fabs((double)x[r * i + p] * w[j * i + p]);
			}
			off = all > 0 ? (y[r * o + j] - want) / all : 0;
			sum += off * off;
		}
	mem_free(y);
	return sqrt(sum / (double)(n * o));
}

/* NaN and infinity stay in their row, and show in all of it, whether weights are floats or integers. */
static void check_bad_row(struct check *c, float *x, struct weights w, int64_t n, int64_t o, int64_t i)
{
	int64_t bad = below(c, n), at = bad * i + below(c, i);
	float keep = x[at], *y = junk(n * o);

	x[at] = below(c, 2) ? NAN : INFINITY;
	c->k->matmul(c->pools[1], out(c, y, n * o), in(c, x, n * i), w, n, o, i, 0);
	done(c);
	for (int64_t j = 0; j < n * o; j++)
		if (isfinite(y[j]) != (j / o != bad))
			fail(c, "finite", j, y[j], j / o != bad);
	x[at] = keep;
	mem_free(y);
}

/* Integers in tiles: what a product is off by is what rounding a row to 24 bits of its largest may take, and a few roundings of the sum. */
static void check_digits(struct check *c, const float *x, const struct stored *w, int64_t n, int64_t o, int64_t i)
{
	float *y = junk(n * o);

	c->k->matmul(NULL, (act *)y, (const act *)x, w->w, n, o, i, 0);
	for (int64_t r = 0; r < n; r++)
		for (int64_t j = 0; j < o; j++) {
			double want = 0, size = 0, weights = 0, top = 0, off;

			for (int64_t p = 0; p < i; p++) {
				double value = w->w.scale[j] * (double)(int8_t)w->bytes[j * i + p], term = x[r * i + p] * value;

				want += term, size += fabs(term), weights += fabs(value);
				top = fabs(x[r * i + p]) > top ? fabs(x[r * i + p]) : top;
			}
			off = fabs(y[r * o + j] - want) / (0x1.02p-23 * top * weights + 0x1p-22 * size);
			c->worst = off > c->worst ? off : c->worst;
			if (!(off <= 1))
				fail(c, "digits", j, y[r * o + j], want);
		}
	mem_free(y);
}

/* Over wide ranges of exponents, or of one sign, floats in tiles are not less exact than multiply-adds by more than SPLIT_FACTOR. */
void check_split(struct check *c)
{
	const struct kernels *fma = kernels_cpu_named("avx512", false);
	int64_t n = 8 + below(c, 20), o = 8 + below(c, 40), i = 16 + below(c, below(c, 2) ? 80 : 800);
	float *x = values(c, n * i), *w = floats(c, o * i);
	int spread = below(c, 2) ? (int)below(c, 30) : 0, one_sign = (int)below(c, 2);
	struct stored bytes;

	for (int64_t j = 0; j < n * i; j++)
		x[j] = ldexpf(one_sign ? fabsf(x[j]) : x[j], (int)below(c, 2 * spread + 1) - spread);
	for (int64_t j = 0; j < o * i; j++)
		w[j] = ldexpf(one_sign ? fabsf(w[j]) : w[j], (int)below(c, 2 * spread + 1) - spread);
	if (fma && c->k == kernels_cpu_named("amx", false)) {
		double got = error_of(c->k, x, w, n, o, i), limit = SPLIT_FACTOR * error_of(fma, x, w, n, o, i);

		c->worst = got / limit > c->worst ? got / limit : c->worst;
		if (!(got <= limit))
			fail(c, "error", i, got, limit);
	}
	bytes = weights_of(c, ELEM_I8, o, i);
	if (c->k == kernels_cpu_named("amx", false))
		check_digits(c, x, &bytes, n, o, i);
	check_bad_row(c, x, weights_f32(w), n, o, i);
	check_bad_row(c, x, bytes.w, n, o, i);
	stored_free(&bytes);
	mem_free(x), mem_free(w);
}

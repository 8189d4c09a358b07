/* pack.h - operands of a product and their packed form: panels over k, every stored form of a matrix turned to floats on
 * the way.
 *
 * A panel holds `width` rows over kc steps of k: dst[step][width]. Where the rows lie in memory one after the other they
 * are transposed as 32-bit words (one float, two bf16, four int8 or eight NF4 codes of a row), which are
 * taken apart after that, so a smaller form costs fewer loads and shuffles. Products of bf16 take `terms` of each number: one is the
 * number rounded to the nearest even, three are split.h's, one panel after the other. Where the processor multiplies pairs of bf16
 * (GEMM_PAIRS), a step is a pair of k, the lower one in the low half. No terms (0): floats. */
#ifndef QUERN_CPU_PACK_H
#define QUERN_CPU_PACK_H

#include "cpu/act.h"

#include <stdbool.h>

#ifdef __AVX512BF16__
#define GEMM_PAIRS 1
#else
#define GEMM_PAIRS 0
#endif
#ifdef __AMX_BF16__
#define GEMM_TILES 1
#define GEMM_K_ALIGN 32 /* k of a tile */
#else
#define GEMM_TILES 0
#define GEMM_K_ALIGN 2
#endif

/* An operand of rows over k. By rows: element (r, p) = p[idx(r) * ld + p]; k_major: p[idx(p) * ld + r].
 * idx picks matrix rows (NULL = all, in order). elem, scale and packed as in struct weights; ELEM_I8 without scale: 1. */
struct operand {
	const void *p;
	int64_t ld;
	const int32_t *idx;
	bool k_major;
	enum elem elem;
	const float *scale;
	const void *packed;
};

INLINE struct operand floats_of(const float *p, int64_t ld, const int32_t *idx, bool k_major)
{
	return (struct operand){.p = p, .ld = ld, .idx = idx, .k_major = k_major};
}

INLINE struct operand acts_of(const act *p, int64_t ld, const int32_t *idx, bool k_major)
{
	return (struct operand){.p = p, .ld = ld, .idx = idx, .k_major = k_major, .elem = ACT_BF16 ? ELEM_BF16 : ELEM_F32};
}

INLINE struct operand weights_of(struct weights w, int64_t ld, bool k_major)
{
	return (struct operand){.p = w.data, .ld = ld, .k_major = k_major, .elem = w.elem, .scale = w.scale, .packed = w.packed};
}

INLINE int elem_bits(enum elem e) { return e == ELEM_F32 ? 32 : e == ELEM_BF16 ? 16 : e == ELEM_I8 ? 8 : 4; }
INLINE int64_t operand_index(const struct operand *x, int64_t r) { return x->idx ? x->idx[r] : r; }

#define PACK_DEPTH 512  /* longest k of a panel, and longest rows that attention transposes */
#define PANEL_MAX (3 * VL > 32 ? 3 * VL : 32)  /* widest panel */
#define PART 64         /* steps of k that are turned to pairs at a time: a multiple of KERNELS_NF4_BLOCK */

/* The address of element (row, at) of the matrix, row and at as stored; NF4: at is even. */
INLINE const char *operand_at(const struct operand *x, int64_t row, int64_t at)
{
	return (const char *)x->p + (row * x->ld + at) * elem_bits(x->elem) / 8;
}

/* --- 32-bit words and what they hold --------------------------------------------------------------- */

#define NF4_BLOCK KERNELS_NF4_BLOCK
/* The 16 values of NormalFloat4 (Dettmers et al. 2023, appendix E), as bitsandbytes has them. */
static const float nf4_values[16] __attribute__((aligned(64))) = {
	-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
	-0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
	0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f
};

/* The low four bits of each lane, looked up. */
INLINE vf v_nf4(vu i)
{
#if VL == 16
	return (vf)_mm512_permutexvar_ps((__m512i)i, _mm512_load_ps(nf4_values));
#elif VL == 8
	__m256 lo = _mm256_permutevar8x32_ps(_mm256_load_ps(nf4_values), (__m256i)i);
	__m256 hi = _mm256_permutevar8x32_ps(_mm256_load_ps(nf4_values + 8), (__m256i)i);

	return (vf)_mm256_blendv_ps(lo, hi, (__m256)(i << 28));
#else
	vf v;

	for (int l = 0; l < VL; l++)
		v[l] = nf4_values[i[l] & 15];
	return v;
#endif
}

INLINE vu v_and_or(vu a, uint32_t mask, uint32_t bits)
{
#if VL == 16
	return (vu)_mm512_ternarylogic_epi32((__m512i)a, _mm512_set1_epi32((int)mask), _mm512_set1_epi32((int)bits), 0xea);
#else
	return (a & mask) | bits;
#endif
}

/* Element e of each lane's word. */
INLINE vf v_element(const enum elem elem, vu word, const int e, vf scale)
{
	if (elem == ELEM_BF16)
		return (vf)(e ? word & 0xffff0000u : word << 16);
	if (elem == ELEM_I8) {
		/* q + 128 in the mantissa of 2^23, or a byte higher in that of 2^15: as q exactly, and with few shifts, which only
		 * one of the two vector ports does. */
		vu u = word ^ 0x80808080u;

		u = v_and_or(e < 2 ? u : u >> 16, e % 2 ? 0xff00u : 0xffu, e % 2 ? 0x47000000u : 0x4b000000u);
		return ((vf)u - (e % 2 ? 32896.0f : 8388736.0f)) * scale;
	}
	if (elem == ELEM_NF4) /* the first of two codes is the high half of its byte */
		return v_nf4(word >> (e / 2 * 8 + (e % 2 ? 0 : 4))) * scale;
	return (vf)word;
}

#if GEMM_PAIRS
/* The same of n <= VL stored bf16 (hi NULL: zeros). */
INLINE vf v_stored_pair(const uint16_t *lo, const uint16_t *hi, int64_t n)
{
	__mmask16 m = n >= VL ? 0xffff : (__mmask16)((1u << n) - 1);
	__m512i a = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, lo));
	__m512i b = hi ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, hi)) : _mm512_setzero_si512();

	return (vf)_mm512_or_si512(a, _mm512_slli_epi32(b, 16));
}

/* Each lane's bf16 pair: lo in the low half. */
INLINE vf v_pair(vf lo, vf hi)
{
	static const uint16_t order[32] __attribute__((aligned(64))) = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
									8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

	return (vf)_mm512_permutexvar_epi16(_mm512_load_si512(order), (__m512i)_mm512_cvtne2ps_pbh(hi, lo));
}
#endif

#include "cpu/split.h"

/* out[w] = word w of VL rows, from VL words of each. */
INLINE void transpose_words(vu out[VL], const char *const row[VL], int64_t at)
{
#if VL == 16
	/* Quarters of four rows are loaded into one vector, which needs no shuffle; what is left is done within quarters. */
#pragma GCC unroll 4
	for (int c = 0; c < 4; c++) {
		__m512 q[4], lo01, hi01, lo23, hi23;

#pragma GCC unroll 4
		for (int j = 0; j < 4; j++) {
			q[j] = _mm512_castps128_ps512(_mm_loadu_ps((const float *)(const void *)(row[j] + at) + 4 * c));
			q[j] = _mm512_mask_broadcast_f32x4(q[j], 0x00f0, _mm_loadu_ps((const float *)(const void *)(row[4 + j] + at) + 4 * c));
			q[j] = _mm512_mask_broadcast_f32x4(q[j], 0x0f00, _mm_loadu_ps((const float *)(const void *)(row[8 + j] + at) + 4 * c));
			q[j] = _mm512_mask_broadcast_f32x4(q[j], 0xf000, _mm_loadu_ps((const float *)(const void *)(row[12 + j] + at) + 4 * c));
		}
		lo01 = _mm512_unpacklo_ps(q[0], q[1]), hi01 = _mm512_unpackhi_ps(q[0], q[1]);
		lo23 = _mm512_unpacklo_ps(q[2], q[3]), hi23 = _mm512_unpackhi_ps(q[2], q[3]);
		out[4 * c] = (vu)_mm512_unpacklo_pd((__m512d)lo01, (__m512d)lo23);
		out[4 * c + 1] = (vu)_mm512_unpackhi_pd((__m512d)lo01, (__m512d)lo23);
		out[4 * c + 2] = (vu)_mm512_unpacklo_pd((__m512d)hi01, (__m512d)hi23);
		out[4 * c + 3] = (vu)_mm512_unpackhi_pd((__m512d)hi01, (__m512d)hi23);
	}
#else
	vf v[VL];

#pragma GCC unroll 8
	for (int i = 0; i < VL; i++)
		memcpy(&v[i], row[i] + at, sizeof v[i]); /* bytes: as even floats they may not be aligned */
	v_transpose(v);
#pragma GCC unroll 8
	for (int i = 0; i < VL; i++)
		out[i] = (vu)v[i];
#endif
}

/* --- panels of floats -------------------------------------------------------------------------------- */

/* The factors of element (row of each lane, at); NF4's hold for a block. */
INLINE vf lane_scales(const enum elem elem, const struct operand *x, const int64_t index[VL], int64_t at)
{
	vf s = v_zero();

	if (elem == ELEM_I8)
		for (int i = 0; i < VL; i++)
			s[i] = index[i] < 0 ? 0 : x->scale ? x->scale[index[i]] : 1;
	if (elem == ELEM_NF4)
		for (int i = 0; i < VL; i++)
			s[i] = index[i] < 0 ? 0 : x->scale[(index[i] * x->ld + at) / NF4_BLOCK];
	return s;
}

INLINE void clear_rows(float *dst, int width, int from, int to)
{
	memset(dst + (int64_t)from * width, 0, sizeof *dst * (size_t)(to - from) * (size_t)width);
}

/* VL rows (index -1: zeros) over [p0, p0 + kc) to dst[kc][width]. NF4: p0 is a multiple of NF4_BLOCK. ahead: bytes from a row
 * to one that will be wanted soon, 0 = none. */
INLINE void pack_lanes(const enum elem elem, float *dst, int width, const struct operand *x, const int64_t index[VL],
		       int64_t p0, int kc, int64_t ahead)
{
	static const char zeros[4 * PACK_DEPTH];
	const int per = 32 / elem_bits(elem), block = VL * per;
	vf scale = lane_scales(elem, x, index, p0);
	const char *row[VL];

	for (int i = 0; i < VL; i++)
		row[i] = index[i] < 0 ? zeros : operand_at(x, index[i], p0);
	for (int p = 0; p < kc; p += block) {
		int64_t at = (int64_t)p / per * 4;
		vu word[VL];

		if (kc - p >= block) {
			for (int i = 0; ahead && i < VL; i++)
				__builtin_prefetch(row[i] + at + ahead, 0, 2);
			transpose_words(word, row, at);
		} else {
			char tail[VL][4 * VL] = {{0}};
			const char *from[VL];

			for (int i = 0; i < VL; i++) {
				memcpy(tail[i], row[i] + at, (size_t)((kc - p) * elem_bits(elem) + 7) / 8);
				from[i] = tail[i];
			}
			transpose_words(word, from, 0);
		}
#pragma GCC unroll 16
		for (int w = 0; w < VL; w++) {
			if (elem == ELEM_NF4 && (p + w * per) % NF4_BLOCK == 0 && p + w * per < kc)
				scale = lane_scales(elem, x, index, p0 + p + w * per);
#pragma GCC unroll 8
			for (int e = 0; e < per; e++)
				if (kc - p >= block || p + w * per + e < kc)
					v_store(dst + (int64_t)(p + w * per + e) * width, v_element(elem, word[w], e, scale));
		}
	}
}

/* nr <= width rows from r0 over [p0, p0 + kc) to dst[kc][width], missing rows 0; width a multiple of VL. */
static void pack_rows(float *dst, int width, const struct operand *x, int64_t r0, int nr, int64_t p0, int kc, int64_t ahead)
{
	for (int g = 0; g < width; g += VL) {
		int64_t index[VL];

		for (int i = 0; i < VL; i++)
			index[i] = g + i < nr ? operand_index(x, r0 + g + i) : -1;
		if (g >= nr)
			for (int p = 0; p < kc; p++)
				v_store(dst + (int64_t)p * width + g, v_zero());
		else if (x->elem == ELEM_F32)
			pack_lanes(ELEM_F32, dst + g, width, x, index, p0, kc, ahead);
		else if (x->elem == ELEM_BF16)
			pack_lanes(ELEM_BF16, dst + g, width, x, index, p0, kc, ahead);
		else if (x->elem == ELEM_I8)
			pack_lanes(ELEM_I8, dst + g, width, x, index, p0, kc, ahead);
		else
			pack_lanes(ELEM_NF4, dst + g, width, x, index, p0, kc, ahead);
	}
}

/* n elements of a matrix row from column at, as floats. NF4: at is even. */
static __attribute__((noinline)) void row_floats(float *dst, const struct operand *x, int64_t row, int64_t at, int64_t n)
{
	const char *src = operand_at(x, row, at);
	int64_t j = 0;

	if (x->elem == ELEM_F32) {
		memcpy(dst, src, (size_t)n * sizeof *dst);
		return;
	}
	if (x->elem == ELEM_NF4) {
		for (; j < n; j++)
			dst[j] = nf4_values[(uint8_t)src[j / 2] >> (j % 2 ? 0 : 4) & 15] *
				 x->scale[(row * x->ld + at + j) / NF4_BLOCK];
		return;
	}
	if (x->elem == ELEM_I8) {
		typedef int8_t vb __attribute__((vector_size(VL)));

		for (vb b; j + VL <= n; j += VL) {
			memcpy(&b, src + j, sizeof b);
			v_store(dst + j, __builtin_convertvector(b, vf) * v_set1(x->scale[row]));
		}
		for (; j < n; j++)
			dst[j] = (float)(int8_t)src[j] * x->scale[row];
		return;
	}
	for (vh h; j + VL <= n; j += VL) {
		memcpy(&h, src + 2 * j, sizeof h);
		v_store(dst + j, (vf)(__builtin_convertvector(h, vu) << 16));
	}
	for (; j < n; j++) {
		uint16_t h;

		memcpy(&h, src + 2 * j, sizeof h);
		memcpy(dst + j, &(uint32_t){(uint32_t)h << 16}, sizeof *dst);
	}
}

/* --- packed panels ------------------------------------------------------------------------------------ */

#define ROW_MAX 128      /* rows that are packed in one call */
#define COLUMNS_AHEAD 6 /* matrix rows between what is packed and what is asked for */

/* Steps of a panel over kc of k, and what they are rounded up to: whole pairs; whole tiles. */
INLINE int panel_steps(int terms, int kc)
{
	return !terms || !GEMM_PAIRS ? kc : (kc + GEMM_K_ALIGN - 1) / GEMM_K_ALIGN * GEMM_K_ALIGN / 2;
}

/* Words of a panel of all terms, for each of its rows. */
INLINE int panel_words(int terms, int kc) { return panel_steps(terms, kc) * (terms > 1 ? terms : 1); }

/* n <= ROW_MAX elements of a matrix row from column at: where they lie, or as floats in buf. */
INLINE const float *row_from(const struct operand *x, int64_t row, int64_t at, int64_t n, float *buf)
{
	if (x->elem == ELEM_F32)
		return (const float *)(const void *)operand_at(x, row, at);
	row_floats(buf, x, row, at, n);
	return buf;
}

/* VL of n values, zeros where there are no more. */
INLINE vf lanes_of(const float *x, int64_t n)
{
	return n >= VL ? v_load(x) : n > 0 ? v_load_n(x, (int)n) : v_zero();
}

/* One step of k of nr rows into panels that are `words` apart, `used` rows in each. */
INLINE void pack_step(float *dst, int width, int used, int64_t words, const float *x, int64_t nr, const bool round)
{
	for (int64_t t = 0; t < nr; t += used, dst += words)
		for (int g = 0; g < width; g += VL) {
			vf v = lanes_of(x + t + g, nr - t - g);

			v_store(dst + g, round ? v_round_bf16(v) : v);
		}
}

#if GEMM_PAIRS
/* The same for a pair of k (hi may be NULL: zeros), the terms of which are `apart` words from each other. */
INLINE void pack_pair_step(const int terms, float *dst, int width, int used, int64_t words, int64_t apart, const float *lo, const float *hi,
			   int64_t nr)
{
	for (int64_t t = 0; t < nr; t += used, dst += words)
		for (int g = 0; g < width; g += VL)
			store_pairs(terms, dst + g, apart, lanes_of(lo + t + g, nr - t - g),
				    hi ? lanes_of(hi + t + g, nr - t - g) : v_zero());
}
#endif

#if GEMM_PAIRS
/* The same of pairs as they are stored. */
INLINE void pack_stored_step(float *dst, int width, int used, int64_t words, const uint16_t *lo, const uint16_t *hi, int64_t nr)
{
	for (int64_t t = 0; t < nr; t += used, dst += words)
		for (int g = 0; g < width; g += VL)
			v_store(dst + g, nr > t + g ? v_stored_pair(lo + t + g, hi ? hi + t + g : NULL, nr - t - g) : v_zero());
}
#endif

/* Part of a matrix row that will be read soon; p -1: none. */
INLINE void ask_for_row(const struct operand *x, int64_t p, int64_t at, int64_t n)
{
	const char *row = p < 0 ? NULL : operand_at(x, operand_index(x, p), at);

	for (int64_t b = 0; row && b < n * elem_bits(x->elem) / 8; b += 64)
		__builtin_prefetch(row + b);
}

/* pack_panels where k is the leading dimension: the rows of all panels are taken from one matrix row at a time. */
static void pack_columns(float *dst, int width, int used, const struct operand *x, int64_t r0, int64_t nr, int64_t p0, int kc,
			 int terms)
{
	float buf[2][ROW_MAX];
	int64_t words = (int64_t)panel_words(terms, kc) * width;
	int p = 0;

#if GEMM_PAIRS
	if (terms) {
		int steps = panel_steps(terms, kc);

		for (; p < kc; p += 2) {
			const float *lo, *hi = NULL;

			ask_for_row(x, p + COLUMNS_AHEAD < kc ? p0 + p + COLUMNS_AHEAD : -1, r0, nr);
			ask_for_row(x, p + COLUMNS_AHEAD + 1 < kc ? p0 + p + COLUMNS_AHEAD + 1 : -1, r0, nr);
#if GEMM_PAIRS
			if (x->elem == ELEM_BF16) {
				pack_stored_step(dst + (int64_t)(p / 2) * width, width, used, words,
						 (const uint16_t *)(const void *)operand_at(x, operand_index(x, p0 + p), r0), p + 1 == kc ? NULL :
						 (const uint16_t *)(const void *)operand_at(x, operand_index(x, p0 + p + 1), r0), nr);
				continue;
			}
#endif
			lo = row_from(x, operand_index(x, p0 + p), r0, nr, buf[0]);
			if (p + 1 < kc)
				hi = row_from(x, operand_index(x, p0 + p + 1), r0, nr, buf[1]);
			if (terms == 1)
				pack_pair_step(1, dst + (int64_t)(p / 2) * width, width, used, words, 0, lo, hi, nr);
			else
				pack_pair_step(3, dst + (int64_t)(p / 2) * width, width, used, words, (int64_t)steps * width, lo, hi, nr);
		}
		for (int64_t t = 0; t < nr; t += used)
			for (int i = 0; i < terms; i++)
				clear_rows(dst + t / used * words + (int64_t)i * steps * width, width, (kc + 1) / 2, steps);
		return;
	}
#endif
	for (; p < kc; p++) {
		const float *lo = row_from(x, operand_index(x, p0 + p), r0, nr, buf[0]);

		ask_for_row(x, p + COLUMNS_AHEAD < kc ? p0 + p + COLUMNS_AHEAD : -1, r0, nr);
		if (terms)
			pack_step(dst + (int64_t)p * width, width, used, words, lo, nr, true);
		else
			pack_step(dst + (int64_t)p * width, width, used, words, lo, nr, false);
	}
}

#if GEMM_PAIRS
/* Pairs of bf16 over [p0, p0 + kc) as they are stored, kc / 2 * width words. */
static void pack_stored_pairs(float *dst, int width, const struct operand *x, int64_t r0, int nr, int64_t p0, int kc,
			      int64_t ahead)
{
	struct operand words = *x;

	words.p = operand_at(x, 0, p0), words.ld /= 2, words.elem = ELEM_F32;
	pack_rows(dst, width, &words, r0, nr, 0, kc / 2, ahead);
}

/* pack_rows to pairs. */
INLINE void pack_pairs(const int terms, float *dst, int width, const struct operand *x, int64_t r0, int nr, int64_t p0, int kc,
		       int64_t ahead)
{
	float part[PART * PANEL_MAX] __attribute__((aligned(64)));
	int64_t apart = (int64_t)panel_steps(terms, kc) * width;

	if (terms == 1 && x->elem == ELEM_BF16 && x->ld % 2 == 0 && kc % 2 == 0)
		pack_stored_pairs(dst, width, x, r0, nr, p0, kc, ahead);
	else
		for (int q = 0; q < kc; q += PART) {
			int n = kc - q < PART ? kc - q : PART;

			pack_rows(part, width, x, r0, nr, p0 + q, n, ahead);
			clear_rows(part, width, n, n + n % 2);
			for (int s = 0; s < (n + 1) / 2; s++)
				for (int g = 0; g < width; g += VL)
					store_pairs(terms, dst + (int64_t)(q / 2 + s) * width + g, apart, v_load(part + 2 * s * width + g),
						    v_load(part + (2 * s + 1) * width + g));
		}
	for (int t = 0; t < terms; t++)
		clear_rows(dst + t * apart, width, (kc + 1) / 2, panel_steps(terms, kc));
}
#endif

/* Rows [r0, r0 + nr) over [p0, p0 + kc) for products of floats or of terms of bf16: panels of panel_words(terms, kc) * width words,
 * one after the other, with `used` rows in each; nr <= ROW_MAX. */
static void pack_panels(float *dst, int width, int used, const struct operand *x, int64_t r0, int64_t nr, int64_t p0, int kc,
			int64_t ahead, int terms)
{
	if (x->k_major) {
		pack_columns(dst, width, used, x, r0, nr, p0, kc, terms);
		return;
	}
	for (int64_t t = 0; t < nr; t += used, dst += (int64_t)panel_words(terms, kc) * width) {
		int n = nr - t < used ? (int)(nr - t) : used;

#if GEMM_PAIRS
		if (terms == 1)
			pack_pairs(1, dst, width, x, r0 + t, n, p0, kc, ahead);
		else if (terms)
			pack_pairs(3, dst, width, x, r0 + t, n, p0, kc, ahead);
		if (terms)
			continue;
#endif
		pack_rows(dst, width, x, r0 + t, n, p0, kc, ahead);
		if (terms)
			for (int64_t i = 0; i < (int64_t)kc * width; i += VL)
				v_store(dst + i, v_round_bf16(v_load(dst + i)));
	}
}

#endif

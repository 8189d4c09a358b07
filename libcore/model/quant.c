/* quant.c - see quant.h. */
#include "model/quant.h"

#include "base/dynamic8.h"
#include "model/floats.h"

#include <math.h>
#include <string.h>

/* --- NF4 ---------------------------------------------------------------------------------- */

/* The quantiles of a normal distribution that the paper's appendix E lists. */
const float nf4_values[16] = {
	-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
	-0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
	0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
	0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
};

static float largest(const float *x, int64_t n)
{
	float most = 0;

	for (int64_t i = 0; i < n; i++)
		most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
	return most;
}

/* Code of each element of a block: how many midpoints between two values lie below it. Loops of constant length become vectors. */
static void nearest_values(const float x[NF4_BLOCK], float inverse, const float middle[15], uint8_t q[NF4_BLOCK])
{
	int32_t code[NF4_BLOCK] = { 0 };
	float scaled[NF4_BLOCK];

	for (int i = 0; i < NF4_BLOCK; i++)
		scaled[i] = x[i] * inverse;
	for (int j = 0; j < 15; j++)
		for (int i = 0; i < NF4_BLOCK; i++)
			code[i] += scaled[i] > middle[j];
	for (int i = 0; i < NF4_BLOCK; i++)
		q[i] = (uint8_t)code[i];
}

void nf4_encode(const float *x, int64_t n, uint8_t *codes, float *absmax)
{
	float middle[15], block[NF4_BLOCK];
	uint8_t q[NF4_BLOCK];

	for (int j = 0; j < 15; j++)
		middle[j] = (nf4_values[j] + nf4_values[j + 1]) / 2;
	for (int64_t at = 0; at < n; at += NF4_BLOCK) {
		int m = (int)(n - at < NF4_BLOCK ? n - at : NF4_BLOCK);
		float most = largest(x + at, m);

		memset(block, 0, sizeof(block));             /* of an odd number, the last byte's second half is 0 */
		memcpy(block, x + at, (size_t)m * sizeof(float));
		absmax[at / NF4_BLOCK] = most;
		nearest_values(block, 1.0f / (most > 1e-38f ? most : 1e-38f), middle, q);
		for (int i = 0; i < m; i += 2)
			codes[(at + i) / 2] = (uint8_t)(q[i] << 4 | q[i + 1]);
	}
}

void nf4_decode(const uint8_t *codes, const float *absmax, int64_t first, int64_t n, float *x)
{
	for (int64_t i = 0; i < n; i++) {
		uint8_t two = codes[(first % 2 + i) / 2];

		x[i] = nf4_values[(first + i) % 2 ? two & 15 : two >> 4] * absmax[(first + i) / NF4_BLOCK];
	}
}

/* --- the magnitudes of NF4's blocks ------------------------------------------------------------ */

float nf4_encode_absmax(const float *absmax, int64_t blocks, uint8_t *codes, float *scales)
{
	const struct dynamic8 *map = dynamic8_signed();
	double sum = 0;
	float offset;

	for (int64_t i = 0; i < blocks; i++)
		sum += (double)absmax[i];
	offset = blocks ? (float)(sum / (double)blocks) : 0;
	for (int64_t at = 0; at < blocks; at += NF4_NESTED) {
		int64_t end = at + NF4_NESTED < blocks ? at + NF4_NESTED : blocks;
		float most = 0;

		for (int64_t i = at; i < end; i++)
			most = fabsf(absmax[i] - offset) > most ? fabsf(absmax[i] - offset) : most;
		scales[at / NF4_NESTED] = most;
		for (int64_t i = at; i < end; i++)
			codes[i] = dynamic8_code(map, most > 0 ? (absmax[i] - offset) * (1.0f / most) : 0);
	}
	return offset;
}

void nf4_decode_absmax(const uint8_t *codes, const float *scales, const float *values, float offset, int64_t blocks, float *absmax)
{
	for (int64_t i = 0; i < blocks; i++)
		absmax[i] = values[codes[i]] * scales[i / NF4_NESTED] + offset;
}

/* --- int8 ------------------------------------------------------------------------------------ */

void int8_encode(const float *x, int64_t n, int8_t *q, float *scale)
{
	float most = half_float(float_half(largest(x, n))), factor = most > 0 ? 1.0f / most * 127.0f : 0;

	*scale = most;
	for (int64_t i = 0; i < n; i++)
		q[i] = (int8_t)rintf(half_float(float_half(x[i])) * factor);
}

void int8_decode(const int8_t *q, float scale, int64_t n, float *x)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = (float)q[i] * scale * 7.874015718698502e-3f;      /* bitsandbytes' 1/127 */
}

/* quant.h - weights in 4 and 8 bits, as bitsandbytes stores them.
 *
 * NF4 (Dettmers et al. 2023, "QLoRA"): the elements of a matrix in row-major order, cut into blocks of 64. A block is scaled by its largest
 * magnitude, and each element becomes the nearest of 16 values, two in a byte, the first in the upper half. The magnitudes are quantised
 * once more (double quantisation): less their mean, in blocks of 256, to the nearest of the 256 values of base/dynamic8.h.
 *
 * int8 (Dettmers et al. 2022, "LLM.int8()"): each row is scaled by its largest magnitude to -127 … 127 and rounded, ties to even. As in
 * bitsandbytes, elements are rounded to float16 before. */
#ifndef QUERN_MODEL_QUANT_H
#define QUERN_MODEL_QUANT_H

#include <stddef.h>
#include <stdint.h>

#define NF4_BLOCK 64
#define NF4_NESTED 256               /* magnitudes that share a scale */

extern const float nf4_values[16];

static inline int64_t nf4_blocks(int64_t n) { return (n + NF4_BLOCK - 1) / NF4_BLOCK; }
static inline int64_t nf4_nested(int64_t blocks) { return (blocks + NF4_NESTED - 1) / NF4_NESTED; }
static inline int64_t nf4_bytes(int64_t n) { return (n + 1) / 2; }

/* n elements, from the beginning of a block, to codes[nf4_bytes(n)] and absmax[nf4_blocks(n)]. Elements are finite. */
void nf4_encode(const float *x, int64_t n, uint8_t *codes, float *absmax);
/* Elements [first, first + n); codes begins with the byte of the first, absmax with the matrix. */
void nf4_decode(const uint8_t *codes, const float *absmax, int64_t first, int64_t n, float *x);
/* The magnitudes of all blocks of a matrix to codes[blocks] and scales[nf4_nested(blocks)]; returns their mean, the offset. */
float nf4_encode_absmax(const float *absmax, int64_t blocks, uint8_t *codes, float *scales);
/* map: the 256 values that the codes stand for. */
void nf4_decode_absmax(const uint8_t *codes, const float *scales, const float *map, float offset, int64_t blocks, float *absmax);

/* One row; *scale is its largest magnitude. A row of zeros has scale 0. */
void int8_encode(const float *x, int64_t n, int8_t *q, float *scale);
void int8_decode(const int8_t *q, float scale, int64_t n, float *x);

#endif

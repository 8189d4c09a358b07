/* attention_kernels.h - the ways to compute attention, among which attention.cu chooses. All take device buffers and return at once. */
#ifndef QUERN_CUDA_ATTENTION_KERNELS_H
#define QUERN_CUDA_ATTENTION_KERNELS_H

#include "attention.h"

/* --- attention_plain.cu: any head up to KERNELS_HEAD_MAX, floats or bf16 --------------------------------- */
template <class A> void attend_plainly(const struct att &a, A *o, float *lse, const A *qkv);
template <class A> void attend_pages_plainly(const struct att &a, A *o, const A *qkv);
template <class A> void attend_back_plainly(const struct att &a, A *dqkv, const A *d_o, const A *o, const float *lse, const A *qkv);
/* Writes the call's keys and values to the pages. */
template <class A> void keep_keys(const struct att &a, const A *qkv);

/* --- by tensor cores: heads of up to 256, a multiple of 8; scale > 0; buffers aligned to 16 bytes ------------------- */
#define FEW_ROWS 16
/* attention_mma.cu. pages: keys are in a.table, and sequences of at most FEW_ROWS rows are left to attend_few. */
void attend_mma(const struct att &a, bool pages, bf16 *o, float *lse, const bf16 *qkv);
/* attention_decode.cu: sequences of at most FEW_ROWS rows, with their keys in pages. */
void attend_few(const struct att &a, bf16 *o, const bf16 *qkv);
/* attention_backward.cu */
void attend_back_mma(const struct att &a, bf16 *dqkv, const bf16 *d_o, const bf16 *o, const float *lse,
		     const bf16 *qkv);

#endif

/* table.h - the table of the instruction set this is compiled for; include it once per file. */
#ifndef QUERN_CPU_TABLE_H
#define QUERN_CPU_TABLE_H

#include "cpu/attention.h"
#include "cpu/gemm.h"
#include "cpu/isa.h"
#include "cpu/logprob.h"
#include "cpu/noise.h"
#include "cpu/optimizer.h"
#include "cpu/peak.h"
#include "cpu/rows.h"

#define KERNELS_CPU_TABLE                                                     \
	{                                                                     \
		.abi = KERNELS_ABI, .name = "cpu", .elem_bytes = sizeof(float), \
		.alloc = cpu_alloc, .release = cpu_release,                   \
		.upload = cpu_transfer, .download = cpu_transfer,             \
		.zero = cpu_zero, .copy = cpu_copy,                           \
		.matmul = cpu_matmul, .matmul_dx = cpu_matmul_dx,             \
		.matmul_dw = cpu_matmul_dw,                                   \
		.embed = cpu_embed, .embed_dw = cpu_embed_dw,                 \
		.rmsnorm = cpu_rmsnorm, .rmsnorm_dx = cpu_rmsnorm_dx,         \
		.rmsnorm_scratch = cpu_rmsnorm_scratch, .rope = cpu_rope,     \
		.attention = cpu_attention,                                   \
		.attention_dqkv = cpu_attention_dqkv,                         \
		.attention_cached = cpu_attention_cached,                     \
		.swiglu = cpu_swiglu, .swiglu_dgu = cpu_swiglu_dgu,           \
		.logprob = cpu_logprob, .logprob_dx = cpu_logprob_dx,         \
		.logprob_scratch = cpu_logprob_scratch,                       \
		.gather_rows = cpu_gather_rows, .noise = cpu_noise,           \
		.adamw = cpu_adamw, .adamw8 = cpu_adamw8, .lion = cpu_lion,   \
		.sgd = cpu_sgd, .sumsq = cpu_sumsq,                           \
		.peak_flops = cpu_peak_flops                                  \
	}

#endif

/* table.h - the table of the instruction set this is compiled for; include it once per file. */
#ifndef QUERN_CPU_TABLE_H
#define QUERN_CPU_TABLE_H

#include "cpu/activation.h"
#include "cpu/attention.h"
#include "cpu/dropout.h"
#include "cpu/gemm.h"
#include "cpu/isa.h"
#include "cpu/linear.h"
#include "cpu/logits.h"
#include "cpu/logprob.h"
#include "cpu/noise.h"
#include "cpu/norm.h"
#include "cpu/optimizer.h"
#include "cpu/peak.h"
#include "cpu/rows.h"
#include "cpu/sample.h"

#if ACT_BF16
#define TABLE_OF(isa) kernels_table_##isa##_bf16
#else
#define TABLE_OF(isa) kernels_table_##isa
#endif

#define KERNELS_CPU_TABLE                                             \
	{                                                                     \
		.abi = KERNELS_ABI, .name = "cpu", .elem_bytes = sizeof(act),  \
		.host_access = true,                                          \
		.status = cpu_status, .failed = cpu_status,                   \
		.alloc = cpu_alloc, .release = cpu_release,                   \
		.alloc_host = cpu_alloc, .available = mem_available,          \
		.upload = cpu_transfer, .download = cpu_transfer,             \
		.mark = cpu_mark, .download_marked = cpu_transfer,            \
		.upload_ahead = cpu_transfer,                                 \
		.zero = cpu_zero, .copy = cpu_copy,                           \
		.matmul = cpu_matmul,                                 \
		.matmul_dx = cpu_matmul_dx,                           \
		.matmul_dw = cpu_matmul_dw,                           \
		.matmul_float = cpu_matmul_float,                     \
		.matmul_add = cpu_matmul_add,                         \
		.matmul_part = cpu_matmul_part,                       \
		.matmul_dx_part = cpu_matmul_dx_part,                 \
		.matmul_dw_part = cpu_matmul_dw_part,                 \
		.packed_bytes = cpu_packed_bytes, .pack = cpu_pack,           \
		.scale_columns = cpu_scale_columns, .dropout = cpu_dropout,   \
		.embed = cpu_embed, .embed_dw = cpu_embed_dw,                 \
		.rmsnorm = cpu_rmsnorm, .rmsnorm_dx = cpu_rmsnorm_dx,         \
		.layernorm = cpu_layernorm, .layernorm_dx = cpu_layernorm_dx, \
		.norm_scratch = cpu_norm_scratch,                             \
		.qk_norm = cpu_qk_norm, .qk_norm_dx = cpu_qk_norm_dx,         \
		.rope = cpu_rope, .add_bias = cpu_add_bias,                   \
		.add_rows = cpu_add_rows, .bias_db = cpu_bias_db,             \
		.scale = cpu_scale, .soft_cap = cpu_soft_cap,                 \
		.attention = cpu_attention,                           \
		.attention_dqkv = cpu_attention_dqkv,                 \
		.attention_cached = cpu_attention_cached,             \
		.swiglu = cpu_swiglu, .swiglu_dgu = cpu_swiglu_dgu,           \
		.geglu = cpu_geglu, .geglu_dgu = cpu_geglu_dgu,               \
		.gelu = cpu_gelu, .gelu_dx = cpu_gelu_dx,                     \
		.logits_sum = cpu_logits_sum, .logprob = cpu_logprob,         \
		.logprob_dx = cpu_logprob_dx,                         \
		.logprob_scratch = cpu_logprob_scratch,                       \
		.from_floats = cpu_from_floats, .to_floats = cpu_to_floats,   \
		.gather_rows = cpu_gather_rows, .noise = cpu_noise,           \
		.sample = cpu_sample, .sample_scratch = cpu_sample_scratch,   \
		.take_ids = cpu_take_ids,                                     \
		.grad_norm = cpu_grad_norm, .update = cpu_update,             \
		.peak_flops = cpu_peak_flops                                  \
	}

#endif

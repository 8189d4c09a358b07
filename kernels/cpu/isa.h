/* isa.h - one table per instruction set; which of them may run here is dispatch.c's to say. */
#ifndef QUERN_CPU_ISA_H
#define QUERN_CPU_ISA_H

#include "kernels.h"

#include <stdbool.h>

extern const struct kernels kernels_table_plain, kernels_table_plain_bf16;
#ifdef __x86_64__
extern const struct kernels kernels_table_avx2, kernels_table_avx2_bf16;
extern const struct kernels kernels_table_avx512, kernels_table_avx512_bf16;
extern const struct kernels kernels_table_avx512bf16, kernels_table_avx512bf16_bf16;
extern const struct kernels kernels_table_amx, kernels_table_amx_bf16;
#endif

/* The table by name ("plain", "avx2", "avx512", "avx512bf16", "amx"), NULL if this machine cannot run it. half: of bf16
 * products. */
const struct kernels *kernels_cpu_named(const char *isa, bool half);

#endif

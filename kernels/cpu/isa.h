/* isa.h - one table per instruction set; which of them may run here is dispatch.c's to say. */
#ifndef QUERN_CPU_ISA_H
#define QUERN_CPU_ISA_H

#include "kernels.h"

extern const struct kernels kernels_table_plain;
#ifdef __x86_64__
extern const struct kernels kernels_table_avx2;
extern const struct kernels kernels_table_avx512;
#endif

/* The table by name ("plain", "avx2", "avx512"), NULL if this machine cannot run it. */
const struct kernels *kernels_cpu_named(const char *isa);

#endif

/* scratch.h - memory for packed operands, in large pages: with small ones the processor spends its time looking pages up. */
#ifndef QUERN_CPU_SCRATCH_H
#define QUERN_CPU_SCRATCH_H

#include <stddef.h>

/* At least `bytes` of memory that stays the calling thread's until it ends or asks for more, with what it held; aligned to a
 * large page. Not zeroed. */
void *cpu_scratch(size_t bytes);

#endif

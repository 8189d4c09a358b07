/* avx2.c - the kernels of this folder, compiled with the flags that the Makefile gives this file.
 */
#ifdef __x86_64__
#include "cpu/table.h"

const struct kernels TABLE_OF(avx2) = KERNELS_CPU_TABLE;
#else
typedef int no_avx2_here;
#endif

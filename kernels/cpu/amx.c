/* amx.c - the kernels of this folder, compiled with the flags that the Makefile gives this file.
 */
#ifdef __x86_64__
#include "cpu/table.h"

const struct kernels kernels_table_amx = KERNELS_CPU_TABLE();
const struct kernels kernels_table_amx_bf16 = KERNELS_CPU_TABLE(_bf16);
#else
typedef int no_amx_here;
#endif

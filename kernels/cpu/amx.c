/* amx.c - the kernels of this folder, compiled with the flags that the Makefile gives this file.
 */
#ifdef __x86_64__
#include "cpu/table.h"

const struct kernels TABLE_OF(amx) = KERNELS_CPU_TABLE;
#else
typedef int no_amx_here;
#endif

/* plain.c - the kernels of this folder, compiled for any machine: the specification.
 */
#include "cpu/table.h"

const struct kernels kernels_table_plain = KERNELS_CPU_TABLE();
const struct kernels kernels_table_plain_bf16 = KERNELS_CPU_TABLE(_bf16);

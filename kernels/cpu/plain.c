/* plain.c - the kernels of this folder, compiled for any machine: the specification.
 */
#include "cpu/table.h"

const struct kernels TABLE_OF(plain) = KERNELS_CPU_TABLE;

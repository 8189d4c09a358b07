/* avx2_bf16.c - avx2.c for activations of bf16. */
#define ACT_BF16 1
#include "avx2.c"

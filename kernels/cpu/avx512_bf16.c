/* avx512_bf16.c - avx512.c for activations of bf16. */
#define ACT_BF16 1
#include "avx512.c"

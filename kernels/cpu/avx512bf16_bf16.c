/* avx512bf16_bf16.c - avx512bf16.c for activations of bf16. */
#define ACT_BF16 1
#include "avx512bf16.c"

/* amx_bf16.c - amx.c for activations of bf16. */
#define ACT_BF16 1
#include "amx.c"

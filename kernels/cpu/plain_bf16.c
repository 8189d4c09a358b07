/* plain_bf16.c - plain.c for activations of bf16. */
#define ACT_BF16 1
#include "plain.c"

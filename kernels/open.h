/* open.h - which device computes: the CPU, or an NVIDIA GPU by a shared object that is opened at run time. */
#ifndef QUERN_KERNELS_OPEN_H
#define QUERN_KERNELS_OPEN_H

#include "kernels.h"

/* The kinds of numbers that a device computes with: FLOATS and HALVES (bf16) as asked, or DEFAULT: floats on a CPU, bf16 on a GPU. */
enum precision { PRECISION_DEFAULT, PRECISION_FLOATS, PRECISION_HALVES };

/* device is "cpu", "cuda" or "cuda:N" (the GPU N, from 0), or "auto": GPU 0 if it can be used, else the CPU; *reason is then why there is
 * none, where the system has one (mem_free), else NULL.
 * The GPU's table comes from the file that QUERN_CUDA names, or quern-cuda.so in the program's directory or ../lib beside it; QUERN_CUDA set to nothing: there is none.
 * ERR_USAGE: no such name of a device; ERR_IO: there is no such GPU, or it cannot be used. */
enum status kernels_open(const char *device, enum precision precision, const struct kernels **k, char **reason, struct error *err);

#endif

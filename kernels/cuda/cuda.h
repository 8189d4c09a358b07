/* cuda.h - the one function of the shared object that computes on an NVIDIA GPU.
 *
 * quern-cuda.so links the CUDA runtime and cuBLASLt and is opened with dlopen where there is a GPU; quern-cuda-emulated.so has the same
 * kernels compiled for the CPU (emulate/cuda_runtime.h), for tests. */
#ifndef QUERN_CUDA_H
#define QUERN_CUDA_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The table of device `number`, with activations of bf16 or of floats (elem_bytes says it): it lives as long as the process, and may be asked
 * for again. NULL with err: no GPU or no such one (ERR_USAGE), a driver that is too old, not enough memory. A process computes on one
 * device. The caller compares abi with its KERNELS_ABI before it touches anything else. */
const struct kernels *kernels_cuda_open(int number, bool half, struct error *err);
typedef const struct kernels *kernels_cuda_open_fn(int number, bool half, struct error *err);
#define KERNELS_CUDA_OPEN "kernels_cuda_open"

#ifdef __cplusplus
}
#endif

#endif

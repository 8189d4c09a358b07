/* check_device.h - a device in the kernels' check. */
#ifndef QUERN_KERNELS_CHECK_DEVICE_H
#define QUERN_KERNELS_CHECK_DEVICE_H

#include "cuda/cuda.h"

/* What opens a device, from the shared object beside this program: the emulated one, or the one for GPUs. NULL: why not. */
kernels_cuda_open_fn *device_opener(bool emulated, char *why, size_t bytes);
/* The device's table with entries that take host memory, but for alloc, release, upload, download, zero and copy. Weights are packed on every
 * other call, for both passes; forward: on each, for the forward alone. One at a time: it is valid until the next call. */
const struct kernels *device_on_host(const struct kernels *device, bool forward);

/* A digest of all that entries have written: the same from run to run, whatever the order of threads. */
uint64_t device_digest(void);
/* Times the entries of a real device and prints each beside its floor. */
void bench_device(const struct kernels *device);

#endif

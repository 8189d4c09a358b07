/* block.h - what the emulated runtime asks of the fibers. */
#ifndef QUERN_EMULATE_BLOCK_H
#define QUERN_EMULATE_BLOCK_H

#include <cuda_runtime.h>

#define THREADS_MAX 1024

/* What a launch of it gives. */
cudaError_t emulate_check_call(const emulate_call *call);
/* Runs every block; device memory must be accessible. */
void emulate_run(emulate_call *call);
void emulate_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif

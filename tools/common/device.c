/* device.c - see device.h. */
#include "common/device.h"

#include "base/mem.h"
#include "open.h"

enum status tool_open_device(struct tool *t, const struct device_flags *f, bool bf16, const struct kernels **k, struct error *err)
{
	enum precision precision = f->float32 ? PRECISION_FLOATS : bf16 ? PRECISION_HALVES : PRECISION_DEFAULT;
	char *reason;

	if (bf16 && f->float32)
		return error_set(err, ERR_USAGE, "--bf16 and --float32 exclude each other");
	TRY(kernels_open(f->device, precision, k, &reason, err));
	if (reason)
		tool_warn(t, "on the CPU: %s", reason);
	mem_free(reason);
	return OK;
}

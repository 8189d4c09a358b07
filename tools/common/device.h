/* device.h - where a model computes, as options of a main. */
#ifndef QUERN_TOOLS_DEVICE_H
#define QUERN_TOOLS_DEVICE_H

#include "common/tool.h"
#include "kernels.h"

struct device_flags {
	const char *device;
	bool float32;
};

#define DEVICE_FLAGS_DEFAULT { .device = "auto" }
#define DEVICE_FLAGS(f)                                                                                               \
	{ .type = OPT_TYPE_STRING, .name = "device", .value = &(f).device, .arg = "auto|cpu|cuda:N",                  \
	  .help = "where to compute; auto is a GPU if there is one, else the CPU", .no_provenance = true },           \
	OPT_FLAG(0, "float32", &(f).float32, "compute in float32 on a GPU, too, where bfloat16 is the default")

/* The table of the device; bf16: asked for on the CPU, too. ERR_USAGE for what excludes each other. */
enum status tool_open_device(struct tool *t, const struct device_flags *f, bool bf16, const struct kernels **k, struct error *err);

#endif

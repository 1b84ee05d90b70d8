// SPDX-License-Identifier: GPL-2.0-only
/* Jetson's own file: the management library tells next to nothing there. */
#include "daemon/sense/gpu/gpu.h"

#include <errno.h>
#include <stdio.h>
#include "daemon/sense/gpu/file.h"
#include "daemon/sense/gpu/memory.h"

#define LOAD	"/sys/devices/platform/gpu.0/load"

/* The backend has no state but its root. */
static int jetson_sample(void *self, struct gpu_sample *s, struct gpu_caps *caps)
{
	const char *root = self;
	struct gpu_device *dev;
	uint64_t load;

	if (file_number(&load, root, LOAD)) {
		caps->there = false;
		snprintf(caps->why, sizeof(caps->why), LOAD " went away");
		return -ENODEV;
	}
	/* the board has one GPU, which the library may have named already */
	dev = s->ndevice == 1 ? &s->device[0] : gpu_sample_device(s, "gpu.0");
	if (!dev)
		return 0;
	if (!dev->name[0])
		snprintf(dev->name, sizeof(dev->name), "Jetson GPU");
	/* per mille */
	if (load <= 1000)
		gpu_tell(&dev->v[GPU_BUSY], (s->to_ns - s->from_ns) / 1000 * load,
			 STARLING_FROM_DRIVER, true);
	if (memory_tell(dev, root))
		caps->can[GPU_MEMORY] = caps->can[GPU_MEMORY_TOTAL] = GPU_CAN_INSTEAD;
	if (dev->v[GPU_PRESSURE].known)
		caps->can[GPU_PRESSURE] = GPU_CAN;
	return 0;
}

static int jetson_open(void **self, const char *root, struct gpu_caps *caps)
{
	uint64_t load;
	int err = file_number(&load, root, LOAD);

	if (err) {
		snprintf(caps->why, sizeof(caps->why), "no " LOAD);
		caps->can[GPU_BUSY] = err == -EACCES ? GPU_CAN_RIGHT : GPU_CAN_ABSENT;
		return err;
	}
	caps->there = true;
	caps->can[GPU_BUSY] = GPU_CAN;
	snprintf(caps->why, sizeof(caps->why), LOAD);
	*self = (void *)root;
	return 0;
}

static void jetson_close(void *self)
{
	(void)self;
}

const struct gpu_backend gpu_jetson = {
	.name = "jetson", .open = jetson_open, .sample = jetson_sample, .close = jetson_close,
};

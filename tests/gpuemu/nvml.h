/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside the emulated NVML: what its files share, and how it is told to fail. */
#ifndef GPUEMU_NVML_H
#define GPUEMU_NVML_H

#include <stdbool.h>

#include "device.h"

#define EXPORT __attribute__((visibility("default")))

typedef int nvmlReturn_t;
typedef struct nvml_device *nvmlDevice_t;

enum {
	NVML_SUCCESS = 0,
	NVML_ERROR_UNINITIALIZED = 1,
	NVML_ERROR_INVALID_ARGUMENT = 2,
	NVML_ERROR_NOT_SUPPORTED = 3,
	NVML_ERROR_NOT_FOUND = 6,
	NVML_ERROR_INSUFFICIENT_SIZE = 7,
	NVML_ERROR_DRIVER_NOT_LOADED = 9,
	NVML_ERROR_TIMEOUT = 10,
	NVML_ERROR_UNKNOWN = 999,
};

struct nvml_device {
	struct gpuemu_device *shared;
};

/* May @d be asked, and is @out somewhere to write to? Says what to return. */
nvmlReturn_t nvml_check(nvmlDevice_t d, const void *out);

/*
 * Words in the file $GPUEMU_DEVICE.nvml, looked at on each call:
 *   gb10	what GB10's driver answers: no memory, no memory clock
 *   no-usage	no utilization of single processes
 *   samples	utilization as a ring of samples, stale and impossible ones too
 *   gone	the driver has been removed
 *   hang	no call returns
 *   crash	the library crashes
 *   xid=N	fault N has happened; once for each change of the file
 */
bool nvml_mode(const char *word);
/* The number behind "@word=", 0 without. */
unsigned long nvml_mode_number(const char *word);
/* Changes with the file. */
unsigned long nvml_mode_stamp(void);

#endif

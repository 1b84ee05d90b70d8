// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of NVML that tells who uses the GPU, for the emulated device. It only
 * reads: a machine on which no CUDA program ran yet shows an idle device.
 */
#include "device.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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
	NVML_ERROR_UNKNOWN = 999,
};

typedef struct {
	unsigned int gpu, memory;
} nvmlUtilization_t;

typedef struct {
	unsigned long long total, free, used;
} nvmlMemory_t;

typedef struct {
	unsigned int version;
	unsigned long long total, reserved, free, used;
} nvmlMemory_v2_t;

typedef struct {
	unsigned int pid;
	unsigned long long used_memory;
	unsigned int gpu_instance, compute_instance;
} nvmlProcessInfo_t;

typedef struct {
	unsigned int pid;
	unsigned long long timestamp;
	unsigned int sm, mem, enc, dec;
} nvmlProcessUtilizationSample_t;

_Static_assert(sizeof(nvmlProcessInfo_t) == 24, "NVML ABI");
_Static_assert(sizeof(nvmlProcessUtilizationSample_t) == 32, "NVML ABI");

/* rates are over this time, as those of the real library roughly are */
#define WINDOW_NS	1000000000ULL

struct nvml_device {
	struct gpuemu_device *shared;
};

static struct nvml_device device;
static int users;

/* The device file may appear after nvmlInit(): look again at each call. */
static nvmlReturn_t check(nvmlDevice_t d, const void *out)
{
	if (!users)
		return NVML_ERROR_UNINITIALIZED;
	if (d != &device || !out)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!device.shared)
		device.shared = gpuemu_map(0);
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlInit_v2(void)
{
	users++;
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
	(void)flags;
	return nvmlInit_v2();
}

EXPORT nvmlReturn_t nvmlShutdown(void)
{
	if (!users)
		return NVML_ERROR_UNINITIALIZED;
	users--;
	return NVML_SUCCESS;
}

EXPORT const char *nvmlErrorString(nvmlReturn_t res)
{
	switch (res) {
	case NVML_SUCCESS:
		return "The operation was successful";
	case NVML_ERROR_UNINITIALIZED:
		return "NVML was not first initialized with nvmlInit()";
	case NVML_ERROR_INVALID_ARGUMENT:
		return "A supplied argument is invalid";
	case NVML_ERROR_NOT_SUPPORTED:
		return "The requested operation is not available on target device";
	case NVML_ERROR_NOT_FOUND:
		return "A query to find an object was unsuccessful";
	case NVML_ERROR_INSUFFICIENT_SIZE:
		return "An input argument is not large enough";
	}
	return "Unknown error";
}

EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *out, unsigned int len)
{
	if (!out)
		return NVML_ERROR_INVALID_ARGUMENT;
	snprintf(out, len, "emulated");
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
	if (!users)
		return NVML_ERROR_UNINITIALIZED;
	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*count = 1;
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *out)
{
	if (!users)
		return NVML_ERROR_UNINITIALIZED;
	if (index || !out)
		return NVML_ERROR_INVALID_ARGUMENT;
	*out = &device;
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t d, unsigned int *out)
{
	nvmlReturn_t res = check(d, out);

	if (!res)
		*out = 0;
	return res;
}

EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t d, char *out, unsigned int len)
{
	nvmlReturn_t res = check(d, out);

	if (!res)
		snprintf(out, len, "%s", GPUEMU_NAME);
	return res;
}

EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t d, char *out, unsigned int len)
{
	nvmlReturn_t res = check(d, out);

	if (!res)
		snprintf(out, len, "GPU-73746172-6c69-6e67-2d67-7075656d7500");
	return res;
}

static unsigned int percent_busy(uint32_t pid, uint64_t from)
{
	uint64_t now = gpuemu_now();

	if (!device.shared || now <= from)
		return 0;
	return gpuemu_busy_between(device.shared, pid, from, now) * 100 / (now - from);
}

static unsigned int percent_memory(void)
{
	struct gpuemu_stats st;

	if (!device.shared)
		return 0;
	gpuemu_stats(device.shared, &st);
	return st.mem_bytes * 100 / st.mem_total;
}

EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t d, nvmlUtilization_t *out)
{
	nvmlReturn_t res = check(d, out);

	if (res)
		return res;
	out->gpu = percent_busy(0, gpuemu_now() - WINDOW_NS);
	out->memory = percent_memory();
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *out)
{
	nvmlReturn_t res = check(d, out);
	struct gpuemu_stats st = { .mem_total = gpuemu_mem_total() };

	if (res)
		return res;
	if (device.shared)
		gpuemu_stats(device.shared, &st);
	out->total = st.mem_total;
	out->used = st.mem_bytes;
	out->free = st.mem_total - st.mem_bytes;
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t d, nvmlMemory_v2_t *out)
{
	nvmlMemory_t m;
	nvmlReturn_t res = out ? nvmlDeviceGetMemoryInfo(d, &m) : NVML_ERROR_INVALID_ARGUMENT;

	if (res)
		return res;
	out->total = m.total;
	out->reserved = 0;
	out->free = m.free;
	out->used = m.used;
	return NVML_SUCCESS;
}

static unsigned int live_clients(const struct gpuemu_proc **out)
{
	unsigned int n = 0;
	int i;

	for (i = 0; device.shared && i < GPUEMU_PROCS; i++)
		if (gpuemu_proc_alive(&device.shared->procs[i]))
			out[n++] = &device.shared->procs[i];
	return n;
}

EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t d, unsigned int *count,
							    nvmlProcessInfo_t *out)
{
	const struct gpuemu_proc *p[GPUEMU_PROCS];
	nvmlReturn_t res = check(d, count);
	unsigned int n, i, room;

	if (res)
		return res;
	room = out ? *count : 0;
	n = live_clients(p);
	*count = n;
	if (n > room)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	for (i = 0; i < n; i++) {
		out[i].pid = atomic_load(&p[i]->pid);
		out[i].used_memory = atomic_load(&p[i]->mem_bytes);
		out[i].gpu_instance = out[i].compute_instance = ~0U;
	}
	return NVML_SUCCESS;
}

/* NVML stamps are wall-clock us; last_seen 0 or older than we look back: 1 s */
static uint64_t window_start(unsigned long long last_seen, uint64_t *stamp_us)
{
	uint64_t now = gpuemu_now(), real;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	real = ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
	*stamp_us = real;
	if (last_seen < real && real - last_seen < 10 * WINDOW_NS / 1000)
		return now - (real - last_seen) * 1000;
	return now - WINDOW_NS;
}

EXPORT nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t d,
						    nvmlProcessUtilizationSample_t *out,
						    unsigned int *count,
						    unsigned long long last_seen)
{
	const struct gpuemu_proc *p[GPUEMU_PROCS];
	nvmlReturn_t res = check(d, count);
	uint64_t from, stamp;
	unsigned int n, i;

	if (res)
		return res;
	n = live_clients(p);
	if (!n) {
		*count = 0;
		return NVML_ERROR_NOT_FOUND;
	}
	if (!out || *count < n) {
		*count = n;
		return NVML_ERROR_INSUFFICIENT_SIZE;
	}
	from = window_start(last_seen, &stamp);
	for (i = 0; i < n; i++) {
		memset(&out[i], 0, sizeof(out[i]));
		out[i].pid = atomic_load(&p[i]->pid);
		out[i].timestamp = stamp;
		out[i].sm = percent_busy(out[i].pid, from);
	}
	*count = n;
	return NVML_SUCCESS;
}

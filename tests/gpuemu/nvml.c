// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of NVML that tells who uses the GPU, for the emulated device. It only
 * reads: a machine on which no CUDA program ran yet shows an idle device.
 */
#include "nvml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

/* the ring of "samples", and how often one is taken of each process */
enum { RING_SAMPLES = 72 };

#define STEP_NS		166666667ULL

static struct nvml_device device;
static int users;

static nvmlReturn_t driver_answers(void)
{
	while (nvml_mode("hang"))
		usleep(10000);
	if (nvml_mode("crash"))
		abort();
	return nvml_mode("gone") ? NVML_ERROR_DRIVER_NOT_LOADED : NVML_SUCCESS;
}

/* The device file may appear after nvmlInit(): look again at each call. */
nvmlReturn_t nvml_check(nvmlDevice_t d, const void *out)
{
	if (!users)
		return NVML_ERROR_UNINITIALIZED;
	if (d != &device || !out)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!device.shared)
		device.shared = gpuemu_map(0);
	return driver_answers();
}

EXPORT nvmlReturn_t nvmlInit_v2(void)
{
	nvmlReturn_t res = driver_answers();

	users += !res;
	return res;
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
	case NVML_ERROR_DRIVER_NOT_LOADED:
		return "Driver Not Loaded";
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
	nvmlReturn_t res = nvml_check(d, out);

	if (!res)
		*out = 0;
	return res;
}

EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t d, char *out, unsigned int len)
{
	nvmlReturn_t res = nvml_check(d, out);

	if (!res)
		snprintf(out, len, "%s", GPUEMU_NAME);
	return res;
}

EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t d, char *out, unsigned int len)
{
	nvmlReturn_t res = nvml_check(d, out);

	if (!res)
		snprintf(out, len, "GPU-73746172-6c69-6e67-2d67-7075656d7500");
	return res;
}

static unsigned int percent_busy(uint32_t pid, uint64_t from, uint64_t to)
{
	if (!device.shared || to <= from)
		return 0;
	return gpuemu_busy_between(device.shared, pid, from, to) * 100 / (to - from);
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
	nvmlReturn_t res = nvml_check(d, out);
	uint64_t now = gpuemu_now();

	if (res)
		return res;
	out->gpu = percent_busy(0, now - WINDOW_NS, now);
	out->memory = nvml_mode("gb10") ? 0 : percent_memory();
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *out)
{
	nvmlReturn_t res = nvml_check(d, out);
	struct gpuemu_stats st = { .mem_total = gpuemu_mem_total() };

	if (res)
		return res;
	if (nvml_mode("gb10"))
		return NVML_ERROR_NOT_SUPPORTED;
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
	nvmlReturn_t res = nvml_check(d, count);
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

/* One sample a process, over all the time since the last look. */
static unsigned int fill_means(nvmlProcessUtilizationSample_t *out, const struct gpuemu_proc **p,
			       unsigned int n, unsigned long long last_seen)
{
	uint64_t stamp, from = window_start(last_seen, &stamp);

	for (unsigned int i = 0; i < n; i++) {
		out[i].pid = atomic_load(&p[i]->pid);
		out[i].timestamp = stamp;
		out[i].sm = percent_busy(out[i].pid, from, gpuemu_now());
	}
	return n;
}

/*
 * As a ring of so many samples that are not in order, filled every so often by all
 * processes: with many of them it covers less time. Two of the samples are not
 * what they seem: one was handed out before, one says more than 100 %.
 */
static unsigned int fill_ring(nvmlProcessUtilizationSample_t *out, const struct gpuemu_proc **p,
			      unsigned int n, unsigned long long last_seen)
{
	uint64_t real, now = gpuemu_now(), steps = RING_SAMPLES / n, age;
	unsigned int have = 0;

	window_start(last_seen, &real);
	for (uint64_t step = 0; step < steps && step * STEP_NS < now; step++) {
		/* at the same times whoever asks when */
		age = now % STEP_NS + step * STEP_NS;
		if (real - age / 1000 <= last_seen)
			break;
		for (unsigned int i = 0; i < n; i++) {
			out[have].pid = atomic_load(&p[i]->pid);
			out[have].timestamp = real - age / 1000;
			out[have].sm = percent_busy(out[have].pid, now - age - STEP_NS, now - age);
			have++;
		}
	}
	out[have] = (nvmlProcessUtilizationSample_t){
		.pid = atomic_load(&p[0]->pid), .timestamp = last_seen, .sm = 100,
	};
	out[have + 1] = (nvmlProcessUtilizationSample_t){
		.pid = atomic_load(&p[0]->pid), .timestamp = real, .sm = 4711,
	};
	return have + 2;
}

EXPORT nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t d,
						    nvmlProcessUtilizationSample_t *out,
						    unsigned int *count,
						    unsigned long long last_seen)
{
	const struct gpuemu_proc *p[GPUEMU_PROCS];
	nvmlReturn_t res = nvml_check(d, count);
	unsigned int n, room;
	bool ring;

	if (res)
		return res;
	if (nvml_mode("no-usage"))
		return NVML_ERROR_NOT_SUPPORTED;
	n = live_clients(p);
	if (!n) {
		*count = 0;
		return NVML_ERROR_NOT_FOUND;
	}
	ring = nvml_mode("samples");
	room = out ? *count : 0;
	if (room < (ring ? RING_SAMPLES + 2 : n)) {
		*count = ring ? RING_SAMPLES + 2 : n;
		return NVML_ERROR_INSUFFICIENT_SIZE;
	}
	memset(out, 0, room * sizeof(*out));
	*count = (ring ? fill_ring : fill_means)(out, p, n, last_seen);
	return NVML_SUCCESS;
}

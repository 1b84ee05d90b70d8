// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power, energy, clock, PCI address and faults of the emulated device: 10 W while
 * it is idle, 60 W while it works.
 */
#include "nvml.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { IDLE_W = 10, WORK_W = 50, CLOCK_MHZ = 2000, CLOCK_MEM = 2 };

#define XID_EVENT	0x8ULL

typedef struct {
	char bus_id_legacy[16];
	unsigned int domain, bus, device, pci_device, pci_subsystem;
	char bus_id[32];
} nvmlPciInfo_t;

typedef struct nvml_event_set *nvmlEventSet_t;

typedef struct {
	nvmlDevice_t device;
	unsigned long long type, data;
	unsigned int gpu_instance, compute_instance;
} nvmlEventData_t;

struct nvml_event_set {
	nvmlDevice_t device;
	unsigned long seen;	/* stamp of the file whose fault was told */
};

static struct nvml_event_set event_set;

EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t d, nvmlPciInfo_t *out)
{
	nvmlReturn_t res = nvml_check(d, out);

	if (res)
		return res;
	memset(out, 0, sizeof(*out));
	/* as CUDA has it; no real machine's */
	out->domain = 0xffff;
	out->bus = 1;
	snprintf(out->bus_id, sizeof(out->bus_id), "0000FFFF:01:00.0");
	snprintf(out->bus_id_legacy, sizeof(out->bus_id_legacy), "FFFF:01:00.0");
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t d, unsigned long long *out)
{
	nvmlReturn_t res = nvml_check(d, out);
	struct gpuemu_stats st = { 0 };

	if (res)
		return res;
	if (d->shared)
		gpuemu_stats(d->shared, &st);
	*out = ((st.now - st.born_ns) * IDLE_W + st.busy_ns * WORK_W) / 1000000;
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t d, unsigned int *out)
{
	nvmlReturn_t res = nvml_check(d, out);
	uint64_t now = gpuemu_now(), span = 100000000;

	if (res)
		return res;
	*out = IDLE_W * 1000;
	if (d->shared)
		*out += gpuemu_busy_between(d->shared, 0, now - span, now) * WORK_W * 1000 / span;
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t d, unsigned int which, unsigned int *out)
{
	nvmlReturn_t res = nvml_check(d, out);

	if (res)
		return res;
	if (which == CLOCK_MEM && nvml_mode("gb10"))
		return NVML_ERROR_NOT_SUPPORTED;
	*out = CLOCK_MHZ;
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *out)
{
	if (!out)
		return NVML_ERROR_INVALID_ARGUMENT;
	event_set.seen = nvml_mode_stamp();
	*out = &event_set;
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t d, unsigned long long types,
					     nvmlEventSet_t set)
{
	nvmlReturn_t res = nvml_check(d, set);

	if (!res && types != XID_EVENT)
		return NVML_ERROR_NOT_SUPPORTED;
	if (!res)
		set->device = d;
	return res;
}

EXPORT nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *out,
					unsigned int ms)
{
	unsigned long stamp = nvml_mode_stamp(), xid = nvml_mode_number("xid");

	if (!set || !set->device || !out)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (stamp == set->seen || !xid) {
		usleep(ms * 1000);
		return NVML_ERROR_TIMEOUT;
	}
	set->seen = stamp;
	*out = (nvmlEventData_t){ .device = set->device, .type = XID_EVENT, .data = xid };
	return NVML_SUCCESS;
}

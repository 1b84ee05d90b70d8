// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/gpu.h"

#include <stdio.h>
#include <string.h>

const struct gpu_backend *const gpu_backends[GPU_BACKENDS] = {
	&gpu_nvml, &gpu_drm, &gpu_jobs, &gpu_jetson, &gpu_hwmon, &gpu_rapl,
};

static const char *const items[] = {
	[GPU_PROC_BUSY] = "process_busy",
	[GPU_PROC_QUEUE] = "process_queue",
	[GPU_PROC_MEMORY] = "process_memory",
	[GPU_BUSY] = "busy",
	[GPU_MEMORY] = "memory",
	[GPU_MEMORY_TOTAL] = "memory_total",
	[GPU_PRESSURE] = "memory_pressure",
	[GPU_POWER] = "power",
	[GPU_ENERGY] = "energy",
	[GPU_CLOCK] = "clock",
	[GPU_FAULTS] = "faults",
};

static const struct {
	const char *text;
	int rank;
} cans[] = {
	[GPU_CAN_NOT] = { "not told by this source", 0 },
	[GPU_CAN] = { "yes", 7 },
	[GPU_CAN_INSTEAD] = { "yes, from other values", 6 },
	[GPU_CAN_LATER] = { "not known before a program uses the GPU", 5 },
	[GPU_CAN_OLD] = { "the driver is too old", 4 },
	[GPU_CAN_RIGHT] = { "not allowed to this user", 3 },
	[GPU_CAN_UNSUPPORTED] = { "not supported on this GPU", 2 },
	[GPU_CAN_ABSENT] = { "no such file", 1 },
};

const char *gpu_item_name(enum gpu_item item)
{
	return items[item];
}

const char *gpu_can_text(enum gpu_can can)
{
	return cans[can < __GPU_CAN_MAX ? can : GPU_CAN_NOT].text;
}

enum gpu_can gpu_can_best(enum gpu_can a, enum gpu_can b)
{
	return cans[a].rank >= cans[b].rank ? a : b;
}

struct gpu_device *gpu_sample_device(struct gpu_sample *s, const char *pci)
{
	struct gpu_device *d;

	for (uint32_t i = 0; i < s->ndevice; i++)
		if (!strcmp(s->device[i].pci, pci))
			return &s->device[i];
	if (s->ndevice == GPU_DEVICES_MAX) {
		s->lost++;
		return NULL;
	}
	d = &s->device[s->ndevice++];
	memset(d, 0, sizeof(*d));
	snprintf(d->pci, sizeof(d->pci), "%s", pci);
	return d;
}

const struct gpu_device *gpu_sample_numbered(const struct gpu_sample *s, unsigned int n)
{
	bool numbered = false;

	for (uint32_t i = 0; i < s->ndevice; i++) {
		if (s->device[i].number == n + 1)
			return &s->device[i];
		numbered |= s->device[i].number > 0;
	}
	return !numbered && n < s->ndevice ? &s->device[n] : NULL;
}

struct gpu_process *gpu_sample_process(struct gpu_sample *s, const struct gpu_device *dev,
				       uint32_t pid, uint64_t start_ticks)
{
	uint32_t device = dev - s->device;
	struct gpu_process *p;

	if (!start_ticks)
		return NULL;
	for (uint32_t i = 0; i < s->nproc; i++)
		if (s->proc[i].pid == pid && s->proc[i].device == device)
			return &s->proc[i];
	if (s->nproc == GPU_PROCS_MAX) {
		s->lost++;
		return NULL;
	}
	p = &s->proc[s->nproc++];
	*p = (struct gpu_process){ .pid = pid, .device = device, .start_ticks = start_ticks };
	return p;
}

void gpu_text(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void gpu_tell(struct gpu_value *v, uint64_t n, enum starling_value_source source,
	      bool estimated)
{
	if (v->known || n > GPU_VALUE_MAX)
		return;
	*v = (struct gpu_value){
		.n = n, .known = true, .estimated = estimated, .source = source,
	};
}

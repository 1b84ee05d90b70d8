/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvml-abi.h - the part of NVIDIA's management library that is used, as its
 * documentation has it. It is loaded when there is one, never linked.
 */
#ifndef STARLING_GPU_NVML_ABI_H
#define STARLING_GPU_NVML_ABI_H

typedef int nvml_ret;
typedef struct nvml_device *nvml_dev;
typedef struct nvml_event_set *nvml_set;

enum {
	NVML_OK = 0,
	NVML_UNINITIALIZED = 1,
	NVML_NOT_SUPPORTED = 3,
	NVML_NO_PERMISSION = 4,
	NVML_NOT_FOUND = 6,
	NVML_INSUFFICIENT_SIZE = 7,
	NVML_DRIVER_NOT_LOADED = 9,
	NVML_TIMEOUT = 10,
	NVML_FUNCTION_NOT_FOUND = 13,
	NVML_GPU_IS_LOST = 15,
	NVML_RESET_REQUIRED = 16,
	NVML_RM_VERSION_MISMATCH = 18,
};

enum { NVML_CLOCK_SM = 1 };

#define NVML_NOT_AVAILABLE	(~0ULL)	/* as a number of bytes */
#define NVML_EVENT_XID		0x8ULL

struct nvml_utilization {
	unsigned int gpu;
	unsigned int memory;
};

struct nvml_memory {
	unsigned long long total;
	unsigned long long free;
	unsigned long long used;
};

/* @version: the structure's size and its number 2 */
struct nvml_memory2 {
	unsigned int version;
	unsigned long long total;
	unsigned long long reserved;
	unsigned long long free;
	unsigned long long used;
};

#define NVML_MEMORY2_VERSION	(sizeof(struct nvml_memory2) | 2U << 24)

/* Of version 2 and 3 of the functions; that of version 1 is shorter. */
struct nvml_process {
	unsigned int pid;
	unsigned long long used;
	unsigned int gpu_instance;
	unsigned int compute_instance;
};

struct nvml_usage {
	unsigned int pid;
	unsigned long long stamp_us;
	unsigned int sm;
	unsigned int mem;
	unsigned int enc;
	unsigned int dec;
};

struct nvml_pci {
	char bus_id_legacy[16];
	unsigned int domain;
	unsigned int bus;
	unsigned int device;
	unsigned int pci_device;
	unsigned int pci_subsystem;
	char bus_id[32];
};

struct nvml_event {
	nvml_dev device;
	unsigned long long type;
	unsigned long long data;
	unsigned int gpu_instance;
	unsigned int compute_instance;
};

_Static_assert(sizeof(struct nvml_process) == 24, "as the library has it");
_Static_assert(sizeof(struct nvml_usage) == 32, "as the library has it");
_Static_assert(sizeof(struct nvml_memory2) == 40, "as the library has it");
_Static_assert(sizeof(struct nvml_pci) == 68, "as the library has it");

#endif

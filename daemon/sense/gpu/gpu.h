/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gpu.h - what sources tell of GPUs: backends behind one interface (contract).
 *
 * A backend is opened (that is the probe), says what it can tell, and is then
 * sampled. It may block and it may crash, as a vendor's library is part of it:
 * so it runs in a process of its own (reader.h), and what it tells crosses to
 * the daemon as one struct gpu_sample. Nothing here holds a pointer.
 */
#ifndef STARLING_SENSE_GPU_H
#define STARLING_SENSE_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/starling.h>

enum { GPU_DEVICES_MAX = 16, GPU_PROCS_MAX = 256, GPU_BACKENDS = 6 };

/* What there is to know. Those with "in the interval" are changes, not totals. */
enum gpu_item {
	GPU_PROC_BUSY,		/* ns in the interval a process had the GPU busy */
	GPU_PROC_QUEUE,		/* ns that jobs waited which were done in the interval */
	GPU_PROC_MEMORY,	/* bytes a process has */
	GPU_BUSY,		/* ns in the interval the device was busy */
	GPU_MEMORY,		/* bytes in use */
	GPU_MEMORY_TOTAL,	/* bytes there are */
	GPU_PRESSURE,		/* time waited for memory, of 10 s, 1/100 % (PSI) */
	GPU_POWER,		/* mW now */
	GPU_ENERGY,		/* uJ in the interval */
	GPU_CLOCK,		/* MHz now */
	GPU_FAULTS,		/* faults (NVIDIA: Xid) in the interval */
	__GPU_ITEM_MAX,
};

/* Whether a backend can tell an item, and if not why. */
enum gpu_can {
	GPU_CAN_NOT = 0,	/* not a thing it tells */
	GPU_CAN,
	GPU_CAN_INSTEAD,	/* in another way: from other values */
	GPU_CAN_LATER,		/* not known before somebody uses the GPU */
	GPU_CAN_OLD,		/* the driver is too old */
	GPU_CAN_UNSUPPORTED,	/* not on this GPU */
	GPU_CAN_RIGHT,		/* not allowed */
	GPU_CAN_ABSENT,		/* the file is not there */
	__GPU_CAN_MAX,
};

struct gpu_caps {
	bool there;
	uint8_t can[__GPU_ITEM_MAX];	/* enum gpu_can; the best of all devices */
	char why[116];		/* there: what it is; else: why not, and what to do */
};

/* A value that is not known is not 0: look at @known first. */
struct gpu_value {
	uint64_t n;
	uint8_t known;
	uint8_t estimated;
	uint8_t source;		/* enum starling_value_source */
	uint8_t pad[5];
};

struct gpu_device {
	char pci[20];		/* "0000:01:00.0"; "": not on PCI */
	char name[44];
	char uuid[48];		/* as CUDA_VISIBLE_DEVICES takes it; "": not told */
	struct gpu_value v[__GPU_ITEM_MAX];
	uint64_t last_fault;	/* code of the newest one; 0: none seen */
	uint8_t complete;	/* each process that uses it is in the sample */
	uint8_t number;		/* 1 + the driver's; 0: it has none */
	uint8_t pad[6];
};

/* One process on one device. With its start, the pid is an identity. */
struct gpu_process {
	uint32_t pid;
	uint32_t device;
	uint64_t start_ticks;
	struct gpu_value busy;
	struct gpu_value queue;
	struct gpu_value memory;
};

/* Sent as it is, cut behind the last process: @proc stays last. */
struct gpu_sample {
	uint64_t from_ns;	/* CLOCK_MONOTONIC */
	uint64_t to_ns;
	uint32_t ndevice;
	uint32_t nproc;
	uint32_t lost;		/* devices and processes there was no room for */
	uint32_t last;		/* the reader ends: there is nothing to read */
	uint32_t look;		/* to the backends: somebody has begun to use a GPU */
	uint32_t pad;
	struct gpu_value package;	/* uJ of the CPU's package in the interval */
	struct gpu_caps caps[GPU_BACKENDS];
	struct gpu_device device[GPU_DEVICES_MAX];
	struct gpu_process proc[GPU_PROCS_MAX];
};

struct gpu_backend {
	const char *name;
	/*
	 * Is it there, and what can it tell? @root is put before each path ("" or a
	 * copy of a machine's files). 0 or -errno; @caps->why is set either way.
	 */
	int (*open)(void **self, const char *root, struct gpu_caps *caps);
	/* Add to @s. -ENODEV: it is gone, close it and try again later. */
	int (*sample)(void *self, struct gpu_sample *s, struct gpu_caps *caps);
	void (*close)(void *self);
};

extern const struct gpu_backend gpu_nvml, gpu_drm, gpu_jobs, gpu_jetson, gpu_hwmon, gpu_rapl;
/* In the order they are asked: what one has told, the next does not replace. */
extern const struct gpu_backend *const gpu_backends[GPU_BACKENDS];

const char *gpu_item_name(enum gpu_item item);
const char *gpu_can_text(enum gpu_can can);
/* Better of two: an item that one device can tell is one that is told. */
enum gpu_can gpu_can_best(enum gpu_can a, enum gpu_can b);

/* The device at @pci, made if need be. NULL: no room, which is counted. */
struct gpu_device *gpu_sample_device(struct gpu_sample *s, const char *pci);
/*
 * GPU @n as CUDA and leases count, from 0. Where drivers have no numbers it is the nth;
 * NULL: there is none, or it is not told of, as one that was lost.
 */
const struct gpu_device *gpu_sample_numbered(const struct gpu_sample *s, unsigned int n);
/* The entry of @pid on @dev, made if need be. NULL: no room, or no such process. */
struct gpu_process *gpu_sample_process(struct gpu_sample *s, const struct gpu_device *dev,
				       uint32_t pid, uint64_t start_ticks);
static inline size_t gpu_sample_size(const struct gpu_sample *s)
{
	return offsetof(struct gpu_sample, proc) + s->nproc * sizeof(s->proc[0]);
}

/* No value of a GPU comes near it: 64 PiB, two years, 20 MWh. */
#define GPU_VALUE_MAX	(1ULL << 56)

/* Ends @text within @size, and puts a '?' for each byte that cannot be printed. */
void gpu_text(char *text, size_t size);

/* Set a value that nobody has told yet; one that cannot be stays unknown. */
void gpu_tell(struct gpu_value *v, uint64_t n, enum starling_value_source source,
	      bool estimated);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The emulated GPU: one shared-memory file that all processes of a machine
 * map. The device is nothing but a clock of reservations: a launch takes
 * [max(now, busy_until), +duration) with one compare-and-swap, so queued work
 * takes real time and is first-in first-out across processes, and a process
 * killed between any two instructions leaves a usable device behind. All
 * times are CLOCK_MONOTONIC nanoseconds. A file full of zeros is a valid,
 * idle device.
 *
 * TEST DOUBLE: whatever is measured with it concerns an EMULATED GPU.
 */
#ifndef GPUEMU_DEVICE_H
#define GPUEMU_DEVICE_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#define GPUEMU_NAME		"Starling GPU emulator"
#define GPUEMU_NOTE		"EMULATED GPU"
#define GPUEMU_MAGIC		0x31756d6575706753ULL	/* "Sgpuemu1" */
#define GPUEMU_ENV		"GPUEMU_DEVICE"

enum {
	GPUEMU_PROCS = 256,
	GPUEMU_RING = 1 << 17,
};

/* busy interval; valid only while seq == its index + 1 */
struct gpuemu_interval {
	_Atomic uint64_t seq;
	_Atomic uint64_t start;
	_Atomic uint64_t end;
	_Atomic uint32_t pid;
	uint32_t pad;
};

/* one client process; pid 0 is a free slot, start_time tells reused pids */
struct gpuemu_proc {
	_Atomic uint32_t pid;
	uint32_t pad;
	_Atomic uint64_t start_time;
	_Atomic uint64_t busy_ns;
	_Atomic uint64_t launches;
	_Atomic uint64_t mem_bytes;
	_Atomic uint64_t reserved[3];
};

struct gpuemu_device {
	_Atomic uint64_t magic;
	_Atomic uint64_t born_ns;
	_Atomic uint64_t busy_until;
	_Atomic uint64_t busy_ns;	/* reserved so far, future part included */
	_Atomic uint64_t launches;
	_Atomic uint64_t graph_launches;
	_Atomic uint64_t waits;
	_Atomic uint64_t procs_lost;	/* clients that found no free slot */
	_Atomic uint64_t ring_head;	/* intervals ever written */
	_Atomic uint64_t reserved[7];
	struct gpuemu_proc procs[GPUEMU_PROCS];
	struct gpuemu_interval ring[GPUEMU_RING];
};

struct gpuemu_stats {
	uint64_t now, born_ns, busy_ns, idle_ns, launches, graph_launches;
	uint64_t mem_bytes, mem_total, ring_written, ring_lost;
};

/*
 * The read side, usable without being a client. What it returns was true at some
 * moment during the call; nothing is locked. NULL and errno on failure.
 */
const char *gpuemu_path(char *buf, size_t len);
struct gpuemu_device *gpuemu_map(int writable);
void gpuemu_stats(const struct gpuemu_device *d, struct gpuemu_stats *st);
uint64_t gpuemu_mem_total(void);
uint64_t gpuemu_now(void);
int gpuemu_proc_alive(const struct gpuemu_proc *p);
/* busy ns of pid (0: anyone) inside [from, to) */
uint64_t gpuemu_busy_between(const struct gpuemu_device *d, uint32_t pid,
			     uint64_t from, uint64_t to);

#endif

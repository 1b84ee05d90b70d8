/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probe.h - the BPF programs as a source of events, records and wakes.
 *
 * Owns the loaded object and what is attached for good; probes at the GPU's
 * library are cuda.c's, which asks here for the programs.
 */
#ifndef STARLING_SENSE_PROBE_H
#define STARLING_SENSE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/starling.h>
#include "bpf/probe.h"

struct probe;
struct bpf_program;
struct sense_edge;
struct sense_agent;

typedef void (*probe_event_fn)(void *ctx, const struct probe_event *ev);

/*
 * Load and attach. On failure *missing is one clear line, static text, and
 * the result -errno.
 */
int probe_open(struct probe **out, probe_event_fn fn, void *ctx,
	       const char **missing);
void probe_close(struct probe *p);

/*
 * Tell @fn of each begin and end of a wait from now on, as probe_dispatch() is
 * called; NULL: no more. Ends come from PROBE_PROG_RETURN, which must be there.
 */
typedef void (*probe_wait_fn)(void *ctx, const struct probe_wait *wait);
void probe_waits(struct probe *p, probe_wait_fn fn, void *ctx);
/* Those that could not be told, so far. */
uint64_t probe_waits_lost(const struct probe *p);

/* Do not wake the reader for each program that a member executes: it comes by itself. */
void probe_execs_awaited(struct probe *p, bool on);

int probe_fd(const struct probe *p);
/* Take in what the ring has. */
int probe_dispatch(struct probe *p);

/* The arrays live until the next call of the same function. */
int probe_records(struct probe *p, struct starling_task_record **rec, size_t *n);
int probe_edges(struct probe *p, const struct sense_edge **edge, size_t *n);
int probe_agents(struct probe *p, const struct sense_agent **agent, size_t *n);
uint64_t probe_dropped(const struct probe *p);

int probe_control(struct probe *p, struct probe_control *c);

/* Count wakes, or stop: only needed while there is a thread to look around. */
int probe_wakes(struct probe *p, bool on);
/* Listen to the module's tracepoints; -ENOENT: no module. */
int probe_module(struct probe *p);

/* Programs for the library's functions; -1: not there. */
enum probe_gpu_prog { PROBE_PROG_CALL, PROBE_PROG_LAUNCH, PROBE_PROG_RETURN };
int probe_gpu_prog(const struct probe *p, enum probe_gpu_prog which);
/*
 * Whether returns may be probed. On x86-64 kernels from 6.11 on that makes the
 * program do a system call of its own, which until 6.14 its seccomp filter
 * could kill it for.
 */
bool probe_returns_usable(const struct probe *p);
/* New mappings of the library are reported as they are made. */
bool probe_sees_mappings(const struct probe *p);
/* So are opens of a GPU driver's device. */
bool probe_sees_opens(const struct probe *p);
/* Whether @tgid was not known to have one open; from now on it is. */
bool probe_opener_new(struct probe *p, uint32_t tgid);
/* Report (or not) mappings of this inode. */
void probe_lib_known(struct probe *p, uint64_t dev, uint64_t ino, bool known);
/* They are not reported: it has been looked at. */
bool probe_lib_is_known(const struct probe *p, uint64_t dev, uint64_t ino);
/* A GPU driver's library has its probes. */
void probe_gpu_seen(struct probe *p, bool seen);
/* What a window needs to know of the programs. */
struct window_setup;
void probe_window(const struct probe *p, struct window_setup *setup);

/* Programs for the kernel driver's functions. */
enum probe_driver_prog {
	PROBE_DRIVER_OPEN,
	PROBE_DRIVER_MMAP,
	PROBE_DRIVER_IOCTL,
	PROBE_DRIVER_IOCTL_RETURN,
	PROBE_DRIVER_POLL,
	PROBE_DRIVER_POLL_RETURN,
	__PROBE_DRIVER_MAX,
};

/* They are the probe's; @threads is a map by tid of struct probe_driver_thread. */
struct probe_driver {
	bool usable;		/* else this kernel has no kprobes */
	struct bpf_program *prog[__PROBE_DRIVER_MAX];
	int threads;
	__u64 *in;		/* so many were put into it ... */
	__u64 *out;		/* ... and taken out, also by other threads than ours */
};

void probe_driver(const struct probe *p, struct probe_driver *out);

#endif

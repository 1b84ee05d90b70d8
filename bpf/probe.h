/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probe.h - what the BPF programs and the daemon hand each other.
 *
 * Plain data only: the BPF side includes vmlinux.h first, the daemon
 * <linux/types.h>. Records of tasks are struct starling_task_record.
 */
#ifndef STARLING_PROBE_H
#define STARLING_PROBE_H

enum {
	PROBE_AGENTS_MAX = 4096,
	PROBE_EDGES_MAX = 8192,
	PROBE_LIBS_MAX = 64,		/* inodes that are known or given up */
	PROBE_OPENERS_MAX = 1024,	/* processes whose GPU open was reported */
	PROBE_DRIVER_THREADS_MAX = 1024,
	PROBE_RING_BYTES = 256 * 1024,
	PROBE_WAITS_BYTES = 256 * 1024,	/* 250 ms of 20,000 waits a second */
	PROBE_IRQ_RANGES = 2,
};

#define PROBE_GPU_QUIET_NS	100000000ULL	/* then a wait is a resume */
#define PROBE_COMPUTE_EVERY_NS	100000000ULL	/* tell of one that goes on */
#define PROBE_COMPUTE_QUIET_NS	1000000000ULL	/* tell at once of one that resumes */

enum probe_event_type {
	PROBE_EXEC = 1,
	PROBE_EXIT,
	PROBE_GPU_FIRST_WAIT,
	PROBE_GPU_RESUME,
	PROBE_GPU_OPEN,
	PROBE_LIB_MAPPED,	/* dev, ino: a library without probes */
	PROBE_MODULE_JOIN,	/* these three: from the module's tracepoints */
	PROBE_MODULE_LEAVE,
	PROBE_MODULE_ROLE,
	PROBE_COMPUTE,		/* a thread computes a model's graph */
};

struct probe_event {
	__u32 type;
	__u32 tid;
	__u32 tgid;
	__u32 ppid;
	__u64 agent_id;
	__u64 ns;
	__u64 dev;		/* PROBE_LIB_MAPPED */
	__u64 ino;
	__u16 role;
	__u16 source;
	__u32 inherited;	/* PROBE_MODULE_JOIN: by fork */
};

/* ENDED: before @ns; the thread had no CPU all the time, and was not woken either */
enum probe_wait_what { PROBE_WAIT_BEGINS, PROBE_WAIT_ENDS, PROBE_WAIT_ENDED };

/* A thread waits for its GPU, and when that was done. Does not wake the reader. */
struct probe_wait {
	__u32 tgid;
	__u32 what;
	__u64 ns;
};

/* An inode that PROBE_LIB_MAPPED is about. */
struct probe_lib {
	__u64 dev;
	__u64 ino;
};

struct probe_edge_key {
	__u32 waker;
	__u32 wakee;
};

struct probe_edge {
	__u32 waker_tgid;
	__u32 wakee_tgid;
	__u64 count;
};

/* Sums over tasks that have left, and counts, of one agent. */
struct probe_agent {
	__u64 run_ns;
	__u64 wait_ns;
	__u64 gpu_wait_ns;
	__u64 forks;
	__u64 exits;
	__u64 lost;		/* children without a place in the map */
	__s64 tasks;
};

/*
 * What a thread did with NVIDIA's kernel driver. A tid may be used again: it is that
 * of the thread that began at @start_ns.
 */
struct probe_driver_thread {
	__u64 start_ns;
	__u64 last_ns;
	__u64 since_ns;		/* in an ioctl since then; 0: in none */
	__u64 ioctl_ns;
	__u64 ioctls;
	__u64 polls;		/* calls of poll() that may sleep */
	__u32 untimed;		/* ioctls whose return was not seen */
	__u32 opens;
	__u32 maps;
	__u32 tgid;
};

/* Argument of the program `control`: flags say what is to be done. */
#define PROBE_SET_AGENT		(1U << 0)	/* agent_id (0: leave), role, root */
#define PROBE_SET_ROLE		(1U << 1)
#define PROBE_SET_WATCH		(1U << 2)	/* on */
#define PROBE_SET_EXECED	(1U << 3)

struct probe_control {
	__u32 flags;
	__u32 tid;
	__u64 agent_id;
	__u16 role;
	__u16 source;
	__u8 root;
	__u8 on;
	__u8 __pad[2];
};

/* Cookie of a uprobe. Sizes of allocations are always the second argument. */
enum probe_call {
	PROBE_CALL_WAIT = 1,
	PROBE_CALL_ALLOC,
	PROBE_CALL_LAUNCH,
	PROBE_CALL_COMPUTE,
	PROBE_CALL_GRAPH,
	PROBE_CALL_CONTEXT,
};

/* What was dropped, by whom; one index a cause. */
enum probe_drop {
	PROBE_DROP_EVENT = 0,	/* ring full */
	PROBE_DROP_EDGE,	/* edge map full */
	PROBE_DROP_TASK,	/* no storage for a task */
	PROBE_DROP_AGENT,	/* agent map full */
	PROBE_DROP_DRIVER,	/* no room for a thread at the driver */
	PROBE_DROP_WAIT,	/* ring of waits full */
	PROBE_DROP_MAX,
};

#endif

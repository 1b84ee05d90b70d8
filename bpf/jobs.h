/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * jobs.h - what jobs.bpf.c and the daemon tell each other of GPU jobs.
 *
 * Plain data only: the BPF side includes vmlinux.h first, the daemon
 * <linux/types.h>.
 */
#ifndef STARLING_JOBS_H
#define STARLING_JOBS_H

enum {
	JOBS_WAITING_MAX = 16384,	/* jobs that are queued or in work */
	JOBS_RINGS_MAX = 512,
	JOBS_USERS_MAX = 1024,
	JOBS_RING_LEN = 32,
	JOBS_DEVICE_LEN = 20,
};

/* The three tracepoints that a job passes. */
enum jobs_event { JOBS_QUEUE, JOBS_RUN, JOBS_DONE, __JOBS_EVENT_MAX };

/*
 * Where in an event's record a field is, in bytes; 0: it has none. What a job is
 * known by is one number or two; texts are given by where they lie (__data_loc).
 */
struct jobs_fields {
	__u32 key[2];
	__u32 ring;
	__u32 device;
};

/*
 * A queue of the device's, which does its jobs one after the other. Names are the
 * kernel's, cut; @device is "" where events do not tell.
 */
struct jobs_ring {
	char device[JOBS_DEVICE_LEN];
	char name[JOBS_RING_LEN];
};

struct jobs_user {
	struct jobs_ring ring;
	__u32 tgid;		/* 0: nobody's, as a worker of the kernel queued them */
};

/* Totals of jobs that are done, since the user was first seen. */
struct jobs_use {
	__u64 run_ns;		/* they had the ring for themselves */
	__u64 queue_ns;		/* they waited for it, others' jobs included */
	__u64 jobs;
};

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sense.h - what happens on the machine, as the daemon sees it (contract).
 *
 * One sense object hides where facts come from: BPF probes, the module, or
 * only /proc where neither may be used. Single-threaded: every call and every
 * callback runs on the daemon's event loop.
 */
#ifndef STARLING_SENSE_H
#define STARLING_SENSE_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <linux/starling.h>

struct sense;

enum sense_event_type {
	SENSE_EXEC,		/* a member task executed a program */
	SENSE_EXIT,		/* a member or GPU task exited */
	SENSE_GPU_FIRST_WAIT,	/* a thread waited for a GPU the first time */
	SENSE_GPU_RESUME,	/* a GPU thread waits again after >= 100 ms */
	SENSE_GPU_OPEN,		/* a process opened a GPU driver's device or made a context */
	SENSE_COMPUTE,		/* a thread computes a model; each 100 ms at most */
	SENSE_JOIN,		/* a task joined an agent (module, run) */
	SENSE_LEAVE,		/* a task left its agent without exiting */
	SENSE_ROLE,		/* a role was set by owner or self */
};

struct sense_event {
	enum sense_event_type type;
	uint32_t tid;
	uint32_t tgid;
	uint32_t ppid;		/* parent's tgid; 0: unknown */
	uint16_t role;		/* enum starling_role, JOIN/ROLE/EXEC */
	uint16_t role_source;
	uint64_t agent_id;	/* 0: none */
	uint64_t ns;		/* CLOCK_MONOTONIC */
};

/* Wakes of @wakee by @waker since the previous sense_read(). */
struct sense_edge {
	uint32_t waker;		/* tid */
	uint32_t waker_tgid;
	uint32_t wakee;		/* tid */
	uint32_t wakee_tgid;
	uint64_t count;
};

/* Sums over an agent's tasks that have exited, and its counts. */
struct sense_agent {
	uint64_t id;
	uint64_t run_ns;	/* of exited tasks */
	uint64_t wait_ns;
	uint64_t gpu_wait_ns;
	uint64_t forks;		/* tasks that joined by fork */
	uint64_t exits;
	uint32_t tasks;		/* alive now */
	uint32_t weight;	/* from the module; 0: not known there */
	uint32_t class;		/* the same */
	uint64_t parent;	/* from the module; 0: none */
	char name[STARLING_NAME_LEN];
};

/* Arrays belong to the sense object and live until the next sense_read(). */
struct sense_view {
	uint64_t now_ns;
	const struct starling_task_record *task;	/* members, GPU threads, watched */
	size_t ntask;
	const struct sense_edge *edge;
	size_t nedge;
	const struct sense_agent *agent;
	size_t nagent;
	uint64_t lost_events;	/* ring overflow since start */
};

struct sense_opts {
	void (*on_event)(void *ctx, const struct sense_event *ev);
	/* where @tid was placed, for the module; NULL: nobody knows */
	enum starling_placement (*placement)(void *ctx, uint32_t tid);
	void *ctx;
	const struct starling_lease_policy *rules;	/* for the module; NULL: its own */
	bool no_bpf;		/* --no-bpf, tests: /proc only */
	bool no_kmod;		/* do not use /dev/starling */
	bool gpu;		/* ask GPU drivers, by a process of one's own program */
	const char *cuda_lib;	/* extra libcuda path to watch, or NULL */
};

struct gpus;
struct driver;

/* What there is to sense with; for the mode line, status and check. */
struct sense_mode {
	bool bpf;
	bool kmod;
	bool uprobes;
	const char *missing;	/* one clear line, or NULL: nothing missing */
};

/*
 * Open with the best sources there are. Falls back by itself: fails only
 * when not even /proc can be read. Returns 0 or -errno.
 */
int sense_open(struct sense **out, const struct sense_opts *opts);
void sense_close(struct sense *s);
const struct sense_mode *sense_get_mode(const struct sense *s);

/* One pollable fd for all event sources (an epoll fd); -1: none. */
int sense_fd(const struct sense *s);
int sense_dispatch(struct sense *s);
/* Housekeeping (library discovery, probe windows); call every tick. */
int sense_tick(struct sense *s, uint64_t now_ns);
/* Refresh and hand out everything. Returns 0 or -errno. */
int sense_read(struct sense *s, struct sense_view *view);

/* What GPU drivers tell; NULL: they are not asked. */
const struct gpus *sense_gpus(const struct sense *s);

/* Threads at NVIDIA's kernel driver; NULL: there are no probes at all. */
const struct driver *sense_driver(const struct sense *s);

/*
 * A GPU's queue and who is in it, as the module has them; -ENODEV: no module, or no
 * such GPU. *@lease lives until the next call; it is NULL where it may not be looked
 * at. Those not interested in it pass NULL.
 */
int sense_leases(struct sense *s, uint32_t gpu, struct starling_lease_stat *stat,
		 const struct starling_lease_record **lease, size_t *n);

/*
 * Put thread @tid into agent @agent_id (0: take it out) with @role. Threads
 * and processes it makes from then on follow in the kernel. With the module,
 * membership set by frameworks arrives as SENSE_JOIN and wins.
 */
int sense_join(struct sense *s, uint32_t tid, uint64_t agent_id,
	       enum starling_role role, enum starling_role_source src);
/* Set only the role. */
int sense_set_role(struct sense *s, uint32_t tid, enum starling_role role,
		   enum starling_role_source src);
/* Report the record of @tid, member or not; or no more. */
int sense_report(struct sense *s, uint32_t tid, bool on);
/* That, and count wakes to and from it. */
int sense_watch(struct sense *s, uint32_t tid);

#endif

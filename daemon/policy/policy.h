/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy.h - what to do, as pure functions (contract).
 *
 * Snapshot and state in, roles, plan and state out. No I/O, no clock, no
 * globals, no memory but the snapshot's room: the live daemon, the dry run, the
 * simulator and the unit tests call exactly this.
 */
#ifndef STARLING_POLICY_H
#define STARLING_POLICY_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <linux/starling.h>
#include "daemon/policy/guard.h"
#include "daemon/topology.h"

/* One task in a snapshot: cumulative record plus change in the window. */
struct snap_task {
	uint32_t tid;
	uint32_t tgid;
	uint32_t ppid;
	uint64_t agent_id;
	uint64_t gpu_last_ns;		/* 0: never waited for a GPU */
	uint64_t compute_last_ns;	/* began to compute a graph; 0: never */
	uint64_t computing_ns;		/* last time that policy_computing() held */
	uint64_t late_ns;		/* ran of late: fades with time alone */
	uint64_t d_run_ns;		/* in the window */
	uint64_t d_wait_ns;
	uint64_t recent_ns;		/* runnable in the last round alone */
	uint64_t recent_wait_ns;	/* of that: without a CPU */
	uint64_t d_gpu_waits;
	uint64_t d_nvcsw;
	uint16_t wait_style;
	uint16_t role;			/* so far */
	uint16_t role_source;
	uint32_t group;			/* reach_group(); 0: not known */
	bool agent_root;		/* first process of its agent */
	bool execed;			/* executed a program since its fork */
	bool kthread;
	bool real_time;			/* policy_real_time() so far */
	bool no_real_time;		/* its placer can give it no such class */
};

/* Wakes in the window between two tasks. */
struct snap_edge {
	uint32_t waker;
	uint32_t wakee;
	uint64_t count;
};

/* Whose CPU time the placer shares out itself: their nice values and masks stay. */
enum policy_shares {
	POLICY_SHARES_NONE = 0,
	POLICY_SHARES_AGENTS,	/* of agents' tasks, by their agent's weight */
	POLICY_SHARES_ALL,	/* and of all others, by their own */
};

struct policy_settings {
	unsigned int protect_per;	/* one protected core in this many; 10 */
	uint64_t feeder_idle_ns;	/* GPU thread quiet this long: lend; 100 ms */
	uint64_t feeder_forget_ns;	/* quiet this long: no feeder; 60 s */
	unsigned int path_hops;		/* request path around a feeder; 2 */
	unsigned int path_wakes_per_s;	/* edge weaker than this is no path; 2 */
	uint64_t class_keep_ns;		/* all quiet this long: classes back; 3 s */
	bool guard;			/* try rules, and withdraw what does not help; on */
	uint64_t guard_epoch_ns;	/* measured with a rule, then without it; 2 s */
	unsigned int guard_rules;	/* that can be left out: GUARD_BITs; all */
	enum policy_shares shares;	/* in words only: roles get the same plan; none */
};
void policy_settings_default(struct policy_settings *s);

struct room;

struct snapshot {
	uint64_t now_ns;
	uint64_t read_ns;	/* when the records were read; 0: now */
	uint64_t window_ns;
	uint64_t round_ns;	/* length of the last round; 0: not known */
	const struct topology *topo;
	const struct snap_task *task;
	size_t ntask;
	const struct snap_edge *edge;
	size_t nedge;
	const struct policy_settings *set;
	uint64_t agents_run_ns;	/* of all agents ever, exited tasks too; 0: not known */
	uint64_t agents_wait_ns;
	struct room *room;	/* for what a decision needs meanwhile */
};

/* Why a task has its role: index into policy_reason_text(). */
enum policy_reason {
	WHY_NONE = 0,
	WHY_GPU_WAIT,		/* waits for the GPU */
	WHY_WAKES_FEEDER,	/* one hop from a feeder */
	WHY_WAKES_SERVICE,	/* two hops */
	WHY_CLIENT,		/* own process, talks to the request path */
	WHY_COMPUTES,		/* computes a model's graph */
	WHY_COMPUTES_WITH,	/* runs as long as one that does, beside it */
	WHY_LINEAGE_EXEC,	/* descendant of an agent that ran a program */
	WHY_LINEAGE,		/* thread or fork of an agent's root */
	WHY_SET_BY_OWNER,
	WHY_SET_BY_SELF,
	__WHY_MAX,
};
const char *policy_reason_text(enum policy_reason why);

struct verdict {
	uint32_t tid;
	uint16_t role;
	uint16_t role_source;
	uint16_t why;		/* enum policy_reason */
	uint32_t why_tid;	/* the other task of the reason, or 0 */
};

/*
 * Roles for all tasks of @snap into @out (room for snap->ntask, same order).
 * Also finds clients of the request path that belong to no agent: these get
 * role ORCHESTRATOR and agent_id 0; the caller founds an agent for them.
 */
void policy_classify(const struct snapshot *snap, struct verdict *out);

/*
 * May @t, with verdict @v, have the real-time class that a plan gives to
 * feeders which sleep while they wait?
 */
bool policy_real_time(const struct snapshot *snap, const struct verdict *v,
		      const struct snap_task *t);

/* Is @t, with verdict @v, a feeder that uses a GPU now? */
bool policy_feeding(const struct snapshot *snap, const struct verdict *v,
		    const struct snap_task *t);

/* Is @t in the graph still that it was seen to begin? */
bool policy_computing(const struct snapshot *snap, const struct snap_task *t);

/* What one role gets. Fields that are 0/empty mean "leave as it was". */
struct role_plan {
	cpu_set_t mask;
	bool set_mask;
	unsigned int mask_least;	/* with fewer of them left by its own: no mask */
	cpu_set_t prefer;	/* take these first, the rest too: a scheduler's to use */
	bool idle_class;	/* SCHED_IDLE / cpu.idle */
	int nice_delta;		/* added to the task's own nice; 0: leave */
	unsigned int cpu_weight;	/* cgroup cpu.weight; 0: leave */
	bool real_time;		/* SCHED_RR for those that policy_real_time() allows it */
	uint64_t slice_ns;	/* in the fair class; 0: leave */
	uint16_t clamp_min;	/* of utilization, 1..1024; 0: leave */
	uint16_t clamp_max;
};

struct plan {
	uint64_t seq;			/* grows when the content changes */
	cpu_set_t protected_cpus;	/* kept for feeders and service now */
	cpu_set_t reserved_cpus;	/* would be protected; lent at present */
	cpu_set_t quiet_cpus;		/* of the protected ones: free of the machine's noise */
	unsigned int left_out;		/* rules that the guard leaves out: GUARD_BITs */
	bool spared;			/* tools keep their class: nobody minds them */
	struct role_plan role[__STARLING_ROLE_MAX];
	unsigned int feeders_active;
	unsigned int feeders;
	unsigned int inference;		/* threads that compute models */
	bool inference_active;		/* they do now */
	uint64_t recheck_ns;		/* may change by itself then; 0: it may not */
	char why[256];			/* one line for status and explain */
};

/* Memory from one decision to the next: hysteresis. Zero it to start. */
struct policy_state {
	uint64_t active_since_ns;
	uint64_t last_active_ns;
	uint64_t last_change_ns;
	uint64_t seq;
	cpu_set_t protected_cpus;	/* chosen; kept for the feeder while lent */
	uint64_t enough_ns;	/* last time that no fewer cores were wanted */
	uint64_t lent_ns;	/* lent since; 0: not lent */
	uint64_t away_ns;	/* some were given away then, and not taken back */
	uint64_t linger_ns;	/* keep a quiet core this much longer: back-off */
	uint64_t digest;	/* of the last plan's content */
	uint64_t aside_ns;	/* last time that somebody minded tools beside it */
	uint64_t apart_ns;	/* last time that a tool was out of the classes' reach */
	uint64_t look_ns;	/* start of a look at what agents get (crowd.h) */
	uint64_t look_run_ns;
	uint64_t look_wait_ns;
	uint64_t crowd_ns;	/* other work crowds tools out since; 0: it does not */
	uint64_t crowd_end_ns;	/* last time that it ended */
	uint64_t crowd_keep_ns;	/* at least that long: back-off */
	bool busy_waiter;	/* a feeder of unknown style counted as spinning */
	uint64_t compute_ns;	/* last time that a model was computed; 0: not of late */
	uint64_t compute_began_ns;	/* after the last pause */
	cpu_set_t compute_cpus;	/* where; empty: anywhere */
	struct measure_base measured;
	struct guard guard;
};

/* The plan for @snap with roles @v. Updates @st. */
void policy_decide(const struct snapshot *snap, const struct verdict *v,
		   struct policy_state *st, struct plan *plan);
bool plan_equal(const struct plan *a, const struct plan *b);
/* Does @plan keep CPUs free for tasks of @role? */
bool plan_protects(const struct plan *plan, enum starling_role role);

#endif

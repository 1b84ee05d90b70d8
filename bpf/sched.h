/* SPDX-License-Identifier: GPL-2.0-only */
/* sched.h - what the daemon and sched.bpf.c tell each other. */
#ifndef STARLING_SCHED_H
#define STARLING_SCHED_H

#define SCHED_CPUS_MAX	1024
/* Agents and cgroups together; those beyond compete task by task. */
#define SCHED_SHARES_MAX 65536

/*
 * What the daemon says of a task.
 *
 * @agent:	0: it competes for itself, with its nice value and its cgroup's weight
 * @until_ns:	until when its waits for a GPU count as such (CLOCK_MONOTONIC); a
 *		daemon that hangs does not prolong it
 * @role:	enum starling_role
 */
struct sched_role {
	unsigned long long agent;
	unsigned long long until_ns;
	unsigned short role;
	unsigned short __pad[3];
};

/*
 * And of an agent.
 *
 * @parent:	0: none
 * @weight:	among those with the same parent, 1 to 10000
 * @class:	enum starling_class, of its main loops
 */
struct sched_agent {
	unsigned long long parent;
	unsigned int weight;
	unsigned int class;
};

/* Waits in other queues than tools do: starling_promote() is for those. */
static inline int sched_goes_first(unsigned short role)
{
	return role == STARLING_ROLE_FEEDER || role == STARLING_ROLE_SERVICE ||
	       role == STARLING_ROLE_ORCHESTRATOR;
}

/* What is given to starling_promote(). */
struct sched_promote {
	int pid;		/* of the thread */
};

/* How often things happened, for starlingd -v. */
enum sched_count {
	SCHED_FEEDER_IDLE,	/* a feeder found a free CPU */
	SCHED_FEEDER_KICK,	/* or took one from somebody else */
	SCHED_FEEDER_QUEUE,	/* or had to wait for another feeder */
	SCHED_YIELD_KEPT,	/* a feeder's yield that was none */
	SCHED_YIELD_GIVEN,
	SCHED_FEEDER_PAUSE,	/* a feeder made room for what has waited for long */
	SCHED_LIMITED,		/* a task had to wait, by cpu.max of a cgroup */
	SCHED_NO_ROOM,		/* a cgroup without a share */
	SCHED_PROMOTED,		/* waited as a tool when it was found to be more */
	SCHED_AGED,		/* a lower tier's turn although a higher one waited */
	__SCHED_COUNT_MAX,
};

#endif

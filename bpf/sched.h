/* SPDX-License-Identifier: GPL-2.0-only */
/* sched.h - what the daemon and sched.bpf.c tell each other. */
#ifndef STARLING_SCHED_H
#define STARLING_SCHED_H

#define SCHED_CPUS_MAX	1024

/*
 * A task as the scheduler knows it; the daemon writes @agent, @weight and @role.
 *
 * @agent:	0: it competes for itself, with its nice value
 * @weight:	of the agent, 1 to 10000
 * @role:	enum starling_role
 * @finish:	virtual finish of what it had, without an agent
 * @start:	virtual time at which it queued up last
 * @reserved:	virtual time charged in advance for the slice it has
 * @began_ns:	when it got its CPU
 * @burst_ns:	CPU time since it woke
 */
struct sched_task {
	unsigned long long agent;
	unsigned int weight;
	unsigned short role;
	unsigned short __pad;
	unsigned long long finish;
	unsigned long long start;
	unsigned long long reserved;
	unsigned long long began_ns;
	unsigned long long burst_ns;
};

/* How often things happened, for status and tests. */
enum sched_count {
	SCHED_FEEDER_IDLE,	/* a feeder found a free CPU */
	SCHED_FEEDER_KICK,	/* or took one from somebody else */
	SCHED_FEEDER_QUEUE,	/* or had to wait for another feeder */
	SCHED_YIELD_KEPT,	/* a feeder's yield that was none */
	SCHED_YIELD_GIVEN,
	SCHED_AGED,		/* a lower tier's turn although a higher one waited */
	__SCHED_COUNT_MAX,
};

#endif

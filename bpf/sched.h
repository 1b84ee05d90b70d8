/* SPDX-License-Identifier: GPL-2.0-only */
/* sched.h - what the daemon and sched.bpf.c tell each other. */
#ifndef STARLING_SCHED_H
#define STARLING_SCHED_H

#define SCHED_CPUS_MAX	1024

/*
 * What the daemon says of a task.
 *
 * @agent:	0: it competes for itself, with its nice value
 * @weight:	of the agent, 1 to 10000
 * @role:	enum starling_role
 */
struct sched_role {
	unsigned long long agent;
	unsigned int weight;
	unsigned short role;
	unsigned short __pad;
};

/* How often things happened, for starlingd -v. */
enum sched_count {
	SCHED_FEEDER_IDLE,	/* a feeder found a free CPU */
	SCHED_FEEDER_KICK,	/* or took one from somebody else */
	SCHED_FEEDER_QUEUE,	/* or had to wait for another feeder */
	SCHED_YIELD_KEPT,	/* a feeder's yield that was none */
	SCHED_YIELD_GIVEN,
	SCHED_FEEDER_PAUSE,	/* a feeder made room for what has waited for long */
	SCHED_AGED,		/* a lower tier's turn although a higher one waited */
	__SCHED_COUNT_MAX,
};

#endif

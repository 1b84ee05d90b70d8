/* SPDX-License-Identifier: GPL-2.0-only */
/* lease.h - requests for a GPU, and the leases that they become. */
#ifndef STARLING_LEASE_H
#define STARLING_LEASE_H

#include <linux/hashtable.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <uapi/linux/starling.h>

#include "gpu.h"
#include "roll.h"

struct starling_agent;
struct pid;
struct pid_namespace;
struct starling_wait;
struct task_struct;

/**
 * struct starling_ticket - a request's place in one GPU's queue
 * @entry:	among the starved or in its share's level @level
 * @aging:	in the GPU's set of that name, unless @level is 0
 * @share:	of the request's agent; NULL: not queued
 */
struct starling_ticket {
	struct starling_entry entry;
	struct starling_entry aging;
	u32 level;
	struct starling_share *share;
	struct starling_request *request;
};

/**
 * struct starling_request - a request, from its grant on a lease; under
 *	starling_lease_lock
 * @id:		of the lease; 0: not granted yet
 * @agent_link: in the agent's @leases
 * @arrival:	place among those who wait, new for each wait
 * @agent:	not counted: it ends its requests before it goes
 * @tgid:	process that asked for it; not counted, as it ends with that
 * @gpu:	NULL: waits for any
 * @wait_link:	WAITING or with a @wait: among all of those
 * @held_link:	HELD: in the @held of @gpu
 * @wait:	who waits for it: to be granted, or parked and to be unparked
 * @starting:	the command that began that has not returned: no @done yet
 * @dead:	out of all lists; whoever took the wait off its agent frees it
 * @pressed:	its agent was told that memory is short
 * @hold_ns:	asked for at most
 * @since:	came to this state
 * @waiting_since: came to this wait
 * @end:	HELD: not taken away before that
 * @asked:	to give back
 * @charged:	HELD: its share has the time until then
 * @held_ns:	before it came to this state
 */
struct starling_request {
	u64 id;
	u64 arrival;
	struct starling_agent *agent;
	struct starling_link agent_link;
	struct pid *tgid;
	struct hlist_node tgid_link;
	struct hlist_node id_link;
	struct starling_gpu *gpu;
	struct list_head wait_link;
	struct hlist_node held_link;
	struct starling_wait *wait;
	bool starting;
	bool dead;
	bool pressed;
	bool asked;
	u16 state;
	u16 class;
	u64 cookie;
	u64 memory;
	u64 hold_ns;
	u64 deadline;
	u64 since;
	u64 waiting_since;
	u64 end;
	u64 charged;
	u64 held_ns;
	u32 ntickets;
	struct starling_ticket tickets[];
};

static inline struct starling_request *starling_request_at(struct starling_link *link)
{
	return container_of(link, struct starling_request, agent_link);
}

/* Whoever calls this has seen to it that its share is here. */
static inline void starling_hold_start(struct starling_request *r, u64 now)
{
	struct starling_gpu *gpu = r->gpu;

	r->charged = now;
	r->since = now;
	hlist_add_head(&r->held_link, &gpu->held);
	gpu->nheld++;
	if (gpu->waiting[0])
		starling_gpu_settle(gpu, now);
}

/* How a lease ended, for tracing. */
enum starling_lease_end {
	STARLING_END_RELEASE,
	STARLING_END_PARK,
	STARLING_END_EXPIRED,
	STARLING_END_EXIT,
	STARLING_END_CLOSE,
	STARLING_END_WAIT,	/* there was none yet */
};

/**
 * struct starling_turn - one operation on GPUs, with the lock held
 * @now:	when it happens
 * @gpus:	bits of those where somebody may be next
 * @ended:	waits whose @done is called when the lock is dropped
 */
struct starling_turn {
	u64 now;
	u32 gpus;
	struct list_head ended;
};

/* Takes the lock. */
static inline void starling_turn_begin(struct starling_turn *turn)
{
	turn->gpus = 0;
	INIT_LIST_HEAD(&turn->ended);
	spin_lock(&starling_lease_lock);
	turn->now = ktime_get_ns();
}

void starling_turn_end(struct starling_turn *turn) __releases(&starling_lease_lock);

void starling_lease_close(struct starling_agent *agent);
void starling_request_end(struct starling_request *r, enum starling_lease_end how, long ret,
			  struct starling_turn *turn);
void starling_leases_ruled(u32 gpu, struct starling_turn *turn);

long starling_lease_acquire(struct file *file, struct starling_wait *wait);
long starling_lease_unpark(struct file *file, struct starling_wait *wait);
void starling_lease_acquire_undo(struct file *file, void *arg);
void starling_lease_unpark_undo(struct file *file, void *arg);
long starling_lease_release(struct file *file, void *arg);
long starling_lease_park(struct file *file, void *arg);

extern unsigned int starling_nleases;
extern unsigned int starling_max_leases;
extern unsigned int starling_max_user_leases;

/* holder.c */
void starling_holder_attach(struct starling_request *r);
u32 starling_holder_tgid(const struct starling_request *r, struct pid_namespace *ns);
void starling_holder_exit(struct task_struct *task);

#endif

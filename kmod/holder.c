// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that have leases or wait for them, members of an agent or not.
 * What a process has ends with its last thread. A request is made by a thread
 * that has not come to its exit hook: so the last one's finds all of them.
 */
#include <linux/hashtable.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>

#include "lease.h"

static DEFINE_HASHTABLE(requests, 10);	/* by process */

/* @r is the caller's process's, until it is taken off by its @tgid_link. */
void starling_holder_attach(struct starling_request *r)
{
	r->tgid = task_tgid(current);
	hash_add(requests, &r->tgid_link, (unsigned long)r->tgid);
}

/* 0: not in @ns. */
u32 starling_holder_tgid(const struct starling_request *r, struct pid_namespace *ns)
{
	return pid_nr_ns(r->tgid, ns);
}

/* In the exit hook of each thread. */
void starling_holder_exit(struct task_struct *task)
{
	struct pid *tgid = task_tgid(task);
	struct starling_request *r;
	struct starling_turn turn;
	struct hlist_node *next;

	if (!READ_ONCE(starling_nleases) || atomic_read(&task->signal->live))
		return;
	starling_turn_begin(&turn);
	hash_for_each_possible_safe(requests, r, next, tgid_link, (unsigned long)tgid)
		if (r->tgid == tgid)
			starling_request_end(r, STARLING_END_EXIT, -ECANCELED, &turn);
	starling_turn_end(&turn);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that have leases or wait for them, members of an agent or not.
 * What a process has ends with its last thread. A request is made by a thread
 * that has not come to its exit hook: so the last one's finds all of them.
 */
#include <linux/hashtable.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "lease.h"

/**
 * struct starling_holder - a process; under starling_lease_lock
 * @tgid:	counted; no other process has this object while it is
 */
struct starling_holder {
	struct hlist_node node;
	struct pid *tgid;
	struct list_head requests;
};

static DEFINE_HASHTABLE(holders, 8);
static unsigned int nholders;	/* 0 lets the exit hook return at once */

static struct starling_holder *holder_find(struct pid *tgid)
{
	struct starling_holder *holder;

	hash_for_each_possible(holders, holder, node, (unsigned long)tgid)
		if (holder->tgid == tgid)
			return holder;
	return NULL;
}

struct starling_holder *starling_holder_alloc(void)
{
	return kzalloc(sizeof(struct starling_holder), GFP_KERNEL_ACCOUNT);
}

void starling_holder_free(struct starling_holder *holder)
{
	kfree(holder);
}

/* The caller's process has @r now. Returns @spare if it was not needed. */
struct starling_holder *starling_holder_attach(struct starling_request *r,
					       struct starling_holder *spare)
{
	struct pid *tgid = task_tgid(current);
	struct starling_holder *holder = holder_find(tgid);

	if (!holder) {
		holder = spare;
		spare = NULL;
		holder->tgid = get_pid(tgid);
		INIT_LIST_HEAD(&holder->requests);
		hash_add(holders, &holder->node, (unsigned long)tgid);
		WRITE_ONCE(nholders, nholders + 1);
	}
	r->holder = holder;
	list_add_tail(&r->holder_link, &holder->requests);
	return spare;
}

void starling_holder_detach(struct starling_request *r)
{
	struct starling_holder *holder = r->holder;

	r->holder = NULL;
	list_del(&r->holder_link);
	if (!list_empty(&holder->requests))
		return;
	hash_del(&holder->node);
	WRITE_ONCE(nholders, nholders - 1);
	put_pid(holder->tgid);
	kfree(holder);
}

/* 0: not in @ns. */
u32 starling_holder_tgid(const struct starling_request *r, struct pid_namespace *ns)
{
	return pid_nr_ns(r->holder->tgid, ns);
}

/* In the exit hook of each thread. */
void starling_holder_exit(struct task_struct *task)
{
	struct starling_request *r, *next;
	struct starling_holder *holder;
	struct starling_turn turn;

	if (!READ_ONCE(nholders) || atomic_read(&task->signal->live))
		return;
	starling_turn_begin(&turn);
	holder = holder_find(task_tgid(task));
	/* The last one takes the holder along. */
	if (holder)
		list_for_each_entry_safe(r, next, &holder->requests, holder_link) {
			bool last = list_is_last(&r->holder_link, &holder->requests);

			starling_request_end(r, STARLING_END_EXIT, -ECANCELED, &turn);
			if (last)
				break;
		}
	starling_turn_end(&turn);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel brings a task's run time up to date at ticks and when it leaves
 * its CPU. Tools live for less than a tick: at their exit hook a third of what
 * they used is not in their counters yet. So those who left by exit are looked
 * at once more when they have been off their CPU for good, and what came
 * after the exit hook is added to their agent's sums.
 *
 * Each waits one to two periods, and on until it has run for the last time:
 * to tear a large address space down takes longer, and since 6.16 comes after
 * the exit hook. Meanwhile it holds its task_struct, which is why there are
 * limits; beyond them the last part is left out.
 */
#include <linux/list.h>
#include <linux/sched/task.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "agent.h"
#include "task.h"
#include "telemetry.h"

#define PERIOD_MS	25
#define LIMIT		2048
#define LOOKS_MAX	80

static void remains_work(struct work_struct *work);

static DECLARE_DELAYED_WORK(work, remains_work);
static DEFINE_SPINLOCK(lock);	/* all below */
static LIST_HEAD(fresh);
static LIST_HEAD(ripe);
static unsigned int waiting;

/* Takes @m over, which has left and whose values so far are in its agent. */
bool starling_remains_add(struct starling_member *m)
{
	bool room;

	spin_lock(&lock);
	room = waiting < LIMIT;
	if (room) {
		waiting++;
		get_task_struct(m->task);
		list_add_tail(&m->remains, &fresh);
		queue_delayed_work(starling_wq, &work, msecs_to_jiffies(PERIOD_MS));
	}
	spin_unlock(&lock);
	return room;
}

static void remains_settle(struct starling_member *m)
{
	struct starling_agent *agent = starling_agent_lock(m->agent);

	starling_member_rebase(m);
	starling_member_read(m);
	starling_member_add_to(m, &agent->rec);
	starling_pages_update(agent);
	spin_unlock(&agent->lock);
	put_task_struct(m->task);
	starling_member_free(m);
}

/* Has it not come to its end, and is it worth waiting for that? */
static bool remains_runs(struct starling_member *m)
{
	return READ_ONCE(m->task->__state) != TASK_DEAD && ++m->looks < LOOKS_MAX;
}

static void remains_work(struct work_struct *unused)
{
	struct starling_member *m, *next;
	LIST_HEAD(due);

	spin_lock(&lock);
	list_splice_init(&ripe, &due);
	list_splice_init(&fresh, &ripe);
	list_for_each_entry_safe(m, next, &due, remains) {
		if (remains_runs(m))
			list_move_tail(&m->remains, &ripe);
		else
			waiting--;
	}
	if (!list_empty(&ripe))
		queue_delayed_work(starling_wq, &work, msecs_to_jiffies(PERIOD_MS));
	spin_unlock(&lock);
	list_for_each_entry_safe(m, next, &due, remains) {
		remains_settle(m);
		cond_resched();
	}
}

/* Nothing waits any more: each who does holds its agent, which holds the module. */
void starling_remains_exit(void)
{
	cancel_delayed_work_sync(&work);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * One open file at a time may hold control: it publishes what the kernel
 * cannot see and sees all members. When it goes, so does what it said.
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "agent.h"
#include "command.h"
#include "control.h"
#include "gpu.h"
#include "task.h"
#include "telemetry.h"
#include "trace.h"

/* Only compared, never followed. */
static struct file *holder;
/* It is there: what it said is not being taken back, agent by agent. */
static bool vouched;

long starling_control_claim(struct file *file, void *arg)
{
	struct file *old;

	if (!capable(CAP_SYS_NICE))
		return -EPERM;
	old = cmpxchg(&holder, NULL, file);
	if (old && old != file)
		return -EBUSY;
	WRITE_ONCE(vouched, true);
	return 0;
}

bool starling_control_has(const struct file *file)
{
	return READ_ONCE(holder) == file;
}

/*
 * Is nobody there to vouch for what was published? A member that comes to an
 * agent with such values may come after they were taken back there.
 */
bool starling_control_silent(void)
{
	return !READ_ONCE(vouched);
}

bool starling_control_sees_all(const struct file *file)
{
	return starling_control_has(file) || perfmon_capable();
}

static void unpublish(struct starling_link *link, void *unused)
{
	struct starling_member *m = starling_member_at(link);

	starling_member_unpublish(m);
	starling_slot_write(m);
}

void starling_control_release(struct file *file)
{
	struct starling_agent *agent;
	u64 id = 0;

	if (!starling_control_has(file))
		return;
	/* Before it is looked which agents there are. */
	smp_store_mb(vouched, false);
	while ((agent = starling_agent_next(id))) {
		starling_members_do(agent, unpublish, NULL);
		id = agent->id + 1;
		starling_agent_put(agent);
	}
	starling_lease_policy_end();
	/* A move that copied it before is over before somebody else vouches. */
	synchronize_rcu();
	/* Only now may the next one begin to publish. */
	smp_store_release(&holder, NULL);
}

static int publish_to(struct starling_member *m, void *arg)
{
	const struct starling_task_record *pub = arg;

	starling_member_publish(m, pub);
	if (pub->role_source == STARLING_BY_DETECTION)
		starling_member_role(m, pub->role, STARLING_BY_DETECTION);
	starling_slot_write(m);
	return 0;
}

static bool publish_one(struct starling_task_record *pub)
{
	struct task_struct *task;
	bool done;

	rcu_read_lock();
	task = pid_task(find_vpid(pub->tid), PIDTYPE_PID);
	done = task && task->start_time == pub->start_ns &&
	       !starling_member_do(task, publish_to, pub);
	rcu_read_unlock();
	return done;
}

static int publish_read(u64 from, u32 size, struct starling_task_record *pub)
{
	int err = copy_struct_from_user(pub, sizeof(*pub), u64_to_user_ptr(from), size);

	if (err)
		return err;
	if (pub->wait_style > STARLING_WAIT_YIELD || pub->role >= __STARLING_ROLE_MAX ||
	    pub->placement > STARLING_PLACEMENT_PROTECTED)
		return -EINVAL;
	return 0;
}

long starling_control_publish(struct file *file, void *arg)
{
	struct starling_publish *p = arg;
	struct starling_task_record pub;
	u32 i;
	int err = 0;

	if (p->record_size < STARLING_TASK_RECORD_MIN || p->record_size > STARLING_SIZE_MAX)
		return -EINVAL;
	if (!starling_control_has(file))
		return -EPERM;
	p->out_applied = 0;
	for (i = 0; i < p->count && !err; i++) {
		err = publish_read(p->records + (u64)i * p->record_size, p->record_size, &pub);
		if (!err)
			p->out_applied += publish_one(&pub);
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	trace_starling_publish(p->count, p->out_applied);
	return err;
}

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

/* Sizes of the first version: records may grow, not shrink. */
#define TASK_RECORD_MIN		248
#define AGENT_RECORD_MIN	296

static_assert(sizeof(struct starling_task_record) >= TASK_RECORD_MIN);
static_assert(sizeof(struct starling_agent_record) >= AGENT_RECORD_MIN);

/* Only compared, never followed. */
static struct file *holder;
/* It is there: what it said is not being taken back, agent by agent. */
static bool vouched;

long starling_control_claim(struct file *file, void *arg)
{
	struct starling_control *control = arg;
	struct file *old;

	if (!starling_is_zero(control->__reserved))
		return -EINVAL;
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

static bool may_see_all(const struct file *file)
{
	return READ_ONCE(holder) == file || perfmon_capable();
}

bool starling_control_sees_all(const struct file *file)
{
	return may_see_all(file);
}

static void unpublish(struct starling_member *m, void *unused)
{
	starling_member_unpublish(m);
	starling_slot_write(m);
}

void starling_control_release(struct file *file)
{
	struct starling_agent *agent;
	u64 id = 0;

	if (READ_ONCE(holder) != file)
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

	if (p->__pad || !starling_is_zero(p->__reserved) ||
	    p->record_size < TASK_RECORD_MIN || p->record_size > STARLING_SIZE_MAX)
		return -EINVAL;
	if (READ_ONCE(holder) != file)
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

static int list_check(const struct starling_list *list, u32 min)
{
	if (!starling_is_zero(list->__reserved) ||
	    list->record_size < min || list->record_size > STARLING_SIZE_MAX)
		return -EINVAL;
	return 0;
}

/* Records of one batch. */
struct batch {
	struct starling_task_record *rec;
	u32 n;
};

static void batch_add(struct starling_link *link, void *arg)
{
	struct batch *b = arg;

	b->n += starling_member_record(starling_member_at(link), task_active_pid_ns(current),
				       &b->rec[b->n]);
}

/* Records of up to @max members after *@after, which moves on. False: the last ones. */
static bool agent_records(struct starling_agent *agent, u64 *after,
			  struct starling_task_record *rec, u32 max, u32 *n)
{
	struct batch b = { .rec = rec };
	bool more;

	spin_lock(&agent->lock);
	more = starling_roll_batch(&agent->members, after, max, batch_add, &b);
	spin_unlock(&agent->lock);
	*n = b.n;
	return more;
}

static int records_out(const struct starling_list *list, u32 at,
		       const struct starling_task_record *rec, u32 n)
{
	u32 i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = starling_record_out(list->records + (u64)(at + i) * list->record_size,
					  list->record_size, &rec[i], sizeof(rec[i]));
	return err;
}

/* All of an agent's members, as far as there is room. cursor[1]: place. */
static int list_agent(struct starling_agent *agent, struct starling_list *list, u32 room,
		      struct starling_task_record *buf)
{
	u32 n;
	bool more = true;
	int err = 0;

	while (more && list->count < room && !err) {
		more = agent_records(agent, &list->cursor[1], buf,
				     min_t(u32, room - list->count, STARLING_BATCH), &n);
		err = records_out(list, list->count, buf, n);
		list->count += n;
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err;
}

static long list_all(struct starling_list *list, u32 room, struct starling_task_record *buf)
{
	struct starling_agent *agent;
	int err = 0;

	while (list->count < room && !err) {
		agent = starling_agent_next(list->cursor[0]);
		if (!agent)
			break;
		if (list->cursor[0] != agent->id) {
			list->cursor[0] = agent->id;
			list->cursor[1] = 0;
		}
		err = list_agent(agent, list, room, buf);
		/* With room left it is through with this one. */
		if (list->count < room) {
			list->cursor[0] = agent->id + 1;
			list->cursor[1] = 0;
		}
		starling_agent_put(agent);
	}
	return err;
}

static long list_tasks(struct starling_list *list, struct starling_agent *only)
{
	struct starling_task_record *buf;
	u32 room = list->count;
	long err = list_check(list, TASK_RECORD_MIN);

	if (err)
		return err;
	buf = kvmalloc_array(STARLING_BATCH, sizeof(*buf), GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	list->count = 0;
	if (only)
		err = list_agent(only, list, room, buf);
	else
		err = list_all(list, room, buf);
	kvfree(buf);
	return err;
}

long starling_control_tasks(struct file *file, void *arg)
{
	if (!may_see_all(file))
		return -EPERM;
	return list_tasks(arg, NULL);
}

long starling_agent_tasks(struct file *file, void *arg)
{
	return list_tasks(arg, file->private_data);
}

long starling_control_agents(struct file *file, void *arg)
{
	struct starling_list *list = arg;
	struct starling_agent_record rec;
	struct starling_agent *agent;
	u32 room = list->count;
	int err = list_check(list, AGENT_RECORD_MIN);

	if (err)
		return err;
	if (!may_see_all(file))
		return -EPERM;
	for (list->count = 0; list->count < room && !err; list->count++) {
		agent = starling_agent_next(list->cursor[0]);
		if (!agent)
			break;
		spin_lock(&agent->lock);
		rec = agent->rec;
		spin_unlock(&agent->lock);
		list->cursor[0] = agent->id + 1;
		starling_agent_put(agent);
		err = starling_record_out(list->records + (u64)list->count * list->record_size,
					  list->record_size, &rec, sizeof(rec));
	}
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which task is a member of which agent.
 *
 * A member is in two places: in the table of all members, found by its
 * task_struct, and in its agent's list. It enters the list first and the table
 * second, and whoever takes it out of the table, and nobody else, takes it out
 * of the list. So whoever finds it in the table finds it complete, and
 * leaving happens once although exit, LEAVE and a move may meet.
 *
 * Nothing is counted on the task_struct. Instead nobody can be a member after
 * its exit hook has run: either the hook sees the member, or whoever makes
 * it one sees PF_EXITING, which was set before, and takes it out again.
 *
 * A task that moves to another agent is replaced in the table in one step:
 * a child that it makes meanwhile belongs to one of the two, never to none.
 *
 * Lock order: rcu_read_lock, agent->lock; the table's locks are taken with
 * neither a wait nor an agent->lock inside.
 */
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "agent.h"
#include "remains.h"
#include "task.h"
#include "telemetry.h"
#include "trace.h"

static const struct rhashtable_params table_params = {
	.head_offset = offsetof(struct starling_member, node),
	.key_offset = offsetof(struct starling_member, task),
	.key_len = sizeof_field(struct starling_member, task),
	.automatic_shrinking = true,
};

static struct rhashtable table;

/* Members there are or are about to be; 0 lets the hooks return at once. */
atomic_t starling_ntasks = ATOMIC_INIT(0);
atomic64_t starling_lost = ATOMIC64_INIT(0);

int starling_tasks_init(void)
{
	return rhashtable_init(&table, &table_params);
}

/* No agent is left when the module goes, thus no member. */
void starling_tasks_exit(void)
{
	rhashtable_destroy(&table);
}

/* Under rcu_read_lock(). */
static struct starling_member *member_find(struct task_struct *task)
{
	return rhashtable_lookup(&table, &task, table_params);
}

/* Counts @agent. The caller has a reference to it. */
static struct starling_member *member_alloc(struct starling_agent *agent,
					    struct task_struct *task)
{
	struct starling_member *m;

	if (atomic_inc_return(&starling_ntasks) > READ_ONCE(starling_max_tasks)) {
		atomic_dec(&starling_ntasks);
		return ERR_PTR(-ENOSPC);
	}
	m = kzalloc(sizeof(*m), GFP_ATOMIC | __GFP_NOWARN);
	if (!m) {
		atomic_dec(&starling_ntasks);
		return ERR_PTR(-ENOMEM);
	}
	starling_agent_get(agent);
	m->agent = agent;
	m->task = task;
	m->slot = -1;
	return m;
}

/* Readers under RCU may still look at it. May drop the agent's last reference. */
void starling_member_free(struct starling_member *m)
{
	struct starling_agent *agent = m->agent;

	kfree_rcu(m, rcu);
	starling_agent_put(agent);
}

static void member_link(struct starling_member *m)
{
	struct starling_agent *agent = m->agent;

	spin_lock(&agent->lock);
	m->serial = ++agent->serial;
	m->rec.agent_id = agent->id;
	m->rec.valid |= STARLING_VALID_CPU;
	starling_member_sample(m);
	starling_member_rebase(m);
	list_add_tail(&m->link, &agent->members);
	agent->rec.tasks++;
	starling_slot_take(m);
	spin_unlock(&agent->lock);
}

/* @m never got into the table: as if it had not been. */
static void member_unlink(struct starling_member *m)
{
	struct starling_agent *agent = m->agent;

	spin_lock(&agent->lock);
	list_del(&m->link);
	agent->rec.tasks--;
	starling_slot_drop(m);
	spin_unlock(&agent->lock);
	atomic_dec(&starling_ntasks);
	starling_member_free(m);
}

static void member_came(struct starling_member *m, bool inherited)
{
	struct starling_agent *agent = m->agent;

	spin_lock(&agent->lock);
	if (inherited)
		agent->rec.forks++;
	else
		agent->rec.joins++;
	agent->generation++;
	starling_pages_update(agent);
	spin_unlock(&agent->lock);
	trace_starling_task_join(agent->id, m->task->pid, m->task->tgid,
				 m->rec.role, m->rec.role_source, inherited);
}

/* The caller took @m out of the table and thus owns it. */
static void member_left(struct starling_member *m, enum starling_leave how)
{
	struct starling_agent *agent = m->agent;

	spin_lock(&agent->lock);
	starling_member_sample(m);
	starling_member_add_to(m, &agent->rec);
	list_del(&m->link);
	m->left = true;
	agent->generation++;
	agent->rec.tasks--;
	if (how == STARLING_LEFT_EXIT)
		agent->rec.exits++;
	starling_slot_drop(m);
	starling_pages_update(agent);
	spin_unlock(&agent->lock);
	trace_starling_task_leave(agent->id, m->task->pid, m->task->tgid,
				  m->rec.role, m->rec.role_source, how);
	atomic_dec(&starling_ntasks);
	if (how != STARLING_LEFT_EXIT || !starling_remains_add(m))
		starling_member_free(m);
}

static void member_lost(struct starling_agent *agent)
{
	atomic64_inc(&starling_lost);
	spin_lock(&agent->lock);
	agent->rec.lost++;
	starling_pages_update(agent);
	spin_unlock(&agent->lock);
}

/*
 * Roles at fork. A detected role says what the parent does, not the child;
 * and waiting for a GPU is a thread's own business.
 */
static void role_inherit(struct starling_member *m, const struct starling_member *parent)
{
	u16 role = READ_ONCE(parent->rec.role);
	u16 source = READ_ONCE(parent->rec.role_source);

	if (role == STARLING_ROLE_NONE || role == STARLING_ROLE_FEEDER ||
	    source == STARLING_BY_DETECTION)
		return;
	m->rec.role = role;
	m->rec.role_source = STARLING_BY_LINEAGE;
}

/* A counted agent of @parent's and the member @parent was when it was looked up. */
static struct starling_member *find_and_hold(struct task_struct *parent)
{
	struct starling_member *m;

	do {
		m = member_find(parent);
	} while (m && !starling_agent_tryget(m->agent));
	return m;
}

/*
 * @child does not run yet. It is on its process's thread list already, so a
 * JOIN of the whole process that has passed @parent by when we look at it
 * will still come to @child: hence the barrier.
 */
int starling_member_fork(struct task_struct *parent, struct task_struct *child)
{
	struct starling_member *p, *m;
	int err = 0;

	/* Pairs with that in starling_member_join(). */
	smp_mb();
	if (!atomic_read(&starling_ntasks))
		return 0;
	rcu_read_lock();
	p = find_and_hold(parent);
	if (!p)
		goto out;
	m = member_alloc(p->agent, child);
	if (IS_ERR(m)) {
		err = PTR_ERR(m);
		goto out_put;
	}
	m->root = READ_ONCE(p->root) && child->tgid == parent->tgid;
	role_inherit(m, p);
	member_link(m);
	err = rhashtable_lookup_insert_fast(&table, &m->node, table_params);
	if (!err)
		member_came(m, true);
	else
		member_unlink(m);
	/* A JOIN was faster: @child is a member as its caller wanted. */
	if (err == -EEXIST)
		err = 0;
out_put:
	if (err)
		member_lost(p->agent);
	starling_agent_put(p->agent);
out:
	rcu_read_unlock();
	return err;
}

/* Takes @task out of the table; the member, which is then the caller's. */
static struct starling_member *table_remove(struct task_struct *task,
					    const struct starling_agent *only)
{
	struct starling_member *m;

	do {
		m = member_find(task);
		if (!m || (only && m->agent != only))
			return NULL;
	} while (rhashtable_remove_fast(&table, &m->node, table_params));
	return m;
}

void starling_member_exit(struct task_struct *task)
{
	struct starling_member *m;

	/* Set PF_EXITING, then look; starling_member_join() the other way. */
	smp_mb();
	if (!atomic_read(&starling_ntasks))
		return;
	rcu_read_lock();
	m = table_remove(task, NULL);
	if (m)
		member_left(m, STARLING_LEFT_EXIT);
	rcu_read_unlock();
}

/* What a member said about itself and what was published goes with it. */
static void member_inherit_self(struct starling_member *m, struct starling_member *old)
{
	spin_lock(&old->agent->lock);
	m->rec = old->rec;
	spin_unlock(&old->agent->lock);
}

/* -EAGAIN: someone else changed the membership of @task meanwhile. */
static int member_enter(struct starling_member *m, struct starling_member *old)
{
	int err;

	if (old)
		member_inherit_self(m, old);
	m->root = true;
	member_link(m);
	if (old)
		err = rhashtable_replace_fast(&table, &old->node, &m->node, table_params);
	else
		err = rhashtable_lookup_insert_fast(&table, &m->node, table_params);
	if (!err) {
		if (old)
			member_left(old, STARLING_LEFT_MOVED);
		member_came(m, false);
		return 0;
	}
	member_unlink(m);
	return err == -EEXIST || err == -ENOENT ? -EAGAIN : err;
}

/*
 * Makes @task a member of @agent or moves it there. Under rcu_read_lock(),
 * which keeps @task. 1: it was one already.
 */
int starling_member_join(struct starling_agent *agent, struct task_struct *task)
{
	struct starling_member *m, *old;
	int err;

	do {
		old = member_find(task);
		if (old && old->agent == agent) {
			WRITE_ONCE(old->root, true);
			return 1;
		}
		m = member_alloc(agent, task);
		if (IS_ERR(m))
			return PTR_ERR(m);
		err = member_enter(m, old);
	} while (err == -EAGAIN);
	if (err)
		return err;

	/* Pairs with those in the fork and exit hooks. */
	smp_mb();
	if (!(READ_ONCE(task->flags) & PF_EXITING))
		return 0;
	m = table_remove(task, agent);
	if (m)
		member_left(m, STARLING_LEFT_EXIT);
	return -ESRCH;
}

/* Under rcu_read_lock(). */
int starling_member_leave(struct starling_agent *agent, struct task_struct *task)
{
	struct starling_member *m = table_remove(task, agent);

	if (!m)
		return -ESRCH;
	member_left(m, STARLING_LEFT_ASKED);
	return 0;
}

/*
 * Sets a role unless a source that wins over @source has set one. Under the
 * agent's lock.
 */
bool starling_member_role(struct starling_member *m, u16 role, u16 source)
{
	if (m->rec.role_source > source)
		return false;
	if (role == STARLING_ROLE_NONE)
		source = STARLING_BY_NONE;
	if (m->rec.role == role && m->rec.role_source == source)
		return true;
	WRITE_ONCE(m->rec.role, role);
	WRITE_ONCE(m->rec.role_source, source);
	starling_slot_write(m);
	trace_starling_task_role(m->agent->id, m->task->pid, m->task->tgid, role, source);
	return true;
}

/*
 * Calls @fn for the member that @task is, with its agent locked. RCU keeps an
 * agent that is on its way out long enough to find that out. The caller has
 * a reference to @task or is in its context.
 */
int starling_member_do(struct task_struct *task,
		       int (*fn)(struct starling_member *m, void *arg), void *arg)
{
	struct starling_member *m;
	int ret = -EAGAIN;

	rcu_read_lock();
	do {
		m = member_find(task);
		if (!m) {
			ret = -ESRCH;
			break;
		}
		spin_lock(&m->agent->lock);
		if (!m->left)
			ret = fn(m, arg);
		spin_unlock(&m->agent->lock);
	} while (ret == -EAGAIN);
	rcu_read_unlock();
	return ret;
}

/*
 * A new program: what was detected about the old one is void, and below the
 * agent's root it is a tool.
 */
static int member_exec(struct starling_member *m, void *unused)
{
	if (m->rec.role_source == STARLING_BY_DETECTION)
		starling_member_role(m, STARLING_ROLE_NONE, STARLING_BY_DETECTION);
	if (!m->root)
		starling_member_role(m, STARLING_ROLE_TOOL, STARLING_BY_LINEAGE);
	starling_member_sample(m);
	starling_slot_write(m);
	return 0;
}

void starling_member_exec(struct task_struct *task)
{
	if (atomic_read(&starling_ntasks))
		starling_member_do(task, member_exec, NULL);
}

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
 * When a sub-agent dissolves its members stay in the table and change their
 * agent with both locked, which needs no memory and thus cannot fail. A child
 * that is made then enters a list under a lock that says whether the agent
 * still takes members; if not it enters that of the heir.
 *
 * An agent may have any number of members, and each fork and exit among them
 * needs agent->lock: whoever goes through all of them takes a batch at a time
 * and drops the lock in between. What it finds is not of one moment then. Sums
 * are nevertheless: they are kept as values change, not added up on the way.
 *
 * Lock order: rcu_read_lock, agent->lock, of two the one nearer to the root
 * first, that of its events; the table's locks are taken with neither a wait
 * nor an agent->lock inside.
 */
#include <linux/pid_namespace.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "agent.h"
#include "control.h"
#include "event.h"
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
struct starling_member *starling_member_find(struct task_struct *task)
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
	m->slot = STARLING_SLOT_NONE;
	m->rec.run_ns = starling_task_run_ns(task);
	m->rec.valid = STARLING_VALID_CPU;
	m->rec.source = STARLING_SOURCES_CPU;
	return m;
}

/* Readers under RCU may still look at it. May drop the agent's last reference. */
void starling_member_free(struct starling_member *m)
{
	struct starling_agent *agent = m->agent;

	kfree_rcu(m, rcu);
	starling_agent_put(agent);
}

/* Locks the agent that @m is linked in, and it returns. Under rcu_read_lock(). */
static struct starling_agent *member_lock(struct starling_member *m)
	__acquires(&m->agent->lock)
{
	struct starling_agent *agent;

	for (;;) {
		agent = READ_ONCE(m->agent);
		spin_lock(&agent->lock);
		if (agent == m->agent)
			return agent;
		spin_unlock(&agent->lock);
	}
}

/* Makes the reference that @m has one to @agent; another is left to the old one. */
static void member_set_agent(struct starling_member *m, struct starling_agent *agent)
{
	struct starling_agent *old = m->agent;

	if (agent == old)
		return;
	starling_agent_get(agent);
	WRITE_ONCE(m->agent, agent);
	starling_agent_put(old);
}

/* Into the list of its agent, which is locked. */
static void member_enlist(struct starling_member *m)
{
	struct starling_agent *agent = m->agent;

	m->rec.agent_id = agent->id;
	starling_roll_add(&agent->members, &m->link);
	starling_member_count(m);
	if (starling_control_silent())
		starling_member_unpublish(m);
	agent->rec.tasks++;
	starling_slot_take(m);
}

/* And out of it. */
static void member_delist(struct starling_member *m)
{
	struct starling_agent *agent = m->agent;

	starling_slot_drop(m);
	agent->rec.tasks--;
	starling_member_discount(m);
	starling_roll_del(&agent->members, &m->link);
}

/* The caller has a reference to @m's agent of its own. */
static void member_link(struct starling_member *m)
{
	struct starling_agent *agent = starling_agent_lock(m->agent);

	member_set_agent(m, agent);
	starling_member_read(m);
	starling_member_rebase(m);
	member_enlist(m);
	spin_unlock(&agent->lock);
}

/* @m never got into the table: as if it had not been. */
static void member_unlink(struct starling_member *m)
{
	struct starling_agent *agent = member_lock(m);

	member_delist(m);
	spin_unlock(&agent->lock);
	atomic_dec(&starling_ntasks);
	starling_member_free(m);
}

/* The caller has a reference to the agent that @m was meant for. */
static void member_came(struct starling_member *m, bool inherited)
{
	struct starling_agent *agent = starling_agent_lock(READ_ONCE(m->agent));

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

/*
 * The caller took @m out of the table and thus owns it. @end: its counters at
 * the end, where another agent goes on counting; NULL: those of now.
 */
static void member_left(struct starling_member *m, enum starling_leave how, const u64 *end)
{
	struct starling_agent *agent = member_lock(m);

	m->left = true;
	member_delist(m);
	if (end)
		starling_member_set(m, end);
	else
		starling_member_read(m);
	starling_member_add_to(m, &agent->rec);
	agent->generation++;
	if (how == STARLING_LEFT_EXIT)
		agent->rec.exits++;
	starling_pages_update(agent);
	spin_unlock(&agent->lock);
	trace_starling_task_leave(agent->id, m->task->pid, m->task->tgid,
				  m->rec.role, m->rec.role_source, how);
	if (how == STARLING_LEFT_EXIT)
		starling_event_push(agent, STARLING_EVENT_TASK_EXIT, m->rec.tid,
				    m->rec.role, m->task->exit_code, 0, 0);
	atomic_dec(&starling_ntasks);
	if (how != STARLING_LEFT_EXIT || !starling_remains_add(m))
		starling_member_free(m);
}

static void member_lost(struct starling_agent *agent)
{
	atomic64_inc(&starling_lost);
	agent = starling_agent_lock(agent);
	agent->rec.lost++;
	starling_pages_update(agent);
	spin_unlock(&agent->lock);
}

/*
 * Roles at fork. A detected role says what the parent does, not the child;
 * waiting for a GPU is a thread's own business, and computing in step one
 * process's.
 */
static void role_inherit(struct starling_member *m, const struct starling_member *parent,
			 bool thread)
{
	u16 role = READ_ONCE(parent->rec.role);
	u16 source = READ_ONCE(parent->rec.role_source);

	if (role == STARLING_ROLE_NONE || role == STARLING_ROLE_FEEDER ||
	    (role == STARLING_ROLE_INFERENCE && !thread) || source == STARLING_BY_DETECTION)
		return;
	m->rec.role = role;
	m->rec.role_source = STARLING_BY_LINEAGE;
}

/* @parent's agent, counted, and the member @parent was when it was looked up. */
static struct starling_member *find_and_hold(struct task_struct *parent,
					     struct starling_agent **agent)
{
	struct starling_member *m;

	do {
		m = starling_member_find(parent);
		if (!m)
			return NULL;
		*agent = READ_ONCE(m->agent);
	} while (!starling_agent_tryget(*agent));
	return m;
}

/*
 * @child does not run yet. It is on its process's thread list already, so a
 * JOIN of the whole process that has passed @parent by when we look at it
 * will still come to @child: hence the barrier.
 */
int starling_member_fork(struct task_struct *parent, struct task_struct *child)
{
	struct starling_agent *agent;
	struct starling_member *p, *m;
	int err = 0;

	/* Pairs with that in starling_member_join(). */
	smp_mb();
	if (!atomic_read(&starling_ntasks))
		return 0;
	rcu_read_lock();
	p = find_and_hold(parent, &agent);
	if (!p)
		goto out;
	m = member_alloc(agent, child);
	if (IS_ERR(m)) {
		err = PTR_ERR(m);
		goto out_put;
	}
	m->root = READ_ONCE(p->root) && child->tgid == parent->tgid;
	role_inherit(m, p, child->tgid == parent->tgid);
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
		member_lost(agent);
	starling_agent_put(agent);
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
		m = starling_member_find(task);
		if (!m || (only && READ_ONCE(m->agent) != only))
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
		member_left(m, STARLING_LEFT_EXIT, NULL);
	rcu_read_unlock();
}

/* What a member said about itself and what was published goes with it. */
static void member_inherit_self(struct starling_member *m, struct starling_member *old)
{
	struct starling_agent *agent = member_lock(old);

	m->rec = old->rec;
	spin_unlock(&agent->lock);
}

/* -EAGAIN: someone else changed the membership of @task meanwhile. */
static int member_enter(struct starling_member *m, struct starling_member *old)
{
	u64 base[STARLING_NSUMS];
	int err;

	if (old)
		member_inherit_self(m, old);
	m->root = true;
	member_link(m);
	/* Once others find @m it may be gone before we are done with @old. */
	memcpy(base, m->base, sizeof(base));
	if (old)
		err = rhashtable_replace_fast(&table, &old->node, &m->node, table_params);
	else
		err = rhashtable_lookup_insert_fast(&table, &m->node, table_params);
	if (!err) {
		if (old)
			member_left(old, STARLING_LEFT_MOVED, base);
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
		old = starling_member_find(task);
		if (old && READ_ONCE(old->agent) == agent) {
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
		member_left(m, STARLING_LEFT_EXIT, NULL);
	return -ESRCH;
}

/* Under rcu_read_lock(). */
int starling_member_leave(struct starling_agent *agent, struct task_struct *task)
{
	struct starling_member *m = table_remove(task, agent);

	if (!m)
		return -ESRCH;
	member_left(m, STARLING_LEFT_ASKED, NULL);
	return 0;
}

/* @m goes from @from's list to @to's, both locked; the task notices nothing. */
static void member_relink(struct starling_member *m, struct starling_agent *from,
			  struct starling_agent *to)
{
	member_delist(m);
	from->generation++;
	member_set_agent(m, to);
	starling_member_read(m);
	member_enlist(m);
	to->generation++;
	starling_pages_update(to);
}

/* Moves one member. False: there is none. */
static bool member_move(struct starling_agent *from, struct starling_agent *to)
{
	struct starling_link *first;
	struct starling_member *m = NULL;

	rcu_read_lock();
	spin_lock(&to->lock);
	spin_lock_nested(&from->lock, SINGLE_DEPTH_NESTING);
	first = starling_roll_first(&from->members);
	if (first) {
		m = starling_member_at(first);
		member_relink(m, from, to);
	}
	spin_unlock(&from->lock);
	spin_unlock(&to->lock);
	if (m) {
		trace_starling_task_leave(from->id, m->task->pid, m->task->tgid, m->rec.role,
					  m->rec.role_source, STARLING_LEFT_MOVED);
		trace_starling_task_join(to->id, m->task->pid, m->task->tgid, m->rec.role,
					 m->rec.role_source, false);
	}
	rcu_read_unlock();
	return m;
}

/*
 * Calls @fn for all members that there are when it begins and that stay, with
 * the agent locked, but not for longer than a batch takes: between two of them
 * members come and go, and @fn must not mind.
 */
void starling_members_do(struct starling_agent *agent,
			 void (*fn)(struct starling_link *link, void *arg), void *arg)
{
	u64 at = 0, last = 0;
	bool more;

	do {
		spin_lock(&agent->lock);
		/* Only the lock orders it with one that has just been enlisted. */
		if (!at)
			last = agent->members.last;
		more = starling_roll_batch(&agent->members, &at, STARLING_BATCH, fn, arg);
		spin_unlock(&agent->lock);
		cond_resched();
	} while (more && at < last);
}

/*
 * Makes all members of @from, which is closed and gets no new ones, members of
 * its ancestor @to. Those that are on their way out or not in the table yet
 * are in the list too and come along. The caller has references to both.
 */
void starling_members_move(struct starling_agent *from, struct starling_agent *to)
{
	while (member_move(from, to))
		cond_resched();
}

/*
 * Sets a role unless a source that wins over @source has set one. Under the
 * agent's lock.
 */
bool starling_member_role(struct starling_member *m, u16 role, u16 source)
{
	u16 before = m->rec.role;

	if (m->rec.role_source > source)
		return false;
	if (role == STARLING_ROLE_NONE)
		source = STARLING_BY_NONE;
	if (m->rec.role == role && m->rec.role_source == source)
		return true;
	starling_member_sample(m);
	WRITE_ONCE(m->rec.role, role);
	WRITE_ONCE(m->rec.role_source, source);
	starling_slot_write(m);
	trace_starling_task_role(m->agent->id, m->task->pid, m->task->tgid, role, source, before);
	starling_event_push(m->agent, STARLING_EVENT_ROLE,
			    task_pid_nr_ns(m->task, m->agent->pid_ns), role, source, before, 0);
	return true;
}

/* Under the agent's lock. The caller writes the slot. */
void starling_member_place(struct starling_member *m, u16 placement)
{
	u16 before = m->rec.placement;

	if (placement == before)
		return;
	m->rec.placement = placement;
	trace_starling_task_placement(m->agent->id, m->task->pid, m->task->tgid, m->rec.role,
				      m->rec.role_source, placement);
	starling_event_push(m->agent, STARLING_EVENT_PLACEMENT,
			    task_pid_nr_ns(m->task, m->agent->pid_ns), placement, before, 0, 0);
}

/*
 * Calls @fn for the member that @task is, with its agent locked. RCU keeps an
 * agent that is on its way out long enough to find that out. The caller has
 * a reference to @task or is in its context.
 */
int starling_member_do(struct task_struct *task,
		       int (*fn)(struct starling_member *m, void *arg), void *arg)
{
	struct starling_agent *agent;
	struct starling_member *m;
	int ret = -EAGAIN;

	rcu_read_lock();
	do {
		m = starling_member_find(task);
		if (!m) {
			ret = -ESRCH;
			break;
		}
		agent = member_lock(m);
		if (!m->left)
			ret = fn(m, arg);
		spin_unlock(&agent->lock);
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

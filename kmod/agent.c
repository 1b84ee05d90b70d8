// SPDX-License-Identifier: GPL-2.0-only
/*
 * An agent is made by AGENT_CREATE and referred to by its descriptors and by
 * its members. The last reference may go in the exit hook of a task, where
 * nothing may sleep: what needs to sleep is left to a work item, which also
 * waits until no reader under RCU can have the pointer any more.
 *
 * The registry finds agents by id for those who may see all of them. It does
 * not count as a reference: starling_agent_tryget() sorts out the dying.
 *
 * Trees: a sub-agent keeps its parent, so the way up is always there; the way
 * down (@subs) does not count. When its file is closed a sub-agent dissolves:
 * its members and sums go to the nearest ancestor that is not closed, which a
 * root never is. Itself it stays, empty, while it has sub-agents.
 *
 * Lock order: the root's @tree, then agent->lock from the root downwards. The
 * hooks of fork and exit take no @tree: what they count meanwhile is added to
 * an agent with its lock held, and starling_agent_lock() finds the one that
 * it is to be added to.
 */
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "agent.h"
#include "command.h"
#include "control.h"
#include "lease.h"
#include "task.h"
#include "telemetry.h"
#include "trace.h"

static DEFINE_HASHTABLE(users, 6);
static DEFINE_SPINLOCK(users_lock);
static unsigned int nagents;	/* users_lock */

static DEFINE_XARRAY(agents);
static atomic64_t last_id = ATOMIC64_INIT(0);

static struct starling_user *user_find(kuid_t uid)
{
	struct starling_user *user;

	lockdep_assert_held(&users_lock);
	hash_for_each_possible(users, user, node, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

/* Takes one agent out of the share of the caller. */
static struct starling_user *user_charge(void)
{
	struct starling_user *user, *new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	bool privileged = capable(CAP_SYS_RESOURCE);

	if (!new)
		return ERR_PTR(-ENOMEM);
	spin_lock(&users_lock);
	user = user_find(current_uid());
	if (nagents >= READ_ONCE(starling_max_agents) ||
	    (user && !privileged && user->count >= READ_ONCE(starling_max_user_agents))) {
		user = ERR_PTR(-ENOSPC);
		goto out;
	}
	if (!user) {
		user = new;
		new = NULL;
		user->uid = current_uid();
		hash_add(users, &user->node, __kuid_val(user->uid));
	}
	user->count++;
	nagents++;
out:
	spin_unlock(&users_lock);
	kfree(new);
	return user;
}

static void user_uncharge(struct starling_user *user)
{
	spin_lock(&users_lock);
	nagents--;
	if (--user->count)
		user = NULL;
	else
		hash_del(&user->node);
	spin_unlock(&users_lock);
	kfree(user);
}

static void agent_free(struct work_struct *work)
{
	struct starling_agent *agent =
		container_of(to_rcu_work(work), struct starling_agent, free);

	starling_pages_free(agent->pages);
	starling_events_free(&agent->events);
	put_pid_ns(agent->pid_ns);
	kfree(agent);
}

static void agent_release(struct kref *ref)
{
	struct starling_agent *agent = container_of(ref, struct starling_agent, ref);

	if (agent->parent) {
		spin_lock(&agent->parent->lock);
		list_del(&agent->sibling);
		spin_unlock(&agent->parent->lock);
	}
	trace_starling_agent_free(agent->id, agent->rec.forks, agent->rec.exits);
	xa_erase(&agents, agent->id);
	user_uncharge(agent->user);
	INIT_RCU_WORK(&agent->free, agent_free);
	queue_rcu_work(starling_wq, &agent->free);
	/* The exit function waits for that work. */
	module_put(THIS_MODULE);
}

/* The last reference to a sub-agent may be all that kept its parent. */
void starling_agent_put(struct starling_agent *agent)
{
	struct starling_agent *parent;

	do {
		parent = agent->parent;
		if (!kref_put(&agent->ref, agent_release))
			break;
		agent = parent;
	} while (agent);
}

/*
 * The agent that counts for @agent, locked: itself or, after it was closed, the
 * nearest ancestor that was not. The caller has a reference to @agent.
 */
struct starling_agent *starling_agent_lock(struct starling_agent *agent)
	__acquires(&agent->lock)
{
	for (;; agent = agent->parent) {
		spin_lock(&agent->lock);
		if (!agent->closed)
			return agent;
		spin_unlock(&agent->lock);
	}
}

/* A reference to the agent with the lowest id not below @id, or NULL. */
struct starling_agent *starling_agent_next(u64 id)
{
	struct starling_agent *agent;
	unsigned long index = id;

	rcu_read_lock();
	for (agent = xa_find(&agents, &index, ULONG_MAX, XA_PRESENT); agent;
	     agent = xa_find_after(&agents, &index, ULONG_MAX, XA_PRESENT))
		if (starling_agent_tryget(agent))
			break;
	rcu_read_unlock();
	return agent;
}

/* A copy of its record, without the living. */
void starling_agent_read(struct starling_agent *agent, struct starling_agent_record *rec)
{
	spin_lock(&agent->lock);
	*rec = agent->rec;
	spin_unlock(&agent->lock);
}

static struct starling_agent *agent_alloc(void)
{
	struct starling_agent *agent = kzalloc(sizeof(*agent), GFP_KERNEL_ACCOUNT);

	if (!agent)
		return NULL;
	kref_init(&agent->ref);
	spin_lock_init(&agent->lock);
	mutex_init(&agent->tree);
	INIT_LIST_HEAD(&agent->subs);
	spin_lock_init(&agent->wait_lock);
	INIT_LIST_HEAD(&agent->waits);
	starling_events_init(&agent->events);
	starling_pages_init(agent);
	agent->pid_ns = get_pid_ns(task_active_pid_ns(current));
	starling_record_clear(&agent->rec);
	return agent;
}

/* Names are shown on terminals: no control characters, and an end. */
static bool name_ok(const char *name)
{
	const unsigned char *p = name;

	if (!memchr(name, 0, STARLING_NAME_LEN))
		return false;
	for (; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return false;
	return true;
}

/* A command name may be anything. */
static void default_name(char *name)
{
	strscpy_pad(name, current->comm, STARLING_NAME_LEN);
	if (!name_ok(name))
		strscpy_pad(name, "agent", STARLING_NAME_LEN);
}

/* Into the tree below @parent, which is then kept. */
static void agent_attach(struct starling_agent *agent, struct starling_agent *parent)
{
	starling_agent_get(parent);
	agent->parent = parent;
	/* Whoever walks over the tree would not end if it grew all the time. */
	mutex_lock(&agent->root->tree);
	spin_lock(&parent->lock);
	list_add_tail(&agent->sibling, &parent->subs);
	spin_unlock(&parent->lock);
	mutex_unlock(&agent->root->tree);
}

static u32 class_below(const struct starling_agent *parent)
{
	return parent ? READ_ONCE(parent->rec.class) : STARLING_CLASS_NORMAL;
}

/* The reference returned is the caller's. */
static struct starling_agent *agent_create(struct starling_agent *parent,
					   const struct starling_agent_create *create)
{
	struct starling_agent *agent = agent_alloc();
	int err;

	if (!agent)
		return ERR_PTR(-ENOMEM);
	if (*create->name)
		strscpy_pad(agent->rec.name, create->name, STARLING_NAME_LEN);
	else
		default_name(agent->rec.name);
	agent->rec.weight = create->weight ?: STARLING_WEIGHT_DEFAULT;
	agent->rec.class = create->class ?: class_below(parent);
	agent->root = parent ? parent->root : agent;
	agent->depth = parent ? parent->depth + 1 : 0;
	agent->rec.parent_id = parent ? parent->id : 0;
	agent->user = user_charge();
	if (IS_ERR(agent->user)) {
		err = PTR_ERR(agent->user);
		goto out_free;
	}
	agent->id = atomic64_inc_return(&last_id);
	agent->rec.id = agent->id;
	err = xa_insert(&agents, agent->id, agent, GFP_KERNEL_ACCOUNT);
	if (err)
		goto out_uncharge;
	__module_get(THIS_MODULE);
	if (parent)
		agent_attach(agent, parent);
	return agent;

out_uncharge:
	user_uncharge(agent->user);
out_free:
	put_pid_ns(agent->pid_ns);
	kfree(agent);
	return ERR_PTR(err);
}

static bool weight_ok(u32 weight)
{
	return weight >= STARLING_WEIGHT_MIN && weight <= STARLING_WEIGHT_MAX;
}

long starling_agent_set(struct file *file, void *arg)
{
	struct starling_agent *agent = file->private_data;
	struct starling_agent_set *set = arg;

	if (set->flags & STARLING_SET_WEIGHT ? !weight_ok(set->weight) : set->weight)
		return -EINVAL;
	if (set->flags & STARLING_SET_CLASS ? !set->class || set->class >= __STARLING_CLASS_MAX :
	    set->class)
		return -EINVAL;
	if (set->flags & STARLING_SET_NAME ? !name_ok(set->name) :
	    !!memchr_inv(set->name, 0, STARLING_NAME_LEN))
		return -EINVAL;
	spin_lock(&agent->lock);
	if (set->flags & STARLING_SET_WEIGHT)
		agent->rec.weight = set->weight;
	if (set->flags & STARLING_SET_CLASS)
		WRITE_ONCE(agent->rec.class, set->class);
	if (set->flags & STARLING_SET_NAME)
		strscpy_pad(agent->rec.name, set->name, STARLING_NAME_LEN);
	starling_pages_update(agent);
	spin_unlock(&agent->lock);
	return 0;
}

/*
 * What @agent itself has done, with what its members did so far. Sums are read
 * at once when all members have been looked at: who leaves meanwhile counts
 * once, among the living or among those who left.
 */
static void stat_one(struct starling_agent *agent, bool live, struct starling_agent_record *rec)
{
	struct starling_agent_record known = {};

	if (live)
		starling_members_do(agent, starling_member_stat, &known);
	spin_lock(&agent->lock);
	*rec = agent->rec;
	if (live)
		starling_record_add(&known, &agent->living);
	spin_unlock(&agent->lock);
	starling_record_add(rec, &known);
}

/* A reference to the first of @parent's sub-agents after @prev, or NULL. */
static struct starling_agent *sub_after(struct starling_agent *parent,
					struct starling_agent *prev)
{
	struct list_head *at;
	struct starling_agent *sub = NULL;

	spin_lock(&parent->lock);
	at = prev ? prev->sibling.next : parent->subs.next;
	for (; at != &parent->subs; at = at->next) {
		sub = list_entry(at, struct starling_agent, sibling);
		if (starling_agent_tryget(sub))
			break;
		sub = NULL;
	}
	spin_unlock(&parent->lock);
	return sub;
}

/*
 * The next after @agent of those below @top, parents before their sub-agents;
 * takes over the reference to @agent, unless that is @top. What is on the way
 * up is kept by what is below it.
 */
static struct starling_agent *tree_next(struct starling_agent *top, struct starling_agent *agent)
{
	struct starling_agent *next = sub_after(agent, NULL), *at;

	for (at = agent; !next && at != top; at = at->parent)
		next = sub_after(at->parent, at);
	if (agent != top)
		starling_agent_put(agent);
	return next;
}

static void stat_tree(struct starling_agent *top, bool live, struct starling_agent_record *sum)
{
	struct starling_agent *agent = top;
	struct starling_agent_record rec;

	mutex_lock(&top->root->tree);
	stat_one(top, live, sum);
	while ((agent = tree_next(top, agent))) {
		stat_one(agent, live, &rec);
		starling_record_add(sum, &rec);
		cond_resched();
	}
	mutex_unlock(&top->root->tree);
}

long starling_agent_stat(struct file *file, void *arg)
{
	struct starling_agent *agent = file->private_data;
	struct starling_agent_stat *stat = arg;
	bool live = stat->flags & STARLING_STAT_LIVE;

	if (stat->flags & STARLING_STAT_TREE)
		stat_tree(agent, live, &stat->out_agent);
	else
		stat_one(agent, live, &stat->out_agent);
	return 0;
}

/* What @agent did becomes what @heir did, at once for whoever looks. */
static void agent_fold(struct starling_agent *agent, struct starling_agent *heir)
{
	spin_lock(&heir->lock);
	spin_lock_nested(&agent->lock, SINGLE_DEPTH_NESTING);
	starling_record_add(&heir->rec, &agent->rec);
	starling_record_clear(&agent->rec);
	starling_pages_update(heir);
	spin_unlock(&agent->lock);
	spin_unlock(&heir->lock);
}

/*
 * No descriptor and no mapping of this sub-agent is left. Who may be its heir
 * does not change while the tree is held: only this function closes agents.
 */
static void agent_dissolve(struct starling_agent *agent)
{
	struct starling_agent *heir;

	mutex_lock(&agent->root->tree);
	spin_lock(&agent->lock);
	agent->closed = true;
	spin_unlock(&agent->lock);
	heir = starling_agent_lock(agent);
	spin_unlock(&heir->lock);
	starling_members_move(agent, heir);
	agent_fold(agent, heir);
	mutex_unlock(&agent->root->tree);
}

static int agent_close(struct inode *inode, struct file *file)
{
	struct starling_agent *agent = file->private_data;

	starling_lease_close(agent);
	if (agent->parent)
		agent_dissolve(agent);
	starling_agent_put(agent);
	return 0;
}

static void agent_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct starling_agent *agent = file->private_data;
	struct starling_agent_record rec;

	starling_agent_read(agent, &rec);
	seq_printf(seq, "starling-agent:\t%llu\n", rec.id);
	seq_printf(seq, "starling-weight:\t%u\n", rec.weight);
	seq_printf(seq, "starling-class:\t%u\n", rec.class);
	seq_printf(seq, "starling-tasks:\t%u\n", rec.tasks);
	seq_printf(seq, "starling-parent:\t%llu\n", rec.parent_id);
}

const struct file_operations starling_agent_fops = {
	.owner		= THIS_MODULE,
	.release	= agent_close,
	.read		= starling_event_read,
	.poll		= starling_event_poll,
	.unlocked_ioctl	= starling_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.uring_cmd	= starling_uring_cmd,
	.mmap		= starling_pages_mmap,
	.show_fdinfo	= agent_show_fdinfo,
};

long starling_agent_create(struct file *file, void *arg)
{
	struct starling_agent *agent, *parent = starling_agent_of(file);
	const struct starling_agent_create *create = arg;
	int fd;

	if (create->weight > STARLING_WEIGHT_MAX || create->class >= __STARLING_CLASS_MAX ||
	    !name_ok(create->name))
		return -EINVAL;
	if (parent && parent->depth == STARLING_DEPTH_MAX)
		return -ENOSPC;
	agent = agent_create(parent, create);
	if (IS_ERR(agent))
		return PTR_ERR(agent);
	trace_starling_agent_create(agent->id, agent->rec.weight, agent->rec.class,
				    task_tgid_nr(current), agent->rec.parent_id);
	fd = anon_inode_getfd("[starling-agent]", &starling_agent_fops, agent, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		starling_agent_put(agent);
	return fd;
}

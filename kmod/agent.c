// SPDX-License-Identifier: GPL-2.0-only
/*
 * An agent is made by AGENT_CREATE and referred to by its descriptors and by
 * its members. The last reference may go in the exit hook of a task, where
 * nothing may sleep: what needs to sleep is left to a work item, which also
 * waits until no reader under RCU can have the pointer any more.
 *
 * The registry finds agents by id for those who may see all of them. It does
 * not count as a reference: starling_agent_tryget() sorts out the dying.
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
#include "task.h"
#include "telemetry.h"
#include "trace.h"

/* How many agents a user has. @count is guarded by users_lock. */
struct starling_user {
	struct hlist_node node;
	kuid_t uid;
	unsigned int count;
};

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
	put_pid_ns(agent->pid_ns);
	kfree(agent);
}

static void agent_release(struct kref *ref)
{
	struct starling_agent *agent = container_of(ref, struct starling_agent, ref);

	trace_starling_agent_free(agent->id, agent->rec.forks, agent->rec.exits);
	xa_erase(&agents, agent->id);
	user_uncharge(agent->user);
	INIT_RCU_WORK(&agent->free, agent_free);
	queue_rcu_work(starling_wq, &agent->free);
	/* The exit function waits for that work. */
	module_put(THIS_MODULE);
}

void starling_agent_put(struct starling_agent *agent)
{
	kref_put(&agent->ref, agent_release);
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

static struct starling_agent *agent_alloc(void)
{
	struct starling_agent *agent = kzalloc(sizeof(*agent), GFP_KERNEL_ACCOUNT);

	if (!agent)
		return NULL;
	kref_init(&agent->ref);
	spin_lock_init(&agent->lock);
	INIT_LIST_HEAD(&agent->members);
	starling_pages_init(agent);
	agent->pid_ns = get_pid_ns(task_active_pid_ns(current));
	agent->rec.valid = STARLING_VALID_CPU;
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

/* The reference returned is the caller's. */
static struct starling_agent *agent_create(const char *name, u32 weight)
{
	struct starling_agent *agent = agent_alloc();
	int err;

	if (!agent)
		return ERR_PTR(-ENOMEM);
	if (*name)
		strscpy_pad(agent->rec.name, name, STARLING_NAME_LEN);
	else
		default_name(agent->rec.name);
	agent->rec.weight = weight;
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

static long agent_set(struct file *file, void *arg)
{
	struct starling_agent *agent = file->private_data;
	struct starling_agent_set *set = arg;

	if (set->__pad || !starling_is_zero(set->__reserved))
		return -EINVAL;
	if (set->flags & STARLING_SET_WEIGHT ? !weight_ok(set->weight) : set->weight)
		return -EINVAL;
	if (set->flags & STARLING_SET_NAME ? !name_ok(set->name) : !starling_is_zero(set->name))
		return -EINVAL;
	spin_lock(&agent->lock);
	if (set->flags & STARLING_SET_WEIGHT)
		agent->rec.weight = set->weight;
	if (set->flags & STARLING_SET_NAME)
		strscpy_pad(agent->rec.name, set->name, STARLING_NAME_LEN);
	starling_pages_update(agent);
	spin_unlock(&agent->lock);
	return 0;
}

static long agent_stat(struct file *file, void *arg)
{
	struct starling_agent *agent = file->private_data;
	struct starling_agent_stat *stat = arg;
	struct starling_member *m;

	spin_lock(&agent->lock);
	stat->out_agent = agent->rec;
	if (stat->flags & STARLING_STAT_LIVE)
		list_for_each_entry(m, &agent->members, link) {
			starling_member_sample(m);
			starling_member_add_to(m, &stat->out_agent);
		}
	spin_unlock(&agent->lock);
	return 0;
}

static const struct starling_command commands[] = {
	STARLING_COMMAND(STARLING_IOC_GET_INFO, starling_get_info,
			 starling_info, __reserved, 0, true),
	STARLING_COMMAND(STARLING_IOC_TASKS, starling_agent_tasks,
			 starling_list, __reserved, 0, true),
	STARLING_COMMAND(STARLING_IOC_AGENT_JOIN, starling_agent_join,
			 starling_agent_task, __reserved,
			 STARLING_TASK_THREAD | STARLING_TASK_PIDFD, false),
	STARLING_COMMAND(STARLING_IOC_AGENT_LEAVE, starling_agent_leave,
			 starling_agent_task, __reserved,
			 STARLING_TASK_THREAD | STARLING_TASK_PIDFD, false),
	STARLING_COMMAND(STARLING_IOC_AGENT_SET, agent_set,
			 starling_agent_set, __reserved,
			 STARLING_SET_WEIGHT | STARLING_SET_NAME, false),
	STARLING_COMMAND(STARLING_IOC_AGENT_STAT, agent_stat,
			 starling_agent_stat, out_agent, STARLING_STAT_LIVE, true),
	STARLING_COMMAND(STARLING_IOC_TASK_STAT, starling_task_stat,
			 starling_task_stat, out_task, 0, true),
	STARLING_COMMAND(STARLING_IOC_TASK_SET_ROLE, starling_task_set_role,
			 starling_task_role, __reserved, 0, false),
};

static long agent_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return starling_command_run(commands, ARRAY_SIZE(commands), file, cmd, arg);
}

static int agent_close(struct inode *inode, struct file *file)
{
	starling_agent_put(file->private_data);
	return 0;
}

static void agent_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct starling_agent *agent = file->private_data;
	struct starling_agent_record rec;

	spin_lock(&agent->lock);
	rec = agent->rec;
	spin_unlock(&agent->lock);
	seq_printf(seq, "starling-agent:\t%llu\n", rec.id);
	seq_printf(seq, "starling-weight:\t%u\n", rec.weight);
	seq_printf(seq, "starling-tasks:\t%u\n", rec.tasks);
}

static const struct file_operations agent_fops = {
	.owner		= THIS_MODULE,
	.release	= agent_close,
	.unlocked_ioctl	= agent_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= starling_pages_mmap,
	.show_fdinfo	= agent_show_fdinfo,
};

long starling_agent_create(struct file *file, void *arg)
{
	struct starling_agent_create *create = arg;
	u32 weight = create->weight ?: STARLING_WEIGHT_DEFAULT;
	struct starling_agent *agent;
	int fd;

	if (create->__pad || !starling_is_zero(create->__reserved) ||
	    !weight_ok(weight) || !name_ok(create->name))
		return -EINVAL;
	agent = agent_create(create->name, weight);
	if (IS_ERR(agent))
		return PTR_ERR(agent);
	trace_starling_agent_create(agent->id, weight, task_tgid_nr(current));
	fd = anon_inode_getfd("[starling-agent]", &agent_fops, agent, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		starling_agent_put(agent);
	return fd;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that name a task: which one is meant, and may the caller?
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "agent.h"
#include "compat.h"
#include "task.h"

/*
 * A counted task by its id in the caller's namespace; 0 is the caller, who is
 * not there when io_uring's polling thread submits.
 */
static struct task_struct *task_by_tid(s32 tid)
{
	struct task_struct *task = current;

	if (tid < 0)
		return ERR_PTR(-EINVAL);
	if (!tid && current->flags & STARLING_PF_WORKER)
		return ERR_PTR(-ESRCH);
	rcu_read_lock();
	if (tid)
		task = pid_task(find_vpid(tid), PIDTYPE_PID);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	return task ?: ERR_PTR(-ESRCH);
}

static struct task_struct *task_by_pidfd(s32 fd)
{
	struct file *file = fget(fd);
	struct task_struct *task = ERR_PTR(-EBADF);
	struct pid *pid;

	if (!file)
		return task;
	pid = starling_pidfd_pid(file);
	if (pid)
		task = get_pid_task(pid, PIDTYPE_PID) ?: ERR_PTR(-ESRCH);
	fput(file);
	return task;
}

/* As sched_setaffinity(2): what an agent is good for is scheduling. */
static bool may_schedule(struct task_struct *task)
{
	const struct cred *cred = current_cred(), *tcred;
	bool ok;

	if (same_thread_group(task, current))
		return true;
	rcu_read_lock();
	tcred = __task_cred(task);
	ok = uid_eq(cred->euid, tcred->euid) || uid_eq(cred->euid, tcred->uid) ||
	     ns_capable(tcred->user_ns, CAP_SYS_NICE);
	rcu_read_unlock();
	return ok;
}

typedef int (*member_fn)(struct starling_agent *agent, struct task_struct *task);

static int thread_apply(struct starling_agent *agent, struct task_struct *task, member_fn fn)
{
	int err;

	if (task->flags & STARLING_PF_WORKER)
		return -ESRCH;
	rcu_read_lock();
	err = fn(agent, task);
	rcu_read_unlock();
	return err;
}

/* One pass over the threads. @done counts those that @fn changed. */
static int threads_pass(struct starling_agent *agent, struct task_struct *task,
			member_fn fn, unsigned int *done, unsigned int *seen)
{
	struct task_struct *t;
	int err = 0;

	rcu_read_lock();
	for_each_thread(task, t) {
		if (t->flags & (STARLING_PF_WORKER | PF_EXITING))
			continue;
		err = fn(agent, t);
		if (err == -ESRCH) {
			err = 0;
			continue;
		}
		if (err < 0)
			break;
		++*seen;
		*done += !err;
	}
	rcu_read_unlock();
	return err < 0 ? err : 0;
}

/* Threads may come while we look: until a pass changes nothing. */
static int threads_apply(struct starling_agent *agent, struct task_struct *task, member_fn fn)
{
	unsigned int seen = 0, done;
	int err;

	do {
		done = 0;
		err = threads_pass(agent, task, fn, &done, &seen);
		if (!err && signal_pending(current) && fatal_signal_pending(current))
			err = -EINTR;
	} while (!err && done);
	return err ?: seen ? 0 : -ESRCH;
}

static long member_command(struct file *file, struct starling_agent_task *arg, member_fn fn)
{
	struct starling_agent *agent = file->private_data;
	struct task_struct *task;
	int err = -EPERM;

	task = arg->flags & STARLING_TASK_PIDFD ? task_by_pidfd(arg->task) :
						  task_by_tid(arg->task);
	if (IS_ERR(task))
		return PTR_ERR(task);
	if (!may_schedule(task) || task->flags & PF_KTHREAD)
		goto out;
	if (arg->flags & STARLING_TASK_THREAD)
		err = thread_apply(agent, task, fn);
	else
		err = threads_apply(agent, task, fn);
out:
	put_task_struct(task);
	return min(err, 0);
}

long starling_agent_join(struct file *file, void *arg)
{
	return member_command(file, arg, starling_member_join);
}

long starling_agent_leave(struct file *file, void *arg)
{
	return member_command(file, arg, starling_member_leave);
}

/* A command about one member of the file's agent. */
struct request {
	struct starling_agent *agent;
	struct task_struct *task;
	void *arg;
};

static long member_request(struct file *file, s32 tid, void *arg,
			   int (*fn)(struct starling_member *m, void *arg))
{
	struct request req = {
		.agent = file->private_data, .task = task_by_tid(tid), .arg = arg,
	};
	int err;

	if (IS_ERR(req.task))
		return PTR_ERR(req.task);
	err = starling_member_do(req.task, fn, &req);
	put_task_struct(req.task);
	return err;
}

static int task_stat(struct starling_member *m, void *arg)
{
	const struct request *req = arg;
	struct starling_task_stat *stat = req->arg;

	if (m->agent != req->agent ||
	    !starling_member_record(m, task_active_pid_ns(current), &stat->out_task))
		return -ESRCH;
	return 0;
}

long starling_task_stat(struct file *file, void *arg)
{
	struct starling_task_stat *stat = arg;

	return member_request(file, stat->tid, stat, task_stat);
}

static int task_set_role(struct starling_member *m, void *arg)
{
	const struct request *req = arg;
	const struct starling_task_role *set = req->arg;
	u16 source = req->task == current ? STARLING_BY_SELF : STARLING_BY_OWNER;

	if (m->agent != req->agent)
		return -ESRCH;
	if (!may_schedule(req->task))
		return -EPERM;
	return starling_member_role(m, set->role, source) ? 0 : -EBUSY;
}

long starling_task_set_role(struct file *file, void *arg)
{
	struct starling_task_role *set = arg;

	if (set->__pad || set->role >= __STARLING_ROLE_MAX)
		return -EINVAL;
	return member_request(file, set->tid, set, task_set_role);
}

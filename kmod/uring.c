// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands by io_uring, from the table that ioctl() has, with its results.
 *
 * Where a command is done: by the submitter, in io_uring_enter(), since a
 * command may mean "the caller". What io_uring gave to one of its workers, as
 * IOSQE_ASYNC asks for, comes back to the submitter as task work. Slow ones
 * are the exception: they do not ask who the caller is and are left to a
 * worker, so that a long list does not hold up the ring.
 *
 * A command that waits ends by starling_wait_del(), as any wait does, and then
 * goes on as task work of the submitter, who has the memory that the result
 * goes to. That work runs after the submission has returned, both being the
 * same task's, so that nothing is freed under the submission. io_uring holds
 * the file, and thus the agent and the module, until the request is completed.
 */
#include <linux/bits.h>
#include <linux/cred.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "agent.h"
#include "command.h"
#include "compat_uring.h"

/* None of them is known: fixed buffers, several results. The rest is the kernel's. */
#define FLAGS_OF_USER	GENMASK(23, 0)

/**
 * struct uring_wait - a command that waits
 * @wait:	among its agent's
 * @command:	its row
 * @cmd:	the request, which holds the file
 * @user:	where its argument came from
 * @ret:	how it ended, once it has
 * @timeout:	runs where spinlocks may be taken, unlike a timer
 * @arg:	the copy of what is at @user
 */
struct uring_wait {
	struct starling_wait wait;
	const struct starling_command *command;
	struct io_uring_cmd *cmd;
	void __user *user;
	long ret;
	struct delayed_work timeout;
	u64 arg[STARLING_ARG_MAX / sizeof(u64)];
};

/* What is kept in a request that waits, ... */
struct own_wait {
	struct uring_wait *wait;
};

/* ... and in one that is on its way from a worker to the submitter. */
struct own_move {
	const struct starling_command *command;
	void __user *user;
	const struct cred *cred;
};

static void wait_timeout(struct work_struct *work)
{
	struct uring_wait *w = container_of(to_delayed_work(work), struct uring_wait, timeout);

	starling_wait_cancel(&w->wait, -ETIMEDOUT);
}

/* Before 6.7 nobody would tell us that the ring has gone. */
static u64 wait_limit(u64 ns)
{
	if (STARLING_URING_F_CANCEL)
		return ns;
	return ns ? min(ns, STARLING_URING_WAIT_MAX_NS) : STARLING_URING_WAIT_MAX_NS;
}

static void wait_arm(struct uring_wait *w)
{
	u64 ns = wait_limit(w->wait.timeout_ns);
	/* One more, as this one has begun already. */
	u64 ticks = nsecs_to_jiffies64(ns) + 2;

	if (ns)
		queue_delayed_work(starling_wq, &w->timeout, min_t(u64, ticks, MAX_JIFFY_OFFSET));
}

/*
 * Without memory there is nobody who could look at a result. The kernel's list
 * of what can be cancelled has the request until it is completed.
 */
STARLING_URING_IN_TASK(wait_finish)
{
	struct uring_wait *w = starling_uring_own(cmd, struct own_wait)->wait;
	long ret = -ECANCELED;

	cancel_delayed_work_sync(&w->timeout);
	if (current->mm)
		ret = starling_command_write(w->command, cmd->file, w->user, w->arg, w->ret);
	else if (w->ret >= 0 && w->command->undo)
		w->command->undo(cmd->file, w->arg);
	starling_uring_done(cmd, ret, issue_flags);
	kfree(w);
}

static void wait_done(struct starling_wait *wait, long ret)
{
	struct uring_wait *w = container_of(wait, struct uring_wait, wait);

	w->ret = ret;
	io_uring_cmd_complete_in_task(w->cmd, wait_finish);
}

static struct uring_wait *wait_alloc(const struct starling_command *c,
				     struct io_uring_cmd *cmd, void __user *user)
{
	struct uring_wait *w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);

	if (!w)
		return NULL;
	w->wait.arg = w->arg;
	w->wait.done = wait_done;
	w->command = c;
	w->cmd = cmd;
	w->user = user;
	INIT_DELAYED_WORK(&w->timeout, wait_timeout);
	return w;
}

static long wait_start(const struct starling_command *c, struct io_uring_cmd *cmd,
		       void __user *user, unsigned int issue_flags)
{
	struct uring_wait *w = wait_alloc(c, cmd, user);
	long ret;

	if (!w)
		return -ENOMEM;
	starling_uring_own(cmd, struct own_wait)->wait = w;
	ret = starling_command_read(c, user, w->arg);
	if (ret)
		goto out;
	ret = c->start(cmd->file, &w->wait);
	if (ret == -EIOCBQUEUED) {
		wait_arm(w);
		io_uring_cmd_mark_cancelable(cmd, issue_flags);
		return ret;
	}
	ret = starling_command_write(c, cmd->file, user, w->arg, ret);
out:
	kfree(w);
	return ret;
}

/* The ring or its task is going. May come again before the request is completed. */
static int wait_cancel(struct io_uring_cmd *cmd)
{
	starling_wait_cancel(&starling_uring_own(cmd, struct own_wait)->wait->wait, -ECANCELED);
	return 0;
}

static long uring_do(const struct starling_command *c, struct io_uring_cmd *cmd,
		     void __user *user, unsigned int issue_flags)
{
	if (c->start)
		return wait_start(c, cmd, user, issue_flags);
	return starling_command_do(c, cmd->file, user);
}

/* With the rights that the worker had: they are those of the submission. */
STARLING_URING_IN_TASK(move_arrive)
{
	struct own_move move = *starling_uring_own(cmd, struct own_move);
	const struct cred *old;
	long ret = -ECANCELED;

	if (!(current->flags & (PF_EXITING | PF_KTHREAD))) {
		old = override_creds(move.cred);
		ret = uring_do(move.command, cmd, move.user, issue_flags);
		revert_creds(old);
	}
	put_cred(move.cred);
	if (ret != -EIOCBQUEUED)
		starling_uring_done(cmd, ret, issue_flags);
}

static int move_to_submitter(const struct starling_command *c, struct io_uring_cmd *cmd,
			     void __user *user)
{
	struct own_move *move = starling_uring_own(cmd, struct own_move);

	move->command = c;
	move->user = user;
	move->cred = get_current_cred();
	io_uring_cmd_complete_in_task(cmd, move_arrive);
	return -EIOCBQUEUED;
}

int starling_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	const struct starling_uring *uring = starling_uring_arg(cmd);
	const struct starling_command *c;
	bool in_worker = !(issue_flags & IO_URING_F_NONBLOCK);
	void __user *user;
	long ret;

	if (issue_flags & STARLING_URING_F_CANCEL)
		return wait_cancel(cmd);
	if (starling_uring_is_polled(cmd))
		return -EOPNOTSUPP;
	c = starling_command_find(cmd->file, cmd->cmd_op);
	if (!c)
		return -ENOTTY;
	user = u64_to_user_ptr(READ_ONCE(uring->arg));
	if (READ_ONCE(uring->__reserved) || cmd->flags & FLAGS_OF_USER)
		return -EINVAL;
	/* "Not here": a worker will come. */
	if (c->slow && !in_worker)
		return -EAGAIN;
	if (in_worker && !c->slow)
		return move_to_submitter(c, cmd, user);
	ret = uring_do(c, cmd, user, issue_flags);
	if (ret != -EAGAIN)
		return ret;
	/* Meant for the caller, not for io_uring, which would try again. */
	starling_uring_done(cmd, ret, issue_flags);
	return -EIOCBQUEUED;
}

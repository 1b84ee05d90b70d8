// SPDX-License-Identifier: GPL-2.0-only
/*
 * Membership follows fork, exec and exit by the kernel's tracepoints. They are
 * not exported by name, but a module may walk over all of them. The probes
 * run in the context of the task concerned, perhaps with preemption off.
 */
#include <linux/binfmts.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "compat.h"
#include "lease.h"
#include "task.h"

#if defined(CONFIG_PREEMPT_RT) && !defined(HAVE_PREEMPTIBLE_PROBES)
#error "on PREEMPT_RT the module needs a kernel whose tracepoint probes may be preempted"
#endif

static void on_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	starling_member_fork(parent, child);
}

static void on_exec(void *data, struct task_struct *task, pid_t old_pid,
		    struct linux_binprm *bprm)
{
	starling_member_exec(task);
}

static void on_exit(STARLING_EXIT_ARGS)
{
	starling_member_exit(task);
	starling_holder_exit(task);
}

static struct {
	const char *name;
	void *probe;
	struct tracepoint *tp;
} hooks[] = {
	/* Exit first: nobody can be a member that it would not see. */
	{ .name = "sched_process_exit", .probe = on_exit },
	{ .name = "sched_process_exec", .probe = on_exec },
	{ .name = "sched_process_fork", .probe = on_fork },
};

static void hook_match(struct tracepoint *tp, void *unused)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (!strcmp(tp->name, hooks[i].name))
			hooks[i].tp = tp;
}

static void unhook(int n)
{
	while (n--)
		tracepoint_probe_unregister(hooks[n].tp, hooks[n].probe, NULL);
	tracepoint_synchronize_unregister();
}

int starling_lineage_init(void)
{
	int i, err;

	for_each_kernel_tracepoint(hook_match, NULL);
	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		err = -ENOENT;
		if (hooks[i].tp)
			err = tracepoint_probe_register(hooks[i].tp, hooks[i].probe, NULL);
		if (err) {
			pr_err("cannot follow %s: %d\n", hooks[i].name, err);
			unhook(i);
			return err;
		}
	}
	return 0;
}

void starling_lineage_exit(void)
{
	unhook(ARRAY_SIZE(hooks));
}

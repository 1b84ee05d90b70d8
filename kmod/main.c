// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/starling: agents, their tasks and their telemetry. See the ABI in
 * include/uapi/linux/starling.h. The module does not schedule and does not
 * talk to GPUs: it remembers who belongs together and what they are for.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include "agent.h"
#include "command.h"
#include "control.h"
#include "kfunc.h"
#include "lease.h"
#include "task.h"
#include "telemetry.h"

#define LIMIT(_name, _default, _of_what)						\
	unsigned int starling_##_name = (_default);				\
	module_param_named(_name, starling_##_name, uint, 0644);		\
	MODULE_PARM_DESC(_name, _of_what " (default " #_default ")")

LIMIT(max_agents, 1024, "agents there may be");
LIMIT(max_user_agents, 256, "agents of one user without CAP_SYS_RESOURCE");
LIMIT(max_tasks, 65536, "member tasks there may be");
LIMIT(max_leases, 4096, "leases and requests for them there may be, at most 16383");
LIMIT(max_user_leases, 256, "leases of one user without CAP_SYS_RESOURCE");

struct workqueue_struct *starling_wq;

long starling_get_info(struct file *file, void *arg)
{
	struct starling_info *info = arg;

	info->out_abi_version = STARLING_ABI_VERSION;
	info->out_task_record_size = sizeof(struct starling_task_record);
	info->out_agent_record_size = sizeof(struct starling_agent_record);
	info->out_map_size = STARLING_MAP_SIZE;
	info->out_features = STARLING_FEATURE_TREE | STARLING_FEATURE_LEASES |
			     STARLING_FEATURE_EVENTS;
	if (IS_ENABLED(CONFIG_IO_URING))
		info->out_features |= STARLING_FEATURE_URING;
	info->out_max_agents = READ_ONCE(starling_max_agents);
	info->out_max_user_agents = READ_ONCE(starling_max_user_agents);
	info->out_max_tasks = READ_ONCE(starling_max_tasks);
	info->out_nslots = STARLING_NSLOTS;
	info->out_sample_ns = STARLING_SAMPLE_MS * NSEC_PER_MSEC;
	info->out_lost_tasks = atomic64_read(&starling_lost);
	return 0;
}

static int device_close(struct inode *inode, struct file *file)
{
	starling_control_release(file);
	return 0;
}

static const struct file_operations device_fops = {
	.owner		= THIS_MODULE,
	.release	= device_close,
	.unlocked_ioctl	= starling_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.uring_cmd	= starling_uring_cmd,
};

static struct miscdevice device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "starling",
	.fops	= &device_fops,
	.mode	= 0666,
};

static int __init starling_init(void)
{
	int err;

	starling_wq = alloc_workqueue("starling", WQ_UNBOUND | WQ_FREEZABLE, 0);
	if (!starling_wq)
		return -ENOMEM;
	err = starling_tasks_init();
	if (err)
		goto out_wq;
	starling_gpus_init();
	err = starling_lineage_init();
	if (err)
		goto out_tasks;
	err = misc_register(&device);
	if (err)
		goto out_lineage;
	starling_kfuncs_init();
	return 0;

out_lineage:
	starling_lineage_exit();
out_tasks:
	starling_tasks_exit();
out_wq:
	destroy_workqueue(starling_wq);
	return err;
}

/* Agents hold the module: there is none any more, but some may not be freed. */
static void __exit starling_exit(void)
{
	misc_deregister(&device);
	starling_lineage_exit();
	starling_gpus_exit();
	starling_remains_exit();
	starling_tasks_exit();
	rcu_barrier();
	destroy_workqueue(starling_wq);
}

module_init(starling_init);
module_exit(starling_exit);

MODULE_DESCRIPTION("Agents, roles and telemetry of threads that share a GPU");
MODULE_AUTHOR("The Starling project");
MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
/* The daemon's side of the module, as its sensing calls it. */
#define GROUP "daemon"
#include <errno.h>
#include <string.h>

#include "daemon/sense/kmod.h"
#include "harness.h"
#include "util.h"

static const struct starling_task_record *find(struct kmod *k, uint32_t tid)
{
	const struct starling_task_record *task;
	size_t n;

	EQ(kmod_tasks(k, &task, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (task[i].tid == tid)
			return &task[i];
	FAIL("no record of %u among %zu", tid, n);
}

TEST(open_and_refuse)
{
	struct kmod *k, *second;

	EQ(kmod_open(&k), 0);
	EQ(kmod_info(k)->out_abi_version, STARLING_ABI_VERSION);
	EQ(kmod_open(&second), -EBUSY);
	CHECK(!second);
	CHECK(strstr(kmod_reason(-EBUSY), "stop it"));
	CHECK(strstr(kmod_reason(-ENODEV), "modprobe"));
	kmod_close(k);
	become_nobody();
	EQ(kmod_open(&k), -EPERM);
	CHECK(strstr(kmod_reason(-EPERM), "CAP_SYS_NICE"));
	kmod_close(NULL);
}

/* More than one call's worth. */
static int many_children(int n)
{
	for (n = 0; n < 600; n++)
		if (!fork()) {
			pause();
			_exit(0);
		}
	return 0;
}

TEST(reads_all)
{
	const struct starling_agent_record *agents;
	struct kmod *k;
	struct child c;
	size_t n, before = 0;
	int fd;

	child_start(&c, many_children);
	EQ(kmod_open(&k), 0);
	fd = kmod_agent_create(k, "a name that is much too long for an agent", 0);
	GE(fd, 0);
	EQ(kmod_agent_join(fd, c.pid, 0), 0);
	child_step(&c);
	for (const struct starling_task_record *task; before < 601; )
		EQ(kmod_tasks(k, &task, &before), 0);
	EQ(before, 601);
	EQ(kmod_agents(k, &agents, &n), 0);
	EQ(n, 1);
	EQ(agents[0].tasks, 601);
	EQ((int64_t)agents[0].id, kmod_agent_id(fd));
	EQ(strlen(agents[0].name), STARLING_NAME_LEN - 1);
	EQ(kmod_set_role(fd, c.pid, STARLING_ROLE_TOOL), 0);
	EQ(find(k, c.pid)->role, STARLING_ROLE_TOOL);
	EQ(kmod_agent_leave(fd, c.pid, 0), 0);
	EQ(kmod_set_role(fd, c.pid, STARLING_ROLE_TOOL), -ESRCH);
	close(fd);
	kmod_close(k);
}

/* They go with the one who made them. */
TEST(rules)
{
	struct starling_lease_policy rules = {
		.flags = STARLING_POLICY_SLOTS | STARLING_POLICY_NOTICE,
		.slots = 3, .notice_ns = 20000000,
	};
	struct starling_lease_stat stat;
	struct kmod *k;
	int dev;

	EQ(kmod_open(&k), 0);
	EQ(kmod_rules(k, &rules), 0);
	dev = device();
	stat_gpu(dev, 0, &stat);
	EQ(stat.out_slots, 3);
	EQ(stat.out_notice_ns, 20000000);
	EQ(stat.out_max_hold_ns, 1000000000);
	rules.slots = 0;
	EQ(kmod_rules(k, &rules), -EINVAL);
	kmod_close(k);
	stat_gpu(dev, 0, &stat);
	EQ(stat.out_slots, 1);
	EQ(stat.out_notice_ns, 100000000);
}

/* Totals survive the daemon; it sees only what it counted itself. */
TEST(restarts)
{
	struct starling_task_record rec;
	struct child c;
	struct kmod *k;
	int fd;

	child_start(&c, NULL);
	EQ(kmod_open(&k), 0);
	fd = kmod_agent_create(k, "restarts", 0);
	EQ(kmod_agent_join(fd, c.pid, 0), 0);
	rec = *find(k, c.pid);
	rec.gpu_waits = 5;
	rec.gpu_busy_ns = 50;
	rec.energy_uj = 500;
	rec.gpu_memory_bytes = 5000;
	rec.valid |= 1U << STARLING_VAL_GPU_WAIT | 1U << STARLING_VAL_GPU_BUSY |
		1U << STARLING_VAL_ENERGY | 1U << STARLING_VAL_GPU_MEMORY;
	EQ(kmod_publish(k, &rec, 1), 1);
	EQ(find(k, c.pid)->gpu_waits, 5);
	EQ(kmod_publish(k, NULL, 0), 0);
	kmod_close(k);
	for (int round = 0; round < 3; round++) {
		EQ(kmod_open(&k), 0);
		EQ(find(k, c.pid)->gpu_waits, 0);
		EQ(find(k, c.pid)->energy_uj, 0);
		rec.gpu_waits = 2;
		rec.gpu_busy_ns = 20;
		rec.energy_uj = 200;
		rec.gpu_memory_bytes = 2000;
		EQ(kmod_publish(k, &rec, 1), 1);
		/* And back again, as it was read. */
		rec = *find(k, c.pid);
		EQ(rec.gpu_waits, 2);
		for (int i = 0; i < 5; i++)
			EQ(kmod_publish(k, &rec, 1), 1);
		EQ(find(k, c.pid)->gpu_waits, 2);
		EQ(stat_task(fd, c.pid, &rec), 0);
		EQ(rec.gpu_waits, 5 + 2 * (round + 1));
		EQ(rec.gpu_busy_ns, 50 + 20 * (round + 1));
		EQ(rec.energy_uj, 500 + 200 * (round + 1));
		/* What is in use now is no total. */
		EQ(rec.gpu_memory_bytes, 2000);
		kmod_close(k);
	}
	close(fd);
}

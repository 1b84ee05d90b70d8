// SPDX-License-Identifier: GPL-2.0-only
/* The daemon's side: claim, publish, see everything. */
#define GROUP "control"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "harness.h"
#include "util.h"

#define GPU_BITS (1U << STARLING_VAL_GPU_WAIT | 1U << STARLING_VAL_GPU_LAUNCH | \
		  1U << STARLING_VAL_GPU_ALLOC | 1U << STARLING_VAL_STARVED | \
		  1U << STARLING_VAL_GPU_BUSY | 1U << STARLING_VAL_GPU_MEMORY | \
		  1U << STARLING_VAL_ENERGY)
#define MEMORY_BIT (1U << STARLING_VAL_GPU_MEMORY)
#define SOURCE(rec, val) STARLING_SOURCE_OF((rec).source, STARLING_VAL_##val)

TEST(claim_one_holder)
{
	int a = device(), b = device(), copy;

	EQ(claim(a), 0);
	EQ(claim(a), 0);
	EQ(claim(b), -EBUSY);
	copy = dup(a);
	close(a);
	EQ(claim(b), -EBUSY);
	close(copy);
	EQ(claim(b), 0);
}

TEST(claim_ends_with_holder)
{
	int dev = device();
	pid_t pid = fork();

	if (!pid) {
		int mine = device();

		EQ(claim(mine), 0);
		kill(getpid(), 9);
	}
	EQ(reap(pid), -9);
	EQ(claim(dev), 0);
}

TEST(claim_needs_capability)
{
	int dev = device(), inherited = device();

	EQ(claim(inherited), 0);
	become_nobody();
	EQ(claim(dev), -EPERM);
}

static void sample_of(int fd, pid_t tid, struct starling_task_record *rec)
{
	EQ(stat_task(fd, tid, rec), 0);
	rec->gpu_wait_ns = 1000;
	rec->gpu_waits = 10;
	rec->gpu_launches = 20;
	rec->gpu_alloc_bytes = 4096;
	rec->starved_ns = 77;
	rec->gpu_last_ns = 5;
	rec->gpu_busy_ns = 500;
	rec->gpu_memory_bytes = 8192;
	rec->energy_uj = 30;
	rec->placement = STARLING_PLACEMENT_PROTECTED;
	rec->source = STARLING_SOURCE(STARLING_VAL_GPU_WAIT, STARLING_FROM_PROBE) |
		      STARLING_SOURCE(STARLING_VAL_GPU_MEMORY, STARLING_FROM_DRIVER) |
		      STARLING_SOURCE(STARLING_VAL_ENERGY, STARLING_FROM_MODEL) |
		      STARLING_SOURCE(STARLING_VAL_RUN, STARLING_FROM_MODEL);
	rec->wait_style = STARLING_WAIT_YIELD;
	rec->valid |= GPU_BITS;
	rec->estimated = 1U << STARLING_VAL_STARVED;
	rec->role = STARLING_ROLE_FEEDER;
	rec->role_source = STARLING_BY_DETECTION;
}

TEST(publish_applies)
{
	struct starling_task_record rec, got;
	struct starling_agent_record sum;
	int dev = device(), fd = agent("publish");
	uint32_t applied;
	struct child c;

	child_start(&c, NULL);
	EQ(join(fd, c.pid, 0), 0);
	sample_of(fd, c.pid, &rec);
	EQ(publish(dev, &rec, 1, &applied), -EPERM);
	EQ(claim(dev), 0);
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(applied, 1);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.gpu_wait_ns, 1000);
	EQ(got.gpu_waits, 10);
	EQ(got.gpu_launches, 20);
	EQ(got.gpu_alloc_bytes, 4096);
	EQ(got.starved_ns, 77);
	EQ(got.gpu_last_ns, 5);
	EQ(got.wait_style, STARLING_WAIT_YIELD);
	EQ(got.valid & GPU_BITS, GPU_BITS);
	EQ(got.estimated, 1U << STARLING_VAL_STARVED);
	EQ(got.role, STARLING_ROLE_FEEDER);
	EQ(got.role_source, STARLING_BY_DETECTION);
	/* Older values do not turn it back. */
	rec.gpu_waits = 9;
	rec.valid = 1U << STARLING_VAL_GPU_WAIT;
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.gpu_waits, 10);
	EQ(got.valid & GPU_BITS, 1U << STARLING_VAL_GPU_WAIT);
	/* What was known is stale now, an estimate still. */
	EQ(got.stale, GPU_BITS & ~(1U << STARLING_VAL_GPU_WAIT));
	EQ(got.estimated, 1U << STARLING_VAL_STARVED);
	/* Unknown is not zero, nor is it anything else. */
	rec.gpu_launches = 999;
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.gpu_launches, 20);
	EQ(child_end(&c), 0);
	stat_agent(fd, &sum);
	EQ(sum.gpu_waits, 10);
	EQ(sum.starved_ns, 77);
	EQ(sum.gpu_alloc_bytes, 4096);
	EQ(sum.valid & 1 << STARLING_VAL_GPU_WAIT, 1 << STARLING_VAL_GPU_WAIT);
	EQ(sum.stale & MEMORY_BIT, 0);
	EQ(sum.stale, got.stale & ~MEMORY_BIT);
}

TEST(counters_and_gauge)
{
	struct starling_task_record rec, got;
	struct starling_agent_record sum;
	int dev = device(), fd = agent("gauge"), other = agent("other");
	uint32_t applied;
	struct child c;

	EQ(claim(dev), 0);
	child_start(&c, NULL);
	EQ(join(fd, c.pid, 0), 0);
	sample_of(fd, c.pid, &rec);
	EQ(publish(dev, &rec, 1, &applied), 0);
	rec.gpu_memory_bytes = 4096;
	rec.gpu_busy_ns--;
	rec.energy_uj--;
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.gpu_busy_ns, 500);
	EQ(got.energy_uj, 30);
	EQ(got.gpu_memory_bytes, 4096);
	/* Where it comes from is the publisher's word, but not of what the kernel counts. */
	EQ(SOURCE(got, GPU_WAIT), STARLING_FROM_PROBE);
	EQ(SOURCE(got, GPU_MEMORY), STARLING_FROM_DRIVER);
	EQ(SOURCE(got, ENERGY), STARLING_FROM_MODEL);
	EQ(SOURCE(got, GPU_LAUNCH), STARLING_FROM_NONE);
	EQ(SOURCE(got, RUN), STARLING_FROM_KERNEL);
	EQ(SOURCE(got, ROLES), STARLING_FROM_KERNEL);
	live_agent(fd, &sum);
	EQ(sum.gpu_memory_bytes, 4096);
	EQ(sum.valid & MEMORY_BIT, MEMORY_BIT);
	EQ(SOURCE(sum, GPU_MEMORY), STARLING_FROM_DRIVER);
	stat_agent(fd, &sum);
	EQ(sum.gpu_memory_bytes, 0);
	/* It moves with the task, what was counted before does not. */
	EQ(join(other, c.pid, 0), 0);
	live_agent(fd, &sum);
	EQ(sum.gpu_memory_bytes, 0);
	EQ(sum.energy_uj, 30);
	EQ(SOURCE(sum, ENERGY), STARLING_FROM_MODEL);
	EQ(SOURCE(sum, GPU_MEMORY), STARLING_FROM_NONE);
	live_agent(other, &sum);
	EQ(sum.gpu_memory_bytes, 4096);
	EQ(sum.energy_uj, 0);
	EQ(child_end(&c), 0);
	live_agent(other, &sum);
	EQ(sum.gpu_memory_bytes, 0);
	EQ(sum.valid & MEMORY_BIT, 0);
	EQ(SOURCE(sum, GPU_MEMORY), STARLING_FROM_NONE);
}

static void next_placement(int fd, pid_t tid, uint64_t now, uint64_t before)
{
	struct starling_event event;

	EQ(event_next(fd, STARLING_EVENT_NOWAIT, 0, 0, &event), 0);
	EQ(event.type, STARLING_EVENT_PLACEMENT);
	EQ(event.tid, tid);
	EQ(event.value[0], now);
	EQ(event.value[1], before);
}

TEST(placement)
{
	struct starling_task_record rec, got;
	struct starling_event event;
	int dev, fd = agent("placement"), below = must_sub(fd, "below");
	struct child c;
	uint32_t applied;

	child_start(&c, NULL);
	dev = device();
	EQ(event_mask(fd, 1U << STARLING_EVENT_PLACEMENT), 0);
	EQ(claim(dev), 0);
	EQ(join(fd, c.pid, 0), 0);
	sample_of(fd, c.pid, &rec);
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(publish(dev, &rec, 1, &applied), 0);
	next_placement(fd, c.pid, STARLING_PLACEMENT_PROTECTED, STARLING_PLACEMENT_UNKNOWN);
	EQ(event_next(fd, STARLING_EVENT_NOWAIT, 0, 0, &event), -EAGAIN);
	rec.placement = STARLING_PLACEMENT_SHARED;
	EQ(publish(dev, &rec, 1, &applied), 0);
	next_placement(fd, c.pid, STARLING_PLACEMENT_SHARED, STARLING_PLACEMENT_PROTECTED);
	rec.placement = STARLING_PLACEMENT_PROTECTED + 1;
	EQ(publish(dev, &rec, 1, &applied), -EINVAL);
	EQ(join(below, c.pid, 0), 0);
	EQ(stat_task(below, c.pid, &got), 0);
	EQ(got.placement, STARLING_PLACEMENT_SHARED);
	EQ(join(fd, c.pid, 0), 0);
	close(dev);
	next_placement(fd, c.pid, STARLING_PLACEMENT_UNKNOWN, STARLING_PLACEMENT_SHARED);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.placement, STARLING_PLACEMENT_UNKNOWN);
}

TEST(publish_passes_over)
{
	struct starling_task_record rec[3], got;
	int dev = device(), fd = agent("over");
	struct child c;
	uint32_t applied;

	EQ(claim(dev), 0);
	child_start(&c, NULL);
	EQ(join(fd, c.pid, 0), 0);
	sample_of(fd, c.pid, &rec[0]);
	rec[1] = rec[2] = rec[0];
	rec[0].tid = getpid();		/* no member */
	rec[1].start_ns--;		/* a task that had this number before */
	EQ(publish(dev, rec, 3, &applied), 0);
	EQ(applied, 1);
	EQ(publish(dev, rec, 2, &applied), 0);
	EQ(applied, 0);
	rec[0].tid = 0;
	EQ(publish(dev, rec, 1, &applied), 0);
	EQ(applied, 0);
	EQ(publish(dev, rec, 0, &applied), 0);
	EQ(applied, 0);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.gpu_waits, 10);
}

TEST(publish_refuses)
{
	struct starling_task_record rec = { 0 };
	struct starling_publish arg = { .size = sizeof(arg), .count = 1,
					.records = (uintptr_t)&rec };
	unsigned char big[512] = { 0 };
	uint32_t applied;
	int dev = device();

	EQ(claim(dev), 0);
	rec.wait_style = STARLING_WAIT_YIELD + 1;
	EQ(publish(dev, &rec, 1, &applied), -EINVAL);
	rec.wait_style = 0;
	rec.role = __STARLING_ROLE_MAX;
	EQ(publish(dev, &rec, 1, &applied), -EINVAL);
	EQ(publish(dev, NULL, 1, &applied), -EFAULT);
	arg.record_size = sizeof(rec) - 1;
	EQ(call(dev, STARLING_IOC_PUBLISH, &arg), -EINVAL);
	arg.record_size = 4097;
	EQ(call(dev, STARLING_IOC_PUBLISH, &arg), -EINVAL);
	arg.record_size = sizeof(big);
	arg.records = (uintptr_t)big;
	EQ(call(dev, STARLING_IOC_PUBLISH, &arg), 0);
	big[511] = 1;
	EQ(call(dev, STARLING_IOC_PUBLISH, &arg), -E2BIG);
}

TEST(detection_ranks_below_owner)
{
	struct starling_task_record rec, got;
	int dev = device(), fd = agent("ranks");
	struct child c;
	uint32_t applied;

	EQ(claim(dev), 0);
	child_start(&c, NULL);
	EQ(join(fd, c.pid, 0), 0);
	sample_of(fd, c.pid, &rec);
	EQ(set_role(fd, c.pid, STARLING_ROLE_SERVICE), 0);
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(applied, 1);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.role, STARLING_ROLE_SERVICE);
	EQ(got.role_source, STARLING_BY_OWNER);
	EQ(got.gpu_waits, 10);
	EQ(set_role(fd, c.pid, STARLING_ROLE_NONE), 0);
	/* Another source in the record: the role is not looked at. */
	rec.role_source = STARLING_BY_SELF;
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.role_source, STARLING_BY_NONE);
	rec.role_source = STARLING_BY_DETECTION;
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.role, STARLING_ROLE_FEEDER);
	rec.role = STARLING_ROLE_NONE;
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.role, STARLING_ROLE_NONE);
	EQ(got.role_source, STARLING_BY_NONE);
}

/* A daemon that dies and comes back: values are kept, not vouched for. */
TEST(publisher_restarts)
{
	struct starling_task_record rec, got;
	int dev, fd = agent("restart");
	struct child c;
	uint32_t applied;

	/* The child must not have a copy of the device. */
	child_start(&c, NULL);
	dev = device();
	EQ(join(fd, c.pid, 0), 0);
	EQ(claim(dev), 0);
	sample_of(fd, c.pid, &rec);
	EQ(publish(dev, &rec, 1, &applied), 0);
	close(dev);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.role, STARLING_ROLE_NONE);
	EQ(got.role_source, STARLING_BY_NONE);
	EQ(got.wait_style, STARLING_WAIT_UNKNOWN);
	EQ(got.valid & GPU_BITS, 0);
	EQ(got.stale, GPU_BITS);
	EQ(SOURCE(got, GPU_WAIT), STARLING_FROM_PROBE);
	EQ(got.gpu_waits, 10);
	EQ(got.gpu_memory_bytes, 8192);
	dev = device();
	EQ(claim(dev), 0);
	/* Handed back as it was read: nothing is counted twice. */
	EQ(publish(dev, &got, 1, &applied), 0);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.gpu_waits, 10);
	EQ(got.valid & GPU_BITS, 0);
	rec.gpu_waits = 13;
	rec.gpu_launches = 1;
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(stat_task(fd, c.pid, &got), 0);
	EQ(got.gpu_waits, 13);
	EQ(got.gpu_launches, 20);
	EQ(got.valid & GPU_BITS, GPU_BITS);
	EQ(got.stale, 0);
}

static int fork_one(int n)
{
	(void)n;
	if (!fork()) {
		pause();
		_exit(0);
	}
	return 0;
}

TEST(tasks_by_cursor)
{
	struct starling_task_record rec[32];
	uint32_t n, seen = 0, sizes[] = { 1, 2, 7, 32 };
	uint64_t cursor[2];
	int dev = device(), fd[4];
	struct child c[4];

	for (int i = 0; i < 4; i++) {
		fd[i] = agent("cursor");
		child_start(&c[i], fork_one);
		EQ(join(fd[i], c[i].pid, 0), 0);
		for (int j = 0; j < 4; j++)
			child_step(&c[i]);
	}
	for (int i = 0; i < 4; i++) {
		memset(cursor, 0, sizeof(cursor));
		seen = 0;
		do {
			n = sizes[i];
			EQ(list(dev, STARLING_IOC_TASKS, rec, sizeof(rec[0]), &n, cursor), 0);
			seen += n;
		} while (n == sizes[i]);
		EQ(seen, 20);
	}
	n = 32;
	memset(cursor, 0, sizeof(cursor));
	EQ(list(fd[0], STARLING_IOC_TASKS, rec, sizeof(rec[0]), &n, cursor), 0);
	EQ(n, 5);
	/* Nothing more from there. */
	n = 32;
	EQ(list(fd[0], STARLING_IOC_TASKS, rec, sizeof(rec[0]), &n, cursor), 0);
	EQ(n, 0);
}

TEST(list_sizes)
{
	unsigned char buf[3][512];
	struct starling_task_record *rec;
	uint64_t cursor[2] = { 0 };
	uint32_t n = 3;
	int dev = device(), fd = agent("sizes");

	EQ(join(fd, 0, 0), 0);
	memset(buf, 0xcc, sizeof(buf));
	EQ(list(dev, STARLING_IOC_TASKS, buf, 512, &n, cursor), 0);
	EQ(n, 1);
	rec = (void *)buf[0];
	EQ(rec->tid, getpid());
	EQ(buf[0][sizeof(*rec)], 0);
	EQ(buf[0][511], 0);
	EQ(buf[1][0], 0xcc);
	n = 3;
	EQ(list(dev, STARLING_IOC_TASKS, buf, sizeof(*rec) - 1, &n, cursor), -EINVAL);
	EQ(list(dev, STARLING_IOC_AGENTS, buf, sizeof(struct starling_agent_record) - 1, &n,
		cursor), -EINVAL);
	EQ(list(dev, STARLING_IOC_TASKS, buf, 4097, &n, cursor), -EINVAL);
	memset(cursor, 0, sizeof(cursor));
	EQ(list(dev, STARLING_IOC_TASKS, NULL, sizeof(*rec), &n, cursor), -EFAULT);
	n = 0;
	EQ(list(dev, STARLING_IOC_TASKS, NULL, sizeof(*rec), &n, cursor), 0);
	EQ(n, 0);
}

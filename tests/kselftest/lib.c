// SPDX-License-Identifier: GPL-2.0-only
/* libstarling with the module there. */
#define GROUP "lib"
#include <errno.h>
#include <starling.h>
#include <string.h>

#include "harness.h"
#include "util.h"

TEST(agent_life)
{
	struct starling_agent_opts opts = {
		.size = sizeof(opts), .weight = 300, .priority = STARLING_CLASS_BATCH,
	};
	struct starling_agent_record rec;
	struct starling_agent *a, *b;
	struct starling *s;

	EQ(starling_open(&s), 0);
	EQ(starling_agent_create(s, "library", &opts, &a), 0);
	starling_close(s);
	EQ(starling_agent_stat(a, 0, &rec), 0);
	CHECK(!strcmp(rec.name, "library"));
	EQ(rec.weight, 300);
	EQ(rec.class, STARLING_CLASS_BATCH);
	EQ(starling_agent_set_priority(a, STARLING_CLASS_INTERACTIVE), 0);
	EQ(starling_agent_set_priority(a, STARLING_CLASS_DEFAULT), -EINVAL);
	EQ(starling_agent_set(a, "renamed", 0), 0);
	EQ(starling_agent_set(a, NULL, 5), 0);
	EQ(starling_agent_stat(a, 0, &rec), 0);
	CHECK(!strcmp(rec.name, "renamed"));
	EQ(rec.weight, 5);
	EQ(rec.class, STARLING_CLASS_INTERACTIVE);
	EQ(starling_agent_from_fd(dup(starling_agent_fd(a)), &b), 0);
	EQ(starling_agent_join(b, 0, 0), 0);
	/* The kernel brings a running task's time up to date at each tick. */
	for (double end = seconds() + 0.05; seconds() < end;)
		;
	EQ(starling_agent_stat(a, STARLING_STAT_LIVE, &rec), 0);
	EQ(rec.tasks, 1);
	NE(rec.run_ns, 0);
	EQ(starling_agent_leave(a, 0, 0), 0);
	starling_agent_close(b);
	starling_agent_close(a);
}

TEST(agent_below)
{
	struct starling_agent_opts opts = { .size = sizeof(opts), .weight = 300 };
	struct starling_agent_record rec, above;
	struct starling_agent *a, *b, *c;
	struct starling *s;

	EQ(starling_open(&s), 0);
	EQ(starling_agent_create(s, "above", NULL, &a), 0);
	EQ(starling_agent_create_sub(a, "below", &opts, &b), 0);
	EQ(starling_agent_stat(a, 0, &above), 0);
	EQ(starling_agent_stat(b, 0, &rec), 0);
	CHECK(!strcmp(rec.name, "below"));
	EQ(rec.weight, 300);
	EQ(rec.parent_id, above.id);
	EQ(starling_agent_join(b, 0, 0), 0);
	EQ(starling_agent_stat(a, 0, &rec), 0);
	EQ(rec.tasks, 0);
	EQ(starling_agent_stat(a, STARLING_STAT_TREE, &rec), 0);
	EQ(rec.tasks, 1);
	starling_agent_close(b);
	EQ(starling_agent_stat(a, 0, &rec), 0);
	EQ(rec.tasks, 1);
	EQ(starling_agent_create_sub(NULL, "x", NULL, &c), -ENODEV);
	CHECK(!c);
	opts.weight = 10001;
	EQ(starling_agent_create_sub(a, "x", &opts, &c), -EINVAL);
	CHECK(!c);
	starling_agent_close(a);
}

TEST(refuses)
{
	struct starling_agent_opts opts = { .size = 1000 };
	struct starling_agent *a;
	struct starling *s;

	EQ(starling_open(&s), 0);
	EQ(starling_agent_create(s, "x", &opts, &a), -EINVAL);
	opts.size = 4;
	EQ(starling_agent_create(s, "x", &opts, &a), -EINVAL);
	opts = (struct starling_agent_opts){ .size = sizeof(opts), .weight = 10001 };
	EQ(starling_agent_create(s, "x", &opts, &a), -EINVAL);
	CHECK(!a);
	EQ(starling_agent_create(s, "0123456789012345678901234567890x", NULL, &a), -ENAMETOOLONG);
	EQ(starling_agent_from_fd(0, &a), -EINVAL);
	EQ(starling_agent_from_fd(999, &a), -EBADF);
	errno = 77;
	EQ(starling_agent_from_fd(999, &a), -EBADF);
	EQ(errno, 77);
}

TEST(telemetry)
{
	struct starling_task_record rec, all[4];
	struct starling_agent_record sum;
	struct starling_telemetry *t;
	struct starling_agent *a;
	struct starling *s;
	uint64_t cursor[2] = { 0 };
	struct child c;

	EQ(starling_open(&s), 0);
	EQ(starling_agent_create(s, NULL, NULL, &a), 0);
	child_start(&c, NULL);
	EQ(starling_agent_join(a, 0, 0), 0);
	EQ(starling_agent_join(a, c.pid, 0), 0);
	EQ(starling_task_set_role(a, c.pid, starling_role_from_name("tool")), 0);
	EQ(starling_telemetry_open(a, &t), 0);
	EQ(starling_telemetry_task(t, c.pid, &rec), 0);
	EQ(rec.role, STARLING_ROLE_TOOL);
	EQ(starling_task_stat(a, 0, &rec), 0);
	EQ(rec.tid, getpid());
	EQ(starling_telemetry_task(t, 0, &rec), -ESRCH);
	EQ(starling_telemetry_task(t, 1, &rec), -ESRCH);
	EQ(starling_telemetry_tasks(t, all, 4), 2);
	EQ(starling_telemetry_tasks(t, all, 1), 1);
	EQ(starling_agent_tasks(a, all, 1, cursor), 1);
	EQ(starling_agent_tasks(a, all, 4, cursor), 1);
	EQ(starling_agent_tasks(a, all, 4, NULL), 2);
	EQ(starling_telemetry_agent(t, &sum), 0);
	EQ(sum.tasks, 2);
	starling_agent_close(a);
	starling_close(s);
	EQ(child_end(&c), 0);
	EQ(starling_telemetry_tasks(t, all, 4), 1);
	starling_telemetry_close(t);
}

/* What a slot has lies between two reads of the whole record around it. */
static void check_slot(const struct starling_telemetry *t, int slot, pid_t tid)
{
	struct starling_task_record before, after;
	struct starling_cpu_record cpu;

	EQ(starling_telemetry_task(t, tid, &before), 0);
	EQ(starling_telemetry_cpu(t, slot, tid, &cpu), 0);
	EQ(starling_telemetry_task(t, tid, &after), 0);
	EQ(cpu.start_ns, before.start_ns);
	CHECK(cpu.run_ns >= before.run_ns && cpu.run_ns <= after.run_ns);
	CHECK(cpu.wait_ns >= before.wait_ns && cpu.wait_ns <= after.wait_ns);
	CHECK(cpu.nvcsw >= before.nvcsw && cpu.nvcsw <= after.nvcsw);
	CHECK(cpu.nivcsw >= before.nivcsw && cpu.nivcsw <= after.nivcsw);
}

TEST(telemetry_slots)
{
	struct starling_cpu_record cpu;
	struct starling_telemetry *t;
	struct starling_agent *a;
	int mine, other;
	struct child c;

	EQ(starling_agent_from_fd(agent("slots"), &a), 0);
	EQ(starling_agent_join(a, 0, 0), 0);
	child_start(&c, NULL);
	EQ(starling_telemetry_open(a, &t), 0);
	mine = starling_telemetry_slot(t, getpid());
	other = starling_telemetry_slot(t, c.pid);
	CHECK(mine >= 0 && other >= 0 && mine != other);
	/* The child waits for us: it has been switched away from by itself. */
	do
		EQ(starling_telemetry_cpu(t, other, c.pid, &cpu), 0);
	while (!cpu.nvcsw || !cpu.run_ns);
	check_slot(t, mine, getpid());
	check_slot(t, other, c.pid);
	EQ(starling_telemetry_cpu(t, mine, c.pid, &cpu), -ESRCH);
	EQ(starling_telemetry_cpu(t, mine, 0, &cpu), -ESRCH);
	EQ(starling_telemetry_cpu(t, -ESRCH, c.pid, &cpu), -ESRCH);
	EQ(starling_telemetry_cpu(t, 1 << 20, c.pid, &cpu), -ESRCH);
	EQ(starling_telemetry_slot(t, 0), -ESRCH);
	EQ(starling_telemetry_slot(t, 1), -ESRCH);
	EQ(child_end(&c), 0);
	EQ(starling_telemetry_slot(t, c.pid), -ESRCH);
	EQ(starling_telemetry_cpu(t, other, c.pid, &cpu), -ESRCH);
	EQ(starling_telemetry_cpu(t, other, 0, &cpu), -ESRCH);
	starling_telemetry_close(t);
	starling_agent_close(a);
}

static void give_back_in_child(struct starling *s, struct starling_lease *l)
{
	struct starling_queue *q;

	EQ(starling_lease_park(l), -ECHILD);
	EQ(starling_lease_unpark(l, 0, 0, 0), -ECHILD);
	EQ(starling_queue_create(s, NULL, &q), 0);
	EQ(starling_queue_release(q, l, 1), -ECHILD);
	EQ(starling_queue_unpark(q, l, 0, 0, 1), -ECHILD);
	starling_queue_destroy(q);
	EQ(starling_lease_release(l), -ECHILD);
	_exit(TEST_PASS);
}

/* A child that gives back all it knows of does not give back its parent's. */
TEST(lease_in_a_child)
{
	struct starling_lease_stat stat;
	struct starling_lease *l;
	struct starling_agent *a;
	struct starling *s;
	pid_t pid;

	EQ(starling_open(&s), 0);
	EQ(starling_agent_create(s, "parent", NULL, &a), 0);
	EQ(starling_lease_acquire(a, NULL, &l), 0);
	fflush(stdout);
	pid = fork();
	if (!pid)
		give_back_in_child(s, l);
	EQ(reap(pid), 0);
	EQ(starling_gpu_stat(s, 0, &stat), 0);
	EQ(stat.out_holders, 1);
	EQ(starling_lease_release(l), 0);
}

/* A record from memory against the same by reading /proc: told, not judged. */
TEST(cost)
{
	struct starling_task_record rec;
	struct starling_telemetry *t;
	struct starling_agent *a;
	struct starling *s;
	double start, mapped, called;

	EQ(starling_open(&s), 0);
	EQ(starling_agent_create(s, NULL, NULL, &a), 0);
	EQ(starling_agent_join(a, 0, 0), 0);
	EQ(starling_telemetry_open(a, &t), 0);
	start = seconds();
	for (int i = 0; i < 100000; i++)
		EQ(starling_telemetry_task(t, getpid(), &rec), 0);
	mapped = seconds() - start;
	start = seconds();
	for (int i = 0; i < 100000; i++)
		EQ(starling_task_stat(a, 0, &rec), 0);
	called = seconds() - start;
	printf("# by command / from memory: %.1f\n", called / mapped);
}

// SPDX-License-Identifier: GPL-2.0-only
/* How long tasks ran in which role. */
#define GROUP "roles"
#include <pthread.h>
#include <time.h>

#include "harness.h"
#include "util.h"

static uint64_t sum_of(const __u64 role_run_ns[STARLING_ROLES_MAX])
{
	uint64_t sum = 0;

	for (int i = 0; i < STARLING_ROLES_MAX; i++)
		sum += role_run_ns[i];
	return sum;
}

/* Uses @ms of a CPU, however long that takes; asking the clock counts them too. */
static void burn(int ms)
{
	struct timespec ts;
	long long end = 0, now;

	do {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
		now = ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
		end = end ?: now + ms + 1;
	} while (now < end);
}

/* In a child that came by fork: all it runs is counted in one role or another. */
static void use_roles(int fd, int other)
{
	struct starling_task_record rec;
	uint64_t none;

	burn(20);
	EQ(set_role(fd, 0, STARLING_ROLE_SERVICE), 0);
	EQ(stat_task(fd, 0, &rec), 0);
	none = rec.role_run_ns[STARLING_ROLE_NONE];
	GE(none, 20000000);
	burn(30);
	EQ(set_role(fd, 0, STARLING_ROLE_BACKGROUND), 0);
	burn(10);
	EQ(stat_task(fd, 0, &rec), 0);
	EQ(rec.role_run_ns[STARLING_ROLE_NONE], none);
	GE(rec.role_run_ns[STARLING_ROLE_SERVICE], 30000000);
	GE(rec.role_run_ns[STARLING_ROLE_BACKGROUND], 10000000);
	EQ(rec.role_run_ns[STARLING_ROLE_FEEDER], 0);
	EQ(sum_of(rec.role_run_ns), rec.run_ns);
	EQ(rec.valid & 1U << STARLING_VAL_ROLES, 1U << STARLING_VAL_ROLES);
	/* Nothing of it is lost on the way to another agent. */
	EQ(join(other, 0, 0), 0);
	EQ(stat_task(other, 0, &rec), 0);
	EQ(sum_of(rec.role_run_ns), rec.run_ns);
	EQ(join(fd, 0, 0), 0);
	EQ(leave(fd, 0, 0), 0);
	burn(10);
	/* What it does as no member is in no role. */
	EQ(join(fd, 0, 0), 0);
	EQ(stat_task(fd, 0, &rec), 0);
	CHECK(rec.run_ns - sum_of(rec.role_run_ns) > none);
}

TEST(time_in_roles)
{
	struct starling_agent_record sum;
	int fd = agent("roles"), other = agent("others");
	pid_t pid;

	EQ(join(fd, 0, 0), 0);
	pid = fork();
	if (!pid) {
		use_roles(fd, other);
		_exit(0);
	}
	EQ(reap(pid), 0);
	live_agent(fd, &sum);
	EQ(sum_of(sum.role_run_ns), sum.run_ns);
	GE(sum.role_run_ns[STARLING_ROLE_SERVICE], 30000000);
	GE(sum.role_run_ns[STARLING_ROLE_BACKGROUND], 10000000);
	stat_agent(other, &sum);
	EQ(sum_of(sum.role_run_ns), sum.run_ns);
	EQ(sum.role_run_ns[STARLING_ROLE_SERVICE], 0);
}

struct look {
	int fd;
	struct starling_task_record rec;
};

static void *look(void *arg)
{
	struct look *l = arg;

	return stat_task(l->fd, 0, &l->rec) ? NULL : l;
}

/*
 * A pool's threads compute as the one does that makes them and was said to; other
 * processes do something else, and seen is not said.
 */
static void use_inference(int fd, int dev)
{
	struct starling_task_record rec;
	struct look thread = { .fd = fd };
	uint32_t applied;
	pthread_t t;
	void *done;
	pid_t pid;

	EQ(set_role(fd, 0, STARLING_ROLE_INFERENCE), 0);
	burn(20);
	EQ(stat_task(fd, 0, &rec), 0);
	GE(rec.role_run_ns[STARLING_ROLE_INFERENCE], 20000000);
	EQ(pthread_create(&t, NULL, look, &thread), 0);
	EQ(pthread_join(t, &done), 0);
	CHECK(done);
	EQ(thread.rec.role, STARLING_ROLE_INFERENCE);
	EQ(thread.rec.role_source, STARLING_BY_LINEAGE);
	pid = fork();
	if (!pid) {
		EQ(stat_task(fd, 0, &rec), 0);
		EQ(rec.role, STARLING_ROLE_NONE);
		_exit(0);
	}
	EQ(reap(pid), 0);
	EQ(set_role(fd, 0, STARLING_ROLE_NONE), 0);
	EQ(stat_task(fd, 0, &rec), 0);
	rec.role = STARLING_ROLE_INFERENCE;
	rec.role_source = STARLING_BY_DETECTION;
	EQ(publish(dev, &rec, 1, &applied), 0);
	EQ(applied, 1);
	pid = fork();
	if (!pid) {
		EQ(stat_task(fd, 0, &rec), 0);
		EQ(rec.role, STARLING_ROLE_NONE);
		_exit(0);
	}
	EQ(reap(pid), 0);
}

TEST(inference)
{
	struct starling_agent_record sum;
	int fd = agent("inference"), dev = device();
	pid_t pid;

	EQ(claim(dev), 0);
	EQ(join(fd, 0, 0), 0);
	pid = fork();
	if (!pid) {
		use_inference(fd, dev);
		_exit(0);
	}
	EQ(reap(pid), 0);
	live_agent(fd, &sum);
	GE(sum.role_run_ns[STARLING_ROLE_INFERENCE], 20000000);
	EQ(sum_of(sum.role_run_ns), sum.run_ns);
}

TEST(exec_is_time_as_tool)
{
	struct starling_agent_record sum;
	int fd = agent("tools");
	pid_t pid;

	EQ(join(fd, 0, 0), 0);
	pid = fork();
	if (!pid) {
		burn(10);
		execlp("sh", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done",
		       NULL);
		_exit(127);
	}
	EQ(reap(pid), 0);
	for (int i = 0; i < 500; i++) {
		stat_agent(fd, &sum);
		if (sum.exits && sum.role_run_ns[STARLING_ROLE_TOOL])
			break;
		sleep_ms(10);
	}
	EQ(sum_of(sum.role_run_ns), sum.run_ns);
	GE(sum.role_run_ns[STARLING_ROLE_NONE], 10000000);
	GE(sum.role_run_ns[STARLING_ROLE_TOOL], 1);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many agents and tasks: what a command costs does not depend on how many
 * there are. As many tasks as fit into memory are made, 100,000 at most, and
 * their number is told.
 */
#define GROUP "scale"
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "harness.h"
#include "util.h"

#define AGENTS		10000
#define TASKS_MAX	100000
#define BATCH		100
#define WARM_UP		(BATCH * 3)
/* Memory that is left alone, in KiB. */
#define SPARE_KB	(160 * 1024)
#define STACK		1024

static int fds[AGENTS];
static int root = -1;
static pid_t *tids;
static int ntasks;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(uint64_t *v, int n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

/*
 * Does @n operations and compares what one of them takes at first and at the
 * end: the median of a batch does not see interrupts, that of ten batches does
 * not see a neighbour who had the host's CPU for a while.
 */
static void flat(const char *what, int n, void (*fn)(int i))
{
	static uint64_t batch[TASKS_MAX / BATCH];
	uint64_t took[BATCH], first, last;
	int batches = n / BATCH, ends;

	for (int b = 0; b < batches; b++) {
		for (int i = 0; i < BATCH; i++) {
			uint64_t start = now_ns();

			fn(b * BATCH + i);
			took[i] = now_ns() - start;
		}
		batch[b] = median(took, BATCH);
	}
	ends = batches < 20 ? 1 : 10;
	first = batch[0];
	last = median(batch + batches - ends, ends);
	printf("# %-12s %6d: first %llu ns, last %llu ns\n", what, batches * BATCH,
	       (unsigned long long)first, (unsigned long long)last);
	if (last > 2 * first)
		FAIL("%s: %llu ns for the first, %llu ns for the last", what,
		     (unsigned long long)first, (unsigned long long)last);
}

static void set_sysctl(const char *name, const char *value)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/kernel/%s", name);
	f = fopen(path, "w");
	CHECK(f);
	fputs(value, f);
	EQ(fclose(f), 0);
}

static unsigned long available_kb(void)
{
	unsigned long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

static void more_room(void)
{
	struct rlimit files = { AGENTS + 100, AGENTS + 100 };

	set_param("max_agents", AGENTS * 3);
	set_param("max_tasks", TASKS_MAX * 2);
	EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
	set_sysctl("pid_max", "262144");
	set_sysctl("threads-max", "262144");
}

static int thread(void *arg)
{
	(void)arg;
	for (;;)
		syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
	return 0;
}

/* Threads of this process with next to no stack and nothing else of their own. */
static void make_tasks(void)
{
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		    CLONE_SYSVSEM;
	char *stacks = mmap(NULL, (size_t)TASKS_MAX * STACK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(stacks != MAP_FAILED);
	tids = calloc(TASKS_MAX, sizeof(*tids));
	CHECK(tids);
	for (ntasks = 0; ntasks < TASKS_MAX; ntasks++) {
		if (ntasks % 1024 == 0 && available_kb() < SPARE_KB)
			break;
		tids[ntasks] = clone(thread, stacks + (size_t)(ntasks + 1) * STACK, flags, NULL);
		if (tids[ntasks] < 0)
			break;
	}
	ntasks -= ntasks % BATCH;
	printf("# %d tasks\n", ntasks);
	GE(ntasks, 1000);
}

static void do_create(int i)
{
	fds[i] = root >= 0 ? sub_agent(root, "scale") : agent("scale");
	GE(fds[i], 0);
}

static void do_agent_stat(int i)
{
	struct starling_agent_record rec;

	stat_agent(fds[i % AGENTS], &rec);
}

static void do_close(int i)
{
	close(fds[i]);
}

static void do_join(int i)
{
	EQ(join(fds[i % AGENTS], tids[i], STARLING_TASK_THREAD), 0);
}

static void do_task_stat(int i)
{
	struct starling_task_record rec;

	EQ(stat_task(fds[i % AGENTS], tids[i], &rec), 0);
}

static void do_set_role(int i)
{
	EQ(set_role(fds[i % AGENTS], tids[i], STARLING_ROLE_TOOL), 0);
}

static void do_leave(int i)
{
	EQ(leave(fds[i % AGENTS], tids[i], STARLING_TASK_THREAD), 0);
}

/* All code that is measured has run before: an emulator translates it then. */
static void warm_up(void)
{
	pid_t self = gettid_(), *old = tids;

	tids = &self;
	for (int i = 0; i < WARM_UP; i++) {
		do_create(0);
		do_join(0);
		do_task_stat(0);
		do_set_role(0);
		do_agent_stat(0);
		do_leave(0);
		do_close(0);
	}
	tids = old;
}

static void agents_and_tasks(void)
{
	warm_up();
	flat("create", AGENTS, do_create);
	flat("agent stat", AGENTS, do_agent_stat);
	make_tasks();
	flat("join", ntasks, do_join);
	flat("task stat", ntasks, do_task_stat);
	flat("set role", ntasks, do_set_role);
	flat("agent stat", AGENTS, do_agent_stat);
}

/* In a child, so that the parameters go back however it ends. */
static void scale(void (*body)(void))
{
	unsigned int agents = get_param("max_agents"), tasks = get_param("max_tasks");
	pid_t pid = fork();
	int status;

	GE(pid, 0);
	if (!pid) {
		more_room();
		body();
		fflush(stdout);
		_exit(TEST_PASS);
	}
	status = reap(pid);
	set_param("max_agents", agents);
	set_param("max_tasks", tasks);
	EQ(status, TEST_PASS);
}

static void agents_body(void)
{
	agents_and_tasks();
	flat("leave", ntasks, do_leave);
	flat("close", AGENTS, do_close);
}

TEST_TIMED(many_agents, 240)
{
	scale(agents_body);
}

/* All of one tree; closing them moves the members to the root. */
static void sub_agents_body(void)
{
	struct starling_agent_record rec;
	uint64_t start;

	root = agent("root");
	agents_and_tasks();
	start = now_ns();
	live_tree_of(root, &rec);
	printf("# sums of all of it: %llu us\n", (unsigned long long)(now_ns() - start) / 1000);
	EQ(rec.tasks, ntasks);
	flat("dissolve", AGENTS, do_close);
	stat_agent(root, &rec);
	EQ(rec.tasks, ntasks);
	EQ(rec.joins, ntasks + WARM_UP);
}

TEST_TIMED(many_sub_agents, 240)
{
	scale(sub_agents_body);
}

static int one;

static void join_one(int i)
{
	EQ(join(one, tids[i], STARLING_TASK_THREAD), 0);
}

static void stat_one(int i)
{
	struct starling_task_record rec;

	EQ(stat_task(one, tids[i], &rec), 0);
}

static void leave_one(int i)
{
	EQ(leave(one, tids[i], STARLING_TASK_THREAD), 0);
}

static void one_body(void)
{
	warm_up();
	one = agent("all");
	make_tasks();
	flat("join", ntasks, join_one);
	flat("task stat", ntasks, stat_one);
	flat("leave", ntasks, leave_one);
	EQ(tasks_of(one), 0);
}

TEST_TIMED(many_tasks_of_one, 240)
{
	scale(one_body);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many agents and tasks: what a command costs does not depend on how many
 * there are, and one that goes through all of an agent's lets others come in
 * between. As many tasks as fit into memory are made, 100,000 at most, and
 * their number is told.
 */
#define GROUP "scale"
#include <sched.h>
#include <stdbool.h>
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
/* Batches at the end. */
#define ENDS		10
/* Memory that is left alone, in KiB. */
#define SPARE_KB	(160 * 1024)
#define STACK		1024
/* Of the agent that is gone through: no batch is as large. */
#define CROWD		20000
#define SHOTS		50
#define FIRST_SLOTS_MAX	1024

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

/* A system call that knows nothing of agents: how fast the machine is now. */
static void do_nothing(int i)
{
	(void)i;
	syscall(SYS_getppid);
}

static uint64_t took_ns(void (*fn)(int i), int i)
{
	uint64_t start = now_ns();

	fn(i);
	return now_ns() - start;
}

/* What an operation takes, and one that does nothing beside it. */
struct pace {
	uint64_t op;
	uint64_t nothing;
};

static struct pace batch(void (*fn)(int i), int from)
{
	uint64_t op[BATCH], nothing[BATCH];

	for (int i = 0; i < BATCH; i++) {
		op[i] = took_ns(fn, from + i);
		nothing[i] = took_ns(do_nothing, i);
	}
	return (struct pace){ median(op, BATCH), median(nothing, BATCH) };
}

static struct pace ending(const struct pace *all, int batches)
{
	uint64_t op[ENDS], nothing[ENDS];
	int n = batches < 2 * ENDS ? 1 : ENDS;

	for (int i = 0; i < n; i++) {
		op[i] = all[batches - n + i].op;
		nothing[i] = all[batches - n + i].nothing;
	}
	return (struct pace){ median(op, n), median(nothing, n) };
}

/*
 * Does @n operations and compares what one of them takes at first and at the
 * end: the median of a batch does not see interrupts, that of ten batches not a
 * neighbour who had the host's CPU for a moment. One who has it for longer slows
 * down what does nothing just as much, so that the comparison is in units of it.
 */
static void flat(const char *what, int n, void (*fn)(int i))
{
	static struct pace all[TASKS_MAX / BATCH];
	int batches = n / BATCH;
	struct pace first, last;

	for (int b = 0; b < batches; b++)
		all[b] = batch(fn, b * BATCH);
	first = all[0];
	last = ending(all, batches);
	printf("# %-12s %6d: first %llu ns, last %llu ns; a call that does nothing %llu, %llu\n",
	       what, batches * BATCH, (unsigned long long)first.op, (unsigned long long)last.op,
	       (unsigned long long)first.nothing, (unsigned long long)last.nothing);
	if (getenv("TEST_SLOW"))
		printf("# a kernel that is slow by itself: times are not judged\n");
	else if (last.op * first.nothing > 2 * first.op * last.nothing)
		FAIL("%s: %llu ns for the first, %llu ns for the last", what,
		     (unsigned long long)first.op, (unsigned long long)last.op);
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

/* Threads of this process with next to no stack and nothing else of their own, @max at most. */
static void make_tasks(int max)
{
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		    CLONE_SYSVSEM;
	char *stacks = mmap(NULL, (size_t)TASKS_MAX * STACK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(stacks != MAP_FAILED);
	tids = calloc(TASKS_MAX, sizeof(*tids));
	CHECK(tids);
	for (ntasks = 0; ntasks < max; ntasks++) {
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
		took_ns(do_nothing, 0);
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
	make_tasks(TASKS_MAX);
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

/* Goes on where the last one ended. */
static void list_one(int i)
{
	static struct starling_task_record rec;
	static uint64_t cursor[2];
	uint32_t n = 1;

	EQ(list(one, STARLING_IOC_TASKS, &rec, sizeof(rec), &n, cursor), 0);
	EQ(n, 1);
	EQ((int)rec.tid, tids[i]);
}

static void leave_one(int i)
{
	EQ(leave(one, tids[i], STARLING_TASK_THREAD), 0);
}

static void one_body(void)
{
	warm_up();
	one = agent("all");
	make_tasks(TASKS_MAX);
	flat("join", ntasks, join_one);
	flat("task stat", ntasks, stat_one);
	flat("list", ntasks, list_one);
	flat("leave", ntasks, leave_one);
	EQ(tasks_of(one), 0);
}

TEST_TIMED(many_tasks_of_one, 240)
{
	scale(one_body);
}

/* What the child does that goes through all tasks of @one, and what it found. */
enum { READY, GO, IN, OUT };
static struct shared {
	int state;
	uint32_t valid;
} *shared;

static int state_now(void)
{
	return __atomic_load_n(&shared->state, __ATOMIC_SEQ_CST);
}

static void state_set(int to)
{
	__atomic_store_n(&shared->state, to, __ATOMIC_SEQ_CST);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	EQ(sched_setaffinity(0, sizeof(set), &set), 0);
}

static int claimed = -1;

/* When the child below was IN, and for how long the last one was. */
static uint64_t in_ns, in_for_ns;

/*
 * How often @look is true from beginning to end while a child is in @what, which
 * sets IN when it is ready.
 */
static uint64_t during(void (*what)(void), bool (*look)(void))
{
	uint64_t n = 0;
	pid_t pid;

	state_set(READY);
	pid = fork();
	GE(pid, 0);
	if (!pid) {
		run_on(1);
		while (state_now() != GO)
			;
		what();
		state_set(OUT);
		_exit(TEST_PASS);
	}
	/* The claim is to be the child's alone. */
	if (claimed >= 0)
		close(claimed);
	claimed = -1;
	in_ns = 0;
	state_set(GO);
	while (state_now() != OUT) {
		bool in = state_now() == IN, is;

		if (in && !in_ns)
			in_ns = now_ns();
		is = look();
		n += in && is && state_now() == IN;
	}
	in_for_ns = in_ns ? now_ns() - in_ns : 0;
	EQ(reap(pid), TEST_PASS);
	return n;
}

/* The values that both ends publish, which nobody else does. */
#define FIRST_BIT	(1U << STARLING_VAL_GPU_WAIT)
#define LAST_BIT	(1U << STARLING_VAL_STARVED)

static void do_live(void)
{
	struct starling_agent_record rec;

	state_set(IN);
	live_agent(one, &rec);
	EQ(rec.tasks, ntasks);
	shared->valid = rec.valid;
}

/* For the first task of @one, then for the last one. */
static void publish_ends(int dev, const uint32_t *valid, uint32_t placement)
{
	struct starling_task_record rec[2];
	uint32_t applied;

	for (int i = 0; i < 2; i++) {
		EQ(stat_task(one, tids[i ? ntasks - 1 : 0], &rec[i]), 0);
		rec[i].valid = valid[i];
		rec[i].placement = placement;
	}
	EQ(publish(dev, rec, 2, &applied), 0);
	EQ(applied, 2);
}

static int publisher;
static bool told;

static bool tell_ends(void)
{
	static const uint32_t valid[2] = { FIRST_BIT, LAST_BIT };

	if (!told && state_now() == IN) {
		publish_ends(publisher, valid, STARLING_PLACEMENT_UNKNOWN);
		told = true;
	}
	return told;
}

/*
 * Who finds what the last task was told, but not what the first one was told
 * before, was on its way from one to the other.
 */
static void live_seen_half_done(void)
{
	static const uint32_t nothing[2];
	bool seen = false;
	int shots = 0;

	publisher = device();
	EQ(claim(publisher), 0);
	for (; shots < SHOTS && !seen; shots++) {
		publish_ends(publisher, nothing, STARLING_PLACEMENT_UNKNOWN);
		told = false;
		during(do_live, tell_ends);
		seen = (shared->valid & (FIRST_BIT | LAST_BIT)) == LAST_BIT;
	}
	printf("# live sums: seen half done: %d, shots: %d\n", seen, shots);
	close(publisher);
	if (!seen)
		FAIL("live sums of %d tasks hold their agent's lock", ntasks);
}

static void publish_placed(void)
{
	static const uint32_t nothing[2];

	claimed = device();
	EQ(claim(claimed), 0);
	publish_ends(claimed, nothing, STARLING_PLACEMENT_PROTECTED);
}

static void do_unclaim(void)
{
	state_set(IN);
	close(claimed);
}

static bool is_placed(int i)
{
	struct starling_task_record rec;

	EQ(stat_task(one, tids[i], &rec), 0);
	return rec.placement == STARLING_PLACEMENT_PROTECTED;
}

static bool half_unclaimed(void)
{
	return !is_placed(0) && is_placed(ntasks - 1);
}

static void have_lock(void)
{
	struct starling_agent_record rec;

	stat_agent(one, &rec);
}

static volatile struct starling_page *page;
/* To look after so many parts of the time it takes, which is measured at part 0. */
enum { PARTS = 10 };
static int part = -1;
static uint64_t map_ns;

static volatile struct starling_page *map_one(void)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, one, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void do_map(void)
{
	state_set(IN);
	map_one();
}

static void move_all(void)
{
	if (page)
		munmap((void *)page, 4096);
	page = NULL;
	if (part == 0)
		map_ns = in_for_ns;
	part = (part + 1) % PARTS;
	close(one);
	one = agent("mapped");
	for (int i = 0; i < ntasks; i++)
		join_one(i);
}

/*
 * When members are first gone through those without a slot are counted, and when
 * there are slots for all it is the other way round. Neither the begin nor the
 * end of that, before and after this process had the lock: it was had on the
 * way. The child is to be the one who maps first, and to be at it still.
 */
static bool half_mapped(void)
{
	uint32_t slots, before, after, all = ntasks;

	if (!page && (!part || !in_ns || now_ns() - in_ns < map_ns * part / PARTS)) {
		have_lock();
		return false;
	}
	if (!page)
		page = map_one();
	slots = page->nslots;
	before = page->overflow;
	have_lock();
	after = page->overflow;
	/* So many have slots from the first. */
	all -= slots < all ? slots : FIRST_SLOTS_MAX;
	return slots == page->nslots && before && before < all && after && after < all;
}

/*
 * Can be seen at all only if the lock is dropped on the way; whether it is seen
 * depends on who gets a CPU when.
 */
static void seen_half_done(const char *what, void (*prepare)(void), void (*fn)(void),
			   bool (*look)(void))
{
	uint64_t n = 0;

	for (int i = 0; i < SHOTS && !n; i++) {
		prepare();
		n = during(fn, look);
	}
	printf("# %s seen half done %llu times\n", what, (unsigned long long)n);
	if (!n)
		FAIL("%s of %d tasks holds their agent's lock", what, ntasks);
}

static void crowd_body(void)
{
	run_on(0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	CHECK(shared != MAP_FAILED);
	one = agent("crowd");
	make_tasks(CROWD);
	for (int i = 0; i < ntasks; i++)
		join_one(i);
	live_seen_half_done();
	seen_half_done("end of claim", publish_placed, do_unclaim, half_unclaimed);
	seen_half_done("first map", move_all, do_map, half_mapped);
}

/* Who goes through all members of an agent holds up neither forks nor exits there. */
TEST_TIMED(crowd_lets_in, 240)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP("needs two CPUs");
	scale(crowd_body);
}

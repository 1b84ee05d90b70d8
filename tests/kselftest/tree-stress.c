// SPDX-License-Identifier: GPL-2.0-only
/* Trees that change all the time: nobody is lost and nothing counted twice. */
#define GROUP "tree"
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "harness.h"
#include "util.h"

/* Made by a shared counter, so that who forks last is known to have done so. */
struct storm {
	volatile int stop;
	volatile uint64_t made[8];
};

static struct storm *storm_new(void)
{
	struct storm *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(s != MAP_FAILED);
	return s;
}

static pid_t start_forker(struct storm *s, int who)
{
	pid_t pid = fork_bare();

	if (pid)
		return pid;
	while (!s->stop) {
		pid = fork();
		if (!pid)
			_exit(0);
		if (pid > 0)
			s->made[who]++;
		waitpid(pid, NULL, 0);
	}
	_exit(0);
}

/* Its members fork all the time while it dissolves, over and over. */
TEST_TIMED(fork_storm_while_dissolving, 60)
{
	struct storm *s = storm_new();
	struct starling_agent_record rec;
	int root = agent("root"), fd, above, rounds = 0, joins = 0;
	double until = seconds() + 4;
	uint64_t made = 0, last = 0;
	pid_t pid[3];

	fd = must_sub(root, "storm");
	for (int i = 0; i < 3; i++) {
		EQ(join(fd, 0, 0), 0);
		pid[i] = start_forker(s, i);
		EQ(leave(fd, 0, 0), 0);
		joins++;
	}
	while (seconds() < until) {
		sleep_ms(rounds % 4);
		close(fd);
		tree_of(root, &rec);
		GE(rec.forks, last);
		last = rec.forks;
		above = must_sub(root, "between");
		fd = must_sub(above, "storm");
		close(above);
		for (int i = 0; i < 3; i++, joins++)
			EQ(join(fd, pid[i], 0), 0);
		rounds++;
	}
	s->stop = 1;
	for (int i = 0; i < 3; i++)
		EQ(reap(pid[i]), 0);
	for (int i = 0; i < 3; i++)
		made += s->made[i];
	tree_of(root, &rec);
	printf("# %d rounds, %llu forks\n", rounds, (unsigned long long)made);
	EQ(rec.tasks, 0);
	EQ(rec.lost, 0);
	/* The three themselves came by fork. */
	EQ(rec.forks, made + 3);
	EQ(rec.exits, made + 3);
	EQ(rec.joins, joins);
}

/* Everything that may change a tree at once; sums of it never go back. */
struct garden {
	int root;
	int dev;
	pid_t pid[4];
	double until;
	unsigned long closed;
	unsigned long looked;
};

static int grow(const struct garden *g, unsigned int *seed)
{
	int at = dup(g->root), next;

	for (int depth = rand_r(seed) % 5; depth && at >= 0; depth--) {
		next = sub_agent(at, "twig");
		/* Sometimes what is between is closed while it has members. */
		if (rand_r(seed) % 3 == 0)
			join(at, g->pid[rand_r(seed) % 4], 0);
		close(at);
		at = next;
	}
	return at;
}

static void *gardener(void *arg)
{
	struct garden *g = arg;
	unsigned int seed = gettid_();
	struct starling_task_record rec[8];
	uint64_t cursor[2];
	uint32_t n;
	int fd;

	while (seconds() < g->until) {
		fd = grow(g, &seed);
		if (fd < 0)
			continue;
		join(fd, g->pid[rand_r(&seed) % 4], 0);
		set_role(fd, g->pid[rand_r(&seed) % 4], rand_r(&seed) % __STARLING_ROLE_MAX);
		n = 8;
		memset(cursor, 0, sizeof(cursor));
		list(rand_r(&seed) & 1 ? g->dev : fd, STARLING_IOC_TASKS, rec, sizeof(rec[0]), &n,
		     cursor);
		if (rand_r(&seed) % 4 == 0)
			leave(fd, g->pid[rand_r(&seed) % 4], 0);
		if (rand_r(&seed) % 4 == 0)
			munmap(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), 4096);
		close(fd);
		__atomic_add_fetch(&g->closed, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *looker(void *arg)
{
	struct starling_agent_record old = { 0 }, rec;
	struct garden *g = arg;

	while (seconds() < g->until) {
		tree_of(g->root, &rec);
		GE(rec.forks, old.forks);
		GE(rec.joins, old.joins);
		GE(rec.exits, old.exits);
		GE(rec.run_ns, old.run_ns);
		GE(rec.nvcsw, old.nvcsw);
		EQ(rec.lost, 0);
		old = rec;
		g->looked++;
	}
	return NULL;
}

TEST_TIMED(all_at_once, 60)
{
	struct garden g = { .root = agent("root"), .dev = device(), .until = seconds() + 5 };
	struct storm *s = storm_new();
	struct starling_agent_record rec;
	pthread_t t[5];
	uint64_t made = 0;
	int left;

	for (int i = 0; i < 4; i++)
		g.pid[i] = start_forker(s, i);
	for (int i = 0; i < 4; i++)
		EQ(pthread_create(&t[i], NULL, gardener, &g), 0);
	EQ(pthread_create(&t[4], NULL, looker, &g), 0);
	for (int i = 0; i < 5; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 4; i++)
		EQ(join(g.root, g.pid[i], 0), 0);
	s->stop = 1;
	for (int i = 0; i < 4; i++)
		EQ(reap(g.pid[i]), 0);
	for (int i = 0; i < 4; i++)
		made += s->made[i];
	tree_of(g.root, &rec);
	left = rec.tasks;
	printf("# %lu closed, %lu looks, %llu forks of %llu seen\n", g.closed, g.looked,
	       (unsigned long long)rec.forks, (unsigned long long)made);
	EQ(left, 0);
	EQ(rec.exits, rec.forks + 4);
	GE(made, rec.forks);
	GE(g.closed, 50);
	GE(g.looked, 10);
}

/* A program with a tree of its own, and all of them killed at once. */
static bool in_one_of_two_children(void)
{
	return !fork() || !fork();
}

static void family(int fd)
{
	int depth = 0;

	do {
		fd = must_sub(fd, "family");
		EQ(join(fd, 0, 0), 0);
	} while (depth++ < 4 && in_one_of_two_children());
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	for (;;)
		pause();
}

TEST(all_killed)
{
	struct starling_agent_record rec[64];
	int dev = device(), root = agent("root");
	uint64_t id = id_of(root), cursor[2];
	uint32_t n;
	pid_t pid;

	for (int i = 0; i < 5; i++) {
		pid = fork();
		if (!pid) {
			setpgid(0, 0);
			family(root);
		}
		setpgid(pid, pid);
		for (int wait = 0; ; wait++) {
			tree_of(root, rec);
			if (rec->tasks == 31 && rec->joins == 31ULL * (i + 1))
				break;
			CHECK(wait < 500);
			sleep_ms(10);
		}
		kill(-pid, SIGKILL);
		while (waitpid(-1, NULL, 0) > 0)
			;
		for (int wait = 0; ; wait++) {
			cursor[0] = id;
			cursor[1] = 0;
			n = 64;
			EQ(list(dev, STARLING_IOC_AGENTS, rec, sizeof(rec[0]), &n, cursor), 0);
			if (n == 1 && !rec->tasks)
				break;
			CHECK(wait < 200);
			sleep_ms(10);
		}
		/* The list may have had the root before its last sub-agent was added to it. */
		tree_of(root, rec);
		EQ(rec->tasks, 0);
		EQ(rec->joins, 31 * (i + 1));
		EQ(rec->forks, 30 * (i + 1));
		EQ(rec->exits, 31 * (i + 1));
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/* Races around leases: whatever meets, none is lost and none is left. */
#define GROUP "stress"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "harness.h"
#include "util.h"

static struct {
	int dev;
	int agents[4];
	double until;
	int slots;
} arena;

/* Takes what is there, may be cancelled, runs out of time, parks. */
static void lease_act(unsigned int *seed, uint64_t *lease, int *of)
{
	struct starling_lease_acquire a = {
		.cookie = rand_r(seed) % 3, .class = rand_r(seed) % __STARLING_CLASS_MAX,
		.timeout_ns = 1 + rand_r(seed) % 3000000, .memory_bytes = rand_r(seed) % 5,
		.gpu = rand_r(seed) % 2 ? STARLING_GPU_ANY : rand_r(seed) % 2U,
		.flags = rand_r(seed) % 4 ? 0 : STARLING_LEASE_TRY,
		.max_hold_ns = rand_r(seed) % 2000000,
	};
	struct starling_lease_record rec[16];
	uint64_t cursor[2] = { 0 };
	uint32_t n = 16;
	int fd = arena.agents[rand_r(seed) % 4], mine;

	switch (rand_r(seed) % 9) {
	case 0: case 1: case 2:
		if (*lease)
			release(arena.agents[*of], *lease);
		*of = rand_r(seed) % 4;
		*lease = acquire(arena.agents[*of], &a) ? 0 : a.out_lease;
		break;
	case 3:
		park(arena.agents[*of], *lease);
		break;
	case 4:
		unpark(arena.agents[*of], *lease, 1 + rand_r(seed) % 2000000);
		break;
	case 5:
		cancel_waits(fd, a.cookie);
		break;
	case 6:
		list(arena.dev, STARLING_IOC_LEASES, rec, sizeof(rec[0]), &n, cursor);
		/* Another one's, perhaps while it waits for it. */
		if (n && rand_r(seed) % 4 == 0)
			release(fd, rec[rand_r(seed) % n].lease);
		break;
	case 7:
		mine = agent("short");
		acquire(mine, &a);
		close(mine);
		break;
	default:
		unpark(fd, *lease, 1);
	}
}

static void *lease_actor(void *arg)
{
	unsigned int seed = gettid_();
	uint64_t lease = 0;
	int of = 0;

	while (seconds() < arena.until)
		lease_act(&seed, &lease, &of);
	return arg;
}

static void on_signal(int sig __attribute__((unused)))
{
}

static pid_t start_actors(void)
{
	pid_t pid = fork();
	pthread_t t[3];

	if (pid)
		return pid;
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, lease_actor, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	_exit(0);
}

static void change_rules(unsigned int *seed)
{
	struct starling_lease_policy p = {
		.size = sizeof(p), .gpu = rand_r(seed) % 2,
		.flags = STARLING_POLICY_SLOTS | STARLING_POLICY_MEMORY | STARLING_POLICY_NOTICE |
			 STARLING_POLICY_HOLD | STARLING_POLICY_AGING | STARLING_POLICY_STARVE,
		.slots = 1 + rand_r(seed) % 3, .memory_bytes = rand_r(seed) % 8,
		.max_hold_ns = 1000000, .notice_ns = 1000000, .aging_ns = 1000000,
		.starve_ns = 1000000 + rand_r(seed) % 4000000,
	};

	EQ(call(arena.dev, STARLING_IOC_LEASE_POLICY, &p), 0);
}

TEST_TIMED(leases, 60)
{
	struct starling_lease_stat stat;
	unsigned int seed = 1;
	uint64_t grants = 0;
	pid_t pid[3];
	int kills = 0, k;

	arena.dev = device();
	arena.until = seconds() + 4;
	EQ(claim(arena.dev), 0);
	change_rules(&seed);
	while (stat_gpu(arena.dev, 0, &stat), stat.out_gpus < 2)
		change_rules(&seed);
	for (int i = 0; i < 4; i++)
		arena.agents[i] = agent("arena");
	for (int i = 0; i < 3; i++)
		pid[i] = start_actors();
	while (seconds() < arena.until) {
		sleep_ms(10);
		k = rand_r(&seed) % 3;
		kill(pid[k], SIGUSR1);
		change_rules(&seed);
		if (rand_r(&seed) % 8)
			continue;
		kill(pid[k], SIGKILL);
		reap(pid[k]);
		pid[k] = start_actors();
		kills++;
	}
	for (int i = 0; i < 3; i++)
		reap(pid[i]);
	for (uint32_t gpu = 0; gpu < 2; gpu++) {
		stat_gpu(arena.dev, gpu, &stat);
		grants += stat.out_grants;
		EQ(stat.out_holders, 0);
		EQ(stat.out_parked, 0);
		EQ(stat.out_waiting[0], 0);
		EQ(stat.out_memory_used, 0);
	}
	printf("# %llu grants, %d kills\n", (unsigned long long)grants, kills);
	GE(grants, 100);
}

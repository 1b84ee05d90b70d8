// SPDX-License-Identifier: GPL-2.0-only
/* Leases in numbers: shares of the time, and a model beside the module. */
#define GROUP "lease"
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "harness.h"
#include "util.h"
#include "waiter.h"

/*
 * Shares of the time held. With one slot each holder can read how long the
 * one before it was: what counts is the module's own time, on any machine.
 */
#define FAIR_AGENTS	3
/* Enough for one to wait always, also while others have yet to come back. */
#define FAIR_THREADS	8
#define FAIR_GRANTS	100000

static struct {
	int fd[FAIR_AGENTS];
	uint64_t held[FAIR_AGENTS];
	uint64_t sum;
	uint64_t all;
	uint64_t longest;
	int last;
	int grants;
	int over;
} fair;

/* Within 1 % of the share. */
static bool fair_is(int me)
{
	double want = (me + 1) / 6.0, got = (double)fair.held[me] / fair.all;

	return got > want * 0.99 && got < want * 1.01;
}

/*
 * The one before had it for @ns. A machine that stops for a moment makes one
 * hold very long: time for the others to have theirs, which they must get.
 */
static void fair_count(uint64_t ns)
{
	fair.held[fair.last] += ns;
	fair.all += ns;
	if (ns > fair.longest)
		fair.longest = ns;
	if (++fair.grants >= FAIR_GRANTS && fair_is(0) && fair_is(1) && fair_is(2))
		__atomic_store_n(&fair.over, 1, __ATOMIC_SEQ_CST);
}

static void *fair_run(void *arg)
{
	int me = (long)arg;
	struct starling_lease_stat stat;

	for (;;) {
		struct starling_lease_acquire a = { 0 };

		EQ(acquire(fair.fd[me], &a), 0);
		/* Nobody else holds it: so nobody else is here. */
		stat_gpu(fair.fd[me], 0, &stat);
		if (fair.last >= 0)
			fair_count(stat.out_hold_ns - fair.sum);
		fair.sum = stat.out_hold_ns;
		fair.last = me;
		if (fair.over)
			return NULL;
		EQ(release(fair.fd[me], a.out_lease), 0);
	}
}

TEST_TIMED(fair_shares, 120)
{
	int dev = controller(), gate;
	pthread_t t[FAIR_AGENTS * FAIR_THREADS];
	uint64_t id;
	struct sched_param rt = { .sched_priority = 1 };
	cpu_set_t one;

	/*
	 * No wakeups across CPUs, which take an emulator long. And whoever gives
	 * back a lease runs on until it waits again: an agent has its share for
	 * as long as it wants one, and not while its threads wait for a core.
	 */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	EQ(sched_setscheduler(0, SCHED_FIFO, &rt), 0);
	no_aging(dev);
	gate = agent("gate");
	id = take(gate);
	fair.last = -1;
	for (int i = 0; i < FAIR_AGENTS; i++)
		fair.fd[i] = weighted("fair", 100 * (i + 1));
	for (long i = 0; i < FAIR_AGENTS * FAIR_THREADS; i++)
		EQ(pthread_create(&t[i], NULL, fair_run, (void *)(i % FAIR_AGENTS)), 0);
	while (waiting(gate, 0) < FAIR_AGENTS * FAIR_THREADS)
		sleep_ms(1);
	EQ(release(gate, id), 0);
	for (int i = 0; i < 20000 && !__atomic_load_n(&fair.over, __ATOMIC_SEQ_CST); i++)
		sleep_ms(5);
	printf("# %d grants, the longest %llu us\n", fair.grants,
	       (unsigned long long)(fair.longest / 1000));
	for (int i = 0; i < FAIR_AGENTS; i++) {
		printf("# weight %d: %.4f of the time\n", 100 * (i + 1),
		       (double)fair.held[i] / fair.all);
		CHECK(fair_is(i));
	}
}

/* A model of what can be seen without waiting, and the module beside it. */
#define MODEL_AGENTS	4
#define MODEL_LEASES	24

struct model_lease {
	uint64_t id;		/* 0: free */
	int agent;
	uint32_t gpu;
	uint64_t memory;
	bool held;
};

static struct {
	int fd[MODEL_AGENTS];
	uint32_t slots[2];
	uint64_t memory[2];
	struct model_lease lease[MODEL_LEASES];
	unsigned int seed;
} model;

static uint32_t draw(uint32_t n)
{
	return (uint32_t)rand_r(&model.seed) % n;
}

static uint32_t model_held(uint32_t gpu)
{
	uint32_t n = 0;

	for (int i = 0; i < MODEL_LEASES; i++)
		n += model.lease[i].id && model.lease[i].gpu == gpu && model.lease[i].held;
	return n;
}

static uint64_t model_used(uint32_t gpu)
{
	uint64_t n = 0;

	for (int i = 0; i < MODEL_LEASES; i++)
		if (model.lease[i].id && model.lease[i].gpu == gpu)
			n += model.lease[i].memory;
	return n;
}

/* 0 or the error that a new lease there should meet. */
static int model_fits(uint32_t gpu, uint64_t memory)
{
	if (model.memory[gpu] && memory > model.memory[gpu])
		return -EINVAL;
	if (model_held(gpu) >= model.slots[gpu])
		return -EAGAIN;
	/* What needs none fits even where there is less now than is used. */
	if (memory && model.memory[gpu] && model_used(gpu) + memory > model.memory[gpu])
		return -EAGAIN;
	return 0;
}

static int model_any(uint64_t memory)
{
	int a = model_fits(0, memory), b = model_fits(1, memory);

	if (!a || !b)
		return 0;
	return a == -EAGAIN || b == -EAGAIN ? -EAGAIN : -EINVAL;
}

static void model_acquire(int me)
{
	struct starling_lease_acquire a = {
		.flags = STARLING_LEASE_TRY, .memory_bytes = draw(5) * GB,
		.gpu = draw(3), .class = draw(__STARLING_CLASS_MAX),
	};
	struct model_lease *l = model.lease;
	int want;

	while (l < model.lease + MODEL_LEASES && l->id)
		l++;
	if (l == model.lease + MODEL_LEASES)
		return;
	if (a.gpu == 2)
		a.gpu = STARLING_GPU_ANY;
	want = a.gpu == STARLING_GPU_ANY ? model_any(a.memory_bytes) :
		model_fits(a.gpu, a.memory_bytes);
	EQ(acquire(model.fd[me], &a), want);
	if (want)
		return;
	if (a.gpu == STARLING_GPU_ANY)
		EQ(model_fits(a.out_gpu, a.memory_bytes), 0);
	else
		EQ(a.out_gpu, a.gpu);
	*l = (struct model_lease) { a.out_lease, me, a.out_gpu, a.memory_bytes, true };
}

static void model_unpark(struct model_lease *l, int me)
{
	int want = 0;

	if (l->agent != me)
		want = -ENOENT;
	else if (l->held)
		want = -EALREADY;
	else if (model_held(l->gpu) >= model.slots[l->gpu])
		want = -ETIMEDOUT;
	EQ(unpark(model.fd[me], l->id, 1), want);
	if (!want)
		l->held = true;
}

static void model_step(void)
{
	struct model_lease *l = &model.lease[draw(MODEL_LEASES)];
	int me = draw(MODEL_AGENTS), what = draw(8);

	if (what < 3)
		return model_acquire(me);
	if (what == 3) {
		EQ(cancel_waits(model.fd[me], draw(3)), -ENOENT);
		return;
	}
	if (!l->id)
		return;
	if (draw(4))
		me = l->agent;
	if (what == 4) {
		EQ(release(model.fd[me], l->id), l->agent == me ? 0 : -ENOENT);
		if (l->agent == me)
			l->id = 0;
	} else if (what < 7) {
		EQ(park(model.fd[me], l->id),
		   l->agent != me ? -ENOENT : l->held ? 0 : -EALREADY);
		if (l->agent == me)
			l->held = false;
	} else {
		model_unpark(l, me);
	}
}

static void model_compare(int me)
{
	struct starling_lease_record rec[MODEL_LEASES];
	struct starling_lease_stat stat;
	uint32_t n = list_leases(model.fd[me], rec, MODEL_LEASES), mine = 0;

	for (int i = 0; i < MODEL_LEASES; i++) {
		struct model_lease *l = &model.lease[i];
		uint32_t k = 0;

		if (!l->id || l->agent != me)
			continue;
		mine++;
		while (k < n && rec[k].lease != l->id)
			k++;
		CHECK(k < n);
		EQ(rec[k].state, l->held ? STARLING_LEASE_HELD : STARLING_LEASE_PARKED);
		EQ(rec[k].gpu, l->gpu);
		EQ(rec[k].memory_bytes, l->memory);
	}
	EQ(n, mine);
	for (uint32_t gpu = 0; gpu < 2; gpu++) {
		stat_gpu(model.fd[me], gpu, &stat);
		EQ(stat.out_holders, model_held(gpu));
		EQ(stat.out_memory_used, model_used(gpu));
		EQ(stat.out_waiting[0], 0);
	}
}

static void model_rules(int dev)
{
	uint32_t gpu = draw(2);

	model.slots[gpu] = 1 + draw(4);
	model.memory[gpu] = draw(3) ? (6 + draw(6)) * GB : 0;
	EQ(set_policy(dev, (struct starling_lease_policy) {
		.gpu = gpu, .flags = STARLING_POLICY_SLOTS | STARLING_POLICY_MEMORY,
		.slots = model.slots[gpu], .memory_bytes = model.memory[gpu] }), 0);
}

TEST_TIMED(random_steps, 120)
{
	int dev = controller();

	model.seed = 1;
	model.slots[0] = model.slots[1] = 1;
	/* Nobody's time ends because another one waits for a moment. */
	for (uint32_t gpu = 0; gpu < 2; gpu++)
		EQ(set_policy(dev, (struct starling_lease_policy) {
			.gpu = gpu, .flags = STARLING_POLICY_HOLD, .max_hold_ns = 600 * SEC }), 0);
	for (int i = 0; i < MODEL_AGENTS; i++)
		model.fd[i] = agent("model");
	for (int step = 0; step < 20000; step++) {
		model_step();
		model_compare(step % MODEL_AGENTS);
		if (!draw(500))
			model_rules(dev);
		/* All that one has goes at once. */
		if (!draw(1000)) {
			int me = draw(MODEL_AGENTS);

			close(model.fd[me]);
			model.fd[me] = agent("model");
			for (int i = 0; i < MODEL_LEASES; i++)
				if (model.lease[i].agent == me)
					model.lease[i].id = 0;
		}
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/* Functions of the module for BPF programs. */
#define GROUP "kfunc"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <bpf/bpf.h>

#include "harness.h"
#include "kfunc.h"
#include "tests/kselftest/kfunc.skel.h"
#include "util.h"

static struct kfunc_bpf *load(void)
{
	struct kfunc_bpf *skel = kfunc_bpf__open_and_load();

	if (!skel)
		FAIL("the programs do not load: %s", strerror(errno));
	return skel;
}

static struct answers ask(struct kfunc_bpf *skel, int tid, unsigned int gpu)
{
	struct answers a = { .tid = tid, .gpu = gpu };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &a, .ctx_size_in = sizeof(a));

	EQ(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.ask), &opts), 0);
	return a;
}

TEST(no_member)
{
	struct kfunc_bpf *skel = load();
	static const int tids[] = { 0, 1, -1, 0x7fffffff };

	for (unsigned int i = 0; i < sizeof(tids) / sizeof(tids[0]); i++) {
		struct answers a = ask(skel, tids[i], 0);

		EQ(a.agent, 0);
		EQ(a.role, STARLING_ROLE_NONE);
		EQ(a.weight, 0);
	}
}

TEST(member)
{
	struct kfunc_bpf *skel = load();
	int fd = agent("asked");
	struct starling_agent_set set = {
		.size = sizeof(set), .flags = STARLING_SET_WEIGHT, .weight = 700,
	};
	struct answers a;

	EQ(join(fd, 0, 0), 0);
	a = ask(skel, gettid_(), 0);
	EQ(a.agent, id_of(fd));
	EQ(a.role, STARLING_ROLE_NONE);
	EQ(a.weight, STARLING_WEIGHT_DEFAULT);
	EQ(set_role(fd, 0, STARLING_ROLE_FEEDER), 0);
	EQ(call(fd, STARLING_IOC_AGENT_SET, &set), 0);
	a = ask(skel, gettid_(), 0);
	EQ(a.role, STARLING_ROLE_FEEDER);
	EQ(a.weight, 700);
	EQ(leave(fd, 0, 0), 0);
	EQ(ask(skel, gettid_(), 0).agent, 0);
}

static void *wait_for_lease(void *arg)
{
	struct starling_lease_acquire a = { 0 };

	EQ(acquire((long)arg, &a), 0);
	return NULL;
}

TEST(gpu)
{
	struct kfunc_bpf *skel = load();
	int fd = agent("asked");
	pthread_t t;
	uint64_t id;

	EQ(ask(skel, 0, 0).holders, 0);
	EQ(try_lease(fd, &id), 0);
	EQ(ask(skel, 0, 0).holders, 1);
	EQ(ask(skel, 0, 0).waiting, 0);
	EQ(pthread_create(&t, NULL, wait_for_lease, (void *)(long)fd), 0);
	while (!ask(skel, 0, 0).waiting)
		sched_yield();
	EQ(release(fd, id), 0);
	pthread_join(t, NULL);
	EQ(ask(skel, 0, 0).waiting, 0);
	for (unsigned int none = 15; none; none *= 2)
		EQ(ask(skel, 0, none).holders, 0);
}

/* Called with a run queue locked, as a scheduler would. */
TEST(while_switching)
{
	struct kfunc_bpf *skel = load();
	int fd = agent("asked");

	EQ(join(fd, 0, 0), 0);
	skel->bss->watched = gettid_();
	EQ(kfunc_bpf__attach(skel), 0);
	while (__atomic_load_n(&skel->bss->switches, __ATOMIC_RELAXED) < 100)
		usleep(100);
	kfunc_bpf__detach(skel);
	EQ(skel->bss->known, skel->bss->switches);
}

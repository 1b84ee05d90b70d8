// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: starling-bench-abi [ROUNDS]
 *
 * What the device's calls cost, each against the kernel's own way to do the
 * like, as ratios: pairs run by turns (A B B A) in one process. Run it in a
 * guest by tests/bench/abi; on an emulated CPU the ratios are those of
 * instructions and traps, not of time on hardware.
 *
 * Exit status: 0 all targets reached, 1 one missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <starling.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/kselftest/harness.h"
#include "tests/kselftest/ring.h"
#include "tests/kselftest/util.h"

enum { ROUNDS = 11, BATCH = 32 };

/* What both sides of a pair need. */
static struct bench {
	int dev;
	int agent;
	int other;
	struct starling_telemetry *telemetry;
	int schedstat;
	pid_t pid;
	int event;
	struct ring ring;
	struct starling_info info[BATCH];
	_Atomic int *turn;	/* shared with the child of a hand-over */
} b;

/* -- the sides of the pairs ------------------------------------------------- */

static void read_mapped(int n)
{
	struct starling_task_record rec;

	while (n--)
		EQ(starling_telemetry_task(b.telemetry, b.pid, &rec), 0);
}

static void read_proc(int n)
{
	char buf[128];

	while (n--)
		GE(pread(b.schedstat, buf, sizeof(buf), 0), 1);
}

static void lease_pair(int n)
{
	uint64_t id;

	while (n--) {
		EQ(try_lease(b.agent, &id), 0);
		EQ(release(b.agent, id), 0);
	}
}

static void eventfd_pair(int n)
{
	uint64_t one = 1;

	while (n--) {
		EQ(write(b.event, &one, sizeof(one)), sizeof(one));
		EQ(read(b.event, &one, sizeof(one)), sizeof(one));
	}
}

static void submit_batch(int n)
{
	struct io_uring_cqe cqe;

	while (n--) {
		for (int i = 0; i < BATCH; i++) {
			b.info[i] = (struct starling_info){ .size = sizeof(b.info[i]) };
			ring_cmd(&b.ring, b.agent, STARLING_IOC_GET_INFO, &b.info[i], i, 0);
		}
		EQ(ring_submit(&b.ring), BATCH);
		for (int i = 0; i < BATCH; i++) {
			EQ(ring_wait(&b.ring, &cqe, 1000), 1);
			EQ(cqe.res, 0);
		}
	}
}

static void ioctl_batch(int n)
{
	while (n--)
		for (int i = 0; i < BATCH; i++) {
			b.info[i] = (struct starling_info){ .size = sizeof(b.info[i]) };
			EQ(call(b.agent, STARLING_IOC_GET_INFO, &b.info[i]), 0);
		}
}

/* -- hand-over between two processes ---------------------------------------- */

static void futex(_Atomic int *word, int op, int value)
{
	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void pass_turn(int mine, int n)
{
	while (n--) {
		while (atomic_load(b.turn) != mine)
			futex(b.turn, FUTEX_WAIT, !mine);
		atomic_store(b.turn, !mine);
		futex(b.turn, FUTEX_WAKE, 1);
	}
}

/* Both want the one slot all the time: each release wakes the other. */
static void pass_lease(int agent, int n)
{
	struct starling_lease_acquire a;

	while (n--) {
		a = (struct starling_lease_acquire){ 0 };
		EQ(acquire(agent, &a), 0);
		EQ(release(agent, a.out_lease), 0);
	}
}

static void hand_over(int n, int by_lease)
{
	pid_t pid;

	atomic_store(b.turn, 0);
	pid = fork();
	if (!pid) {
		if (by_lease)
			pass_lease(b.other, n);
		else
			pass_turn(1, n);
		_exit(0);
	}
	if (by_lease)
		pass_lease(b.agent, n);
	else
		pass_turn(0, n);
	EQ(reap(pid), 0);
}

static void hand_over_lease(int n)
{
	hand_over(n, 1);
}

static void hand_over_futex(int n)
{
	hand_over(n, 0);
}

/* -- measuring ---------------------------------------------------------------- */

static const struct pair {
	const char *name;
	void (*ours)(int n);
	void (*theirs)(int n);
	int n;
	double at_most;		/* ours / theirs; 0: @at_least counts */
	double at_least;	/* theirs / ours */
} pairs[] = {
	{ "mapped record : /proc/PID/schedstat", read_mapped, read_proc, 2000, 0, 50 },
	{ "lease acquire + release : eventfd write + read", lease_pair, eventfd_pair, 1000,
	  1.5, 0 },
	{ "lease hand-over : futex hand-over", hand_over_lease, hand_over_futex, 500, 1.5, 0 },
	{ "32 commands by io_uring : by ioctl", submit_batch, ioctl_batch, 100, 0.7, 0 },
};

static double time_of(void (*fn)(int n), int n)
{
	double start = seconds();

	fn(n);
	return seconds() - start;
}

static int ascending(const void *x, const void *y)
{
	double a = *(const double *)x, c = *(const double *)y;

	return (a > c) - (a < c);
}

static int measure(const struct pair *p, int rounds)
{
	double ratio[101], ours, theirs, mid;
	int good;

	p->ours(p->n / 10 + 1);
	p->theirs(p->n / 10 + 1);
	for (int i = 0; i < rounds; i++) {
		ours = i & 1 ? 0 : time_of(p->ours, p->n);
		theirs = time_of(p->theirs, p->n);
		if (i & 1)
			ours = time_of(p->ours, p->n);
		ratio[i] = p->at_least ? theirs / ours : ours / theirs;
	}
	qsort(ratio, rounds, sizeof(ratio[0]), ascending);
	mid = ratio[rounds / 2];
	good = p->at_least ? mid >= p->at_least : mid <= p->at_most;
	printf("%s  %-48s %7.2f (%.2f..%.2f), wanted %s %.1f\n", good ? "PASS" : "MISS", p->name,
	       mid, ratio[0], ratio[rounds - 1], p->at_least ? ">=" : "<=",
	       p->at_least ? p->at_least : p->at_most);
	return good;
}

static void set_up(void)
{
	struct starling_agent *a;

	b.dev = device();
	b.pid = getpid();
	b.agent = agent("bench");
	b.other = agent("other");
	EQ(join(b.agent, 0, 0), 0);
	EQ(starling_agent_from_fd(dup(b.agent), &a), 0);
	EQ(starling_telemetry_open(a, &b.telemetry), 0);
	b.schedstat = open("/proc/self/schedstat", O_RDONLY);
	GE(b.schedstat, 0);
	b.event = eventfd(0, 0);
	GE(b.event, 0);
	EQ(ring_open(&b.ring, 2 * BATCH, 0), 0);
	b.turn = mmap(NULL, sizeof(*b.turn), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	CHECK(b.turn != MAP_FAILED);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS, missed = 0;

	if (argc > 2 || rounds < 1 || rounds > 101) {
		fprintf(stderr, "usage: starling-bench-abi [ROUNDS]   1 to 101 (%d)\n", ROUNDS);
		return 2;
	}
	set_up();
	printf("medians of %d rounds (lowest..highest)\n", rounds);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		missed += !measure(&pairs[i], rounds);
	return missed ? 1 : 0;
}

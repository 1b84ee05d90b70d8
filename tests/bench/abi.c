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
	int slot;
	struct ring ring;
	int sub[BATCH];
	struct starling_agent_set weight[BATCH];
	_Atomic int *turn;	/* shared with the child of a hand-over */
} b;

/* -- the sides of the pairs ------------------------------------------------- */

static void read_mapped(int n)
{
	struct starling_cpu_record cpu;

	while (n--)
		EQ(starling_telemetry_cpu(b.telemetry, b.slot, b.pid, &cpu), 0);
}

static void read_proc(int n)
{
	char buf[128];

	while (n--)
		GE(pread(b.schedstat, buf, sizeof(buf), 0), 1);
}

static void lease_pair(int n)
{
	struct starling_lease_acquire a = { .size = sizeof(a), .flags = STARLING_LEASE_TRY };
	struct starling_lease_id id = { .size = sizeof(id) };

	while (n--) {
		EQ(call(b.agent, STARLING_IOC_LEASE_ACQUIRE, &a), 0);
		id.lease = a.out_lease;
		EQ(call(b.agent, STARLING_IOC_LEASE_RELEASE, &id), 0);
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

/*
 * The weights of all sub-agents, as an orchestrator sets them anew. As whoever
 * uses io_uring for speed would: a ring for one thread, the files registered
 * with it, one call for all of them, and of the completions the last one and
 * those of failures. Entries stay in the ring where they were written, so that
 * those of the next batch are there already; ioctl finds its arguments made, too.
 */
static void submit_batch(int n)
{
	struct io_uring_cqe cqe;

	while (n--) {
		b.ring.queued = BATCH;
		EQ(ring_submit(&b.ring), BATCH);
		EQ(ring_reap(&b.ring, &cqe), 1);
		EQ(cqe.res, 0);
		EQ(cqe.user_data, BATCH - 1);
		EQ(ring_reap(&b.ring, &cqe), 0);
	}
}

static void ioctl_batch(int n)
{
	while (n--)
		for (int i = 0; i < BATCH; i++)
			EQ(call(b.sub[i], STARLING_IOC_AGENT_SET, &b.weight[i]), 0);
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
	{ .name = "mapped CPU counters : /proc/PID/schedstat",
	  .ours = read_mapped, .theirs = read_proc, .n = 2000, .at_least = 50 },
	{ .name = "lease acquire + release : eventfd write + read",
	  .ours = lease_pair, .theirs = eventfd_pair, .n = 1000, .at_most = 1.5 },
	{ .name = "lease hand-over : futex hand-over",
	  .ours = hand_over_lease, .theirs = hand_over_futex, .n = 500, .at_most = 1.5 },
	{ .name = "32 weights by io_uring : by ioctl",
	  .ours = submit_batch, .theirs = ioctl_batch, .n = 100, .at_most = 0.7 },
};

/* The least of three: whatever else runs on the machine can only add. */
static double time_of(void (*fn)(int n), int n)
{
	double start, least = 1e9, t;

	for (int i = 0; i < 3; i++) {
		start = seconds();
		fn(n);
		t = seconds() - start;
		least = t < least ? t : least;
	}
	return least;
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

static void set_up_batch(void)
{
	for (int i = 0; i < BATCH; i++) {
		b.sub[i] = must_sub(b.agent, "sub");
		b.weight[i] = (struct starling_agent_set){
			.size = sizeof(b.weight[i]), .flags = STARLING_SET_WEIGHT, .weight = i + 1,
		};
	}
	EQ(ring_open(&b.ring, BATCH, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN), 0);
	EQ(syscall(SYS_io_uring_register, b.ring.fd, IORING_REGISTER_FILES, b.sub, BATCH), 0);
	for (int i = 0; i < BATCH; i++)
		ring_cmd(&b.ring, i, STARLING_IOC_AGENT_SET, &b.weight[i], i, IOSQE_FIXED_FILE |
			 (i < BATCH - 1 ? IOSQE_CQE_SKIP_SUCCESS : 0));
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
	b.slot = starling_telemetry_slot(b.telemetry, b.pid);
	GE(b.slot, 0);
	set_up_batch();
	b.schedstat = open("/proc/self/schedstat", O_RDONLY);
	GE(b.schedstat, 0);
	b.event = eventfd(0, 0);
	GE(b.event, 0);
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

// SPDX-License-Identifier: GPL-2.0-only
/* Who gets a GPU, when several want it. */
#define GROUP "lease"
#include <errno.h>
#include <string.h>

#include "harness.h"
#include "util.h"
#include "waiter.h"

/* Those that do not say so have their agent's; a later change is for later ones. */
TEST(class_of_the_agent)
{
	struct starling_agent_set set = {
		.size = sizeof(set), .flags = STARLING_SET_CLASS, .class = STARLING_CLASS_BATCH,
	};
	struct starling_lease_record rec[3];
	struct starling_lease_acquire a = { 0 };
	uint64_t cursor[2] = { 0 };
	uint32_t n = 3;
	int fd = agent("batch");

	EQ(acquire(fd, &a), 0);
	EQ(release(fd, a.out_lease), 0);
	EQ(call(fd, STARLING_IOC_AGENT_SET, &set), 0);
	a = (struct starling_lease_acquire){ 0 };
	EQ(acquire(fd, &a), 0);
	set.class = STARLING_CLASS_INTERACTIVE;
	EQ(call(fd, STARLING_IOC_AGENT_SET, &set), 0);
	EQ(list(fd, STARLING_IOC_LEASES, rec, sizeof(rec[0]), &n, cursor), 0);
	EQ(n, 1);
	EQ(rec[0].class, STARLING_CLASS_BATCH);
	EQ(release(fd, a.out_lease), 0);
	a = (struct starling_lease_acquire){ .class = STARLING_CLASS_NORMAL };
	EQ(acquire(fd, &a), 0);
	n = 3;
	memset(cursor, 0, sizeof(cursor));
	EQ(list(fd, STARLING_IOC_LEASES, rec, sizeof(rec[0]), &n, cursor), 0);
	EQ(n, 1);
	EQ(rec[0].class, STARLING_CLASS_NORMAL);
}

/* What agents have had is told, so that it can be said who is next. */
TEST(list_tells_what_was_had)
{
	int dev = controller(), much = agent("much"), little = agent("little");
	struct waiter w[2] = { { .fd = much }, { .fd = little } };
	struct starling_lease_record rec[4], *of[2] = { NULL };
	uint64_t id;

	no_aging(dev);
	id = take(little);
	EQ(release(little, id), 0);
	id = take(much);
	for (int i = 0; i < 2; i++)
		wait_start(&w[i]);
	usleep(50000);
	EQ(list_leases(dev, rec, 4), 3);
	for (int i = 0; i < 3; i++)
		if (rec[i].state == STARLING_LEASE_WAITING)
			of[rec[i].agent_id == id_of(little)] = &rec[i];
	CHECK(of[0] && of[1]);
	EQ(of[0]->__reserved, 0);
	/* what is held now counts for the one that has it */
	for (int i = 0; i < 3; i++)
		if (rec[i].state == STARLING_LEASE_HELD)
			GE(rec[i].had_ns, of[1]->had_ns + 40000000);
	EQ(release(much, id), 0);
	expect_order(w, 2, (int[]) { 1, 0 });
}

TEST(class_goes_first)
{
	int dev = controller(), one = agent("one");
	struct waiter w[4] = {
		{ .fd = agent("batch"), .a.class = STARLING_CLASS_BATCH },
		{ .fd = agent("default") },
		{ .fd = agent("interactive"), .a.class = STARLING_CLASS_INTERACTIVE },
		{ .fd = agent("normal"), .a.class = STARLING_CLASS_NORMAL },
	};
	struct starling_lease_stat stat;
	uint64_t id;

	no_aging(dev);
	id = take(one);
	for (int i = 0; i < 4; i++)
		wait_start(&w[i]);
	stat_gpu(one, 0, &stat);
	EQ(stat.out_waiting[0], 4);
	EQ(stat.out_waiting[STARLING_CLASS_INTERACTIVE], 1);
	EQ(stat.out_waiting[STARLING_CLASS_NORMAL], 2);
	EQ(stat.out_waiting[STARLING_CLASS_BATCH], 1);
	EQ(release(one, id), 0);
	expect_order(w, 4, (int[]) { 2, 1, 3, 0 });
}

TEST(deadline_goes_first)
{
	int dev = controller(), fd = agent("one");
	struct waiter w[4] = {
		{ .fd = fd },
		{ .fd = fd, .a.deadline_ns = now_ns() + 900 * SEC },
		{ .fd = fd, .a.deadline_ns = now_ns() + 800 * SEC },
		{ .fd = fd },
	};
	uint64_t id;

	no_aging(dev);
	id = take(fd);
	for (int i = 0; i < 4; i++)
		wait_start(&w[i]);
	EQ(release(fd, id), 0);
	expect_order(w, 4, (int[]) { 2, 1, 0, 3 });
}

/* Who has had less, by weight, goes first, whoever came first. */
TEST(less_held_goes_first)
{
	/* What they all wait for counts little for the third, however long it takes. */
	int dev = controller();
	int fd[3] = { weighted("a", 100), weighted("b", 9000), weighted("c", 10000) };
	struct waiter w[3] = { { .fd = fd[0] }, { .fd = fd[1] }, { .fd = fd[2] } }, keep;
	uint64_t id;

	no_aging(dev);
	/* While somebody is there all the time: nobody comes back anew. */
	id = take(fd[2]);
	keep = (struct waiter) { .fd = fd[2] };
	wait_start(&keep);
	for (int i = 0; i < 2; i++)
		wait_start(&w[i]);
	EQ(park(fd[2], id), 0);
	EQ(next_done(w, 2), 0);
	sleep_ms(30);
	EQ(park(fd[0], w[0].a.out_lease), 0);
	EQ(next_done(w, 2), 1);
	sleep_ms(30);
	EQ(park(fd[1], w[1].a.out_lease), 0);
	EQ(wait_end(&keep), 0);
	/* 30 ms count for 30 and 0.3 ms now. */
	for (int i = 0; i < 2; i++)
		wait_start(&w[i]);
	EQ(release(fd[2], keep.a.out_lease), 0);
	expect_order(w, 2, (int[]) { 1, 0 });
}

/* Who was away does not get all the time that the others had meanwhile. */
TEST(absence_earns_nothing)
{
	int dev = controller(), busy = agent("busy"), away = agent("away");
	struct waiter w[2] = { { .fd = busy }, { .fd = away } };
	uint64_t id;
	int k;

	no_aging(dev);
	id = take(away);
	EQ(release(away, id), 0);
	id = take(busy);
	sleep_ms(200);
	wait_start(&w[1]);
	sleep_ms(20);
	wait_start(&w[0]);
	EQ(release(busy, id), 0);
	EQ(next_done(w, 2), 1);
	sleep_ms(60);
	/* It came when 200 ms had passed: 60 are more than the 20 since then. */
	wait_start(&(struct waiter) { .fd = away });
	EQ(release(away, w[1].a.out_lease), 0);
	k = next_done(w, 2);
	EQ(k, 0);
}

/* Batch work beside others that come all the time. */
TEST(aging)
{
	int dev = controller(), loud = agent("loud");
	struct starling_lease_record rec;
	struct waiter batch = { .fd = agent("batch"), .a.class = STARLING_CLASS_BATCH }, w[2];
	int turns = 0;

	EQ(set_policy(dev, (struct starling_lease_policy) {
		.flags = STARLING_POLICY_AGING, .aging_ns = 100 * MS }), 0);
	for (int i = 0; i < 2; i++)
		w[i] = (struct waiter) { .fd = loud, .a.class = STARLING_CLASS_INTERACTIVE };
	EQ(acquire(loud, &w[0].a), 0);
	wait_start(&batch);
	wait_start(&w[1]);
	EQ(list_leases(batch.fd, &rec, 1), 1);
	EQ(rec.class, STARLING_CLASS_BATCH);
	for (; !is_done(&batch); turns++) {
		sleep_ms(10);
		EQ(release(loud, w[turns % 2].a.out_lease), 0);
		if (is_done(&batch))
			break;
		while (!is_done(&w[!(turns % 2)]) && !is_done(&batch))
			sleep_ms(1);
		if (is_done(&batch))
			break;
		wait_end(&w[!(turns % 2)]);
		if (list_leases(batch.fd, &rec, 1) == 1 && rec.state == STARLING_LEASE_WAITING &&
		    now_ns() - rec.since_ns < 190 * MS)
			NE(rec.effective_class, STARLING_CLASS_INTERACTIVE);
		wait_start(&w[turns % 2]);
	}
	EQ(wait_end(&batch), 0);
	printf("# waited %llu ms, %d turns\n", (unsigned long long)(batch.a.out_waited_ns / MS),
	       turns);
	/* Two classes, then it has had less than the other, and one hold. */
	GE(batch.a.out_waited_ns, 200 * MS);
	GE(600 * MS, batch.a.out_waited_ns);
	EQ(list_leases(batch.fd, &rec, 1), 1);
	EQ(rec.state, STARLING_LEASE_HELD);
	EQ(rec.class, STARLING_CLASS_BATCH);
}

/* Who has waited for too long is next, whatever the others are. */
TEST(starving)
{
	int dev = controller(), one = agent("one"), greedy = weighted("greedy", 1);
	struct waiter w[3] = {
		{ .fd = greedy, .a.class = STARLING_CLASS_BATCH },
		{ .fd = greedy, .a.class = STARLING_CLASS_BATCH, .a.deadline_ns = 1 },
		{ .fd = agent("new"), .a.class = STARLING_CLASS_INTERACTIVE },
	};
	struct starling_lease_record rec[2];
	uint64_t id;

	EQ(set_policy(dev, (struct starling_lease_policy) {
		.flags = STARLING_POLICY_STARVE | STARLING_POLICY_HOLD,
		.starve_ns = 150 * MS, .max_hold_ns = 600 * SEC }), 0);
	id = take(greedy);
	sleep_ms(20);
	EQ(release(greedy, id), 0);
	id = take(one);
	wait_start(&w[0]);
	wait_start(&w[1]);
	sleep_ms(160);
	wait_start(&w[2]);
	EQ(list_leases(greedy, rec, 2), 2);
	EQ(rec[0].effective_class, STARLING_CLASS_INTERACTIVE);
	EQ(list_leases(one, rec, 2), 1);
	EQ(rec[0].effective_class, STARLING_CLASS_INTERACTIVE);
	EQ(release(one, id), 0);
	/* By arrival: the deadline does not count any more. */
	expect_order(w, 3, (int[]) { 0, 1, 2 });
}

TEST(park_and_unpark)
{
	int one = agent("one"), two = agent("two");
	struct starling_lease_stat before, stat;
	struct starling_lease_record rec;
	struct starling_lease_acquire a = { .memory_bytes = GB };
	struct waiter w = { .fd = one };
	uint64_t other;

	stat_gpu(one, 0, &before);
	EQ(acquire(one, &a), 0);
	EQ(park(one, a.out_lease), 0);
	EQ(park(one, a.out_lease), -EALREADY);
	stat_gpu(one, 0, &stat);
	EQ(stat.out_holders, 0);
	EQ(stat.out_parked, 1);
	EQ(stat.out_memory_used, GB);
	EQ(list_leases(one, &rec, 1), 1);
	EQ(rec.state, STARLING_LEASE_PARKED);
	EQ(rec.expires_ns, 0);
	NE(rec.held_ns, 0);
	EQ(unpark(one, a.out_lease, 0), 0);
	EQ(unpark(one, a.out_lease, 0), -EALREADY);
	EQ(park(one, a.out_lease), 0);
	/* Somebody else has it now. */
	other = take(two);
	EQ(unpark(one, a.out_lease, MS), -ETIMEDOUT);
	EQ(park(one, a.out_lease), -EALREADY);
	w.parked = a.out_lease;
	wait_start(&w);
	EQ(unpark(one, a.out_lease, MS), -EALREADY);
	EQ(park(one, a.out_lease), -EALREADY);
	EQ(list_leases(one, &rec, 1), 1);
	EQ(rec.state, STARLING_LEASE_PARKED);
	EQ(release(two, other), 0);
	EQ(wait_end(&w), 0);
	stat_gpu(one, 0, &stat);
	EQ(stat.out_grants, before.out_grants + 4);
	EQ(park(one, a.out_lease), 0);
	/* Cancelled it is parked still; given back, it is gone. */
	other = take(two);
	w.a.cookie = 9;
	wait_start(&w);
	EQ(cancel_waits(one, 9), 0);
	EQ(wait_end(&w), -ECANCELED);
	wait_start(&w);
	EQ(release(one, a.out_lease), 0);
	EQ(wait_end(&w), -ENOENT);
	EQ(release(two, other), 0);
	stat_gpu(one, 0, &stat);
	EQ(stat.out_parked, 0);
	EQ(stat.out_memory_used, 0);
	EQ(stat.out_waiting[0], 0);
}

/* Of two agents with the same claim the one that unparks, though it came last. */
TEST(unpark_goes_first)
{
	int dev = controller(), one = agent("one");
	struct waiter w[2] = { { .fd = one }, { .fd = one } };
	uint64_t id, parked;

	no_aging(dev);
	parked = take(one);
	EQ(park(one, parked), 0);
	id = take(one);
	w[1].parked = parked;
	wait_start(&w[0]);
	wait_start(&w[1]);
	EQ(release(one, id), 0);
	/* Of one agent the order is that of arrival. */
	expect_order(w, 2, (int[]) { 0, 1 });
}

static void set_memory(int dev, uint64_t bytes)
{
	EQ(set_policy(dev, (struct starling_lease_policy) {
		.flags = STARLING_POLICY_MEMORY, .memory_bytes = bytes }), 0);
}

TEST(memory)
{
	int dev = controller(), fd = agent("memory");
	struct starling_lease_acquire a = { .memory_bytes = 3 * GB, .flags = STARLING_LEASE_TRY },
				      b = a;
	struct waiter big = { .fd = agent("big"), .a.memory_bytes = 2 * GB }, small = big;
	struct starling_lease_stat stat;

	EQ(set_policy(dev, (struct starling_lease_policy) {
		.flags = STARLING_POLICY_SLOTS, .slots = 4 }), 0);
	no_aging(dev);
	set_memory(dev, 4 * GB);
	a.memory_bytes = 4 * GB + 1;
	EQ(acquire(fd, &a), -EINVAL);
	a.memory_bytes = 3 * GB;
	EQ(acquire(fd, &a), 0);
	EQ(acquire(fd, &b), -EAGAIN);
	/* Passed over by one that fits. */
	wait_start(&big);
	b.memory_bytes = GB;
	EQ(acquire(fd, &b), 0);
	stat_gpu(fd, 0, &stat);
	EQ(stat.out_memory_bytes, 4 * GB);
	EQ(stat.out_memory_used, 4 * GB);
	EQ(stat.out_holders, 2);
	small.a.memory_bytes = 1;
	wait_start(&small);
	EQ(release(fd, b.out_lease), 0);
	EQ(wait_end(&small), 0);
	EQ(release(small.fd, small.a.out_lease), 0);
	/* Memory stays with the lease while it is parked. */
	EQ(park(fd, a.out_lease), 0);
	sleep_ms(20);
	CHECK(!is_done(&big));
	EQ(release(fd, a.out_lease), 0);
	EQ(wait_end(&big), 0);
	EQ(release(big.fd, big.a.out_lease), 0);
	/* It will never fit. */
	a.memory_bytes = 4 * GB;
	EQ(acquire(fd, &a), 0);
	wait_start(&big);
	set_memory(dev, GB);
	EQ(wait_end(&big), -EINVAL);
	EQ(waiting(fd, 0), 0);
	EQ(park(fd, a.out_lease), 0);
	EQ(unpark(fd, a.out_lease, 0), 0);
	set_memory(dev, 0);
	EQ(acquire(fd, &b), 0);
}

/* Who starves for memory gets what comes free, but stops no parked lease. */
TEST(starving_for_memory)
{
	int dev = controller(), fd = agent("memory");
	struct starling_lease_acquire a = { .memory_bytes = 2 * GB }, b = a,
		try = { .memory_bytes = 1, .flags = STARLING_LEASE_TRY };
	struct waiter big = { .fd = agent("big"), .a.memory_bytes = 3 * GB };

	EQ(set_policy(dev, (struct starling_lease_policy) {
		.flags = STARLING_POLICY_SLOTS | STARLING_POLICY_MEMORY | STARLING_POLICY_STARVE |
			 STARLING_POLICY_HOLD,
		.slots = 4, .memory_bytes = 5 * GB, .starve_ns = 100 * MS,
		.max_hold_ns = 600 * SEC }), 0);
	EQ(acquire(fd, &a), 0);
	EQ(acquire(fd, &b), 0);
	wait_start(&big);
	EQ(acquire(fd, &try), 0);
	EQ(release(fd, try.out_lease), 0);
	sleep_ms(120);
	EQ(acquire(fd, &try), -EAGAIN);
	EQ(park(fd, a.out_lease), 0);
	EQ(unpark(fd, a.out_lease, 0), 0);
	try.memory_bytes = 0;
	EQ(acquire(fd, &try), 0);
	EQ(release(fd, a.out_lease), 0);
	EQ(wait_end(&big), 0);
}

static void set_slots(int dev, uint32_t slots)
{
	EQ(set_policy(dev, (struct starling_lease_policy) {
		.flags = STARLING_POLICY_SLOTS, .slots = slots }), 0);
}

TEST(slots)
{
	int dev = controller(), one = agent("one"), two = agent("two"), gate = agent("gate");
	struct waiter w[4] = { { .fd = one }, { .fd = one }, { .fd = one }, { .fd = two } };
	struct starling_lease_stat stat;
	uint64_t a, b, c;

	no_aging(dev);
	set_slots(dev, 3);
	a = take(gate);
	b = take(gate);
	c = take(gate);
	EQ(try_lease(two, &(uint64_t) { 0 }), -EAGAIN);
	/* Fewer: nobody loses one, nobody gets one. */
	set_slots(dev, 1);
	EQ(release(gate, a), 0);
	EQ(release(gate, b), 0);
	EQ(try_lease(two, &(uint64_t) { 0 }), -EAGAIN);
	for (int i = 0; i < 4; i++)
		wait_start(&w[i]);
	/* Two more at once: who has just got one is not first for the other. */
	set_slots(dev, 3);
	EQ(next_done(w, 4) + next_done(w, 4), 0 + 3);
	stat_gpu(gate, 0, &stat);
	EQ(stat.out_holders, 3);
	EQ(stat.out_slots, 3);
	EQ(stat.out_waiting[0], 2);
	EQ(release(gate, c), 0);
}

TEST(several_gpus)
{
	int dev = controller(), fd = agent("gpus");
	struct starling_lease_acquire any = { .gpu = STARLING_GPU_ANY };
	struct waiter w[2] = { { .fd = fd, .a.gpu = STARLING_GPU_ANY }, { .fd = fd, .a.gpu = 1 } };
	struct starling_lease_stat stat;
	struct starling_lease_record rec[4];
	uint64_t a, b;

	no_aging(dev);
	EQ(set_policy(dev, (struct starling_lease_policy) { .gpu = 1 }), 0);
	stat_gpu(fd, 1, &stat);
	EQ(stat.out_gpus, 2);
	EQ(stat.out_slots, 1);
	EQ(acquire(fd, &any), 0);
	a = any.out_lease;
	EQ(any.out_gpu, 0);
	EQ(acquire(fd, &any), 0);
	b = any.out_lease;
	EQ(any.out_gpu, 1);
	wait_start(&w[0]);
	EQ(waiting(fd, 0), 1);
	EQ(waiting(fd, 1), 1);
	wait_start(&w[1]);
	EQ(list_leases(fd, rec, 4), 4);
	EQ(rec[2].gpu, STARLING_GPU_ANY);
	EQ(rec[2].lease, 0);
	EQ(rec[3].gpu, 1);
	EQ(release(fd, a), 0);
	EQ(wait_end(&w[0]), 0);
	EQ(w[0].a.out_gpu, 0);
	EQ(waiting(fd, 0), 0);
	EQ(waiting(fd, 1), 1);
	EQ(release(fd, b), 0);
	EQ(wait_end(&w[1]), 0);
	EQ(w[1].a.out_gpu, 1);
	/* One that comes while somebody waits for any. */
	wait_start(&w[0]);
	EQ(set_policy(dev, (struct starling_lease_policy) { .gpu = 2 }), 0);
	EQ(wait_end(&w[0]), 0);
	EQ(w[0].a.out_gpu, 2);
	/* The one with most room; and only where its memory fits at all. */
	EQ(set_policy(dev, (struct starling_lease_policy) {
		.gpu = 1, .flags = STARLING_POLICY_SLOTS | STARLING_POLICY_MEMORY,
		.slots = 8, .memory_bytes = GB }), 0);
	EQ(set_policy(dev, (struct starling_lease_policy) {
		.gpu = 2, .flags = STARLING_POLICY_SLOTS, .slots = 4 }), 0);
	EQ(acquire(fd, &any), 0);
	EQ(any.out_gpu, 1);
	any.memory_bytes = 2 * GB;
	EQ(acquire(fd, &any), 0);
	EQ(any.out_gpu, 2);
}

TEST(rules_end_with_the_claim)
{
	int dev = controller(), fd = agent("claim");
	struct starling_lease_stat stat;
	struct starling_lease_acquire a = { .gpu = 1 };

	EQ(set_policy(dev, (struct starling_lease_policy) {
		.flags = STARLING_POLICY_SLOTS | STARLING_POLICY_MEMORY | STARLING_POLICY_HOLD |
			 STARLING_POLICY_NOTICE | STARLING_POLICY_AGING | STARLING_POLICY_STARVE,
		.slots = 2, .memory_bytes = GB, .max_hold_ns = 2 * MS, .notice_ns = 3 * MS,
		.aging_ns = 4 * MS, .starve_ns = 5 * MS }), 0);
	EQ(set_policy(dev, (struct starling_lease_policy) { .gpu = 1 }), 0);
	EQ(set_policy(dev, (struct starling_lease_policy) { .gpu = 2 }), 0);
	stat_gpu(fd, 0, &stat);
	EQ(stat.out_slots, 2);
	EQ(stat.out_memory_bytes, GB);
	EQ(stat.out_max_hold_ns, 2 * MS);
	EQ(stat.out_notice_ns, 3 * MS);
	EQ(stat.out_aging_ns, 4 * MS);
	EQ(stat.out_starve_ns, 5 * MS);
	EQ(stat.out_gpus, 3);
	EQ(acquire(fd, &a), 0);
	close(dev);
	stat_gpu(fd, 0, &stat);
	EQ(stat.out_slots, 1);
	EQ(stat.out_memory_bytes, 0);
	EQ(stat.out_max_hold_ns, SEC);
	EQ(stat.out_notice_ns, 100 * MS);
	EQ(stat.out_aging_ns, 500 * MS);
	EQ(stat.out_starve_ns, 10 * SEC);
	/* A GPU that is in use stays until it is not. */
	EQ(stat.out_gpus, 2);
	EQ(release(fd, a.out_lease), 0);
	EQ(acquire(fd, &a), -ENODEV);
	stat_gpu(fd, 0, &stat);
	EQ(stat.out_gpus, 1);
}

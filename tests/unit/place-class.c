// SPDX-License-Identifier: GPL-2.0-only
/* Which class a feeder has by the task placer, and who cannot have it. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "tests/unit/unit.h"
#include "tests/unit/kid.h"
#include "daemon/place/placer.h"

static const struct placer_ops *const ops = &placer_task;
static char *dir;
static struct journal *j;
static struct placer *p;
static struct plan plan;

static int set_up(void **x)
{
	dir = dir_make();
	plan.role[STARLING_ROLE_FEEDER].nice_delta = -15;
	plan.role[STARLING_ROLE_FEEDER].real_time = true;
	assert_int_equal(journal_open(&j, dir), 0);
	assert_int_equal(ops->open(&p, j), 0);
	(void)x;
	return 0;
}

static int tear_down(void **x)
{
	ops->undo(p);
	ops->close(p);
	journal_close(j);
	dir_remove(dir);
	(void)x;
	return 0;
}

static struct place_task task_of(pid_t pid, uint16_t role, bool sleeps)
{
	return (struct place_task){
		.tid = pid, .tgid = pid, .weight = 100, .role = role, .real_time = sleeps,
	};
}

static void apply(const struct place_task *t, size_t n)
{
	plan.seq++;
	assert_int_equal(ops->apply(p, &plan, t, n), 0);
}

static void apply_feeder(pid_t pid, bool sleeps)
{
	struct place_task t = task_of(pid, STARLING_ROLE_FEEDER, sleeps);

	apply(&t, 1);
}

static void place(pid_t pid, uint16_t role)
{
	struct place_task t = task_of(pid, role, true);

	assert_int_equal(ops->place(p, &t), 0);
}

static int class_of(pid_t pid)
{
	return kid_attrs(pid).policy & ~SCHED_RESET_ON_FORK;
}

/* Without a role all is given back at once; of whom nothing is known, nothing is learned. */
static void a_role_is_lost(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);

	place(k.pid, STARLING_ROLE_NONE);
	assert_int_equal(setpriority(PRIO_PROCESS, k.pid, 5), 0);
	apply_feeder(k.pid, false);
	assert_int_equal(kid_attrs(k.pid).nice, -10);
	place(k.pid, STARLING_ROLE_NONE);
	assert_int_equal(kid_attrs(k.pid).nice, 5);
	apply(NULL, 0);
	assert_int_equal(setpriority(PRIO_PROCESS, k.pid, 0), 0);
	apply_feeder(k.pid, true);
	assert_int_not_equal(kid_attrs(k.pid).policy, before.policy);
	place(k.pid, STARLING_ROLE_NONE);
	assert_attrs_equal(kid_attrs(k.pid), before);
	assert_int_equal(journal_count(j), 0);
	kid_end(&k);
	(void)x;
}

static void be_niced(pid_t pid)
{
	assert_int_equal(setpriority(PRIO_PROCESS, pid, 5), 0);
}

static void be_raised(pid_t pid)
{
	assert_int_equal(setpriority(PRIO_PROCESS, pid, -5), 0);
}

static void be_in(pid_t pid, int policy)
{
	struct sched_param param = { 0 };

	assert_int_equal(sched_setscheduler(pid, policy, &param), 0);
}

static void be_idle(pid_t pid)
{
	be_in(pid, SCHED_IDLE);
}

static void be_batch(pid_t pid)
{
	be_in(pid, SCHED_BATCH);
}

/* Each is known for what it is, also by a placer that has it without a role meanwhile. */
static void who_cannot_have_real_time(void **x)
{
	static const struct {
		void (*first)(pid_t pid);	/* before we know it */
		void (*later)(pid_t pid);
	} who[] = {
		{ be_niced, NULL }, { be_raised, NULL }, { be_idle, NULL }, { NULL, be_batch },
	};

	for (size_t i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
		struct kid k = kid_start();
		struct place_task none = task_of(k.pid, STARLING_ROLE_NONE, false);

		if (who[i].first)
			who[i].first(k.pid);
		assert_true(ops->real_time(p, k.pid));	/* not looked at yet */
		apply_feeder(k.pid, false);
		if (who[i].later)
			who[i].later(k.pid);
		apply_feeder(k.pid, true);
		assert_int_not_equal(class_of(k.pid), SCHED_RR);
		assert_false(ops->real_time(p, k.pid));
		apply(&none, 1);
		assert_false(ops->real_time(p, k.pid));
		kid_end(&k);
	}
	(void)x;
}

static void who_can_have_real_time(void **x)
{
	struct kid k = kid_start();

	be_batch(k.pid);
	apply_feeder(k.pid, false);
	assert_true(ops->real_time(p, k.pid));
	apply_feeder(k.pid, true);
	/* where the machine refuses it, nobody can */
	assert_int_equal(ops->real_time(p, k.pid), class_of(k.pid) == SCHED_RR);
	kid_end(&k);
	(void)x;
}

/* One that has such a class without us goes before tools as well. */
static void who_has_real_time(void **x)
{
	struct sched_param param = { .sched_priority = 1 };
	struct kid k = kid_start();

	if (sched_setscheduler(k.pid, SCHED_FIFO, &param)) {
		kid_end(&k);
		skip();
	}
	apply_feeder(k.pid, true);
	assert_true(ops->real_time(p, k.pid));
	assert_int_equal(class_of(k.pid), SCHED_FIFO);
	kid_end(&k);
	(void)x;
}

#define with_placer(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_placer(a_role_is_lost),
		with_placer(who_cannot_have_real_time),
		with_placer(who_can_have_real_time),
		with_placer(who_has_real_time),
	};

	if (geteuid()) {
		printf("1..0 # SKIP needs root\n");
		return 0;
	}
	return unit_run(tests);
}

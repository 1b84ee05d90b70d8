// SPDX-License-Identifier: GPL-2.0-only
/* Who only says that it computes has no lower nice value than it may take itself. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tests/unit/unit.h"
#include "tests/unit/kid.h"
#include "daemon/place/place.h"
#include "daemon/place/right.h"

static const struct placer_ops *const ops = &placer_task;
static char *dir;
static struct journal *j;
static struct placer *p;
static struct kid k;

/* False: to raise a limit takes a capability that we lack here. */
static bool set_limit(rlim_t limit)
{
	struct rlimit both = { limit, limit };

	return !prlimit(k.pid, RLIMIT_NICE, &both, NULL);
}

static int set_up(void **x)
{
	dir = dir_make();
	assert_int_equal(journal_open(&j, dir), 0);
	assert_int_equal(ops->open(&p, j), 0);
	kid_cap_nice(false);
	k = kid_start();
	kid_cap_nice(true);
	assert_true(set_limit(0));
	(void)x;
	return 0;
}

static int tear_down(void **x)
{
	kid_end(&k);
	ops->undo(p);
	ops->close(p);
	journal_close(j);
	dir_remove(dir);
	(void)x;
	return 0;
}

static int nice_of(pid_t pid, bool said)
{
	struct place_task t = {
		.tid = pid, .tgid = pid, .agent_id = 7, .weight = 100,
		.role = STARLING_ROLE_INFERENCE, .said = said,
	};
	struct plan plan;

	memset(&plan, 0, sizeof(plan));
	plan.role[STARLING_ROLE_INFERENCE].nice_delta = -10;
	assert_int_equal(ops->apply(p, &plan, &t, 1), 0);
	return kid_attrs(pid).nice;
}

static void what_a_task_may_take(void **x)
{
	struct kid root = kid_start();

	assert_int_equal(right_nice(root.pid), -20);
	kid_end(&root);
	assert_int_equal(right_nice(k.pid), 20);
	if (!set_limit(25))
		skip();
	assert_int_equal(right_nice(k.pid), -5);
	assert_true(set_limit(40));
	assert_int_equal(right_nice(k.pid), -20);
	assert_true(set_limit(RLIM_INFINITY));
	assert_int_equal(right_nice(k.pid), -20);
	(void)x;
}

static void a_word_is_no_right(void **x)
{
	char text[256];

	assert_int_equal(nice_of(k.pid, true), 0);
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_OTHER);
	assert_true(ops->explain(p, k.pid, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "RLIMIT_NICE"));
	if (set_limit(25))
		assert_int_equal(nice_of(k.pid, true), -5);
	assert_int_equal(nice_of(k.pid, false), -10);
	ops->explain(p, k.pid, text, sizeof(text));
	assert_null(strstr(text, "RLIMIT_NICE"));
	assert_true(set_limit(0));
	assert_int_equal(nice_of(k.pid, true), 0);
	(void)x;
}

static void root_has_the_right(void **x)
{
	struct kid root = kid_start();
	char text[256];

	assert_int_equal(nice_of(root.pid, true), -10);
	assert_true(ops->explain(p, root.pid, text, sizeof(text)) > 0);
	assert_null(strstr(text, "RLIMIT_NICE"));
	kid_end(&root);
	(void)x;
}

#define with_placer(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_placer(what_a_task_may_take),
		with_placer(a_word_is_no_right),
		with_placer(root_has_the_right),
	};

	return unit_run(tests);
}

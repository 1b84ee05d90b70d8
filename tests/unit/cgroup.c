// SPDX-License-Identifier: GPL-2.0-only
/* The placer for cgroup v2: runs where there is one to write to, in guests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/unit/unit.h"
#include "tests/unit/kid.h"
#include "daemon/place/group.h"
#include "daemon/place/placer.h"

#define OTHER CGFS_ROOT "/starling-test"
#define AGENT_DIR GROUP_TOP "/tools/a7"

static const struct placer_ops *const ops = &placer_cgroup;
static char *dir;
static struct journal *j;
static struct placer *p;
static struct plan plan;
static cpu_set_t all, most;

static int set_up(void **x)
{
	struct role_plan *r = &plan.role[STARLING_ROLE_TOOL];

	dir = dir_make();
	memset(&plan, 0, sizeof(plan));
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	most = all;
	if (CPU_COUNT(&all) > 1)
		CPU_CLR(0, &most);
	r->idle_class = r->set_mask = true;
	r->mask = most;
	r->cpu_weight = 100;
	plan.role[STARLING_ROLE_BACKGROUND] = *r;
	plan.role[STARLING_ROLE_BACKGROUND].cpu_weight = 10;
	plan.role[STARLING_ROLE_BACKGROUND].clamp_max = 205;
	assert_int_equal(journal_open(&j, dir), 0);
	assert_int_equal(ops->open(&p, j), 0);
	(void)x;
	return 0;
}

static int tear_down(void **x)
{
	assert_true(ops->undo(p) >= 0);
	assert_int_equal(access(GROUP_TOP, F_OK), -1);
	ops->close(p);
	journal_close(j);
	dir_remove(dir);
	(void)x;
	return 0;
}

static struct place_task tool(pid_t pid)
{
	return (struct place_task){
		.tid = pid, .tgid = pid, .agent_id = 7, .weight = 250,
		.role = STARLING_ROLE_TOOL,
	};
}

static void apply(const struct place_task *t, size_t n)
{
	plan.seq++;
	assert_int_equal(ops->apply(p, &plan, t, n), 0);
}

static void assert_in(pid_t pid, const char *want)
{
	char is[CGFS_PATH_LEN];

	assert_int_equal(cgfs_of(pid, is, sizeof(is)), 0);
	assert_string_equal(is, want);
}

static void assert_file(const char *where, const char *name, const char *want)
{
	char is[256];

	assert_int_equal(cgfs_read(where, name, is, sizeof(is)), 0);
	assert_string_equal(is, want);
}

static void assert_mask(pid_t pid, const cpu_set_t *want)
{
	struct attrs a = kid_attrs(pid);

	assert_true(CPU_EQUAL(&a.mask, want));
}

/* By its attributes at once, by a group when it stays. */
static void a_tool_that_stays_is_moved(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);
	struct place_task t = tool(k.pid);
	char text[256];

	apply(&t, 1);
	assert_in(k.pid, CGFS_ROOT);
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_IDLE);
	assert_mask(k.pid, &most);
	apply(&t, 1);
	assert_in(k.pid, AGENT_DIR);
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_OTHER);
	assert_mask(k.pid, &most);
	assert_file(GROUP_TOP, "cpu.idle", "1");
	assert_file(AGENT_DIR, "cpu.weight", "250");
	assert_true(ops->explain(p, k.pid, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "cgroup"));
	assert_true(ops->undo(p) >= 1);
	assert_in(k.pid, CGFS_ROOT);
	assert_attrs_equal(kid_attrs(k.pid), before);
	kid_end(&k);
	(void)x;
}

/* It waits for tools, too, also while these are in the normal class. */
static void the_background_is_idle(void **x)
{
	struct kid k = kid_start();
	struct place_task t = tool(k.pid);
	char clamp[32];

	t.role = STARLING_ROLE_BACKGROUND;
	apply(&t, 1);
	apply(&t, 1);
	assert_in(k.pid, GROUP_TOP "/background");
	assert_file(GROUP_TOP "/background", "cpu.idle", "1");
	assert_file(GROUP_TOP "/tools", "cpu.idle", "0");
	if (!cgfs_read(GROUP_TOP "/background", "cpu.uclamp.max", clamp, sizeof(clamp)))
		assert_string_equal(clamp, "20.02");
	plan.role[STARLING_ROLE_TOOL].idle_class = false;	/* crowded */
	apply(&t, 1);
	assert_file(GROUP_TOP, "cpu.idle", "0");
	assert_file(GROUP_TOP "/background", "cpu.idle", "1");
	memset(&plan.role, 0, sizeof(plan.role));
	apply(&t, 1);
	assert_file(GROUP_TOP "/background", "cpu.idle", "0");
	if (!cgfs_read(GROUP_TOP "/background", "cpu.uclamp.max", clamp, sizeof(clamp)))
		assert_string_equal(clamp, "max");
	plan.role[STARLING_ROLE_BACKGROUND].cpu_weight = 10;
	apply(&t, 1);
	assert_file(GROUP_TOP "/background", "cpu.weight", "10");
	assert_true(ops->undo(p) >= 1);
	assert_in(k.pid, CGFS_ROOT);
	kid_end(&k);
	(void)x;
}

static void lent_and_taken_back(void **x)
{
	struct role_plan *r = &plan.role[STARLING_ROLE_TOOL];
	struct kid k = kid_start();
	struct place_task t = tool(k.pid);

	apply(&t, 1);
	apply(&t, 1);
	r->set_mask = false;
	apply(&t, 1);
	assert_mask(k.pid, &all);
	r->set_mask = true;
	apply(&t, 1);
	assert_mask(k.pid, &most);
	memset(&plan.role, 0, sizeof(plan.role));
	apply(&t, 1);
	assert_mask(k.pid, &all);
	assert_file(GROUP_TOP, "cpu.idle", "0");
	kid_end(&k);
	(void)x;
}

/* What binds its threads itself does not get onto a protected core. */
static void binding_does_not_help(void **x)
{
	struct kid k = kid_start();
	struct place_task t = tool(k.pid);
	cpu_set_t kept;

	CPU_XOR(&kept, &all, &most);
	if (!CPU_COUNT(&kept)) {
		kid_end(&k);
		skip();
	}
	apply(&t, 1);
	apply(&t, 1);
	assert_int_equal(sched_setaffinity(k.pid, sizeof(kept), &kept), -1);
	assert_mask(k.pid, &most);
	kid_end(&k);
	(void)x;
}

static void a_child_is_born_inside(void **x)
{
	struct kid k = kid_start();
	struct place_task t[2] = { tool(k.pid) };
	pid_t child;

	apply(t, 1);
	apply(t, 1);
	child = kid_fork(&k);
	assert_in(child, AGENT_DIR);
	t[1] = tool(child);
	assert_int_equal(ops->place(p, &t[1]), 0);
	assert_int_equal(kid_attrs(child).policy, SCHED_OTHER);
	apply(t, 2);
	assert_in(child, AGENT_DIR);
	apply(t, 1);		/* left its agent */
	assert_in(child, CGFS_ROOT);
	assert_mask(child, &all);
	kid_kill(child);
	kid_end(&k);
	(void)x;
}

static void another_role_moves_out(void **x)
{
	struct kid k = kid_start();
	struct place_task t = tool(k.pid);

	apply(&t, 1);
	apply(&t, 1);
	assert_in(k.pid, AGENT_DIR);
	t.role = STARLING_ROLE_ORCHESTRATOR;
	assert_int_equal(ops->place(p, &t), 0);
	assert_in(k.pid, CGFS_ROOT);
	assert_mask(k.pid, &all);
	kid_end(&k);
	(void)x;
}

static void after_kill_9(void **x)
{
	struct kid k = kid_start();
	struct place_task t = tool(k.pid);
	pid_t child, orphan;

	apply(&t, 1);
	apply(&t, 1);
	child = kid_fork(&k);
	orphan = kid_orphan(&k);
	ops->close(p);
	journal_close(j);
	assert_int_equal(journal_open(&j, dir), 0);
	assert_int_equal(ops->open(&p, j), 0);
	assert_int_equal(journal_undo(j), 3);
	assert_in(k.pid, CGFS_ROOT);
	assert_in(child, CGFS_ROOT);
	assert_in(orphan, CGFS_ROOT);
	assert_mask(child, &all);
	assert_int_equal(access(GROUP_TOP, F_OK), -1);
	assert_int_equal(journal_undo(j), 0);
	kid_kill(child);
	kid_kill(orphan);
	kid_end(&k);
	(void)x;
}

static void the_group_of_a_gone_agent_goes(void **x)
{
	struct kid k = kid_start();
	struct place_task t = tool(k.pid);

	apply(&t, 1);
	apply(&t, 1);
	assert_int_equal(access(AGENT_DIR, F_OK), 0);
	kid_end(&k);
	ops->forget(p, t.tid);
	apply(NULL, 0);
	assert_int_equal(access(AGENT_DIR, F_OK), -1);
	(void)x;
}

/* In a group of its own: only if its owner says so, never out of a limit. */
static void others_groups_are_respected(void **x)
{
	struct kid k = kid_start();
	struct place_task t = tool(k.pid);

	assert_int_equal(mkdir(OTHER, 0755), 0);
	assert_int_equal(cgfs_move(OTHER, k.pid), 0);
	assert_int_equal(cgfs_write(OTHER, "memory.max", "1G"), 0);
	for (int i = 0; i < 3; i++)
		apply(&t, 1);
	assert_in(k.pid, OTHER);
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_IDLE);
	apply(NULL, 0);
	t.opted_in = true;
	for (int i = 0; i < 3; i++)
		apply(&t, 1);
	assert_in(k.pid, OTHER);
	apply(NULL, 0);
	assert_int_equal(cgfs_write(OTHER, "memory.max", "max"), 0);
	for (int i = 0; i < 3; i++)
		apply(&t, 1);
	assert_in(k.pid, AGENT_DIR);
	assert_true(ops->undo(p) >= 1);
	assert_in(k.pid, OTHER);
	kid_end(&k);
	assert_int_equal(rmdir(OTHER), 0);
	(void)x;
}

#define with_placer(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_placer(a_tool_that_stays_is_moved),
		with_placer(the_background_is_idle),
		with_placer(lent_and_taken_back),
		with_placer(binding_does_not_help),
		with_placer(a_child_is_born_inside),
		with_placer(another_role_moves_out),
		with_placer(after_kill_9),
		with_placer(the_group_of_a_gone_agent_goes),
		with_placer(others_groups_are_respected),
	};
	const char *why;

	if (ops->probe(&why)) {
		printf("1..0 # SKIP %s\n", why);
		return 0;
	}
	return unit_run(tests);
}

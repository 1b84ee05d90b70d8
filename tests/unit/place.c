// SPDX-License-Identifier: GPL-2.0-only
/* The task placer on real processes, and what is left of it after kill -9. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tests/unit/unit.h"
#include "tests/unit/kid.h"
#include "daemon/place/cgfs.h"
#include "daemon/place/placer.h"
#include "daemon/place/reach.h"
#include "daemon/topology.h"

enum { AGENT = 7, MANY = 100, SLICE = 100000, OWN_SLICE = 2000000 };

static const struct placer_ops *const ops = &placer_task;
static char *dir;
static struct journal *j;
static struct placer *p;
static struct plan plan;
static cpu_set_t all;
static int last_cpu;

/* Tools leave the last CPU; with a single one there is nothing to leave. */
static void make_plan(void)
{
	memset(&plan, 0, sizeof(plan));
	plan.role[STARLING_ROLE_FEEDER].nice_delta = -15;
	plan.role[STARLING_ROLE_FEEDER].real_time = true;
	plan.role[STARLING_ROLE_FEEDER].slice_ns = SLICE;
	plan.role[STARLING_ROLE_FEEDER].clamp_min = 1024;
	plan.role[STARLING_ROLE_BACKGROUND].idle_class = true;
	plan.role[STARLING_ROLE_BACKGROUND].clamp_max = 205;
	plan.role[STARLING_ROLE_TOOL].idle_class = true;
	plan.role[STARLING_ROLE_TOOL].mask = all;
	CPU_CLR(last_cpu, &plan.role[STARLING_ROLE_TOOL].mask);
	plan.role[STARLING_ROLE_TOOL].set_mask = CPU_COUNT(&all) > 1;
}

static struct placer *open_placer(void)
{
	struct placer *out;

	assert_int_equal(ops->open(&out, j), 0);
	return out;
}

static int set_up(void **x)
{
	dir = dir_make();
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all))
			last_cpu = cpu;
	make_plan();
	assert_int_equal(journal_open(&j, dir), 0);
	p = open_placer();
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

/* The daemon dies: another one opens the journal that it left. */
static int die_and_undo(void)
{
	ops->close(p);
	journal_close(j);
	assert_int_equal(journal_open(&j, dir), 0);
	p = open_placer();
	return journal_undo(j);
}

static struct place_task task_of(pid_t tid, pid_t tgid, uint16_t role)
{
	return (struct place_task){
		.tid = tid, .tgid = tgid, .agent_id = AGENT, .weight = 100, .role = role,
	};
}

static void apply(const struct place_task *t, size_t n)
{
	plan.seq++;
	assert_int_equal(ops->apply(p, &plan, t, n), 0);
}

static void apply_one(pid_t pid, uint16_t role)
{
	struct place_task t = task_of(pid, pid, role);

	apply(&t, 1);
}

static const cpu_set_t *tool_mask(void)
{
	return plan.role[STARLING_ROLE_TOOL].set_mask ?
		&plan.role[STARLING_ROLE_TOOL].mask : &all;
}

static void assert_tool(pid_t tid)
{
	struct attrs a = kid_attrs(tid);

	assert_int_equal(a.policy, SCHED_IDLE);
	assert_true(CPU_EQUAL(&a.mask, tool_mask()));
}

static cpu_set_t *mask_of(pid_t tid)
{
	static struct attrs a;

	a = kid_attrs(tid);
	return &a.mask;
}

static void a_tool_and_back(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);
	char text[256];

	apply_one(k.pid, STARLING_ROLE_TOOL);
	assert_tool(k.pid);
	assert_true(ops->explain(p, k.pid, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "class idle (was normal)"));
	assert_int_equal(ops->undo(p), 1);
	assert_attrs_equal(kid_attrs(k.pid), before);
	assert_int_equal(ops->explain(p, k.pid, text, sizeof(text)), 0);
	assert_int_equal(ops->undo(p), 0);
	kid_end(&k);
	(void)x;
}

static void a_plan_without_it_restores(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);

	apply_one(k.pid, STARLING_ROLE_TOOL);
	memset(&plan.role, 0, sizeof(plan.role));
	apply_one(k.pid, STARLING_ROLE_TOOL);
	assert_attrs_equal(kid_attrs(k.pid), before);
	assert_int_equal(journal_count(j), 0);
	make_plan();
	apply_one(k.pid, STARLING_ROLE_TOOL);
	assert_tool(k.pid);
	apply(NULL, 0);		/* no longer listed */
	assert_attrs_equal(kid_attrs(k.pid), before);
	kid_end(&k);
	(void)x;
}

static void a_role_changes(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);
	struct place_task t = task_of(k.pid, k.pid, STARLING_ROLE_TOOL);

	apply(&t, 1);
	t.role = STARLING_ROLE_ORCHESTRATOR;
	assert_int_equal(ops->place(p, &t), 0);
	assert_attrs_equal(kid_attrs(k.pid), before);
	t.role = STARLING_ROLE_FEEDER;
	assert_int_equal(ops->place(p, &t), 0);
	assert_int_equal(kid_attrs(k.pid).nice, before.nice - 15);
	kid_end(&k);
	(void)x;
}

/* What a server starts does not run at the feeder's nice value. */
static void a_feeders_child_is_ordinary(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);
	pid_t child;

	apply_one(k.pid, STARLING_ROLE_FEEDER);
	assert_int_equal(kid_attrs(k.pid).nice, -15);
	assert_true(CPU_EQUAL(mask_of(k.pid), &before.mask));
	child = kid_fork(&k);
	assert_attrs_equal(kid_attrs(child), before);
	assert_int_equal(die_and_undo(), 1);
	assert_attrs_equal(kid_attrs(k.pid), before);
	kid_kill(child);
	kid_end(&k);
	(void)x;
}

static void apply_sleeper(pid_t pid, bool sleeps)
{
	struct place_task t = task_of(pid, pid, STARLING_ROLE_FEEDER);

	t.real_time = sleeps;
	apply(&t, 1);
}

/* Real time while it sleeps between wakes, nice when it does not, then back. */
static void a_sleeping_feeder(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);
	char text[256];
	pid_t child;

	apply_sleeper(k.pid, true);
	if (kid_attrs(k.pid).policy == SCHED_OTHER) {
		kid_end(&k);	/* no right to real time here */
		skip();
	}
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_RR | SCHED_RESET_ON_FORK);
	ops->explain(p, k.pid, text, sizeof(text));
	assert_non_null(strstr(text, "class real-time (was normal)"));
	child = kid_fork(&k);
	assert_attrs_equal(kid_attrs(child), before);
	apply_sleeper(k.pid, false);
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_OTHER | SCHED_RESET_ON_FORK);
	assert_int_equal(kid_attrs(k.pid).nice, -15);
	apply_sleeper(k.pid, true);
	assert_int_equal(die_and_undo(), 1);
	assert_attrs_equal(kid_attrs(k.pid), before);
	kid_kill(child);
	kid_end(&k);
	(void)x;
}

/* What the kernel takes is there and back again, also after kill -9. */
static void a_feeders_slice(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);
	char text[256];
	pid_t child;

	if (!attr_exists(ATTR_SLICE)) {
		kid_end(&k);
		skip();
	}
	assert_int_equal(before.slice_ns, 0);
	apply_one(k.pid, STARLING_ROLE_FEEDER);
	assert_int_equal(kid_attrs(k.pid).slice_ns, SLICE);
	assert_int_equal(kid_attrs(k.pid).nice, -15);
	ops->explain(p, k.pid, text, sizeof(text));
	assert_non_null(strstr(text, "slice 100 us"));
	child = kid_fork(&k);
	assert_attrs_equal(kid_attrs(child), before);
	apply(NULL, 0);
	assert_attrs_equal(kid_attrs(k.pid), before);
	apply_one(k.pid, STARLING_ROLE_FEEDER);
	assert_int_equal(die_and_undo(), 1);
	assert_attrs_equal(kid_attrs(k.pid), before);
	kid_kill(child);
	kid_end(&k);
	(void)x;
}

/* In a real-time class no slice can be set or seen: it waits until that has ended. */
static void a_slice_behind_real_time(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);

	apply_sleeper(k.pid, true);
	if (!attr_exists(ATTR_SLICE) || kid_attrs(k.pid).policy == SCHED_OTHER) {
		kid_end(&k);
		skip();
	}
	apply_sleeper(k.pid, false);
	assert_int_equal(kid_attrs(k.pid).slice_ns, SLICE);
	apply_sleeper(k.pid, true);
	assert_true(kid_attrs(k.pid).slice_ns == SATTR_SLICE_UNSEEN);
	apply_one(k.pid, STARLING_ROLE_TOOL);	/* nor in the idle class */
	apply_one(k.pid, STARLING_ROLE_ORCHESTRATOR);
	assert_attrs_equal(kid_attrs(k.pid), before);
	apply_sleeper(k.pid, false);
	apply_sleeper(k.pid, true);
	assert_int_equal(die_and_undo(), 1);
	assert_attrs_equal(kid_attrs(k.pid), before);
	kid_end(&k);
	(void)x;
}

static void a_slice_of_its_own_stays(void **x)
{
	struct kid k = kid_start();
	struct attrs before;

	if (!attr_exists(ATTR_SLICE)) {
		kid_end(&k);
		skip();
	}
	assert_int_equal(sattr_write_slice(k.pid, OWN_SLICE), 0);
	before = kid_attrs(k.pid);
	assert_int_equal(before.slice_ns, OWN_SLICE);
	apply_one(k.pid, STARLING_ROLE_FEEDER);
	assert_int_equal(kid_attrs(k.pid).slice_ns, OWN_SLICE);
	assert_int_equal(kid_attrs(k.pid).nice, -15);
	assert_int_equal(ops->undo(p), 1);
	assert_attrs_equal(kid_attrs(k.pid), before);
	kid_end(&k);
	(void)x;
}

static void a_slice_changed_by_others_later(void **x)
{
	struct kid k = kid_start();
	char text[256];

	if (!attr_exists(ATTR_SLICE)) {
		kid_end(&k);
		skip();
	}
	apply_one(k.pid, STARLING_ROLE_FEEDER);
	assert_int_equal(sattr_write_slice(k.pid, OWN_SLICE), 0);
	plan.role[STARLING_ROLE_FEEDER].slice_ns = 0;
	apply_one(k.pid, STARLING_ROLE_FEEDER);
	ops->explain(p, k.pid, text, sizeof(text));
	assert_non_null(strstr(text, "slice left alone: changed by others"));
	assert_int_equal(die_and_undo(), 1);
	assert_int_equal(kid_attrs(k.pid).slice_ns, OWN_SLICE);
	assert_int_equal(kid_attrs(k.pid).nice, 0);
	kid_end(&k);
	(void)x;
}

/* A feeder's bound is not inherited, that of the background is. */
static void clamps(void **x)
{
	struct kid f = kid_start(), b = kid_start();
	struct attrs before = kid_attrs(f.pid);
	struct place_task t[2] = {
		task_of(f.pid, f.pid, STARLING_ROLE_FEEDER),
		task_of(b.pid, b.pid, STARLING_ROLE_BACKGROUND),
	};
	pid_t child[2];

	if (!attr_exists(ATTR_CLAMP)) {
		kid_end(&b);
		kid_end(&f);
		skip();
	}
	apply(t, 2);
	assert_int_equal(kid_attrs(f.pid).clamp.min, 1024);
	assert_int_equal(kid_attrs(b.pid).clamp.max, 205);
	child[0] = kid_fork(&f);
	child[1] = kid_fork(&b);
	assert_attrs_equal(kid_attrs(child[0]), before);
	assert_int_equal(kid_attrs(child[1]).clamp.max, 205);
	t[0].real_time = true;
	apply(t, 2);		/* another class: another default, and ours holds */
	assert_int_equal(kid_attrs(f.pid).clamp.min, 1024);
	assert_int_equal(die_and_undo(), 3);
	assert_attrs_equal(kid_attrs(f.pid), before);
	assert_attrs_equal(kid_attrs(b.pid), before);
	assert_attrs_equal(kid_attrs(child[1]), before);
	kid_kill(child[0]);
	kid_kill(child[1]);
	kid_end(&b);
	kid_end(&f);
	(void)x;
}

static void apply_ext(pid_t pid)
{
	struct place_task t = task_of(pid, pid, STARLING_ROLE_TOOL);

	t.ext = true;
	apply(&t, 1);
}

/* The plan's class and CPUs for its role are a scheduler's business then. */
static void under_sched_ext(void **x)
{
	struct kid k = kid_start(), idle = kid_start();
	struct attrs before = kid_attrs(k.pid), want = before;
	struct sched_param param = { 0 };
	char text[256];
	pid_t child;

	apply_ext(k.pid);
	if (kid_attrs(k.pid).policy == SCHED_OTHER) {
		kid_end(&idle);
		kid_end(&k);	/* this kernel has no such class */
		skip();
	}
	want.policy = SCHED_EXT;
	assert_attrs_equal(kid_attrs(k.pid), want);
	ops->explain(p, k.pid, text, sizeof(text));
	assert_non_null(strstr(text, "class sched_ext (was normal)"));
	child = kid_fork(&k);
	assert_attrs_equal(kid_attrs(child), want);
	apply_ext(child);	/* learns it, and restores the other */
	assert_attrs_equal(kid_attrs(k.pid), before);
	apply_one(child, STARLING_ROLE_ORCHESTRATOR);
	assert_attrs_equal(kid_attrs(child), before);
	assert_int_equal(sched_setscheduler(idle.pid, SCHED_IDLE, &param), 0);
	apply_ext(idle.pid);
	assert_int_equal(kid_attrs(idle.pid).policy, SCHED_EXT);
	apply_ext(k.pid);
	assert_int_equal(kid_attrs(idle.pid).policy, SCHED_IDLE);
	assert_int_equal(die_and_undo(), 1);
	assert_attrs_equal(kid_attrs(k.pid), before);
	kid_kill(child);
	kid_end(&idle);
	kid_end(&k);
	(void)x;
}

static void a_nice_value_is_added_to(void **x)
{
	struct kid k = kid_start();

	assert_int_equal(setpriority(PRIO_PROCESS, k.pid, 5), 0);
	apply_one(k.pid, STARLING_ROLE_FEEDER);
	assert_int_equal(kid_attrs(k.pid).nice, -10);
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_OTHER);
	assert_int_equal(ops->undo(p), 1);
	assert_int_equal(kid_attrs(k.pid).nice, 5);
	kid_end(&k);
	(void)x;
}

static void set_mask(pid_t pid, int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(pid, sizeof(one), &one), 0);
}

/* A mask of its own is never widened; without room it stays. */
static void a_mask_set_by_others(void **x)
{
	struct kid k = kid_start();
	struct attrs before;
	char text[256];

	if (CPU_COUNT(&all) < 2)
		skip();
	set_mask(k.pid, last_cpu);
	before = kid_attrs(k.pid);
	apply_one(k.pid, STARLING_ROLE_TOOL);
	assert_true(CPU_EQUAL(mask_of(k.pid), &before.mask));
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_IDLE);
	ops->explain(p, k.pid, text, sizeof(text));
	assert_non_null(strstr(text, "none of the others"));
	apply(NULL, 0);
	set_mask(k.pid, 0);
	apply_one(k.pid, STARLING_ROLE_TOOL);
	assert_int_equal(CPU_COUNT(mask_of(k.pid)), 1);
	assert_true(CPU_ISSET(0, mask_of(k.pid)));
	kid_end(&k);
	(void)x;
}

/* A thread of several in step: what its own mask leaves must hold all of them. */
static void a_mask_for_all_or_none(void **x)
{
	struct role_plan *r = &plan.role[STARLING_ROLE_INFERENCE];
	struct kid k = kid_start();

	if (CPU_COUNT(&all) < 2)
		skip();
	r->nice_delta = -10;
	r->set_mask = true;
	CPU_ZERO(&r->mask);
	CPU_SET(last_cpu, &r->mask);
	r->mask_least = 2;
	apply_one(k.pid, STARLING_ROLE_INFERENCE);
	assert_int_equal(kid_attrs(k.pid).nice, -10);
	assert_true(CPU_EQUAL(mask_of(k.pid), &all));
	r->mask_least = 1;
	apply_one(k.pid, STARLING_ROLE_INFERENCE);
	assert_true(CPU_EQUAL(mask_of(k.pid), &r->mask));
	assert_int_equal(die_and_undo(), 1);
	assert_true(CPU_EQUAL(mask_of(k.pid), &all));
	assert_int_equal(kid_attrs(k.pid).nice, 0);
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_OTHER);
	kid_end(&k);
	(void)x;
}

static void changed_by_others_later(void **x)
{
	struct kid k = kid_start();
	char text[256];

	if (CPU_COUNT(&all) < 2)
		skip();
	apply_one(k.pid, STARLING_ROLE_TOOL);
	set_mask(k.pid, last_cpu);
	plan.role[STARLING_ROLE_TOOL].set_mask = false;
	apply_one(k.pid, STARLING_ROLE_TOOL);
	assert_int_equal(CPU_COUNT(mask_of(k.pid)), 1);
	ops->explain(p, k.pid, text, sizeof(text));
	assert_non_null(strstr(text, "mask left alone: changed by others"));
	assert_int_equal(die_and_undo(), 1);
	assert_true(CPU_ISSET(last_cpu, mask_of(k.pid)));
	assert_int_equal(CPU_COUNT(mask_of(k.pid)), 1);
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_OTHER);
	kid_end(&k);
	(void)x;
}

static void real_time_is_not_touched(void **x)
{
	struct sched_param param = { .sched_priority = 1 };
	struct kid k = kid_start();
	struct attrs before;

	if (sched_setscheduler(k.pid, SCHED_FIFO, &param)) {
		kid_end(&k);
		skip();
	}
	before = kid_attrs(k.pid);
	apply_one(k.pid, STARLING_ROLE_TOOL);
	assert_attrs_equal(kid_attrs(k.pid), before);
	assert_int_equal(journal_count(j), 0);
	kid_end(&k);
	(void)x;
}

static void an_own_idle_class_stays(void **x)
{
	struct sched_param param = { 0 };
	struct kid k = kid_start();

	assert_int_equal(sched_setscheduler(k.pid, SCHED_IDLE, &param), 0);
	apply_one(k.pid, STARLING_ROLE_TOOL);
	ops->undo(p);
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_IDLE);
	assert_true(CPU_EQUAL(mask_of(k.pid), &all));
	kid_end(&k);
	(void)x;
}

/* What could not be taken back is not done. */
static void without_the_right_to_undo(void **x)
{
	struct kid k = kid_start();

	kid_cap_nice(false);
	ops->close(p);
	p = open_placer();
	apply_one(k.pid, STARLING_ROLE_TOOL);
	assert_int_equal(kid_attrs(k.pid).policy, SCHED_OTHER);
	assert_true(CPU_EQUAL(mask_of(k.pid), tool_mask()));
	ops->undo(p);
	assert_true(CPU_EQUAL(mask_of(k.pid), &all));
	kid_cap_nice(true);
	kid_end(&k);
	(void)x;
}

/* Born in its place; goes back to what its parent was. */
static void a_child_inherits(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);
	struct place_task t[2];

	t[0] = task_of(k.pid, k.pid, STARLING_ROLE_TOOL);
	apply(t, 1);
	t[1] = task_of(kid_fork(&k), 0, STARLING_ROLE_TOOL);
	t[1].tgid = t[1].tid;
	assert_tool(t[1].tid);
	apply(t, 2);
	assert_tool(t[1].tid);
	memset(&plan.role, 0, sizeof(plan.role));
	apply(t, 2);
	assert_attrs_equal(kid_attrs(t[1].tid), before);
	kid_kill(t[1].tid);
	kid_end(&k);
	(void)x;
}

/* Its parents are gone before we first see it. */
static void an_orphan_inherits(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);
	struct place_task t = task_of(k.pid, k.pid, STARLING_ROLE_TOOL);

	apply(&t, 1);
	t.tid = t.tgid = kid_orphan(&k);
	apply(&t, 1);		/* restores the parent, learns the orphan */
	assert_attrs_equal(kid_attrs(k.pid), before);
	assert_tool(t.tid);
	apply(NULL, 0);
	assert_attrs_equal(kid_attrs(t.tid), before);
	kid_kill(t.tid);
	kid_end(&k);
	(void)x;
}

/* After kill -9: children, threads and orphans no line speaks of. */
static void the_unknown_are_found(void **x)
{
	struct kid k = kid_start(), stranger = kid_start();
	struct attrs before = kid_attrs(k.pid), theirs;
	struct sched_param param = { 0 };
	pid_t child, thread, orphan;
	int n;

	apply_one(k.pid, STARLING_ROLE_TOOL);
	child = kid_fork(&k);
	thread = kid_thread(&k);
	orphan = kid_orphan(&k);
	assert_tool(child);
	assert_tool(thread);
	assert_tool(orphan);
	/*
	 * Somebody's own idle task, as old and of the same session: only by
	 * its CPUs it can be told from an orphan of ours.
	 */
	assert_int_equal(sched_setscheduler(stranger.pid, SCHED_IDLE, &param), 0);
	theirs = kid_attrs(stranger.pid);
	n = die_and_undo();
	assert_in_range(n, 4, CPU_COUNT(&all) > 1 ? 4 : 5);
	assert_attrs_equal(kid_attrs(k.pid), before);
	assert_attrs_equal(kid_attrs(child), before);
	assert_attrs_equal(kid_attrs(thread), before);
	assert_attrs_equal(kid_attrs(orphan), before);
	if (CPU_COUNT(&all) > 1)
		assert_attrs_equal(kid_attrs(stranger.pid), theirs);
	assert_int_equal(journal_undo(j), 0);
	kid_kill(child);
	kid_kill(orphan);
	kid_end(&stranger);
	kid_end(&k);
	(void)x;
}

/* The parent we changed has died: the child is known by its group. */
static void the_child_of_a_dead_tool(void **x)
{
	struct kid k = kid_start();
	struct attrs before = kid_attrs(k.pid);
	pid_t orphan;

	apply_one(k.pid, STARLING_ROLE_TOOL);
	orphan = kid_orphan(&k);
	kid_end(&k);
	ops->forget(p, k.pid);
	assert_tool(orphan);
	assert_int_equal(die_and_undo(), 1);
	assert_attrs_equal(kid_attrs(orphan), before);
	kid_kill(orphan);
	(void)x;
}

static void a_task_that_is_gone(void **x)
{
	struct kid k = kid_start();
	struct place_task t = task_of(k.pid, k.pid, STARLING_ROLE_TOOL);

	apply(&t, 1);
	kid_end(&k);
	apply(&t, 1);
	memset(&plan.role, 0, sizeof(plan.role));
	apply(&t, 1);
	assert_int_equal(ops->place(p, &t), 0);
	assert_int_equal(ops->undo(p), 0);
	ops->forget(p, t.tid);
	(void)x;
}

/* Classes count inside of a session, and between them only without autogroup. */
static void reach(void **x)
{
	struct kid k = kid_start();
	pid_t orphan = kid_orphan(&k);		/* in a session of its own */
	char word[8] = "0";
	bool autogroup = !cgfs_read("/proc/sys/kernel", "sched_autogroup_enabled",
				    word, sizeof(word)) && word[0] == '1';

	assert_int_not_equal(reach_group(getpid()), 0);
	assert_int_equal(reach_group(getpid()), reach_group(k.pid));
	if (autogroup)
		assert_int_not_equal(reach_group(orphan), reach_group(k.pid));
	else
		assert_int_equal(reach_group(orphan), reach_group(k.pid));
	assert_int_equal(reach_group(0x7ffffff0), 0);
	kid_kill(orphan);
	kid_end(&k);
	(void)x;
}

static double ms_since(const struct timespec *begin)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	return (end.tv_sec - begin->tv_sec) * 1e3 + (end.tv_nsec - begin->tv_nsec) / 1e6;
}

static double time_apply(const struct place_task *t, size_t n)
{
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	apply(t, n);
	return ms_since(&begin);
}

/* The bounds are for emulated CPUs; the figures are printed. */
static void a_hundred_tasks(void **x)
{
	static struct place_task t[MANY];
	struct kid k = kid_start();
	double fresh, same, lend, take;

	for (int i = 0; i < MANY; i++) {
		pid_t pid = kid_fork(&k);

		t[i] = task_of(pid, pid, STARLING_ROLE_TOOL);
	}
	fresh = time_apply(t, MANY);
	same = time_apply(t, MANY);
	plan.role[STARLING_ROLE_TOOL].set_mask = false;
	lend = time_apply(t, MANY);
	make_plan();
	take = time_apply(t, MANY);
	print_message("# 100 tasks: first %.2f ms, unchanged %.3f, lend %.2f, take back %.2f\n",
		      fresh, same, lend, take);
	assert_true(fresh < 1000 && same < 50 && lend < 500 && take < 500);
	for (int i = 0; i < MANY; i++)
		assert_tool(t[i].tid);
	assert_int_equal(die_and_undo(), MANY);
	for (int i = 0; i < MANY; i++)
		kid_kill(t[i].tid);
	kid_end(&k);
	(void)x;
}

#define with_placer(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_placer(a_tool_and_back),
		with_placer(a_plan_without_it_restores),
		with_placer(a_role_changes),
		with_placer(a_feeders_child_is_ordinary),
		with_placer(a_sleeping_feeder),
		with_placer(a_feeders_slice),
		with_placer(a_slice_behind_real_time),
		with_placer(a_slice_of_its_own_stays),
		with_placer(a_slice_changed_by_others_later),
		with_placer(clamps),
		with_placer(under_sched_ext),
		with_placer(a_nice_value_is_added_to),
		with_placer(a_mask_set_by_others),
		with_placer(a_mask_for_all_or_none),
		with_placer(changed_by_others_later),
		with_placer(real_time_is_not_touched),
		with_placer(an_own_idle_class_stays),
		with_placer(without_the_right_to_undo),
		with_placer(a_child_inherits),
		with_placer(an_orphan_inherits),
		with_placer(the_unknown_are_found),
		with_placer(the_child_of_a_dead_tool),
		with_placer(a_task_that_is_gone),
		with_placer(reach),
		with_placer(a_hundred_tasks),
	};

	if (geteuid()) {
		printf("1..0 # SKIP needs root\n");
		return 0;
	}
	return unit_run(tests);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The placer that needs nothing: affinity, class and nice of each task.
 *
 * All that a plan asks is first noted in the journal, written once, and then
 * done. A feeder is given class and nice value with "reset on fork", so that
 * what a server starts does not inherit them; tools pass theirs on, as meant:
 * a child is in its place before we have heard of it.
 */
#include "daemon/place/placed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/log.h"
#include "daemon/place/placer.h"
#include "daemon/place/right.h"
#include "daemon/topology.h"

enum { NICE_MIN = -20, NICE_MAX = 19 };

struct task_placer {
	struct placer base;
	struct placed_table tasks;
	struct plan plan;
	uint32_t round;
	bool masks_only;	/* classes could not be given back */
	bool no_real_time;	/* this machine refused it */
	uint64_t denied;
	bool denied_said;
};

static struct task_placer *to_task(struct placer *p)
{
	return placer_of(p, struct task_placer);
}

/* -- what a task should be -------------------------------------------------------- */

static int clamp_nice(int nice)
{
	return nice < NICE_MIN ? NICE_MIN : nice > NICE_MAX ? NICE_MAX : nice;
}

static void want_mask(struct placed *p, const struct role_plan *r)
{
	cpu_set_t both;

	p->no_room = false;
	if (!r->set_mask)
		return;
	CPU_AND(&both, &p->c.orig.mask, &r->mask);
	if (CPU_COUNT(&both) && (unsigned int)CPU_COUNT(&both) >= r->mask_least)
		p->want.mask = both;
	else
		p->no_room = true;
}

/* Asked for each time: a program may give up its rights. */
static void limit_nice(struct placed *p, struct role_plan *r)
{
	int least = right_nice(p->tid) - p->c.orig.nice;

	if (least > 0)
		least = 0;
	p->limited = r->nice_delta < least;
	if (p->limited)
		r->nice_delta = least;
}

static bool is_idle(const struct placed *p)
{
	return (p->c.orig.policy & ~SCHED_RESET_ON_FORK) == SCHED_IDLE;
}

/* The kernel resets to 0: right only where that is what it was. */
static bool may_reset(const struct placed *p)
{
	return !is_idle(p) && !p->c.orig.nice;
}

static void want_class(struct placed *p, const struct role_plan *r, bool real_time)
{
	if (r->idle_class && !is_idle(p))
		p->want.policy = SCHED_IDLE | (p->c.orig.policy & SCHED_RESET_ON_FORK);
	if (!r->nice_delta || is_idle(p))
		return;
	p->want.nice = clamp_nice(p->c.orig.nice + r->nice_delta);
	if (p->want.nice >= 0 || !may_reset(p) || r->idle_class)
		return;
	p->want.policy = (real_time ? SCHED_RR : p->want.policy) | SCHED_RESET_ON_FORK;
}

/*
 * What is nobody's but the feeder's must not be inherited, so it goes with the reset
 * at fork; what keeps a task aside is passed on as its class is. Slices and clamps
 * that somebody chose are theirs.
 */
static void want_extras(struct placed *p, const struct role_plan *r)
{
	const struct attrs *orig = &p->c.orig;

	if (attr_is_real_time(&p->want))	/* no slice can be set there: it stays */
		p->want.slice_ns = p->c.set.slice_ns;
	if (!(p->want.policy & SCHED_RESET_ON_FORK) && !r->idle_class)
		return;
	if (r->slice_ns && !orig->slice_ns && !attr_is_real_time(&p->want) &&
	    attr_exists(ATTR_SLICE))
		p->want.slice_ns = r->slice_ns;
	if (orig->clamp.min || orig->clamp.max < SATTR_CLAMP_FULL || !attr_exists(ATTR_CLAMP))
		return;
	if (r->clamp_min)
		p->want.clamp.min = r->clamp_min;
	if (r->clamp_max)
		p->want.clamp.max = r->clamp_max;
}

/*
 * Its scheduler decides the rest. In the kernel's idle class it would go before all
 * of these, whatever it wants.
 */
static void want_ext(struct placed *p)
{
	p->want.policy = SCHED_EXT | (p->c.orig.policy & SCHED_RESET_ON_FORK);
}

static void find_want(const struct task_placer *tp, struct placed *p,
		      const struct plan *plan)
{
	const struct role_plan *r;
	struct role_plan own;

	p->want = p->c.orig;
	p->limited = false;
	if (p->fixed || !plan || p->role >= __STARLING_ROLE_MAX)
		return;
	r = &plan->role[p->role];
	if (p->ext && !tp->masks_only) {
		want_ext(p);
		return;
	}
	want_mask(p, r);
	if (tp->masks_only)
		return;
	if (p->said && r->nice_delta < 0) {
		own = *r;
		limit_nice(p, &own);
		r = &own;
	}
	want_class(p, r, r->real_time && p->real_time && !tp->no_real_time);
	want_extras(p, r);
}

/* -- doing it ------------------------------------------------------------------------ */

/* Somebody else changed the attribute since: it is theirs now. */
static bool is_foreign(struct task_placer *tp, struct placed *p, enum attr a)
{
	struct attrs now;

	if (attr_read(p->tid, a, &now))
		return false;
	if (attr_equal(a, &now, &p->c.set))
		return false;
	p->foreign |= ATTR_BIT(a);
	p->differ &= ~ATTR_BIT(a);
	journal_back(tp->base.journal, p->tid, p->id.start, ATTR_BIT(a));
	return true;
}

static unsigned int find_todo(struct task_placer *tp, struct placed *p)
{
	unsigned int todo = 0;

	for (int a = 0; a < __ATTR_MAX; a++) {
		if ((p->foreign | p->denied) & ATTR_BIT(a))
			continue;
		if (!attr_equal(a, &p->want, &p->c.set) && !is_foreign(tp, p, a))
			todo |= ATTR_BIT(a);
	}
	return todo;
}

static unsigned int changes_of(const struct placed *p)
{
	unsigned int bits = 0;

	for (int a = 0; a < __ATTR_MAX; a++)
		if ((p->todo & ATTR_BIT(a)) && !attr_equal(a, &p->want, &p->c.orig))
			bits |= ATTR_BIT(a);
	return bits;
}

/* Work out and note what @p needs; true when there is something to do. */
static bool prepare(struct task_placer *tp, struct placed *p, const struct plan *plan,
		    bool fresh)
{
	unsigned int bits;

	find_want(tp, p, plan);
	if (fresh && p->differ)	/* inherited: not ours to do, but ours to undo */
		journal_note(tp->base.journal, &p->id, p->differ, &p->c.orig, &p->c.set);
	p->todo = find_todo(tp, p);
	bits = changes_of(p);
	if (bits)
		journal_note(tp->base.journal, &p->id, bits, &p->c.orig, &p->want);
	return p->todo;
}

static void deny(struct task_placer *tp, struct placed *p, enum attr a, int err)
{
	p->denied |= ATTR_BIT(a);
	tp->denied++;
	if (!tp->denied_said)
		log_warn("may not change the %s of thread %u: %s; run as root or with "
			 "CAP_SYS_NICE (said once, counted from here on)",
			 attr_name(a), p->tid, strerror(-err));
	tp->denied_said = true;
}

/* Limits on real time are the machine's: do without it, from the next look on. */
static void no_real_time(struct task_placer *tp, const struct placed *p, int err)
{
	tp->no_real_time = true;
	log_warn("may not give thread %u a real-time class: %s; feeders that block get "
		 "a nice value alone", p->tid, strerror(-err));
}

static int change_one(struct task_placer *tp, struct placed *p, enum attr a)
{
	int err = attr_write(p->tid, a, &p->want);

	if (err == -ESRCH)
		return err;
	if (err == -EAGAIN)	/* once more after the class, or at the next look */
		return 0;
	p->todo &= ~ATTR_BIT(a);
	if (err) {
		if (a == ATTR_POLICY && attr_is_real_time(&p->want))
			no_real_time(tp, p, err);
		else
			deny(tp, p, a, err);
		journal_back(tp->base.journal, p->tid, p->id.start, ATTR_BIT(a));
		return 0;
	}
	attr_copy(a, &p->c.prev, &p->c.set);
	attr_copy(a, &p->c.set, &p->want);
	if (attr_equal(a, &p->want, &p->c.orig)) {
		p->differ &= ~ATTR_BIT(a);
		journal_back(tp->base.journal, p->tid, p->id.start, ATTR_BIT(a));
	} else {
		p->differ |= ATTR_BIT(a);
	}
	return 0;
}

/* Away from the protected core before all else; slices where the class allows it. */
static const enum attr change_order[] = {
	ATTR_MASK, ATTR_SLICE, ATTR_POLICY, ATTR_NICE, ATTR_SLICE, ATTR_CLAMP,
};

static int change(struct task_placer *tp, struct placed *p)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(change_order) / sizeof(change_order[0]) && !err; i++)
		if (p->todo & ATTR_BIT(change_order[i]))
			err = change_one(tp, p, change_order[i]);
	if (!err && p->differ)
		placed_birth(&tp->tasks, p);
	return err;
}

static void gone(struct task_placer *tp, struct placed *p)
{
	journal_forget(tp->base.journal, p->tid, p->id.start);
	placed_drop(&tp->tasks, p);
}

/* All of @list has been noted: write that down, then do it. */
static int carry_out(struct task_placer *tp, struct placed *list)
{
	int err = journal_flush(tp->base.journal);
	struct placed *next;

	if (err)
		return err;
	for (; list; list = next) {
		next = list->next;
		if (change(tp, list))
			gone(tp, list);
	}
	return 0;
}

static struct placed *push(struct placed *list, struct placed *p)
{
	p->next = list;
	return p;
}

static struct placed *take_task(struct task_placer *tp, const struct place_task *in,
				struct placed *list)
{
	bool known = placed_find(&tp->tasks, in->tid);
	struct placed *p;

	if (placed_get(&tp->tasks, in, &p))
		return list;
	p->round = tp->round;
	return prepare(tp, p, &tp->plan, !known) ? push(list, p) : list;
}

/* Tasks no longer listed get back what they had. */
static struct placed *release_others(struct task_placer *tp, struct placed *list)
{
	struct placed *p, *next;

	HASH_ITER(hh, tp->tasks.head, p, next)
		if (p->round != tp->round && prepare(tp, p, NULL, false))
			list = push(list, p);
	return list;
}

static void drop_others(struct task_placer *tp)
{
	struct placed *p, *next;

	HASH_ITER(hh, tp->tasks.head, p, next)
		if (p->round != tp->round)
			placed_drop(&tp->tasks, p);
}

/* -- the interface ---------------------------------------------------------------------- */

static int task_probe(const char **why)
{
	*why = NULL;
	return 0;
}

static int task_open(struct placer **out, struct journal *j)
{
	struct task_placer *tp = calloc(1, sizeof(*tp));

	if (!tp)
		return -ENOMEM;
	tp->base.journal = j;
	tp->masks_only = !attr_may_return(ATTR_POLICY);
	if (tp->masks_only)
		log_warn("no CAP_SYS_NICE: only CPUs are chosen, classes and nice values "
			 "stay as they are; run as root for those");
	*out = &tp->base;
	return 0;
}

static int task_apply(struct placer *base, const struct plan *plan,
		      const struct place_task *task, size_t n)
{
	struct task_placer *tp = to_task(base);
	struct placed *list = NULL;
	int err;

	tp->plan = *plan;
	tp->round++;
	for (size_t i = 0; i < n; i++)
		list = take_task(tp, &task[i], list);
	err = carry_out(tp, release_others(tp, list));
	if (!err)
		drop_others(tp);
	return err;
}

static int task_place(struct placer *base, const struct place_task *task)
{
	struct task_placer *tp = to_task(base);

	/* nothing to give, nor to take back: not worth learning what it is */
	if (task->role == STARLING_ROLE_NONE && !placed_find(&tp->tasks, task->tid))
		return 0;
	return carry_out(tp, take_task(tp, task, NULL));
}

/* As want_class() and find_todo() will have it. Who is not known yet soon is. */
static bool task_real_time(struct placer *base, uint32_t tid)
{
	const struct task_placer *tp = to_task(base);
	const struct placed *p = placed_find(&tp->tasks, tid);

	if (tp->masks_only || tp->no_real_time)
		return false;
	if (!p || p->fixed)
		return true;
	return may_reset(p) && !((p->foreign | p->denied) & ATTR_BIT(ATTR_POLICY));
}

static void task_forget(struct placer *base, uint32_t tid)
{
	struct task_placer *tp = to_task(base);
	struct placed *p = placed_find(&tp->tasks, tid);

	if (p)
		gone(tp, p);
}

static int task_undo(struct placer *base)
{
	struct task_placer *tp = to_task(base);
	int n = journal_undo(tp->base.journal);

	placed_clear(&tp->tasks);
	return n;
}

static void task_close(struct placer *base)
{
	struct task_placer *tp = to_task(base);

	placed_clear(&tp->tasks);
	free(tp);
}

/* -- explain ----------------------------------------------------------------------------- */

static const char *policy_text(int policy)
{
	switch (policy & ~SCHED_RESET_ON_FORK) {
	case SCHED_OTHER:
		return "normal";
	case SCHED_BATCH:
		return "batch";
	case SCHED_IDLE:
		return "idle";
	case SCHED_EXT:
		return "sched_ext";
	case SCHED_FIFO:
	case SCHED_RR:
		return "real-time";
	default:
		return "other";
	}
}

static int explain_attr(const struct placed *p, enum attr a, char *buf, size_t len)
{
	char was[128], is[128];

	switch (a) {
	case ATTR_MASK:
		return snprintf(buf, len, "CPUs %s (were %s)",
				cpuset_format(&p->c.set.mask, is, sizeof(is)),
				cpuset_format(&p->c.orig.mask, was, sizeof(was)));
	case ATTR_POLICY:
		if (!((p->c.set.policy ^ p->c.orig.policy) & ~SCHED_RESET_ON_FORK))
			return snprintf(buf, len, "children start at nice 0");
		return snprintf(buf, len, "class %s (was %s)", policy_text(p->c.set.policy),
				policy_text(p->c.orig.policy));
	case ATTR_SLICE:
		return snprintf(buf, len, "slice %llu us",
				(unsigned long long)p->c.set.slice_ns / 1000);
	case ATTR_CLAMP:
		return snprintf(buf, len, "utilization from %u to %u of %u",
				p->c.set.clamp.min, p->c.set.clamp.max, SATTR_CLAMP_FULL);
	default:
		return snprintf(buf, len, "nice %d (was %d)", p->c.set.nice, p->c.orig.nice);
	}
}

struct text {
	char *buf;
	size_t len;
	size_t at;
};

static void text_join(struct text *t, const char *more)
{
	int n;

	if (t->at >= t->len)
		return;
	n = snprintf(t->buf + t->at, t->len - t->at, "%s%s", t->at ? ", " : "", more);
	if (n > 0)
		t->at += n;
}

static void explain_left_alone(const struct placed *p, struct text *t)
{
	char word[64];

	if (p->fixed)
		text_join(t, "left alone: real-time, deadline or kernel thread");
	if (p->no_room)
		text_join(t, "CPUs left alone: its own mask has none of the others, or too "
			  "few");
	if (p->limited)
		text_join(t, "nice no lower: what it is was said, not seen, and RLIMIT_NICE "
			  "allows it no more");
	for (int a = 0; a < __ATTR_MAX; a++) {
		if (p->foreign & ATTR_BIT(a)) {
			snprintf(word, sizeof(word), "%s left alone: changed by others",
				 attr_name(a));
			text_join(t, word);
		}
		if (p->denied & ATTR_BIT(a)) {
			snprintf(word, sizeof(word), "%s: no permission", attr_name(a));
			text_join(t, word);
		}
	}
}

static int task_explain(struct placer *base, uint32_t tid, char *buf, size_t len)
{
	const struct placed *p = placed_find(&to_task(base)->tasks, tid);
	struct text t = { buf, len, 0 };
	char word[320];

	if (!p || !len)
		return 0;
	buf[0] = '\0';
	for (int a = 0; a < __ATTR_MAX; a++)
		if (p->differ & ATTR_BIT(a)) {
			explain_attr(p, a, word, sizeof(word));
			text_join(&t, word);
		}
	explain_left_alone(p, &t);
	return t.at < len ? t.at : len - 1;
}

const struct placer_ops placer_task = {
	.name = "task",
	.probe = task_probe,
	.open = task_open,
	.apply = task_apply,
	.place = task_place,
	.forget = task_forget,
	.real_time = task_real_time,
	.explain = task_explain,
	.undo = task_undo,
	.close = task_close,
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The placer for cgroup v2, on top of the one for tasks.
 *
 * A new tool is first placed by its own attributes: that takes microseconds,
 * and most tools are gone before anything else could be done. To move one
 * between cgroups holds up every fork on the machine for a moment, so only
 * processes that are still there at a later look are moved, and only those
 * that may be: in no group at all, or started for an agent by its owner and
 * under no limits of the group they are in. What a moved process starts is
 * born in the group. Its own attributes are then given back: the group's
 * class and CPUs hold, also against a tool that binds its threads itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/log.h"
#include "daemon/others.h"
#include "daemon/place/group.h"
#include "daemon/place/placer.h"

enum { MOVES_MAX = 32 };	/* in one apply: the rest has its turn later */

struct member {
	uint32_t tgid;		/* key */
	struct identity id;
	char *from;		/* NULL: born in the group */
	bool inside;
	bool refused;		/* may not be moved, or could not be */
	uint32_t seen;		/* applies it was seen in */
	uint32_t round;
	UT_hash_handle hh;
};

struct cgroup_placer {
	struct placer base;
	struct placer *task;	/* all that no group can do */
	struct groups groups;
	struct member *member;
	struct plan plan;
	uint32_t round;
	bool failed;		/* groups cannot be made: said once */
};

static struct cgroup_placer *to_cgroup(struct placer *p)
{
	return placer_of(p, struct cgroup_placer);
}

/* -- who may move -------------------------------------------------------------------- */

static bool has_limit(const char *dir, const char *file, const char *none)
{
	char now[128];

	return !cgfs_read(dir, file, now, sizeof(now)) && strncmp(now, none, strlen(none)) &&
		now[0];
}

/* A limit that somebody set for the group must go on holding for its tasks. */
static bool is_limited(const char *dir)
{
	char path[CGFS_PATH_LEN], *slash;
	char cpus[8], weight[8];

	snprintf(path, sizeof(path), "%s", dir);
	while (strlen(path) > strlen(CGFS_ROOT)) {
		if (has_limit(path, "memory.max", "max") ||
		    has_limit(path, "memory.high", "max") ||
		    has_limit(path, "cpu.max", "max"))
			return true;
		if (!cgfs_read(path, "cpuset.cpus", cpus, sizeof(cpus)) && cpus[0])
			return true;
		if (!cgfs_read(path, "cpu.weight", weight, sizeof(weight)) &&
		    strcmp(weight, "100"))
			return true;
		slash = strrchr(path, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	return false;
}

static bool may_move(const struct place_task *t, const char *dir)
{
	if (!strcmp(dir, CGFS_ROOT))
		return true;
	return t->opted_in && !others_own_group(dir) && !is_limited(dir);
}

static bool belongs(const struct place_task *t)
{
	return t->role == STARLING_ROLE_TOOL || t->role == STARLING_ROLE_BACKGROUND;
}

/* -- members --------------------------------------------------------------------------- */

static struct member *find(const struct cgroup_placer *cp, uint32_t tgid)
{
	struct member *m;

	HASH_FIND(hh, cp->member, &tgid, sizeof(tgid), m);
	return m;
}

static void drop(struct cgroup_placer *cp, struct member *m)
{
	HASH_DELETE(hh, cp->member, m);
	free(m->from);
	free(m);
}

static struct member *learn(struct cgroup_placer *cp, const struct place_task *t)
{
	struct member *m = calloc(1, sizeof(*m));
	char dir[CGFS_PATH_LEN];

	if (!m)
		return NULL;
	m->tgid = t->tgid;
	if (ident_read(t->tgid, t->tgid, &m->id) || cgfs_of(t->tgid, dir, sizeof(dir))) {
		free(m);
		return NULL;
	}
	m->inside = group_is_ours(dir);
	m->refused = !m->inside && !may_move(t, dir);
	HASH_ADD(hh, cp->member, tgid, sizeof(m->tgid), m);
	return m;
}

static struct member *get(struct cgroup_placer *cp, const struct place_task *t)
{
	struct member *m = find(cp, t->tgid);

	return m ? m : learn(cp, t);
}

/* What the placer for tasks is to do: nothing for those in a group. */
static struct place_task for_task(struct cgroup_placer *cp, const struct place_task *t)
{
	struct place_task out = *t;
	struct member *m = belongs(t) ? get(cp, t) : NULL;

	if (m && m->inside)
		out.role = STARLING_ROLE_NONE;
	return out;
}

/* -- moving ------------------------------------------------------------------------------ */

static int move_in(struct cgroup_placer *cp, struct member *m, const struct place_task *t)
{
	char from[CGFS_PATH_LEN], to[CGFS_PATH_LEN];
	int err = cgfs_of(m->tgid, from, sizeof(from));

	if (!err)
		err = group_for(&cp->groups, t, to, sizeof(to));
	if (err)
		return err;
	journal_note_move(cp->base.journal, &m->id, from, to);
	err = journal_flush(cp->base.journal);
	if (!err)
		err = cgfs_move(to, m->tgid);
	if (err) {
		journal_back_move(cp->base.journal, m->id.tid, m->id.start);
		return err;
	}
	m->from = strdup(from);
	m->inside = true;
	return 0;
}

/* One that was born in the group goes where the group's others came from. */
static const char *home_of(const struct cgroup_placer *cp, const struct member *m)
{
	const struct member *other;

	if (m->from)
		return m->from;
	for (other = cp->member; other; other = other->hh.next)
		if (other->from)
			return other->from;
	return CGFS_ROOT;
}

static void move_out(struct cgroup_placer *cp, struct member *m)
{
	if (!m->inside || !ident_alive(&m->id))
		return;
	if (!cgfs_move(home_of(cp, m), m->tgid))
		journal_back_move(cp->base.journal, m->id.tid, m->id.start);
	m->inside = false;
	m->refused = true;	/* its role changed once: no back and forth */
}

/* A process moves as a whole: one thread with another role keeps it out. */
static void mark_mixed(struct cgroup_placer *cp, const struct place_task *task, size_t n)
{
	struct member *m;

	for (size_t i = 0; i < n; i++) {
		m = belongs(&task[i]) ? NULL : find(cp, task[i].tgid);
		if (m)
			move_out(cp, m);
	}
}

static bool is_wanted(const struct cgroup_placer *cp)
{
	return cp->plan.role[STARLING_ROLE_TOOL].idle_class && !cp->failed;
}

static int make_groups(struct cgroup_placer *cp)
{
	int err = group_make(&cp->groups);

	if (!err)
		err = group_set(&cp->groups, &cp->plan);
	if (err && !cp->failed)
		log_warn("cannot set cgroups up under " GROUP_TOP
			 ": %s; placing by task attributes alone", strerror(-err));
	cp->failed = cp->failed || err;
	return err;
}

/* Seen at an earlier apply: long-lived enough to be worth a move. */
static bool is_ripe(const struct cgroup_placer *cp, const struct member *m)
{
	return !m->inside && !m->refused && m->seen > 1 && m->round == cp->round;
}

static void move_some(struct cgroup_placer *cp, const struct place_task *task, size_t n)
{
	unsigned int left = MOVES_MAX;
	struct member *m;
	int err;

	for (size_t i = 0; i < n && left && is_wanted(cp); i++) {
		if (!belongs(&task[i]) || task[i].tid != task[i].tgid)
			continue;
		m = find(cp, task[i].tgid);
		if (!m || !is_ripe(cp, m))
			continue;
		if (make_groups(cp))
			return;
		left--;
		err = move_in(cp, m, &task[i]);
		m->refused = err && err != -ESRCH;
	}
}

static void see_all(struct cgroup_placer *cp, const struct place_task *task, size_t n)
{
	struct member *m;

	for (size_t i = 0; i < n; i++) {
		m = belongs(&task[i]) ? get(cp, &task[i]) : NULL;
		if (!m || m->round == cp->round)
			continue;
		m->round = cp->round;
		m->seen++;
	}
}

static void drop_others(struct cgroup_placer *cp)
{
	struct member *m, *next;

	HASH_ITER(hh, cp->member, m, next) {
		if (m->round == cp->round)
			continue;
		move_out(cp, m);
		drop(cp, m);
	}
}

/* -- the interface ------------------------------------------------------------------------ */

static int cgroup_open(struct placer **out, struct journal *j)
{
	struct cgroup_placer *cp = calloc(1, sizeof(*cp));
	int err;

	if (!cp)
		return -ENOMEM;
	err = placer_task.open(&cp->task, j);
	if (err) {
		free(cp);
		return err;
	}
	cp->base.journal = j;
	cp->groups.journal = j;
	*out = &cp->base;
	return 0;
}

static int apply_tasks(struct cgroup_placer *cp, const struct place_task *task, size_t n)
{
	struct place_task *list = calloc(n + 1, sizeof(*list));
	int err;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		list[i] = for_task(cp, &task[i]);
	err = placer_task.apply(cp->task, &cp->plan, list, n);
	free(list);
	return err;
}

static int cgroup_apply(struct placer *base, const struct plan *plan,
			const struct place_task *task, size_t n)
{
	struct cgroup_placer *cp = to_cgroup(base);

	cp->plan = *plan;
	cp->round++;
	see_all(cp, task, n);
	mark_mixed(cp, task, n);
	drop_others(cp);
	/* those in a group first: one write moves them all off a core */
	if (group_set(&cp->groups, plan))
		cp->failed = true;
	move_some(cp, task, n);
	if (cp->groups.made)
		group_sweep();
	return apply_tasks(cp, task, n);
}

static int cgroup_place(struct placer *base, const struct place_task *task)
{
	struct cgroup_placer *cp = to_cgroup(base);
	struct place_task t = for_task(cp, task);
	struct member *m = find(cp, task->tgid);

	if (m && !belongs(task))
		move_out(cp, m);
	return placer_task.place(cp->task, &t);
}

static void cgroup_forget(struct placer *base, uint32_t tid)
{
	struct cgroup_placer *cp = to_cgroup(base);
	struct member *m = find(cp, tid);

	placer_task.forget(cp->task, tid);
	if (!m)
		return;
	journal_forget(cp->base.journal, m->id.tid, m->id.start);
	drop(cp, m);
}

static bool cgroup_real_time(struct placer *base, uint32_t tid)
{
	return placer_task.real_time(to_cgroup(base)->task, tid);
}

static int cgroup_explain(struct placer *base, uint32_t tid, char *buf, size_t len)
{
	struct cgroup_placer *cp = to_cgroup(base);
	const struct member *m = find(cp, tid);
	int n;

	if (!m || !m->inside)
		return placer_task.explain(cp->task, tid, buf, len);
	n = snprintf(buf, len, "in a cgroup below %s (%s %s)", GROUP_TOP,
		     m->from ? "was in" : "born there, home is", home_of(cp, m));
	return n < 0 ? 0 : (size_t)n < len ? n : (int)len - 1;
}

static void forget_members(struct cgroup_placer *cp)
{
	struct member *m, *next;

	HASH_ITER(hh, cp->member, m, next)
		drop(cp, m);
}

/* The journal knows of both kinds of change; the groups go with it. */
static int cgroup_undo(struct placer *base)
{
	struct cgroup_placer *cp = to_cgroup(base);
	struct journal *j = cp->base.journal;
	int n = placer_task.undo(cp->task);

	forget_members(cp);
	cp->groups = (struct groups){ .journal = j };
	return n;
}

static void cgroup_close(struct placer *base)
{
	struct cgroup_placer *cp = to_cgroup(base);

	forget_members(cp);
	placer_task.close(cp->task);
	free(cp);
}

const struct placer_ops placer_cgroup = {
	.name = "cgroup",
	.probe = group_probe,
	.open = cgroup_open,
	.apply = cgroup_apply,
	.place = cgroup_place,
	.forget = cgroup_forget,
	.real_time = cgroup_real_time,
	.explain = cgroup_explain,
	.undo = cgroup_undo,
	.close = cgroup_close,
};

// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/place/placed.h"

#include <errno.h>
#include <stdlib.h>

enum { ANCESTORS_MAX = 8, BIRTHS_MAX = 4096 };

struct placed *placed_find(const struct placed_table *t, uint32_t tid)
{
	struct placed *p;

	HASH_FIND(hh, t->head, &tid, sizeof(tid), p);
	return p;
}

void placed_drop(struct placed_table *t, struct placed *p)
{
	HASH_DELETE(hh, t->head, p);
	free(p);
}

static void clear_births(struct placed_table *t)
{
	struct agent_birth *b, *next;

	HASH_ITER(hh, t->birth, b, next) {
		HASH_DELETE(hh, t->birth, b);
		free(b);
	}
}

void placed_clear(struct placed_table *t)
{
	struct placed *p, *next;

	HASH_ITER(hh, t->head, p, next)
		placed_drop(t, p);
	clear_births(t);
}

static struct agent_birth *find_birth(const struct placed_table *t, uint64_t agent_id)
{
	struct agent_birth *b;

	HASH_FIND(hh, t->birth, &agent_id, sizeof(agent_id), b);
	return b;
}

void placed_birth(struct placed_table *t, const struct placed *p)
{
	struct agent_birth *b;

	if (!p->agent_id)
		return;
	b = find_birth(t, p->agent_id);
	if (!b) {
		/* rare enough that starting over is the simplest bound */
		if (HASH_COUNT(t->birth) >= BIRTHS_MAX)
			clear_births(t);
		b = calloc(1, sizeof(*b));
		if (!b)
			return;
		b->agent_id = p->agent_id;
		HASH_ADD(hh, t->birth, agent_id, sizeof(b->agent_id), b);
	}
	b->c = p->c;
}

/* -- inheritance --------------------------------------------------------------- */

/*
 * Values of @p equal to what @kin was given came from it. Answers whether
 * there was any.
 */
static bool inherit(struct placed *p, const struct change *kin)
{
	for (int a = 0; a < __ATTR_MAX; a++) {
		if (attr_equal(a, &p->c.set, &kin->orig))
			continue;
		if (!attr_equal(a, &p->c.set, &kin->set) &&
		    !attr_equal(a, &p->c.set, &kin->prev))
			continue;
		attr_copy(a, &p->c.orig, &kin->orig);
		p->differ |= ATTR_BIT(a);
	}
	return p->differ;
}

static const struct placed *find_kin(const struct placed_table *t, const struct placed *p)
{
	const struct placed *kin = NULL;
	uint32_t pid = p->id.ppid;
	struct identity id;

	if (p->id.tgid != p->tid)
		kin = placed_find(t, p->id.tgid);
	for (int i = 0; !kin && pid > 1 && i < ANCESTORS_MAX; i++) {
		kin = placed_find(t, pid);
		if (kin || ident_read(pid, pid, &id))
			break;
		pid = id.ppid;
	}
	return kin && kin->id.start <= p->id.start ? kin : NULL;
}

static void find_inherited(const struct placed_table *t, struct placed *p)
{
	const struct agent_birth *b = find_birth(t, p->agent_id);
	const struct attrs *now = &p->c.set;
	const struct placed *kin;

	/* asking /proc for ancestors is dear; most have nothing from anybody */
	if (!b && now->policy != SCHED_IDLE && now->policy != SCHED_EXT && now->nice >= 0)
		return;
	kin = find_kin(t, p);
	if (kin && inherit(p, &kin->c))
		return;
	if (b)
		inherit(p, &b->c);
}

/* -- learning ------------------------------------------------------------------- */

static bool is_fair(int policy)
{
	policy &= ~SCHED_RESET_ON_FORK;
	return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE ||
		policy == SCHED_EXT;
}

static uint32_t cgroup_of(struct placed_table *t, const struct identity *id)
{
	if (t->cgroup_ppid != id->ppid || id->ppid <= 1) {
		t->cgroup = ident_cgroup(id->tid);
		t->cgroup_ppid = id->ppid;
	}
	return t->cgroup;
}

static int learn(struct placed_table *t, const struct place_task *in, struct placed *p)
{
	int err = ident_read(in->tid, in->tgid, &p->id);

	if (!err)
		err = attr_read_all(in->tid, &p->c.orig);
	if (err)
		return err;
	p->id.cgroup = cgroup_of(t, &p->id);
	p->tid = in->tid;
	p->start_ns = in->start_ns;
	p->agent_id = in->agent_id;
	p->fixed = p->id.kthread || !is_fair(p->c.orig.policy);
	p->c.set = p->c.prev = p->c.orig;
	if (!p->fixed)
		find_inherited(t, p);
	return 0;
}

static bool same_task(const struct placed *p, const struct place_task *in)
{
	return !in->start_ns || !p->start_ns || in->start_ns == p->start_ns;
}

int placed_get(struct placed_table *t, const struct place_task *in, struct placed **out)
{
	struct placed *p = placed_find(t, in->tid);
	int err;

	if (p && !same_task(p, in)) {
		placed_drop(t, p);	/* the tid was used again */
		p = NULL;
	}
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		err = learn(t, in, p);
		if (err) {
			free(p);
			return err;
		}
		HASH_ADD(hh, t->head, tid, sizeof(p->tid), p);
	}
	if (!p->start_ns)
		p->start_ns = in->start_ns;
	p->agent_id = in->agent_id;
	p->role = in->role;
	p->real_time = in->real_time;
	p->ext = in->ext;
	p->said = in->said;
	*out = p;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Children that inherited our attributes and that no line speaks of.
 *
 * They were forked between the last look and the end of the daemon, so they
 * are younger than the journal. Blood tells first: a thread of a process we
 * changed, or a descendant of one. An orphan is known by its process group,
 * session, or user and cgroup; it must then have exactly the attributes that
 * we gave its kin, since others may run things in the idle class too.
 *
 * What a child chose for itself after its birth it keeps: only values equal
 * to those placed are taken back, each to what its kin had before.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "daemon/place/journal.h"

enum { LOOKS_MAX = 5, ANCESTORS_MAX = 32 };

enum kin {
	KIN_NONE = 0,
	KIN_SAME_HOME,		/* user and cgroup */
	KIN_SESSION,
	KIN_GROUP,
	KIN_DESCENDANT,
	KIN_THREAD,
};

/* A task that may be a child of one that was placed. */
struct orphan {
	struct identity id;
	struct attrs now;
	/* processes it comes from, its own first, and when they began */
	uint32_t pid[ANCESTORS_MAX];
	uint64_t start[ANCESTORS_MAX];
	unsigned int pids;
};

static void find_ancestors(struct orphan *o)
{
	uint32_t pid = o->id.tgid;
	struct identity id;

	while (pid > 1 && o->pids < ANCESTORS_MAX && !ident_read(pid, pid, &id)) {
		o->pid[o->pids] = pid;
		o->start[o->pids++] = id.start;
		pid = id.ppid;
	}
}

/*
 * Is the process of @e one of those? A process younger than the task was
 * given its pid later. Returns how many generations up, or -1.
 */
static int generations(const struct orphan *o, const struct identity *e)
{
	for (unsigned int i = 0; i < o->pids; i++)
		if (o->pid[i] == e->tgid)
			return o->start[i] <= e->start ? (int)i : -1;
	return -1;
}

static enum kin kin_of(const struct orphan *o, const struct journal_entry *e)
{
	int up = generations(o, &e->id);

	if (o->id.start < e->id.start)
		return KIN_NONE;
	if (up >= 0)
		return up ? KIN_DESCENDANT : KIN_THREAD;
	if (o->id.pgid == e->id.pgid && e->id.pgid > 1)
		return KIN_GROUP;
	if (o->id.sid == e->id.sid && e->id.sid > 1)
		return KIN_SESSION;
	if (e->id.cgroup && o->id.uid == e->id.uid && o->id.cgroup == e->id.cgroup)
		return KIN_SAME_HOME;
	return KIN_NONE;
}

static bool is_ours(const struct orphan *o, const struct journal_entry *e, enum attr a)
{
	return attr_equal(a, &o->now, &e->new) || attr_equal(a, &o->now, &e->prev);
}

/* The attributes that came from @e. */
static unsigned int inherited(const struct orphan *o, const struct journal_entry *e,
			      enum kin kin)
{
	unsigned int bits = 0;

	for (int a = 0; a < __ATTR_MAX; a++) {
		if (!(e->ever & ATTR_BIT(a)))
			continue;
		if (is_ours(o, e, a) && !attr_equal(a, &o->now, &e->old))
			bits |= ATTR_BIT(a);
		else if (kin < KIN_DESCENDANT)
			return 0;
	}
	/* without blood, a nice value or a mask alone proves nothing */
	if (kin < KIN_DESCENDANT && !(bits & ATTR_BIT(ATTR_POLICY)))
		return 0;
	return bits;
}

static int restore(const struct orphan *o, const struct journal_entry *e,
		   unsigned int bits, int *err)
{
	int done = 0, rc;

	for (int a = 0; a < __ATTR_MAX; a++) {
		if (!(bits & ATTR_BIT(a)))
			continue;
		rc = attr_write(o->id.tid, a, &e->old);
		if (!rc)
			done = 1;
		else if (rc != -ESRCH && !*err)
			*err = rc;
	}
	return done;
}

static int settle(struct journal *j, struct orphan *o, int *err)
{
	const struct journal_entry *e, *best = NULL;
	enum kin kin, best_kin = KIN_NONE;
	unsigned int bits, best_bits = 0;

	find_ancestors(o);
	for (e = j->entry; e; e = e->hh.next) {
		kin = kin_of(o, e);
		if (kin <= best_kin)
			continue;
		bits = inherited(o, e, kin);
		if (!bits)
			continue;
		best = e;
		best_kin = kin;
		best_bits = bits;
	}
	return best ? restore(o, best, best_bits, err) : 0;
}

/* Does the task have a value of ours at all? Keeps /proc reads rare. */
static bool suspect(const struct journal *j, const struct orphan *o)
{
	const struct journal_entry *e;

	for (e = j->entry; e; e = e->hh.next)
		for (int a = 0; a < __ATTR_MAX; a++)
			if ((e->ever & ATTR_BIT(a)) && is_ours(o, e, a) &&
			    !attr_equal(a, &o->now, &e->old))
				return true;
	return false;
}

static int look_at(struct journal *j, uint32_t tid, uint32_t tgid, int *err)
{
	struct orphan o = { .pids = 0 };

	if (attr_read_all(tid, &o.now) || !suspect(j, &o))
		return 0;
	if (ident_read(tid, tgid, &o.id) || o.id.kthread || o.id.start < j->since)
		return 0;
	if (journal_find(j, tid, o.id.start))
		return 0;	/* has lines of its own */
	o.id.cgroup = ident_cgroup(tid);
	return settle(j, &o, err);
}

static int each_number(const char *dir, int (*fn)(void *ctx, uint32_t n), void *ctx)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	int sum = 0;

	if (!d)
		return 0;
	while ((de = readdir(d)))
		if (isdigit((unsigned char)de->d_name[0]))
			sum += fn(ctx, strtoul(de->d_name, NULL, 10));
	closedir(d);
	return sum;
}

struct look {
	struct journal *j;
	int *err;
	uint32_t tgid;
};

static int look_at_thread(void *ctx, uint32_t tid)
{
	struct look *l = ctx;

	return look_at(l->j, tid, l->tgid, l->err);
}

static int look_at_process(void *ctx, uint32_t pid)
{
	struct look *l = ctx;
	char dir[64];

	l->tgid = pid;
	snprintf(dir, sizeof(dir), "/proc/%u/task", pid);
	return each_number(dir, look_at_thread, l);
}

/* A child may fork while we look, so look until there is none. */
int journal_undo_children(struct journal *j, int *err)
{
	struct look l = { .j = j, .err = err };
	int found, n = 0;

	if (!j->entry)
		return 0;
	for (int look = 0; look < LOOKS_MAX; look++) {
		found = each_number("/proc", look_at_process, &l);
		n += found;
		if (!found)
			break;
	}
	return n;
}

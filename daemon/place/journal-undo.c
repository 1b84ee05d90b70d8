// SPDX-License-Identifier: GPL-2.0-only
/*
 * Undoing what the journal says about tasks and groups, newest first.
 *
 * An attribute goes back only where it still is what we made it. A journal
 * runs ahead of the tasks, so after a crash the value before the last one
 * counts as ours as well.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/place/cgfs.h"
#include "daemon/place/journal.h"

enum { LOOKS_MAX = 5 };

static void fail(int *err, int why)
{
	if (!*err)
		*err = why;
}

/* Newest first; slices before the class where that can be, else after it. */
static const enum attr undo_order[] = {
	ATTR_CLAMP, ATTR_SLICE, ATTR_NICE, ATTR_POLICY, ATTR_SLICE, ATTR_MASK,
};

/* 1: restored; 0: not ours any more, or gone; -EAGAIN: not in this class; -errno. */
static int undo_attr(const struct journal_entry *e, enum attr a)
{
	struct attrs now;
	int err = attr_read(e->id.tid, a, &now);

	if (err)
		return err == -ESRCH ? 0 : err;
	if (!attr_seen(a, &now))
		return -EAGAIN;
	if (!attr_equal(a, &now, &e->new) && !attr_equal(a, &now, &e->prev))
		return 0;
	if (attr_equal(a, &now, &e->old))
		return 0;
	err = attr_write(e->id.tid, a, &e->old);
	return err == -ESRCH ? 0 : err ? err : 1;
}

static int undo_task(struct journal_entry *e, int *err)
{
	int restored = 0, rc;

	if (!e->active || !ident_alive(&e->id))
		return 0;
	for (size_t i = 0; i < sizeof(undo_order) / sizeof(undo_order[0]); i++) {
		enum attr a = undo_order[i];

		if (!(e->active & ATTR_BIT(a)))
			continue;
		rc = undo_attr(e, a);
		if (rc == -EAGAIN)
			continue;
		if (rc < 0) {
			fail(err, rc);
			continue;
		}
		restored |= rc;
		e->active &= ~ATTR_BIT(a);
	}
	return restored;
}

static int newest_first(const struct journal_entry *a, const struct journal_entry *b)
{
	return (a->seq < b->seq) - (a->seq > b->seq);
}

int journal_undo_tasks(struct journal *j, int *err)
{
	struct journal_entry *e;
	int n = 0;

	HASH_SRT(hh, j->entry, newest_first);
	for (e = j->entry; e; e = e->hh.next)
		n += undo_task(e, err);
	return n;
}

/* -- cgroups ------------------------------------------------------------------ */

/* Its group may have gone meanwhile: then the nearest one above. */
static int move_back(const char *from, uint32_t pid)
{
	char dir[CGFS_PATH_LEN], *slash;
	int err;

	snprintf(dir, sizeof(dir), "%s", from);
	while ((err = cgfs_move(dir, pid)) == -ENOENT || err == -ENODEV) {
		slash = strrchr(dir, '/');
		if (!slash || slash == dir)
			return err;
		*slash = '\0';
	}
	return err;
}

/*
 * Whoever is in a group of ours and was not moved there was born there, so
 * belongs where the first that was moved there came from.
 */
static int empty_group(const struct journal_move *group)
{
	char path[CGFS_PATH_LEN + 64];
	unsigned int pid;
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group->to);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fscanf(f, "%u", &pid) == 1)
		n += !move_back(group->from ? group->from : CGFS_ROOT, pid);
	fclose(f);
	return n;
}

static int undo_group(const struct journal_move *group, int *err)
{
	int found, n = 0;

	/* they may fork while they are moved */
	for (int look = 0; look < LOOKS_MAX; look++) {
		found = empty_group(group);
		n += found;
		if (!found)
			break;
	}
	if (rmdir(group->to) && errno != ENOENT)
		fail(err, -errno);
	return n;
}

static int undo_move(struct journal_move *m, int *err)
{
	int rc;

	if (!ident_alive(&m->id))
		return 0;
	rc = move_back(m->from, m->id.tid);
	if (rc && rc != -ESRCH)
		fail(err, rc);
	return !rc;
}

int journal_undo_moves(struct journal *j, int *err)
{
	struct journal_move *m;
	int n = 0;

	for (m = j->move; m; m = m->next)
		if (!m->group)
			n += undo_move(m, err);
	/* newest first: groups inside of groups come before them */
	for (m = j->move; m; m = m->next)
		if (m->group)
			n += undo_group(m, err);
	return n;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the journal knows of the machine's own masks, and undoing it.
 *
 * A mask goes back only where it still is what we made it and belongs to what
 * it belonged to. One more case is ours: an interrupt that came while the mask
 * for new ones was ours was born with that, and no line may speak of it. Those
 * that had the very same mask before have a line for that reason alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "daemon/log.h"
#include "daemon/place/journal.h"
#include "daemon/topology.h"

enum { TRIES = 5, TRY_AGAIN_MS = 20 };

/* -- memory ------------------------------------------------------------------- */

struct journal_mask *journal_find_mask(const struct journal *j, const char *name)
{
	struct journal_mask *m;

	HASH_FIND_STR(j->mask, name, m);
	return m;
}

void journal_remove_mask(struct journal *j, struct journal_mask *m)
{
	HASH_DELETE(hh, j->mask, m);
	free(m);
}

static struct journal_mask *add(struct journal *j, const char *name)
{
	struct journal_mask *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	snprintf(m->name, sizeof(m->name), "%s", name);
	HASH_ADD_STR(j->mask, name, m);
	return m;
}

bool journal_remember_mask(struct journal *j, const char *name, const char *id,
			   const cpu_set_t *old, const cpu_set_t *new)
{
	struct journal_mask *m = journal_find_mask(j, name);
	bool known = m;

	if (!m)
		m = add(j, name);
	if (!m)
		return false;
	snprintf(m->id, sizeof(m->id), "%s", id);
	m->old = *old;
	/* noted again because it could not be done: what was there still is */
	if (!known || !CPU_EQUAL(&m->new, new))
		m->prev = known ? m->new : *new;
	m->new = *new;
	return true;
}

/*
 * When the last CPU of a mask goes offline, the kernel replaces the mask. That
 * was nobody's wish, so it still is ours to put right.
 */
bool journal_owns_mask(const struct journal_mask *m, const cpu_set_t *now,
		       const cpu_set_t *online)
{
	cpu_set_t left;

	CPU_AND(&left, &m->new, online);
	return !CPU_COUNT(&left) || CPU_EQUAL(now, &m->new) || CPU_EQUAL(now, &m->prev);
}

/* -- reading -------------------------------------------------------------------- */

static int read_changed(struct journal *j, char *name, char *words)
{
	char *id = strtok_r(NULL, " ", &words), *was = strtok_r(NULL, " ", &words);
	char *is = strtok_r(NULL, " ", &words);
	cpu_set_t old, new;

	if (!is || strlen(name) >= SYSMASK_NAME_LEN || cpuset_parse(was, &old) ||
	    cpuset_parse(is, &new) || !CPU_COUNT(&old) || !CPU_COUNT(&new))
		return -EINVAL;
	journal_unescape(id);
	return journal_remember_mask(j, name, id, &old, &new) ? 0 : -ENOMEM;
}

int journal_read_mask(struct journal *j, char *words)
{
	char *save, *kind = strtok_r(words, " ", &save), *name = strtok_r(NULL, " ", &save);
	struct journal_mask *m;

	if (!name)
		return -EINVAL;
	if (*kind == 'k')
		return read_changed(j, name, save);
	m = journal_find_mask(j, name);
	if (m)
		journal_remove_mask(j, m);
	return 0;
}

/* -- undoing ---------------------------------------------------------------------- */

/* An interrupt whose last move has not ended answers EBUSY for a moment. */
static int write_back(const struct journal *j, const char *name, const cpu_set_t *mask)
{
	const struct timespec pause = { .tv_nsec = TRY_AGAIN_MS * 1000000L };
	int err = sysmask_write(j->root, name, mask);

	for (int i = 1; err == -EBUSY && i < TRIES; i++) {
		nanosleep(&pause, NULL);
		err = sysmask_write(j->root, name, mask);
	}
	return err;
}

/* 1: put back; 0: no longer ours, or gone; -errno. */
static int undo_mask(const struct journal *j, const struct journal_mask *m,
		     const cpu_set_t *online)
{
	struct sysmask now;
	cpu_set_t able;
	int err;

	if (sysmask_read(j->root, m->name, &now) || strcmp(now.id, m->id) ||
	    !journal_owns_mask(m, &now.mask, online) || CPU_EQUAL(&now.mask, &m->old))
		return 0;
	/* none of its CPUs is left: the kernel's choice is as good as any */
	CPU_AND(&able, &m->old, online);
	if (!CPU_COUNT(&able))
		return 0;
	err = write_back(j, m->name, &m->old);
	return err == -ENOENT ? 0 : err ? err : 1;
}

struct born {
	struct journal *j;
	const struct journal_mask *given;
	int restored;
};

static void undo_born(void *ctx, const struct sysmask *m)
{
	struct born *b = ctx;
	const struct journal_mask *known = journal_find_mask(b->j, m->name);

	if (m->kind != SYSMASK_IRQ || m->fixed || !CPU_EQUAL(&m->mask, &b->given->new) ||
	    (known && !strcmp(known->id, m->id)))
		return;
	b->restored += !write_back(b->j, m->name, &b->given->old);
}

/* Interrupts that no line speaks of, before the mask they were given goes back. */
static int undo_all_born(struct journal *j)
{
	struct born b = { .j = j, .given = journal_find_mask(j, "irq-default") };

	if (b.given && !CPU_EQUAL(&b.given->old, &b.given->new))
		sysmask_each(j->root, undo_born, &b);
	return b.restored;
}

int journal_undo_masks(struct journal *j, int *err)
{
	struct journal_mask *m, *next;
	cpu_set_t online;
	int rc, n;

	if (!j->mask)
		return 0;
	if (sysmask_online(j->root, &online))
		memset(&online, 0xff, sizeof(online));
	n = undo_all_born(j);
	HASH_ITER(hh, j->mask, m, next) {
		rc = undo_mask(j, m, &online);
		if (rc < 0) {
			log_warn("cannot put the CPUs of %s back: %s", m->name, strerror(-rc));
			if (!*err)
				*err = rc;
			continue;
		}
		n += rc;
		journal_back_mask(j, m->name);
	}
	if (n)
		log_info("restored %d mask%s of interrupts, work queues and kernel threads",
			 n, n == 1 ? "" : "s");
	return n;
}

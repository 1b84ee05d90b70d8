// SPDX-License-Identifier: GPL-2.0-only
/*
 * A look works out what each mask should be, notes all changes, writes the
 * journal once, and then makes them: the file is ahead of the machine.
 *
 * Protected CPUs come and go with phases of a feeder, several times a second;
 * masks follow only what lasts. To keep noise off is soon worth it, to let it
 * back on is never urgent.
 */
#include "daemon/place/noise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "daemon/log.h"
#include "daemon/others.h"
#include "daemon/place/journal.h"
#include "daemon/topology.h"

#define HOLD_AFTER_NS	(1 * 1000000000ULL)
#define LET_AFTER_NS	(10 * 1000000000ULL)
#define LOOK_EVERY_NS	(10 * 1000000000ULL)

/* In one look, so that it does not hold the daemon up; the rest in the next round. */
enum { CHANGES_MAX = 16 };

/* Something that has to do with the protected CPUs. */
struct item {
	char name[SYSMASK_NAME_LEN];	/* key */
	char id[SYSMASK_ID_LEN];
	enum sysmask_kind kind;
	enum noise_state state;
	uint32_t look;			/* the last that found it */
	UT_hash_handle hh;
};

struct todo {
	struct sysmask now;
	cpu_set_t want;
	bool back;		/* @want is what it was without us */
	bool fresh;		/* it is not ours yet */
};

struct noise {
	struct journal *journal;
	struct item *item;
	cpu_set_t held;		/* in effect */
	cpu_set_t wanted;	/* in the last round */
	uint64_t wanted_ns;	/* since then */
	uint64_t look_ns;	/* time of the last look */
	uint32_t look;
	bool more;		/* there was more to do than one look does */
	const char *left_to;	/* this one moves interrupts: static text */
	cpu_set_t online;	/* as the look found it */
	struct todo todo[CHANGES_MAX];
	unsigned int todos;
};

/* -- items ---------------------------------------------------------------------- */

static struct item *find(const struct noise *n, const char *name)
{
	struct item *it;

	HASH_FIND_STR(n->item, name, it);
	return it;
}

static void drop(struct noise *n, struct item *it)
{
	HASH_DELETE(hh, n->item, it);
	free(it);
}

/* Without memory for it, it is not counted; nothing else depends on it. */
static void set_state(struct noise *n, const struct sysmask *m, enum noise_state state)
{
	struct item *it = find(n, m->name);

	if (!it) {
		it = calloc(1, sizeof(*it));
		if (!it)
			return;
		snprintf(it->name, sizeof(it->name), "%s", m->name);
		HASH_ADD_STR(n->item, name, it);
	}
	snprintf(it->id, sizeof(it->id), "%s", m->id);
	it->kind = m->kind;
	it->state = state;
	it->look = n->look;
}

static void clear_items(struct noise *n)
{
	struct item *it, *next;

	HASH_ITER(hh, n->item, it, next)
		drop(n, it);
}

static void note(struct noise *n, const struct sysmask *m, const cpu_set_t *old,
		 const cpu_set_t *new)
{
	struct journal_mask *known;

	journal_note_mask(n->journal, m, old, new);
	known = journal_find_mask(n->journal, m->name);
	if (known)
		known->look = n->look;
}

/* -- looking --------------------------------------------------------------------- */

/* What was tried in vain, or is somebody else's, stays so while we hold. */
static bool is_settled(struct noise *n, const struct sysmask *m)
{
	struct item *it = find(n, m->name);

	if (!it || strcmp(it->id, m->id))
		return false;
	if (it->state != NOISE_FIXED && it->state != NOISE_FOREIGN && it->state != NOISE_FAILED)
		return false;
	it->look = n->look;
	return true;
}

static void want(struct noise *n, const struct sysmask *m, const cpu_set_t *mask, bool back)
{
	if (n->todos == CHANGES_MAX) {
		n->more = true;
		return;
	}
	n->todo[n->todos++] = (struct todo){ .now = *m, .want = *mask, .back = back };
}

/* @old without the CPUs to keep free; false when there is no other. */
static bool without(const struct noise *n, const cpu_set_t *old, cpu_set_t *out)
{
	cpu_set_t both;

	CPU_AND(&both, old, &n->held);
	CPU_XOR(out, old, &both);
	CPU_AND(&both, out, &n->online);
	return CPU_COUNT(&both);
}

static bool touches(const struct noise *n, const cpu_set_t *mask)
{
	cpu_set_t both;

	CPU_AND(&both, mask, &n->held);
	return CPU_COUNT(&both);
}

/* One that we hold already: still ours? Still as it should be? */
static void look_at_held(struct noise *n, const struct sysmask *m,
			 struct journal_mask *known)
{
	cpu_set_t mask;
	bool room;

	known->look = n->look;
	if (!journal_owns_mask(known, &m->mask, &n->online)) {
		journal_back_mask(n->journal, m->name);
		set_state(n, m, NOISE_FOREIGN);
		return;
	}
	room = without(n, &known->old, &mask);
	if (!room)
		mask = known->old;
	if (!CPU_EQUAL(&mask, &m->mask) || !CPU_EQUAL(&mask, &known->new))
		want(n, m, &mask, CPU_EQUAL(&mask, &known->old));
	else if (!CPU_COUNT(&n->held))
		journal_back_mask(n->journal, m->name);
	else if (!CPU_EQUAL(&known->old, &known->new))
		set_state(n, m, NOISE_HELD);
	if (!room)
		set_state(n, m, NOISE_NO_ROOM);
}

/*
 * An interrupt that we have not seen with just the mask that new ones are given:
 * from now on there is a line of what it would have been given without us.
 */
static bool look_at_born(struct noise *n, const struct sysmask *m)
{
	const struct journal_mask *given = journal_find_mask(n->journal, "irq-default");
	struct journal_mask *known;

	if (!given || m->kind != SYSMASK_IRQ || !CPU_EQUAL(&m->mask, &given->new) ||
	    CPU_EQUAL(&given->old, &given->new))
		return false;
	note(n, m, &given->old, &m->mask);
	known = journal_find_mask(n->journal, m->name);
	if (known)
		look_at_held(n, m, known);
	return true;
}

static void look_at_new(struct noise *n, const struct sysmask *m)
{
	cpu_set_t mask;

	if (is_settled(n, m) || look_at_born(n, m) || m->unused || !touches(n, &m->mask))
		return;
	if (m->fixed)
		set_state(n, m, NOISE_FIXED);
	else if (!without(n, &m->mask, &mask))
		set_state(n, m, NOISE_NO_ROOM);
	else
		want(n, m, &mask, false);
}

static void look_at(void *ctx, const struct sysmask *m)
{
	struct noise *n = ctx;
	struct journal_mask *known = journal_find_mask(n->journal, m->name);

	if (known && strcmp(known->id, m->id)) {
		/* another one has the number now */
		journal_back_mask(n->journal, m->name);
		known = NULL;
	}
	if (known)
		look_at_held(n, m, known);
	else if (!n->left_to || (m->kind != SYSMASK_IRQ && m->kind != SYSMASK_IRQ_DEFAULT))
		look_at_new(n, m);
}

/* What the last look did not find is gone. */
static void drop_gone(struct noise *n)
{
	struct journal_mask *m, *next_mask;
	struct item *it, *next;

	HASH_ITER(hh, n->journal->mask, m, next_mask)
		if (m->look != n->look)
			journal_back_mask(n->journal, m->name);
	HASH_ITER(hh, n->item, it, next)
		if (it->look != n->look)
			drop(n, it);
}

/* -- changing --------------------------------------------------------------------- */

struct same {
	struct noise *n;
	const cpu_set_t *mask;
};

static void note_same(void *ctx, const struct sysmask *m)
{
	const struct same *s = ctx;

	if (m->kind == SYSMASK_IRQ && CPU_EQUAL(&m->mask, s->mask) &&
	    !journal_find_mask(s->n->journal, m->name))
		note(s->n, m, &m->mask, &m->mask);
}

static void note_change(struct noise *n, struct todo *t)
{
	const struct journal_mask *known = journal_find_mask(n->journal, t->now.name);
	struct same s = { .n = n, .mask = &t->want };

	t->fresh = !known;
	/* on the way back the line stays until it is there */
	if (t->back)
		return;
	/* those that have what new ones will be given are not to be taken for new */
	if (t->now.kind == SYSMASK_IRQ_DEFAULT)
		sysmask_each(n->journal->root, note_same, &s);
	note(n, &t->now, known ? &known->old : &t->now.mask, &t->want);
}

static enum noise_state state_of(int err)
{
	return err == -EIO || err == -EPERM || err == -EINVAL ? NOISE_FIXED : NOISE_FAILED;
}

/* A chip may make something else of a mask: that is what to know it by. */
static void note_made(struct noise *n, const struct todo *t)
{
	const struct journal_mask *known = journal_find_mask(n->journal, t->now.name);
	struct sysmask now;

	if (!known || sysmask_read(n->journal->root, t->now.name, &now) ||
	    CPU_EQUAL(&now.mask, &t->want))
		return;
	note(n, &t->now, &known->old, &now.mask);
}

/* What is ours from before keeps its line: it still has to be put back. */
static int refused(struct noise *n, const struct todo *t, int err)
{
	if (t->fresh || err == -ENOENT)
		journal_back_mask(n->journal, t->now.name);
	if (err == -EBUSY)	/* on its way from the last time */
		n->more = true;
	else if (err != -ENOENT)
		set_state(n, &t->now, state_of(err));
	log_debug("cannot change the CPUs of %s: %s", t->now.name, strerror(-err));
	return 0;
}

static int change(struct noise *n, const struct todo *t)
{
	int err = sysmask_write(n->journal->root, t->now.name, &t->want);

	if (err)
		return refused(n, t, err);
	if (t->back) {
		journal_back_mask(n->journal, t->now.name);
		return 1;
	}
	note_made(n, t);
	set_state(n, &t->now, NOISE_HELD);
	return 1;
}

static int make_changes(struct noise *n)
{
	int done = 0;

	for (unsigned int i = 0; i < n->todos; i++)
		note_change(n, &n->todo[i]);
	if (journal_flush(n->journal)) {
		log_warn("cannot write the journal: noise stays where it is");
		for (unsigned int i = 0; i < n->todos; i++)
			if (n->todo[i].fresh)
				journal_back_mask(n->journal, n->todo[i].now.name);
		return 0;
	}
	for (unsigned int i = 0; i < n->todos; i++)
		done += change(n, &n->todo[i]);
	journal_flush(n->journal);
	return done;
}

static int look(struct noise *n, uint64_t now_ns)
{
	int done;

	n->look++;
	n->look_ns = now_ns;
	n->todos = 0;
	n->more = false;
	if (sysmask_online(n->journal->root, &n->online))
		memset(&n->online, 0xff, sizeof(n->online));
	sysmask_each(n->journal->root, look_at, n);
	drop_gone(n);
	done = make_changes(n);
	if (!CPU_COUNT(&n->held) && !n->more)
		clear_items(n);
	return done;
}

/* -- from outside ------------------------------------------------------------------- */

struct noise *noise_open(struct journal *j)
{
	struct noise *n = calloc(1, sizeof(*n));

	if (n)
		n->journal = j;
	return n;
}

void noise_close(struct noise *n)
{
	if (!n)
		return;
	clear_items(n);
	free(n);
}

/* Fewer CPUs to keep free can wait. */
static uint64_t delay(const struct noise *n)
{
	cpu_set_t both;

	CPU_AND(&both, &n->wanted, &n->held);
	return CPU_EQUAL(&both, &n->wanted) ? LET_AFTER_NS : HOLD_AFTER_NS;
}

static void begin(struct noise *n)
{
	bool fresh = !CPU_COUNT(&n->held);

	n->held = n->wanted;
	if (!fresh)
		return;
	clear_items(n);
	n->left_to = others_run(n->journal->root, "irqbalance") ? "irqbalance" : NULL;
}

int noise_round(struct noise *n, const cpu_set_t *cpus, uint64_t now_ns)
{
	bool due = n->more || (CPU_COUNT(&n->held) && now_ns - n->look_ns >= LOOK_EVERY_NS);
	char text[512];
	int done;

	if (!CPU_EQUAL(cpus, &n->wanted)) {
		n->wanted = *cpus;
		n->wanted_ns = now_ns;
	}
	if (!CPU_EQUAL(&n->wanted, &n->held) && now_ns - n->wanted_ns >= delay(n)) {
		begin(n);
		due = true;
	}
	if (!due)
		return 0;
	done = look(n, now_ns);
	if (done)
		log_debug("noise: %s", noise_text(n, text, sizeof(text)));
	return done;
}

int noise_undo(struct noise *n)
{
	int err = 0, done = journal_undo_masks(n->journal, &err);
	int flushed = journal_flush(n->journal);

	clear_items(n);
	CPU_ZERO(&n->held);
	CPU_ZERO(&n->wanted);
	n->more = false;
	return err ? err : flushed ? flushed : done;
}

const cpu_set_t *noise_cpus(const struct noise *n)
{
	return &n->held;
}

const char *noise_left_to(const struct noise *n)
{
	return CPU_COUNT(&n->held) ? n->left_to : NULL;
}

void noise_count(const struct noise *n, struct noise_count *out)
{
	const struct item *it;

	memset(out, 0, sizeof(*out));
	for (it = n->item; it; it = it->hh.next)
		out->nr[it->kind][it->state]++;
}

static const char *const state_text[__NOISE_MAX] = {
	[NOISE_HELD] = "kept off protected CPUs",
	[NOISE_FIXED] = "left alone: the kernel does not let it move",
	[NOISE_NO_ROOM] = "left alone: it has no other CPU",
	[NOISE_FOREIGN] = "left alone: changed by others since",
	[NOISE_FAILED] = "left alone: could not be moved",
};

static unsigned int left_alone(const struct noise_count *c, enum noise_state state)
{
	return c->nr[SYSMASK_IRQ][state] + c->nr[SYSMASK_IRQ_DEFAULT][state] +
		c->nr[SYSMASK_WORKQUEUE][state] + c->nr[SYSMASK_KTHREAD][state];
}

static const struct {
	enum noise_state state;
	const char *text;
} alone[] = {
	{ NOISE_FIXED, "cannot be moved" },
	{ NOISE_NO_ROOM, "without another CPU" },
	{ NOISE_FOREIGN, "changed by others since" },
	{ NOISE_FAILED, "failed" },
};

char *noise_text(const struct noise *n, char *buf, size_t len)
{
	struct noise_count c;
	char cpus[256];
	size_t at;

	if (!CPU_COUNT(&n->held)) {
		snprintf(buf, len, "nothing is kept off");
		return buf;
	}
	noise_count(n, &c);
	at = snprintf(buf, len, "kept off CPU%s %s: interrupts %u, kernel threads %u%s",
		      CPU_COUNT(&n->held) > 1 ? "s" : "",
		      cpuset_format(&n->held, cpus, sizeof(cpus)),
		      c.nr[SYSMASK_IRQ][NOISE_HELD], c.nr[SYSMASK_KTHREAD][NOISE_HELD],
		      c.nr[SYSMASK_WORKQUEUE][NOISE_HELD] ? ", work queues" : "");
	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]) && at < len; i++)
		if (left_alone(&c, alone[i].state))
			at += snprintf(buf + at, len - at, "; %s: %u", alone[i].text,
				       left_alone(&c, alone[i].state));
	if (n->left_to && at < len)
		snprintf(buf + at, len - at, "; interrupts are left to %s", n->left_to);
	return buf;
}

const char *noise_explain(const struct noise *n, uint32_t tid)
{
	char name[SYSMASK_NAME_LEN];
	const struct item *it;

	snprintf(name, sizeof(name), "kthread/%u", tid);
	it = find(n, name);
	return it ? state_text[it->state] : NULL;
}

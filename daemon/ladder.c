// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/ladder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/place/attr.h"
#include "daemon/self.h"

int sched_ext_use_parse(const char *word)
{
	static const char *const words[] = {
		[SCHED_EXT_NEVER] = "never",
		[SCHED_EXT_OPT_IN] = "opt-in",
		[SCHED_EXT_AUTO] = "auto",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i], word))
			return i;
	return -EINVAL;
}

static bool is_sched_ext(const struct placer_ops *ops)
{
	return ops == &placer_sched_ext || ops == &placer_sched_partial;
}

const struct placer_ops *ladder_rung(const struct daemon *d, int i)
{
	return placer_table[i] == &placer_sched_ext && d->opt.sched_partial ?
		&placer_sched_partial : placer_table[i];
}

/* After a fall it is the next best, whatever was asked for. */
static const char *wanted(const struct daemon *d)
{
	return d->fall.from ? "auto" : d->opt.placer;
}

static bool is_candidate(const struct daemon *d, int i, const char *name)
{
	const struct placer_ops *ops = ladder_rung(d, i);

	if (strcmp(name, "auto"))
		return !strcmp(name, placer_table[i]->name);
	if (ops == d->fall.from)
		return false;
	return !is_sched_ext(ops) || d->opt.sched_ext == SCHED_EXT_AUTO;
}

/* 0, or -errno and @why (static text). */
static int try_rung(struct daemon *d, const struct placer_ops *ops, const char **why)
{
	int err = ops->probe(why);

	if (err)
		return err;
	err = ops->open(&d->placer, d->journal);
	if (err)
		*why = strerror(-err);
	else
		d->placer_ops = ops;
	return err;
}

static bool is_known(const char *name)
{
	for (int i = 0; placer_table[i]; i++)
		if (!strcmp(placer_table[i]->name, name))
			return true;
	return !strcmp(name, "auto");
}

static int refuse(const struct daemon *d, const char *name)
{
	if (!is_known(name))
		log_err("no placer '%s': use auto, task, cgroup, sched_ext or none", name);
	else if (!strcmp(name, placer_sched_ext.name) && d->opt.sched_ext == SCHED_EXT_NEVER)
		log_err("placer %s is ruled out by --sched-ext never: leave one of the two out",
			name);
	else
		return 0;
	return -EINVAL;
}

/* Where there is sched_ext, it was to be used; most kernels have none. */
static void say_passed(const struct placer_ops *ops, int err, const char *why)
{
	if (is_sched_ext(ops) && err != -EOPNOTSUPP)
		log_info("placer %s: %s", ops->name, why);
	else
		log_debug("placer %s: %s", ops->name, why);
}

int ladder_open(struct daemon *d)
{
	const char *name = wanted(d), *why = NULL;
	bool any = !strcmp(name, "auto");
	int err, passed;

	/* found out once, and only by whoever is in the fair class as yet */
	attr_exists(ATTR_SLICE);
	if (d->opt.dry_run || !strcmp(name, "none"))
		return 0;
	err = refuse(d, name);
	for (int i = 0; !err && !d->placer && placer_table[i]; i++) {
		if (!is_candidate(d, i, name))
			continue;
		passed = try_rung(d, ladder_rung(d, i), &why);
		if (passed && any)
			say_passed(ladder_rung(d, i), passed, why);
	}
	if (err || d->placer)
		return err;
	if (!any) {
		log_err("placer %s cannot be used here: %s", name, why);
		return -EINVAL;
	}
	log_warn("cannot place tasks: %s; watching only", why);
	return 0;
}

const char *ladder_why_not(const struct daemon *d, const struct placer_ops *ops)
{
	const char *why = NULL;

	if (ops == d->placer_ops)
		return NULL;
	if (ops == d->fall.from)
		return d->fall.why;
	if (is_sched_ext(ops) && d->opt.sched_ext == SCHED_EXT_NEVER)
		return "ruled out by --sched-ext never";
	if (ops->probe(&why))
		return why;
	return is_sched_ext(ops) && d->opt.sched_ext != SCHED_EXT_AUTO ?
		"not asked for: --placer sched_ext or --sched-ext auto" : NULL;
}

static void step_off(struct daemon *d)
{
	guard_forget(&d->policy.guard);
	d->placer_ops->close(d->placer);
	d->placer = NULL;
	d->placer_ops = NULL;
	d->changed = true;
}

static void note_fall(struct daemon *d, const struct placer_ops *from, const char *why)
{
	d->fall.from = from;
	d->fall.ns = now_ns();
	d->fall.again = false;
	snprintf(d->fall.why, sizeof(d->fall.why), "%s", why);
	log_printable(d->fall.why);
}

/* What the placer has done goes back first, and noise with it: one journal has both. */
static void undo_all(struct daemon *d)
{
	if (d->noise)
		noise_undo(d->noise);
	if (d->placer && d->placer_ops->undo(d->placer) < 0)
		log_warn("undoing failed; the next start tries again");
}

void ladder_fall(struct daemon *d, const char *why)
{
	/* before it is closed: the text is its own */
	note_fall(d, d->placer_ops, why);
	history_add(&d->history, LOG_WARNING, "daemon", "placer %s has ended (%s)",
		    d->placer_ops->name, d->fall.why);
	undo_all(d);
	step_off(d);
	if (!ladder_open(d) && d->placer)
		history_add(&d->history, LOG_WARNING, "daemon",
			    "going on with placer %s; 'starling on' tries %s again",
			    d->placer_ops->name, d->fall.from->name);
}

void ladder_climb(struct daemon *d)
{
	const struct placer_ops *ops = d->fall.from;
	const char *why = NULL;
	bool raised;
	int err;

	if (!ops || !d->fall.again || d->off)
		return;
	d->fall.again = false;
	if (ops->probe(&why)) {
		note_fall(d, ops, why);
		log_warn("placer %s still cannot be used: %s", ops->name, why);
		return;
	}
	undo_all(d);
	if (d->placer)
		step_off(d);
	d->fall.from = NULL;
	/* The kernel looks at the whole of a scheduler before it takes it. */
	raised = self_lower();
	err = try_rung(d, ops, &why);
	if (raised)
		self_raise();
	if (!err) {
		guard_forget(&d->policy.guard);
		d->changed = true;
		history_add(&d->history, LOG_INFO, "daemon", "placer %s again", ops->name);
		return;
	}
	note_fall(d, ops, why);
	log_warn("placer %s still cannot be used: %s", ops->name, why);
	ladder_open(d);
}

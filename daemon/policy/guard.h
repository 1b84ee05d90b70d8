/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard.h - does each rule do what it is for? Measured by leaving it out for a
 * moment now and then; what does not help is left out for good, or for long.
 */
#ifndef STARLING_POLICY_GUARD_H
#define STARLING_POLICY_GUARD_H

#include <stddef.h>
#include "daemon/policy/measure.h"
#include "daemon/policy/paired.h"

struct policy_settings;

/* In the order in which they are tried: what tools pay most for comes first. */
enum guard_rule {
	GUARD_CORES,	/* CPUs free of tools */
	GUARD_ASIDE,	/* tools and background in the idle class */
	GUARD_PRIORITY,	/* feeders and services before others */
	GUARD_CROWD,	/* tools back in the normal class beside other work */
	GUARD_NOISE,	/* interrupts and kernel threads off protected CPUs */
	__GUARD_MAX,
};
#define GUARD_BIT(rule)	(1U << (rule))
#define GUARD_ALL	(GUARD_BIT(__GUARD_MAX) - 1)

enum guard_verdict {
	GUARD_UNTRIED,
	GUARD_HELPS,
	GUARD_UNCLEAR,	/* too much else goes on: kept, as it was made to help */
	GUARD_NO_EFFECT,
	GUARD_HARMS,
	__GUARD_VERDICTS,
};

/* What is known of a rule. */
struct guard_known {
	enum guard_verdict verdict;
	bool withdrawn;
	unsigned int pairs;	/* of the last trial */
	unsigned int cut;	/* epochs without the rule that were cut short in it */
	struct paired_result is;	/* of the rule's metric; shares of 1 */
	double tools_with, tools_without;	/* the part of what they wanted; medians */
	uint64_t checked_ns;	/* 0: never */
	uint64_t due_ns;	/* no trial before */
	uint64_t back_off_ns;	/* from this trial to the next */
	uint64_t alarm_ns;	/* withdrawn: no alarm before */
	uint64_t deaf_ns;	/* how long no alarm is heard next time */
};

/* A rule on trial. Epochs are numbered; two make a pair, two pairs A B B A. */
struct guard_trial {
	bool running;
	enum guard_rule rule;
	bool left_out;		/* in this epoch */
	unsigned int epoch;
	double half, half_tools;	/* of the pair's first epoch */
	struct paired metric, tools;
	unsigned int cut, cut_with;	/* epochs cut short, without and with it */
	uint64_t odd_ns;	/* spent other than without a trial */
	uint64_t moved_ns;	/* began, or has its last pair since */
	uint64_t recover_ns;	/* after a cut: not measured before */
};

/* Zero it to start. */
struct guard {
	struct guard_known rule[__GUARD_MAX];
	struct guard_trial trial;
	uint64_t begin_ns;	/* of the epoch, in a trial or not */
	struct measure all;	/* since then */
	struct measure sum;	/* without what the change itself costs */
	unsigned int have;	/* rules in effect all the while */
	uint64_t warm_ns;	/* measured so far */
	uint64_t rest_ns;	/* no trial before */
	unsigned int ncpu;
	uint64_t seq;		/* grows with each decision: */
	char said[256];		/* the last one, in words */
};

/* What happened since the last time. */
struct guard_input {
	uint64_t now_ns;
	unsigned int ncpu;
	unsigned int have;	/* rules of which the plan has something: GUARD_BITs */
	bool active;		/* a feeder is at work */
	const struct measure *m;	/* NULL: nothing new */
};

/* Returns the rules to leave out of the plan: GUARD_BITs. */
unsigned int guard_update(struct guard *g, const struct policy_settings *set,
			  const struct guard_input *in);

/* If @rule is withdrawn, it is back: @why. */
void guard_recall(struct guard *g, enum guard_rule rule, const char *why);
/* What was found holds no more: another placer is at work. */
void guard_forget(struct guard *g);

const char *guard_rule_name(enum guard_rule rule);
const char *guard_rule_text(enum guard_rule rule);	/* what it does */
const char *guard_metric_text(enum guard_rule rule);	/* what it is to improve */
const char *guard_verdict_text(enum guard_verdict verdict);
/* The names of @rules with commas. Returns @buf. */
char *guard_rules_text(unsigned int rules, char *buf, size_t len);
/* What was measured: one line; empty when nothing was. Returns @buf. */
char *guard_evidence(const struct guard *g, enum guard_rule rule, char *buf, size_t len);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * One rule at a time is on trial, and only while a feeder is at work and more
 * wants to run than there are CPUs; else no rule could show anything. Epochs with
 * the rule and without it follow each other as A B B A, so that a slow change of
 * the load counts for neither. What differs within pairs decides (paired.h).
 *
 * A feeder is not starved for the sake of knowledge: an epoch without a rule ends
 * at once when one has waited for a twentieth of an epoch's length, and the rule
 * stays for a whole one. Four pairs that ended so, without it only, are enough.
 *
 * After a trial there is rest, and what is settled is tried again rarely. A
 * rule that was withdrawn comes back at once when feeders wait for more than
 * then: the load may have become another one.
 */
#include "daemon/policy/guard.h"

#include <stdio.h>
#include <string.h>
#include "daemon/policy/policy.h"

#define MS 1000000ULL
#define S (1000 * MS)
#define MIN (60 * S)

#define SETTLE_NS	(500 * MS)	/* two rounds: tools move, old waits are told */
#define NOISE_SETTLE_NS	(12 * S)	/* noise is kept off after 1 s, let in after 10 */
#define WARM_NS		(2 * MIN)	/* what runs has to be what runs for long */
#define STALLED_NS	(5 * MIN)	/* no pair for so long: the load has gone */
#define RETRY_NS	(10 * MIN)	/* withdrawn: first time to next trial */
#define CHECK_NS	(30 * MIN)	/* kept: the same */
#define BACK_OFF_MAX_NS	(240 * MIN)
#define DEAF_NS		(1 * MIN)	/* an alarm was false: first time to the next */

#define LEAST_WAIT	0.002	/* 2 ms a second: one token in hundreds, a tick late */
#define LEAST_MORE	0.02	/* for tools */
#define ALARM		0.05	/* a feeder that waits for more of its time is starved */
#define NEED_LEAST	0.01	/* a path that needs less of a CPU tells nothing */

enum {
	REST_PART = 24,		/* trials: 4 % of the time at most */
	STARVE_PART = 20,	/* a feeder's wait without a rule, of an epoch */
	CUT_ENOUGH = 4,
};

/* @least: a smaller difference is not worth what any rule costs. */
static const struct {
	double (*metric)(const struct measure *m);
	bool more_is_better;
	bool sees_all;		/* else no effect means: none that can be seen */
	double least;
	uint64_t settle_ns;
} defs[__GUARD_MAX] = {
	[GUARD_CORES] = { measure_feeder, false, true, LEAST_WAIT, SETTLE_NS },
	[GUARD_ASIDE] = { measure_path, false, true, LEAST_WAIT, SETTLE_NS },
	[GUARD_PRIORITY] = { measure_path, false, true, LEAST_WAIT, SETTLE_NS },
	[GUARD_CROWD] = { measure_tools, true, true, LEAST_MORE, SETTLE_NS },
	/* what interrupts take of a CPU is nobody's wait */
	[GUARD_NOISE] = { measure_feeder, false, false, LEAST_WAIT, NOISE_SETTLE_NS },
};

/* -- epochs ------------------------------------------------------------------ */

static void epoch_begin(struct guard *g, uint64_t now)
{
	g->begin_ns = now;
	g->have = GUARD_ALL;
	g->all = g->sum = (struct measure){ 0 };
}

/* What does not fall into the time in which the change itself shows counts. */
static void epoch_add(struct guard *g, const struct guard_input *in, uint64_t settle_ns)
{
	measure_add(&g->all, in->m);
	if (in->now_ns >= g->begin_ns + settle_ns + in->m->ns)
		measure_add(&g->sum, in->m);
}

static bool is_usable(const struct measure *m, unsigned int ncpu)
{
	double need = m->feeder.run + m->feeder.wait;

	return need >= NEED_LEAST * m->ns && measure_demand(m) >= ncpu;
}

/* A B B A */
static bool without(unsigned int epoch)
{
	return epoch % 4 == 1 || epoch % 4 == 2;
}

/* The epoch is over, whether it counts or not. */
static void count_odd(struct guard *g, uint64_t now)
{
	struct guard_trial *t = &g->trial;

	if (!t->recover_ns && t->left_out != g->rule[t->rule].withdrawn)
		t->odd_ns += now - g->begin_ns;
}

/* The pair begins anew when there is something to measure again. */
static void trial_pause(struct guard *g, uint64_t now)
{
	struct guard_trial *t = &g->trial;

	count_odd(g, now);
	t->epoch &= ~1U;
	t->left_out = g->rule[t->rule].withdrawn;
	t->recover_ns = now;
}

static void trial_resume(struct guard *g, uint64_t now)
{
	g->trial.recover_ns = 0;
	g->trial.left_out = without(g->trial.epoch);
	epoch_begin(g, now);
}

/* -- the end of a trial ------------------------------------------------------ */

static void trial_end(struct guard *g, uint64_t now)
{
	g->rest_ns = now + REST_PART * g->trial.odd_ns;
	g->trial.running = false;
	epoch_begin(g, now);
}

/* Without a verdict. */
static void trial_stop(struct guard *g, uint64_t now)
{
	trial_pause(g, now);
	g->rule[g->trial.rule].due_ns = now + STALLED_NS;
	trial_end(g, now);
}

static uint64_t longer(uint64_t ns, uint64_t first)
{
	ns = ns ? ns * 2 : first;
	return ns < BACK_OFF_MAX_NS ? ns : BACK_OFF_MAX_NS;
}

static void say(struct guard *g, enum guard_rule rule)
{
	char evidence[200];

	g->seq++;
	snprintf(g->said, sizeof(g->said), "rule %s %s: %s%s%s", guard_rule_name(rule),
		 g->rule[rule].withdrawn ? "withdrawn" : "kept",
		 guard_verdict_text(g->rule[rule].verdict),
		 g->rule[rule].pairs ? "; " : "",
		 guard_evidence(g, rule, evidence, sizeof(evidence)));
}

static void take_evidence(struct guard_known *k, const struct guard_trial *t)
{
	struct paired_result tools;

	paired_result(&t->metric, &k->is);
	paired_result(&t->tools, &tools);
	k->tools_with = tools.with;
	k->tools_without = tools.without;
	k->pairs = t->metric.n;
	k->cut = t->cut;
}

/* It does nothing for what it is for; but tools may have more by it, as by "crowd". */
static bool is_useless(const struct guard_known *k, enum guard_rule rule)
{
	return defs[rule].sees_all && k->tools_with - k->tools_without < LEAST_MORE;
}

static void conclude(struct guard *g, enum guard_verdict verdict, uint64_t now)
{
	enum guard_rule rule = g->trial.rule;
	struct guard_known *k = &g->rule[rule];
	bool out;

	take_evidence(k, &g->trial);
	out = verdict == GUARD_HARMS || (verdict == GUARD_NO_EFFECT && is_useless(k, rule));
	if (!k->checked_ns || out != k->withdrawn)
		k->back_off_ns = 0;
	k->back_off_ns = longer(k->back_off_ns, out ? RETRY_NS : CHECK_NS);
	k->due_ns = now + k->back_off_ns;
	k->alarm_ns = now + k->deaf_ns;
	if (verdict == GUARD_HELPS)
		k->deaf_ns = 0;
	k->verdict = verdict;
	k->withdrawn = out;
	k->checked_ns = now;
	trial_end(g, now);
	say(g, rule);
}

/* -- looking at pairs -------------------------------------------------------- */

/* As a gain, so that more is better for each rule. */
static struct paired_result gain_of(const struct guard_trial *t)
{
	struct paired_result r;
	double low;

	paired_result(&t->metric, &r);
	if (defs[t->rule].more_is_better)
		return r;
	low = r.low;
	r.effect = -r.effect;
	r.low = -r.high;
	r.high = -low;
	return r;
}

static enum guard_verdict judge(const struct guard_trial *t)
{
	struct paired_result gain = gain_of(t);
	double least = defs[t->rule].least;

	if (gain.low > 0 && gain.effect >= least)
		return GUARD_HELPS;
	if (gain.high < 0 && gain.effect <= -least)
		return GUARD_HARMS;
	if (gain.high < least)
		return GUARD_NO_EFFECT;
	return t->metric.n == PAIRED_MAX ? GUARD_UNCLEAR : GUARD_UNTRIED;
}

static bool is_plain(const struct guard_trial *t)
{
	return t->cut >= CUT_ENOUGH && t->cut == t->metric.n && !t->cut_with &&
		gain_of(t).low > 0;
}

static void look(struct guard *g, uint64_t now)
{
	enum guard_verdict verdict = GUARD_UNTRIED;

	if (is_plain(&g->trial))
		verdict = GUARD_HELPS;
	else if (paired_due(&g->trial.metric))
		verdict = judge(&g->trial);
	if (verdict != GUARD_UNTRIED)
		conclude(g, verdict, now);
}

static void pair_add(struct guard *g, double metric, double tools, uint64_t now)
{
	struct guard_trial *t = &g->trial;

	if (t->left_out) {
		paired_add(&t->metric, t->half, metric);
		paired_add(&t->tools, t->half_tools, tools);
	} else {
		paired_add(&t->metric, metric, t->half);
		paired_add(&t->tools, tools, t->half_tools);
	}
	t->moved_ns = now;
	look(g, now);
}

/* @m is what the epoch has shown. The next one begins, after @recover_ns. */
static void epoch_end(struct guard *g, const struct measure *m, uint64_t now,
		      uint64_t recover_ns)
{
	struct guard_trial *t = &g->trial;
	double metric = defs[t->rule].metric(m), tools = measure_tools(m);

	count_odd(g, now);
	if (t->epoch++ % 2) {
		pair_add(g, metric, tools, now);
	} else {
		t->half = metric;
		t->half_tools = tools;
	}
	if (!t->running)
		return;
	if (recover_ns) {
		t->left_out = false;
		t->recover_ns = now + recover_ns;
	} else {
		trial_resume(g, now);
	}
}

/* -- alarms ------------------------------------------------------------------ */

void guard_recall(struct guard *g, enum guard_rule rule, const char *why)
{
	struct guard_known *k = &g->rule[rule];

	if (!k->withdrawn)
		return;
	k->withdrawn = false;
	k->verdict = GUARD_UNTRIED;
	g->seq++;
	snprintf(g->said, sizeof(g->said), "rule %s is back: %s", guard_rule_name(rule), why);
}

void guard_forget(struct guard *g)
{
	*g = (struct guard){ .seq = g->seq };
}

/* More than was waited without it when it was withdrawn? */
static bool alarm(struct guard *g, enum guard_rule rule, const struct measure *m, uint64_t now)
{
	struct guard_known *k = &g->rule[rule];
	double is = defs[rule].metric(m), most = 2 * k->is.without;

	if (!k->withdrawn || defs[rule].more_is_better || now < k->alarm_ns ||
	    is <= (most > ALARM ? most : ALARM))
		return false;
	k->withdrawn = false;
	k->verdict = GUARD_UNTRIED;
	k->due_ns = now;
	k->deaf_ns = longer(k->deaf_ns, DEAF_NS);
	g->seq++;
	snprintf(g->said, sizeof(g->said), "rule %s is back: %.1f %% of the time without a CPU "
		 "now, %.1f %% when it was withdrawn", guard_rule_name(rule), is * 100,
		 k->is.without * 100);
	return true;
}

static bool alarms(struct guard *g, unsigned int have, const struct measure *m, uint64_t now)
{
	bool any = false;

	for (int r = 0; r < __GUARD_MAX; r++)
		if (have & GUARD_BIT(r) && alarm(g, r, m, now))
			any = true;
	return any;
}

/* -- a trial ----------------------------------------------------------------- */

static void trial_begin(struct guard *g, enum guard_rule rule, uint64_t now)
{
	g->trial = (struct guard_trial){ .running = true, .rule = rule, .moved_ns = now };
	trial_resume(g, now);
}

/*
 * A feeder is starved. With the rule such an epoch ends as well: else only the
 * others would end at their worst. It may be for want of another rule.
 */
static void trial_cut(struct guard *g, const struct guard_input *in, uint64_t epoch)
{
	struct guard_trial *t = &g->trial;

	if (!t->left_out && alarms(g, in->have & ~GUARD_BIT(t->rule), &g->all, in->now_ns)) {
		trial_stop(g, in->now_ns);
		return;
	}
	t->cut += t->left_out;
	t->cut_with += !t->left_out;
	epoch_end(g, &g->all, in->now_ns, t->left_out ? epoch : 0);
}

static void trial_round(struct guard *g, const struct policy_settings *set,
			const struct guard_input *in)
{
	struct guard_trial *t = &g->trial;
	uint64_t epoch = set->guard_epoch_ns, now = in->now_ns;

	if (t->recover_ns) {
		if (now >= t->recover_ns)
			trial_resume(g, now);
		return;
	}
	epoch_add(g, in, defs[t->rule].settle_ns);
	if (g->all.worst_ns * STARVE_PART > epoch)
		trial_cut(g, in, epoch);
	else if (g->sum.ns < epoch)
		return;
	else if (is_usable(&g->sum, in->ncpu))
		epoch_end(g, &g->sum, now, 0);
	else
		trial_pause(g, now);
}

static bool is_stalled(const struct guard *g, const struct policy_settings *set, uint64_t now)
{
	uint64_t most = 8 * (set->guard_epoch_ns + defs[g->trial.rule].settle_ns);

	return now - g->trial.moved_ns > (most > STALLED_NS ? most : STALLED_NS);
}

static void trial_update(struct guard *g, const struct policy_settings *set,
			 const struct guard_input *in)
{
	struct guard_trial *t = &g->trial;

	if (is_stalled(g, set, in->now_ns))
		trial_stop(g, in->now_ns);
	else if (!in->active || !(in->have & GUARD_BIT(t->rule)))
		trial_pause(g, in->now_ns);
	else if (in->m)
		trial_round(g, set, in);
}

/* -- between trials ---------------------------------------------------------- */

/* The one that is due for longest. */
static int rule_due(const struct guard *g, uint64_t now)
{
	int found = -1;

	for (int r = 0; r < __GUARD_MAX; r++)
		if (g->have & GUARD_BIT(r) && g->rule[r].due_ns <= now &&
		    (found < 0 || g->rule[r].due_ns < g->rule[found].due_ns))
			found = r;
	return found;
}

static void watch_update(struct guard *g, const struct policy_settings *set,
			 const struct guard_input *in)
{
	int due;

	if (!in->active)
		epoch_begin(g, in->now_ns);
	g->have &= in->have;
	if (!in->active || !in->m)
		return;
	epoch_add(g, in, 0);
	if (g->sum.ns < set->guard_epoch_ns)
		return;
	if (is_usable(&g->sum, in->ncpu)) {
		g->warm_ns += g->sum.ns;
		alarms(g, g->have, &g->sum, in->now_ns);
		due = rule_due(g, in->now_ns);
		if (due >= 0 && g->warm_ns >= WARM_NS && in->now_ns >= g->rest_ns) {
			trial_begin(g, due, in->now_ns);
			return;
		}
	}
	epoch_begin(g, in->now_ns);
}

/* -- all together ------------------------------------------------------------ */

/* What was found holds for another machine. */
static void start_over(struct guard *g, const struct guard_input *in)
{
	bool known = g->trial.running;

	for (int r = 0; r < __GUARD_MAX; r++)
		known |= g->rule[r].checked_ns != 0;
	*g = (struct guard){ .ncpu = in->ncpu, .seq = g->seq };
	epoch_begin(g, in->now_ns);
	if (!known)
		return;
	g->seq++;
	snprintf(g->said, sizeof(g->said), "all rules are back: there are %u CPUs now", in->ncpu);
}

unsigned int guard_update(struct guard *g, const struct policy_settings *set,
			  const struct guard_input *in)
{
	unsigned int out = 0;

	if (!set->guard) {
		*g = (struct guard){ .seq = g->seq };
		return 0;
	}
	if (g->ncpu != in->ncpu)
		start_over(g, in);
	if (g->trial.running)
		trial_update(g, set, in);
	else
		watch_update(g, set, in);
	for (int r = 0; r < __GUARD_MAX; r++) {
		bool tried = g->trial.running && (int)g->trial.rule == r;

		if (tried ? g->trial.left_out : g->rule[r].withdrawn)
			out |= GUARD_BIT(r);
	}
	return out;
}

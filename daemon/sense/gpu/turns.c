// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/turns.h"

#include <stddef.h>

#define MET_MAX		256	/* then both are halved */
#define SLICED_PART	0.33	/* in order, late returns alone overtake */
#define LEARNED_MAX	32
#define LEAST_FADES	128
#define OLD_NS		(60 * 1000000000ULL)

static struct gpu_turn *find(const struct turns *t, uint32_t pid)
{
	for (int i = 0; i < TURNS_PROCS_MAX; i++)
		if (t->turn[i].pid == pid)
			return (struct gpu_turn *)&t->turn[i];
	return NULL;
}

/* One that is free, or of the one that was not heard of for the longest time. */
static struct gpu_turn *make(struct turns *t, uint32_t pid, uint64_t ns)
{
	struct gpu_turn *best = NULL;

	for (int i = 0; i < TURNS_PROCS_MAX; i++) {
		struct gpu_turn *x = &t->turn[i];

		if (x->in && x->last_ns + OLD_NS > ns)
			continue;
		if (!best || x->last_ns < best->last_ns)
			best = x;
	}
	if (best)
		*best = (struct gpu_turn){ .pid = pid };
	else
		t->overflow++;
	return best;
}

static unsigned int waiting(const struct turns *t)
{
	unsigned int n = 0;

	for (int i = 0; i < TURNS_PROCS_MAX; i++)
		n += t->turn[i].in > 0;
	return n;
}

/* Those who wait have had the same part each of the time since the last look. */
static void slice(struct turns *t, uint64_t now)
{
	unsigned int n = waiting(t);
	double part = n && now > t->at_ns ? (double)(now - t->at_ns) / n : 0;

	for (int i = 0; part > 0 && i < TURNS_PROCS_MAX; i++)
		if (t->turn[i].in)
			t->turn[i].sliced_ns += part;
	if (now > t->at_ns)
		t->at_ns = now;
}

/* Have any been there before @x, which has come to its end first? */
static bool overtake(struct turns *t, const struct gpu_turn *x)
{
	bool any = false;

	for (int i = 0; i < TURNS_PROCS_MAX; i++) {
		struct gpu_turn *y = &t->turn[i];

		if (!y->in || y == x)
			continue;
		y->met++;
		if (y->from_ns >= x->from_ns)
			continue;
		y->overtaken++;
		any = true;
	}
	return any;
}

/* One of which nobody knows when it ended tells nothing of who was before it. */
static void judge(struct turns *t, const struct gpu_turn *x, bool sure)
{
	if (!sure)
		return;
	t->met += x->met;
	t->overtaken += x->overtaken;
	if (t->met < MET_MAX)
		return;
	t->met /= 2;
	t->overtaken /= 2;
}

static void learn(struct gpu_turn *x, double ns)
{
	if (x->learned < LEARNED_MAX)
		x->learned++;
	x->usual_ns += (ns - x->usual_ns) / x->learned;
}

/* Known too late each time: it was no more than the least of late. */
static void learn_least(struct gpu_turn *x, double ns)
{
	if (!x->usual_ns || ns < x->usual_ns)
		x->usual_ns = ns;
	else
		x->usual_ns += x->usual_ns / LEAST_FADES;
}

/*
 * In order: from the end of the one before to its own. Where one of these is
 * known too late it has had as much as usual.
 */
static void order(struct turns *t, struct gpu_turn *x, uint64_t ns, bool sure)
{
	bool waited = x->from_ns < t->end_ns, began;
	uint64_t from = waited ? t->end_ns : x->from_ns;
	double had = ns > from ? ns - from : 0;

	if (overtake(t, x))
		sure = false;
	began = !waited || t->end_sure;
	if (sure && began)
		learn(x, had);
	else if (began && !x->learned)
		learn_least(x, had);
	if (!(sure && began) && x->usual_ns)
		had = x->usual_ns;
	x->ordered_ns += had;
	if (ns < t->end_ns)
		return;
	t->end_ns = ns;
	t->end_sure = sure;
}

static void begin(struct turns *t, uint32_t pid, uint64_t ns)
{
	struct gpu_turn *x = find(t, pid);

	if (!x)
		x = make(t, pid, ns);
	if (!x)
		return;
	slice(t, ns);
	x->last_ns = ns;
	if (x->in++)
		return;
	x->from_ns = ns;
	x->met = x->overtaken = 0;
}

static void end(struct turns *t, uint32_t pid, uint64_t ns, bool sure)
{
	struct gpu_turn *x = find(t, pid);

	if (!x || !x->in)
		return;
	slice(t, ns);
	x->last_ns = ns;
	if (--x->in)
		return;
	judge(t, x, sure);
	order(t, x, ns, sure);
}

static void take_notes(struct turns *t)
{
	for (unsigned int i = 0; i < t->nnote; i++) {
		const struct turn_note *n = &t->note[i];

		if (n->what == TURN_BEGINS)
			begin(t, n->pid, n->ns);
		else
			end(t, n->pid, n->ns, n->what == TURN_ENDS);
	}
	t->nnote = 0;
}

/*
 * In its place: who was told late of an end had it all the same before those that
 * were told sooner. Few are out of order, and not far.
 */
void turns_note(struct turns *t, uint32_t pid, enum turn_what what, uint64_t ns)
{
	unsigned int i;

	if (t->nnote == TURNS_NOTES_MAX)
		take_notes(t);
	for (i = t->nnote++; i && t->note[i - 1].ns > ns; i--)
		t->note[i] = t->note[i - 1];
	t->note[i] = (struct turn_note){ .ns = ns, .pid = pid, .what = what };
}

bool turns_sliced(const struct turns *t)
{
	return t->overtaken > t->met * SLICED_PART;
}

void turns_settle(struct turns *t, uint64_t now)
{
	bool sliced;

	take_notes(t);
	slice(t, now);
	sliced = turns_sliced(t);
	for (int i = 0; i < TURNS_PROCS_MAX; i++) {
		struct gpu_turn *x = &t->turn[i];

		x->ns += sliced ? x->sliced_ns : x->ordered_ns;
		x->sliced_ns = x->ordered_ns = 0;
	}
}

void turns_forget(struct turns *t)
{
	t->nnote = 0;
	for (int i = 0; i < TURNS_PROCS_MAX; i++)
		t->turn[i].in = 0;
}

bool turns_had(const struct turns *t, uint32_t pid, uint64_t *ns)
{
	const struct gpu_turn *x = find(t, pid);

	*ns = x ? x->ns : 0;
	return x;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/cost.h"

#include "daemon/account.h"
#include "daemon/daemon.h"
#include "daemon/machine.h"
#include "daemon/sense/gpu/gpus.h"
#include "daemon/sense/gpu/ledger.h"
#include "daemon/sense/gpu/link.h"

#define RATIO_NS	30000000000ULL
#define RATE_NS		10000000000ULL
#define LEAST_GPU_NS	1e6	/* by less no ratio is told */

static double run_of(const struct agent *a)
{
	return (double)a->past_run_ns + a->run_ns;
}

/* -- values ------------------------------------------------------------------- */

static void add(struct gpu_value *to, double n, unsigned int source, bool estimated)
{
	to->n += n + 0.5;
	to->known = true;
	to->source |= source;
	to->estimated |= estimated;
}

static struct gpu_value sum(const struct gpu_value *a, const struct gpu_value *b)
{
	return (struct gpu_value){
		.n = a->n + b->n, .known = a->known || b->known,
		.estimated = a->estimated || b->estimated, .source = a->source | b->source,
	};
}

/* That a thread waited for the GPU is not that the GPU worked for it. */
static struct gpu_value waited(const struct agent *a)
{
	double own = (double)a->past_gpu_ns + a->gpu_ns - a->cost.wait_for_others_ns;
	struct gpu_value v = { .estimated = true, .source = STARLING_FROM_PROBE };

	v.n = (own > 0 ? own : 0) + a->cost.wait_share_ns;
	v.known = v.n || a->gpu_waits;
	if (a->cost.wait_share_ns > 0)
		v.source |= STARLING_FROM_MODEL;
	return v;
}

struct gpu_value agent_gpu(const struct agent *a)
{
	struct gpu_value v = sum(&a->cost.own, &a->cost.share);

	return v.known ? v : waited(a);
}

/* -- booking ------------------------------------------------------------------- */

void cost_waited(struct daemon *d, const struct task *task, double ns)
{
	struct wakes w = account_wakes(d, task->tgid, false);
	struct agent *a;

	d->cost.wait_ns += ns;
	if (w.served <= 0)
		return;
	for (a = d->agents.head; a; a = a->hh.next)
		a->cost.wait_share_ns += ns * a->wakes / w.all;
	a = agent_find(&d->agents, task->rec.agent_id);
	if (a)
		a->cost.wait_for_others_ns += ns * w.served / w.all;
}

/* Some threads have their agent from elsewhere than the first one. */
static uint64_t agent_of(const struct daemon *d, const struct gpu_account *g)
{
	const struct task *task = task_find(&d->tasks, g->pid);

	if (task && task->rec.agent_id)
		return task->rec.agent_id;
	for (task = d->tasks.head; !g->agent_id && task; task = task->hh.next)
		if (task->tgid == g->pid && task->rec.agent_id)
			return task->rec.agent_id;
	return g->agent_id;
}

/* @part of what @g had in the last sample; @share: as one whom it serves. */
static void book(struct agent *a, const struct gpu_account *g, double part, bool share)
{
	bool shared = share || part < 1, guessed = shared || g->busy.estimated;
	unsigned int model = shared ? STARLING_FROM_MODEL : 0;

	add(share ? &a->cost.share : &a->cost.own, g->new_busy * part, g->busy.source | model,
	    guessed);
	if (g->energy.known)
		add(&a->cost.energy, g->new_energy * part, g->energy.source | model, true);
}

static void book_process(struct daemon *d, const struct gpu_account *g)
{
	struct wakes w = { 0 };
	double others;
	struct agent *a;
	uint64_t id = agent_of(d, g);

	if (g->new_busy)
		w = account_wakes(d, g->pid, true);
	others = w.served > 0 ? w.served / w.all : 0;
	for (a = d->agents.head; a && others > 0; a = a->hh.next)
		if (a->wakes > 0)
			book(a, g, a->wakes / w.all, true);
	a = id ? agent_find(&d->agents, id) : NULL;
	if (!a)
		return;
	book(a, g, 1 - others, false);
	a->cost.for_others_ns += g->new_busy * others;
}

/*
 * A core that runs an agent uses as much as one of all would if all did: what the
 * package used beside that is charged to nobody, as with GPUs.
 */
static void book_package(struct daemon *d, const struct gpu_value *package, double dt)
{
	double used = package->n - d->cost.package_uj, ran;
	struct agent *a;

	d->cost.package_uj = package->n;
	for (a = d->agents.head; a; a = a->hh.next) {
		ran = run_of(a) - a->cost.booked_ns;
		if (ran < 0)
			continue;
		a->cost.booked_ns = run_of(a);
		if (!package->known)
			continue;
		ran /= dt * d->topo.ncpu;
		add(&a->cost.cpu_energy, used * (ran < 1 ? ran : 1),
		    package->source | STARLING_FROM_MODEL, true);
	}
}

/*
 * What agents ran before they were known here is in no GPU time, so in no ratio. Sums
 * of the living and of the dead are not of one moment: they may go back a little.
 */
static void count_agent(struct daemon *d, struct agent *a)
{
	double run = run_of(a);

	if (!a->cost.known) {
		a->cost.known = true;
		a->cost.before_ns = a->cost.counted_ns = a->cost.booked_ns = run;
	}
	if (run <= a->cost.counted_ns)
		return;
	d->cost.cpu_ns += run - a->cost.counted_ns;
	a->cost.counted_ns = run;
}

/* -- of late ------------------------------------------------------------------- */

static void mark(struct recent *r, uint64_t now, uint64_t step, double a, double b)
{
	if (recent_due(r, now, step))
		recent_add(r, now, (double[]){ a, b });
}

/* While drivers tell nothing, a time that they have told of before does not grow. */
static void mark_ratio(struct recent *r, uint64_t now, double cpu_ns, struct gpu_value gpu,
		       bool silent)
{
	if (silent && gpu.source & ~(unsigned int)(STARLING_FROM_PROBE | STARLING_FROM_MODEL))
		recent_forget(r);
	else
		mark(r, now, RATIO_NS, cpu_ns, gpu.n);
}

/* A sample's values are of its end, not of the round that finds it. */
static void mark_gpus(struct daemon *d, const struct gpu_ledger *l, uint64_t at)
{
	for (unsigned int i = 0; i < l->ndevice; i++) {
		if (l->device[i].busy.known)
			mark(&d->cost.busy[i], at, RATE_NS, l->device[i].busy.n, 0);
		else
			recent_forget(&d->cost.busy[i]);
	}
}

static void mark_leases(struct daemon *d, uint64_t now)
{
	struct starling_lease_stat stat = { .out_gpus = 1 };

	if (!recent_due(&d->cost.leases[0], now, RATE_NS))
		return;
	for (uint32_t i = 0; i < stat.out_gpus && i < STARLING_GPUS_MAX; i++) {
		if (sense_leases(d->sense, i, &stat, NULL, NULL))
			return;
		mark(&d->cost.leases[i], now, RATE_NS, stat.out_hold_ns,
		     stat.out_grants - stat.out_holders);
	}
}

static void take_sample(struct daemon *d, const struct gpu_ledger *l, const struct gpu_sample *s)
{
	if (l->round == d->cost.sample || s->to_ns <= s->from_ns)
		return;
	d->cost.sample = l->round;
	for (const struct gpu_account *a = l->head; a; a = a->hh.next)
		if (a->seen == l->round && a->busy.known)
			book_process(d, a);
	book_package(d, &l->package, s->to_ns - s->from_ns);
	mark_gpus(d, l, s->to_ns);
}

void cost_round(struct daemon *d, uint64_t now)
{
	const struct gpus *g = sense_gpus(d->sense);
	const struct gpu_sample *s = g ? gpu_link_sample(gpus_link(g)) : NULL;
	struct agent *a;

	for (a = d->agents.head; a; a = a->hh.next)
		count_agent(d, a);
	if (s)
		take_sample(d, gpus_ledger(g), s);
	for (unsigned int i = 0; !s && i < GPU_DEVICES_MAX; i++)
		recent_forget(&d->cost.busy[i]);
	for (a = d->agents.head; a; a = a->hh.next)
		mark_ratio(&a->cost.recent, now, run_of(a), agent_gpu(a), !s);
	mark_ratio(&d->cost.recent, now, d->cost.cpu_ns, cost_gpu(d), !s);
	mark_leases(d, now);
	machine_mark(&d->cost.idle, now);
}

/* -- ratios -------------------------------------------------------------------- */

static struct cost_ratio ratio(double cpu_ns, double gpu_ns, const struct recent *r,
			       uint64_t now, const double total[RECENT_VALUES])
{
	double grown[RECENT_VALUES];
	struct cost_ratio out = { .recent_ns = recent_grown(r, now, total, grown) };

	if (gpu_ns >= LEAST_GPU_NS)
		out.ever = cpu_ns / gpu_ns;
	if (out.recent_ns && grown[1] >= LEAST_GPU_NS)
		out.recent = grown[0] / grown[1];
	return out;
}

struct cost_ratio cost_of_agent(const struct agent *a, uint64_t now)
{
	struct gpu_value gpu = agent_gpu(a);

	return ratio(run_of(a) - a->cost.before_ns, gpu.n, &a->cost.recent, now,
		     (double[]){ run_of(a), gpu.n });
}

struct gpu_value cost_gpu(const struct daemon *d)
{
	const struct gpus *g = sense_gpus(d->sense);
	const struct gpu_ledger *l = g ? gpus_ledger(g) : NULL;
	struct gpu_value all = { 0 };

	for (unsigned int i = 0; l && i < l->ndevice; i++)
		if (l->device[i].busy.known)
			all = sum(&all, &l->device[i].busy);
	if (!all.known && d->cost.wait_ns > 0)
		add(&all, d->cost.wait_ns, STARLING_FROM_PROBE, true);
	return all;
}

struct cost_ratio cost_of_machine(const struct daemon *d, uint64_t now)
{
	struct gpu_value gpu = cost_gpu(d);

	return ratio(d->cost.cpu_ns, gpu.n, &d->cost.recent, now,
		     (double[]){ d->cost.cpu_ns, gpu.n });
}

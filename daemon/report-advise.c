// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is known of the machine now goes into struct advise_in; that decides. The
 * answer has all of it, so that who asks may decide otherwise.
 */
#include "daemon/report-advise.h"

#include "daemon/daemon.h"
#include "daemon/machine.h"
#include "daemon/policy/advise.h"
#include "daemon/report.h"
#include "daemon/report-cost.h"
#include "daemon/roles.h"
#include "daemon/sense/gpu/gpus.h"
#include "daemon/sense/gpu/ledger.h"
#include "daemon/sense/gpu/link.h"
#include "lib/gpu/reserve.h"

/* Everything that one answer is made of. */
struct picture {
	struct daemon *d;
	const struct advise_request *req;
	uint64_t now;
	const struct gpu_device *dev;	/* NULL: no driver tells of it */
	uint64_t busy_ns;		/* time that its busy share is of */
	bool leases;			/* the module has a queue for it */
	struct starling_lease_stat stat;
	uint64_t mean_hold_ns;
	struct machine machine;
	struct advise_in in;
	struct advice advice;
};

static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *real_if(bool known, double x)
{
	return known ? json_real(x) : json_null();
}

static json_t *bytes_if(bool known, double x)
{
	return known ? json_integer(x) : json_null();
}

/* -- what is known ------------------------------------------------------------- */

static struct advise_value known(double n, bool estimated)
{
	return (struct advise_value){ .known = true, .estimated = estimated, .n = n };
}

static struct advise_value pressure_value(const struct pressure *p)
{
	return (struct advise_value){ .known = p->known, .n = p->percent };
}

static void take_busy(struct picture *p, const struct gpu_ledger *l, uint64_t at)
{
	const struct gpu_totals *t = ledger_device(l, p->dev->pci);
	double grown[RECENT_VALUES], part;

	if (!t || !t->busy.known)
		return;
	p->busy_ns = recent_grown(&p->d->cost.busy[t - l->device], at,
				  (double[]){ t->busy.n, 0 }, grown);
	if (!p->busy_ns)
		return;
	part = grown[0] / p->busy_ns;
	p->in.busy = known(part < 1 ? part : 1, t->busy.estimated);
}

static void take_device(struct picture *p)
{
	const struct gpus *g = sense_gpus(p->d->sense);
	const struct gpu_sample *s = g ? gpu_link_sample(gpus_link(g)) : NULL;
	const struct gpu_value *used, *total;

	p->dev = s ? gpu_sample_numbered(s, p->req->gpu) : NULL;
	if (!p->dev)
		return;
	p->in.gpu = true;
	take_busy(p, gpus_ledger(g), s->to_ns);
	used = &p->dev->v[GPU_MEMORY];
	total = &p->dev->v[GPU_MEMORY_TOTAL];
	if (total->known)
		p->in.gpu_total = known(total->n, total->estimated);
	/* the machine's, which the kernel tells of and no driver */
	if (total->known && total->source & STARLING_FROM_KERNEL)
		p->in.gpu_reserve = gpu_reserve_default(total->n);
	if (total->known && used->known)
		p->in.gpu_free = known(total->n > used->n ? total->n - used->n : 0,
				       total->estimated || used->estimated);
}

/* Those that ended of late, and those that go on; nothing where these are not to be seen. */
static void take_held(struct picture *p, const struct turn_queue *q, double ended_ns, uint64_t ns)
{
	if (ns && (q->lease || !p->stat.out_holders))
		p->in.held = known((ended_ns + turn_held_ns(q, ns)) / ns, true);
}

/* Of late, or if none has ended since, of all there were. */
static void take_holds(struct picture *p, const struct turn_queue *q)
{
	double grown[RECENT_VALUES], ended = p->stat.out_grants - p->stat.out_holders;
	uint64_t ns = recent_grown(&p->d->cost.leases[p->req->gpu], p->now,
				   (double[]){ p->stat.out_hold_ns, ended }, grown);

	if (ns && grown[1] >= 1)
		p->mean_hold_ns = grown[0] / grown[1];
	else if (ended >= 1)
		p->mean_hold_ns = p->stat.out_hold_ns / ended;
	take_held(p, q, ns ? grown[0] : 0, ns);
	p->in.queue_used = p->stat.out_holders || p->stat.out_waiting[0] ||
		(ns && grown[1] >= 1);
}

static void take_room(struct picture *p)
{
	const struct starling_lease_stat *s = &p->stat;

	if (!s->out_memory_bytes)
		return;
	p->in.room_total = known(s->out_memory_bytes, false);
	p->in.room = known(s->out_memory_bytes > s->out_memory_used ?
			   s->out_memory_bytes - s->out_memory_used : 0, false);
}

/* The module knows agents by its own ids. */
static uint64_t id_of(const struct agent *a)
{
	return a && !(a->id & AGENT_LOCAL_BIT) ? a->id : 0;
}

static void take_queue(struct picture *p)
{
	struct turn_queue q = {
		.agent_id = id_of(p->req->agent), .class = p->req->class, .stat = &p->stat,
	};

	if (sense_leases(p->d->sense, p->req->gpu, &p->stat, &q.lease, &q.nlease))
		return;
	p->leases = p->in.queue = p->in.gpu = true;
	q.now_ns = now_ns();
	take_holds(p, &q);
	take_room(p);
	p->in.holders = p->stat.out_holders;
	p->in.waiting = p->stat.out_waiting[0];
	p->in.queue_full = p->stat.out_holders >= p->stat.out_slots;
	q.mean_hold_ns = p->mean_hold_ns;
	turn_wait(&q, &p->in.turn);
}

static void take_machine(struct picture *p)
{
	struct machine *m = &p->machine;

	machine_read(m, &p->d->cost.idle, p->now);
	p->in.cpus = m->cpus;
	p->in.idle_cpus = (struct advise_value){ .known = m->idle_ns, .n = m->idle_cpus };
	p->in.cpu_pressure = pressure_value(&m->cpu);
	p->in.memory_pressure = pressure_value(&m->memory);
	p->in.available = (struct advise_value){
		.known = m->available_known, .n = m->available_bytes,
	};
}

/* -- how it is told ------------------------------------------------------------ */

static json_t *asked(const struct advise_request *req)
{
	json_t *o = json_object();
	char label[24];

	put(o, "agent", req->agent ? json_string(agent_label(req->agent->id, label,
							     sizeof(label))) : json_null());
	put(o, "priority", json_string(priority_name(req->class)));
	put(o, "gpu", json_integer(req->gpu));
	put(o, "memory_bytes", req->memory_bytes ? json_integer(req->memory_bytes) : json_null());
	return o;
}

static json_t *gpu(const struct picture *p)
{
	const struct advise_in *in = &p->in;
	json_t *o = json_object();

	put(o, "known", json_boolean(in->gpu));
	put(o, "id", p->dev ? json_string(p->dev->pci) : json_null());
	put(o, "busy_percent", real_if(in->busy.known, in->busy.n * 100));
	put(o, "busy_estimated", json_boolean(in->busy.estimated));
	put(o, "recent_s", real_if(p->busy_ns, p->busy_ns / 1e9));
	put(o, "bottleneck", json_string(advise_bottleneck_text(p->advice.bottleneck)));
	put(o, "memory_free_bytes", bytes_if(in->gpu_free.known, in->gpu_free.n));
	put(o, "memory_total_bytes", bytes_if(in->gpu_total.known, in->gpu_total.n));
	put(o, "memory_reserve_bytes", json_integer(in->gpu_reserve));
	return o;
}

static const char *how_text(const struct picture *p)
{
	const struct turn *t = &p->in.turn;

	if (t->at_once)
		return "there is a free slot, and nobody waits";
	if (t->wait_known)
		return "the queue's rules, the time that leases were held of late, and how "
			"long those held now have been";
	if (t->most_known)
		return "no lease has ended yet: only their limit is known";
	return "who waits may not be looked at: run starlingd as root";
}

static json_t *by_class(const struct starling_lease_stat *stat)
{
	return json_pack("{s:i, s:i, s:i}",
			 "interactive", stat->out_waiting[STARLING_CLASS_INTERACTIVE],
			 "normal", stat->out_waiting[STARLING_CLASS_NORMAL],
			 "batch", stat->out_waiting[STARLING_CLASS_BATCH]);
}

static json_t *queue(const struct picture *p)
{
	const struct turn *t = &p->in.turn;
	json_t *o;

	if (!p->leases)
		return json_null();
	o = json_object();
	put(o, "used", json_boolean(p->in.queue_used));
	put(o, "slots", json_integer(p->stat.out_slots));
	put(o, "holders", json_integer(p->stat.out_holders));
	put(o, "waiting", json_integer(p->stat.out_waiting[0]));
	put(o, "waiting_by_class", by_class(&p->stat));
	put(o, "mean_hold_ms", real_if(p->mean_hold_ns, p->mean_hold_ns / 1e6));
	put(o, "ahead", t->wait_known ? json_integer(t->ahead) : json_null());
	put(o, "holders_rest_ms", real_if(t->wait_known, t->rest_ns / 1e6));
	put(o, "wait_ms", real_if(t->wait_known, t->wait_ns / 1e6));
	put(o, "wait_least_ms", real_if(t->wait_known, t->least_ns / 1e6));
	put(o, "wait_most_ms", real_if(t->most_known, t->most_ns / 1e6));
	put(o, "wait_estimated", json_boolean(!t->at_once));
	put(o, "how", json_string(how_text(p)));
	put(o, "patience_ms", json_real(advise_patience_ns(p->req->class) / 1e6));
	return o;
}

static json_t *cpu(const struct picture *p)
{
	const struct machine *m = &p->machine;

	return json_pack("{s:i, s:o, s:o, s:o}", "cpus", m->cpus,
			 "idle_cpus", real_if(m->idle_ns, m->idle_cpus),
			 "recent_s", real_if(m->idle_ns, m->idle_ns / 1e9),
			 "pressure_percent", real_if(m->cpu.known, m->cpu.percent));
}

static json_t *memory(const struct picture *p)
{
	const struct machine *m = &p->machine;

	return json_pack("{s:o, s:o}",
			 "available_bytes", bytes_if(m->available_known, m->available_bytes),
			 "pressure_percent", real_if(m->memory.known, m->memory.percent));
}

/* Of a program without leases, nobody knows for how long it will wait. */
static json_t *expected(const struct picture *p)
{
	return real_if(p->in.queue_used && p->in.turn.wait_known, p->in.turn.wait_ns / 1e6);
}

static json_t *tell(const struct picture *p)
{
	json_t *o = json_object();

	put(o, "version", json_integer(REPORT_VERSION));
	put(o, "advice", json_string(advise_where_text(p->advice.where)));
	put(o, "reason", json_string(p->advice.why));
	put(o, "sure", json_string(advise_sure_text(p->advice.sure)));
	put(o, "expected_wait_ms", expected(p));
	put(o, "asked", asked(p->req));
	put(o, "gpu", gpu(p));
	put(o, "queue", queue(p));
	put(o, "cpu", cpu(p));
	put(o, "memory", memory(p));
	put(o, "ratio", report_ratio(p->d));
	return o;
}

json_t *report_advise(struct daemon *d, const struct advise_request *req)
{
	struct picture p = { .d = d, .req = req, .now = now_ns() };

	p.in.class = req->class;
	p.in.memory = req->memory_bytes;
	take_device(&p);
	take_queue(&p);
	if (req->gpu && !p.in.gpu)
		return NULL;
	take_machine(&p);
	advise(&p.in, &p.advice);
	return tell(&p);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/report-gpu.h"

#include "daemon/daemon.h"
#include "daemon/procfs.h"
#include "daemon/report-caps.h"
#include "daemon/report-driver.h"
#include "daemon/sense/gpu/gpus.h"
#include "daemon/sense/gpu/ledger.h"
#include "daemon/sense/gpu/link.h"
#include "daemon/sense/gpu/procs.h"

static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *sources(unsigned int source)
{
	static const char *const names[] = { "kernel", "probe", "driver", "model" };
	json_t *list = json_array();

	for (unsigned int i = 0; i < 4; i++)
		if (source & 1U << i)
			json_array_append_new(list, json_string(names[i]));
	return list;
}

/* null, or the value in units of @unit, where it is from and how good it is. */
static json_t *value(const struct gpu_value *v, double unit)
{
	json_t *o;

	if (!v || !v->known)
		return json_null();
	o = json_object();
	put(o, "value", unit == 1 ? json_integer(v->n) : json_real(v->n / unit));
	put(o, "source", sources(v->source));
	put(o, "estimated", json_boolean(v->estimated));
	return o;
}

/* Of the last interval, in percent of it. */
static json_t *busy_now(const struct gpu_sample *s, const struct gpu_device *dev)
{
	struct gpu_value v = dev->v[GPU_BUSY];

	v.n = v.n * 100.0 / (s->to_ns - s->from_ns) + 0.5;
	return value(&v, 1);
}

static json_t *one_device(const struct gpu_ledger *l, const struct gpu_sample *s,
			  const struct gpu_device *dev)
{
	const struct gpu_totals *t = ledger_device(l, dev->pci);
	json_t *o = json_object();

	put(o, "id", json_string(dev->pci));
	put(o, "name", json_string(dev->name));
	put(o, "uuid", dev->uuid[0] ? json_string(dev->uuid) : json_null());
	put(o, "number", dev->number ? json_integer(dev->number - 1) : json_null());
	put(o, "busy_percent", busy_now(s, dev));
	put(o, "busy_s", value(t ? &t->busy : NULL, 1e9));
	put(o, "memory_bytes", value(&dev->v[GPU_MEMORY], 1));
	put(o, "memory_total_bytes", value(&dev->v[GPU_MEMORY_TOTAL], 1));
	put(o, "memory_pressure_percent", value(&dev->v[GPU_PRESSURE], 100));
	put(o, "power_w", value(&dev->v[GPU_POWER], 1e3));
	put(o, "energy_j", value(t ? &t->energy : NULL, 1e6));
	put(o, "clock_mhz", value(&dev->v[GPU_CLOCK], 1));
	put(o, "faults", value(t ? &t->faults : NULL, 1));
	put(o, "last_fault", t && t->last_fault ? json_integer(t->last_fault) : json_null());
	return o;
}

static json_t *one_process(const struct daemon *d, const struct gpu_account *a)
{
	const struct task *task = task_find(&d->tasks, a->pid);
	struct proc_stat st = { 0 };
	json_t *o = json_object(), *comm;
	char label[24];

	if (!task || !task->rec.comm[0])
		proc_stat_read(a->pid, &st);
	/* names need not be UTF-8 */
	comm = json_string(task && task->rec.comm[0] ? task->rec.comm : st.comm);
	put(o, "pid", json_integer(a->pid));
	put(o, "comm", comm ? comm : json_string("?"));
	put(o, "agent", task && task->rec.agent_id ?
	    json_string(agent_label(task->rec.agent_id, label, sizeof(label))) : json_null());
	put(o, "busy_s", value(&a->busy, 1e9));
	put(o, "queue_s", value(&a->queue, 1e9));
	put(o, "memory_bytes", value(&a->memory, 1));
	put(o, "energy_j", value(&a->energy, 1e6));
	return o;
}

static json_t *reader(const struct gpu_link *link)
{
	json_t *o = json_object();
	uint64_t rss_kib;
	double cpu_s;

	put(o, "pid", gpu_link_pid(link) ? json_integer(gpu_link_pid(link)) : json_null());
	if (!gpu_link_pid(link) || !procs_cost(gpu_link_pid(link), &rss_kib, &cpu_s))
		return o;
	put(o, "rss_kib", json_integer(rss_kib));
	put(o, "cpu_s", json_real(cpu_s));
	return o;
}

static json_t *devices(const struct gpu_ledger *l, const struct gpu_sample *s)
{
	json_t *list = json_array();

	for (uint32_t i = 0; s && i < s->ndevice; i++)
		json_array_append_new(list, one_device(l, s, &s->device[i]));
	return list;
}

static json_t *processes(const struct daemon *d, const struct gpu_ledger *l)
{
	json_t *list = json_array();

	for (const struct gpu_account *a = l->head; a; a = a->hh.next)
		json_array_append_new(list, one_process(d, a));
	return list;
}

json_t *report_value(const struct gpu_value *v, double unit)
{
	return value(v, unit);
}

json_t *report_sources(unsigned int source)
{
	return sources(source);
}

/* What "starling run --gpu=share" goes by. */
static json_t *mps(const struct daemon *d)
{
	const char *pipe = d->opt.mps_pipe;
	json_t *o = json_object();

	put(o, "allowed", json_boolean(pipe));
	put(o, "pipe", pipe ? json_string(pipe) : json_null());
	return o;
}

json_t *report_gpu(const struct daemon *d)
{
	const struct gpus *g = sense_gpus(d->sense);
	const struct gpu_link *link = g ? gpus_link(g) : NULL;
	const struct gpu_sample *last = g ? gpu_link_last(link) : NULL;
	const char *why = g ? gpu_link_why(link) : "switched off by --gpu off";
	json_t *o = json_object();

	put(o, "known", json_boolean(!why));
	put(o, "why", why ? json_string(why) : json_null());
	put(o, "mps", mps(d));
	put(o, "driver", report_driver(d));
	if (!g)
		return o;
	put(o, "reader", reader(link));
	put(o, "backends", last ? report_caps(last->caps) : json_array());
	put(o, "devices", devices(gpus_ledger(g), gpu_link_sample(link)));
	put(o, "processes", processes(d, gpus_ledger(g)));
	put(o, "package_energy_j", value(&gpus_ledger(g)->package, 1e6));
	put(o, "not_told", json_integer(gpus_ledger(g)->lost + gpus_ledger(g)->overflow));
	return o;
}

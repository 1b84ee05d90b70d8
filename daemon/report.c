// SPDX-License-Identifier: GPL-2.0-only
/*
 * A value that is not known is null here, never 0. Times are seconds except
 * where the name says otherwise; keys are lower case and never change their
 * meaning within one "version".
 */
#include "daemon/report.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "daemon/manage.h"
#include "daemon/procfs.h"
#include "daemon/report-cost.h"
#include "daemon/report-driver.h"
#include "daemon/report-gpu.h"
#include "daemon/report-guard.h"
#include "daemon/report-plan.h"
#include "daemon/roles.h"
#include "daemon/self.h"

static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *seconds(double ns)
{
	return json_real(ns / 1e9);
}

static json_t *seconds_if(bool known, double ns)
{
	return known ? seconds(ns) : json_null();
}

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *agent_ref(uint64_t id)
{
	char buf[24];

	return id ? json_string(agent_label(id, buf, sizeof(buf))) : json_null();
}

/* Names come from programs and need not be UTF-8. */
static json_t *name_text(const char *name)
{
	json_t *text = json_string(name);
	char clean[STARLING_NAME_LEN];
	size_t i;

	if (text)
		return text;
	for (i = 0; name[i] && i < sizeof(clean) - 1; i++)
		clean[i] = name[i] & 0x80 ? '?' : name[i];
	clean[i] = '\0';
	return json_string(clean);
}

static unsigned int big_cpus(const struct topology *topo)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < topo->ncpu; i++)
		n += topo->cpu[i].big;
	return n;
}

static json_t *placers(const struct daemon *d)
{
	json_t *list = json_array(), *o;

	const struct placer_ops *ops;

	for (int i = 0; (ops = ladder_rung(d, i)); i++) {
		o = report_rung(ops->name);
		put(o, "at_work", json_boolean(ops == d->placer_ops));
		put(o, "why_not", text_or_null(ladder_why_not(d, ops)));
		json_array_append_new(list, o);
	}
	return list;
}

/* The placer that was at work before, and why it no longer is. */
static json_t *fell_back(const struct daemon *d)
{
	json_t *o;

	if (!d->fall.from)
		return json_null();
	o = json_object();
	put(o, "from", json_string(d->fall.from->name));
	put(o, "why", json_string(d->fall.why));
	put(o, "since_s", seconds(now_ns() - d->fall.ns));
	return o;
}

static json_t *mode(const struct daemon *d)
{
	const struct sense_mode *m = sense_get_mode(d->sense);
	const char *state = d->opt.dry_run ? "dry-run" : d->off ? "off" :
		d->placer ? "on" : "watching";
	json_t *o = json_object();

	put(o, "state", json_string(state));
	put(o, "cpus", json_integer(d->topo.ncpu));
	put(o, "big", json_integer(big_cpus(&d->topo)));
	put(o, "probes", json_string(daemon_probes(d)));
	put(o, "module", json_boolean(m->kmod));
	put(o, "placer", text_or_null(d->placer ? d->placer_ops->name : NULL));
	put(o, "placers", placers(d));
	put(o, "fell_back", fell_back(d));
	put(o, "missing", text_or_null(m->missing));
	return o;
}

static json_t *guard(const struct daemon *d)
{
	return report_guard(&d->policy.guard, &d->settings, d->plan.left_out, now_ns());
}

static json_t *noise_kind(const struct noise_count *c, enum sysmask_kind kind)
{
	const unsigned int *nr = c->nr[kind];
	json_t *o = json_object();

	put(o, "kept_off", json_integer(nr[NOISE_HELD]));
	put(o, "fixed", json_integer(nr[NOISE_FIXED]));
	put(o, "no_other_cpu", json_integer(nr[NOISE_NO_ROOM]));
	put(o, "changed_by_others", json_integer(nr[NOISE_FOREIGN]));
	put(o, "failed", json_integer(nr[NOISE_FAILED]));
	return o;
}

static json_t *noise(const struct daemon *d)
{
	json_t *o = json_object();
	struct noise_count c;
	char text[512];

	if (!d->noise)
		return o;
	noise_count(d->noise, &c);
	put(o, "cpus", report_cpus(noise_cpus(d->noise)));
	put(o, "text", json_string(noise_text(d->noise, text, sizeof(text))));
	put(o, "left_to", text_or_null(noise_left_to(d->noise)));
	put(o, "interrupts", noise_kind(&c, SYSMASK_IRQ));
	put(o, "new_interrupts", noise_kind(&c, SYSMASK_IRQ_DEFAULT));
	put(o, "workqueues", noise_kind(&c, SYSMASK_WORKQUEUE));
	put(o, "kernel_threads", noise_kind(&c, SYSMASK_KTHREAD));
	return o;
}

static json_t *one_agent(const struct agent *a)
{
	json_t *o = json_object();

	put(o, "id", agent_ref(a->id));
	put(o, "name", name_text(a->name));
	put(o, "origin", json_string(agent_origin_text(a->origin)));
	put(o, "root", a->root ? json_integer(a->root) : json_null());
	put(o, "weight", json_integer(a->weight));
	put(o, "priority", json_string(priority_name(a->class)));
	put(o, "tasks", json_integer(a->tasks));
	put(o, "forks", json_integer(a->forks));
	put(o, "exits", json_integer(a->exits));
	put(o, "cpu_s", seconds(a->past_run_ns + a->run_ns));
	put(o, "wait_s", seconds(a->past_wait_ns + a->wait_ns));
	report_cost_agent(o, a, now_ns());
	return o;
}

static json_t *agents(const struct daemon *d)
{
	json_t *list = json_array();

	for (const struct agent *a = d->agents.head; a; a = a->hh.next)
		json_array_append_new(list, one_agent(a));
	return list;
}

/* Whose CPUs: "shared" or "protected". */
static json_t *cpus_of(const struct daemon *d, const struct task *task)
{
	static const char *const text[] = {
		[STARLING_PLACEMENT_SHARED] = "shared",
		[STARLING_PLACEMENT_PROTECTED] = "protected",
	};

	return text_or_null(text[manage_placement((void *)d, task->tid)]);
}

static json_t *one_feeder(const struct daemon *d, const struct task *task)
{
	const struct starling_task_record *r = &task->rec;
	json_t *o = json_object();

	put(o, "tid", json_integer(task->tid));
	put(o, "pid", json_integer(task->tgid));
	put(o, "comm", name_text(r->comm));
	put(o, "agent", agent_ref(r->agent_id));
	put(o, "cpus", cpus_of(d, task));
	put(o, "style", json_string(wait_style_name(r->wait_style)));
	put(o, "active", json_boolean(d->round_ns - r->gpu_last_ns <
				      d->settings.feeder_idle_ns ||
				      r->gpu_last_ns > d->round_ns));
	put(o, "waits", task_has(task, STARLING_VAL_GPU_WAIT) ?
	    json_integer(r->gpu_waits) : json_null());
	put(o, "gpu_wait_s", seconds_if(r->gpu_wait_ns, r->gpu_wait_ns));
	put(o, "cpu_s", seconds_if(task_has(task, STARLING_VAL_RUN), r->run_ns));
	put(o, "starved_ms", task_has(task, STARLING_VAL_STARVED) ?
	    json_real(task->rec.starved_ns / 1e6) : json_null());
	put(o, "starved_estimated", json_true());
	return o;
}

static json_t *one_inference(const struct daemon *d, const struct task *task)
{
	uint64_t last = task_computed_ns(task);
	json_t *o = json_object();

	put(o, "tid", json_integer(task->tid));
	put(o, "pid", json_integer(task->tgid));
	put(o, "comm", name_text(task->rec.comm));
	put(o, "agent", agent_ref(task->rec.agent_id));
	put(o, "computes", json_boolean(last));
	put(o, "quiet_s", seconds_if(last, last < d->round_ns ? d->round_ns - last : 0));
	put(o, "cpu_s", seconds_if(task_has(task, STARLING_VAL_RUN), task->rec.run_ns));
	put(o, "wait_s", seconds_if(task_has(task, STARLING_VAL_WAIT), task->rec.wait_ns));
	put(o, "why", text_or_null(policy_reason_text(task->why)));
	return o;
}

static json_t *all_of(const struct daemon *d, enum starling_role role,
		      json_t *(*one)(const struct daemon *d, const struct task *task))
{
	json_t *list = json_array();

	for (const struct task *t = d->tasks.head; t; t = t->hh.next)
		if (t->role == role)
			json_array_append_new(list, one(d, t));
	return list;
}

static json_t *own(const struct daemon *d)
{
	double up = now_ns() - d->started_ns, cpu;
	json_t *o = json_object();
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	cpu = ru.ru_utime.tv_sec + ru.ru_stime.tv_sec +
		(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
	put(o, "pid", json_integer(getpid()));
	put(o, "uptime_s", seconds(up));
	put(o, "cpu_s", json_real(cpu));
	put(o, "cpu_percent", json_real(up > 0 ? cpu * 1e11 / up : 0));
	put(o, "rss_kib", json_integer(proc_own_rss_kib()));
	put(o, "class", json_string(self_class()));
	put(o, "tasks", json_integer(task_count(&d->tasks)));
	put(o, "rounds", json_integer(d->count.rounds));
	put(o, "decisions", json_integer(d->count.decisions));
	put(o, "applies", json_integer(d->count.applies));
	put(o, "placed_at_once", json_integer(d->count.placed));
	put(o, "detect_us", json_integer(d->count.detect_ns / 1000));
	put(o, "detect_max_us", json_integer(d->count.detect_max_ns / 1000));
	put(o, "round_us", json_integer(d->count.tick_ns / 1000));
	put(o, "round_max_us", json_integer(d->count.tick_max_ns / 1000));
	put(o, "changes_in_effect", json_integer(d->journal ? journal_count(d->journal) : 0));
	put(o, "lost_events", json_integer(d->lost_events));
	put(o, "lost_tasks", json_integer(d->tasks.overflow));
	return o;
}

json_t *report_status(struct daemon *d)
{
	json_t *o = json_object();

	put(o, "version", json_integer(REPORT_VERSION));
	put(o, "starling", json_string(STARLING_VERSION));
	put(o, "mode", mode(d));
	put(o, "plan", report_plan(&d->plan));
	put(o, "guard", guard(d));
	put(o, "noise", noise(d));
	put(o, "agents", agents(d));
	put(o, "ratio", report_ratio(d));
	put(o, "feeders", all_of(d, STARLING_ROLE_FEEDER, one_feeder));
	put(o, "inference", all_of(d, STARLING_ROLE_INFERENCE, one_inference));
	put(o, "gpu", report_gpu(d));
	put(o, "daemon", own(d));
	return o;
}

/* -- explain ------------------------------------------------------------- */

static void put_counters(json_t *o, const struct task *task)
{
	const struct starling_task_record *r = &task->rec;
	bool switches = task_has(task, STARLING_VAL_SWITCHES);

	put(o, "cpu_s", seconds_if(task_has(task, STARLING_VAL_RUN), r->run_ns));
	put(o, "wait_s", seconds_if(task_has(task, STARLING_VAL_WAIT), r->wait_ns));
	put(o, "voluntary_switches", switches ? json_integer(r->nvcsw) : json_null());
	put(o, "involuntary_switches", switches ? json_integer(r->nivcsw) : json_null());
	put(o, "migrations", task_has(task, STARLING_VAL_MIGRATIONS) ?
	    json_integer(r->migrations) : json_null());
	put(o, "gpu_waits", task_has(task, STARLING_VAL_GPU_WAIT) ?
	    json_integer(r->gpu_waits) : json_null());
	put(o, "gpu_wait_s", seconds_if(r->gpu_wait_ns, r->gpu_wait_ns));
	put(o, "wait_style", r->gpu_last_ns ?
	    json_string(wait_style_name(r->wait_style)) : json_null());
	put(o, "starved_ms", task_has(task, STARLING_VAL_STARVED) ?
	    json_real(r->starved_ns / 1e6) : json_null());
}

static void put_other(json_t *o, const struct daemon *d, uint32_t tid)
{
	const struct task *other = tid ? task_find(&d->tasks, tid) : NULL;
	struct proc_stat st;

	put(o, "why_tid", tid ? json_integer(tid) : json_null());
	if (other && other->rec.comm[0])
		put(o, "why_comm", name_text(other->rec.comm));
	else if (tid && !proc_stat_read(tid, &st))
		put(o, "why_comm", name_text(st.comm));
	else
		put(o, "why_comm", json_null());
}

static json_t *placement(const struct daemon *d, const struct task *task)
{
	char text[512];
	int n = 0;

	if (d->placer)
		n = d->placer_ops->explain(d->placer, task->tid, text, sizeof(text));
	return n > 0 ? json_string(text) : json_null();
}

static const char *kthread_text(const struct daemon *d, uint32_t tid)
{
	const char *text = d->noise ? noise_explain(d->noise, tid) : NULL;

	return text ? text : "a kernel thread: nothing was done to it";
}

/* Why nothing was done to a task that has a role. */
static const char *untouched(const struct daemon *d, const struct task *task)
{
	if (d->off)
		return "Starling is switched off: starling on";
	if (!d->placer)
		return "the daemon only watches: no placer";
	if (task->kthread)
		return kthread_text(d, task->tid);
	if (!task->role)
		return "it has no role: no agent's and not on a GPU's request path";
	return "the plan leaves this role as it was";
}

static json_t *explain_task(const struct daemon *d, const struct task *task)
{
	const struct agent *a = agent_find(&d->agents, task->rec.agent_id);
	json_t *o = json_object(), *done = placement(d, task);

	put(o, "tid", json_integer(task->tid));
	put(o, "pid", json_integer(task->tgid));
	put(o, "comm", name_text(task->rec.comm));
	put(o, "managed", json_boolean(task->role != STARLING_ROLE_NONE));
	put(o, "agent", agent_ref(task->rec.agent_id));
	put(o, "agent_name", a ? name_text(a->name) : json_null());
	put(o, "role", json_string(role_name(task->role)));
	put(o, "role_source", json_string(role_source_name(task->role_source)));
	put(o, "why", text_or_null(policy_reason_text(task->why)));
	put_other(o, d, task->why_tid);
	put(o, "untouched", json_is_null(done) ?
	    json_string(untouched(d, task)) : json_null());
	put(o, "placement", done);
	put(o, "cpus", cpus_of(d, task));
	put_counters(o, task);
	put(o, "driver", report_driver_thread(d, task->tid));
	return o;
}

static json_t *explain_stranger(const struct daemon *d, uint32_t tid, const struct proc_stat *st)
{
	json_t *o = json_object();

	put(o, "tid", json_integer(tid));
	put(o, "pid", json_integer(st->tgid));
	put(o, "comm", name_text(st->comm));
	put(o, "managed", json_false());
	put(o, "why", json_string(st->kthread ? kthread_text(d, tid) :
		"not in an agent and not on the request path of a GPU"));
	put(o, "driver", report_driver_thread(d, tid));
	return o;
}

json_t *report_explain(struct daemon *d, uint32_t pid, int *err)
{
	json_t *o, *list;
	struct proc_stat st;
	struct task *task;

	*err = pid ? proc_stat_read(pid, &st) : -ESRCH;
	if (*err)
		return NULL;
	list = json_array();
	/* a thread answers for itself, a process for all its threads */
	for (task = d->tasks.head; task; task = task->hh.next)
		if (task->tid == pid || (task->tgid == pid && st.tgid == pid))
			json_array_append_new(list, explain_task(d, task));
	if (!json_array_size(list))
		json_array_append_new(list, explain_stranger(d, pid, &st));
	o = json_object();
	put(o, "version", json_integer(REPORT_VERSION));
	put(o, "plan", json_string(d->plan.why));
	put(o, "guard", guard(d));
	put(o, "tasks", list);
	return o;
}

/* -- log ------------------------------------------------------------------ */

json_t *report_log(const struct daemon *d, uint64_t after)
{
	const struct history_entry *e = history_after(&d->history, after);
	json_t *o = json_object(), *list = json_array();

	put(o, "version", json_integer(REPORT_VERSION));
	put(o, "missed", json_integer(e ? e->seq - after - 1 : 0));
	put(o, "newest", json_integer(d->history.seq));
	for (; e; e = history_after(&d->history, e->seq))
		json_array_append_new(list, json_pack("{s:I, s:f, s:s, s:s}", "seq",
			(json_int_t)e->seq, "time", e->real_ns / 1e9, "about", e->about,
			"text", e->text));
	put(o, "entries", list);
	return o;
}

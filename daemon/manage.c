// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/manage.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "daemon/account.h"
#include "daemon/ladder.h"
#include "daemon/log.h"
#include "daemon/member.h"
#include "daemon/place/reach.h"
#include "daemon/self.h"

#define GROUP_RUN_NS	20e6	/* a hundredth of the window */
#define AGENT_KEEP_NS	(60 * 1000000000ULL)
#define LATE_NS		2e9	/* what ran so long ago counts as 1/e */
#define COMPUTE_QUIET_NS	1000000000ULL	/* who computes again then is news */
#define APPLY_ROUNDS	8
#define ACTIVE_NS	1000000000ULL
#define DENIED_PART	4
#define SLOW_NS		20000000ULL
#define HEAT_ROUNDS	40

/* -- taking in what sense reports ---------------------------------------- */

static bool gone(const struct task *task)
{
	return syscall(SYS_tgkill, task->tgid, task->tid, 0) && errno == ESRCH;
}

static void drop(struct daemon *d, struct task *task, bool dead)
{
	if (d->placer && dead)
		d->placer_ops->forget(d->placer, task->tid);
	/* alive but no longer ours: the next apply() restores it */
	if (task->in_effect && !dead)
		d->changed = true;
	task_drop(&d->tasks, task);
}

/* One that waits for a CPU makes no GPU calls: look further back than a round. */
static bool active(const struct daemon *d, const struct task *task)
{
	return task->rec.gpu_last_ns &&
		task->rec.gpu_last_ns + ACTIVE_NS > d->round_ns;
}

static void take_record(struct daemon *d, const struct starling_task_record *rec)
{
	struct task *task = task_get(&d->tasks, rec->tid);
	double gpu, wait, gpu_before;

	if (!task)
		return;
	if (!task->first_ns)
		task->first_ns = d->round_ns;
	wait = task->d_wait_ns;
	gpu_before = task->has_base ? task->rec.gpu_wait_ns : rec->gpu_wait_ns;
	if (task->rec.agent_id != rec->agent_id || task->rec.role != rec->role)
		d->changed = true;
	task_update(task, rec);
	task->round = d->round;
	gpu = rec->gpu_wait_ns > gpu_before ? rec->gpu_wait_ns - gpu_before : 0;
	wait = task->d_wait_ns - wait;
	if (active(d, task) && wait * DENIED_PART > d->elapsed_ns)
		task->denied_ns = d->round_ns;
	if (gpu > 0)
		cost_waited(d, task, gpu);
}

/* A feeder has waited since the last round: the window moves on. */
static bool window_moves(const struct sense_view *view, uint64_t since)
{
	for (size_t i = 0; i < view->ntask; i++)
		if (view->task[i].gpu_last_ns > since)
			return true;
	return false;
}

static void fade(struct daemon *d, uint64_t elapsed)
{
	double left = edge_fade(&d->edges, elapsed);
	struct task *task;

	for (task = d->tasks.head; task; task = task->hh.next) {
		task->d_run_ns *= left;
		task->d_wait_ns *= left;
		task->d_gpu_waits *= left;
		task->d_nvcsw *= left;
	}
}

/* For those that may keep step: the window stands still while no feeder waits. */
static void fade_late(struct daemon *d, uint64_t elapsed)
{
	double left = exp(-(double)elapsed / LATE_NS);
	struct task *task;

	for (task = d->tasks.head; task; task = task->hh.next)
		task->late_ns *= left;
}

static void take_view(struct daemon *d, const struct sense_view *view)
{
	uint64_t since = d->round_ns;
	struct task *task, *next;

	d->round++;
	d->round_ns = view->now_ns;
	d->elapsed_ns = view->now_ns - since;
	d->lost_events = view->lost_events;
	d->moved = window_moves(view, since);
	if (d->moved) {
		fade(d, view->now_ns - since);
		edge_add(&d->edges, view->edge, view->nedge);
	}
	fade_late(d, d->elapsed_ns);
	for (size_t i = 0; i < view->ntask; i++)
		take_record(d, &view->task[i]);
	HASH_ITER(hh, d->tasks.head, task, next)
		if ((int32_t)(task->round - d->round) < 0)
			drop(d, task, gone(task));
	account_agents(d, view, view->now_ns);
	cost_round(d, view->now_ns);
}

/* -- events -------------------------------------------------------------- */

static struct task *event_task(struct daemon *d, const struct sense_event *ev)
{
	struct task *task = task_get(&d->tasks, ev->tid);

	if (!task)
		return NULL;
	if (!task->first_ns) {
		task->first_ns = ev->ns;
		task->round = d->round + 1;
	}
	task->rec.tid = ev->tid;
	task->tgid = task->rec.tgid = ev->tgid ? ev->tgid : ev->tid;
	if (ev->ppid)
		task->ppid = ev->ppid;
	if (ev->agent_id)
		task->rec.agent_id = ev->agent_id;
	return task;
}

/* To say so is free; whoever is seen to compute has something to compute. */
static bool only_said(const struct task *task)
{
	return task->role == STARLING_ROLE_INFERENCE &&
		task->role_source != STARLING_BY_DETECTION;
}

static struct place_task place_of(struct daemon *d, const struct task *task)
{
	const struct agent *a = task->rec.agent_id ?
		agent_find(&d->agents, task->rec.agent_id) : NULL;

	return (struct place_task){
		.tid = task->tid,
		.tgid = task->tgid,
		.start_ns = task->rec.start_ns,
		.agent_id = task->rec.agent_id,
		.weight = a ? a->weight : AGENT_WEIGHT_NORMAL,
		.role = task->role,
		.opted_in = a && a->origin != AGENT_FROM_LINEAGE,
		.real_time = task->real_time,
		.feeding = task->feeding,
		.said = only_said(task),
	};
}

static void place_now(struct daemon *d, struct task *task)
{
	struct place_task pt = place_of(d, task);

	if (!daemon_places(d) || !pt.role)
		return;
	if (!d->placer_ops->place(d->placer, &pt))
		d->count.placed++;
	task->in_effect = true;
}

/*
 * A fresh image forgets what its parent was. Roles that somebody set stay,
 * a role that only lineage or detection gave is made new.
 */
static void event_exec(struct daemon *d, struct task *task,
		       const struct sense_event *ev)
{
	task->execed = !task->agent_root;
	task->compute_last_ns = task->computing_ns = 0;
	if (ev->role) {
		task->role = ev->role;
		task->role_source = ev->role_source;
		task->why = WHY_LINEAGE_EXEC;
	}
	place_now(d, task);
}

static void event_gpu(struct daemon *d, struct task *task,
		      const struct sense_event *ev)
{
	if (ev->ns > task->rec.gpu_last_ns)
		task->rec.gpu_last_ns = ev->ns;
	task->d_gpu_waits += 1;
	if (!d->hurry_ns)
		d->hurry_ns = ev->ns;
	d->hurry = true;
}

/* The other threads of its process may keep step with it: they are looked at from now on. */
static void event_compute(struct daemon *d, struct task *task,
			  const struct sense_event *ev)
{
	bool news = !task->compute_last_ns ||
		ev->ns - task->compute_last_ns >= COMPUTE_QUIET_NS;

	if (ev->ns > task->compute_last_ns)
		task->compute_last_ns = ev->ns;
	if (!news)
		return;
	member_watch_beside(d, task, ev->ns);
	if (!d->hurry_ns)
		d->hurry_ns = ev->ns;
	d->hurry = true;
}

static void event_role(struct daemon *d, struct task *task,
		       const struct sense_event *ev)
{
	task->rec.role = ev->role;
	task->rec.role_source = ev->role_source;
	task->role = ev->role;
	task->role_source = ev->role_source;
	if (ev->agent_id)
		agent_get(&d->agents, ev->agent_id, ev->ns);
	/* what a framework brought in itself is no tool when it executes */
	if (ev->type == SENSE_JOIN && !(ev->agent_id & AGENT_LOCAL_BIT))
		task->agent_root = true;
	d->changed = d->hurry = true;
}

void manage_event(void *ctx, const struct sense_event *ev)
{
	struct daemon *d = ctx;
	struct task *task;

	if (ev->tgid == (uint32_t)getpid())
		return;
	if (ev->type == SENSE_EXIT) {
		task = task_find(&d->tasks, ev->tid);
		if (task)
			drop(d, task, true);
		return;
	}
	if (ev->type == SENSE_GPU_OPEN) {
		log_debug("process %u begins with a GPU", ev->tgid);
		return;
	}
	task = event_task(d, ev);
	if (!task)
		return;
	switch (ev->type) {
	case SENSE_EXEC:
		event_exec(d, task, ev);
		break;
	case SENSE_GPU_FIRST_WAIT:
	case SENSE_GPU_RESUME:
		event_gpu(d, task, ev);
		break;
	case SENSE_COMPUTE:
		event_compute(d, task, ev);
		break;
	case SENSE_LEAVE:
		task->rec.agent_id = 0;
		event_role(d, task, ev);
		break;
	default:
		event_role(d, task, ev);
	}
}

/* -- deciding ------------------------------------------------------------ */

/* The arrays of one decision, in step with each other; in the daemon's room. */
struct picture {
	struct snapshot snap;
	struct snap_task *task;
	struct task **known;
	struct verdict *verdict;
	struct snap_edge *edge;
};

/*
 * A feeder that was kept from running is not quiet: to lend its core then
 * would keep it from running for longer.
 */
static uint64_t gpu_last(const struct task *task)
{
	if (task->rec.gpu_last_ns && task->denied_ns > task->rec.gpu_last_ns)
		return task->denied_ns;
	return task->rec.gpu_last_ns;
}

/* Only where it counts: reading it for each short-lived tool is too dear. */
static uint32_t group_of(const struct task *task)
{
	if (!task->rec.gpu_last_ns && task->d_run_ns < GROUP_RUN_NS)
		return 0;
	return reach_group_cached(task->tid);
}

/*
 * Only of those who could use it: the others need no answer. Who only watches says
 * what would be done.
 */
static bool no_real_time(const struct daemon *d, const struct task *task)
{
	const struct placer_ops *ops = d->placer_ops;

	return task->rec.wait_style == STARLING_WAIT_BLOCK && daemon_places(d) &&
		!(ops->real_time && ops->real_time(d->placer, task->tid));
}

static struct snap_task snap_of(const struct daemon *d, struct task *task)
{
	task_look_up(task);
	return (struct snap_task){
		.tid = task->tid,
		.tgid = task->tgid,
		.ppid = task->ppid,
		.agent_id = task->rec.agent_id,
		.gpu_last_ns = gpu_last(task),
		.compute_last_ns = task->compute_last_ns,
		.computing_ns = task->computing_ns,
		.late_ns = task->late_ns,
		.d_run_ns = task->d_run_ns,
		.d_wait_ns = task->d_wait_ns,
		.recent_ns = task->recent_ns,
		.recent_wait_ns = task->recent_wait_ns,
		.d_gpu_waits = task->d_gpu_waits + 0.5,
		.d_nvcsw = task->d_nvcsw,
		.wait_style = task->rec.wait_style,
		.role = task->role ? task->role : task->rec.role,
		.role_source = task->role ? task->role_source : task->rec.role_source,
		.group = group_of(task),
		.agent_root = task->agent_root,
		.execed = task->execed,
		.kthread = task->kthread,
		.real_time = task->real_time,
		.no_real_time = no_real_time(d, task),
	};
}

static void sum_agents(const struct daemon *d, struct snapshot *snap)
{
	const struct agent *a;

	for (a = d->agents.head; a; a = a->hh.next) {
		snap->agents_run_ns += a->past_run_ns + a->run_ns;
		snap->agents_wait_ns += a->past_wait_ns + a->wait_ns;
	}
}

static int picture_take(struct daemon *d, struct picture *p)
{
	size_t ntask = task_count(&d->tasks), nedge = HASH_COUNT(d->edges.head);
	struct task *task;
	struct edge *e;
	size_t n = 0;

	memset(p, 0, sizeof(*p));
	p->task = room_take(&d->room, ntask + 1, sizeof(*p->task));
	p->known = room_take(&d->room, ntask + 1, sizeof(*p->known));
	p->verdict = room_take(&d->room, ntask + 1, sizeof(*p->verdict));
	p->edge = room_take(&d->room, nedge + 1, sizeof(*p->edge));
	if (!p->task || !p->known || !p->verdict || !p->edge)
		return -ENOMEM;
	for (task = d->tasks.head; task; task = task->hh.next, n++) {
		p->task[n] = snap_of(d, task);
		p->known[n] = task;
	}
	n = 0;
	for (e = d->edges.head; e; e = e->hh.next)
		p->edge[n++] = (struct snap_edge){
			e->key.waker, e->key.wakee, e->count + 0.5 };
	p->snap = (struct snapshot){
		.now_ns = now_ns(),
		.read_ns = d->round_ns,
		.window_ns = d->edges.window_ns,
		.round_ns = d->elapsed_ns,
		.topo = &d->topo,
		.task = p->task,
		.ntask = ntask,
		.edge = p->edge,
		.nedge = n,
		.set = &d->settings,
		.room = &d->room,
	};
	sum_agents(d, &p->snap);
	return 0;
}

static void take_verdict(struct daemon *d, struct task *task,
			 const struct verdict *v)
{
	task->why = v->why;
	task->why_tid = v->why_tid;
	if (v->role == task->role && v->role_source == task->role_source)
		return;
	if (v->role != task->role)
		d->changed = true;
	task->role = v->role;
	task->role_source = v->role_source;
	/* what others said is theirs to record; what we saw is ours */
	if (v->role_source == STARLING_BY_DETECTION)
		sense_set_role(d->sense, task->tid, v->role, v->role_source);
}

static void take_verdicts(struct daemon *d, struct picture *p)
{
	uint32_t founded = 0;

	for (size_t i = 0; i < p->snap.ntask; i++)
		take_verdict(d, p->known[i], &p->verdict[i]);
	/* after the loop: founding adds tasks, entries stay where they are */
	for (size_t i = 0; i < p->snap.ntask; i++) {
		struct task *task = p->known[i];

		if (p->verdict[i].role != STARLING_ROLE_ORCHESTRATOR ||
		    task->rec.agent_id || task->tgid == founded)
			continue;
		founded = task->tgid;
		member_found(d, task->tgid);
	}
}

static void note_computing(struct picture *p)
{
	for (size_t i = 0; i < p->snap.ntask; i++)
		if (policy_computing(&p->snap, &p->task[i]))
			p->known[i]->computing_ns = p->snap.now_ns;
}

static void allow_real_time(struct daemon *d, struct picture *p)
{
	for (size_t i = 0; i < p->snap.ntask; i++) {
		bool may = policy_real_time(&p->snap, &p->verdict[i], &p->task[i]);

		if (may == p->known[i]->real_time)
			continue;
		p->known[i]->real_time = may;
		d->changed = true;
	}
}

/* Told at once, and to those only who can use it: it changes with each pause. */
static void note_feeding(struct daemon *d, struct picture *p)
{
	for (size_t i = 0; i < p->snap.ntask; i++) {
		struct task *task = p->known[i];
		bool feeds = policy_feeding(&p->snap, &p->verdict[i], &p->task[i]);

		if (feeds == task->feeding)
			continue;
		task->feeding = feeds;
		if (task->in_effect && daemon_places(d) && d->placer_ops->grant)
			d->placer_ops->grant(d->placer, task->tid, feeds);
	}
}

static void tell_agents(struct daemon *d)
{
	struct place_agent *list;
	struct agent *a;
	size_t n = 0;

	if (!daemon_places(d) || !d->placer_ops->agents)
		return;
	list = room_take(&d->room, HASH_COUNT(d->agents.head) + 1, sizeof(*list));
	if (!list)
		return;
	for (a = d->agents.head; a; a = a->hh.next)
		list[n++] = (struct place_agent){
			.id = a->id, .parent = a->parent, .weight = a->weight, .class = a->class,
		};
	d->placer_ops->agents(d->placer, list, n);
}

static size_t list_placed(struct daemon *d, struct place_task *list)
{
	struct task *task;
	size_t n = 0;

	for (task = d->tasks.head; task; task = task->hh.next) {
		task->in_effect = task->role != STARLING_ROLE_NONE &&
			!task->kthread;
		if (task->in_effect)
			list[n++] = place_of(d, task);
	}
	return n;
}

static void apply(struct daemon *d)
{
	struct place_task *list;
	size_t n;
	int err;

	d->changed = false;
	if (!daemon_places(d))
		return;
	list = room_take(&d->room, task_count(&d->tasks) + 1, sizeof(*list));
	if (!list)
		return;
	n = list_placed(d, list);
	err = d->placer_ops->apply(d->placer, &d->plan, list, n);
	if (err < 0) {
		log_debug("placer %s: %s", d->placer_ops->name, strerror(-err));
		d->changed = true;
	}
	d->count.applies++;
}

static void tell_plan(struct daemon *d, const struct plan *old)
{
	if (d->plan.feeders && !old->feeders)
		history_add(&d->history, LOG_INFO, "gpu", "GPU thread found: %s", d->plan.why);
	else if (!d->plan.feeders && old->feeders)
		history_add(&d->history, LOG_INFO, "gpu", "no GPU thread any more: %s",
			    d->plan.why);
	else if (d->plan.seq != old->seq)
		log_debug("plan %llu: %s", (unsigned long long)d->plan.seq,
			  d->plan.why);
}

static void tell_inference(struct daemon *d, const struct plan *old)
{
	if (d->plan.inference_active && !old->inference_active)
		history_add(&d->history, LOG_INFO, "inference", "a model is computed: %s",
			    d->plan.why);
	else if (!d->plan.inference_active && old->inference_active)
		history_add(&d->history, LOG_INFO, "inference", "no model is computed now: %s",
			    d->plan.why);
}

static void tell_guard(struct daemon *d)
{
	const struct guard *g = &d->policy.guard;

	if (g->seq == d->guard_seq)
		return;
	d->guard_seq = g->seq;
	history_add(&d->history, LOG_INFO, "rule", "%s", g->said);
}

static bool any_real_time(const struct daemon *d)
{
	for (const struct task *task = d->tasks.head; task; task = task->hh.next)
		if (task->role == STARLING_ROLE_FEEDER && task->real_time)
			return true;
	return false;
}

/*
 * The scheduler goes by roles: of a plan it follows the CPUs, and the class of those
 * that have one of the kernel's. While nobody has, priority does nothing: a trial
 * would find that, and whoever comes later would have to do without.
 */
static unsigned int rules_of_scheduler(const struct daemon *d)
{
	unsigned int rules = GUARD_BIT(GUARD_CORES) | GUARD_BIT(GUARD_NOISE);

	if (d->placer_ops == &placer_sched_partial || any_real_time(d))
		rules |= GUARD_BIT(GUARD_PRIORITY);
	return rules;
}

/* What can be left out, so that it can be tried. */
static unsigned int rules_in_reach(const struct daemon *d)
{
	unsigned int rules = GUARD_ALL;

	if (!daemon_places(d))
		return 0;
	if (d->placer_ops == &placer_sched_ext || d->placer_ops == &placer_sched_partial)
		rules = rules_of_scheduler(d);
	return d->noise ? rules : rules & ~GUARD_BIT(GUARD_NOISE);
}

/* Whose attributes are not what counts. */
static enum policy_shares shares_of(const struct daemon *d)
{
	if (!daemon_places(d))
		return POLICY_SHARES_NONE;
	return d->placer_ops == &placer_sched_ext ? POLICY_SHARES_ALL :
		d->placer_ops == &placer_sched_partial ? POLICY_SHARES_AGENTS :
		POLICY_SHARES_NONE;
}

/* A placer may have put off what is dear: moving a tool that stays. */
static bool is_apply_due(const struct daemon *d)
{
	return d->plan.feeders_active && d->round % APPLY_ROUNDS == 0;
}

void manage_decide(struct daemon *d)
{
	struct plan old = d->plan;
	struct picture p;

	room_reset(&d->room);
	d->settings.shares = shares_of(d);
	if (picture_take(d, &p))
		return;
	policy_classify(&p.snap, p.verdict);
	take_verdicts(d, &p);
	note_computing(&p);
	allow_real_time(d, &p);
	note_feeding(d, &p);
	d->settings.guard_rules = rules_in_reach(d);
	policy_decide(&p.snap, p.verdict, &d->policy, &d->plan);
	d->count.decisions++;
	tell_plan(d, &old);
	tell_inference(d, &old);
	tell_guard(d);
	if (!CPU_EQUAL(&d->plan.protected_cpus, &old.protected_cpus))
		self_avoid(&d->plan.protected_cpus);
	if (d->changed || d->plan.seq != old.seq || is_apply_due(d))
		apply(d);
}

/* What was urgent has been decided; how long did it take? */
static void hurry_done(struct daemon *d)
{
	uint64_t since = d->hurry_ns;

	d->hurry = false;
	d->hurry_ns = 0;
	/* what happened before we could look is no delay of ours */
	if (since < d->started_ns)
		return;
	d->count.detect_ns = now_ns() - since;
	if (d->count.detect_ns > d->count.detect_max_ns)
		d->count.detect_max_ns = d->count.detect_ns;
	manage_slow("acting on an event", since);
}

void manage_hurry(struct daemon *d)
{
	if (!d->hurry)
		return;
	manage_decide(d);
	hurry_done(d);
}

void manage_slow(const char *what, uint64_t since)
{
	uint64_t took = now_ns() - since;

	if (took > SLOW_NS)
		log_debug("%s took %llu ms", what, (unsigned long long)took / 1000000);
}

static void keep_quiet(struct daemon *d)
{
	static const cpu_set_t none;
	uint64_t begin = now_ns();

	if (!d->noise)
		return;
	noise_round(d->noise, daemon_places(d) ? &d->plan.quiet_cpus : &none, begin);
	manage_slow("keeping noise off", begin);
}

/* What the placer works by may be taken from it at any time. */
void manage_beat(struct daemon *d)
{
	const char *why = "";

	if (!daemon_places(d) || !d->placer_ops->beat)
		return;
	if (d->placer_ops->beat(d->placer, &why) != -ESHUTDOWN)
		return;
	ladder_fall(d, why);
	manage_decide(d);
}

/* CPUs come and go; heat is looked at where it can matter, every 10 s. */
static void watch_machine(struct daemon *d)
{
	bool heat = d->plan.feeders_active && d->round % HEAT_ROUNDS == 0;
	unsigned int before = d->topo.ncpu;
	int ret = topology_refresh(&d->topo, heat);

	if (ret < 0)
		log_debug("looking for CPUs: %s", strerror(-ret));
	else if (d->topo.ncpu != before)
		log_info("%u cpus to use now, %u before", d->topo.ncpu, before);
}

void manage_round(struct daemon *d)
{
	struct sense_view view = { 0 };
	uint64_t begin = now_ns(), took;
	int err;

	sense_tick(d->sense, begin);
	manage_slow("looking for GPU libraries", begin);
	member_watch_engines(d, begin);
	err = sense_read(d->sense, &view);
	if (err) {
		log_debug("sense: %s", strerror(-err));
		return;
	}
	take_view(d, &view);
	tell_agents(d);
	watch_machine(d);
	manage_decide(d);
	hurry_done(d);
	manage_beat(d);
	keep_quiet(d);
	member_watch(d, d->round_ns);
	agent_expire(&d->agents, d->round_ns, AGENT_KEEP_NS);
	d->count.rounds++;
	took = now_ns() - begin;
	d->count.tick_ns = took;
	if (took > d->count.tick_max_ns)
		d->count.tick_max_ns = took;
	ladder_climb(d);
}

enum starling_placement manage_placement(void *ctx, uint32_t tid)
{
	const struct daemon *d = ctx;
	const struct task *task = task_find(&d->tasks, tid);

	if (!task || !task->in_effect || !daemon_places(d))
		return STARLING_PLACEMENT_UNKNOWN;
	return plan_protects(&d->plan, task->role) ?
		STARLING_PLACEMENT_PROTECTED : STARLING_PLACEMENT_SHARED;
}

/* -- off and on ---------------------------------------------------------- */

int manage_off(struct daemon *d)
{
	struct task *task;
	int n = 0;

	d->off = true;
	if (d->noise)
		noise_undo(d->noise);
	if (d->placer)
		n = d->placer_ops->undo(d->placer);
	for (task = d->tasks.head; task; task = task->hh.next)
		task->in_effect = false;
	if (n < 0)
		history_add(&d->history, LOG_WARNING, "daemon",
			    "switched off, but not all is restored (%s): the next start "
			    "tries again", strerror(-n));
	else
		history_add(&d->history, LOG_INFO, "daemon",
			    "switched off: %d tasks restored; watching only", n);
	return n;
}

void manage_on(struct daemon *d)
{
	d->off = false;
	d->changed = true;
	history_add(&d->history, LOG_INFO, "daemon", "switched on");
	d->fall.again = d->fall.from;
	manage_decide(d);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/sense.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "daemon/sense/array.h"
#include "daemon/sense/cuda.h"
#include "daemon/sense/devices.h"
#include "daemon/sense/driver.h"
#include "daemon/sense/gpu/gpus.h"
#include "daemon/sense/kmod.h"
#include "daemon/sense/merge.h"
#include "daemon/sense/probe.h"
#include "daemon/sense/proc.h"

/* Wakes are counted for this long after the last sign of a GPU thread. */
#define WAKES_KEEP_NS	(60 * 1000000000ULL)
#define ACTIVE_NS	(10 * 1000000000ULL)
/* How often to look whether the module was loaded. */
#define MODULE_EVERY_NS	(2 * 1000000000ULL)
#define DEVICES_EVERY_NS	(10 * 1000000000ULL)
/* A tool is placed when it begins. Of many at once, most are gone after that. */
#define EXECS_EVERY_NS		4000000

struct sense {
	struct sense_opts opts;
	struct sense_mode mode;
	int epfd;
	struct probe *probe;
	struct cuda *cuda;
	int execs;		/* timer: when to look for more that executed a program */
	bool execs_seen;	/* one did, since the last look */
	struct driver *driver;
	struct kmod *kmod;
	struct proc *proc;
	struct gpus *gpus;	/* NULL: not asked */
	struct array merged;
	struct array agents;
	uint64_t gpu_ns;	/* last sign of a GPU thread */
	uint64_t wakes_ns;	/* last reason to count wakes */
	uint64_t module_ns;	/* last look for the module */
	uint64_t devices_ns;	/* last look for open devices */
	bool turns;		/* each wait for a GPU is told */
	uint64_t turns_lost;	/* those that were not */
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* -- events ------------------------------------------------------------------ */

static void hand_on(struct sense *s, enum sense_event_type type,
		    const struct probe_event *ev)
{
	struct sense_event out = {
		.type = type,
		.tid = ev->tid,
		.tgid = ev->tgid,
		.ppid = ev->ppid,
		.role = ev->role,
		.role_source = ev->source,
		.agent_id = ev->agent_id,
		.ns = ev->ns,
	};

	if (s->gpus && (type == SENSE_GPU_OPEN || type == SENSE_GPU_FIRST_WAIT))
		gpus_used(s->gpus, ev->tgid);
	if (s->opts.on_event)
		s->opts.on_event(s->opts.ctx, &out);
}

static void on_gpu_wait(struct sense *s, const struct probe_event *ev)
{
	bool first = ev->type == PROBE_GPU_FIRST_WAIT;

	s->gpu_ns = s->wakes_ns = ev->ns;
	hand_on(s, first ? SENSE_GPU_FIRST_WAIT : SENSE_GPU_RESUME, ev);
	probe_wakes(s->probe, true);
	cuda_active(s->cuda, first);
}

/* What the module says of its members is repeated where the probes see it. */
static void on_module(struct sense *s, const struct probe_event *ev)
{
	struct probe_control c = {
		.tid = ev->tid,
		.role = ev->role,
		.source = ev->source,
	};

	if (ev->type == PROBE_MODULE_ROLE) {
		c.flags = PROBE_SET_ROLE;
	} else {
		c.flags = PROBE_SET_AGENT;
		c.agent_id = ev->type == PROBE_MODULE_JOIN ? ev->agent_id : 0;
		c.root = ev->type == PROBE_MODULE_JOIN && !ev->inherited;
	}
	probe_control(s->probe, &c);
	hand_on(s, ev->type == PROBE_MODULE_JOIN ? SENSE_JOIN :
		ev->type == PROBE_MODULE_LEAVE ? SENSE_LEAVE : SENSE_ROLE, ev);
}

static void on_probe_event(void *ctx, const struct probe_event *ev)
{
	struct sense *s = ctx;

	switch (ev->type) {
	case PROBE_EXEC:
		s->execs_seen = true;
		hand_on(s, SENSE_EXEC, ev);
		break;
	case PROBE_EXIT:
		hand_on(s, SENSE_EXIT, ev);
		break;
	case PROBE_GPU_OPEN:
		hand_on(s, SENSE_GPU_OPEN, ev);
		break;
	case PROBE_LIB_MAPPED:
		if (s->cuda)
			cuda_mapped(s->cuda, ev);
		break;
	case PROBE_GPU_FIRST_WAIT:
	case PROBE_GPU_RESUME:
		on_gpu_wait(s, ev);
		break;
	case PROBE_COMPUTE:
		hand_on(s, SENSE_COMPUTE, ev);
		break;
	case PROBE_MODULE_JOIN:
	case PROBE_MODULE_LEAVE:
	case PROBE_MODULE_ROLE:
		on_module(s, ev);
		break;
	}
}

static void on_proc_event(void *ctx, const struct sense_event *ev)
{
	struct sense *s = ctx;

	if (s->opts.on_event)
		s->opts.on_event(s->opts.ctx, ev);
}

/* -- open ---------------------------------------------------------------------- */

static int watch_fd(struct sense *s, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(s->epfd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int open_timer(struct sense *s)
{
	s->execs = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	return s->execs < 0 ? -errno : watch_fd(s, s->execs);
}

static const char *without_uprobes(const struct sense *s)
{
	if (driver_usable(s->driver))
		return "no uprobe links: GPU threads are only seen where they sleep in"
			" NVIDIA's driver; use a kernel of 6.6 or later with CONFIG_UPROBES";
	return "no uprobe links: GPU threads are not seen; use a kernel of 6.6 or later"
		" with CONFIG_UPROBES";
}

static int open_bpf(struct sense *s)
{
	int err = probe_open(&s->probe, on_probe_event, s, &s->mode.missing);

	if (err)
		return err;
	err = watch_fd(s, probe_fd(s->probe));
	if (!err)
		err = cuda_open(&s->cuda, s->probe, s->opts.cuda_lib);
	if (!err)
		err = watch_fd(s, cuda_fd(s->cuda));
	if (!err)
		err = open_timer(s);
	if (!err)
		err = driver_open(&s->driver, s->probe);
	if (err)
		return err;
	s->mode.bpf = true;
	s->mode.uprobes = cuda_usable(s->cuda);
	if (!s->mode.uprobes)
		s->mode.missing = without_uprobes(s);
	return 0;
}

static void open_kmod(struct sense *s)
{
	int err;

	if (s->opts.no_kmod || s->kmod)
		return;
	err = kmod_open(&s->kmod);
	s->mode.kmod = !err;
	if (!err && s->opts.rules && s->opts.rules->flags &&
	    kmod_rules(s->kmod, s->opts.rules))
		s->mode.missing = "the module refuses the lease rules, its own are in force:"
			" ask for what its header allows";
	if (!err && s->probe)
		probe_module(s->probe);
	else if (err != -ENODEV && err != -ENOENT && !s->mode.missing)
		s->mode.missing = kmod_reason(err);
}

int sense_open(struct sense **out, const struct sense_opts *opts)
{
	struct sense *s = calloc(1, sizeof(*s));
	int err = 0;

	if (!s)
		return -ENOMEM;
	s->opts = *opts;
	s->execs = -1;
	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epfd < 0) {
		free(s);
		return -errno;
	}
	if (opts->no_bpf || open_bpf(s)) {
		driver_close(s->driver);
		cuda_close(s->cuda);
		probe_close(s->probe);
		s->driver = NULL;
		s->cuda = NULL;
		s->probe = NULL;
		err = proc_open(&s->proc, on_proc_event, s);
	}
	if (err) {
		sense_close(s);
		return err;
	}
	open_kmod(s);
	s->gpus = opts->gpu ? gpus_open() : NULL;
	*out = s;
	return 0;
}

void sense_close(struct sense *s)
{
	if (!s)
		return;
	if (s->kmod)
		kmod_close(s->kmod);
	gpus_close(s->gpus);
	driver_close(s->driver);
	cuda_close(s->cuda);
	probe_close(s->probe);
	proc_close(s->proc);
	if (s->execs >= 0)
		close(s->execs);
	close(s->epfd);
	array_free(&s->merged);
	array_free(&s->agents);
	free(s);
}

const struct sense_mode *sense_get_mode(const struct sense *s)
{
	return &s->mode;
}

/* Where the kernel does not report opens, and for those before our time. */
static void on_opener(void *ctx, uint32_t tgid)
{
	struct probe_event ev = { .tid = tgid, .tgid = tgid, .ns = clock_ns() };
	struct sense *s = ctx;

	if (probe_opener_new(s->probe, tgid))
		hand_on(s, SENSE_GPU_OPEN, &ev);
}

static void devices_tick(struct sense *s, uint64_t now)
{
	if (s->devices_ns &&
	    (probe_sees_opens(s->probe) || now - s->devices_ns < DEVICES_EVERY_NS))
		return;
	devices_openers(on_opener, s);
	s->devices_ns = now;
}

static void on_wait(void *ctx, const struct probe_wait *w)
{
	static const enum turn_what what[] = {
		[PROBE_WAIT_BEGINS] = TURN_BEGINS,
		[PROBE_WAIT_ENDS] = TURN_ENDS,
		[PROBE_WAIT_ENDED] = TURN_ENDED,
	};
	struct sense *s = ctx;

	if (w->what < sizeof(what) / sizeof(what[0]))
		gpus_turn(s->gpus, w->tgid, what[w->what], w->ns);
}

/*
 * Returns of waits are probed all the time only while that tells who has a GPU. Where
 * some were lost those in the ring are of before: they are read first.
 */
static void turns_tick(struct sense *s, uint64_t now)
{
	bool on = cuda_returns(s->cuda, gpus_want_turns(s->gpus, now));
	uint64_t lost = probe_waits_lost(s->probe);

	if (on != s->turns)
		probe_waits(s->probe, on ? on_wait : NULL, s);
	if (s->turns)
		probe_dispatch(s->probe);
	if (on != s->turns || lost != s->turns_lost)
		gpus_turns_seen(s->gpus, on);
	s->turns = on;
	s->turns_lost = lost;
}

/* -- the loop ------------------------------------------------------------------ */

int sense_fd(const struct sense *s)
{
	return s->probe ? s->epfd : -1;
}

/*
 * One program that is executed wakes the daemon; while there are more, it looks by
 * itself, which costs a storm of short tools a fraction of as many wakes.
 */
static void await_execs(struct sense *s)
{
	const struct itimerspec soon = { .it_value.tv_nsec = EXECS_EVERY_NS };

	if (s->execs_seen && !timerfd_settime(s->execs, 0, &soon, NULL))
		probe_execs_awaited(s->probe, true);
	s->execs_seen = false;
}

int sense_dispatch(struct sense *s)
{
	uint64_t ticks;
	int err;

	if (!s->probe)
		return 0;
	cuda_timer(s->cuda);
	/* first: what comes while the others are read wakes again */
	if (read(s->execs, &ticks, sizeof(ticks)) > 0)
		probe_execs_awaited(s->probe, false);
	err = probe_dispatch(s->probe);
	await_execs(s);
	return err;
}

int sense_tick(struct sense *s, uint64_t now_ns)
{
	bool active = s->gpu_ns && now_ns - s->gpu_ns < ACTIVE_NS;

	if (now_ns - s->module_ns > MODULE_EVERY_NS) {
		s->module_ns = now_ns;
		open_kmod(s);
	}
	if (s->gpus && s->probe)
		turns_tick(s, now_ns);
	if (s->gpus)
		gpus_tick(s->gpus, now_ns, active);
	if (!s->probe)
		return 0;
	devices_tick(s, now_ns);
	driver_tick(s->driver);
	cuda_tick(s->cuda, now_ns, active);
	if (now_ns - s->wakes_ns > WAKES_KEEP_NS)
		probe_wakes(s->probe, false);
	return probe_dispatch(s->probe);
}

static void note_active(struct sense *s, const struct sense_view *v)
{
	for (size_t i = 0; i < v->ntask; i++)
		if (v->task[i].gpu_last_ns > s->gpu_ns)
			s->gpu_ns = s->wakes_ns = v->task[i].gpu_last_ns;
}

static int read_proc(struct sense *s, struct starling_task_record **rec,
		     struct sense_view *v)
{
	int err = proc_read(s->proc, rec, &v->ntask);

	return err ? err : proc_agents(s->proc, &v->agent, &v->nagent);
}

static int read_bpf(struct sense *s, struct starling_task_record **rec,
		    struct sense_view *v)
{
	int err = probe_records(s->probe, rec, &v->ntask);

	if (!err)
		err = probe_edges(s->probe, &v->edge, &v->nedge);
	if (!err)
		err = probe_agents(s->probe, &v->agent, &v->nagent);
	v->lost_events = probe_dropped(s->probe);
	return err;
}

/* Members as the module has them, with what the probes saw of them. */
static int read_module(struct sense *s, struct starling_task_record *rec,
		       struct sense_view *v)
{
	const struct starling_task_record *task;
	const struct starling_agent_record *agent;
	size_t ntask, nagent;
	int err = kmod_tasks(s->kmod, &task, &ntask);

	if (!err)
		err = kmod_agents(s->kmod, &agent, &nagent);
	if (!err)
		err = merge_tasks(&s->merged, rec, v->ntask, task, ntask);
	if (!err)
		err = merge_agents(&s->agents, v->agent, v->nagent, agent, nagent);
	if (err)
		return err;
	v->task = s->merged.data;
	v->ntask = s->merged.used;
	v->agent = s->agents.data;
	v->nagent = s->agents.used;
	if (s->gpus)
		gpus_fill(s->gpus, s->merged.data, v->ntask);
	merge_publish(s->kmod, v->task, v->ntask, &s->opts);
	return 0;
}

int sense_read(struct sense *s, struct sense_view *view)
{
	struct starling_task_record *rec = NULL;
	int err;

	memset(view, 0, sizeof(*view));
	view->now_ns = clock_ns();
	err = s->probe ? read_bpf(s, &rec, view) : read_proc(s, &rec, view);
	view->task = rec;
	if (!err && s->kmod)
		err = read_module(s, rec, view);
	else if (!err && s->gpus)
		gpus_fill(s->gpus, rec, view->ntask);
	if (!err)
		note_active(s, view);
	return err;
}

const struct gpus *sense_gpus(const struct sense *s)
{
	return s->gpus;
}

const struct driver *sense_driver(const struct sense *s)
{
	return s->driver;
}

int sense_leases(struct sense *s, uint32_t gpu, struct starling_lease_stat *stat,
		 const struct starling_lease_record **lease, size_t *n)
{
	int err = s->kmod ? kmod_lease_stat(s->kmod, gpu, stat) : -ENODEV;

	if (!err && lease && kmod_leases(s->kmod, lease, n)) {
		*lease = NULL;
		*n = 0;
	}
	return err;
}

/* -- telling ------------------------------------------------------------------- */

int sense_join(struct sense *s, uint32_t tid, uint64_t agent_id,
	       enum starling_role role, enum starling_role_source src)
{
	bool found = src == STARLING_BY_LINEAGE;
	struct probe_control c = {
		.flags = PROBE_SET_AGENT,
		.tid = tid,
		.agent_id = agent_id,
		.role = role,
		.source = src,
		.root = agent_id && !found,
	};

	if (!s->probe)
		return proc_join(s->proc, tid, agent_id, role, src);
	if (found && role == STARLING_ROLE_TOOL)
		c.flags |= PROBE_SET_EXECED;
	return probe_control(s->probe, &c);
}

int sense_set_role(struct sense *s, uint32_t tid, enum starling_role role,
		   enum starling_role_source src)
{
	struct probe_control c = {
		.flags = PROBE_SET_ROLE, .tid = tid, .role = role, .source = src,
	};

	if (!s->probe)
		return proc_set_role(s->proc, tid, role, src);
	return probe_control(s->probe, &c);
}

int sense_report(struct sense *s, uint32_t tid, bool on)
{
	struct probe_control c = {
		.flags = PROBE_SET_WATCH, .tid = tid, .on = on,
	};
	int err;

	if (!s->probe)
		return proc_watch(s->proc, tid, on);
	err = probe_control(s->probe, &c);
	return err == -ESRCH && !on ? 0 : err;
}

int sense_watch(struct sense *s, uint32_t tid)
{
	int err = sense_report(s, tid, true);

	if (err || !s->probe)
		return err;
	s->wakes_ns = clock_ns();
	return probe_wakes(s->probe, true);
}

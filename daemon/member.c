// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/member.h"

#include <errno.h>
#include <unistd.h>
#include "daemon/log.h"
#include "daemon/procfs.h"

enum { ADOPT_MAX = 1024, WATCH_MAX = 512 };

#define WATCH_KEEP_NS	(10 * 1000000000ULL)
#define WATCH_QUIET_NS	(60 * 1000000000ULL)	/* beside what computed a model */
#define ENGINE_ACTIVE_NS	(1000000000ULL)
#define WATCH_EDGE_MIN	1.0	/* wakes/s that make a neighbour worth a look */

struct join {
	struct daemon *d;
	struct agent *agent;
	uint32_t tgid;
	enum starling_role role;
	enum starling_role_source src;
};

static int join_thread(void *ctx, uint32_t tid)
{
	const struct join *j = ctx;
	struct task *task;
	int err = sense_join(j->d->sense, tid, j->agent->id, j->role, j->src);

	if (err)
		return err == -ESRCH ? 0 : err;
	task = task_get(&j->d->tasks, tid);
	if (!task)
		return 0;
	if (!task->first_ns)
		task->first_ns = now_ns();
	if (task->rec.agent_id != j->agent->id)
		j->agent->tasks++;
	task_look_up(task);
	task->tgid = j->tgid;
	task->rec.tid = tid;
	task->rec.tgid = j->tgid;
	task->rec.agent_id = j->agent->id;
	task->rec.role = j->role;
	task->rec.role_source = j->src;
	task->role = j->role;
	task->role_source = j->src;
	task->agent_root = j->tgid == j->agent->root;
	task->execed = !task->agent_root && j->role == STARLING_ROLE_TOOL;
	j->d->changed = true;
	return 0;
}

int member_join_process(struct daemon *d, struct agent *a, uint32_t tgid,
			enum starling_role role, enum starling_role_source src)
{
	struct join j = { d, a, tgid, role, src };

	return proc_each_thread(tgid, join_thread, &j);
}

/*
 * A process may fork while its descendants are read. What is born from a
 * task that has joined follows in the kernel, so a second look finds those
 * born from one that had not; it joins again those it finds, harmlessly.
 */
static size_t adopt(struct daemon *d, struct agent *a)
{
	static uint32_t pid[ADOPT_MAX];
	int n = 0, before;

	for (int look = 0; look < 2; look++) {
		before = n;
		n = proc_descendants(a->root, pid, ADOPT_MAX);
		if (n <= 0 || n == before)
			break;
		for (int i = 0; i < n; i++)
			member_join_process(d, a, pid[i], STARLING_ROLE_TOOL,
					    STARLING_BY_LINEAGE);
	}
	return n > 0 ? n : 0;
}

void member_found(struct daemon *d, uint32_t tgid)
{
	struct agent *a;
	size_t n;

	if (tgid <= 1 || tgid == (uint32_t)getpid())
		return;
	a = agent_make(&d->agents, AGENT_FROM_LINEAGE, tgid, NULL, now_ns());
	if (!a)
		return;
	if (member_join_process(d, a, tgid, STARLING_ROLE_ORCHESTRATOR,
				STARLING_BY_DETECTION)) {
		agent_drop(&d->agents, a);
		return;
	}
	n = adopt(d, a);
	log_debug("agent %s founded for process %u, %zu descendants adopted",
		  a->name, tgid, n);
}

static bool on_path(const struct task *task)
{
	return task && (task->role == STARLING_ROLE_FEEDER ||
			task->role == STARLING_ROLE_SERVICE ||
			task->rec.gpu_last_ns);
}

/* Sense reports @tid from now on, which need not have been known. */
static struct task *watched_task(struct daemon *d, uint32_t tid, uint32_t tgid, uint64_t now)
{
	struct task *task = task_get(&d->tasks, tid);

	if (!task) {
		sense_report(d->sense, tid, false);
		return NULL;
	}
	task->watched = true;
	task->last_edge_ns = now;
	task->round = d->round + 1;	/* may first be reported next time */
	if (tgid)
		task->tgid = tgid;
	return task;
}

/* @tid is next to a task of the path: know it, and keep knowing it. */
static void watch_neighbour(struct daemon *d, uint32_t tid, uint32_t tgid,
			    uint64_t now, unsigned int *watched)
{
	struct task *task = task_find(&d->tasks, tid);

	if (!tid || tgid == (uint32_t)getpid())
		return;
	if (task && task->watched) {
		task->last_edge_ns = now;
		return;
	}
	if (*watched >= WATCH_MAX || sense_watch(d->sense, tid))
		return;
	task = watched_task(d, tid, tgid, now);
	*watched += !!task;
}

/* Around feeders the window stands still while they are quiet, and nobody gets old. */
static bool is_stale(const struct daemon *d, const struct task *task, uint64_t now)
{
	if (task->beside_ns)
		return now - task->last_edge_ns > WATCH_QUIET_NS;
	return d->moved && now - task->last_edge_ns > WATCH_KEEP_NS;
}

void member_watch(struct daemon *d, uint64_t now)
{
	double min = WATCH_EDGE_MIN * d->edges.window_ns / 1e9;
	unsigned int watched = 0;
	struct task *task;
	struct edge *e;

	for (task = d->tasks.head; task; task = task->hh.next) {
		if (!task->watched)
			continue;
		if (is_stale(d, task, now)) {
			sense_report(d->sense, task->tid, false);
			task->watched = false;
			continue;
		}
		watched++;
	}
	for (e = d->edges.head; e; e = e->hh.next) {
		if (e->count < min)
			continue;
		if (on_path(task_find(&d->tasks, e->key.waker)))
			watch_neighbour(d, e->key.wakee, e->wakee_tgid, now, &watched);
		if (on_path(task_find(&d->tasks, e->key.wakee)))
			watch_neighbour(d, e->key.waker, e->waker_tgid, now, &watched);
	}
}

/* -- beside a thread that computes a model ---------------------------------------- */

struct beside {
	struct daemon *d;
	uint32_t tgid;
	uint64_t now;
	unsigned int left;	/* threads that may still be watched */
};

/* Members are reported anyway. Wakes are of no interest here. */
static int watch_beside(void *ctx, uint32_t tid)
{
	struct beside *b = ctx;
	struct task *task = task_find(&b->d->tasks, tid);

	if (!task || !(task->watched || task->rec.agent_id)) {
		if (!b->left || sense_report(b->d->sense, tid, true))
			return 0;
		b->left--;
		task = watched_task(b->d, tid, b->tgid, b->now);
	}
	if (task) {
		task->last_edge_ns = b->now;
		task->beside_ns = b->now;
	}
	return 0;
}

static unsigned int room_to_watch(const struct daemon *d)
{
	unsigned int n = 0;

	for (const struct task *task = d->tasks.head; task; task = task->hh.next)
		n += task->watched;
	return n < WATCH_MAX ? WATCH_MAX - n : 0;
}

void member_watch_beside(struct daemon *d, const struct task *task, uint64_t now)
{
	struct beside b = { d, task->tgid, now, room_to_watch(d) };

	proc_each_thread(task->tgid, watch_beside, &b);
}

/* They come and go, so their process is looked at in each round, once. */
void member_watch_engines(struct daemon *d, uint64_t now)
{
	struct task *task;

	for (task = d->tasks.head; task; task = task->hh.next)
		if (task->compute_last_ns && task->beside_ns != now &&
		    task_computed_ns(task) + ENGINE_ACTIVE_NS > now)
			member_watch_beside(d, task, now);
}

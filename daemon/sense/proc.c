// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/proc.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>
#include "daemon/procfs.h"
#include "daemon/sense/array.h"
#include "daemon/sense/sense.h"

enum { TASKS_MAX = 16384, AGENTS_MAX = 1024 };

/* A thread that is a member or watched. */
struct member {
	uint32_t tid;
	uint32_t tgid;
	uint64_t start;		/* clock ticks since boot: identity */
	uint64_t agent_id;
	uint16_t role;
	uint16_t source;
	bool root;
	bool watched;
	uint64_t exe;		/* of the process: changes at exec */
	uint64_t run_ns;
	uint64_t wait_ns;
	UT_hash_handle hh;
};

struct sums {
	struct sense_agent a;
	UT_hash_handle hh;
};

struct proc {
	proc_event_fn fn;
	void *ctx;
	struct member *members;
	struct sums *agents;
	struct array records;
	struct array out_agents;
};

/* -- reading /proc ------------------------------------------------------------ */

static int read_text(const char *path, char *buf, size_t len)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return -errno;
	n = fread(buf, 1, len - 1, f);
	fclose(f);
	buf[n] = 0;
	return n ? 0 : -ESRCH;
}

static bool read_times(const struct member *m, uint64_t *run, uint64_t *wait)
{
	unsigned long long r, w;
	char path[64], buf[96];

	snprintf(path, sizeof(path), "/proc/%u/task/%u/schedstat", m->tgid, m->tid);
	if (read_text(path, buf, sizeof(buf)) || sscanf(buf, "%llu %llu", &r, &w) != 2)
		return false;
	*run = r;
	*wait = w;
	return true;
}

static bool read_switches(const struct member *m, struct starling_task_record *r)
{
	unsigned long long vol, invol;
	char path[64], buf[4096];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/status", m->tgid, m->tid);
	if (read_text(path, buf, sizeof(buf)))
		return false;
	at = strstr(buf, "\nvoluntary_ctxt_switches:");
	if (!at || sscanf(at, "\nvoluntary_ctxt_switches: %llu"
			  " nonvoluntary_ctxt_switches: %llu", &vol, &invol) != 2)
		return false;
	r->nvcsw = vol;
	r->nivcsw = invol;
	return true;
}

/* Which program a process runs, as a number; 0: not known. */
static uint64_t read_exe(uint32_t tgid)
{
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u/exe", tgid);
	return stat(path, &st) ? 0 : st.st_ino ^ (uint64_t)st.st_dev << 40;
}

/* -- members ------------------------------------------------------------------ */

static struct member *member_find(struct proc *p, uint32_t tid)
{
	struct member *m;

	HASH_FIND(hh, p->members, &tid, sizeof(tid), m);
	return m;
}

static struct sums *sums_get(struct proc *p, uint64_t id)
{
	struct sums *s;

	HASH_FIND(hh, p->agents, &id, sizeof(id), s);
	if (s || !id)
		return s;
	s = HASH_COUNT(p->agents) < AGENTS_MAX ? calloc(1, sizeof(*s)) : NULL;
	if (!s)
		return NULL;
	s->a.id = id;
	HASH_ADD(hh, p->agents, a.id, sizeof(s->a.id), s);
	return s;
}

static void count_in(struct proc *p, uint64_t id, int by)
{
	struct sums *s = sums_get(p, id);

	if (s)
		s->a.tasks += by;
}

static void tell(struct proc *p, enum sense_event_type type, const struct member *m,
		 uint32_t ppid)
{
	struct timespec ts;
	struct sense_event ev = {
		.type = type, .tid = m->tid, .tgid = m->tgid, .ppid = ppid,
		.role = m->role, .role_source = m->source, .agent_id = m->agent_id,
	};

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ev.ns = ts.tv_sec * 1000000000ULL + ts.tv_nsec;
	p->fn(p->ctx, &ev);
}

static void member_drop(struct proc *p, struct member *m)
{
	HASH_DELETE(hh, p->members, m);
	free(m);
}

static void member_gone(struct proc *p, struct member *m)
{
	struct sums *s = sums_get(p, m->agent_id);

	if (s) {
		s->a.run_ns += m->run_ns;
		s->a.wait_ns += m->wait_ns;
		s->a.exits++;
		s->a.tasks--;
	}
	tell(p, SENSE_EXIT, m, 0);
	member_drop(p, m);
}

/* A tid that now belongs to another task is a new member. */
static int member_get(struct proc *p, uint32_t tid, struct member **out)
{
	struct member *m = member_find(p, tid);
	struct proc_stat st;
	int err = proc_stat_read(tid, &st);

	if (err)
		return err;
	if (m && m->start != st.start_ticks) {
		member_gone(p, m);
		m = NULL;
	}
	if (!m) {
		if (HASH_COUNT(p->members) >= TASKS_MAX)
			return -ENOSPC;
		m = calloc(1, sizeof(*m));
		if (!m)
			return -ENOMEM;
		*m = (struct member){ .tid = tid, .tgid = st.tgid,
			.start = st.start_ticks, .exe = read_exe(st.tgid) };
		HASH_ADD(hh, p->members, tid, sizeof(m->tid), m);
	}
	*out = m;
	return 0;
}

/* -- lineage ------------------------------------------------------------------ */

static void inherit(struct proc *p, struct member *child, const struct member *from,
		    uint32_t ppid)
{
	struct sums *s = sums_get(p, from->agent_id);
	bool thread = child->tgid == from->tgid;

	child->agent_id = from->agent_id;
	if (from->role != STARLING_ROLE_FEEDER && from->source != STARLING_BY_DETECTION &&
	    (from->role != STARLING_ROLE_INFERENCE || thread))
		child->role = from->role;
	child->source = child->role ? STARLING_BY_LINEAGE : STARLING_BY_NONE;
	child->root = thread && from->root;
	if (s) {
		s->a.forks++;
		s->a.tasks++;
	}
	if (thread || child->exe == from->exe)
		return;
	child->role = STARLING_ROLE_TOOL;
	child->source = STARLING_BY_LINEAGE;
	tell(p, SENSE_EXEC, child, ppid);
}

static void executed(struct proc *p, struct member *m, uint64_t exe, uint32_t ppid)
{
	m->exe = exe;
	if (!m->agent_id)
		return;
	if (!m->root && m->source < STARLING_BY_OWNER) {
		m->role = STARLING_ROLE_TOOL;
		m->source = STARLING_BY_LINEAGE;
	}
	tell(p, SENSE_EXEC, m, ppid);
}

struct threads {
	struct proc *proc;
	const struct member *leader;
};

static int look_at_thread(void *ctx, uint32_t tid)
{
	const struct threads *t = ctx;
	struct member *m;

	if (tid == t->leader->tgid || member_find(t->proc, tid))
		return 0;
	if (!member_get(t->proc, tid, &m))
		inherit(t->proc, m, t->leader, 0);
	return 0;
}

/* A process: a member's child, or a member that may run another program now. */
static bool look_at_process(struct proc *p, uint32_t pid)
{
	struct member *m = member_find(p, pid), *from;
	struct proc_stat st;
	uint64_t exe;
	bool new = !m;

	if (proc_stat_read(pid, &st))
		return false;
	if (m && m->start != st.start_ticks)
		return false;
	if (!m) {
		from = member_find(p, st.ppid);
		if (!from || !from->agent_id || member_get(p, pid, &m))
			return false;
		inherit(p, m, from, st.ppid);
	}
	exe = read_exe(pid);
	if (exe && exe != m->exe)
		executed(p, m, exe, st.ppid);
	if (m->agent_id)
		proc_each_thread(pid, look_at_thread, &(struct threads){ p, m });
	return new && m->agent_id;
}

/* Children may be listed before their parents: again until nothing is new. */
static int scan(struct proc *p)
{
	bool more = true;
	struct dirent *e;
	DIR *proc;

	for (int look = 0; more && look < 4; look++) {
		more = false;
		proc = opendir("/proc");
		if (!proc)
			return -errno;
		while ((e = readdir(proc))) {
			uint32_t pid = strtoul(e->d_name, NULL, 10);

			if (pid)
				more |= look_at_process(p, pid);
		}
		closedir(proc);
	}
	return 0;
}

/* -- what sense calls ----------------------------------------------------------- */

int proc_open(struct proc **out, proc_event_fn fn, void *ctx)
{
	struct proc *p;

	if (access("/proc/self/stat", R_OK))
		return -errno;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->fn = fn;
	p->ctx = ctx;
	*out = p;
	return 0;
}

void proc_close(struct proc *p)
{
	struct member *m, *next;
	struct sums *s, *after;

	if (!p)
		return;
	HASH_ITER(hh, p->members, m, next)
		member_drop(p, m);
	HASH_ITER(hh, p->agents, s, after) {
		HASH_DELETE(hh, p->agents, s);
		free(s);
	}
	array_free(&p->records);
	array_free(&p->out_agents);
	free(p);
}

int proc_join(struct proc *p, uint32_t tid, uint64_t agent_id, uint16_t role, uint16_t src)
{
	struct member *m;
	int err = member_get(p, tid, &m);

	if (err)
		return err;
	if (m->agent_id != agent_id) {
		count_in(p, m->agent_id, -1);
		count_in(p, agent_id, 1);
	}
	m->agent_id = agent_id;
	m->role = role;
	m->source = src;
	m->root = src != STARLING_BY_LINEAGE;
	if (!agent_id && !m->watched)
		member_drop(p, m);
	return 0;
}

int proc_set_role(struct proc *p, uint32_t tid, uint16_t role, uint16_t src)
{
	struct member *m = member_find(p, tid);

	if (!m)
		return -ESRCH;
	m->role = role;
	m->source = src;
	return 0;
}

int proc_watch(struct proc *p, uint32_t tid, bool on)
{
	struct member *m = member_find(p, tid);
	int err = m || !on ? 0 : member_get(p, tid, &m);

	if (!err && !m)
		return 0;
	if (err)
		return err;
	m->watched = on;
	if (!m->agent_id && !on)
		member_drop(p, m);
	return 0;
}

static bool make_record(struct member *m, struct starling_task_record *r)
{
	struct proc_stat st;

	if (proc_stat_read(m->tid, &st) || st.start_ticks != m->start)
		return false;
	memset(r, 0, sizeof(*r));
	r->tid = m->tid;
	r->tgid = m->tgid;
	r->agent_id = m->agent_id;
	r->role = m->role;
	r->role_source = m->source;
	memcpy(r->comm, st.comm, sizeof(r->comm));
	if (read_times(m, &m->run_ns, &m->wait_ns)) {
		r->run_ns = m->run_ns;
		r->wait_ns = m->wait_ns;
		r->valid |= 1U << STARLING_VAL_RUN | 1U << STARLING_VAL_WAIT;
		r->source |= STARLING_SOURCE(STARLING_VAL_RUN, STARLING_FROM_KERNEL) |
			STARLING_SOURCE(STARLING_VAL_WAIT, STARLING_FROM_KERNEL);
	}
	if (read_switches(m, r)) {
		r->valid |= 1U << STARLING_VAL_SWITCHES;
		r->source |= STARLING_SOURCE(STARLING_VAL_SWITCHES, STARLING_FROM_KERNEL);
	}
	return true;
}

int proc_read(struct proc *p, struct starling_task_record **rec, size_t *n)
{
	struct starling_task_record *r;
	struct member *m, *next;
	size_t have = 0;
	int err = 0;

	if (HASH_COUNT(p->members))
		err = scan(p);
	if (!err)
		err = array_reserve(&p->records, HASH_COUNT(p->members) * sizeof(*r));
	if (err)
		return err;
	r = p->records.data;
	HASH_ITER(hh, p->members, m, next) {
		if (make_record(m, &r[have]))
			have++;
		else
			member_gone(p, m);
	}
	*rec = r;
	*n = have;
	return 0;
}

int proc_agents(struct proc *p, const struct sense_agent **agent, size_t *n)
{
	struct sense_agent *out;
	struct sums *s;
	size_t have = 0;
	int err = array_reserve(&p->out_agents, HASH_COUNT(p->agents) * sizeof(*out));

	if (err)
		return err;
	out = p->out_agents.data;
	for (s = p->agents; s; s = s->hh.next)
		out[have++] = s->a;
	*agent = out;
	*n = have;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The placer that schedules: sched.bpf.c is told roles, agents and weights. When
 * this process goes, however it goes, the kernel has its own scheduler back. It
 * has it, too, while there is nobody to place: a machine without agents pays
 * nothing.
 *
 * One thing is better done by the kernel itself: a feeder that sleeps while it waits
 * is in a real-time class, as without this scheduler, by way of the placer for tasks
 * and its journal. Its wake preempts at once then, by a path that does not depend on
 * what a program decides, nor on how long that takes. Of all others nothing is changed.
 *
 * Or it schedules agents' tasks alone, and the kernel all others: then these tasks
 * are in the class SCHED_EXT, by way of that placer, too. The kernel's fair class goes
 * before that one, so feeders and their request path stay there, placed by their
 * attributes.
 */
#include "daemon/place/placer.h"

#include <errno.h>

#ifndef WITH_SCHED_EXT

static int sched_probe(const char **why)
{
	*why = "built without sched_ext, for which libbpf was too old (1.4)";
	return -EOPNOTSUPP;
}

const struct placer_ops placer_sched_ext = {
	.name = "sched_ext",
	.probe = sched_probe,
};

const struct placer_ops placer_sched_partial = {
	.name = "sched_ext_partial",
	.probe = sched_probe,
};

#else

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <uthash.h>
#include "bpf/sched.h"
#include "bpf/sched.skel.h"
#include "daemon/log.h"
#include "daemon/topology-layout.h"

#define STATE	"/sys/kernel/sched_ext/state"
/* A daemon that hangs may not leave a feeder's loop in charge for longer. */
#define GRANT_NS	1000000000ULL

/* Nobody to place for so long: the kernel's own scheduler does as well. */
#define ALONE_NS	10000000000ULL

/* SCX_OPS_SWITCH_PARTIAL */
#define SWITCH_PARTIAL	(1ULL << 3)

/* SCX_ECODE_ACT_RESTART */
#define EXIT_RESTART	(1LL << 48)

#ifndef PIDFD_THREAD
#define PIDFD_THREAD	O_EXCL
#endif

/* What the scheduler was told of a task, if it @known, and of an agent. */
struct told {
	uint32_t tid;
	uint64_t agent_id;
	uint16_t role;
	bool feeding;
	bool known;
	uint64_t round;
	UT_hash_handle hh;
};

struct told_agent {
	struct place_agent a;
	uint64_t round;
	UT_hash_handle hh;
};

struct sched_placer {
	struct placer base;
	struct placer *task;	/* for the classes of those in is_listed() */
	bool partial;		/* schedules agents' tasks alone */
	struct sched_bpf *skel;
	struct bpf_link *link;
	struct told *told;
	struct told_agent *agent;
	uint64_t round;
	uint64_t agent_round;
	bool computing;		/* models are computed now */
	uint64_t busy_ns;	/* last time that there was somebody to place */
	int lost;		/* why it could not be started again */
	char why[512];
};

static struct sched_placer *to_sched(struct placer *p)
{
	return placer_of(p, struct sched_placer);
}

static int sched_probe(const char **why)
{
	char state[32] = "";
	int fd = open(STATE, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		*why = "this kernel has no sched_ext";
		return -EOPNOTSUPP;
	}
	if (read(fd, state, sizeof(state) - 1) < 0)
		state[0] = '\0';
	close(fd);
	if (strncmp(state, "disabled", strlen("disabled"))) {
		*why = "another sched_ext scheduler is loaded; stop it first";
		return -EBUSY;
	}
	return 0;
}

/* -- telling --------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static struct sched_role role_told(const struct told *k)
{
	return (struct sched_role){
		.agent = k->agent_id, .role = k->role,
		.until_ns = k->feeding ? now_ns() + GRANT_NS : 0,
	};
}

/* A task that has gone meanwhile is no error; the scheduler forgets it by itself. */
static int tell(struct sched_placer *sp, uint32_t tid, struct sched_role role)
{
	int fd = syscall(SYS_pidfd_open, tid, PIDFD_THREAD), err = 0;

	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	if (bpf_map_update_elem(bpf_map__fd(sp->skel->maps.roles), &fd, &role, BPF_ANY) &&
	    errno != ESRCH && errno != ENOENT)
		err = -errno;
	close(fd);
	return err;
}

/* One that is more than a tool from now on may wait among them. */
static void promote(struct sched_placer *sp, uint32_t tid)
{
	struct sched_promote ctx = { .pid = tid };
	LIBBPF_OPTS(bpf_test_run_opts, opts,
		.ctx_in = &ctx,
		.ctx_size_in = sizeof(ctx),
	);

	if (sp->link)
		bpf_prog_test_run_opts(bpf_program__fd(sp->skel->progs.starling_promote), &opts);
}

static void untell(struct sched_placer *sp, uint32_t tid)
{
	tell(sp, tid, (struct sched_role){ 0 });
}

/* The role lasts a minute longer than the work that it has its weight for. */
static uint16_t role_now(const struct sched_placer *sp, const struct place_task *t)
{
	return t->role == STARLING_ROLE_INFERENCE && !sp->computing ? STARLING_ROLE_NONE :
		t->role;
}

static bool knows(const struct told *k, const struct place_task *t, uint16_t role)
{
	return k->agent_id == t->agent_id && k->role == role && k->feeding == t->feeding;
}

static struct told *told_get(struct sched_placer *sp, uint32_t tid)
{
	struct told *k;

	HASH_FIND(hh, sp->told, &tid, sizeof(tid), k);
	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->tid = tid;
	HASH_ADD(hh, sp->told, tid, sizeof(k->tid), k);
	return k;
}

static int place_one(struct sched_placer *sp, const struct place_task *t)
{
	struct told *k = told_get(sp, t->tid);
	uint16_t role = role_now(sp, t);
	bool rises;

	if (!k)
		return -ENOMEM;
	k->round = sp->round;
	if (k->known && knows(k, t, role))
		return 0;
	rises = sched_goes_first(role) && !(k->known && sched_goes_first(k->role));
	k->agent_id = t->agent_id;
	k->role = role;
	k->feeding = t->feeding;
	k->known = !tell(sp, t->tid, role_told(k));
	if (k->known && rises)
		promote(sp, t->tid);
	return k->known ? 0 : -EIO;
}

static void sched_grant(struct placer *base, uint32_t tid, bool feeding)
{
	struct sched_placer *sp = to_sched(base);
	struct told *k;

	HASH_FIND(hh, sp->told, &tid, sizeof(tid), k);
	if (!k)
		return;
	k->feeding = feeding;
	tell(sp, tid, role_told(k));
}

/* All zeros: the scheduler reads the rest from what it is told of the agent. */
static int new_share(struct sched_placer *sp, uint64_t id, uint64_t flags)
{
	size_t size = bpf_map__value_size(sp->skel->maps.shares);
	void *none = calloc(1, size);
	int err;

	if (!none)
		return -ENOMEM;
	err = bpf_map_update_elem(bpf_map__fd(sp->skel->maps.shares), &id, none, flags);
	free(none);
	return err && errno != EEXIST ? -errno : 0;
}

/* The scheduler reads an agent again when the sequence has moved on. */
static int tell_agent(struct sched_placer *sp, const struct place_agent *a)
{
	struct sched_agent value = {
		.parent = a->parent, .weight = a->weight, .class = a->class,
	};
	struct told_agent *k;
	int err;

	HASH_FIND(hh, sp->agent, &a->id, sizeof(a->id), k);
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return -ENOMEM;
		k->a.id = a->id;
		HASH_ADD(hh, sp->agent, a.id, sizeof(k->a.id), k);
	}
	k->round = sp->agent_round;
	if (k->a.weight == a->weight && k->a.parent == a->parent && k->a.class == a->class)
		return 0;
	err = new_share(sp, a->id, BPF_NOEXIST);
	if (err)
		return err;
	if (bpf_map_update_elem(bpf_map__fd(sp->skel->maps.agents), &a->id, &value, BPF_ANY))
		return -errno;
	k->a = *a;
	sp->skel->data->agents_seq++;
	return 0;
}

static void drop_agent(struct sched_placer *sp, struct told_agent *k)
{
	bpf_map_delete_elem(bpf_map__fd(sp->skel->maps.agents), &k->a.id);
	bpf_map_delete_elem(bpf_map__fd(sp->skel->maps.shares), &k->a.id);
	HASH_DEL(sp->agent, k);
	free(k);
}

static int sched_agents(struct placer *base, const struct place_agent *agent, size_t n)
{
	struct sched_placer *sp = to_sched(base);
	struct told_agent *k, *next;
	int err = 0, one;

	sp->agent_round++;
	for (size_t i = 0; i < n; i++) {
		one = tell_agent(sp, &agent[i]);
		if (one && !err)
			err = one;
	}
	HASH_ITER(hh, sp->agent, k, next)
		if (k->round != sp->agent_round)
			drop_agent(sp, k);
	return err;
}

static void drop(struct sched_placer *sp, struct told *k)
{
	HASH_DEL(sp->told, k);
	free(k);
}

static void sched_forget(struct placer *base, uint32_t tid)
{
	struct sched_placer *sp = to_sched(base);
	struct told *k;

	placer_task.forget(sp->task, tid);
	HASH_FIND(hh, sp->told, &tid, sizeof(tid), k);
	if (k)
		drop(sp, k);
}

static bool sched_real_time(struct placer *base, uint32_t tid)
{
	return placer_task.real_time(to_sched(base)->task, tid);
}

static void say_counts(const struct sched_placer *sp)
{
	const unsigned long long *n = sp->skel->bss->counts;

	log_debug("scheduler: feeders found a free core %llu times, took one %llu, waited %llu, "
		  "paused %llu; yields kept %llu, given %llu; turns by age %llu; held up by "
		  "cpu.max %llu; cgroups without a share %llu; found to be more than a tool "
		  "while it waited %llu",
		  n[SCHED_FEEDER_IDLE], n[SCHED_FEEDER_KICK], n[SCHED_FEEDER_QUEUE],
		  n[SCHED_FEEDER_PAUSE], n[SCHED_YIELD_KEPT], n[SCHED_YIELD_GIVEN],
		  n[SCHED_AGED], n[SCHED_LIMITED], n[SCHED_NO_ROOM], n[SCHED_PROMOTED]);
}

/* All are large where they are of one kind. */
static void tell_kinds(struct sched_placer *sp)
{
	struct topology topo;

	if (topology_load(&topo, NULL))
		return;
	for (unsigned int i = 0; i < topo.ncpu; i++)
		if (topo.cpu[i].id < SCHED_CPUS_MAX)
			sp->skel->bss->little_cpu[topo.cpu[i].id] = !topo.cpu[i].big;
	topology_free(&topo);
}

static int attach(struct sched_placer *sp)
{
	struct told_agent *a, *next;
	cpu_set_t online;
	int err = sys_read_cpus("", &online, "/sys/devices/system/cpu/online");

	if (err)
		return err;
	tell_kinds(sp);
	/* Whoever wanted to run when it ended was never counted out. */
	HASH_ITER(hh, sp->agent, a, next)
		new_share(sp, a->a.id, BPF_ANY);
	for (int cpu = 0; cpu < SCHED_CPUS_MAX && cpu < CPU_SETSIZE; cpu++)
		sp->skel->bss->online_cpu[cpu] = CPU_ISSET(cpu, &online);
	sp->skel->bss->nr_online = CPU_COUNT(&online);
	sp->skel->bss->exit_kind = 0;
	sp->skel->bss->exit_code = 0;
	sp->busy_ns = now_ns();
	sp->link = bpf_map__attach_struct_ops(sp->skel->maps.starling);
	return sp->link ? 0 : -errno;
}

/* The first one to place brings the scheduler in. */
static int attach_for(struct sched_placer *sp, size_t n)
{
	int err;

	if (!n)
		return 0;
	sp->busy_ns = now_ns();
	if (sp->link || sp->lost)
		return sp->lost;
	err = attach(sp);
	if (!err)
		log_debug("there are tasks to place: scheduler started");
	sp->lost = err;
	return err;
}

static void detach(struct sched_placer *sp)
{
	if (!sp->link)
		return;
	say_counts(sp);
	bpf_link__destroy(sp->link);
	sp->link = NULL;
}

static void detach_if_alone(struct sched_placer *sp)
{
	if (HASH_COUNT(sp->told)) {
		sp->busy_ns = now_ns();
		return;
	}
	if (!sp->link || now_ns() - sp->busy_ns < ALONE_NS)
		return;
	log_debug("no task to place: the kernel's own scheduler goes on");
	detach(sp);
}

/* Lent cores are taken back by a wake: for the scheduler they stay protected. */
static int protect(struct sched_placer *sp, const struct plan *plan)
{
	bool changed = false, protected;
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	for (int cpu = 0; cpu < SCHED_CPUS_MAX && cpu < CPU_SETSIZE; cpu++) {
		protected = CPU_ISSET(cpu, &plan->protected_cpus) ||
			    CPU_ISSET(cpu, &plan->reserved_cpus);
		if (sp->skel->bss->protected_cpu[cpu] == protected)
			continue;
		sp->skel->bss->protected_cpu[cpu] = protected;
		changed = true;
	}
	if (!changed)
		return 0;
	if (bpf_prog_test_run_opts(bpf_program__fd(sp->skel->progs.starling_kinds), &opts))
		return -errno;
	return (int)opts.retval;
}

/* Has @t a class of its own besides its role here? */
static bool by_class(const struct sched_placer *sp, const struct place_task *t)
{
	return sp->partial || (t->role == STARLING_ROLE_FEEDER && t->real_time);
}

/* All feeders: whether one can have such a class shows when it has been looked at. */
static bool is_listed(const struct sched_placer *sp, const struct place_task *t)
{
	return sp->partial || t->role == STARLING_ROLE_FEEDER;
}

/*
 * Those that feed the GPU, and those that are no agent's, stay with the kernel. Whoever
 * has no class of its own has no role there: what it was given before is taken back.
 */
static struct place_task in_class(const struct sched_placer *sp, const struct place_task *t)
{
	struct place_task out = *t;

	if (!by_class(sp, t))
		out.role = STARLING_ROLE_NONE;
	out.ext = sp->partial && t->agent_id && t->role != STARLING_ROLE_FEEDER &&
		t->role != STARLING_ROLE_SERVICE;
	return out;
}

static int apply_classes(struct sched_placer *sp, const struct plan *plan,
			 const struct place_task *task, size_t n)
{
	struct place_task *list = calloc(n + 1, sizeof(*list));
	size_t listed = 0;
	int err;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (is_listed(sp, &task[i]))
			list[listed++] = in_class(sp, &task[i]);
	err = placer_task.apply(sp->task, plan, list, listed);
	free(list);
	return err;
}

static int sched_apply(struct placer *base, const struct plan *plan,
		       const struct place_task *task, size_t n)
{
	struct sched_placer *sp = to_sched(base);
	struct told *k, *next;
	int err, one;

	err = attach_for(sp, n);
	if (err)
		return err;
	sp->round++;
	sp->computing = plan->role[STARLING_ROLE_INFERENCE].nice_delta;
	err = protect(sp, plan);
	for (size_t i = 0; i < n; i++) {
		one = place_one(sp, &task[i]);
		if (one && !err)
			err = one;
	}
	/* In its class a task is scheduled by its role: that is known by now. */
	one = apply_classes(sp, plan, task, n);
	if (one && !err)
		err = one;
	HASH_ITER(hh, sp->told, k, next) {
		if (k->round == sp->round)
			continue;
		untell(sp, k->tid);
		drop(sp, k);
	}
	return err;
}

static int sched_place(struct placer *base, const struct place_task *t)
{
	struct sched_placer *sp = to_sched(base);
	struct place_task in = in_class(sp, t);
	int err = attach_for(sp, 1);

	/* first its role: in the class it is scheduled by that */
	if (!err)
		err = place_one(sp, t);
	if (!err)
		err = placer_task.place(sp->task, &in);
	return err;
}

/* CPUs that come or go: the kernel wants the scheduler to be loaded again. */
static bool restart(struct sched_placer *sp)
{
	if (!(sp->skel->bss->exit_code & EXIT_RESTART))
		return false;
	bpf_link__destroy(sp->link);
	sp->link = NULL;
	if (attach(sp))
		return false;
	log_info("CPUs have come or gone: scheduler loaded again");
	return true;
}

static void say_exit(struct sched_placer *sp)
{
	const char *msg = sp->skel->bss->exit_msg;

	snprintf(sp->why, sizeof(sp->why), "%s%s%s, seen %llu ms later",
		 sp->skel->bss->exit_reason, *msg ? ": " : "", msg,
		 (unsigned long long)(now_ns() - sp->skel->bss->exit_ns) / 1000000);
}

static int sched_beat(struct placer *base, const char **why)
{
	struct sched_placer *sp = to_sched(base);
	struct told *k, *next;

	if (sp->lost) {
		snprintf(sp->why, sizeof(sp->why), "cannot start again: %s%s", strerror(-sp->lost),
			 sp->lost == -EBUSY ? "; another sched_ext scheduler is loaded" : "");
		*why = sp->why;
		return -ESHUTDOWN;
	}
	if (sp->link && sp->skel->bss->exit_kind && !restart(sp)) {
		say_exit(sp);
		*why = sp->why;
		return -ESHUTDOWN;
	}
	HASH_ITER(hh, sp->told, k, next)
		if (k->feeding)
			tell(sp, k->tid, role_told(k));
	detach_if_alone(sp);
	return 0;
}

/* In an agent, it is the agent that has a weight. */
static const char *tier_text(const struct told *k)
{
	static const char *const tiers[] = {
		[STARLING_ROLE_FEEDER] = "goes before all others",
		[STARLING_ROLE_SERVICE] = "goes after feeders only",
		[STARLING_ROLE_ORCHESTRATOR] = "goes before tools for short bursts",
		[STARLING_ROLE_TOOL] = "shares what its agent's weight gives",
		[STARLING_ROLE_BACKGROUND] = "runs when nobody else wants to",
		[STARLING_ROLE_INFERENCE] = "has nine times a task's share, fast CPUs first",
	};

	if (k->role == STARLING_ROLE_INFERENCE && k->agent_id)
		return "shares what its agent's weight gives, fast CPUs first";
	return k->role < sizeof(tiers) / sizeof(tiers[0]) ? tiers[k->role] : NULL;
}

static int sched_explain(struct placer *base, uint32_t tid, char *buf, size_t len)
{
	struct sched_placer *sp = to_sched(base);
	int n = placer_task.explain(sp->task, tid, buf, len);
	const struct told *k;
	const char *text;

	if (n || sp->partial)
		return n;
	HASH_FIND(hh, sp->told, &tid, sizeof(tid), k);
	text = k ? tier_text(k) : NULL;
	if (!text)
		return 0;
	n = snprintf(buf, len, "scheduled by Starling (sched_ext): %s", text);
	return n < 0 ? 0 : (size_t)n < len ? n : (int)len - 1;
}

/* -- the scheduler itself ------------------------------------------------------------ */

static void give_back(struct sched_placer *sp)
{
	struct told_agent *a, *more;
	struct told *k, *next;

	detach(sp);
	HASH_ITER(hh, sp->told, k, next) {
		untell(sp, k->tid);
		drop(sp, k);
	}
	HASH_ITER(hh, sp->agent, a, more)
		drop_agent(sp, a);
}

static int load(struct sched_placer *sp)
{
	int err;

	sp->skel = sched_bpf__open();
	if (!sp->skel)
		return -errno;
	if (sp->partial)
		sp->skel->struct_ops.starling->flags |= SWITCH_PARTIAL;
	err = sched_bpf__load(sp->skel);
	if (!err)
		err = attach(sp);
	if (err)
		sched_bpf__destroy(sp->skel);
	return err;
}

static int open_with(struct placer **out, struct journal *j, bool partial)
{
	struct sched_placer *sp = calloc(1, sizeof(*sp));
	int err;

	if (!sp)
		return -ENOMEM;
	sp->base.journal = j;
	sp->partial = partial;
	err = placer_task.open(&sp->task, j);
	if (!err)
		err = load(sp);
	if (!err) {
		*out = &sp->base;
		return 0;
	}
	if (sp->task)
		placer_task.close(sp->task);
	free(sp);
	return err;
}

static int sched_open(struct placer **out, struct journal *j)
{
	return open_with(out, j, false);
}

static int partial_open(struct placer **out, struct journal *j)
{
	return open_with(out, j, true);
}

/* Off: the kernel's own scheduler has all tasks back; apply() begins anew. */
static int sched_undo(struct placer *base)
{
	struct sched_placer *sp = to_sched(base);
	int n = HASH_COUNT(sp->told), restored;

	give_back(sp);
	restored = placer_task.undo(sp->task);
	return sp->partial || restored < 0 ? restored : n;
}

static void sched_close(struct placer *base)
{
	struct sched_placer *sp = to_sched(base);

	give_back(sp);
	sched_bpf__destroy(sp->skel);
	placer_task.close(sp->task);
	free(sp);
}

#define SCHED_PLACER(name_, open_) {	\
	.name = name_,			\
	.probe = sched_probe,		\
	.open = open_,			\
	.apply = sched_apply,		\
	.place = sched_place,		\
	.agents = sched_agents,		\
	.grant = sched_grant,		\
	.beat = sched_beat,		\
	.forget = sched_forget,		\
	.real_time = sched_real_time,	\
	.explain = sched_explain,	\
	.undo = sched_undo,		\
	.close = sched_close,		\
}

const struct placer_ops placer_sched_ext = SCHED_PLACER("sched_ext", sched_open);
const struct placer_ops placer_sched_partial = SCHED_PLACER("sched_ext_partial", partial_open);

#endif

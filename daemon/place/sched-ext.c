// SPDX-License-Identifier: GPL-2.0-only
/*
 * The placer that schedules: sched.bpf.c is told roles, agents and weights, and
 * nothing of a task itself is changed. So there is nothing to journal: when
 * this process goes, however it goes, the kernel has its own scheduler back.
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
/* A daemon that hangs may not leave a loop in charge for longer. */
#define ACTIVE_NS	1000000000ULL

/* SCX_ECODE_ACT_RESTART */
#define EXIT_RESTART	(1LL << 48)

#ifndef PIDFD_THREAD
#define PIDFD_THREAD	O_EXCL
#endif

/* What the scheduler was told of a task. */
struct told {
	uint32_t tid;
	uint64_t agent_id;
	uint32_t weight;
	uint16_t role;
	uint64_t round;
	UT_hash_handle hh;
};

struct sched_placer {
	struct placer base;
	struct sched_bpf *skel;
	struct bpf_link *link;
	struct told *told;
	uint64_t round;
	bool active;
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

/* A task that has gone meanwhile is no error; the scheduler forgets it by itself. */
static int tell(struct sched_placer *sp, uint32_t tid, const struct place_task *t)
{
	struct sched_role role = { 0 };
	int fd = syscall(SYS_pidfd_open, tid, PIDFD_THREAD), err = 0;

	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	if (t)
		role = (struct sched_role){
			.agent = t->agent_id, .weight = t->weight, .role = t->role,
		};
	if (bpf_map_update_elem(bpf_map__fd(sp->skel->maps.roles), &fd, &role, BPF_ANY) &&
	    errno != ESRCH && errno != ENOENT)
		err = -errno;
	close(fd);
	return err;
}

static bool knows(const struct told *k, const struct place_task *t)
{
	return k->agent_id == t->agent_id && k->weight == t->weight && k->role == t->role;
}

static int sched_place(struct placer *base, const struct place_task *t)
{
	struct sched_placer *sp = to_sched(base);
	struct told *k;
	int err;

	HASH_FIND(hh, sp->told, &t->tid, sizeof(t->tid), k);
	if (k && knows(k, t)) {
		k->round = sp->round;
		return 0;
	}
	err = tell(sp, t->tid, t);
	if (err)
		return err;
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return -ENOMEM;
		k->tid = t->tid;
		HASH_ADD(hh, sp->told, tid, sizeof(k->tid), k);
	}
	k->agent_id = t->agent_id;
	k->weight = t->weight;
	k->role = t->role;
	k->round = sp->round;
	return 0;
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

	HASH_FIND(hh, sp->told, &tid, sizeof(tid), k);
	if (k)
		drop(sp, k);
}

static int attach(struct sched_placer *sp)
{
	cpu_set_t online;
	int err = sys_read_cpus("", &online, "/sys/devices/system/cpu/online");

	if (err)
		return err;
	for (int cpu = 0; cpu < SCHED_CPUS_MAX && cpu < CPU_SETSIZE; cpu++)
		sp->skel->bss->online_cpu[cpu] = CPU_ISSET(cpu, &online);
	sp->skel->bss->nr_online = CPU_COUNT(&online);
	sp->skel->bss->exit_kind = 0;
	sp->skel->bss->exit_code = 0;
	sp->link = bpf_map__attach_struct_ops(sp->skel->maps.starling);
	return sp->link ? 0 : -errno;
}

static int sched_apply(struct placer *base, const struct plan *plan,
		       const struct place_task *task, size_t n)
{
	struct sched_placer *sp = to_sched(base);
	struct told *k, *next;
	int err = 0, one;

	if (!sp->link) {
		err = attach(sp);
		if (err)
			return err;
	}
	sp->round++;
	sp->active = plan->feeders_active;
	for (int cpu = 0; cpu < SCHED_CPUS_MAX && cpu < CPU_SETSIZE; cpu++)
		sp->skel->bss->protected_cpu[cpu] = CPU_ISSET(cpu, &plan->protected_cpus) ||
						    CPU_ISSET(cpu, &plan->reserved_cpus);
	for (size_t i = 0; i < n; i++) {
		one = sched_place(base, &task[i]);
		if (one && !err)
			err = one;
	}
	HASH_ITER(hh, sp->told, k, next) {
		if (k->round == sp->round)
			continue;
		tell(sp, k->tid, NULL);
		drop(sp, k);
	}
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

static int sched_beat(struct placer *base, const char **why)
{
	struct sched_placer *sp = to_sched(base);
	struct timespec now;

	if (sp->skel->bss->exit_kind && !restart(sp)) {
		snprintf(sp->why, sizeof(sp->why), "%s: %s", sp->skel->bss->exit_reason,
			 sp->skel->bss->exit_msg);
		*why = sp->why;
		return -ESHUTDOWN;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (sp->active)
		sp->skel->bss->active_until_ns = now.tv_sec * 1000000000ULL + now.tv_nsec +
						 ACTIVE_NS;
	return 0;
}

static int sched_explain(struct placer *base, uint32_t tid, char *buf, size_t len)
{
	static const char *const tiers[] = {
		[STARLING_ROLE_FEEDER] = "goes before all others",
		[STARLING_ROLE_SERVICE] = "goes after feeders only",
		[STARLING_ROLE_ORCHESTRATOR] = "goes before tools for short bursts",
		[STARLING_ROLE_TOOL] = "shares what its agent's weight gives",
		[STARLING_ROLE_BACKGROUND] = "runs when nobody else wants to",
	};
	const struct told *k;
	int n;

	HASH_FIND(hh, to_sched(base)->told, &tid, sizeof(tid), k);
	if (!k || k->role >= sizeof(tiers) / sizeof(tiers[0]) || !tiers[k->role])
		return 0;
	n = snprintf(buf, len, "scheduled by Starling (sched_ext): %s", tiers[k->role]);
	return n < 0 ? 0 : (size_t)n < len ? n : (int)len - 1;
}

/* -- the scheduler itself ------------------------------------------------------------ */

static void say_counts(const struct sched_placer *sp)
{
	const unsigned long long *n = sp->skel->bss->counts;

	log_debug("scheduler: feeders found a free core %llu times, took one %llu, waited %llu, "
		  "paused %llu; yields kept %llu, given %llu; turns by age %llu",
		  n[SCHED_FEEDER_IDLE], n[SCHED_FEEDER_KICK], n[SCHED_FEEDER_QUEUE],
		  n[SCHED_FEEDER_PAUSE], n[SCHED_YIELD_KEPT], n[SCHED_YIELD_GIVEN],
		  n[SCHED_AGED]);
}

static void detach(struct sched_placer *sp)
{
	struct told *k, *next;

	if (sp->link)
		say_counts(sp);

	bpf_link__destroy(sp->link);
	sp->link = NULL;
	HASH_ITER(hh, sp->told, k, next) {
		tell(sp, k->tid, NULL);
		drop(sp, k);
	}
}

static int sched_open(struct placer **out, struct journal *j)
{
	struct sched_placer *sp = calloc(1, sizeof(*sp));
	int err = -ENOMEM;

	if (!sp)
		return err;
	sp->base.journal = j;
	sp->skel = sched_bpf__open_and_load();
	if (!sp->skel) {
		err = -errno;
		goto out_free;
	}
	err = attach(sp);
	if (err)
		goto out_skel;
	*out = &sp->base;
	return 0;

out_skel:
	sched_bpf__destroy(sp->skel);
out_free:
	free(sp);
	return err;
}

/* Off: the kernel's own scheduler has all tasks back; apply() begins anew. */
static int sched_undo(struct placer *base)
{
	struct sched_placer *sp = to_sched(base);
	int n = HASH_COUNT(sp->told);

	detach(sp);
	return n;
}

static void sched_close(struct placer *base)
{
	struct sched_placer *sp = to_sched(base);

	detach(sp);
	sched_bpf__destroy(sp->skel);
	free(sp);
}

const struct placer_ops placer_sched_ext = {
	.name = "sched_ext",
	.probe = sched_probe,
	.open = sched_open,
	.apply = sched_apply,
	.place = sched_place,
	.beat = sched_beat,
	.forget = sched_forget,
	.explain = sched_explain,
	.undo = sched_undo,
	.close = sched_close,
};

#endif

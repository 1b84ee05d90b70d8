/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kmod.h - the module as a source and sink of records.
 *
 * Holds the control claim of /dev/starling while open. Nothing here blocks
 * for longer than a system call. All functions return 0 (or what they say)
 * or -errno.
 */
#ifndef STARLING_SENSE_KMOD_H
#define STARLING_SENSE_KMOD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/starling.h>

struct kmod;

/*
 * Open the device and claim control. -ENODEV: no module; -EBUSY: another
 * daemon has it; -EPERM, -EACCES: rights; -EPROTO: a module of another ABI.
 */
int kmod_open(struct kmod **out);
void kmod_close(struct kmod *k);

/* One clear line for an error of kmod_open(): what is wrong, what to do. */
const char *kmod_reason(int err);

/* Limits and counters of the module, read at kmod_open(). */
const struct starling_info *kmod_info(const struct kmod *k);

/*
 * All members and all agents. The arrays belong to @k and live until the
 * next call of the same function. CPU values are of this moment; tids are
 * of the daemon's PID namespace. GPU values are those handed in since
 * kmod_open(): what the module has from an earlier daemon is left out.
 */
int kmod_tasks(struct kmod *k, const struct starling_task_record **task, size_t *n);
int kmod_agents(struct kmod *k, const struct starling_agent_record **agent, size_t *n);

/*
 * Hand GPU values counted since kmod_open(), wait styles and, where role_source is
 * STARLING_BY_DETECTION (else STARLING_BY_NONE), roles to the module. Tasks
 * that are gone or no members are passed over; a module from before a role was
 * known is told none instead. Returns the number applied.
 */
ssize_t kmod_publish(struct kmod *k, const struct starling_task_record *task, size_t n);

/* Rules for leases; they end with @k. */
int kmod_rules(struct kmod *k, const struct starling_lease_policy *rules);
/* A GPU's queue; -ENODEV: no such GPU. */
int kmod_lease_stat(struct kmod *k, uint32_t gpu, struct starling_lease_stat *stat);
/* Leases and requests of all agents, as kmod_tasks(). -EPERM: no CAP_PERFMON. */
int kmod_leases(struct kmod *k, const struct starling_lease_record **lease, size_t *n);

/*
 * Agents that the daemon makes itself. The descriptor is the caller's; after
 * close() an agent lives on until its last member is gone.
 */
int kmod_agent_create(struct kmod *k, const char *name, uint32_t weight);
/* The agent's id, or -errno. */
int64_t kmod_agent_id(int agent);
/* A whole process with @flags 0, one thread with STARLING_TASK_THREAD. */
int kmod_agent_join(int agent, pid_t tid, uint32_t flags);
int kmod_agent_leave(int agent, pid_t tid, uint32_t flags);
/* A member's role, as its owner. */
int kmod_set_role(int agent, pid_t tid, enum starling_role role);

#endif

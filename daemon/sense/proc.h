/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * proc.h - membership and records from /proc alone.
 *
 * What is left where BPF may not be used: descendants of the processes that
 * were registered, found by their parents, and the kernel's counters. No GPU
 * threads, no wakes; what lives shorter than from one read to the next is
 * not seen.
 */
#ifndef STARLING_SENSE_PROC_H
#define STARLING_SENSE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/starling.h>

struct proc;
struct sense_event;
struct sense_agent;

typedef void (*proc_event_fn)(void *ctx, const struct sense_event *ev);

/* -errno when there is no /proc. */
int proc_open(struct proc **out, proc_event_fn fn, void *ctx);
void proc_close(struct proc *p);

/* As in sense.h. -ESRCH: no such task; -ENOSPC: too many. */
int proc_join(struct proc *p, uint32_t tid, uint64_t agent_id, uint16_t role,
	      uint16_t src);
int proc_set_role(struct proc *p, uint32_t tid, uint16_t role, uint16_t src);
int proc_watch(struct proc *p, uint32_t tid, bool on);

/* The arrays live until the next call. Raises exec and exit events. */
int proc_read(struct proc *p, struct starling_task_record **rec, size_t *n);
int proc_agents(struct proc *p, const struct sense_agent **agent, size_t *n);

#endif

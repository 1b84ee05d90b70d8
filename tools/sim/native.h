/* SPDX-License-Identifier: GPL-2.0-only */
/* native.h - sched.bpf.c in this process, told what the daemon's placer tells it. */
#ifndef SIM_NATIVE_H
#define SIM_NATIVE_H

#include "tools/sim/ext.h"

extern const struct ext_ops native_ops;

u64 native_stall_ns(void);
/* Before ext_start(). */
void native_online(s32 cpu);
void native_little(s32 cpu, bool little);
/* @until_ns: see struct sched_role */
void native_tell(struct task_struct *p, u64 agent, u16 role, u64 until_ns);
void native_promote(struct task_struct *p);
void native_agent(u64 id, u64 parent, u32 weight, u32 class);
void native_agent_gone(u64 id);
void native_protect(const bool *on, unsigned int ncpu);
void native_stop(void);
/* @what: enum sched_count */
u64 native_count(unsigned int what);

#endif

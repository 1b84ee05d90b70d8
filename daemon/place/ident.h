/* SPDX-License-Identifier: GPL-2.0-only */
/* ident.h - who a task is and whom it comes from, as /proc has it. */
#ifndef STARLING_PLACE_IDENT_H
#define STARLING_PLACE_IDENT_H

#include <stdbool.h>
#include <stdint.h>

/* (tid, start) never names two tasks of one boot. */
struct identity {
	uint32_t tid;
	uint32_t tgid;
	uint64_t start;		/* clock ticks since boot */
	uint32_t ppid;		/* process */
	uint32_t pgid;
	uint32_t sid;
	uint32_t uid;
	uint32_t cgroup;	/* hash of its cgroup's path */
	bool kthread;
};

/* Read thread @tid of process @tgid (0: not known). 0 or -errno. */
int ident_read(uint32_t tid, uint32_t tgid, struct identity *out);
/* Hash of the cgroups of @tid; 0: cannot be read. */
uint32_t ident_cgroup(uint32_t tid);
/* Is the task of @id still there? */
bool ident_alive(const struct identity *id);
/* Now, in the unit of identity.start. */
uint64_t ident_now(void);

#endif

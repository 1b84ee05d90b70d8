/* SPDX-License-Identifier: GPL-2.0-only */
/* procfs.h - the few facts about tasks that only /proc has. */
#ifndef STARLING_PROCFS_H
#define STARLING_PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>
#include <linux/starling.h>

struct proc_stat {
	char comm[STARLING_COMM_LEN];
	uint32_t tgid;
	uint32_t ppid;		/* tgid of the parent */
	bool kthread;
	uint64_t start_ticks;
	uid_t uid;		/* real */
};

/* Facts of thread or process @tid. 0 or -errno (-ESRCH: gone). */
int proc_stat_read(uint32_t tid, struct proc_stat *out);

/* Call @fn for each thread of @tgid. Stops at the first non-zero return. */
int proc_each_thread(uint32_t tgid, int (*fn)(void *ctx, uint32_t tid), void *ctx);

/*
 * All living descendants of process @root, parents before children, without
 * @root itself. Returns how many, at most @max, or -errno.
 */
int proc_descendants(uint32_t root, uint32_t *pid, size_t max);

/* Resident memory of this process in KiB. */
long proc_own_rss_kib(void);

#endif

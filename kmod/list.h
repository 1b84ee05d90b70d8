/* SPDX-License-Identifier: GPL-2.0-only */
/* list.h - commands that list things, of one agent or of all. */
#ifndef STARLING_LIST_H
#define STARLING_LIST_H

#include <linux/types.h>

struct file;
struct pid_namespace;
struct starling_agent;

/**
 * struct starling_batch - records that go to user memory together
 * @ns:		the reader's
 * @now:	of leases: when it is filled
 * @after:	number of the last entry that was looked at
 * @room:	entries that may be
 * @n:		records there are
 * @records:	room for STARLING_BATCH of them
 */
struct starling_batch {
	struct pid_namespace *ns;
	u64 now;
	u64 after;
	u32 room;
	u32 n;
	void *records;
};

long starling_list_agents(struct file *file, void *arg);
long starling_list_tasks(struct file *file, void *arg);
long starling_list_leases(struct file *file, void *arg);

/* leaselist.c */
bool starling_leases_fill(struct starling_agent *agent, struct starling_batch *b);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* member.h - who belongs to which agent: registering, founding, watching. */
#ifndef STARLING_MEMBER_H
#define STARLING_MEMBER_H

#include "daemon/daemon.h"

/* Put all threads of process @tgid into @a. 0 or -errno (-ESRCH: gone). */
int member_join_process(struct daemon *d, struct agent *a, uint32_t tgid,
			enum starling_role role, enum starling_role_source src);
/*
 * Found an agent for process @tgid, a client of the request path that nobody
 * registered, and adopt the descendants that it has already.
 */
void member_found(struct daemon *d, uint32_t tgid);
/* Watch what is next to the request path, stop watching what is not. */
void member_watch(struct daemon *d, uint64_t now);
/* Look at the other threads of @task's process, which computes a model ... */
void member_watch_beside(struct daemon *d, const struct task *task, uint64_t now);
/* ... and at those of all processes that do. */
void member_watch_engines(struct daemon *d, uint64_t now);

#endif

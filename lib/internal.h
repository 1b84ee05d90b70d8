/* SPDX-License-Identifier: LGPL-2.1-only */
/* internal.h - the boundary to the kernel: one call, and the handles. */
#ifndef STARLING_LIB_INTERNAL_H
#define STARLING_LIB_INTERNAL_H

#include <starling.h>

#define STARLING_API	__attribute__((visibility("default")))

/*
 * What calls write into memory of their callers; see <starling.h>. A program may
 * have been built long before the library: one of another size needs another
 * soname, in build.mk and in python/starling.py, and other versions of symbols.
 */
#define RECORD(_name, _size) \
	_Static_assert(sizeof(struct starling_##_name) == (_size), \
		       "struct starling_" #_name " has one size in libstarling.so.0")
RECORD(info, 96);
RECORD(agent_record, 296);
RECORD(task_record, 248);
RECORD(cpu_record, 40);
RECORD(lease_record, 88);
RECORD(lease_stat, 168);
RECORD(event, 64);
RECORD(completion, sizeof(void *) == 8 ? 120 : sizeof(struct starling_completion));
#undef RECORD

struct starling {
	int fd;
};

/* The descriptor goes with the last of the handle, its leases and requests in queues. */
struct starling_agent {
	int fd;
	unsigned int refs;
};

/* Of the process that asked for it: a copy in a child is nobody's, see <starling.h>. */
struct starling_lease {
	struct starling_agent *agent;
	pid_t owner;
	uint32_t gpu;
	uint64_t id;
	uint64_t expires_ns;
};

/*
 * The result of a command or -errno; errno is left alone. A signal does not
 * end the first one; the second is for commands that wait.
 */
int starling_call(int fd, unsigned long cmd, void *arg);
int starling_call_once(int fd, unsigned long cmd, void *arg);
/* A command that fills an array of @n records; how many, or -errno. */
ssize_t starling_list(int fd, unsigned long cmd, void *rec, size_t size, size_t n,
		      uint64_t cursor[2]);
struct starling_agent *starling_agent_get(struct starling_agent *a);
void starling_agent_put(struct starling_agent *a);

/*
 * The halves of an acquisition: what to ask the kernel for, and a handle for
 * what it gave, to be freed where it did not.
 */
int starling_lease_prepare(struct starling_agent *a, const struct starling_lease_opts *opts,
			   struct starling_lease_acquire *arg, struct starling_lease **out);
void starling_lease_granted(struct starling_lease *l, const struct starling_lease_acquire *arg);
void starling_lease_free(struct starling_lease *l);
/* May this process use it? 0, -ENODEV or -ECHILD. */
int starling_lease_check(const struct starling_lease *l);

#endif

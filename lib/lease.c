// SPDX-License-Identifier: LGPL-2.1-only
/* lease.c - the right to submit work to a GPU. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define STARLING_LEASE_OPTS_MIN sizeof(struct starling_lease_opts)	/* in the first version */

/* Keeps a descriptor of its own: the agent's handle may be closed before. */
struct starling_lease {
	int fd;
	uint32_t gpu;
	uint64_t id;
	uint64_t expires_ns;
};

/* Options grow at the end; what an older caller does not have is 0. */
static int read_opts(const struct starling_lease_opts *from, struct starling_lease_opts *to)
{
	memset(to, 0, sizeof(*to));
	if (!from)
		return 0;
	if (from->size < STARLING_LEASE_OPTS_MIN || from->size > sizeof(*to))
		return -EINVAL;
	memcpy(to, from, from->size);
	return to->__pad ? -EINVAL : 0;
}

static void lease_free(struct starling_lease *l)
{
	int saved = errno;

	close(l->fd);
	free(l);
	errno = saved;
}

static struct starling_lease *lease_alloc(const struct starling_agent *a, int *err)
{
	struct starling_lease *l = calloc(1, sizeof(*l));

	if (!l) {
		*err = -ENOMEM;
		return NULL;
	}
	l->fd = starling_dup(a->fd);
	if (l->fd < 0) {
		*err = l->fd;
		free(l);
		return NULL;
	}
	return l;
}

STARLING_API int starling_lease_acquire(struct starling_agent *a,
					const struct starling_lease_opts *opts,
					struct starling_lease **out)
{
	struct starling_lease_acquire arg = { .size = sizeof(arg) };
	struct starling_lease_opts o;
	struct starling_lease *l;
	int err;

	*out = NULL;
	if (!a)
		return -ENODEV;
	err = read_opts(opts, &o);
	if (err)
		return err;
	l = lease_alloc(a, &err);
	if (!l)
		return err;
	arg.flags = o.flags;
	arg.gpu = o.gpu;
	arg.class = o.priority;
	arg.max_hold_ns = o.max_hold_ns;
	arg.deadline_ns = o.deadline_ns;
	arg.timeout_ns = o.timeout_ns;
	arg.memory_bytes = o.memory_bytes;
	arg.cookie = o.cookie;
	err = starling_call_once(l->fd, STARLING_IOC_LEASE_ACQUIRE, &arg);
	if (err) {
		lease_free(l);
		return err;
	}
	l->id = arg.out_lease;
	l->gpu = arg.out_gpu;
	l->expires_ns = arg.out_expires_ns;
	*out = l;
	return 0;
}

static int lease_call(struct starling_lease *l, unsigned long cmd)
{
	struct starling_lease_id arg = { .size = sizeof(arg), .lease = l->id };

	return starling_call(l->fd, cmd, &arg);
}

STARLING_API int starling_lease_release(struct starling_lease *l)
{
	int err;

	if (!l)
		return -ENODEV;
	err = lease_call(l, STARLING_IOC_LEASE_RELEASE);
	lease_free(l);
	return err;
}

STARLING_API int starling_lease_park(struct starling_lease *l)
{
	return l ? lease_call(l, STARLING_IOC_LEASE_PARK) : -ENODEV;
}

STARLING_API int starling_lease_unpark(struct starling_lease *l, uint32_t flags,
				       uint64_t timeout_ns, uint64_t cookie)
{
	struct starling_lease_unpark arg = { .size = sizeof(arg), .flags = flags };
	int err;

	if (!l)
		return -ENODEV;
	arg.lease = l->id;
	arg.timeout_ns = timeout_ns;
	arg.cookie = cookie;
	err = starling_call_once(l->fd, STARLING_IOC_LEASE_UNPARK, &arg);
	if (!err)
		l->expires_ns = arg.out_expires_ns;
	return err;
}

STARLING_API uint64_t starling_lease_id(const struct starling_lease *l)
{
	return l ? l->id : 0;
}

STARLING_API uint32_t starling_lease_gpu(const struct starling_lease *l)
{
	return l ? l->gpu : STARLING_GPU_ANY;
}

STARLING_API uint64_t starling_lease_expires_ns(const struct starling_lease *l)
{
	return l ? l->expires_ns : 0;
}

STARLING_API int starling_cancel(struct starling_agent *a, uint64_t cookie)
{
	struct starling_lease_cancel arg = { .size = sizeof(arg), .cookie = cookie };

	return a ? starling_call(a->fd, STARLING_IOC_LEASE_CANCEL, &arg) : -ENODEV;
}

STARLING_API int starling_gpu_stat(struct starling *s, uint32_t gpu,
				   struct starling_lease_stat *stat)
{
	if (!s)
		return -ENODEV;
	memset(stat, 0, sizeof(*stat));
	stat->size = sizeof(*stat);
	stat->gpu = gpu;
	return starling_call(s->fd, STARLING_IOC_LEASE_STAT, stat);
}

STARLING_API ssize_t starling_leases(struct starling *s, struct starling_lease_record *rec,
				     size_t n, uint64_t cursor[2])
{
	return s ? starling_list(s->fd, STARLING_IOC_LEASES, rec, sizeof(*rec), n, cursor) :
		   -ENODEV;
}

STARLING_API ssize_t starling_agent_leases(struct starling_agent *a,
					   struct starling_lease_record *rec,
					   size_t n, uint64_t cursor[2])
{
	return a ? starling_list(a->fd, STARLING_IOC_LEASES, rec, sizeof(*rec), n, cursor) :
		   -ENODEV;
}

static const char *const priority_names[__STARLING_CLASS_MAX] = {
	[STARLING_CLASS_DEFAULT] = "default",
	[STARLING_CLASS_INTERACTIVE] = "interactive",
	[STARLING_CLASS_NORMAL] = "normal",
	[STARLING_CLASS_BATCH] = "batch",
};

STARLING_API const char *starling_priority_name(enum starling_class priority)
{
	return (unsigned int)priority < __STARLING_CLASS_MAX ? priority_names[priority] : NULL;
}

STARLING_API int starling_priority_from_name(const char *name)
{
	for (int i = 0; i < __STARLING_CLASS_MAX; i++)
		if (!strcmp(name, priority_names[i]))
			return i;
	return -EINVAL;
}

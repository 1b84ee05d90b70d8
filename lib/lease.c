// SPDX-License-Identifier: LGPL-2.1-only
/* lease.c - the right to submit work to a GPU. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define STARLING_LEASE_OPTS_MIN sizeof(struct starling_lease_opts)	/* in the first version */

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

void starling_lease_free(struct starling_lease *l)
{
	starling_agent_put(l->agent);
	free(l);
}

int starling_lease_prepare(struct starling_agent *a, const struct starling_lease_opts *opts,
			   struct starling_lease_acquire *arg, struct starling_lease **out)
{
	struct starling_lease_opts o;
	int err = read_opts(opts, &o);

	if (err)
		return err;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->agent = starling_agent_get(a);
	(*out)->owner = getpid();
	*arg = (struct starling_lease_acquire){
		.size = sizeof(*arg), .flags = o.flags, .gpu = o.gpu, .class = o.priority,
		.max_hold_ns = o.max_hold_ns, .deadline_ns = o.deadline_ns,
		.timeout_ns = o.timeout_ns, .memory_bytes = o.memory_bytes, .cookie = o.cookie,
	};
	return 0;
}

void starling_lease_granted(struct starling_lease *l, const struct starling_lease_acquire *arg)
{
	l->id = arg->out_lease;
	l->gpu = arg->out_gpu;
	l->expires_ns = arg->out_expires_ns;
}

STARLING_API int starling_lease_acquire(struct starling_agent *a,
					const struct starling_lease_opts *opts,
					struct starling_lease **out)
{
	struct starling_lease_acquire arg;
	struct starling_lease *l;
	int err;

	*out = NULL;
	if (!a)
		return -ENODEV;
	err = starling_lease_prepare(a, opts, &arg, &l);
	if (err)
		return err;
	err = starling_call_once(a->fd, STARLING_IOC_LEASE_ACQUIRE, &arg);
	if (err) {
		starling_lease_free(l);
		return err;
	}
	starling_lease_granted(l, &arg);
	*out = l;
	return 0;
}

int starling_lease_check(const struct starling_lease *l)
{
	if (!l)
		return -ENODEV;
	return l->owner == getpid() ? 0 : -ECHILD;
}

static int lease_call(struct starling_lease *l, unsigned long cmd)
{
	struct starling_lease_id arg = { .size = sizeof(arg) };
	int err = starling_lease_check(l);

	if (err)
		return err;
	arg.lease = l->id;
	return starling_call(l->agent->fd, cmd, &arg);
}

STARLING_API int starling_lease_release(struct starling_lease *l)
{
	int err = lease_call(l, STARLING_IOC_LEASE_RELEASE);

	if (l)
		starling_lease_free(l);
	return err;
}

STARLING_API int starling_lease_park(struct starling_lease *l)
{
	return lease_call(l, STARLING_IOC_LEASE_PARK);
}

STARLING_API int starling_lease_unpark(struct starling_lease *l, uint32_t flags,
				       uint64_t timeout_ns, uint64_t cookie)
{
	struct starling_lease_unpark arg = { .size = sizeof(arg), .flags = flags };
	int err = starling_lease_check(l);

	if (err)
		return err;
	arg.lease = l->id;
	arg.timeout_ns = timeout_ns;
	arg.cookie = cookie;
	err = starling_call_once(l->agent->fd, STARLING_IOC_LEASE_UNPARK, &arg);
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

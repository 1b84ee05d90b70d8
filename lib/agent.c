// SPDX-License-Identifier: LGPL-2.1-only
/* agent.c - agents and their tasks by command. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

/* Options grow at the end; what an older caller does not have is 0. */
static int read_opts(const struct starling_agent_opts *from, struct starling_agent_opts *to)
{
	memset(to, 0, sizeof(*to));
	if (!from)
		return 0;
	if (from->size < offsetof(struct starling_agent_opts, priority) || from->size > sizeof(*to))
		return -EINVAL;
	memcpy(to, from, from->size);
	return 0;
}

STARLING_API int starling_agent_from_fd(int fd, struct starling_agent **out)
{
	struct starling_agent_record rec;
	struct starling_agent probe = { .fd = fd };
	int err;

	*out = NULL;
	err = starling_agent_stat(&probe, 0, &rec);
	if (err)
		return err == -ENOTTY ? -EINVAL : err;
	*out = malloc(sizeof(**out));
	if (!*out)
		return -ENOMEM;
	**out = (struct starling_agent){ .fd = fd, .refs = 1 };
	return 0;
}

/* On the device or, for a sub-agent, on its parent's descriptor. */
static int create(int on, const char *name, const struct starling_agent_opts *opts,
		  struct starling_agent **out)
{
	struct starling_agent_create arg = { .size = sizeof(arg) };
	struct starling_agent_opts o;
	struct starling_agent *a;
	int err;

	err = read_opts(opts, &o);
	if (err)
		return err;
	if (name && strlen(name) >= sizeof(arg.name))
		return -ENAMETOOLONG;
	if (name)
		strcpy(arg.name, name);
	arg.weight = o.weight;
	arg.class = o.priority;
	a = malloc(sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->refs = 1;
	a->fd = starling_call(on, STARLING_IOC_AGENT_CREATE, &arg);
	if (a->fd < 0) {
		err = a->fd;
		free(a);
		return err;
	}
	*out = a;
	return 0;
}

STARLING_API int starling_agent_create(struct starling *s, const char *name,
				       const struct starling_agent_opts *opts,
				       struct starling_agent **out)
{
	*out = NULL;
	return s ? create(s->fd, name, opts, out) : -ENODEV;
}

STARLING_API int starling_agent_create_sub(struct starling_agent *parent, const char *name,
					   const struct starling_agent_opts *opts,
					   struct starling_agent **out)
{
	*out = NULL;
	return parent ? create(parent->fd, name, opts, out) : -ENODEV;
}

STARLING_API int starling_agent_fd(const struct starling_agent *a)
{
	return a ? a->fd : -ENODEV;
}

struct starling_agent *starling_agent_get(struct starling_agent *a)
{
	__atomic_add_fetch(&a->refs, 1, __ATOMIC_RELAXED);
	return a;
}

void starling_agent_put(struct starling_agent *a)
{
	int saved = errno;

	if (__atomic_sub_fetch(&a->refs, 1, __ATOMIC_ACQ_REL))
		return;
	close(a->fd);
	free(a);
	errno = saved;
}

STARLING_API void starling_agent_close(struct starling_agent *a)
{
	if (a)
		starling_agent_put(a);
}

static int member(struct starling_agent *a, unsigned long cmd, pid_t task, uint32_t flags)
{
	struct starling_agent_task arg = { .size = sizeof(arg), .flags = flags, .task = task };

	return a ? starling_call(a->fd, cmd, &arg) : -ENODEV;
}

STARLING_API int starling_agent_join(struct starling_agent *a, pid_t task, uint32_t flags)
{
	return member(a, STARLING_IOC_AGENT_JOIN, task, flags);
}

STARLING_API int starling_agent_leave(struct starling_agent *a, pid_t task, uint32_t flags)
{
	return member(a, STARLING_IOC_AGENT_LEAVE, task, flags);
}

STARLING_API int starling_agent_set(struct starling_agent *a, const char *name, uint32_t weight)
{
	struct starling_agent_set arg = { .size = sizeof(arg), .weight = weight };

	if (!a)
		return -ENODEV;
	if (name && strlen(name) >= sizeof(arg.name))
		return -ENAMETOOLONG;
	if (name) {
		strcpy(arg.name, name);
		arg.flags |= STARLING_SET_NAME;
	}
	if (weight)
		arg.flags |= STARLING_SET_WEIGHT;
	return starling_call(a->fd, STARLING_IOC_AGENT_SET, &arg);
}

STARLING_API int starling_agent_set_priority(struct starling_agent *a,
					     enum starling_class priority)
{
	struct starling_agent_set arg = {
		.size = sizeof(arg), .flags = STARLING_SET_CLASS, .class = priority,
	};

	return a ? starling_call(a->fd, STARLING_IOC_AGENT_SET, &arg) : -ENODEV;
}

STARLING_API int starling_agent_stat(struct starling_agent *a, uint32_t flags,
				     struct starling_agent_record *rec)
{
	struct starling_agent_stat arg = { .size = sizeof(arg), .flags = flags };
	int err;

	if (!a)
		return -ENODEV;
	err = starling_call(a->fd, STARLING_IOC_AGENT_STAT, &arg);
	if (!err)
		*rec = arg.out_agent;
	return err;
}

STARLING_API ssize_t starling_agent_tasks(struct starling_agent *a,
					  struct starling_task_record *rec,
					  size_t n, uint64_t cursor[2])
{
	return a ? starling_list(a->fd, STARLING_IOC_TASKS, rec, sizeof(*rec), n, cursor) :
		   -ENODEV;
}

STARLING_API int starling_task_stat(struct starling_agent *a, pid_t tid,
				    struct starling_task_record *rec)
{
	struct starling_task_stat arg = { .size = sizeof(arg), .tid = tid };
	int err;

	if (!a)
		return -ENODEV;
	err = starling_call(a->fd, STARLING_IOC_TASK_STAT, &arg);
	if (!err)
		*rec = arg.out_task;
	return err;
}

STARLING_API int starling_task_set_role(struct starling_agent *a, pid_t tid,
					enum starling_role role)
{
	struct starling_task_role arg = { .size = sizeof(arg), .tid = tid, .role = role };

	return a ? starling_call(a->fd, STARLING_IOC_TASK_SET_ROLE, &arg) : -ENODEV;
}

static const char *const role_names[__STARLING_ROLE_MAX] = {
	[STARLING_ROLE_NONE] = "none",
	[STARLING_ROLE_FEEDER] = "feeder",
	[STARLING_ROLE_SERVICE] = "service",
	[STARLING_ROLE_ORCHESTRATOR] = "orchestrator",
	[STARLING_ROLE_TOOL] = "tool",
	[STARLING_ROLE_BACKGROUND] = "background",
	[STARLING_ROLE_INFERENCE] = "inference",
};

STARLING_API const char *starling_role_name(enum starling_role role)
{
	return (unsigned int)role < __STARLING_ROLE_MAX ? role_names[role] : NULL;
}

STARLING_API int starling_role_from_name(const char *name)
{
	for (int i = 0; i < __STARLING_ROLE_MAX; i++)
		if (!strcmp(name, role_names[i]))
			return i;
	return -EINVAL;
}

/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libstarling - agents, roles and telemetry for programs that run agents.
 *
 *	struct starling *s;
 *	struct starling_agent *planner;
 *
 *	starling_open(&s);
 *	starling_agent_create(s, "planner", NULL, &planner);
 *	starling_agent_join(planner, 0, 0);
 *	...
 *	starling_agent_close(planner);
 *	starling_close(s);
 *
 * Functions return 0, or what they say, or -errno; errno itself is not
 * touched. Nothing has to be checked: without the module starling_open()
 * gives -ENODEV and a handle of NULL, and every call with such a handle gives
 * -ENODEV at once, so that a program does the same with and without it.
 *
 * Handles may be used by several threads at once, but not closed meanwhile.
 * Structures, limits, errors and who may do what: <linux/starling.h>.
 */
#ifndef STARLING_H
#define STARLING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/starling.h>

#ifdef __cplusplus
extern "C" {
#endif

struct starling;
struct starling_agent;
struct starling_telemetry;

/* The device. -ENODEV: there is no module. -EPROTO: one of another ABI. */
int starling_open(struct starling **out);
void starling_close(struct starling *s);
int starling_get_info(struct starling *s, struct starling_info *info);

/* Set @size to sizeof(struct starling_agent_opts); 0 elsewhere: the default. */
struct starling_agent_opts {
	size_t size;
	uint32_t weight;
	uint32_t __pad;
};

/*
 * An agent lives as long as a handle, a descriptor or a member of it is left.
 * starling_agent_from_fd() makes a handle for a descriptor that came from
 * elsewhere and takes it over; starling_agent_fd() lends the handle's own,
 * which is close-on-exec, for sending it or to keep it across exec.
 */
int starling_agent_create(struct starling *s, const char *name,
			  const struct starling_agent_opts *opts,
			  struct starling_agent **out);
int starling_agent_from_fd(int fd, struct starling_agent **out);
int starling_agent_fd(const struct starling_agent *a);
void starling_agent_close(struct starling_agent *a);

/*
 * @task is a task id, 0 for the caller, or a pidfd with STARLING_TASK_PIDFD;
 * its whole process unless STARLING_TASK_THREAD. Children made later follow.
 */
int starling_agent_join(struct starling_agent *a, pid_t task, uint32_t flags);
int starling_agent_leave(struct starling_agent *a, pid_t task, uint32_t flags);

/* NULL and 0 leave the name and the weight as they are. */
int starling_agent_set(struct starling_agent *a, const char *name, uint32_t weight);

/* With STARLING_STAT_LIVE sums include the members there are. */
int starling_agent_stat(struct starling_agent *a, uint32_t flags,
			struct starling_agent_record *rec);

/*
 * Records of the members, as many as @n; returns how many. @cursor, if not
 * NULL, is zero to begin with; fewer than @n: that was the end.
 */
ssize_t starling_agent_tasks(struct starling_agent *a, struct starling_task_record *rec,
			     size_t n, uint64_t cursor[2]);

/* One member; 0 is the caller. */
int starling_task_stat(struct starling_agent *a, pid_t tid, struct starling_task_record *rec);
int starling_task_set_role(struct starling_agent *a, pid_t tid, enum starling_role role);

/* "feeder", "tool", ...; NULL for a role not known here; -EINVAL for a name. */
const char *starling_role_name(enum starling_role role);
int starling_role_from_name(const char *name);

/*
 * The agent's records in memory: reading them takes no system call and waits
 * for nobody. CPU values are up to starling_info.out_sample_ns old. The
 * mapping keeps the agent, also after its handle is closed.
 */
int starling_telemetry_open(struct starling_agent *a, struct starling_telemetry **out);
void starling_telemetry_close(struct starling_telemetry *t);
int starling_telemetry_agent(const struct starling_telemetry *t,
			     struct starling_agent_record *rec);
/* -ESRCH: no member, or one without a slot. */
int starling_telemetry_task(const struct starling_telemetry *t, pid_t tid,
			    struct starling_task_record *rec);
/* As many as @n; returns how many there were. */
ssize_t starling_telemetry_tasks(const struct starling_telemetry *t,
				 struct starling_task_record *rec, size_t n);

#ifdef __cplusplus
}
#endif

#endif

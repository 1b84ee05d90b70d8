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
 * Options say their own size and grow at the end: what an older program does not
 * have is 0, what an older library does not know is -EINVAL. Records that a call
 * fills are as large as the caller's header says, and say nothing; so none of
 * them grows in libstarling.so.0, where only what is reserved may get a meaning.
 * The first that has to grow makes it libstarling.so.1: older programs keep the
 * library they were linked with, and that one works with newer modules.
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
struct starling_lease;

/* The device. -ENODEV: there is no module. -EACCES: not for this user. -EPROTO: another ABI. */
int starling_open(struct starling **out);
void starling_close(struct starling *s);
int starling_get_info(struct starling *s, struct starling_info *info);

/* Set @size to sizeof(struct starling_agent_opts); 0 elsewhere: the default. */
struct starling_agent_opts {
	size_t size;
	uint32_t weight;
	uint32_t priority;	/* enum starling_class */
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
/*
 * An agent below @parent, which it keeps. When all that refers to it but its
 * members is gone they and what it did become its parent's.
 */
int starling_agent_create_sub(struct starling_agent *parent, const char *name,
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
/* Leases that it holds or waits for keep theirs. -EINVAL: STARLING_CLASS_DEFAULT. */
int starling_agent_set_priority(struct starling_agent *a, enum starling_class priority);

/* With STARLING_STAT_LIVE sums include the members there are, with _TREE sub-agents. */
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
 * Leases: the right to submit work to a GPU, see "Leases" in
 * <linux/starling.h> for who is next and when it ends.
 *
 * Set @size to sizeof(struct starling_lease_opts) and the rest to 0 for one
 * of GPU 0, at its agent's priority, waiting without limit.
 *
 * @flags:	STARLING_LEASE_TRY: -EAGAIN instead of waiting
 * @gpu:	its number, or STARLING_GPU_ANY
 * @priority:	enum starling_class
 * @max_hold_ns, @timeout_ns: ns, 0: the policy's, and no limit
 * @deadline_ns: CLOCK_MONOTONIC; 0: none
 * @memory_bytes: device memory in use until the release
 * @cookie:	for starling_cancel() and in events
 */
struct starling_lease_opts {
	size_t size;
	uint32_t flags;
	uint32_t gpu;
	uint32_t priority;
	uint32_t __pad;
	uint64_t max_hold_ns;
	uint64_t timeout_ns;
	uint64_t deadline_ns;
	uint64_t memory_bytes;
	uint64_t cookie;
};

/*
 * These wait: a signal ends that with -EINTR when there is a timeout; without
 * one they go on where the handler was installed with SA_RESTART. A lease keeps
 * its agent's descriptor, so it may be used after the agent's handle is closed.
 *
 * A handle is of the process that asked for the lease. In a child that fork()
 * made, release frees the child's copy and no more; it, park and unpark are
 * -ECHILD there, and the lease stays the parent's.
 */
int starling_lease_acquire(struct starling_agent *a, const struct starling_lease_opts *opts,
			   struct starling_lease **out);
int starling_lease_unpark(struct starling_lease *l, uint32_t flags, uint64_t timeout_ns,
			  uint64_t cookie);
/* Gives the GPU to others and keeps the lease, while the agent waits for something else. */
int starling_lease_park(struct starling_lease *l);
/* Frees the handle in any case. -ENOENT: its time was over, others have the GPU. */
int starling_lease_release(struct starling_lease *l);
/* 0, STARLING_GPU_ANY and 0 for a handle of NULL. */
uint64_t starling_lease_id(const struct starling_lease *l);
uint32_t starling_lease_gpu(const struct starling_lease *l);
uint64_t starling_lease_expires_ns(const struct starling_lease *l);

/* Ends what waits with that cookie, with -ECANCELED. -ENOENT: nothing does. */
int starling_cancel(struct starling_agent *a, uint64_t cookie);

/* A GPU's queue, policy and statistics. -ENODEV: no such GPU, or no module. */
int starling_gpu_stat(struct starling *s, uint32_t gpu, struct starling_lease_stat *stat);

/*
 * Leases and requests of all agents (-EPERM without CAP_PERFMON), or of one; as
 * many as @n, with @cursor as for starling_agent_tasks().
 */
ssize_t starling_leases(struct starling *s, struct starling_lease_record *rec, size_t n,
			uint64_t cursor[2]);
ssize_t starling_agent_leases(struct starling_agent *a, struct starling_lease_record *rec,
			      size_t n, uint64_t cursor[2]);

/* "interactive", "normal", "batch", "default"; as for roles. */
const char *starling_priority_name(enum starling_class priority);
int starling_priority_from_name(const char *name);

/*
 * Events: bits (1U << STARLING_EVENT_x) say which are kept. Next: the oldest
 * one; @flags STARLING_EVENT_NOWAIT: -EAGAIN when there is none; @timeout_ns 0:
 * no limit. The agent's descriptor can be polled for reading.
 */
int starling_event_mask(struct starling_agent *a, uint32_t mask);
int starling_event_next(struct starling_agent *a, uint32_t flags, uint64_t timeout_ns,
			uint64_t cookie, struct starling_event *event);

/*
 * Queues: the calls that may wait, without waiting and without a thread for
 * each. What is asked for completes in any order and is taken by
 * starling_queue_next(), or by starling_queue_reap() when poll(2) finds the
 * queue's descriptor readable.
 *
 *	starling_queue_create(s, NULL, &q);
 *	starling_queue_acquire(q, planner, NULL, 1);
 *	starling_queue_acquire(q, coder, NULL, 2);
 *	while (!starling_queue_next(q, &done, 0))
 *		...
 *	starling_queue_destroy(q);
 *
 * Requests are collected and go to the kernel together, in one system call: by
 * starling_queue_submit(), and by next, reap and cancel before they do anything
 * else. Whoever waits for the descriptor elsewhere submits first.
 *
 * Two backends do the same with the same results: io_uring; and, where that is
 * forbidden (containers often do) or not there, a pool of threads, of which a
 * wait takes one until it ends. The environment's STARLING_QUEUE, "threads" or
 * "io_uring", decides where @backend is ANY. What differs:
 *   - io_uring ends the waits of a thread that ends, with -ECANCELED: submit
 *     from threads that stay;
 *   - before Linux 6.7 a wait by io_uring begins anew every 10 seconds, as one
 *     that has just arrived;
 *   - the pool's threads are made by the one that submits. One that begins as
 *     a member of the agent it waits for leaves it, but not any other.
 *
 * Bounds: @entries waits, and as many requests that do not wait (park, release).
 * A request counts until its completion is taken. One more is -EAGAIN, and so
 * is a wait for which there is no thread; nothing has begun then.
 *
 * Queues may be used by several threads at once, but not destroyed meanwhile,
 * and each completion goes to one of them. Handles given to a request stay open
 * until it completes, but for an agent's, which may be closed. A queue is of the
 * process that made it: in a child it is -ECHILD, apart from destroy, which then
 * leaves the requests alone. Its descriptors are close-on-exec, and exec ends
 * what waits.
 */
struct starling_queue;

enum starling_backend {
	STARLING_BACKEND_ANY = 0,
	STARLING_BACKEND_URING,
	STARLING_BACKEND_THREADS,
};

/* Set @size to sizeof(struct starling_queue_opts); 0 elsewhere: the default. */
struct starling_queue_opts {
	size_t size;
	uint32_t entries;	/* 1 to 4096; 64 */
	uint32_t backend;	/* enum starling_backend */
};

/*
 * @user_data:	of the request
 * @result:	what the call of the same name returns
 * @lease:	ACQUIRE: the lease that was got, else NULL
 * @event:	EVENT: the event that was got, else zero
 */
struct starling_completion {
	uint64_t user_data;
	int32_t result;
	uint32_t __pad;
	struct starling_lease *lease;
	struct starling_event event;
	uint64_t __reserved[4];
};

/* With a backend other than ANY: why it cannot be had, as -EPERM, -ENOSYS. */
int starling_queue_create(struct starling *s, const struct starling_queue_opts *opts,
			  struct starling_queue **out);
/*
 * Ends what waits, gives back leases that nobody took, and returns when no
 * request is under way. An event that nobody took is lost. Not to be called
 * while one of the threads that submitted is stopped.
 */
void starling_queue_destroy(struct starling_queue *q);
/* Readable: there may be completions. Not to be read. */
int starling_queue_fd(const struct starling_queue *q);
/* Which of the two it is. */
int starling_queue_backend(const struct starling_queue *q);

/*
 * Requests: 0, or -errno when nothing has begun. Cookies are the queue's own:
 * that of @opts must be 0. A lease given to release is gone once it completes.
 */
int starling_queue_acquire(struct starling_queue *q, struct starling_agent *a,
			   const struct starling_lease_opts *opts, uint64_t user_data);
int starling_queue_unpark(struct starling_queue *q, struct starling_lease *l, uint32_t flags,
			  uint64_t timeout_ns, uint64_t user_data);
int starling_queue_park(struct starling_queue *q, struct starling_lease *l, uint64_t user_data);
int starling_queue_release(struct starling_queue *q, struct starling_lease *l,
			   uint64_t user_data);
int starling_queue_event(struct starling_queue *q, struct starling_agent *a, uint32_t flags,
			 uint64_t timeout_ns, uint64_t user_data);
/*
 * Ends all waits of this queue with that @user_data. They complete, with
 * -ECANCELED unless they were faster; this one has no completion of its own.
 * -ENOENT: nothing waits with it, or what did has ended.
 */
int starling_queue_cancel(struct starling_queue *q, uint64_t user_data);
int starling_queue_submit(struct starling_queue *q);

/* One completion. @timeout_ns 0: no limit. -ETIMEDOUT, or -EINTR by a signal. */
int starling_queue_next(struct starling_queue *q, struct starling_completion *done,
			uint64_t timeout_ns);
/* Those there are, @n at most, without waiting; returns how many. */
ssize_t starling_queue_reap(struct starling_queue *q, struct starling_completion *done,
			    size_t n);

/*
 * The agent's records in memory: reading them takes no system call and waits
 * for nobody. For how old CPU values can be see starling_info.out_sample_ns. The
 * mapping keeps the agent, also after its handle is closed.
 */
int starling_telemetry_open(struct starling_agent *a, struct starling_telemetry **out);
void starling_telemetry_close(struct starling_telemetry *t);
int starling_telemetry_agent(const struct starling_telemetry *t,
			     struct starling_agent_record *rec);
/* -ESRCH: no member, or one without a slot. */
int starling_telemetry_task(const struct starling_telemetry *t, pid_t tid,
			    struct starling_task_record *rec);
/*
 * For those who look often: where a member's record is for as long as it is a
 * member, and what it has had of the CPUs. -ESRCH from the second: the slot is
 * not, or no more, that task's; a later one of the same id has another @start_ns.
 */
struct starling_cpu_record {
	uint64_t start_ns;
	uint64_t run_ns;
	uint64_t wait_ns;
	uint64_t nvcsw;
	uint64_t nivcsw;
};
int starling_telemetry_slot(const struct starling_telemetry *t, pid_t tid);
int starling_telemetry_cpu(const struct starling_telemetry *t, int slot, pid_t tid,
			   struct starling_cpu_record *cpu);
/* As many as @n; returns how many there were. */
ssize_t starling_telemetry_tasks(const struct starling_telemetry *t,
				 struct starling_task_record *rec, size_t n);

#ifdef __cplusplus
}
#endif

#endif

// SPDX-License-Identifier: LGPL-2.1-only
/*
 * queue.c - requests that complete later. Who gets them to the kernel and back
 * is a backend's matter: ring.c by io_uring, pool.c by threads.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "queue.h"

#define ENTRIES_DEFAULT	64
#define ENTRIES_MAX	4096
#define SEC_NS		1000000000ULL

/* Time between two attempts to end what has not begun to wait yet. */
#define RETRY_NS	100000

/*
 * @done:	when a completion is taken: brings the handles up to date
 * @drop:	when nobody takes it
 */
struct queue_kind {
	unsigned int cmd;
	bool waits;
	void (*done)(struct queue_op *op, struct starling_completion *c);
	void (*drop)(struct queue_op *op);
};

static void acquire_done(struct queue_op *op, struct starling_completion *c)
{
	if (op->result) {
		starling_lease_free(op->lease);
		return;
	}
	starling_lease_granted(op->lease, &op->arg.acquire);
	c->lease = op->lease;
}

static void acquire_drop(struct queue_op *op)
{
	struct starling_completion c = { 0 };

	acquire_done(op, &c);
	starling_lease_release(c.lease);
}

static void unpark_done(struct queue_op *op, struct starling_completion *c)
{
	(void)c;
	if (!op->result)
		op->lease->expires_ns = op->arg.unpark.out_expires_ns;
}

static void release_done(struct queue_op *op, struct starling_completion *c)
{
	(void)c;
	starling_lease_free(op->lease);
}

static void release_drop(struct queue_op *op)
{
	starling_lease_free(op->lease);
}

static void event_done(struct queue_op *op, struct starling_completion *c)
{
	if (!op->result)
		c->event = op->arg.event.out_event;
}

static const struct queue_kind acquiring = {
	STARLING_IOC_LEASE_ACQUIRE, true, acquire_done, acquire_drop,
}, unparking = {
	STARLING_IOC_LEASE_UNPARK, true, unpark_done, NULL,
}, parking = {
	STARLING_IOC_LEASE_PARK, false, NULL, NULL,
}, releasing = {
	STARLING_IOC_LEASE_RELEASE, false, release_done, release_drop,
}, next_event = {
	STARLING_IOC_EVENT_NEXT, true, event_done, NULL,
};

unsigned int starling_op_cmd(const struct queue_op *op)
{
	return op->kind->cmd;
}

/* Of a request that may wait. */
static __u64 *timeout_of(struct queue_op *op)
{
	if (op->kind == &acquiring)
		return &op->arg.acquire.timeout_ns;
	return op->kind == &unparking ? &op->arg.unpark.timeout_ns : &op->arg.event.timeout_ns;
}

static __u64 *cookie_of(struct queue_op *op)
{
	if (op->kind == &acquiring)
		return &op->arg.acquire.cookie;
	return op->kind == &unparking ? &op->arg.unpark.cookie : &op->arg.event.cookie;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SEC_NS + now.tv_nsec;
}

/* When a wait of @timeout_ns that begins now ends; 0: never. */
static uint64_t end_of(uint64_t timeout_ns)
{
	uint64_t now = now_ns();

	if (!timeout_ns)
		return 0;
	return timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX;
}

bool starling_op_again(struct queue_op *op)
{
	uint64_t now = now_ns();

	if (!op->blocks || (op->until_ns && now >= op->until_ns))
		return false;
	if (op->cancelled) {
		op->result = -ECANCELED;
		return false;
	}
	*timeout_of(op) = op->until_ns ? op->until_ns - now : 0;
	return true;
}

/* A queue in a child has nobody who works for it. */
static int queue_lock(struct starling_queue *q)
{
	if (!q)
		return -ENODEV;
	if (getpid() != q->owner)
		return -ECHILD;
	pthread_mutex_lock(&q->lock);
	return 0;
}

static void queue_unlock(struct starling_queue *q)
{
	pthread_mutex_unlock(&q->lock);
}

static void nap(void)
{
	struct timespec t = { .tv_nsec = RETRY_NS };
	int saved = errno;

	nanosleep(&t, NULL);
	errno = saved;
}

/* Until @fd is readable; -ETIMEDOUT at @end (0: no limit), or -EINTR. */
static int wait_until(int fd, uint64_t end)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now = now_ns(), ns = end > now ? end - now : 0;
	struct timespec left = { .tv_sec = ns / SEC_NS, .tv_nsec = ns % SEC_NS };
	int saved = errno, n = ppoll(&p, 1, end ? &left : NULL, NULL);

	if (n < 0)
		n = -errno;
	errno = saved;
	return n > 0 ? 0 : n ? n : -ETIMEDOUT;
}

/* -- making and unmaking -- */

static int read_opts(const struct starling_queue_opts *from, struct starling_queue_opts *to)
{
	*to = (struct starling_queue_opts){ 0 };
	if (from && from->size != sizeof(*to))
		return -EINVAL;
	if (from)
		*to = *from;
	if (!to->entries)
		to->entries = ENTRIES_DEFAULT;
	return to->entries > ENTRIES_MAX || to->backend > STARLING_BACKEND_THREADS ? -EINVAL : 0;
}

static unsigned int wished(unsigned int backend)
{
	const char *word = secure_getenv("STARLING_QUEUE");

	if (backend || !word)
		return backend;
	if (!strcmp(word, "threads"))
		return STARLING_BACKEND_THREADS;
	return strcmp(word, "io_uring") ? STARLING_BACKEND_ANY : STARLING_BACKEND_URING;
}

static int open_backend(struct starling_queue *q, unsigned int which, int device)
{
	static const struct queue_backend *const backends[] = {
		[STARLING_BACKEND_URING] = &starling_ring,
		[STARLING_BACKEND_THREADS] = &starling_pool,
	};
	int err;

	if (which == STARLING_BACKEND_ANY) {
		err = open_backend(q, STARLING_BACKEND_URING, device);
		return err ? open_backend(q, STARLING_BACKEND_THREADS, device) : 0;
	}
	q->kind = which;
	q->backend = backends[which];
	return q->backend->open(q, device);
}

STARLING_API int starling_queue_create(struct starling *s, const struct starling_queue_opts *opts,
				       struct starling_queue **out)
{
	struct starling_queue_opts o;
	struct starling_queue *q;
	int err, saved = errno;

	*out = NULL;
	if (!s)
		return -ENODEV;
	err = read_opts(opts, &o);
	if (err)
		return err;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	pthread_mutex_init(&q->lock, NULL);
	TAILQ_INIT(&q->ops);
	q->entries = o.entries;
	q->owner = getpid();
	/* Others may wait for the same agent, and cookies are per agent. */
	if (getrandom(&q->cookie, sizeof(q->cookie), GRND_NONBLOCK) < 0)
		q->cookie = now_ns() ^ (uintptr_t)q;
	err = open_backend(q, wished(o.backend), s->fd);
	errno = saved;
	if (err) {
		free(q);
		return err;
	}
	*out = q;
	return 0;
}

static void op_free(struct starling_queue *q, struct queue_op *op)
{
	TAILQ_REMOVE(&q->ops, op, of);
	q->count[op->blocks]--;
	starling_agent_put(op->agent);
	free(op);
}

/* False: it may not have begun to wait yet. */
static bool op_cancel(struct queue_op *op)
{
	struct starling_lease_cancel arg = { .size = sizeof(arg), .cookie = op->cookie };

	op->cancelled = true;
	if (op->over || !op->blocks)
		return true;
	return starling_call(op->agent->fd, STARLING_IOC_LEASE_CANCEL, &arg) != -ENOENT;
}

static void drop_all(struct starling_queue *q)
{
	struct queue_op *op;

	while ((op = q->backend->take(q))) {
		if (op->kind->drop)
			op->kind->drop(op);
		op_free(q, op);
	}
}

STARLING_API void starling_queue_destroy(struct starling_queue *q)
{
	struct queue_op *op;
	int err = queue_lock(q);

	if (err == -ECHILD) {
		q->backend->forget(q);
		free(q);
	}
	if (err)
		return;
	for (drop_all(q); !TAILQ_EMPTY(&q->ops); drop_all(q)) {
		q->backend->flush(q);
		TAILQ_FOREACH(op, &q->ops, of)
			op_cancel(op);
		queue_unlock(q);
		wait_until(q->fd, now_ns() + 10 * RETRY_NS);
		pthread_mutex_lock(&q->lock);
	}
	q->backend->close(q);
	queue_unlock(q);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

STARLING_API int starling_queue_fd(const struct starling_queue *q)
{
	return q ? q->fd : -ENODEV;
}

STARLING_API int starling_queue_backend(const struct starling_queue *q)
{
	return q ? q->kind : -ENODEV;
}

/* -- requests -- */

static struct queue_op *op_alloc(const struct queue_kind *kind, struct starling_agent *a,
				 struct starling_lease *l, uint64_t user_data)
{
	struct queue_op *op = calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	op->kind = kind;
	op->agent = starling_agent_get(a);
	op->lease = l;
	op->user_data = user_data;
	op->blocks = kind->waits;
	return op;
}

/* Takes @op over when it returns 0. */
static int start_locked(struct starling_queue *q, struct queue_op *op)
{
	int err;

	if (q->count[op->blocks] == q->entries)
		return -EAGAIN;
	op->cookie = q->cookie++;
	if (op->kind->waits)
		*cookie_of(op) = op->cookie;
	if (op->blocks)
		op->until_ns = end_of(*timeout_of(op));
	TAILQ_INSERT_TAIL(&q->ops, op, of);
	err = q->backend->start(q, op);
	if (err)
		TAILQ_REMOVE(&q->ops, op, of);
	else
		q->count[op->blocks]++;
	return err;
}

static int start(struct starling_queue *q, struct queue_op *op)
{
	int err = queue_lock(q);

	if (!err) {
		err = start_locked(q, op);
		queue_unlock(q);
	}
	if (err) {
		starling_agent_put(op->agent);
		free(op);
	}
	return err;
}

STARLING_API int starling_queue_acquire(struct starling_queue *q, struct starling_agent *a,
					const struct starling_lease_opts *opts,
					uint64_t user_data)
{
	struct starling_lease_acquire arg;
	struct starling_lease *l;
	struct queue_op *op;
	int err;

	if (!q || !a)
		return -ENODEV;
	err = starling_lease_prepare(a, opts, &arg, &l);
	if (err)
		return err;
	op = arg.cookie ? NULL : op_alloc(&acquiring, a, l, user_data);
	err = arg.cookie ? -EINVAL : -ENOMEM;
	if (op) {
		op->arg.acquire = arg;
		op->blocks = !(arg.flags & STARLING_LEASE_TRY);
		err = start(q, op);
	}
	if (err)
		starling_lease_free(l);
	return err;
}

STARLING_API int starling_queue_unpark(struct starling_queue *q, struct starling_lease *l,
				       uint32_t flags, uint64_t timeout_ns, uint64_t user_data)
{
	struct queue_op *op;
	int err = q ? starling_lease_check(l) : -ENODEV;

	if (err)
		return err;
	op = op_alloc(&unparking, l->agent, l, user_data);
	if (!op)
		return -ENOMEM;
	op->arg.unpark = (struct starling_lease_unpark){
		.size = sizeof(op->arg.unpark), .flags = flags, .lease = l->id,
		.timeout_ns = timeout_ns,
	};
	return start(q, op);
}

static int start_id(struct starling_queue *q, const struct queue_kind *kind,
		    struct starling_lease *l, uint64_t user_data)
{
	struct queue_op *op;
	int err = q ? starling_lease_check(l) : -ENODEV;

	if (err)
		return err;
	op = op_alloc(kind, l->agent, l, user_data);
	if (!op)
		return -ENOMEM;
	op->arg.id = (struct starling_lease_id){ .size = sizeof(op->arg.id), .lease = l->id };
	return start(q, op);
}

STARLING_API int starling_queue_park(struct starling_queue *q, struct starling_lease *l,
				     uint64_t user_data)
{
	return start_id(q, &parking, l, user_data);
}

STARLING_API int starling_queue_release(struct starling_queue *q, struct starling_lease *l,
					uint64_t user_data)
{
	return start_id(q, &releasing, l, user_data);
}

STARLING_API int starling_queue_event(struct starling_queue *q, struct starling_agent *a,
				      uint32_t flags, uint64_t timeout_ns, uint64_t user_data)
{
	struct queue_op *op;

	if (!q || !a)
		return -ENODEV;
	op = op_alloc(&next_event, a, NULL, user_data);
	if (!op)
		return -ENOMEM;
	op->blocks = !(flags & STARLING_EVENT_NOWAIT);
	op->arg.event = (struct starling_event_next){
		.size = sizeof(op->arg.event), .flags = flags, .timeout_ns = timeout_ns,
	};
	return start(q, op);
}

STARLING_API int starling_queue_submit(struct starling_queue *q)
{
	int err = queue_lock(q);

	if (err)
		return err;
	err = q->backend->flush(q);
	queue_unlock(q);
	return err;
}

static struct queue_op *waiting_with(struct starling_queue *q, uint64_t user_data)
{
	struct queue_op *op;

	TAILQ_FOREACH(op, &q->ops, of)
		if (op->blocks && op->user_data == user_data && !op->over && !op->cancelled)
			return op;
	return NULL;
}

static struct queue_op *with_cookie(struct starling_queue *q, uint64_t cookie)
{
	struct queue_op *op;

	TAILQ_FOREACH(op, &q->ops, of)
		if (op->cookie == cookie)
			return op;
	return NULL;
}

/* Until it has ended: a thread may be on its way into the kernel. */
static void cancel_thoroughly(struct starling_queue *q, struct queue_op *op)
{
	uint64_t cookie = op->cookie;

	while (op && !op_cancel(op) && q->kind == STARLING_BACKEND_THREADS) {
		queue_unlock(q);
		nap();
		pthread_mutex_lock(&q->lock);
		op = with_cookie(q, cookie);
	}
}

STARLING_API int starling_queue_cancel(struct starling_queue *q, uint64_t user_data)
{
	struct queue_op *op;
	int err = queue_lock(q), found = 0;

	if (err)
		return err;
	err = q->backend->flush(q);
	while (!err && (op = waiting_with(q, user_data))) {
		cancel_thoroughly(q, op);
		found = 1;
	}
	queue_unlock(q);
	return err ? err : found ? 0 : -ENOENT;
}

/* -- completions -- */

static bool take(struct starling_queue *q, struct starling_completion *c)
{
	struct queue_op *op = q->backend->take(q);

	if (!op)
		return false;
	*c = (struct starling_completion){ .user_data = op->user_data, .result = op->result };
	if (op->kind->done)
		op->kind->done(op, c);
	op_free(q, op);
	return true;
}

STARLING_API ssize_t starling_queue_reap(struct starling_queue *q,
					 struct starling_completion *done, size_t n)
{
	int err = queue_lock(q);
	size_t have = 0;

	if (err)
		return err;
	err = q->backend->flush(q);
	while (have < n && take(q, &done[have]))
		have++;
	queue_unlock(q);
	return have ? (ssize_t)have : err;
}

STARLING_API int starling_queue_next(struct starling_queue *q, struct starling_completion *done,
				     uint64_t timeout_ns)
{
	uint64_t end = q ? end_of(timeout_ns) : 0;
	ssize_t n;
	int err = 0;

	while (!(n = starling_queue_reap(q, done, 1)) && !err)
		err = wait_until(q->fd, end);
	return n < 0 ? n : n ? 0 : err;
}

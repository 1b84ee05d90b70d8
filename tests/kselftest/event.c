// SPDX-License-Identifier: GPL-2.0-only
/* What happened to an agent, told in order, to as many as ask. */
#define GROUP "event"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness.h"
#include "util.h"

#define BIT(type)	(1U << STARLING_EVENT_##type)
#define MAX		STARLING_EVENTS_MAX
#define NOWAIT		STARLING_EVENT_NOWAIT
#define MS		1000000ULL

/* An agent that this thread is a member of, so that it can make events. */
static int agent_with(uint32_t mask)
{
	int fd = agent("events");

	EQ(join(fd, 0, STARLING_TASK_THREAD), 0);
	EQ(event_mask(fd, mask), 0);
	return fd;
}

/* Changes the role @n times, and thus makes as many events. */
static void make(int fd, int n)
{
	static int role = STARLING_ROLE_SERVICE;

	while (n--) {
		role ^= STARLING_ROLE_SERVICE ^ STARLING_ROLE_TOOL;
		EQ(set_role(fd, 0, role), 0);
	}
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	GE(poll(&p, 1, 0), 0);
	return p.revents;
}

TEST(none_at_first)
{
	struct starling_event ev;
	int fd = agent("events");

	EQ(join(fd, 0, STARLING_TASK_THREAD), 0);
	make(fd, 3);
	EQ(event_next(fd, NOWAIT, 0, 0, &ev), -EAGAIN);
	EQ(ready(fd), 0);
}

TEST(role)
{
	struct starling_agent_record rec;
	struct starling_event ev;
	uint64_t before = now_ns();
	int fd = agent_with(BIT(ROLE));

	stat_agent(fd, &rec);
	EQ(set_role(fd, 0, STARLING_ROLE_FEEDER), 0);
	/* Nothing changes, nothing is told. */
	EQ(set_role(fd, 0, STARLING_ROLE_FEEDER), 0);
	EQ(set_role(fd, 0, STARLING_ROLE_NONE), 0);
	EQ(ready(fd), POLLIN);
	EQ(event_next(fd, NOWAIT, 0, 0, &ev), 0);
	EQ(ev.type, STARLING_EVENT_ROLE);
	EQ(ev.tid, gettid_());
	EQ(ev.agent_id, rec.id);
	GE(ev.time_ns, before);
	GE(now_ns(), ev.time_ns);
	EQ(ev.value[0], STARLING_ROLE_FEEDER);
	EQ(ev.value[1], STARLING_BY_SELF);
	EQ(ev.value[2], STARLING_ROLE_NONE);
	EQ(ev.value[3], 0);
	EQ(ev.lost, 0);
	EQ(event_next(fd, 0, 0, 0, &ev), 0);
	EQ(ev.value[0], STARLING_ROLE_NONE);
	EQ(ev.value[1], STARLING_BY_NONE);
	EQ(ev.value[2], STARLING_ROLE_FEEDER);
	EQ(event_next(fd, NOWAIT, 0, 0, &ev), -EAGAIN);
	EQ(ready(fd), 0);
}

static void exit_event(int fd, pid_t pid, uint64_t code)
{
	struct starling_event ev;

	EQ(event_next(fd, 0, 2000 * MS, 0, &ev), 0);
	EQ(ev.type, STARLING_EVENT_TASK_EXIT);
	EQ(ev.tid, pid);
	EQ(ev.value[0], STARLING_ROLE_TOOL);
	EQ(ev.value[1], code);
	EQ(ev.value[2], 0);
}

TEST(task_exit)
{
	int fd = agent("events");
	struct starling_event ev;
	struct child c;
	pid_t pid;

	child_start(&c, NULL);
	EQ(join(fd, c.pid, 0), 0);
	EQ(set_role(fd, c.pid, STARLING_ROLE_TOOL), 0);
	EQ(event_mask(fd, BIT(TASK_EXIT)), 0);
	EQ(kill(c.pid, SIGKILL), 0);
	exit_event(fd, c.pid, SIGKILL);
	child_end(&c);

	EQ(join(fd, 0, 0), 0);
	EQ(set_role(fd, 0, STARLING_ROLE_TOOL), 0);
	pid = fork();
	if (!pid)
		_exit(7);
	exit_event(fd, pid, 7 << 8);
	EQ(reap(pid), 7);
	/* Who leaves without exit is none. */
	EQ(leave(fd, 0, 0), 0);
	EQ(event_next(fd, NOWAIT, 0, 0, &ev), -EAGAIN);
}

TEST(mask_values)
{
	uint32_t all = (1U << __STARLING_EVENT_MAX) - 2;
	struct starling_event_mask arg = { .size = sizeof(arg) };
	int fd = agent("events");

	EQ(event_mask(fd, all), 0);
	for (int bit = 0; bit < 32; bit++)
		EQ(event_mask(fd, 1U << bit), all & 1U << bit ? 0 : -EINVAL);
	arg.__pad = 1;
	EQ(call(fd, STARLING_IOC_EVENT_MASK, &arg), -EINVAL);
	arg.__pad = 0;
	arg.__reserved[1] = 1;
	EQ(call(fd, STARLING_IOC_EVENT_MASK, &arg), -EINVAL);
	EQ(event_mask(fd, 0), 0);
	EQ(event_mask(fd, 0), 0);
}

TEST(mask_filters)
{
	struct starling_event ev;
	int fd = agent_with(BIT(TASK_EXIT));

	make(fd, 5);
	EQ(ready(fd), 0);
	/* What is kept stays when the mask changes to another one. */
	EQ(event_mask(fd, BIT(ROLE)), 0);
	make(fd, 1);
	EQ(event_mask(fd, BIT(TASK_EXIT)), 0);
	EQ(ready(fd), POLLIN);
	EQ(event_next(fd, NOWAIT, 0, 0, &ev), 0);
	/* None: what there was is gone. */
	EQ(event_mask(fd, BIT(ROLE)), 0);
	make(fd, MAX + 3);
	EQ(event_mask(fd, 0), 0);
	EQ(ready(fd), 0);
	EQ(event_mask(fd, BIT(ROLE)), 0);
	make(fd, 1);
	EQ(event_next(fd, NOWAIT, 0, 0, &ev), 0);
	EQ(ev.lost, 0);
}

TEST(full)
{
	struct starling_event ev[MAX + 1], one;
	int fd = agent_with(BIT(ROLE));

	make(fd, MAX + 5);
	EQ(event_next(fd, NOWAIT, 0, 0, &one), 0);
	EQ(one.lost, 0);
	/* There is room for one again, and it knows what was missed. */
	make(fd, 3);
	EQ(read(fd, ev, sizeof(ev)), MAX * sizeof(ev[0]));
	for (int i = 0; i < MAX; i++)
		EQ(ev[i].lost, i < MAX - 1 ? 0 : 5);
	for (int i = 1; i < MAX; i++)
		GE(ev[i].time_ns, ev[i - 1].time_ns);
	/* Two more were dropped after that one. */
	make(fd, 1);
	EQ(event_next(fd, NOWAIT, 0, 0, &one), 0);
	EQ(one.lost, 2);
	make(fd, 1);
	EQ(event_next(fd, NOWAIT, 0, 0, &one), 0);
	EQ(one.lost, 0);
}

TEST(read_sizes)
{
	struct starling_event ev[4];
	int fd = agent_with(BIT(ROLE));

	make(fd, 5);
	EQ(read(fd, ev, 0), -1);
	EQ(errno, EINVAL);
	EQ(read(fd, ev, sizeof(ev[0]) - 1), -1);
	EQ(errno, EINVAL);
	EQ(read(fd, ev, sizeof(ev[0]) * 2 - 1), sizeof(ev[0]));
	EQ(read(fd, ev, sizeof(ev)), sizeof(ev));
	EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	EQ(read(fd, ev, sizeof(ev)), -1);
	EQ(errno, EAGAIN);
	EQ(lseek(fd, 0, SEEK_SET), -1);
	EQ(errno, ESPIPE);
	EQ(write(fd, ev, sizeof(ev)), -1);
}

/* Neither the event nor those before it are lost to a bad pointer. */
TEST(read_bad_pointer)
{
	struct starling_event ev;
	int fd = agent_with(BIT(ROLE));
	size_t page = page_size();
	char *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	CHECK(p != MAP_FAILED);
	EQ(mprotect(p + page, page, PROT_NONE), 0);
	make(fd, 3);
	EQ(read(fd, p + page, page), -1);
	EQ(errno, EFAULT);
	EQ(read(fd, p + page - sizeof(ev) - 8, page), sizeof(ev));
	EQ(read(fd, p, page), 2 * sizeof(ev));
}

struct job {
	int fd;
	uint64_t timeout;
	uint64_t cookie;
	int ret;
	int tid;
	struct starling_event ev;
};

static void *do_next(void *arg)
{
	struct job *j = arg;

	__atomic_store_n(&j->tid, gettid_(), __ATOMIC_SEQ_CST);
	j->ret = event_next(j->fd, 0, j->timeout, j->cookie, &j->ev);
	return NULL;
}

static void *do_read(void *arg)
{
	struct job *j = arg;
	int n;

	__atomic_store_n(&j->tid, gettid_(), __ATOMIC_SEQ_CST);
	n = read(j->fd, &j->ev, sizeof(j->ev));
	j->ret = n < 0 ? -errno : n;
	return NULL;
}

/* Until the thread sleeps, which it does in the call. */
static void asleep(struct job *j)
{
	char path[64], state = 0;
	int tid;

	while (!(tid = __atomic_load_n(&j->tid, __ATOMIC_SEQ_CST)))
		sleep_ms(1);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	for (int i = 0; state != 'S'; i++) {
		FILE *f = fopen(path, "r");

		CHECK(f && i < 1000);
		EQ(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
		fclose(f);
		sleep_ms(1);
	}
}

static pthread_t start(struct job *j, void *(*fn)(void *))
{
	pthread_t t;

	EQ(pthread_create(&t, NULL, fn, j), 0);
	asleep(j);
	return t;
}

TEST(wait_for_one)
{
	int fd = agent_with(BIT(ROLE));
	struct job next = { .fd = fd }, rd = { .fd = fd };
	pthread_t t;

	t = start(&next, do_next);
	make(fd, 1);
	EQ(pthread_join(t, NULL), 0);
	EQ(next.ret, 0);
	EQ(next.ev.type, STARLING_EVENT_ROLE);
	EQ(next.ev.tid, gettid_());
	t = start(&rd, do_read);
	make(fd, 1);
	EQ(pthread_join(t, NULL), 0);
	EQ(rd.ret, sizeof(rd.ev));
	EQ(rd.ev.tid, gettid_());
	EQ(ready(fd), 0);
}

/* Who waits first is served first, each event once. */
TEST(wait_in_order)
{
	int fd = agent_with(BIT(ROLE));
	struct job j[5];
	pthread_t t[5];

	for (int i = 0; i < 5; i++) {
		j[i] = (struct job){ .fd = fd };
		t[i] = start(&j[i], do_next);
	}
	make(fd, 6);
	for (int i = 0; i < 5; i++) {
		EQ(pthread_join(t[i], NULL), 0);
		EQ(j[i].ret, 0);
		if (i)
			GE(j[i].ev.time_ns, j[i - 1].ev.time_ns);
	}
	EQ(ready(fd), POLLIN);
}

TEST(wait_timeout)
{
	int fd = agent_with(BIT(ROLE));
	struct starling_event ev;
	uint64_t start = now_ns();

	EQ(event_next(fd, 0, 30 * MS, 0, &ev), -ETIMEDOUT);
	GE(now_ns() - start, 30 * MS);
	EQ(event_next(fd, 0, 1, 0, &ev), -ETIMEDOUT);
	make(fd, 1);
	EQ(event_next(fd, 0, 1, 0, &ev), 0);
}

TEST(wait_cancel)
{
	int fd = agent_with(BIT(ROLE));
	struct job a = { .fd = fd, .cookie = 5 }, b = { .fd = fd, .cookie = 5 };
	struct job c = { .fd = fd, .cookie = 6 };
	pthread_t ta = start(&a, do_next), tb = start(&b, do_next), tc = start(&c, do_next);

	EQ(cancel_waits(fd, 7), -ENOENT);
	EQ(cancel_waits(agent("other"), 5), -ENOENT);
	EQ(cancel_waits(fd, 5), 0);
	EQ(pthread_join(ta, NULL), 0);
	EQ(pthread_join(tb, NULL), 0);
	EQ(a.ret, -ECANCELED);
	EQ(b.ret, -ECANCELED);
	EQ(cancel_waits(fd, 5), -ENOENT);
	make(fd, 1);
	EQ(pthread_join(tc, NULL), 0);
	EQ(c.ret, 0);
	EQ(cancel_waits(fd, 6), -ENOENT);
}

static void nothing(__attribute__((unused)) int sig)
{
}

static int signalled(int fd, uint64_t timeout, int flags)
{
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = flags };
	struct job j = { .fd = fd, .timeout = timeout };
	pthread_t t;

	EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	t = start(&j, do_next);
	EQ(pthread_kill(t, SIGUSR1), 0);
	sleep_ms(20);
	make(fd, 1);
	EQ(pthread_join(t, NULL), 0);
	return j.ret;
}

TEST(wait_signal)
{
	int fd = agent_with(BIT(ROLE));
	struct starling_event ev;

	EQ(signalled(fd, 0, SA_RESTART), 0);
	EQ(signalled(fd, 0, 0), -EINTR);
	EQ(event_next(fd, NOWAIT, 0, 0, &ev), 0);
	/* With a timeout it would wait for longer than it was asked to. */
	EQ(signalled(fd, 10000 * MS, SA_RESTART), -EINTR);
	EQ(event_next(fd, NOWAIT, 0, 0, &ev), 0);
}

TEST(wait_killed)
{
	int fd = agent_with(BIT(ROLE));
	struct starling_event ev;

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (!pid) {
			event_next(fd, 0, 0, 9, &ev);
			_exit(1);
		}
		sleep_ms(i);
		EQ(kill(pid, SIGKILL), 0);
		EQ(reap(pid), -SIGKILL);
	}
	EQ(cancel_waits(fd, 9), -ENOENT);
	make(fd, 1);
	EQ(event_next(fd, NOWAIT, 0, 0, &ev), 0);
}

/* The one who waits keeps the agent. */
TEST(closed_while_waiting)
{
	int fd = agent_with(BIT(ROLE)), other = dup(fd);
	struct job j = { .fd = fd };
	pthread_t t = start(&j, do_next);

	close(fd);
	make(other, 1);
	EQ(pthread_join(t, NULL), 0);
	EQ(j.ret, 0);
}

TEST(poll_wakes)
{
	int fd = agent_with(BIT(ROLE)), ep = epoll_create1(0);
	struct epoll_event want = { .events = EPOLLIN | EPOLLET }, got;
	struct starling_event ev;

	EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &want), 0);
	EQ(epoll_wait(ep, &got, 1, 0), 0);
	make(fd, 1);
	EQ(epoll_wait(ep, &got, 1, 1000), 1);
	EQ(epoll_wait(ep, &got, 1, 0), 0);
	make(fd, 1);
	EQ(epoll_wait(ep, &got, 1, 1000), 1);
	EQ(event_next(fd, NOWAIT, 0, 0, &ev), 0);
	/* It goes while it is watched. */
	close(fd);
	EQ(epoll_wait(ep, &got, 1, 0), 0);
}

/* Ids are those of the one that made the agent; not to be seen there: 0. */
TEST(pid_namespace)
{
	int fd = agent_with(BIT(ROLE)), status, pipefd[2];
	struct starling_event ev;
	pid_t pid, inner;

	EQ(pipe(pipefd), 0);
	pid = fork();
	if (!pid) {
		EQ(unshare(CLONE_NEWPID), 0);
		inner = fork();
		if (!inner) {
			int mine = agent("inner");

			EQ(join(fd, 0, 0), 0);
			EQ(set_role(fd, 0, STARLING_ROLE_TOOL), 0);
			/* Its own agent knows nobody outside. */
			EQ(join(mine, 0, 0), 0);
			EQ(event_mask(mine, BIT(ROLE)), 0);
			EQ(set_role(mine, 0, STARLING_ROLE_SERVICE), 0);
			EQ(event_next(mine, NOWAIT, 0, 0, &ev), 0);
			EQ(ev.tid, 1);
			_exit(0);
		}
		EQ(write(pipefd[1], &inner, sizeof(inner)), sizeof(inner));
		EQ(waitpid(inner, &status, 0), inner);
		_exit(WEXITSTATUS(status));
	}
	EQ(reap(pid), 0);
	EQ(read(pipefd[0], &inner, sizeof(inner)), sizeof(inner));
	EQ(event_next(fd, NOWAIT, 0, 0, &ev), 0);
	EQ(ev.tid, inner);
}

#define WAITS_MAX	1024

static int refused;

static void *wait_quietly(void *arg)
{
	struct job *j = arg;
	struct starling_event ev;

	j->ret = event_next(j->fd, 0, 0, 3, &ev);
	__atomic_add_fetch(&refused, j->ret == -ENOSPC, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST_TIMED(too_many_wait, 60)
{
	static struct job j[WAITS_MAX + 1];
	static pthread_t t[WAITS_MAX + 1];
	struct starling_event ev;
	pthread_attr_t attr;
	int fd = agent("events"), cancelled = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (int i = 0; i <= WAITS_MAX; i++) {
		j[i].fd = fd;
		EQ(pthread_create(&t[i], &attr, wait_quietly, &j[i]), 0);
	}
	while (!__atomic_load_n(&refused, __ATOMIC_SEQ_CST))
		sleep_ms(5);
	EQ(event_next(fd, 0, 1, 0, &ev), -ENOSPC);
	EQ(cancel_waits(fd, 3), 0);
	for (int i = 0; i <= WAITS_MAX; i++) {
		EQ(pthread_join(t[i], NULL), 0);
		cancelled += j[i].ret == -ECANCELED;
	}
	EQ(cancelled, WAITS_MAX);
	EQ(refused, 1);
	EQ(event_next(fd, 0, 1, 0, &ev), -ETIMEDOUT);
}

/* Readers of all kinds against writers; each event has one reader or is lost. */
static struct {
	int fd;
	volatile int stop;
	uint64_t made, seen, lost;
} arena;

static void count(const struct starling_event *ev, int n)
{
	for (int i = 0; i < n; i++) {
		__atomic_add_fetch(&arena.seen, 1, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&arena.lost, ev[i].lost, __ATOMIC_SEQ_CST);
	}
}

static void *writer(void *arg)
{
	uint64_t n = 0;

	EQ(join(arena.fd, 0, STARLING_TASK_THREAD), 0);
	while (!arena.stop) {
		EQ(set_role(arena.fd, 0, n++ & 1 ? STARLING_ROLE_TOOL : STARLING_ROLE_SERVICE), 0);
		if (n % 64 == 0)
			sched_yield();
	}
	__atomic_add_fetch(&arena.made, n, __ATOMIC_SEQ_CST);
	return arg;
}

static void *reader(void *arg)
{
	struct starling_event ev[16];
	long kind = (long)arg;
	int n;

	while (!arena.stop) {
		if (kind == 0) {
			n = read(arena.fd, ev, sizeof(ev));
			if (n > 0)
				count(ev, n / sizeof(ev[0]));
		} else {
			if (!event_next(arena.fd, kind == 1 ? NOWAIT : 0, kind * 300000, 4, ev))
				count(ev, 1);
		}
	}
	return arg;
}

static void *canceller(void *arg)
{
	while (!arena.stop) {
		cancel_waits(arena.fd, 4);
		ready(arena.fd);
	}
	return arg;
}

TEST_TIMED(stress, 60)
{
	struct starling_event ev[MAX];
	pthread_t t[7];
	int n;

	arena.fd = agent("arena");
	EQ(event_mask(arena.fd, BIT(ROLE)), 0);
	EQ(fcntl(arena.fd, F_SETFL, O_NONBLOCK), 0);
	EQ(pthread_create(&t[0], NULL, writer, NULL), 0);
	EQ(pthread_create(&t[1], NULL, writer, NULL), 0);
	for (long i = 0; i < 4; i++)
		EQ(pthread_create(&t[2 + i], NULL, reader, (void *)i), 0);
	EQ(pthread_create(&t[6], NULL, canceller, NULL), 0);
	sleep_ms(3000);
	arena.stop = 1;
	for (int i = 0; i < 7; i++)
		EQ(pthread_join(t[i], NULL), 0);
	n = read(arena.fd, ev, sizeof(ev));
	if (n > 0)
		count(ev, n / sizeof(ev[0]));
	/* The next one tells what was dropped last. */
	EQ(join(arena.fd, 0, STARLING_TASK_THREAD), 0);
	EQ(set_role(arena.fd, 0, STARLING_ROLE_FEEDER), 0);
	EQ(event_next(arena.fd, NOWAIT, 0, 0, ev), 0);
	count(ev, 1);
	printf("# %llu events, %llu lost\n", (unsigned long long)arena.made,
	       (unsigned long long)arena.lost);
	EQ(arena.made + 1, arena.seen + arena.lost);
}

/* Mask and ring come and go while events do. */
static void *switcher(void *arg)
{
	for (int i = 0; !arena.stop; i++)
		EQ(event_mask(arena.fd, i & 1 ? BIT(ROLE) : i & 2 ? 0 : BIT(TASK_EXIT)), 0);
	return arg;
}

TEST_TIMED(stress_mask, 60)
{
	pthread_t t[5];

	arena.fd = agent("arena");
	EQ(fcntl(arena.fd, F_SETFL, O_NONBLOCK), 0);
	EQ(pthread_create(&t[0], NULL, writer, NULL), 0);
	EQ(pthread_create(&t[1], NULL, reader, (void *)0L), 0);
	EQ(pthread_create(&t[2], NULL, reader, (void *)2L), 0);
	EQ(pthread_create(&t[3], NULL, switcher, NULL), 0);
	EQ(pthread_create(&t[4], NULL, switcher, NULL), 0);
	sleep_ms(2000);
	arena.stop = 1;
	for (int i = 0; i < 5; i++)
		EQ(pthread_join(t[i], NULL), 0);
	GE(arena.seen, 1);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Commands by io_uring: who the caller is, waits, and every way they end. */
#define GROUP "uring"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "harness.h"
#include "ring.h"
#include "util.h"

#define ROLE	(1U << STARLING_EVENT_ROLE)
#define MS	1000000ULL
#define LONG	60000	/* ms: what ends before was ended */

/* An agent that this thread is a member of and whose roles are told. */
static int agent_with_events(void)
{
	int fd = agent("uring");

	EQ(join(fd, 0, STARLING_TASK_THREAD), 0);
	EQ(event_mask(fd, ROLE), 0);
	return fd;
}

static void make(int fd)
{
	static int role = STARLING_ROLE_SERVICE;

	role ^= STARLING_ROLE_SERVICE ^ STARLING_ROLE_TOOL;
	EQ(set_role(fd, 0, role), 0);
}

static void queue_next(struct ring *r, int fd, struct starling_event_next *next, uint64_t data,
		       int flags)
{
	next->size = sizeof(*next);
	ring_cmd(r, fd, STARLING_IOC_EVENT_NEXT, next, data, flags);
}

static int result(struct ring *r, uint64_t data, int ms)
{
	struct io_uring_cqe cqe;

	EQ(ring_wait(r, &cqe, ms), 1);
	EQ(cqe.user_data, data);
	return cqe.res;
}

static void none(struct ring *r)
{
	struct io_uring_cqe cqe;

	EQ(ring_wait(r, &cqe, 20), 0);
}

/* Kernels that do not tell of a ring's end, where waits are limited instead. */
static int limited(void)
{
	struct utsname u;
	int major, minor;

	EQ(uname(&u), 0);
	EQ(sscanf(u.release, "%d.%d", &major, &minor), 2);
	return major < 6 || (major == 6 && minor < 7);
}

/* What each kind of ring does to a request differs; what comes out may not. */
static const struct {
	const char *name;
	unsigned int flags;
} kinds[] = {
	{ "plain", 0 },
	{ "deferred", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN },
	{ "cooperative", IORING_SETUP_COOP_TASKRUN },
};

#define NKINDS	(sizeof(kinds) / sizeof(kinds[0]))

static void caller_is(struct ring *r, int fd, int flags)
{
	struct starling_agent_task task = { .size = sizeof(task), .flags = STARLING_TASK_THREAD };
	struct starling_task_role role = { .size = sizeof(role), .role = STARLING_ROLE_SERVICE };
	struct starling_task_stat stat = { .size = sizeof(stat) };

	ring_cmd(r, fd, STARLING_IOC_AGENT_JOIN, &task, 1, flags);
	EQ(result(r, 1, LONG), 0);
	ring_cmd(r, fd, STARLING_IOC_TASK_SET_ROLE, &role, 2, flags);
	EQ(result(r, 2, LONG), 0);
	ring_cmd(r, fd, STARLING_IOC_TASK_STAT, &stat, 3, flags);
	EQ(result(r, 3, LONG), 0);
	EQ(stat.out_task.tid, gettid_());
	EQ(stat.out_task.role, STARLING_ROLE_SERVICE);
	EQ(stat.out_task.role_source, STARLING_BY_SELF);
	EQ(tasks_of(fd), 1);
	ring_cmd(r, fd, STARLING_IOC_AGENT_LEAVE, &task, 4, flags);
	EQ(result(r, 4, LONG), 0);
	EQ(tasks_of(fd), 0);
}

static void *caller(void *arg)
{
	struct ring r;

	for (unsigned int i = 0; i < NKINDS; i++) {
		EQ(ring_open(&r, 8, kinds[i].flags), 0);
		caller_is(&r, agent("caller"), 0);
		caller_is(&r, agent("caller"), IOSQE_ASYNC);
		ring_close(&r);
	}
	return arg;
}

/* Not the first thread, so that a process and its caller differ. */
TEST(the_caller)
{
	pthread_t t;

	EQ(pthread_create(&t, NULL, caller, NULL), 0);
	EQ(pthread_join(t, NULL), 0);
}

/* A new descriptor is the submitter's, and the agent has its name. */
TEST(create_by_worker)
{
	struct starling_agent_create create = { .size = sizeof(create) };
	struct starling_agent_record rec;
	struct ring r;
	int fd;

	EQ(ring_open(&r, 8, 0), 0);
	ring_cmd(&r, device(), STARLING_IOC_AGENT_CREATE, &create, 1, IOSQE_ASYNC);
	fd = result(&r, 1, LONG);
	GE(fd, 0);
	stat_agent(fd, &rec);
	CHECK(!strcmp(rec.name, "kselftest"));
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void completes(unsigned int kind, int flags)
{
	struct starling_event_next next = { 0 };
	int fd = agent_with_events();
	struct ring r;

	EQ(ring_open(&r, 8, kinds[kind].flags), 0);
	queue_next(&r, fd, &next, 7, flags);
	none(&r);
	make(fd);
	EQ(result(&r, 7, LONG), 0);
	EQ(next.out_event.type, STARLING_EVENT_ROLE);
	EQ(next.out_event.tid, gettid_());
	/* At once, when there is one. */
	make(fd);
	queue_next(&r, fd, &next, 8, flags);
	EQ(result(&r, 8, LONG), 0);
	none(&r);
	/* EAGAIN is an answer. */
	next.flags = STARLING_EVENT_NOWAIT;
	queue_next(&r, fd, &next, 9, flags);
	EQ(result(&r, 9, LONG), -EAGAIN);
	next.flags = 2;
	queue_next(&r, fd, &next, 10, flags);
	EQ(result(&r, 10, LONG), -EINVAL);
	ring_close(&r);
	close(fd);
}

TEST(completes_later)
{
	for (unsigned int i = 0; i < NKINDS; i++) {
		printf("# %s\n", kinds[i].name);
		completes(i, 0);
		completes(i, IOSQE_ASYNC);
	}
}

TEST(in_order_many)
{
	static struct starling_event_next next[32];
	int fd = agent_with_events(), seen = 0;
	struct io_uring_cqe cqe;
	struct ring r;

	EQ(ring_open(&r, 32, 0), 0);
	for (int i = 0; i < 32; i++)
		queue_next(&r, fd, &next[i], i, i & 1 ? IOSQE_ASYNC : 0);
	EQ(ring_submit(&r), 32);
	none(&r);
	for (int i = 0; i < 32; i++)
		make(fd);
	for (int i = 0; i < 32; i++) {
		EQ(ring_wait(&r, &cqe, LONG), 1);
		EQ(cqe.res, 0);
		seen |= 1 << cqe.user_data;
		EQ(next[cqe.user_data].out_event.type, STARLING_EVENT_ROLE);
	}
	EQ(seen, -1);
	for (int i = 2; i < 32; i += 2)
		GE(next[i].out_event.time_ns, next[i - 2].out_event.time_ns);
	none(&r);
}

TEST(cancel_by_cookie)
{
	struct starling_lease_cancel cancel = { .size = sizeof(cancel), .cookie = 5 };
	struct starling_event_next a = { .cookie = 5 }, b = { .cookie = 6 };
	int fd = agent_with_events();
	struct ring r;

	EQ(ring_open(&r, 8, 0), 0);
	queue_next(&r, fd, &a, 1, 0);
	queue_next(&r, fd, &b, 2, IOSQE_ASYNC);
	none(&r);
	EQ(cancel_waits(fd, 7), -ENOENT);
	EQ(cancel_waits(fd, 6), 0);
	EQ(result(&r, 2, LONG), -ECANCELED);
	/* And by the ring itself. */
	ring_cmd(&r, fd, STARLING_IOC_LEASE_CANCEL, &cancel, 3, 0);
	for (int i = 0, seen = 0; i < 2; i++) {
		struct io_uring_cqe cqe;

		EQ(ring_wait(&r, &cqe, LONG), 1);
		EQ(cqe.res, cqe.user_data == 1 ? -ECANCELED : 0);
		seen |= cqe.user_data;
		EQ(seen & ~3, 0);
	}
	EQ(cancel_waits(fd, 5), -ENOENT);
	make(fd);
	none(&r);
}

/* io_uring's own does not know such requests; nothing breaks. */
TEST(async_cancel)
{
	struct starling_event_next next = { 0 };
	int fd = agent_with_events();
	struct io_uring_sqe *sqe;
	struct ring r;

	EQ(ring_open(&r, 8, 0), 0);
	queue_next(&r, fd, &next, 1, 0);
	EQ(ring_submit(&r), 1);
	sqe = ring_sqe(&r);
	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->addr = 1;
	sqe->user_data = 2;
	EQ(result(&r, 2, LONG), -ENOENT);
	make(fd);
	EQ(result(&r, 1, LONG), 0);
}

TEST(timeout)
{
	struct starling_event_next next = { .timeout_ns = 50 * MS };
	int fd = agent_with_events();
	struct io_uring_sqe *sqe;
	double start;
	struct ring r;

	EQ(ring_open(&r, 8, 0), 0);
	start = seconds();
	queue_next(&r, fd, &next, 1, 0);
	EQ(result(&r, 1, LONG), -ETIMEDOUT);
	CHECK(seconds() - start >= 0.05);
	CHECK(seconds() - start < 5);
	next.timeout_ns = 1;
	queue_next(&r, fd, &next, 2, IOSQE_ASYNC);
	EQ(result(&r, 2, LONG), -ETIMEDOUT);
	/* One that is not reached, and the longest there is. */
	next.timeout_ns = 30000 * MS;
	queue_next(&r, fd, &next, 3, 0);
	none(&r);
	make(fd);
	EQ(result(&r, 3, LONG), 0);
	next.timeout_ns = ~0ULL;
	queue_next(&r, fd, &next, 4, 0);
	none(&r);
	make(fd);
	EQ(result(&r, 4, LONG), 0);
	/* Linked: the second begins when the first has ended. */
	next.timeout_ns = MS;
	queue_next(&r, fd, &next, 5, IOSQE_IO_HARDLINK);
	sqe = ring_sqe(&r);
	sqe->opcode = IORING_OP_NOP;
	sqe->user_data = 6;
	EQ(result(&r, 5, LONG), -ETIMEDOUT);
	EQ(result(&r, 6, LONG), 0);
}

/* Where the kernel would not tell, nobody waits for ever. */
TEST_TIMED(limit_of_waits, 60)
{
	struct starling_event_next next = { 0 }, longer = { .timeout_ns = ~0ULL };
	int fd = agent_with_events();
	struct io_uring_cqe cqe;
	double start = seconds();
	struct ring r;

	EQ(ring_open(&r, 8, 0), 0);
	queue_next(&r, fd, &next, 1, 0);
	queue_next(&r, fd, &longer, 2, 0);
	if (!limited()) {
		EQ(ring_wait(&r, &cqe, 11000), 0);
		return;
	}
	/* In any order: they are over at the same time. */
	for (int i = 0; i < 2; i++) {
		EQ(ring_wait(&r, &cqe, LONG), 1);
		EQ(cqe.res, -ETIMEDOUT);
	}
	CHECK(seconds() - start >= 9.9);
}

TEST(bad_submissions)
{
	struct starling_info info = { .size = sizeof(info) };
	struct io_uring_sqe *sqe;
	int dev = device();
	struct ring r;

	EQ(ring_open(&r, 8, 0), 0);
	for (unsigned int flags = 0; flags <= IOSQE_ASYNC; flags += IOSQE_ASYNC) {
		ring_cmd(&r, dev, STARLING_IOC_GET_INFO, &info, 1, flags);
		sqe = ring_last(&r);
		/* Reserved field of struct starling_uring. */
		((char *)sqe)[offsetof(struct io_uring_sqe, cmd) + 8] = 1;
		EQ(result(&r, 1, LONG), -EINVAL);
		ring_cmd(&r, dev, STARLING_IOC_GET_INFO, (void *)(uintptr_t)0x8000000000000000ULL,
			 2, flags);
		EQ(result(&r, 2, LONG), -EFAULT);
		ring_cmd(&r, dev, 0, &info, 3, flags);
		EQ(result(&r, 3, LONG), -ENOTTY);
		ring_cmd(&r, dev, STARLING_IOC_GET_INFO, &info, 4, flags);
		EQ(result(&r, 4, LONG), 0);
		EQ(info.out_abi_version, STARLING_ABI_VERSION);
	}
	for (uint32_t bit = 1; bit < 1U << 24; bit <<= 1) {
		ring_cmd(&r, dev, STARLING_IOC_GET_INFO, &info, 5, 0);
		sqe = ring_last(&r);
		sqe->rw_flags = bit;
		CHECK(result(&r, 5, LONG) < 0);
	}
}

TEST(polled_ring)
{
	struct starling_info info = { .size = sizeof(info) };
	struct starling_event_next next = { 0 };
	struct ring r;

	EQ(ring_open(&r, 8, IORING_SETUP_IOPOLL), 0);
	ring_cmd(&r, device(), STARLING_IOC_GET_INFO, &info, 1, 0);
	EQ(result(&r, 1, LONG), -EOPNOTSUPP);
	queue_next(&r, agent("polled"), &next, 2, 0);
	EQ(result(&r, 2, LONG), -EOPNOTSUPP);
	queue_next(&r, agent("polled"), &next, 3, IOSQE_ASYNC);
	EQ(result(&r, 3, LONG), -EOPNOTSUPP);
}

/* Of the process, but not ones that could be members. */
static void no_other_thread_joins(int fd)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int tid, tried = 0;

	CHECK(dir);
	while ((entry = readdir(dir))) {
		tid = atoi(entry->d_name);
		if (!tid || tid == gettid_())
			continue;
		EQ(join(fd, tid, STARLING_TASK_THREAD), -ESRCH);
		tried++;
	}
	closedir(dir);
	GE(tried, 1);
}

/* The kernel's thread submits: there is no caller, but there is a process. */
TEST(thread_of_the_kernel)
{
	struct starling_agent_task task = { .size = sizeof(task) };
	struct starling_task_stat stat = { .size = sizeof(stat) };
	struct starling_task_role role = { .size = sizeof(role), .role = STARLING_ROLE_TOOL };
	struct starling_event_next next = { 0 };
	int fd = agent_with_events();
	struct starling_event ev;
	struct ring r;

	EQ(ring_open(&r, 8, IORING_SETUP_SQPOLL), 0);
	no_other_thread_joins(fd);
	for (unsigned int flags = 0; flags <= IOSQE_ASYNC; flags += IOSQE_ASYNC) {
		ring_cmd(&r, fd, STARLING_IOC_AGENT_LEAVE, &task, 1, flags);
		EQ(result(&r, 1, LONG), -ESRCH);
		stat.tid = 0;
		ring_cmd(&r, fd, STARLING_IOC_TASK_STAT, &stat, 2, flags);
		EQ(result(&r, 2, LONG), -ESRCH);
		ring_cmd(&r, fd, STARLING_IOC_TASK_SET_ROLE, &role, 3, flags);
		EQ(result(&r, 3, LONG), -ESRCH);
		stat.tid = gettid_();
		ring_cmd(&r, fd, STARLING_IOC_TASK_STAT, &stat, 4, flags);
		EQ(result(&r, 4, LONG), 0);
		EQ(event_next(fd, STARLING_EVENT_NOWAIT, 0, 0, &ev), -EAGAIN);
		queue_next(&r, fd, &next, 5, flags);
		none(&r);
		make(fd);
		EQ(result(&r, 5, LONG), 0);
	}
	/* It goes with one that waits. */
	queue_next(&r, fd, &next, 6, 0);
	none(&r);
	ring_close(&r);
}

/* How long until @cookie waits no more. */
static void gone(int fd, uint64_t cookie)
{
	/* Where nobody tells of the end a wait goes on, and is found. */
	for (int i = 0; cancel_waits(fd, cookie) != -ENOENT; i++) {
		CHECK(limited() && i < 2);
		sleep_ms(10);
	}
}

static void until_gone(int fd, uint64_t cookie)
{
	if (!limited())
		sleep_ms(200);
	gone(fd, cookie);
}

TEST(ring_closed)
{
	struct starling_event_next next[4] = { { .cookie = 5 }, { .cookie = 5 }, { .cookie = 5 },
					       { .cookie = 5, .timeout_ns = 30000 * MS } };
	int fd = agent_with_events();
	struct starling_event ev;
	struct ring r;

	for (unsigned int kind = 0; kind < NKINDS; kind++) {
		EQ(ring_open(&r, 8, kinds[kind].flags), 0);
		for (int i = 0; i < 4; i++)
			queue_next(&r, fd, &next[i], i, i & 1 ? IOSQE_ASYNC : 0);
		EQ(ring_submit(&r), 4);
		none(&r);
		ring_close(&r);
		until_gone(fd, 5);
		/* Nobody took it. */
		make(fd);
		EQ(event_next(fd, STARLING_EVENT_NOWAIT, 0, 0, &ev), 0);
	}
}

/* How a process may end with its waits. */
enum { KILLED, EXITS, EXECS, THREAD_EXITS };

static void *submit_and_go(void *arg)
{
	struct ring *r = arg;

	EQ(ring_submit(r), 3);
	return NULL;
}

static void process_with_waits(int fd, int how, int out)
{
	static struct starling_event_next next[3];
	struct io_uring_cqe cqe;
	struct ring r;
	pthread_t t;

	EQ(ring_open(&r, 8, 0), 0);
	for (int i = 0; i < 3; i++) {
		next[i] = (struct starling_event_next){ .cookie = 5 };
		queue_next(&r, fd, &next[i], i, i & 1 ? IOSQE_ASYNC : 0);
	}
	if (how == THREAD_EXITS) {
		EQ(pthread_create(&t, NULL, submit_and_go, &r), 0);
		EQ(pthread_join(t, NULL), 0);
	} else {
		EQ(ring_submit(&r), 3);
		ring_wait(&r, &cqe, 20);
	}
	EQ(write(out, "x", 1), 1);
	if (how == EXECS)
		execlp("true", "true", NULL);
	if (how == KILLED)
		pause();
	_exit(0);
}

static int exited(pid_t pid)
{
	siginfo_t info = { 0 };

	EQ(waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	return info.si_pid;
}

static void process_ends(int how)
{
	int fd = agent_with_events(), pipefd[2];
	struct starling_event ev;
	double start;
	char byte;
	pid_t pid;

	for (int i = 0; i < 5; i++) {
		EQ(pipe(pipefd), 0);
		pid = fork();
		if (!pid)
			process_with_waits(fd, how, pipefd[1]);
		EQ(read(pipefd[0], &byte, 1), 1);
		start = seconds();
		if (how == KILLED)
			EQ(kill(pid, SIGKILL), 0);
		/* It would wait for its limit: help it. */
		while (how == EXECS && limited() && !exited(pid)) {
			cancel_waits(fd, 5);
			sleep_ms(5);
		}
		EQ(reap(pid), how == KILLED ? -SIGKILL : 0);
		CHECK(seconds() - start < 5);
		until_gone(fd, 5);
		make(fd);
		EQ(event_next(fd, STARLING_EVENT_NOWAIT, 0, 0, &ev), 0);
		close(pipefd[0]);
		close(pipefd[1]);
	}
}

TEST(process_killed) { process_ends(KILLED); }
TEST(process_exits) { process_ends(EXITS); }
TEST(process_execs) { process_ends(EXECS); }
TEST(thread_exits) { process_ends(THREAD_EXITS); }

/* The wait keeps the agent: it goes on, and ends with the ring. */
TEST(agent_closed)
{
	struct starling_event_next next = { .cookie = 5 };
	int fd = agent_with_events(), dev = device();
	struct starling_agent_record rec;
	struct io_uring_cqe cqe;
	struct ring r;
	uint64_t id;

	stat_agent(fd, &rec);
	id = rec.id;
	EQ(ring_open(&r, 8, 0), 0);
	queue_next(&r, fd, &next, 1, 0);
	none(&r);
	EQ(leave(fd, 0, STARLING_TASK_THREAD), 0);
	close(fd);
	EQ(ring_wait(&r, &cqe, 20), 0);
	CHECK(find_agent(dev, id, &rec));
	ring_close(&r);
	/* Where waits are limited it may take that long. */
	for (int i = 0; find_agent(dev, id, &rec); i++) {
		CHECK(i < (limited() ? 150 : 50));
		sleep_ms(100);
	}
}

/* Each event has one who gets it, however it is asked for. */
TEST(poll_and_read)
{
	struct starling_event ev;
	int fd = agent_with_events();
	struct io_uring_sqe *sqe;
	struct ring r;

	EQ(ring_open(&r, 8, 0), 0);
	sqe = ring_sqe(&r);
	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = fd;
	sqe->poll32_events = 1;
	sqe->user_data = 1;
	none(&r);
	make(fd);
	EQ(result(&r, 1, LONG), 1);
	for (int i = 0; i < 2; i++) {
		sqe = ring_sqe(&r);
		sqe->opcode = IORING_OP_READ;
		sqe->fd = fd;
		sqe->addr = (uintptr_t)&ev;
		sqe->len = sizeof(ev);
		sqe->off = -1;
		sqe->user_data = 2;
		if (i) {
			none(&r);
			make(fd);
		}
		EQ(result(&r, 2, LONG), sizeof(ev));
		EQ(ev.tid, gettid_());
	}
}

/* Long lists are a worker's: with the rights and the names of the submitter. */
TEST(lists)
{
	struct starling_task_record rec[4];
	struct starling_list arg = {
		.size = sizeof(arg), .record_size = sizeof(rec[0]), .count = 4,
		.records = (uintptr_t)rec,
	};
	int fd = agent("lists");
	struct ring r;
	pid_t pid;

	EQ(join(fd, 0, 0), 0);
	EQ(ring_open(&r, 8, 0), 0);
	ring_cmd(&r, fd, STARLING_IOC_TASKS, &arg, 1, 0);
	EQ(result(&r, 1, LONG), 0);
	EQ(arg.count, 1);
	EQ(rec[0].tid, getpid());
	pid = fork();
	if (!pid) {
		become_nobody();
		EQ(ring_open(&r, 8, 0), 0);
		ring_cmd(&r, device(), STARLING_IOC_TASKS, &arg, 1, 0);
		EQ(result(&r, 1, LONG), -EPERM);
		_exit(0);
	}
	EQ(reap(pid), 0);
}

/* Rights are those that the submission names, by a worker too. */
TEST(personality)
{
	struct starling_control control = { .size = sizeof(control) };
	struct ring r;
	int dev = device(), id;
	pid_t pid = fork();

	if (!pid) {
		struct io_uring_sqe *sqe;
		int root;

		EQ(ring_open(&r, 8, 0), 0);
		root = ring_register_personality(&r);
		GE(root, 1);
		become_nobody();
		id = ring_register_personality(&r);
		GE(id, 1);
		for (int i = 0; i < 6; i++) {
			ring_cmd(&r, dev, STARLING_IOC_CONTROL_CLAIM, &control, i,
				 i & 1 ? IOSQE_ASYNC : 0);
			sqe = ring_last(&r);
			sqe->personality = i < 2 ? 0 : i < 4 ? id : root;
			EQ(result(&r, i, LONG), i < 4 ? -EPERM : 0);
		}
		_exit(0);
	}
	EQ(reap(pid), 0);
}

/* Rings come and go while requests wait, are cancelled and get events. */
static struct {
	int fd;
	volatile int stop;
	unsigned int rounds, ended;
} arena;

static void one_round(unsigned int *seed)
{
	struct starling_event_next next[8];
	struct io_uring_cqe cqe;
	struct ring r;

	memset(next, 0, sizeof(next));
	EQ(ring_open(&r, 8, kinds[rand_r(seed) % 3].flags), 0);
	for (int i = 0; i < 8; i++) {
		next[i].cookie = i;
		if (rand_r(seed) & 1)
			next[i].timeout_ns = rand_r(seed) % 3000000;
		queue_next(&r, arena.fd, &next[i], i, rand_r(seed) & 1 ? IOSQE_ASYNC : 0);
	}
	EQ(ring_submit(&r), 8);
	for (int n = rand_r(seed) % 9; n && ring_wait(&r, &cqe, 2); n--) {
		CHECK(cqe.res == 0 || cqe.res == -ETIMEDOUT || cqe.res == -ECANCELED);
		__atomic_add_fetch(&arena.ended, 1, __ATOMIC_SEQ_CST);
	}
	ring_close(&r);
	/* Requests write to @next until the ring has gone: see to it that it has. */
	for (int i = 0; i < 8; i++)
		cancel_waits(arena.fd, i);
	__atomic_add_fetch(&arena.rounds, 1, __ATOMIC_SEQ_CST);
}

static void *rings(void *arg)
{
	unsigned int seed = gettid_();

	while (!arena.stop)
		one_round(&seed);
	return arg;
}

static void *events(void *arg)
{
	EQ(join(arena.fd, 0, STARLING_TASK_THREAD), 0);
	for (int i = 0; !arena.stop; i++) {
		EQ(set_role(arena.fd, 0, i & 1 ? STARLING_ROLE_TOOL : STARLING_ROLE_SERVICE), 0);
		if (i % 3 == 0)
			cancel_waits(arena.fd, i % 8);
		if (i % 100 == 0)
			sleep_ms(1);
	}
	return arg;
}

TEST_TIMED(stress, 60)
{
	pthread_t t[5];

	arena.fd = agent("arena");
	EQ(event_mask(arena.fd, ROLE), 0);
	for (int i = 0; i < 4; i++)
		EQ(pthread_create(&t[i], NULL, rings, NULL), 0);
	EQ(pthread_create(&t[4], NULL, events, NULL), 0);
	sleep_ms(3000);
	arena.stop = 1;
	for (int i = 0; i < 5; i++)
		EQ(pthread_join(t[i], NULL), 0);
	printf("# %u rings, %u ended in time\n", arena.rounds, arena.ended);
	GE(arena.rounds, 10);
	GE(arena.ended, 10);
}

/* Killed at any moment of it. */
TEST_TIMED(stress_killed, 60)
{
	double until = seconds() + 3;
	unsigned int n = 0;

	arena.fd = agent("arena");
	EQ(event_mask(arena.fd, ROLE), 0);
	while (seconds() < until) {
		pid_t pid = fork();
		pthread_t t;

		if (!pid) {
			for (int i = 0; i < 3; i++)
				pthread_create(&t, NULL, rings, NULL);
			events(NULL);
			_exit(0);
		}
		sleep_ms(10 + n++ * 7 % 60);
		EQ(kill(pid, SIGKILL), 0);
		EQ(reap(pid), -SIGKILL);
	}
	printf("# %u killed\n", n);
}

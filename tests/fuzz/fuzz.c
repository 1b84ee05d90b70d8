// SPDX-License-Identifier: GPL-2.0-only
/*
 * starling-fuzz - random commands with random arguments on random descriptors,
 * by ioctl and by io_uring
 *
 *   starling-fuzz [--seed N] [--ops N] [--seconds S] [--fork-every N]
 *
 * What operation number i does depends on the seed and i alone, whatever came
 * of those before it: the same seed does the same again, as far as the
 * scheduler lets it. Some operations start children that do operations of
 * their own at the same time, some of them without rights: about one of N, 70 if
 * nothing else is said. Where the kernel looks for mistakes they take by far the
 * most of the time.
 *
 * It fails when a command gives an error that the ABI does not have, hands out
 * what looks like an address of the kernel, or when agents are left when all
 * descriptors, mappings and members are gone. For the rest, see the kernel's
 * log: it is meant for a guest whose kernel complains.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

/* Descriptors of the device come first, those of agents after them. */
#define NDEVICES	4
#define NFDS		20
#define NMAPS		8
#define NERRS		136
#define NASKED		16
/* The largest there may be, and some more. */
#define ARG_SIZE	(4096 + 64)

/* Counted by all processes together. */
struct counts {
	uint64_t ops, by_ring;
	uint64_t result[64][NERRS];
	uint32_t bad;
	char what[200];
};

static struct counts *counts;
static int fds[NFDS];
static struct { void *at; size_t size; } maps[NMAPS];
static int sock[2];
static bool is_kid;

__attribute__((format(printf, 1, 2)))
static void bad(const char *format, ...)
{
	va_list args;

	if (__atomic_exchange_n(&counts->bad, 1, __ATOMIC_SEQ_CST))
		return;
	va_start(args, format);
	vsnprintf(counts->what, sizeof(counts->what), format, args);
	va_end(args);
}

/* What any command may say; see "Errors" in the header. */
static bool known_error(int err)
{
	static const int known[] = {
		0, EFAULT, EINVAL, E2BIG, EAGAIN, ETIMEDOUT, ECANCELED, ENODEV, ENOENT, EALREADY,
		ENOTTY, EPERM, ESRCH, EBADF, EBUSY, ENOSPC, EACCES, ENOMEM, EINTR, EMFILE, ENFILE,
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == err)
			return true;
	return false;
}

/* The direct map, vmalloc and what else there is up to the kernel's text. */
static bool is_address(uint64_t word)
{
	return (word >= 0xffff800000000000 && word < 0xffffffff00000000) ||
	       (word >= 0xffffffff80000000 && word < 0xffffffffd0000000);
}

/* In what was not in @before already, if there is one. */
static bool has_address(const void *from, const void *before, size_t size)
{
	const uint64_t *word = from, *old = before;

	for (size_t i = 0; i < size / 8; i++)
		if (is_address(word[i]) && !(old && old[i] == word[i]))
			return true;
	return false;
}

/* The place of one that is open and fits, if one is; now and then of any. */
static int pick_fd(int on)
{
	int from = on == ON_AGENT ? NDEVICES : 0, to = on == ON_DEVICE ? NDEVICES : NFDS;
	int i = from + below(to - from);

	if (one_in(16))
		return below(NFDS);
	for (int tries = from; tries < to && fds[i] < 0; tries++)
		i = i + 1 < to ? i + 1 : from;
	return i;
}

static void keep_fd(int fd, bool agent)
{
	int i = agent ? NDEVICES + below(NFDS - NDEVICES) : below(NDEVICES);

	if (fds[i] >= 0)
		close(fds[i]);
	fds[i] = fd;
}

static void count(int which, int err)
{
	__atomic_add_fetch(&counts->result[which][err < NERRS ? err : NERRS - 1], 1,
			   __ATOMIC_RELAXED);
}

static int pick_command(void)
{
	unsigned int sum = 0, at;
	int i;

	for (i = 0; i < ncommands; i++)
		sum += commands[i].weight;
	at = below(sum);
	for (i = 0; at >= commands[i].weight; i++)
		at -= commands[i].weight;
	return i;
}

/* A command that was given, and its argument as it was then. */
struct asked {
	int which;
	unsigned int cmd;
	unsigned char *arg;
	void *at;
	uint64_t before[32];
};

/* Those by io_uring whose end nobody waits for; @arg is NULL where there is none. */
static struct asked asked[NASKED];

static void judge(const struct asked *a, int ret)
{
	const struct command *c = &commands[a->which];
	int err = ret < 0 ? -ret : 0;

	count(a->which, err);
	if (!known_error(err))
		bad("%s: %s", c->name, strerror(err));
	if (a->cmd == STARLING_IOC_AGENT_CREATE && ret >= 0)
		keep_fd(ret, true);
	else if (ret > 0)
		bad("%s: returned %d", c->name, ret);
	if (err || a->at != a->arg)
		return;
	if (a->cmd == STARLING_IOC_LEASE_ACQUIRE)
		leases[below(NLEASES)] = ((struct starling_lease_acquire *)a->at)->out_lease;
	if (has_address(a->arg, a->before, c->size))
		bad("%s: an address of the kernel", c->name);
}

void asked_ended(uint64_t data, int ret)
{
	judge(&asked[data], ret);
	asked[data].arg = NULL;
}

void asked_forget(void)
{
	memset(asked, 0, sizeof(asked));
}

/* Fills in @a and what is at @arg. */
static void make_command(struct asked *a, int which, unsigned char *arg)
{
	const struct command *c = &commands[which];

	a->which = which;
	a->cmd = c->cmd ?: (one_in(2) ? _IO(STARLING_IOC, below(256)) : (uint32_t)next());
	a->arg = a->at = arg;
	memset(arg, 0, ARG_SIZE);
	*(uint32_t *)arg = c->size;
	c->fill(arg);
	mutate(arg, c->size);
	spare_others(a->cmd, arg);
	memcpy(a->before, arg, sizeof(a->before));
	if (one_in(32))
		a->at = one_in(2) ? (void *)(edge() | edge() << 47) : room + ROOM - below(64);
	else if (one_in(32)) {
		/* The last bytes of it are not there. */
		a->at = room + ROOM - c->size + 1 + below(8);
		memmove(a->at, arg, room + ROOM - (unsigned char *)a->at);
	}
	/* A number that is none of ours may be the terminal's or the file's. */
	if (!c->cmd && _IOC_TYPE(a->cmd) != STARLING_IOC)
		a->cmd = _IO(STARLING_IOC, 0x80 | (a->cmd & 0x7f));
}

static void op_command(void)
{
	int which = pick_command(), fd = fds[pick_fd(commands[which].on)], ret;
	struct asked a;

	make_command(&a, which, room + ROOM / 2);
	if (one_in(2) || !ring_do(fd, a.cmd, a.at, &ret)) {
		ret = ioctl(fd, a.cmd, a.at);
		ret = ret < 0 ? -errno : ret;
	} else {
		__atomic_add_fetch(&counts->by_ring, 1, __ATOMIC_RELAXED);
	}
	judge(&a, ret);
}

/* One that may be waiting while the others are done. */
static void op_ask(void)
{
	int which = pick_command(), fd = fds[pick_fd(commands[which].on)], i = below(NASKED);

	if (!ring_ready() || asked[i].arg)
		return;
	make_command(&asked[i], which, room + ROOM + 4096 + i * ARG_SIZE);
	ring_ask(fd, asked[i].cmd, asked[i].at, i);
	__atomic_add_fetch(&counts->by_ring, 1, __ATOMIC_RELAXED);
}

static void op_close(void)
{
	int i = below(NFDS);

	if (fds[i] >= 0)
		close(fds[i]);
	fds[i] = -1;
}

static void op_dup(void)
{
	int i = pick_fd(ON_BOTH);

	keep_fd(fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 0), i >= NDEVICES);
}

static void op_open(void)
{
	keep_fd(open(STARLING_DEVICE, one_in(4) ? O_RDONLY : O_RDWR | O_CLOEXEC), false);
}

static void op_map(void)
{
	int i = below(NMAPS), fd = fds[pick_fd(ON_AGENT)], prot = PROT_READ;
	size_t size = 4096 << below(6);
	off_t at = one_in(8) ? 4096 * below(4) : 0;
	void *p;

	if (one_in(8))
		prot |= 1 << below(3);
	if (maps[i].at)
		munmap(maps[i].at, maps[i].size);
	maps[i].at = NULL;
	p = mmap(NULL, size, prot, one_in(4) ? MAP_PRIVATE : MAP_SHARED, fd, at);
	if (p == MAP_FAILED)
		return;
	maps[i].at = p;
	maps[i].size = size;
}

static void op_unmap(void)
{
	int i = below(NMAPS);
	bool part = one_in(4);

	if (!maps[i].at)
		return;
	if (part && maps[i].size > 4096) {
		munmap((char *)maps[i].at + maps[i].size - 4096, 4096);
		maps[i].size -= 4096;
		return;
	}
	munmap(maps[i].at, maps[i].size);
	maps[i].at = NULL;
}

/* Only where there is memory behind it: the header's pages. */
static void op_look(void)
{
	int i = below(NMAPS);
	struct starling_page page;

	if (!maps[i].at)
		return;
	memcpy(&page, maps[i].at, sizeof(page));
	if (page.magic == STARLING_PAGE_MAGIC && has_address(&page, NULL, sizeof(page)))
		bad("a page: an address of the kernel");
}

static void op_remap(void)
{
	/* None that throws the pages away: there is nobody to bring them back. */
	static const int advice[] = { 0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 99 };
	int i = below(NMAPS), prot = below(8);

	if (!maps[i].at)
		return;
	if (one_in(2))
		mprotect(maps[i].at, 4096, prot);
	else
		madvise(maps[i].at, maps[i].size, advice[below(13)]);
	mprotect(maps[i].at, 4096, PROT_READ);
}

static void op_send(void)
{
	int fd = fds[pick_fd(ON_AGENT)];
	char byte = 0, buf[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof(buf),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	sendmsg(sock[0], &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void op_receive(void)
{
	char byte, buf[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof(buf),
	};
	int fd;

	if (recvmsg(sock[1], &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 1 || !CMSG_FIRSTHDR(&msg))
		return;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	keep_fd(fd, true);
}

/* The file operations that are no commands. */
static void op_file(void)
{
	int fd = fds[pick_fd(ON_AGENT)], flags = one_in(2) ? O_NONBLOCK : 0;
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	char path[64], text[1024];
	int info;

	switch (below(4)) {
	case 0:
		fcntl(fd, F_SETFL, flags);
		if (read(fd, text, below(sizeof(text))) > 0 && has_address(text, NULL, 64))
			bad("read: an address of the kernel");
		break;
	case 1:
		poll(&p, 1, 0);
		break;
	case 2:
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		info = open(path, O_RDONLY | O_CLOEXEC);
		if (info >= 0 && read(info, text, sizeof(text)) < 0)
			bad("fdinfo: %s", strerror(errno));
		close(info);
		break;
	default:
		if (write(fd, text, 0) > 0)
			bad("write worked");
		lseek(fd, edge(), SEEK_SET);
	}
}

static void reap_kid(int i)
{
	if (kids[i] <= 0)
		return;
	kill(kids[i], SIGKILL);
	while (waitpid(kids[i], NULL, 0) < 0 && errno == EINTR)
		;
	kids[i] = 0;
	if (pidfds[i] >= 0)
		close(pidfds[i]);
	pidfds[i] = -1;
}

static void *nap(void *arg)
{
	usleep((uintptr_t)arg);
	return NULL;
}

static void op_thread(void)
{
	uintptr_t us = below(3000);
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 65536);
	pthread_create(&t, &attr, nap, (void *)us);
	pthread_attr_destroy(&attr);
}

static void operate(uint64_t seed, uint64_t i);
static void start_timer(void);

static void become_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		_exit(1);
	/* So that it may act on itself and on its like; and it was forgotten. */
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* A child that waits, forks, executes a program, or does as we do. */
static void kid(int kind, uint64_t seed, uint64_t ops)
{
	is_kid = true;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(kids, 0, sizeof(kids));
	start_timer();
	if (kind == 0)
		close_range(3, ~0U, 0);
	if (kind == 1)
		for (int i = 0; i < 4; i++)
			if (!fork())
				_exit(0);
	if (kind == 2)
		execlp("sleep", "sleep", "0.01", NULL);
	if (kind == 3)
		become_nobody();
	for (uint64_t i = 0; kind >= 3 && i < ops; i++)
		operate(seed, i);
	if (kind >= 3 && ops & 1)
		_exit(0);
	for (;;)
		pause();
}

static void op_fork(void)
{
	int i = below(NKIDS), kind = below(6);
	uint64_t seed = next(), ops = below(40);
	pid_t pid;

	reap_kid(i);
	fflush(stdout);
	pid = fork();
	if (!pid)
		kid(kind, seed, ops);
	kids[i] = pid;
	if (pid > 0)
		pidfds[i] = syscall(SYS_pidfd_open, pid, 0);
}

static void op_kill(void)
{
	reap_kid(below(NKIDS));
}

static const struct {
	void (*fn)(void);
	unsigned int weight;
} ops[] = {
	{ op_command, 80 },
	{ op_ask, 16 },
	{ ring_look, 16 },
	{ ring_end, 1 },
	{ op_open, 2 },
	{ op_close, 4 },
	{ op_dup, 2 },
	{ op_map, 3 },
	{ op_unmap, 2 },
	{ op_look, 2 },
	{ op_remap, 1 },
	{ op_send, 2 },
	{ op_receive, 2 },
	{ op_file, 2 },
	{ op_thread, 1 },
};

/* About one of so many operations is to start a child or to end one. */
static uint64_t fork_every = 70;

static void (*pick_op(void))(void)
{
	unsigned int sum = 0, at;
	size_t n;

	/* Children do not have children that operate. */
	if (!is_kid && one_in(fork_every))
		return one_in(2) ? op_kill : op_fork;
	for (n = 0; n < sizeof(ops) / sizeof(ops[0]); n++)
		sum += ops[n].weight;
	at = below(sum);
	for (n = 0; at >= ops[n].weight; n++)
		at -= ops[n].weight;
	return ops[n].fn;
}

static void operate(uint64_t seed, uint64_t i)
{
	rng = seed ^ (i + 1) * 0xd1342543de82ef95;
	pick_op()();
	__atomic_add_fetch(&counts->ops, 1, __ATOMIC_RELAXED);
}

/* Ends what waits without a limit: a handler that is not restarted. */
static void on_alarm(int sig)
{
	(void)sig;
}

static void start_timer(void)
{
	struct itimerval every = { { 0, 10000 }, { 0, 10000 } };
	struct sigaction act = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

static void set_up(void)
{
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	room = mmap(NULL, ROOM + 4096 + NASKED * ARG_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED || room == MAP_FAILED || mprotect(room + ROOM, 4096, PROT_NONE) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock)) {
		perror("starling-fuzz");
		exit(1);
	}
	memset(fds, -1, sizeof(fds));
	memset(pidfds, -1, sizeof(pidfds));
	for (int i = 0; i < NDEVICES; i++)
		fds[i] = open(STARLING_DEVICE, O_RDWR | O_CLOEXEC);
	if (fds[0] < 0) {
		perror(STARLING_DEVICE);
		exit(4);
	}
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	start_timer();
}

/* How many agents there are, as far as one may see them; -1: not at all. */
enum { LEFT_MAX = 4096, LEFT_S = 60 };

/* Records of the kind that the command lists; how many, or -1. */
static int list(unsigned long cmd, void *rec, uint32_t size)
{
	struct starling_list arg = {
		.size = sizeof(arg), .record_size = size, .count = LEFT_MAX,
		.records = (uintptr_t)rec,
	};
	int fd = open(STARLING_DEVICE, O_RDWR | O_CLOEXEC);
	int ret = ioctl(fd, cmd, &arg);

	close(fd);
	return ret ? -1 : (int)arg.count;
}

static int agents(void)
{
	static struct starling_agent_record rec[LEFT_MAX];

	return list(STARLING_IOC_AGENTS, rec, sizeof(rec[0]));
}

static void agent_do(int agent, unsigned long cmd, int32_t tid)
{
	struct starling_agent_task arg = {
		.size = sizeof(arg), .flags = STARLING_TASK_THREAD, .task = tid,
	};

	ioctl(agent, cmd, &arg);
}

/*
 * Members that are none of ours keep their agent: an argument that was read from
 * memory with anything in it can name any task, us and init too.
 */
static void free_strays(void)
{
	static struct starling_task_record rec[LEFT_MAX];
	struct starling_agent_create create = { .size = sizeof(create), .name = "strays" };
	int n = list(STARLING_IOC_TASKS, rec, sizeof(rec[0]));
	int fd = open(STARLING_DEVICE, O_RDWR | O_CLOEXEC);
	int agent = n > 0 ? ioctl(fd, STARLING_IOC_AGENT_CREATE, &create) : -1;

	for (int i = 0; i < n; i++) {
		printf("# %u (%.16s) came to be a member\n", rec[i].tid, rec[i].comm);
		agent_do(agent, STARLING_IOC_AGENT_JOIN, rec[i].tid);
		agent_do(agent, STARLING_IOC_AGENT_LEAVE, rec[i].tid);
	}
	close(agent);
	close(fd);
}

static void show_left(void)
{
	static struct starling_agent_record rec[LEFT_MAX];
	int n = list(STARLING_IOC_AGENTS, rec, sizeof(rec[0]));

	for (int i = 0; i < n && i < 8; i++)
		printf("# agent %llu \"%.32s\": %u tasks, %llu joins, %llu forks, %llu exits\n",
		       (unsigned long long)rec[i].id, rec[i].name, rec[i].tasks,
		       (unsigned long long)rec[i].joins, (unsigned long long)rec[i].forks,
		       (unsigned long long)rec[i].exits);
}

/*
 * The one that operated is gone, and its children go: then nothing may be left.
 * This process has nothing.
 */
static void tear_down(int before)
{
	time_t start = time(NULL);

	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	free_strays();
	while (agents() > before) {
		if (time(NULL) - start > LEFT_S) {
			show_left();
			bad("%d agents are left, there were %d", agents(), before);
			return;
		}
		usleep(20000);
	}
	printf("# nothing was left after %ld s\n", (long)(time(NULL) - start));
}

static void report(uint64_t seed)
{
	printf("# seed %llu, %llu operations, %llu commands by io_uring\n",
	       (unsigned long long)seed, (unsigned long long)counts->ops,
	       (unsigned long long)counts->by_ring);
	for (int i = 0; i < ncommands; i++) {
		printf("# %-14s", commands[i].name);
		for (int err = 0; err < NERRS; err++)
			if (counts->result[i][err])
				printf(" %s %llu", err ? strerrorname_np(err) : "ok",
				       (unsigned long long)counts->result[i][err]);
		printf("\n");
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	if (*end || end == text) {
		fprintf(stderr, "starling-fuzz: '%s' is no number\n", text);
		exit(2);
	}
	return n;
}

/* The one that operates; what it is a member of goes with it. */
static void fuzz(uint64_t seed, uint64_t n, double until)
{
	double start = now(), at = start, told = start;

	start_timer();
	for (uint64_t i = 0; i < n && at < until && !counts->bad; i++) {
		operate(seed, i);
		at = now();
		if (at - told < 60)
			continue;
		told = at;
		printf("# %llu operations in %.0f s\n", (unsigned long long)counts->ops,
		       at - start);
		fflush(stdout);
	}
	for (int i = 0; i < NKIDS; i++)
		reap_kid(i);
	_exit(0);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 't' },
		{ "fork-every", required_argument, NULL, 'f' },
		{ 0 },
	};
	uint64_t seed = time(NULL), n = UINT64_MAX;
	int c, status = 0, before;
	double until = 1e18;
	pid_t pid;

	while ((c = getopt_long(argc, argv, "s:n:t:", options, NULL)) >= 0) {
		if (c == 's')
			seed = number(optarg);
		else if (c == 'n')
			n = number(optarg);
		else if (c == 't')
			until = now() + number(optarg);
		else if (c == 'f')
			fork_every = number(optarg);
		else
			return 2;
	}
	if (!fork_every) {
		fprintf(stderr, "starling-fuzz: --fork-every is 1 or more\n");
		return 2;
	}
	if (n == UINT64_MAX && until > 1e17)
		n = 20000;
	printf("# seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	before = agents();
	set_up();
	pid = fork();
	if (!pid)
		fuzz(seed, n, until);
	/* Else what is claimed with one of ours would never be given back. */
	close_range(3, ~0U, 0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		bad("ended by status %#x", status);
	tear_down(before);
	report(seed);
	printf("%sok 1 - fuzz%s%s\n1..1\n", counts->bad ? "not " : "", counts->bad ? " # " : "",
	       counts->what);
	return counts->bad;
}

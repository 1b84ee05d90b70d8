// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "harness.h"
#include "util.h"

int call(int fd, unsigned int cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

int device(void)
{
	int fd = open(STARLING_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		FAIL("%s: %s", STARLING_DEVICE, strerror(errno));
	return fd;
}

int agent(const char *name)
{
	struct starling_agent_create create = { .size = sizeof(create) };
	int dev = device(), fd;

	snprintf(create.name, sizeof(create.name), "%s", name);
	fd = call(dev, STARLING_IOC_AGENT_CREATE, &create);
	GE(fd, 0);
	close(dev);
	return fd;
}

int sub_agent(int parent, const char *name)
{
	struct starling_agent_create create = { .size = sizeof(create) };

	snprintf(create.name, sizeof(create.name), "%s", name);
	return call(parent, STARLING_IOC_AGENT_CREATE, &create);
}

int must_sub(int parent, const char *name)
{
	int fd = sub_agent(parent, name);

	GE(fd, 0);
	return fd;
}

static void do_stat(int agent, struct starling_agent_record *rec, uint32_t flags)
{
	struct starling_agent_stat stat = { .size = sizeof(stat), .flags = flags };

	memset(&stat.out_agent, 0xcc, sizeof(stat.out_agent));
	EQ(call(agent, STARLING_IOC_AGENT_STAT, &stat), 0);
	*rec = stat.out_agent;
}

void stat_agent(int agent, struct starling_agent_record *rec)
{
	do_stat(agent, rec, 0);
}

void live_agent(int agent, struct starling_agent_record *rec)
{
	do_stat(agent, rec, STARLING_STAT_LIVE);
}

void tree_of(int agent, struct starling_agent_record *rec)
{
	do_stat(agent, rec, STARLING_STAT_TREE);
}

void live_tree_of(int agent, struct starling_agent_record *rec)
{
	do_stat(agent, rec, STARLING_STAT_TREE | STARLING_STAT_LIVE);
}

uint64_t id_of(int agent)
{
	struct starling_agent_record rec;

	stat_agent(agent, &rec);
	return rec.id;
}

uint32_t tasks_of(int agent)
{
	struct starling_agent_record rec;

	stat_agent(agent, &rec);
	return rec.tasks;
}

static int member(int agent, unsigned int cmd, int task, uint32_t flags)
{
	struct starling_agent_task arg = { .size = sizeof(arg), .flags = flags, .task = task };

	return call(agent, cmd, &arg);
}

int join(int agent, int task, uint32_t flags)
{
	return member(agent, STARLING_IOC_AGENT_JOIN, task, flags);
}

int leave(int agent, int task, uint32_t flags)
{
	return member(agent, STARLING_IOC_AGENT_LEAVE, task, flags);
}

int set_role(int agent, int tid, int role)
{
	struct starling_task_role arg = { .size = sizeof(arg), .tid = tid, .role = role };

	return call(agent, STARLING_IOC_TASK_SET_ROLE, &arg);
}

int stat_task(int agent, int tid, struct starling_task_record *rec)
{
	struct starling_task_stat arg = { .size = sizeof(arg), .tid = tid };
	int err;

	memset(&arg.out_task, 0xcc, sizeof(arg.out_task));
	err = call(agent, STARLING_IOC_TASK_STAT, &arg);
	*rec = arg.out_task;
	return err;
}

int claim(int dev)
{
	struct starling_control arg = { .size = sizeof(arg) };

	return call(dev, STARLING_IOC_CONTROL_CLAIM, &arg);
}

int publish(int dev, const struct starling_task_record *rec, uint32_t n, uint32_t *applied)
{
	struct starling_publish arg = {
		.size = sizeof(arg), .record_size = sizeof(*rec), .count = n,
		.records = (uintptr_t)rec,
	};
	int err = call(dev, STARLING_IOC_PUBLISH, &arg);

	*applied = arg.out_applied;
	return err;
}

int list(int fd, unsigned int cmd, void *rec, uint32_t size, uint32_t *count, uint64_t cursor[2])
{
	struct starling_list arg = {
		.size = sizeof(arg), .record_size = size, .count = *count,
		.records = (uintptr_t)rec, .cursor = { cursor[0], cursor[1] },
	};
	int err = call(fd, cmd, &arg);

	*count = arg.count;
	memcpy(cursor, arg.cursor, sizeof(arg.cursor));
	return err;
}

int acquire(int agent, struct starling_lease_acquire *a)
{
	a->size = sizeof(*a);
	return call(agent, STARLING_IOC_LEASE_ACQUIRE, a);
}

int try_lease(int agent, uint64_t *lease)
{
	struct starling_lease_acquire a = { .flags = STARLING_LEASE_TRY };
	int err = acquire(agent, &a);

	*lease = a.out_lease;
	return err;
}

static int lease_call(int agent, unsigned int cmd, uint64_t lease)
{
	struct starling_lease_id arg = { .size = sizeof(arg), .lease = lease };

	return call(agent, cmd, &arg);
}

int release(int agent, uint64_t lease)
{
	return lease_call(agent, STARLING_IOC_LEASE_RELEASE, lease);
}

int park(int agent, uint64_t lease)
{
	return lease_call(agent, STARLING_IOC_LEASE_PARK, lease);
}

int unpark(int agent, uint64_t lease, uint64_t timeout_ns)
{
	struct starling_lease_unpark arg = {
		.size = sizeof(arg), .lease = lease, .timeout_ns = timeout_ns,
	};

	return call(agent, STARLING_IOC_LEASE_UNPARK, &arg);
}

int event_mask(int agent, uint32_t mask)
{
	struct starling_event_mask arg = { .size = sizeof(arg), .mask = mask };

	return call(agent, STARLING_IOC_EVENT_MASK, &arg);
}

int event_next(int agent, uint32_t flags, uint64_t timeout_ns, uint64_t cookie,
	       struct starling_event *event)
{
	struct starling_event_next arg = {
		.size = sizeof(arg), .flags = flags, .timeout_ns = timeout_ns, .cookie = cookie,
	};
	int err;

	memset(&arg.out_event, 0xcc, sizeof(arg.out_event));
	err = call(agent, STARLING_IOC_EVENT_NEXT, &arg);
	*event = arg.out_event;
	return err;
}

int cancel_waits(int agent, uint64_t cookie)
{
	struct starling_lease_cancel arg = { .size = sizeof(arg), .cookie = cookie };

	return call(agent, STARLING_IOC_LEASE_CANCEL, &arg);
}

void stat_gpu(int fd, uint32_t gpu, struct starling_lease_stat *stat)
{
	memset(stat, 0xcc, sizeof(*stat));
	stat->size = sizeof(*stat);
	stat->flags = stat->__pad = 0;
	stat->gpu = gpu;
	memset(stat->__reserved, 0, sizeof(stat->__reserved));
	EQ(call(fd, STARLING_IOC_LEASE_STAT, stat), 0);
}

bool find_agent(int dev, uint64_t id, struct starling_agent_record *rec)
{
	uint64_t cursor[2] = { id };
	uint32_t n = 1;

	EQ(list(dev, STARLING_IOC_AGENTS, rec, sizeof(*rec), &n, cursor), 0);
	return n && rec->id == id;
}

void wait_gone(int dev, uint64_t id)
{
	struct starling_agent_record rec;

	for (int i = 0; find_agent(dev, id, &rec); i++) {
		CHECK(i < 200);
		sleep_ms(10);
	}
}

void child_start(struct child *c, int (*step)(int n))
{
	int go[2], done[2], n = 0;
	char byte;

	EQ(pipe2(go, O_CLOEXEC), 0);
	EQ(pipe2(done, O_CLOEXEC), 0);
	c->pid = fork();
	GE(c->pid, 0);
	if (!c->pid) {
		close(go[1]);
		close(done[0]);
		while (read(go[0], &byte, 1) == 1) {
			byte = step ? step(n++) : 0;
			if (write(done[1], &byte, 1) != 1)
				break;
		}
		_exit(0);
	}
	close(go[0]);
	close(done[1]);
	c->go = go[1];
	c->done = done[0];
}

int child_step(struct child *c)
{
	char byte = 0;

	EQ(write(c->go, &byte, 1), 1);
	EQ(read(c->done, &byte, 1), 1);
	return byte;
}

int child_end(struct child *c)
{
	close(c->go);
	close(c->done);
	return reap(c->pid);
}

void send_fd(int sock, int fd)
{
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
	EQ(sendmsg(sock, &msg, 0), 1);
}

int receive_fd(int sock)
{
	char byte, buf[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof(buf),
	};
	int fd;

	EQ(recvmsg(sock, &msg, 0), 1);
	CHECK(CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

pid_t fork_bare(void)
{
	int closed[2];
	char byte;
	pid_t pid;

	EQ(pipe(closed), 0);
	pid = fork();
	GE(pid, 0);
	if (!pid) {
		close_range(3, ~0U, 0);
		return 0;
	}
	close(closed[1]);
	EQ(read(closed[0], &byte, 1), 0);
	close(closed[0]);
	return pid;
}

pid_t start_pauser(void)
{
	pid_t pid = fork_bare();

	if (!pid) {
		pause();
		_exit(0);
	}
	return pid;
}

int reap(pid_t pid)
{
	int status;
	pid_t got = waitpid(pid, &status, 0);

	CHECK(got > 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

pid_t gettid_(void)
{
	return syscall(SYS_gettid);
}

void become_nobody(void)
{
	EQ(setgroups(0, NULL), 0);
	EQ(setresgid(65534, 65534, 65534), 0);
	EQ(setresuid(65534, 65534, 65534), 0);
}

void sleep_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static FILE *open_param(const char *name, const char *mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/starling/parameters/%s", name);
	f = fopen(path, mode);
	if (!f)
		FAIL("%s: %s", path, strerror(errno));
	return f;
}

void set_param(const char *name, unsigned int value)
{
	FILE *f = open_param(name, "w");

	fprintf(f, "%u", value);
	EQ(fclose(f), 0);
}

unsigned int get_param(const char *name)
{
	FILE *f = open_param(name, "r");
	unsigned int value;

	EQ(fscanf(f, "%u", &value), 1);
	fclose(f);
	return value;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * kmod.c - the module as a source and sink of records; see kmod.h.
 *
 * GPU values in the module are totals of a task and never go back, those of
 * the probes begin at zero with each daemon. What a task has from earlier
 * daemons is read once, taken off whatever is read and put on whatever is
 * published.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uthash.h>

#include "daemon/log.h"
#include "daemon/sense/kmod.h"

/* Records asked for in one call; the array grows by as many. */
#define ROUND	256

struct list {
	void *rec;
	size_t room;	/* records */
};

/* A task that an earlier daemon published values of. */
struct before {
	struct {
		uint64_t start_ns;
		uint64_t tid;
	} key;
	struct starling_task_record rec;
	UT_hash_handle hh;
};

struct kmod {
	int fd;
	struct before *before;
	struct starling_info info;
	struct list tasks;
	struct list agents;
	struct list leases;
	struct list out;
	bool few_roles;		/* the module is older than some of them */
};

static int call(int fd, unsigned long cmd, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, cmd, arg);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

static int open_device(void)
{
	int fd = open(STARLING_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	/* A node whose module is gone is no module either. */
	return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
}

static int introduce(struct kmod *k)
{
	struct starling_control control = { .size = sizeof(control) };
	int err;

	k->info.size = sizeof(k->info);
	err = call(k->fd, STARLING_IOC_GET_INFO, &k->info);
	if (err == -ENOTTY || err == -EINVAL ||
	    (!err && k->info.out_abi_version < STARLING_ABI_VERSION))
		return -EPROTO;
	if (err)
		return err;
	return call(k->fd, STARLING_IOC_CONTROL_CLAIM, &control);
}

const char *kmod_reason(int err)
{
	static const struct {
		int err;
		const char *text;
	} reasons[] = {
		{ -ENODEV, "the module is not loaded; modprobe starling" },
		{ -EBUSY, "another starlingd has control of the module; stop it first" },
		{ -EPERM, "no right to control the module; run as root or with CAP_SYS_NICE" },
		{ -EACCES, "no right to open " STARLING_DEVICE "; check its file mode" },
		{ -EPROTO, "the module is older than this daemon; rebuild and load it again" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].err == err)
			return reasons[i].text;
	return strerror(-err);
}

const struct starling_info *kmod_info(const struct kmod *k)
{
	return &k->info;
}

static int grow(struct list *l, size_t need, size_t size)
{
	void *rec;

	if (need <= l->room)
		return 0;
	rec = realloc(l->rec, need * size);
	if (!rec)
		return -ENOMEM;
	l->rec = rec;
	l->room = need;
	return 0;
}

/* All records of a kind, however many calls that takes. */
static int read_list(int fd, unsigned long cmd, struct list *l, size_t size, size_t *n)
{
	struct starling_list arg = { .size = sizeof(arg), .record_size = size };
	size_t have = 0;
	uint32_t asked;
	int err;

	do {
		err = grow(l, have + ROUND, size);
		if (err)
			return err;
		asked = l->room - have;
		arg.count = asked;
		arg.records = (uintptr_t)l->rec + have * size;
		err = call(fd, cmd, &arg);
		if (err)
			return err;
		have += arg.count;
	} while (arg.count == asked);
	*n = have;
	return 0;
}

/* @sign 1 puts on what earlier daemons had counted, -1 takes it off. */
static void adjust(struct kmod *k, struct starling_task_record *rec, int sign)
{
	struct before key = { .key = { .start_ns = rec->start_ns, .tid = rec->tid } };
	const struct before *b;

	HASH_FIND(hh, k->before, &key.key, sizeof(key.key), b);
	if (!b)
		return;
	rec->gpu_wait_ns += sign * b->rec.gpu_wait_ns;
	rec->gpu_waits += sign * b->rec.gpu_waits;
	rec->gpu_launches += sign * b->rec.gpu_launches;
	rec->gpu_alloc_bytes += sign * b->rec.gpu_alloc_bytes;
	rec->starved_ns += sign * b->rec.starved_ns;
	rec->gpu_busy_ns += sign * b->rec.gpu_busy_ns;
	rec->energy_uj += sign * b->rec.energy_uj;
}

int kmod_tasks(struct kmod *k, const struct starling_task_record **task, size_t *n)
{
	int err = read_list(k->fd, STARLING_IOC_TASKS, &k->tasks, sizeof(**task), n);
	struct starling_task_record *rec = k->tasks.rec;

	for (size_t i = 0; !err && k->before && i < *n; i++)
		adjust(k, &rec[i], -1);
	*task = rec;
	return err;
}

int kmod_agents(struct kmod *k, const struct starling_agent_record **agent, size_t *n)
{
	int err = read_list(k->fd, STARLING_IOC_AGENTS, &k->agents, sizeof(**agent), n);

	*agent = k->agents.rec;
	return err;
}

/* Those that not every module knows. True: there were any. */
static bool hide_roles(struct starling_task_record *rec, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (rec[i].role <= STARLING_ROLE_BACKGROUND)
			continue;
		rec[i].role = STARLING_ROLE_NONE;
		any = true;
	}
	return any;
}

static ssize_t publish(const struct kmod *k, const struct starling_task_record *rec, size_t n)
{
	struct starling_publish arg = {
		.size = sizeof(arg), .record_size = sizeof(*rec), .count = n,
		.records = (uintptr_t)rec,
	};
	int err = call(k->fd, STARLING_IOC_PUBLISH, &arg);

	return err ? err : (ssize_t)arg.out_applied;
}

/* What an older module does not know it refuses, and with it all that comes after. */
static ssize_t publish_some_roles(struct kmod *k, struct starling_task_record *rec, size_t n)
{
	ssize_t done = publish(k, rec, n);

	if (done != -EINVAL || !hide_roles(rec, n))
		return done;
	done = publish(k, rec, n);
	if (done < 0)
		return done;
	k->few_roles = true;
	log_warn("the module is older than this daemon and does not know the role inference: "
		 "it is told none; rebuild and load it again");
	return done;
}

ssize_t kmod_publish(struct kmod *k, const struct starling_task_record *task, size_t n)
{
	struct starling_task_record *rec;
	int err = grow(&k->out, n, sizeof(*rec));

	if (err)
		return err;
	rec = k->out.rec;
	if (n)
		memcpy(rec, task, n * sizeof(*rec));
	for (size_t i = 0; k->before && i < n; i++)
		adjust(k, &rec[i], 1);
	if (!k->few_roles)
		return publish_some_roles(k, rec, n);
	hide_roles(rec, n);
	return publish(k, rec, n);
}

int kmod_rules(struct kmod *k, const struct starling_lease_policy *rules)
{
	struct starling_lease_policy arg = *rules;

	arg.size = sizeof(arg);
	return call(k->fd, STARLING_IOC_LEASE_POLICY, &arg);
}

int kmod_lease_stat(struct kmod *k, uint32_t gpu, struct starling_lease_stat *stat)
{
	*stat = (struct starling_lease_stat){ .size = sizeof(*stat), .gpu = gpu };
	return call(k->fd, STARLING_IOC_LEASE_STAT, stat);
}

int kmod_leases(struct kmod *k, const struct starling_lease_record **lease, size_t *n)
{
	int err = read_list(k->fd, STARLING_IOC_LEASES, &k->leases, sizeof(**lease), n);

	*lease = k->leases.rec;
	return err;
}

int kmod_agent_create(struct kmod *k, const char *name, uint32_t weight)
{
	struct starling_agent_create arg = { .size = sizeof(arg), .weight = weight };

	/* Longer names are cut: they come from programs, not from people. */
	strncpy(arg.name, name, sizeof(arg.name) - 1);
	return call(k->fd, STARLING_IOC_AGENT_CREATE, &arg);
}

int64_t kmod_agent_id(int agent)
{
	struct starling_agent_stat arg = { .size = sizeof(arg) };
	int err = call(agent, STARLING_IOC_AGENT_STAT, &arg);

	return err ? err : (int64_t)arg.out_agent.id;
}

static int member(int agent, unsigned long cmd, pid_t tid, uint32_t flags)
{
	struct starling_agent_task arg = { .size = sizeof(arg), .flags = flags, .task = tid };

	return call(agent, cmd, &arg);
}

int kmod_agent_join(int agent, pid_t tid, uint32_t flags)
{
	return member(agent, STARLING_IOC_AGENT_JOIN, tid, flags);
}

int kmod_agent_leave(int agent, pid_t tid, uint32_t flags)
{
	return member(agent, STARLING_IOC_AGENT_LEAVE, tid, flags);
}

int kmod_set_role(int agent, pid_t tid, enum starling_role role)
{
	struct starling_task_role arg = { .size = sizeof(arg), .tid = tid, .role = role };

	return call(agent, STARLING_IOC_TASK_SET_ROLE, &arg);
}

static bool has_gpu_values(const struct starling_task_record *r)
{
	return r->gpu_wait_ns || r->gpu_waits || r->gpu_launches || r->gpu_alloc_bytes ||
		r->starved_ns || r->gpu_busy_ns || r->energy_uj;
}

/* What there is from earlier daemons. Later tasks have nothing from them. */
static int read_before(struct kmod *k)
{
	const struct starling_task_record *task;
	struct before *b;
	size_t n;
	int err = kmod_tasks(k, &task, &n);

	for (size_t i = 0; !err && i < n; i++) {
		if (!has_gpu_values(&task[i]))
			continue;
		b = calloc(1, sizeof(*b));
		if (!b)
			return -ENOMEM;
		b->key.start_ns = task[i].start_ns;
		b->key.tid = task[i].tid;
		b->rec = task[i];
		HASH_ADD(hh, k->before, key, sizeof(b->key), b);
	}
	return err;
}

static void forget_before(struct kmod *k)
{
	struct before *all = k->before, *b, *next;

	k->before = NULL;
	HASH_ITER(hh, all, b, next) {
		HASH_DEL(all, b);
		free(b);
	}
}

void kmod_close(struct kmod *k)
{
	if (!k)
		return;
	close(k->fd);
	forget_before(k);
	free(k->tasks.rec);
	free(k->agents.rec);
	free(k->leases.rec);
	free(k->out.rec);
	free(k);
}

int kmod_open(struct kmod **out)
{
	struct kmod *k = calloc(1, sizeof(*k));
	int err;

	*out = NULL;
	if (!k)
		return -ENOMEM;
	k->fd = open_device();
	if (k->fd < 0) {
		err = k->fd;
		free(k);
		return err;
	}
	err = introduce(k);
	if (!err)
		err = read_before(k);
	if (err) {
		kmod_close(k);
		return err;
	}
	*out = k;
	return 0;
}

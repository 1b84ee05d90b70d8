// SPDX-License-Identifier: GPL-2.0-only
/* All commands of the ABI, with arguments that may work, and how to spoil them. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

pid_t kids[NKIDS];
int pidfds[NKIDS];
unsigned char *room;
uint64_t leases[NLEASES];
uint64_t rng;

/* Numbers at which something may change. */
static const uint64_t edges[] = {
	0, 1, 2, 3, 4, 7, 8, 9, 16, 63, 64, 65, 100, 255, 256, 4095, 4096, 4097, 10000, 10001,
	0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1000000, 1000000000, 3600000000000,
	0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
};

/* splitmix64: good enough, and any seed will do. */
uint64_t next(void)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t below(uint32_t n)
{
	return next() % n;
}

bool one_in(uint32_t n)
{
	return !below(n);
}

uint64_t edge(void)
{
	return edges[below(sizeof(edges) / sizeof(edges[0]))];
}

/* Arguments that may well work; what is left out is zero. */
static void fill_create(void *arg)
{
	struct starling_agent_create *a = arg;

	a->weight = below(200);
	a->class = below(__STARLING_CLASS_MAX);
	snprintf(a->name, sizeof(a->name), "fuzz %u", below(1000));
}

static void fill_set(void *arg)
{
	struct starling_agent_set *a = arg;

	a->flags = below(8);
	if (a->flags & STARLING_SET_WEIGHT)
		a->weight = 1 + below(10000);
	if (a->flags & STARLING_SET_CLASS)
		a->class = 1 + below(__STARLING_CLASS_MAX - 1);
	if (a->flags & STARLING_SET_NAME)
		snprintf(a->name, sizeof(a->name), "set %u", below(1000));
}

/* Ours only: another one could not be made to leave, and keep the module. */
static pid_t some_tid(void)
{
	pid_t pid = kids[below(NKIDS)];

	return one_in(3) || pid <= 0 ? 0 : pid;
}

static void fill_task(void *arg)
{
	struct starling_agent_task *a = arg;
	int i = below(NKIDS);

	a->flags = below(4);
	a->task = a->flags & STARLING_TASK_PIDFD ? pidfds[i] : some_tid();
}

static void fill_tid(void *arg)
{
	/* The same place in TASK_STAT and TASK_SET_ROLE. */
	struct starling_task_role *a = arg;

	a->tid = some_tid();
}

static void fill_role(void *arg)
{
	struct starling_task_role *a = arg;

	fill_tid(arg);
	a->role = below(__STARLING_ROLE_MAX);
}

static void fill_list(void *arg)
{
	struct starling_list *a = arg;

	a->record_size = sizeof(struct starling_task_record) - 8 + 8 * below(8);
	a->count = below(12);
	a->records = (uintptr_t)room + ROOM - a->record_size * a->count;
	a->cursor[0] = one_in(2) ? 0 : below(1000);
}

static void fill_publish(void *arg)
{
	struct starling_publish *a = arg;
	struct starling_task_record *rec;

	a->record_size = sizeof(*rec);
	a->count = below(8);
	rec = (void *)(room + ROOM - a->count * sizeof(*rec));
	a->records = (uintptr_t)rec;
	for (uint32_t i = 0; i < a->count; i++) {
		/* Most were there: a list left them. */
		if (one_in(4))
			rec[i].tid = some_tid() ?: getpid();
		rec[i].role = below(__STARLING_ROLE_MAX + one_in(8));
		rec[i].role_source = below(5);
		rec[i].wait_style = below(4 + one_in(8));
		rec[i].gpu_wait_ns = below(1 << 30);
		rec[i].gpu_waits = below(1 << 20);
		rec[i].gpu_launches = below(1 << 20);
		rec[i].gpu_alloc_bytes = one_in(8) ? edge() >> 20 : below(1 << 30);
		rec[i].starved_ns = below(1 << 30);
		rec[i].gpu_busy_ns = below(1 << 30);
		rec[i].gpu_memory_bytes = one_in(8) ? edge() : below(1 << 30);
		rec[i].energy_uj = below(1 << 30);
		rec[i].placement = below(3 + one_in(8));
		rec[i].source = next();
		rec[i].valid = next();
		rec[i].estimated = next();
	}
}

static void fill_stat(void *arg)
{
	struct starling_agent_stat *a = arg;

	a->flags = below(4);
}

/* Waits are short; those that an edge makes long are ended by the timer. */
static uint64_t some_timeout(void)
{
	return 1 + below(2000000);
}

static uint64_t some_lease(void)
{
	return one_in(8) ? below(64) : leases[below(NLEASES)];
}

static void fill_acquire(void *arg)
{
	struct starling_lease_acquire *a = arg;

	a->flags = below(2);
	a->gpu = one_in(2) ? STARLING_GPU_ANY : below(3);
	a->class = below(__STARLING_CLASS_MAX);
	a->max_hold_ns = one_in(2) ? 0 : below(2000000000);
	a->timeout_ns = some_timeout();
	a->memory_bytes = one_in(3) ? below(1 << 30) : 0;
	a->cookie = below(4);
}

static void fill_lease(void *arg)
{
	struct starling_lease_id *a = arg;

	a->lease = some_lease();
}

static void fill_unpark(void *arg)
{
	struct starling_lease_unpark *a = arg;

	a->lease = some_lease();
	a->timeout_ns = some_timeout();
	a->cookie = below(4);
}

static void fill_cancel(void *arg)
{
	struct starling_lease_cancel *a = arg;

	a->cookie = below(4);
}

static void fill_lease_stat(void *arg)
{
	struct starling_lease_stat *a = arg;

	a->gpu = below(4);
}

static void fill_policy(void *arg)
{
	struct starling_lease_policy *a = arg;

	a->flags = below(64);
	a->gpu = below(3);
	a->slots = 1 + below(4);
	a->memory_bytes = one_in(2) ? 0 : below(1 << 30);
	a->max_hold_ns = 1000000 + below(100000000);
	a->notice_ns = 1000000 + below(100000000);
	a->aging_ns = 1000000 + below(100000000);
	a->starve_ns = 1000000 + below(100000000);
}

static void fill_mask(void *arg)
{
	struct starling_event_mask *a = arg;

	a->mask = below(1 << __STARLING_EVENT_MAX);
}

static void fill_next(void *arg)
{
	struct starling_event_next *a = arg;

	a->flags = below(2);
	a->timeout_ns = some_timeout();
	a->cookie = below(4);
}

static void fill_nothing(void *arg)
{
	(void)arg;
}

#define C(_cmd, _on, _struct, _fill, _weight) {				\
	.name = #_cmd, .cmd = STARLING_IOC_##_cmd, .on = (_on),		\
	.size = sizeof(struct _struct), .fill = (_fill), .weight = (_weight), \
}

const struct command commands[] = {
	C(GET_INFO, ON_BOTH, starling_info, fill_nothing, 1),
	C(AGENT_CREATE, ON_BOTH, starling_agent_create, fill_create, 8),
	C(CONTROL_CLAIM, ON_DEVICE, starling_control, fill_nothing, 2),
	C(PUBLISH, ON_DEVICE, starling_publish, fill_publish, 4),
	C(TASKS, ON_BOTH, starling_list, fill_list, 4),
	C(AGENTS, ON_DEVICE, starling_list, fill_list, 2),
	C(AGENT_JOIN, ON_AGENT, starling_agent_task, fill_task, 8),
	C(AGENT_LEAVE, ON_AGENT, starling_agent_task, fill_task, 3),
	C(AGENT_SET, ON_AGENT, starling_agent_set, fill_set, 2),
	C(AGENT_STAT, ON_AGENT, starling_agent_stat, fill_stat, 4),
	C(TASK_STAT, ON_AGENT, starling_task_stat, fill_tid, 3),
	C(TASK_SET_ROLE, ON_AGENT, starling_task_role, fill_role, 4),
	C(LEASE_ACQUIRE, ON_AGENT, starling_lease_acquire, fill_acquire, 6),
	C(LEASE_RELEASE, ON_AGENT, starling_lease_id, fill_lease, 4),
	C(LEASE_PARK, ON_AGENT, starling_lease_id, fill_lease, 3),
	C(LEASE_UNPARK, ON_AGENT, starling_lease_unpark, fill_unpark, 3),
	C(LEASE_CANCEL, ON_AGENT, starling_lease_cancel, fill_cancel, 2),
	C(LEASE_STAT, ON_BOTH, starling_lease_stat, fill_lease_stat, 2),
	C(LEASES, ON_BOTH, starling_list, fill_list, 2),
	C(LEASE_POLICY, ON_DEVICE, starling_lease_policy, fill_policy, 2),
	C(EVENT_MASK, ON_AGENT, starling_event_mask, fill_mask, 3),
	C(EVENT_NEXT, ON_AGENT, starling_event_next, fill_next, 3),
	/* No such command; any number, any argument. */
	{ .name = "(none)", .on = ON_BOTH, .size = 64, .fill = fill_nothing, .weight = 1 },
};

const int ncommands = sizeof(commands) / sizeof(commands[0]);

/* Spoils one word of @arg, or its size, or its flags; mostly nothing. */
void mutate(unsigned char *arg, uint32_t size)
{
	static const uint32_t sizes[] = { 0, 4, 8, 4096, 4097, 0xffffffff };

	if (one_in(4)) {
		uint64_t value = edge();

		if (one_in(2))
			memcpy(arg + 4 * below(size / 4), &value, 4);
		else
			memcpy(arg + 8 * below(size / 8), &value, 8);
	}
	if (one_in(16))
		((uint32_t *)arg)[1] ^= 1U << below(32);
	if (one_in(8))
		*(uint32_t *)arg = one_in(2) ? size + 8 * below(4) - 8 : sizes[below(6)];
}

/* See fill_task(): what came to be a task's id by chance is changed. */
void spare_others(unsigned int cmd, void *arg)
{
	struct starling_agent_task *a = arg;

	if (cmd != STARLING_IOC_AGENT_JOIN || a->flags & STARLING_TASK_PIDFD || a->task <= 0)
		return;
	for (int i = 0; i < NKIDS; i++)
		if (kids[i] == a->task)
			return;
	a->task = -a->task;
}

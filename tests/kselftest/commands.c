// SPDX-License-Identifier: GPL-2.0-only
/* What holds for every command: sizes, flags, reserved fields, pointers. */
#define GROUP "commands"
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "harness.h"
#include "ring.h"
#include "util.h"

enum { ON_DEVICE = 1, ON_AGENT = 2 };

#define ROW(_cmd, _on, _struct, _out, _reserved, _pad) {			\
	.name = #_cmd, .cmd = STARLING_IOC_##_cmd, .on = (_on), .out = (_out),	\
	.size = sizeof(struct _struct), .reserved = (_reserved), .pad = (_pad),	\
}
#define RES(_struct) offsetof(struct _struct, __reserved)
#define PAD(_struct) offsetof(struct _struct, __pad)

static const struct row {
	const char *name;
	unsigned int cmd;
	int on;
	int out;		/* it is written back */
	size_t size;
	size_t reserved;	/* from there to the end; 0: none */
	size_t pad;		/* two or four bytes; 0: none */
} rows[] = {
	ROW(GET_INFO, ON_DEVICE | ON_AGENT, starling_info, 1, RES(starling_info), 0),
	ROW(AGENT_CREATE, ON_DEVICE | ON_AGENT, starling_agent_create, 0,
	    RES(starling_agent_create), 0),
	ROW(CONTROL_CLAIM, ON_DEVICE, starling_control, 0, RES(starling_control), 0),
	ROW(PUBLISH, ON_DEVICE, starling_publish, 1,
	    RES(starling_publish), PAD(starling_publish)),
	ROW(TASKS, ON_DEVICE | ON_AGENT, starling_list, 1, RES(starling_list), 0),
	ROW(AGENTS, ON_DEVICE, starling_list, 1, RES(starling_list), 0),
	ROW(AGENT_JOIN, ON_AGENT, starling_agent_task, 0,
	    RES(starling_agent_task), PAD(starling_agent_task)),
	ROW(AGENT_SET, ON_AGENT, starling_agent_set, 0, RES(starling_agent_set), 0),
	ROW(AGENT_STAT, ON_AGENT, starling_agent_stat, 1, 0, 0),
	ROW(TASK_STAT, ON_AGENT, starling_task_stat, 1, 0, PAD(starling_task_stat)),
	ROW(TASK_SET_ROLE, ON_AGENT, starling_task_role, 0,
	    RES(starling_task_role), PAD(starling_task_role)),
	ROW(LEASE_ACQUIRE, ON_AGENT, starling_lease_acquire, 1,
	    RES(starling_lease_acquire), PAD(starling_lease_acquire)),
	ROW(LEASE_RELEASE, ON_AGENT, starling_lease_id, 0, RES(starling_lease_id), 0),
	ROW(LEASE_PARK, ON_AGENT, starling_lease_id, 0, RES(starling_lease_id), 0),
	/* There is none to be unparked: never written back here. */
	ROW(LEASE_UNPARK, ON_AGENT, starling_lease_unpark, 0, RES(starling_lease_unpark), 0),
	ROW(LEASE_CANCEL, ON_AGENT, starling_lease_cancel, 0, RES(starling_lease_cancel), 0),
	ROW(LEASE_STAT, ON_DEVICE | ON_AGENT, starling_lease_stat, 1,
	    RES(starling_lease_stat), PAD(starling_lease_stat)),
	ROW(LEASES, ON_DEVICE | ON_AGENT, starling_list, 1, RES(starling_list), 0),
	ROW(LEASE_POLICY, ON_DEVICE, starling_lease_policy, 0, RES(starling_lease_policy), 0),
	ROW(AGENT_LEAVE, ON_AGENT, starling_agent_task, 0,
	    RES(starling_agent_task), PAD(starling_agent_task)),
	ROW(EVENT_MASK, ON_AGENT, starling_event_mask, 0,
	    RES(starling_event_mask), PAD(starling_event_mask)),
	ROW(EVENT_NEXT, ON_AGENT, starling_event_next, 1, RES(starling_event_next), 0),
};

#define NROWS	(sizeof(rows) / sizeof(rows[0]))
#define ROOM	8192

/* How a command is given: the result must be the same. */
static int (*give)(int fd, unsigned int cmd, void *arg) = call;

struct setup {
	int dev;
	int agent;
	unsigned char *arg;
};

static void set_up(struct setup *s)
{
	s->dev = device();
	s->agent = agent("commands");
	EQ(claim(s->dev), 0);
	EQ(join(s->agent, 0, 0), 0);
	EQ(event_mask(s->agent, 1U << STARLING_EVENT_ROLE), 0);
	s->arg = calloc(1, ROOM);
	CHECK(s->arg);
}

/* An argument that works: only lists and PUBLISH need more than zeros. */
static void fill(const struct row *r, unsigned char *arg, uint32_t size)
{
	memset(arg, 0, ROOM);
	if (r->cmd == STARLING_IOC_TASKS || r->cmd == STARLING_IOC_AGENTS ||
	    r->cmd == STARLING_IOC_LEASES)
		((struct starling_list *)arg)->record_size = 512;
	if (r->cmd == STARLING_IOC_PUBLISH)
		((struct starling_publish *)arg)->record_size = 512;
	if (r->cmd == STARLING_IOC_EVENT_MASK)
		((struct starling_event_mask *)arg)->mask = 1U << STARLING_EVENT_ROLE;
	if (r->cmd == STARLING_IOC_EVENT_NEXT)
		((struct starling_event_next *)arg)->flags = STARLING_EVENT_NOWAIT;
	*(uint32_t *)arg = size;
}

static int do_row(const struct setup *s, const struct row *r, void *arg)
{
	int ret;

	/* There is always one to take. */
	if (r->cmd == STARLING_IOC_EVENT_NEXT) {
		EQ(set_role(s->agent, 0, STARLING_ROLE_TOOL), 0);
		EQ(set_role(s->agent, 0, STARLING_ROLE_NONE), 0);
	}
	ret = give(r->on & ON_AGENT ? s->agent : s->dev, r->cmd, arg);
	if (r->cmd == STARLING_IOC_AGENT_CREATE && ret >= 0) {
		close(ret);
		ret = 0;
	}
	if (r->cmd == STARLING_IOC_AGENT_LEAVE && !ret)
		EQ(join(s->agent, 0, 0), 0);
	if (r->cmd == STARLING_IOC_LEASE_ACQUIRE && !ret)
		EQ(release(s->agent, ((struct starling_lease_acquire *)arg)->out_lease), 0);
	/* As far as these get without a lease. */
	if (r->cmd >= STARLING_IOC_LEASE_RELEASE && r->cmd <= STARLING_IOC_LEASE_CANCEL &&
	    ret == -ENOENT)
		ret = 0;
	return ret;
}

static void expect(const struct setup *s, const struct row *r, int want, const char *what)
{
	int got = do_row(s, r, s->arg);

	if (got != want)
		FAIL("%s with %s: %d, not %d", r->name, what, got, want);
}

#define EACH_WAY(_name)								\
	static void _name##_holds(void);					\
	TEST(_name) { _name##_holds(); }					\
	TEST(_name##_by_uring) { give = call_uring; _name##_holds(); }		\
	TEST(_name##_by_uring_worker) { give = call_uring_by_worker; _name##_holds(); } \
	static void _name##_holds(void)

EACH_WAY(sizes)
{
	struct setup s;

	set_up(&s);
	for (const struct row *r = rows; r < rows + NROWS; r++) {
		fill(r, s.arg, r->size);
		expect(&s, r, 0, "its size");
		fill(r, s.arg, 0);
		expect(&s, r, -EINVAL, "size 0");
		fill(r, s.arg, r->size - 1);
		expect(&s, r, -EINVAL, "size - 1");
		fill(r, s.arg, r->size + 1);
		expect(&s, r, 0, "size + 1, zero");
		fill(r, s.arg, 4096);
		expect(&s, r, 0, "size 4096, zero");
		fill(r, s.arg, r->size + 1);
		s.arg[r->size] = 1;
		expect(&s, r, -E2BIG, "size + 1, not zero");
		fill(r, s.arg, 4097);
		expect(&s, r, -E2BIG, "size 4097");
	}
}

EACH_WAY(flags)
{
	struct setup s;
	uint32_t known;

	set_up(&s);
	for (const struct row *r = rows; r < rows + NROWS; r++) {
		known = 0;
		if (r->cmd == STARLING_IOC_AGENT_JOIN || r->cmd == STARLING_IOC_AGENT_LEAVE)
			known = STARLING_TASK_THREAD | STARLING_TASK_PIDFD;
		if (r->cmd == STARLING_IOC_AGENT_SET)
			known = STARLING_SET_WEIGHT | STARLING_SET_NAME | STARLING_SET_CLASS;
		if (r->cmd == STARLING_IOC_AGENT_STAT)
			known = STARLING_STAT_LIVE | STARLING_STAT_TREE;
		if (r->cmd == STARLING_IOC_LEASE_ACQUIRE)
			known = STARLING_LEASE_TRY;
		if (r->cmd == STARLING_IOC_LEASE_POLICY)
			known = 0x3f;
		if (r->cmd == STARLING_IOC_EVENT_NEXT)
			known = STARLING_EVENT_NOWAIT;
		for (int bit = 0; bit < 32; bit++) {
			if (known & 1U << bit)
				continue;
			fill(r, s.arg, r->size);
			((uint32_t *)s.arg)[1] = 1U << bit;
			expect(&s, r, -EINVAL, "an unknown flag");
		}
	}
}

EACH_WAY(reserved)
{
	struct setup s;
	size_t at;

	set_up(&s);
	for (const struct row *r = rows; r < rows + NROWS; r++) {
		for (at = r->reserved; at && at < r->size; at++) {
			fill(r, s.arg, r->size);
			s.arg[at] = 1;
			expect(&s, r, -EINVAL, "a reserved byte set");
		}
		for (at = r->pad; r->pad && at < r->pad + 2; at++) {
			fill(r, s.arg, r->size);
			s.arg[at] = 1;
			expect(&s, r, -EINVAL, "a padding byte set");
		}
	}
}

EACH_WAY(pointers)
{
	size_t page = page_size();
	unsigned char *ro, *at;
	struct setup s;

	set_up(&s);
	ro = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(ro != MAP_FAILED);
	for (const struct row *r = rows; r < rows + NROWS; r++) {
		EQ(do_row(&s, r, NULL), -EFAULT);
		/* The last byte is missing. */
		at = ro + page - r->size + 1;
		EQ(mprotect(ro, 2 * page, PROT_READ | PROT_WRITE), 0);
		fill(r, s.arg, r->size);
		memcpy(at, s.arg, r->size);
		EQ(mprotect(ro + page, page, PROT_NONE), 0);
		EQ(do_row(&s, r, at), -EFAULT);
		EQ(mprotect(ro, 2 * page, PROT_READ | PROT_WRITE), 0);
		fill(r, ro, r->size);
		EQ(mprotect(ro, 2 * page, PROT_READ), 0);
		EQ(do_row(&s, r, ro), r->out ? -EFAULT : 0);
	}
}

EACH_WAY(where)
{
	struct setup s;

	set_up(&s);
	for (const struct row *r = rows; r < rows + NROWS; r++) {
		fill(r, s.arg, r->size);
		if (!(r->on & ON_DEVICE))
			EQ(give(s.dev, r->cmd, s.arg), -ENOTTY);
		if (!(r->on & ON_AGENT))
			EQ(give(s.agent, r->cmd, s.arg), -ENOTTY);
	}
	for (int nr = 0; nr < 256; nr++) {
		if (nr <= 0x05 || (nr >= 0x10 && nr <= 0x15) ||
		    (nr >= 0x20 && nr <= 0x27) || nr == 0x30 || nr == 0x31)
			continue;
		EQ(give(s.dev, _IO(STARLING_IOC, nr), s.arg), -ENOTTY);
		EQ(give(s.agent, _IO(STARLING_IOC, nr), s.arg), -ENOTTY);
	}
}

TEST(untouched_on_failure)
{
	struct starling_info info;
	int dev = device();

	memset(&info, 0xcc, sizeof(info));
	info.size = sizeof(info);
	info.flags = 0;
	EQ(call(dev, STARLING_IOC_GET_INFO, &info), -EINVAL);
	EQ(info.out_abi_version, 0xcccccccc);
	memset(info.__reserved, 0, sizeof(info.__reserved));
	EQ(call(dev, STARLING_IOC_GET_INFO, &info), 0);
	EQ(info.size, sizeof(info));
	EQ(info.out_abi_version, STARLING_ABI_VERSION);
	EQ(info.out_task_record_size, sizeof(struct starling_task_record));
	EQ(info.out_agent_record_size, sizeof(struct starling_agent_record));
	CHECK(info.out_features & STARLING_FEATURE_LEASES);
	EQ(info.out_features & STARLING_FEATURE_EVENTS, STARLING_FEATURE_EVENTS);
	EQ(info.out_features & STARLING_FEATURE_URING, STARLING_FEATURE_URING);
	EQ(info.out_features & STARLING_FEATURE_TREE, STARLING_FEATURE_TREE);
	EQ(info.out_max_tasks, get_param("max_tasks"));
	EQ(info.out_max_agents, get_param("max_agents"));
	EQ(info.out_max_user_agents, get_param("max_user_agents"));
	GE(info.out_map_size, sizeof(struct starling_page));
	GE(info.out_nslots, 1);
	GE(info.out_sample_ns, 1);
}

/* Offsets are the ABI: a program built yesterday has them. */
TEST(layout)
{
	EQ(sizeof(struct starling_task_record), 248);
	EQ(offsetof(struct starling_task_record, valid), 200);
	EQ(offsetof(struct starling_task_record, source), 216);
	EQ(offsetof(struct starling_task_record, comm), 232);
	EQ(sizeof(struct starling_agent_record), 296);
	EQ(offsetof(struct starling_agent_record, run_ns), 48);
	EQ(offsetof(struct starling_agent_record, name), 240);
	EQ(offsetof(struct starling_agent_record, parent_id), 272);
	EQ(sizeof(struct starling_event), 64);
	EQ(sizeof(struct starling_lease_record), 88);
	EQ(sizeof(struct starling_info), 96);
	EQ(sizeof(struct starling_agent_create), 80);
	EQ(sizeof(struct starling_control), 24);
	EQ(sizeof(struct starling_list), 56);
	EQ(sizeof(struct starling_publish), 48);
	EQ(sizeof(struct starling_agent_task), 32);
	EQ(sizeof(struct starling_agent_set), 64);
	EQ(sizeof(struct starling_agent_stat), 304);
	EQ(sizeof(struct starling_task_stat), 264);
	EQ(sizeof(struct starling_task_role), 32);
	EQ(sizeof(struct starling_page), 352);
	EQ(offsetof(struct starling_page, agent), 56);
	EQ(offsetof(struct starling_slot, task), 8);
}

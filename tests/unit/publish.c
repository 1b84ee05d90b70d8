// SPDX-License-Identifier: GPL-2.0-only
/* What a module that is older than the daemon is told of tasks. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "tests/unit/unit.h"

#define ioctl fake_ioctl
static int fake_ioctl(int fd, unsigned long cmd, void *arg);
#include "daemon/sense/kmod.c"

enum { MANY = 5 };

static struct {
	uint16_t roles;		/* that it knows, from 0 on */
	bool broken;
	unsigned int calls;
	unsigned int said;
	uint16_t role[MANY];	/* of the last call */
} module;

void log_line(int priority, const char *fmt, ...)
{
	(void)priority;
	module.said += !!strstr(fmt, "load it again");
}

/* As the module does: one by one, up to the first that is not right. */
static int fake_ioctl(int fd, unsigned long cmd, void *arg)
{
	struct starling_publish *p = arg;
	const struct starling_task_record *rec = (const void *)(uintptr_t)p->records;

	(void)fd;
	assert_true(cmd == STARLING_IOC_PUBLISH);
	module.calls++;
	p->out_applied = 0;
	memset(module.role, 0xff, sizeof(module.role));
	for (uint32_t i = 0; i < p->count; i++) {
		if (module.broken || rec[i].role >= module.roles) {
			errno = EINVAL;
			return -1;
		}
		module.role[i] = rec[i].role;
		p->out_applied++;
	}
	return 0;
}

static ssize_t tell(struct kmod *k, uint16_t middle)
{
	struct starling_task_record rec[MANY] = { 0 };

	for (int i = 0; i < MANY; i++) {
		rec[i].tid = i + 1;
		rec[i].role = i == 2 ? middle : STARLING_ROLE_TOOL;
	}
	module.calls = 0;
	return kmod_publish(k, rec, MANY);
}

static void done(struct kmod *k)
{
	free(k->out.rec);
	memset(&module, 0, sizeof(module));
}

static void one_that_knows_all(void **x)
{
	struct kmod k = { 0 };

	module.roles = __STARLING_ROLE_MAX;
	assert_int_equal(tell(&k, STARLING_ROLE_INFERENCE), MANY);
	assert_int_equal(module.calls, 1);
	assert_int_equal(module.role[2], STARLING_ROLE_INFERENCE);
	assert_int_equal(module.said, 0);
	done(&k);
	(void)x;
}

/* All that comes after such a record is told, too; what works is found once. */
static void one_from_before_a_role(void **x)
{
	struct kmod k = { 0 };

	module.roles = STARLING_ROLE_BACKGROUND + 1;
	assert_int_equal(tell(&k, STARLING_ROLE_BACKGROUND), MANY);
	assert_int_equal(module.calls, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tell(&k, STARLING_ROLE_INFERENCE), MANY);
		assert_int_equal(module.calls, i ? 1 : 2);
		assert_int_equal(module.role[2], STARLING_ROLE_NONE);
		assert_int_equal(module.role[4], STARLING_ROLE_TOOL);
	}
	assert_int_equal(module.said, 1);
	done(&k);
	(void)x;
}

/* Roles are not to blame for everything. */
static void one_that_refuses_all(void **x)
{
	struct kmod k = { 0 };

	module.roles = __STARLING_ROLE_MAX;
	module.broken = true;
	assert_int_equal(tell(&k, STARLING_ROLE_TOOL), -EINVAL);
	assert_int_equal(module.calls, 1);
	assert_int_equal(tell(&k, STARLING_ROLE_INFERENCE), -EINVAL);
	module.broken = false;
	assert_int_equal(tell(&k, STARLING_ROLE_INFERENCE), MANY);
	assert_int_equal(module.role[2], STARLING_ROLE_INFERENCE);
	assert_int_equal(module.said, 0);
	done(&k);
	(void)x;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_knows_all),
		cmocka_unit_test(one_from_before_a_role),
		cmocka_unit_test(one_that_refuses_all),
	};

	return unit_run(tests);
}

// SPDX-License-Identifier: GPL-2.0-only
/* What placers say that they cannot do. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tests/unit/unit.h"
#include "daemon/place/cgfs.h"
#include "daemon/place/rung.h"

static bool says(const char *name, const char *part)
{
	const char *lack[RUNG_LACKS_MAX];
	size_t n = rung_lacks(name, lack);

	for (size_t i = 0; i < n; i++)
		if (strstr(lack[i], part))
			return true;
	return false;
}

static void each_has_its_own(void **x)
{
	const char *lack[RUNG_LACKS_MAX];

	for (int i = 0; rung_names[i]; i++)
		assert_in_range(rung_lacks(rung_names[i], lack), 1, RUNG_LACKS_MAX);
	assert_int_equal(rung_lacks("magic", lack), 0);
	assert_true(says("task", "weights have no effect"));
	assert_true(says("task", "a feeder that yields can lose"));
	assert_true(says("task", "binds itself"));
	assert_false(says("cgroup", "binds itself"));
	assert_false(says("sched_ext", "weights"));
	assert_false(says("sched_ext", "a feeder that yields"));
	assert_true(says("sched_ext", "cpu.idle"));
	assert_true(says("sched_ext_partial", "that nobody else wants"));
	assert_false(says("sched_ext", "that nobody else wants"));
	(void)x;
}

/* "only some count" says nothing new where none does */
static void a_part_goes_without_saying(void **x)
{
	assert_true(says("cgroup", "own cgroups only"));
	assert_false(says("task", "own cgroups only"));
	(void)x;
}

static void the_machine_is_asked(void **x)
{
	char word[8] = "0";

	cgfs_read("/proc/sys/kernel", "sched_autogroup_enabled", word, sizeof(word));
	assert_int_equal(says("task", "sched_autogroup_enabled"), word[0] == '1');
	assert_false(says("sched_ext", "sched_autogroup_enabled"));
	(void)x;
}

/* Last: the capability does not come back. */
static void so_is_this_process(void **x)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (!geteuid())
		assert_false(says("task", "CAP_SYS_NICE"));
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
	assert_true(says("task", "CAP_SYS_NICE"));
	assert_true(says("cgroup", "CAP_SYS_NICE"));
	assert_false(says("task", "between sessions"));
	assert_false(says("sched_ext", "CAP_SYS_NICE"));
	(void)x;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_own),
		cmocka_unit_test(a_part_goes_without_saying),
		cmocka_unit_test(the_machine_is_asked),
		cmocka_unit_test(so_is_this_process),
	};

	return unit_run(tests);
}

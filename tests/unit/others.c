// SPDX-License-Identifier: GPL-2.0-only
/* Who else is found, in a machine that is made of files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "tests/unit/unit.h"
#include "daemon/others.h"

static char dir[64];
static struct other_found found[OTHERS_MAX];

static void put(const char *name, const char *text)
{
	char path[512], *slash;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (slash = strchr(path + strlen(dir) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", text);
	fclose(f);
}

static int set_up(void **x)
{
	snprintf(dir, sizeof(dir), "/tmp/starling-unit-XXXXXX");
	assert_non_null(mkdtemp(dir));
	put("proc/1/comm", "systemd");
	put("proc/cmdline", "quiet root=/dev/sda1 noisolcpus=1");
	put("sys/fs/cgroup/cgroup.controllers", "cpu cpuset");
	put("sys/fs/cgroup/user.slice/cpu.weight", "100");
	put("sys/fs/cgroup/user.slice/cpuset.cpus", "");
	put("sys/fs/cgroup/starling/cpuset.cpus", "0-3");
	(void)x;
	return 0;
}

static int tear_down(void **x)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	(void)x;
	return system(command);
}

static const char *detail(const char *name)
{
	size_t n = others_find(dir, found);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(found[i].other->name, name))
			return found[i].detail;
	return NULL;
}

static void nobody(void **x)
{
	assert_int_equal(others_find(dir, found), 0);
	assert_false(others_run(dir, "irqbalance"));
	(void)x;
}

static void nothing_at_all(void **x)
{
	assert_int_equal(others_find("/nowhere", found), 0);
	(void)x;
}

static void processes(void **x)
{
	put("proc/20/comm", "irqbalance");
	put("proc/21/comm", "system76-schedu");
	put("proc/22/comm", "ananicy-cpp");
	put("proc/23/comm", "tuned-gui");
	put("proc/24/comm", "slurmd");
	assert_string_equal(detail("irqbalance"), "runs");
	assert_true(others_run(dir, "irqbalance"));
	assert_non_null(detail("system76-scheduler"));
	assert_non_null(detail("ananicy-cpp"));
	assert_null(detail("ananicy"));
	assert_null(detail("tuned"));
	assert_non_null(detail("slurm"));
	assert_int_equal(others_find(dir, found), 4);
	(void)x;
}

static void another_scheduler(void **x)
{
	put("sys/kernel/sched_ext/root/ops", "starling");
	assert_null(detail("other_sched_ext"));
	put("sys/kernel/sched_ext/root/ops", "bpfland_1.0");
	assert_string_equal(detail("other_sched_ext"), "bpfland_1.0");
	(void)x;
}

static void words_at_boot(void **x)
{
	put("proc/cmdline", "isolcpus=managed_irq,domain,3 nohz_full=2-3 quiet");
	assert_string_equal(detail("isolcpus"), "managed_irq,domain,3");
	assert_string_equal(detail("nohz_full"), "2-3");
	assert_null(detail("irqaffinity"));
	(void)x;
}

static void groups(void **x)
{
	put("sys/fs/cgroup/user.slice/cpu.weight", "1000");
	put("sys/fs/cgroup/system.slice/work.service/cpuset.cpus", "0-1");
	put("sys/fs/cgroup/system.slice/slurmstepd.scope/job_1/cpu.weight", "100");
	put("sys/fs/cgroup/system.slice/docker-0123.scope/cpu.weight", "100");
	assert_string_equal(detail("group_weight"), "user.slice 1000");
	assert_string_equal(detail("group_cpus"), "work.service 0-1");
	assert_non_null(detail("slurm_steps"));
	assert_string_equal(detail("docker"), "docker-0123.scope");
	(void)x;
}

/* In version 1 every group has CPUs of its own: that says nothing. */
static void groups_of_version_1(void **x)
{
	char path[128];

	put("sys/fs/cgroup/cpuset/user/cpuset.cpus", "0-3");
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/cgroup.controllers", dir);
	assert_int_equal(remove(path), 0);
	assert_null(detail("group_cpus"));
	(void)x;
}

static void whose_group(void **x)
{
	assert_true(others_own_group("/sys/fs/cgroup/system.slice/slurmstepd.scope/job_7"));
	assert_true(others_own_group("/sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice"));
	assert_true(others_own_group("/sys/fs/cgroup/docker/0123"));
	assert_false(others_own_group("/sys/fs/cgroup/user.slice/user-0.slice"));
	assert_false(others_own_group("/sys/fs/cgroup"));
	assert_false(others_own_group("/sys/fs/cgroup/user.slice/my-docker.scope"));
	(void)x;
}

#define with_dir(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_dir(nobody),
		with_dir(nothing_at_all),
		with_dir(processes),
		with_dir(another_scheduler),
		with_dir(words_at_boot),
		with_dir(groups),
		with_dir(groups_of_version_1),
		with_dir(whose_group),
	};

	return unit_run(tests);
}

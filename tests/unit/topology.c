// SPDX-License-Identifier: GPL-2.0-only
/* CPU lists as text, and machines read from dumps of /sys. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/unit/unit.h"
#include "daemon/topology-layout.h"
#include "daemon/policy/policy.h"
#include "daemon/policy/protect.h"

static char top[] = "/tmp/starling-topo-XXXXXX";
static char root[64];	/* the dump that was loaded last */

static void run(const char *fmt, const char *a, const char *b)
{
	char line[512];

	snprintf(line, sizeof(line), fmt, a, b);
	assert_int_equal(system(line), 0);
}

/* A dump is made once: these are hundreds of files. */
static struct topology load(const char *machine)
{
	struct topology t;

	snprintf(root, sizeof(root), "%s/%s", top, machine);
	if (access(root, F_OK))
		run("tests/fixtures/make %s %s", machine, root);
	assert_int_equal(topology_load(&t, root), 0);
	return t;
}

/* The one loaded last was changed. */
static void spoilt(void)
{
	run("rm -r %s%s", root, "");
}

static char *cpus_of(const struct topology *t, bool big)
{
	static char buf[256];
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned int i = 0; i < t->ncpu; i++)
		if (t->cpu[i].big == big)
			CPU_SET(t->cpu[i].id, &set);
	return cpuset_format(&set, buf, sizeof(buf));
}

static void text_round_trips(void **x)
{
	static const char *const text[] = {
		"", "0", "0-1", "0-3,7", "1,3,5,7-9,1023", "0-1023", "63-64",
	};
	char buf[256];
	cpu_set_t set;

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		assert_int_equal(cpuset_parse(text[i], &set), 0);
		assert_string_equal(cpuset_format(&set, buf, sizeof(buf)), text[i]);
	}
	assert_int_equal(cpuset_parse(" 3,1,2\n", &set), 0);
	assert_string_equal(cpuset_format(&set, buf, sizeof(buf)), "1-3");
	(void)x;
}

static void text_that_is_no_list(void **x)
{
	static const char *const text[] = {
		"x", "-1", "1-", "3-1", "1,", ",1", "1,,2", "1 2", "1024", "0-1024",
		"99999999999999999999", "1-2-3", "0x1", "1;", "+1",
	};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(5, &set);
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		assert_int_equal(cpuset_parse(text[i], &set), -EINVAL);
	assert_int_equal(CPU_COUNT(&set), 1);	/* left as it was */
	(void)x;
}

static void text_that_does_not_fit(void **x)
{
	char buf[8], none[1];
	cpu_set_t set;

	assert_int_equal(cpuset_parse("0-3,10-13,20", &set), 0);
	assert_string_equal(cpuset_format(&set, buf, sizeof(buf)), "0-3");
	assert_string_equal(cpuset_format(&set, none, sizeof(none)), "");
	(void)x;
}

/* Any list at all survives; the seed is fixed. */
static void random_lists(void **x)
{
	char buf[8192];
	cpu_set_t a, b;

	srandom(1);
	for (int i = 0; i < 2000; i++) {
		CPU_ZERO(&a);
		for (long n = random() % 100; n; n--)
			CPU_SET(random() % CPU_SETSIZE, &a);
		cpuset_format(&a, buf, sizeof(buf));
		assert_int_equal(cpuset_parse(buf, &b), 0);
		assert_true(CPU_EQUAL(&a, &b));
	}
	(void)x;
}

static void gb10(void **x)
{
	struct topology t = load("gb10");

	assert_int_equal(t.ncpu, 20);
	assert_true(t.asymmetric);
	assert_string_equal(cpus_of(&t, true), "5-9,15-19");
	assert_string_equal(cpus_of(&t, false), "0-4,10-14");
	for (unsigned int i = 0; i < t.ncpu; i++) {
		assert_int_equal(t.cpu[i].core, i);
		assert_int_equal(t.cpu[i].llc, i / 10);
		assert_int_equal(t.cpu[i].node, 0);
	}
	assert_int_equal(t.cpu[0].capacity, 718);
	assert_int_equal(t.cpu[19].capacity, 1024);
	topology_free(&t);
	(void)x;
}

static void some_cpus_are_offline(void **x)
{
	struct topology t = load("gb10-offline");
	char buf[64];

	assert_int_equal(t.ncpu, 16);
	assert_string_equal(cpuset_format(&t.all, buf, sizeof(buf)), "0-3,6-17");
	assert_int_equal(t.cpu[4].id, 6);
	assert_true(t.cpu[4].big);
	topology_free(&t);
	(void)x;
}

static void hybrid(void **x)
{
	struct topology t = load("hybrid");

	assert_int_equal(t.ncpu, 16);
	assert_true(t.asymmetric);
	assert_string_equal(cpus_of(&t, true), "0-11");
	assert_int_equal(t.cpu[0].core, t.cpu[1].core);
	assert_int_equal(t.cpu[11].core, 5);
	assert_int_equal(t.cpu[12].core, 6);
	assert_int_equal(t.cpu[15].core, 9);
	assert_int_equal(t.cpu[0].llc, t.cpu[15].llc);
	assert_int_equal(protect_ceiling(&t, 10), 1);
	topology_free(&t);
	(void)x;
}

static void boost_bins_are_one_kind(void **x)
{
	struct topology t = load("boost");

	assert_false(t.asymmetric);
	assert_string_equal(cpus_of(&t, true), "0-7");
	assert_int_equal(t.cpu[3].llc, 0);
	assert_int_equal(t.cpu[4].llc, 1);
	topology_free(&t);
	(void)x;
}

static void a_machine_that_tells_nothing(void **x)
{
	struct topology t = load("plain");

	assert_int_equal(t.ncpu, 4);
	assert_false(t.asymmetric);
	for (unsigned int i = 0; i < t.ncpu; i++) {
		assert_int_equal(t.cpu[i].core, i);
		assert_int_equal(t.cpu[i].llc, 0);
		assert_int_equal(t.cpu[i].capacity, 1024);
	}
	topology_free(&t);
	(void)x;
}

/* The capacities of dense cores and of those outside the cache are guessed. */
static void slow_cores_by_clock_and_list(void **x)
{
	struct topology t = load("strix");

	assert_string_equal(cpus_of(&t, true), "0-3,12-15");
	topology_free(&t);
	t = load("hybrid-lp");
	assert_string_equal(cpus_of(&t, true), "0-5");
	assert_int_equal(t.cpu[0].llc_kib, 24 * 1024);
	assert_int_equal(t.cpu[15].llc_kib, 2 * 1024);
	assert_int_not_equal(t.cpu[13].llc, t.cpu[14].llc);
	topology_free(&t);
	/* without clocks the lists alone tell */
	run("rm -r %s%s", root, "/sys/devices/system/cpu/cpu*/cpufreq");
	assert_int_equal(topology_load(&t, root), 0);
	assert_string_equal(cpus_of(&t, true), "0-5");
	topology_free(&t);
	spoilt();
	t = load("x3d");
	assert_false(t.asymmetric);
	assert_true(t.cpu[0].capacity < t.cpu[8].capacity);
	assert_true(t.cpu[0].llc_kib > t.cpu[8].llc_kib);
	topology_free(&t);
	(void)x;
}

static void a_restricted_cpuset(void **x)
{
	struct topology t = load("gb10-part");
	char buf[64];

	assert_string_equal(cpuset_format(&t.all, buf, sizeof(buf)), "0-9");
	assert_int_equal(t.ncpu, 10);
	assert_string_equal(cpus_of(&t, true), "5-9");
	topology_free(&t);
	/* a status that says nothing restricts nothing */
	run("echo Name: x >%s%s", root, "/proc/1/status");
	assert_int_equal(topology_load(&t, root), 0);
	assert_int_equal(t.ncpu, 20);
	topology_free(&t);
	spoilt();
	(void)x;
}

static void heat(void **x)
{
	struct topology t = load("gb10-hot");

	for (unsigned int i = 0; i < t.ncpu; i++)
		assert_int_equal(t.cpu[i].hot, i >= 15);
	assert_true(t.cpu[19].big);
	assert_int_equal(t.cpu[19].capacity, 1024);
	/* 80 % is not cool yet, for one that was hot; for others it is no heat */
	run("echo 3120000 >%s%s", root, "/sys/devices/system/cpu/cpu19/cpufreq/scaling_max_freq");
	run("echo 2246400 >%s%s", root, "/sys/devices/system/cpu/cpu14/cpufreq/scaling_max_freq");
	assert_false(topology_read_heat(&t, root));
	assert_true(t.cpu[19].hot);
	run("echo 3900000 >%s%s", root, "/sys/devices/system/cpu/cpu19/cpufreq/scaling_max_freq");
	assert_true(topology_read_heat(&t, root));
	assert_false(t.cpu[19].hot);
	topology_free(&t);
	spoilt();
	(void)x;
}

static void the_node_of_the_gpu(void **x)
{
	struct topology t = load("epyc");
	char buf[64];

	assert_string_equal(cpuset_format(&t.near_gpu, buf, sizeof(buf)), "0-15,32-47");
	assert_int_equal(t.cpu[15].node, 0);
	assert_int_equal(t.cpu[16].node, 1);
	assert_int_equal(t.cpu[63].node, 1);
	topology_free(&t);
	/* a GPU in each node: no difference */
	run("sed -i s/0x1a03/0x10de/ %s%s", root, "/sys/bus/pci/devices/0000:c4:00.0/vendor");
	assert_int_equal(topology_load(&t, root), 0);
	assert_int_equal(CPU_COUNT(&t.near_gpu), 0);
	topology_free(&t);
	spoilt();
	(void)x;
}

static void nodes_without_cpus(void **x)
{
	struct topology t = load("gh200");

	assert_int_equal(t.ncpu, 72);
	for (unsigned int i = 0; i < t.ncpu; i++)
		assert_int_equal(t.cpu[i].node, 0);
	assert_int_equal(CPU_COUNT(&t.near_gpu), 0);
	topology_free(&t);
	(void)x;
}

/* What protect_choose() takes, one core more each time. */
static void chosen(const char *machine, const char *const *want)
{
	struct topology t = load(machine);
	cpu_set_t none, set;
	char buf[256];

	CPU_ZERO(&none);
	for (unsigned int n = 1; want[n - 1]; n++) {
		protect_choose(&t, n, &none, &set);
		assert_string_equal(cpuset_format(&set, buf, sizeof(buf)), want[n - 1]);
	}
	topology_free(&t);
}

static void cores_are_chosen_in_order(void **x)
{
	/* fast and the larger cache; fast and the other one; then slow ones */
	chosen("gb10", (const char *[]){ "19", "18-19", "17-19", "16-19", "15-19", "9,15-19",
		"8-9,15-19", "7-9,15-19", "6-9,15-19", "5-9,15-19", "5-9,14-19", NULL });
	chosen("gb10-hot", (const char *[]){ "9", "8-9", NULL });
	chosen("gb10-offline", (const char *[]){ "17", "16-17", "15-17", "9,15-17", NULL });
	chosen("gb10-part", (const char *[]){ "9", NULL });
	chosen("x86", (const char *[]){ "9,19", "8-9,18-19", NULL });
	chosen("hybrid", (const char *[]){ "10-11", "8-11", NULL });
	chosen("hybrid-lp", (const char *[]){ "5", "4-5", NULL });
	chosen("x3d", (const char *[]){ "7,23", "6-7,22-23", NULL });
	chosen("strix", (const char *[]){ "3,15", "2-3,14-15", NULL });
	chosen("epyc", (const char *[]){ "15,47", "14-15,46-47", "13-15,45-47",
		"12-15,44-47", "11-15,43-47", NULL });
	chosen("orin", (const char *[]){ "5", "4-5", NULL });
	chosen("gh200", (const char *[]){ "71", "70-71", NULL });
	chosen("plain", (const char *[]){ "3", NULL });
	/* the same cache before more speed */
	chosen("boost", (const char *[]){ "4", "4-5", "4-6", "4-7", "1,4-7", NULL });
	(void)x;
}

/* Also when it is the fastest. */
static void the_first_core_is_the_last_choice(void **x)
{
	struct topology t = load("plain");
	cpu_set_t none, set;

	t.cpu[1].capacity = t.cpu[2].capacity = t.cpu[3].capacity = 1000;
	CPU_ZERO(&none);
	protect_choose(&t, 1, &none, &set);
	assert_false(CPU_ISSET(0, &set));
	/* but before a slower kind */
	t.cpu[1].big = t.cpu[2].big = t.cpu[3].big = false;
	protect_choose(&t, 1, &none, &set);
	assert_true(CPU_ISSET(0, &set));
	topology_free(&t);
	(void)x;
}

static void no_dump(void **x)
{
	struct topology t;

	assert_int_equal(topology_load(&t, "/nonexistent"), -ENOENT);
	assert_int_equal(t.ncpu, 0);
	topology_free(&t);
	(void)x;
}

static void an_up_to_date_machine(void **x)
{
	struct topology t;
	unsigned int n;

	assert_int_equal(topology_load(&t, NULL), 0);
	n = t.ncpu;
	assert_int_equal(topology_refresh(&t, false), 0);
	/* as if a CPU had come since: all is read again */
	CPU_CLR(t.cpu[0].id, &t.all);
	assert_int_equal(topology_refresh(&t, false), 1);
	assert_int_equal(t.ncpu, n);
	assert_int_equal(CPU_COUNT(&t.all), n);
	topology_free(&t);
	(void)x;
}

/* Both sources tell the same about this machine. */
static void this_machine(void **x)
{
	struct topology live, files;
	cpu_set_t both;

	assert_int_equal(topology_load(&live, NULL), 0);
	assert_int_equal(topology_load(&files, "/"), 0);
	assert_true(live.ncpu > 0 && live.ncpu <= files.ncpu);
	CPU_AND(&both, &live.all, &files.all);
	assert_true(CPU_EQUAL(&both, &live.all));
	assert_int_equal(CPU_COUNT(&live.all), live.ncpu);
	for (unsigned int i = 0; live.ncpu == files.ncpu && i < live.ncpu; i++) {
		assert_int_equal(live.cpu[i].id, files.cpu[i].id);
		assert_int_equal(live.cpu[i].core, files.cpu[i].core);
		assert_int_equal(live.cpu[i].capacity, files.cpu[i].capacity);
		assert_int_equal(live.cpu[i].llc_kib, files.cpu[i].llc_kib);
	}
	topology_free(&live);
	topology_free(&files);
	(void)x;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_round_trips),
		cmocka_unit_test(text_that_is_no_list),
		cmocka_unit_test(text_that_does_not_fit),
		cmocka_unit_test(random_lists),
		cmocka_unit_test(gb10),
		cmocka_unit_test(some_cpus_are_offline),
		cmocka_unit_test(hybrid),
		cmocka_unit_test(boost_bins_are_one_kind),
		cmocka_unit_test(a_machine_that_tells_nothing),
		cmocka_unit_test(slow_cores_by_clock_and_list),
		cmocka_unit_test(a_restricted_cpuset),
		cmocka_unit_test(heat),
		cmocka_unit_test(the_node_of_the_gpu),
		cmocka_unit_test(nodes_without_cpus),
		cmocka_unit_test(cores_are_chosen_in_order),
		cmocka_unit_test(the_first_core_is_the_last_choice),
		cmocka_unit_test(no_dump),
		cmocka_unit_test(an_up_to_date_machine),
		cmocka_unit_test(this_machine),
	};
	int failed;

	if (!mkdtemp(top))
		return 1;
	failed = unit_run(tests);
	snprintf(root, sizeof(root), "%s", top);
	spoilt();
	return failed;
}

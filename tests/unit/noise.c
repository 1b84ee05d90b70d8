// SPDX-License-Identifier: GPL-2.0-only
/* Keeping noise off CPUs, in a machine that is made of files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/unit/unit.h"
#include "tests/unit/kid.h"
#include "daemon/place/journal.h"
#include "daemon/place/noise.h"
#include "daemon/topology.h"

enum { TEXT_LEN = 8192 };

static char *dir;
static struct journal *j;
static struct noise *n;
static uint64_t now = S;

/* -- the machine ------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3)))
static void put(const char *text, const char *fmt, ...)
{
	char path[512], *slash;
	va_list args;
	int len;
	FILE *f;

	len = snprintf(path, sizeof(path), "%s/", dir);
	va_start(args, fmt);
	vsnprintf(path + len, sizeof(path) - len, fmt, args);
	va_end(args);
	for (slash = strchr(path + len, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", text);
	fclose(f);
}

static char *get(const char *name)
{
	static char buf[4][256];
	static int turn;
	char path[512], *text = buf[turn++ % 4];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(buf[0]), f));
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

#define assert_text(name, text) assert_string_equal(get(name), text)

static void put_irq(unsigned int nr, const char *mask, const char *chip)
{
	put(mask, "proc/irq/%u/smp_affinity_list", nr);
	put(chip, "sys/kernel/irq/%u/chip_name", nr);
	put("0", "sys/kernel/irq/%u/hwirq", nr);
	put("something", "sys/kernel/irq/%u/actions", nr);
}

static void put_machine(void)
{
	char path[512];

	put("0-3", "sys/devices/system/cpu/online");
	put("f", "proc/irq/default_smp_affinity");
	put("f", "sys/devices/virtual/workqueue/cpumask");
	put("", "proc/2/task/2/children");
	put_irq(4, "0-3", "IO-APIC");
	put_irq(5, "3", "IO-APIC");
	put_irq(6, "0-3", "managed");
	put_irq(7, "0-2", "PCI 0000:00:01.0");
	put_irq(8, "2-3", "PCI 0000:00:02.0");
	put_irq(9, "0-3", "unused");
	put("", "sys/kernel/irq/9/actions");
	snprintf(path, sizeof(path), "%s/proc/irq/6/smp_affinity_list", dir);
	assert_int_equal(chmod(path, 0444), 0);
}

/* All masks in one text. */
static char *machine(char *out)
{
	static const char *const files[] = {
		"proc/irq/4/smp_affinity_list", "proc/irq/5/smp_affinity_list",
		"proc/irq/6/smp_affinity_list", "proc/irq/7/smp_affinity_list",
		"proc/irq/8/smp_affinity_list", "proc/irq/9/smp_affinity_list",
		"proc/irq/default_smp_affinity", "sys/devices/virtual/workqueue/cpumask",
	};
	size_t at = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		at += snprintf(out + at, TEXT_LEN - at, "%s %s\n", files[i], get(files[i]));
	return out;
}

/* -- set-up ------------------------------------------------------------------------ */

static void open_all(void)
{
	assert_int_equal(journal_open(&j, dir), 0);
	j->root = dir;
	n = noise_open(j);
	assert_non_null(n);
}

/* The daemon is killed; another one reads what it left. */
static void crash(void)
{
	noise_close(n);
	journal_close(j);
	open_all();
}

static int set_up(void **x)
{
	dir = dir_make();
	put_machine();
	open_all();
	(void)x;
	return 0;
}

static int tear_down(void **x)
{
	char command[256];

	noise_close(n);
	journal_close(j);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
	free(dir);
	(void)x;
	return 0;
}

/* One round some time later. */
static int round_in(uint64_t ns, const char *protected)
{
	cpu_set_t cpus;

	assert_int_equal(cpuset_parse(protected, &cpus), 0);
	now += ns;
	return noise_round(n, &cpus, now);
}

static int hold(const char *protected)
{
	round_in(S, protected);
	return round_in(11 * S, protected);
}

static unsigned int count(enum sysmask_kind kind, enum noise_state state)
{
	struct noise_count c;

	noise_count(n, &c);
	return c.nr[kind][state];
}

/* -- tests --------------------------------------------------------------------------- */

static void there_and_back(void **x)
{
	char before[TEXT_LEN], after[TEXT_LEN], text[512];

	machine(before);
	assert_int_equal(hold("3"), 4);
	assert_text("proc/irq/4/smp_affinity_list", "0-2");
	assert_text("proc/irq/8/smp_affinity_list", "2");
	assert_text("proc/irq/default_smp_affinity", "7");
	assert_text("sys/devices/virtual/workqueue/cpumask", "7");
	assert_int_equal(count(SYSMASK_IRQ, NOISE_HELD), 2);
	assert_int_equal(journal_count(j), 4);
	assert_string_equal(noise_text(n, text, sizeof(text)),
			    "kept off CPU 3: interrupts 2, kernel threads 0, work queues; "
			    "cannot be moved: 1; without another CPU: 1");
	assert_int_equal(hold(""), 4);
	assert_string_equal(machine(after), before);
	assert_int_equal(journal_count(j), 0);
	assert_int_equal(HASH_COUNT(j->mask), 0);
	assert_string_equal(noise_text(n, text, sizeof(text)), "nothing is kept off");
	(void)x;
}

/* What cannot be moved, or has nowhere to go, is as it was and counted. */
static void left_alone(void **x)
{
	hold("3");
	assert_text("proc/irq/5/smp_affinity_list", "3");
	assert_int_equal(count(SYSMASK_IRQ, NOISE_NO_ROOM), 1);
	assert_text("proc/irq/6/smp_affinity_list", "0-3");
	assert_int_equal(count(SYSMASK_IRQ, NOISE_FIXED), 1);
	assert_text("proc/irq/9/smp_affinity_list", "0-3");
	(void)x;
}

static void all_cpus_protected(void **x)
{
	char before[TEXT_LEN], after[TEXT_LEN];

	machine(before);
	assert_int_equal(hold("0-3"), 0);
	assert_string_equal(machine(after), before);
	(void)x;
}

static void short_phases_change_nothing(void **x)
{
	char before[TEXT_LEN], after[TEXT_LEN];

	machine(before);
	for (int i = 0; i < 100; i++)
		assert_int_equal(round_in(250 * MS, i & 2 ? "3" : ""), 0);
	assert_string_equal(machine(after), before);
	hold("3");
	machine(before);
	for (int i = 0; i < 100; i++)
		assert_int_equal(round_in(250 * MS, i & 16 ? "3" : ""), 0);
	assert_string_equal(machine(after), before);
	(void)x;
}

static void other_cpus(void **x)
{
	char before[TEXT_LEN], after[TEXT_LEN];

	machine(before);
	hold("3");
	hold("2");
	assert_text("proc/irq/4/smp_affinity_list", "0-1,3");
	assert_text("proc/irq/7/smp_affinity_list", "0-1");
	assert_text("proc/irq/8/smp_affinity_list", "3");
	assert_text("proc/irq/default_smp_affinity", "b");
	hold("2-3");
	assert_text("proc/irq/8/smp_affinity_list", "2-3");
	assert_true(noise_undo(n) > 0);
	assert_string_equal(machine(after), before);
	(void)x;
}

static void killed(void **x)
{
	char before[TEXT_LEN], after[TEXT_LEN];

	machine(before);
	hold("3");
	crash();
	assert_int_equal(j->bad_lines, 0);
	assert_int_equal(journal_count(j), 4);
	assert_int_equal(journal_undo(j), 0);	/* of tasks */
	assert_string_equal(machine(after), before);
	assert_int_equal(journal_count(j), 0);
	(void)x;
}

static void killed_between_two(void **x)
{
	char before[TEXT_LEN], after[TEXT_LEN];
	struct sysmask m;
	cpu_set_t next;

	machine(before);
	hold("3");
	assert_int_equal(sysmask_read(dir, "irq/4", &m), 0);
	assert_int_equal(cpuset_parse("0-1", &next), 0);
	journal_note_mask(j, &m, &journal_find_mask(j, "irq/4")->old, &next);
	assert_int_equal(journal_flush(j), 0);
	crash();
	journal_undo(j);
	assert_string_equal(machine(after), before);
	(void)x;
}

static void changed_by_others(void **x)
{
	char text[512];

	hold("3");
	put("1", "proc/irq/4/smp_affinity_list");
	round_in(11 * S, "3");
	assert_text("proc/irq/4/smp_affinity_list", "1");
	assert_int_equal(count(SYSMASK_IRQ, NOISE_FOREIGN), 1);
	assert_non_null(strstr(noise_text(n, text, sizeof(text)), "changed by others since: 1"));
	put("3", "sys/devices/virtual/workqueue/cpumask");
	assert_true(noise_undo(n) > 0);
	assert_text("proc/irq/4/smp_affinity_list", "1");
	assert_text("sys/devices/virtual/workqueue/cpumask", "3");
	assert_text("proc/irq/8/smp_affinity_list", "2-3");
	(void)x;
}

static void changed_by_others_before_the_undo(void **x)
{
	hold("3");
	put("1", "proc/irq/4/smp_affinity_list");
	crash();
	journal_undo(j);
	assert_text("proc/irq/4/smp_affinity_list", "1");
	assert_text("proc/irq/8/smp_affinity_list", "2-3");
	(void)x;
}

/* The number of an interrupt went to another device, which likes the same CPUs. */
static void number_used_again(void **x)
{
	hold("3");
	put_irq(8, "2", "PCI 0000:00:09.0");
	crash();
	journal_undo(j);
	assert_text("proc/irq/8/smp_affinity_list", "2");
	assert_text("proc/irq/4/smp_affinity_list", "0-3");
	(void)x;
}

static void gone(void **x)
{
	char command[512];

	hold("3");
	snprintf(command, sizeof(command), "rm -r %s/proc/irq/8", dir);
	assert_int_equal(system(command), 0);
	round_in(11 * S, "3");
	assert_null(journal_find_mask(j, "irq/8"));
	assert_int_equal(count(SYSMASK_IRQ, NOISE_HELD), 1);
	(void)x;
}

/* Born with the mask for new ones while that was ours, seen or not. */
static void born_meanwhile(void **x)
{
	hold("3");
	put_irq(20, "0-2", "new");
	round_in(11 * S, "3");
	put_irq(21, "0-2", "newer");
	assert_true(noise_undo(n) > 0);
	assert_text("proc/irq/20/smp_affinity_list", "0-3");
	assert_text("proc/irq/21/smp_affinity_list", "0-3");
	assert_text("proc/irq/7/smp_affinity_list", "0-2");	/* had that before */
	(void)x;
}

static void born_before_a_crash(void **x)
{
	hold("3");
	put_irq(21, "0-2", "newer");
	crash();
	journal_undo(j);
	assert_text("proc/irq/21/smp_affinity_list", "0-3");
	assert_text("proc/irq/7/smp_affinity_list", "0-2");
	(void)x;
}

static void born_before_the_last_look(void **x)
{
	hold("3");
	put_irq(21, "0-2", "newer");
	hold("");
	assert_text("proc/irq/21/smp_affinity_list", "0-3");
	assert_text("proc/irq/7/smp_affinity_list", "0-2");
	assert_int_equal(HASH_COUNT(j->mask), 0);
	(void)x;
}

/* The kernel had to choose other CPUs: what we took away is given back. */
static void last_cpu_goes_offline(void **x)
{
	hold("3");
	assert_text("proc/irq/8/smp_affinity_list", "2");
	put("0-1,3", "sys/devices/system/cpu/online");
	put("0-1,3", "proc/irq/8/smp_affinity_list");
	round_in(11 * S, "3");
	assert_text("proc/irq/8/smp_affinity_list", "2-3");
	put("0-3", "sys/devices/system/cpu/online");
	round_in(11 * S, "3");
	assert_text("proc/irq/8/smp_affinity_list", "2");
	assert_true(noise_undo(n) > 0);
	assert_text("proc/irq/8/smp_affinity_list", "2-3");
	(void)x;
}

static void many(void **x)
{
	for (unsigned int i = 100; i < 300; i++)
		put_irq(i, "0-3", "many");
	round_in(S, "3");
	assert_int_equal(round_in(S, "3"), 16);
	for (int i = 0; i < 12; i++)
		assert_true(round_in(250 * MS, "3"));
	assert_int_equal(round_in(250 * MS, "3"), 0);
	assert_int_equal(count(SYSMASK_IRQ, NOISE_HELD), 202);
	assert_text("proc/irq/299/smp_affinity_list", "0-2");
	noise_undo(n);
	assert_text("proc/irq/299/smp_affinity_list", "0-3");
	(void)x;
}

static void irqbalance_runs(void **x)
{
	char text[512];

	put("irqbalance", "proc/77/comm");
	hold("3");
	assert_text("proc/irq/4/smp_affinity_list", "0-3");
	assert_text("proc/irq/default_smp_affinity", "f");
	assert_text("sys/devices/virtual/workqueue/cpumask", "7");
	assert_string_equal(noise_left_to(n), "irqbalance");
	assert_non_null(strstr(noise_text(n, text, sizeof(text)), "are left to irqbalance"));
	(void)x;
}

static void journal_cannot_be_written(void **x)
{
	char before[TEXT_LEN], after[TEXT_LEN];
	int fd = j->fd;

	machine(before);
	j->fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(hold("3"), 0);
	close(j->fd);
	j->fd = fd;
	assert_string_equal(machine(after), before);
	assert_int_equal(round_in(11 * S, "3"), 4);
	assert_text("proc/irq/4/smp_affinity_list", "0-2");
	assert_true(noise_undo(n) > 0);
	assert_string_equal(machine(after), before);
	(void)x;
}

static void more_than_32_cpus(void **x)
{
	put("0-79", "sys/devices/system/cpu/online");
	put("ffff,ffffffff,ffffffff", "proc/irq/default_smp_affinity");
	put("1,00000000", "sys/devices/virtual/workqueue/cpumask");
	hold("32,70-79");
	assert_text("proc/irq/default_smp_affinity", "3f,fffffffe,ffffffff");
	assert_text("sys/devices/virtual/workqueue/cpumask", "1,00000000");
	noise_undo(n);
	assert_text("proc/irq/default_smp_affinity", "ffff,ffffffff,ffffffff");
	(void)x;
}

/* A process of ours in the part of a kernel thread; its mask is a real one. */
static void kernel_thread(void **x)
{
	struct kid kid = kid_start();
	cpu_set_t all = kid_attrs(kid.pid).mask, first, kid_now;
	char path[512], real[64], list[256], text[128];

	if (CPU_COUNT(&all) < 2) {
		kid_end(&kid);
		skip();
	}
	put(cpuset_format(&all, list, sizeof(list)), "sys/devices/system/cpu/online");
	snprintf(text, sizeof(text), "%d ", kid.pid);
	put(text, "proc/2/task/2/children");
	snprintf(text, sizeof(text), "%d (k thread) S 2 0 0 0 -1 %u 0 0 0 0 0 0 0 0 20 0 1 0 99",
		 kid.pid, 0x00200000);
	put(text, "proc/%d/stat", kid.pid);
	snprintf(real, sizeof(real), "/proc/%d/status", kid.pid);
	snprintf(path, sizeof(path), "%s/proc/%d/status", dir, kid.pid);
	assert_int_equal(symlink(real, path), 0);
	CPU_ZERO(&first);
	for (int cpu = 0; !CPU_COUNT(&first); cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &first);
	hold(cpuset_format(&first, list, sizeof(list)));
	kid_now = kid_attrs(kid.pid).mask;
	CPU_OR(&first, &first, &kid_now);
	assert_int_equal(CPU_COUNT(&kid_now), CPU_COUNT(&all) - 1);
	assert_true(CPU_EQUAL(&first, &all));
	assert_string_equal(noise_explain(n, kid.pid), "kept off protected CPUs");
	crash();
	journal_undo(j);
	kid_now = kid_attrs(kid.pid).mask;
	assert_true(CPU_EQUAL(&kid_now, &all));
	/* bound ones are none of our business */
	snprintf(text, sizeof(text), "%d (k thread) S 2 0 0 0 -1 %u 0 0 0 0 0 0 0 0 20 0 1 0 99",
		 kid.pid, 0x04200000);
	put(text, "proc/%d/stat", kid.pid);
	hold(list);
	kid_now = kid_attrs(kid.pid).mask;
	assert_true(CPU_EQUAL(&kid_now, &all));
	assert_null(noise_explain(n, kid.pid));
	kid_end(&kid);
	(void)x;
}

/* Its lines are kept, and its number goes: what wrote it would lose ours. */
static void file_of_version_1(void **x)
{
	char boot[JOURNAL_BOOT_ID_LEN], text[256];

	assert_int_equal(journal_boot_id(boot, sizeof(boot)), 0);
	snprintf(text, sizeof(text), "starling-journal 1 %s 1\nm 4711 99 /a /b", boot);
	put(text, "journal");
	crash();
	assert_int_equal(journal_count(j), 1);
	assert_non_null(strstr(get("journal"), "starling-journal 3 "));
	crash();
	assert_int_equal(journal_count(j), 1);
	(void)x;
}

static void bad_lines(void **x)
{
	char boot[JOURNAL_BOOT_ID_LEN], text[512];

	assert_int_equal(journal_boot_id(boot, sizeof(boot)), 0);
	snprintf(text, sizeof(text), "starling-journal 2 %s 1\nk\nk irq/4\nk irq/4 x 0-3\n"
		 "k irq/4 x 0-3 nothing\nk irq/4 x  0-3\nu\nku irq/4\n"
		 "k irq/4444444444444444444444444444444444444444444 x 0-3 1\n"
		 "k irq/../../4 - 1 0-3\nk kthread - 1 0-3\nu irq/17", boot);
	put(text, "journal");
	crash();
	assert_int_equal(j->bad_lines, 8);
	assert_int_equal(journal_undo(j), 0);	/* the last three are of nothing */
	assert_text("proc/irq/4/smp_affinity_list", "0-3");
	(void)x;
}

#define with_machine(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_machine(there_and_back),
		with_machine(left_alone),
		with_machine(all_cpus_protected),
		with_machine(short_phases_change_nothing),
		with_machine(other_cpus),
		with_machine(killed),
		with_machine(killed_between_two),
		with_machine(changed_by_others),
		with_machine(changed_by_others_before_the_undo),
		with_machine(number_used_again),
		with_machine(gone),
		with_machine(born_meanwhile),
		with_machine(born_before_a_crash),
		with_machine(born_before_the_last_look),
		with_machine(last_cpu_goes_offline),
		with_machine(many),
		with_machine(irqbalance_runs),
		with_machine(journal_cannot_be_written),
		with_machine(more_than_32_cpus),
		with_machine(kernel_thread),
		with_machine(file_of_version_1),
		with_machine(bad_lines),
	};

	return unit_run(tests);
}

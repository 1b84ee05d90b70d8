// SPDX-License-Identifier: GPL-2.0-only
/* The backends that read files, on made-up machines below a directory. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "daemon/sense/gpu/gpu.h"
#include "tests/unit/unit.h"

#define HWMON	"/sys/class/hwmon/hwmon3/"
#define RAPL	"/sys/class/powercap/intel-rapl:0"

static char root[64];

/* One backend on the machine. */
static struct gpu_sample s;
static struct gpu_caps caps;
static void *self;

static void make_dirs(char *path)
{
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(path, 0700);
		*at = '/';
	}
}

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, name);
	make_dirs(path);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void put_link(const char *name, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s", root, name);
	make_dirs(path);
	assert_int_equal(symlink(target, path), 0);
}

static void take_away(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s", root, name);
	assert_int_equal(unlink(path), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	memset(&caps, 0, sizeof(caps));
	snprintf(root, sizeof(root), "/tmp/starling-gpu.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A second later. */
static int sample(const struct gpu_backend *b)
{
	s.from_ns = s.to_ns;
	s.to_ns += S;
	s.ndevice = s.nproc = s.lost = 0;
	memset(&s.package, 0, sizeof(s.package));
	return b->sample(self, &s, &caps);
}

static void check_value(const struct gpu_value *v, uint64_t n, bool estimated)
{
	assert_true(v->known);
	assert_int_equal(v->n, n);
	assert_int_equal(v->estimated, estimated);
}

static const struct gpu_value *device_value(const char *pci, enum gpu_item item)
{
	for (uint32_t i = 0; i < s.ndevice; i++)
		if (!strcmp(s.device[i].pci, pci))
			return &s.device[i].v[item];
	fail_msg("no device %s", pci);
	return NULL;
}

/* -- a machine without any ---------------------------------------------------- */

static void test_nothing(void **state)
{
	static const struct gpu_backend *const files[] = {
		&gpu_drm, &gpu_jobs, &gpu_jetson, &gpu_hwmon, &gpu_rapl,
	};

	(void)state;
	for (int i = 0; i < 5; i++) {
		memset(&caps, 0, sizeof(caps));
		assert_true(files[i]->open(&self, root, &caps) < 0);
		assert_false(caps.there);
		assert_true(caps.why[0]);
	}
}

/* -- fdinfo ------------------------------------------------------------------- */

static void put_process(int pid, const char *start)
{
	char name[64], text[256];

	snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	snprintf(text, sizeof(text), "%d (a )(b) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %s 0 0",
		 pid, start);
	put(name, text);
}

static void put_file(int pid, int fd, const char *dev, int client, unsigned long ns)
{
	char name[64], text[256];
	struct stat st;

	snprintf(name, sizeof(name), "/proc/%d/fdinfo/%d", pid, fd);
	snprintf(text, sizeof(text), "drm-driver: xyz\ndrm-client-id: %d\ndrm-pdev: 0000:03:00.0\n"
		 "drm-engine-gfx: %lu ns\ndrm-total-vram: 8 KiB\n", client, ns);
	put(name, text);
	snprintf(name, sizeof(name), "/proc/%d/fd/%d", pid, fd);
	snprintf(text, sizeof(text), "%s%s", root, name);
	if (lstat(text, &st))
		put_link(name, dev);
}

static void test_drm(void **state)
{
	(void)state;
	put("/dev/dri/renderD128", "");
	put("/sys/bus/pci/devices/0000:03:00.0/mem_info_vram_total", "1048576\n");
	put_process(10, "77");
	put_process(11, "78");
	put_file(10, 3, "/dev/dri/renderD128", 5, 0);
	put_file(10, 4, "/dev/dri/renderD128", 5, 0);	/* dup() of it */
	put_file(10, 5, "/dev/dri/renderD128", 6, 0);
	put_file(11, 3, "/dev/dri/card0", 5, 0);		/* sent over a socket */
	put_file(11, 9, "/dev/null", 7, 0);
	put_file(11, 12, "/dev/dri/renderD128", 8, 0);
	assert_int_equal(gpu_drm.open(&self, root, &caps), 0);
	assert_int_equal(caps.can[GPU_PROC_BUSY], GPU_CAN_LATER);
	assert_int_equal(sample(&gpu_drm), 0);
	assert_int_equal(s.nproc, 0);
	put_file(10, 3, NULL, 5, S / 2);
	put_file(10, 4, NULL, 5, S / 2);
	put_file(11, 3, NULL, 5, S / 2);
	put_file(10, 5, NULL, 6, S / 4);
	put_file(11, 12, NULL, 8, S / 8);
	assert_int_equal(sample(&gpu_drm), 0);
	assert_int_equal(caps.can[GPU_PROC_BUSY], GPU_CAN);
	/* three clients: two files of one count once, whoever is found first has it */
	assert_int_equal(s.ndevice, 1);
	check_value(device_value("0000:03:00.0", GPU_BUSY), S / 8 * 7, true);
	check_value(device_value("0000:03:00.0", GPU_MEMORY_TOTAL), 1048576, false);
	assert_false(device_value("0000:03:00.0", GPU_MEMORY)->known);
	assert_int_equal(s.nproc, 2);
	assert_int_equal(s.proc[0].busy.n + s.proc[1].busy.n, S / 8 * 7);
	assert_int_equal(s.proc[0].memory.n + s.proc[1].memory.n, 3 * 8192);
	assert_false(s.proc[0].busy.estimated);
	/* a new one, which is found when it is known that there is one, and not each time */
	put_file(11, 13, "/dev/dri/renderD128", 9, 0);
	s.look = true;
	assert_int_equal(sample(&gpu_drm), 0);
	s.look = false;
	put_file(11, 14, "/dev/dri/renderD128", 10, 0);
	assert_int_equal(sample(&gpu_drm), 0);
	put_file(11, 13, NULL, 9, S / 16);
	put_file(11, 14, NULL, 10, S / 16);
	assert_int_equal(sample(&gpu_drm), 0);
	check_value(device_value("0000:03:00.0", GPU_BUSY), S / 16, true);
	/* closed */
	take_away("/proc/11/fdinfo/12");
	assert_int_equal(sample(&gpu_drm), 0);
	check_value(device_value("0000:03:00.0", GPU_BUSY), 0, true);
	gpu_drm.close(self);
}

/* A text that is longer than is read: what is cut off is not half a number. */
static void test_drm_long(void **state)
{
	static const char head[] = "drm-driver:\tx\ndrm-client-id:\t5\n";
	static const char cut[] = "\ndrm-memory-a:\t12";
	static char text[17000];
	const size_t room = 16383;

	(void)state;
	memset(text, 'x', room);
	memcpy(text, head, strlen(head));
	memcpy(text + room - strlen(cut), cut, strlen(cut));
	strcpy(text + room, "3456\n");
	put("/dev/dri/renderD128", "");
	put_process(10, "77");
	put_link("/proc/10/fd/3", "/dev/dri/renderD128");
	put("/proc/10/fdinfo/3", text);
	assert_int_equal(gpu_drm.open(&self, root, &caps), 0);
	assert_int_equal(sample(&gpu_drm), 0);
	assert_int_equal(sample(&gpu_drm), 0);
	assert_int_equal(s.nproc, 1);
	assert_false(s.proc[0].memory.known);
	gpu_drm.close(self);
}

/* -- boards ------------------------------------------------------------------- */

static void test_jetson(void **state)
{
	(void)state;
	put("/sys/devices/platform/gpu.0/load", "250\n");
	put("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 600 kB\n");
	put("/proc/pressure/memory", "some avg10=1.50 avg60=0 avg300=0 total=0\n");
	assert_int_equal(gpu_jetson.open(&self, root, &caps), 0);
	assert_int_equal(sample(&gpu_jetson), 0);
	check_value(device_value("gpu.0", GPU_BUSY), S / 4, true);
	check_value(device_value("gpu.0", GPU_MEMORY), 400 << 10, true);
	check_value(device_value("gpu.0", GPU_PRESSURE), 150, false);
	/* more than all there is cannot be */
	put("/sys/devices/platform/gpu.0/load", "1001\n");
	assert_int_equal(sample(&gpu_jetson), 0);
	assert_false(device_value("gpu.0", GPU_BUSY)->known);
	take_away("/sys/devices/platform/gpu.0/load");
	assert_int_equal(sample(&gpu_jetson), -ENODEV);
	assert_false(caps.there);
	gpu_jetson.close(self);
}

/* As sample(), beside a GPU that another backend has found. */
static void sample_beside(const struct gpu_backend *b, const char *pci)
{
	s.from_ns = s.to_ns;
	s.to_ns += S;
	s.ndevice = s.nproc = 0;
	gpu_sample_device(&s, pci);
	assert_int_equal(b->sample(self, &s, &caps), 0);
}

static void test_rail(void **state)
{
	(void)state;
	put(HWMON "name", "ina3221\n");
	put(HWMON "in1_label", "VDD_IN\n");
	put(HWMON "in2_label", "VDD_CPU_GPU_CV\n");
	put(HWMON "in2_input", "5000\n");
	put(HWMON "curr2_input", "2000\n");
	assert_int_equal(gpu_hwmon.open(&self, root, &caps), 0);
	assert_int_equal(caps.can[GPU_ENERGY], GPU_CAN_INSTEAD);
	sample_beside(&gpu_hwmon, "gpu.0");
	check_value(device_value("gpu.0", GPU_POWER), 10000, true);
	check_value(device_value("gpu.0", GPU_ENERGY), 10000000, true);
	/* whose it is where there are two is not known */
	s.ndevice = 0;
	gpu_sample_device(&s, "a");
	gpu_sample_device(&s, "b");
	gpu_hwmon.sample(self, &s, &caps);
	assert_false(s.device[0].v[GPU_POWER].known || s.device[1].v[GPU_POWER].known);
	gpu_hwmon.close(self);
}

static void test_counter(void **state)
{
	(void)state;
	put(HWMON "name", "xe\n");
	put_link(HWMON "device", "../../../0000:04:00.0");
	put(HWMON "energy1_input", "1000\n");
	put(HWMON "power1_input", "30000000\n");
	put(HWMON "freq1_input", "2100000000\n");
	assert_int_equal(gpu_hwmon.open(&self, root, &caps), 0);
	assert_int_equal(caps.can[GPU_ENERGY], GPU_CAN);
	assert_int_equal(sample(&gpu_hwmon), 0);
	/* a counter tells nothing before it was read twice; power is no substitute */
	assert_false(device_value("0000:04:00.0", GPU_ENERGY)->known);
	check_value(device_value("0000:04:00.0", GPU_POWER), 30000, false);
	check_value(device_value("0000:04:00.0", GPU_CLOCK), 2100, false);
	put(HWMON "energy1_input", "5000\n");
	sample(&gpu_hwmon);
	check_value(device_value("0000:04:00.0", GPU_ENERGY), 4000, false);
	/* began anew */
	put(HWMON "energy1_input", "10\n");
	sample(&gpu_hwmon);
	assert_false(device_value("0000:04:00.0", GPU_ENERGY)->known);
	/* asleep: left alone */
	put("/sys/bus/pci/devices/0000:04:00.0/power/runtime_status", "suspended\n");
	sample(&gpu_hwmon);
	assert_false(device_value("0000:04:00.0", GPU_POWER)->known);
	gpu_hwmon.close(self);
}

static void test_rapl(void **state)
{
	(void)state;
	put(RAPL "/name", "package-0\n");
	put(RAPL "/energy_uj", "900\n");
	put(RAPL "/max_energy_range_uj", "1000\n");
	put(RAPL ":0/name", "core\n");
	put(RAPL ":0/energy_uj", "5\n");
	put(RAPL ":1/name", "uncore\n");
	put(RAPL ":1/energy_uj", "100\n");
	assert_int_equal(gpu_rapl.open(&self, root, &caps), 0);
	assert_int_equal(caps.can[GPU_ENERGY], GPU_CAN);
	put(RAPL "/energy_uj", "950\n");
	put(RAPL ":1/energy_uj", "130\n");
	sample_beside(&gpu_rapl, "0000:00:02.0");
	check_value(&s.package, 50, false);
	check_value(device_value("0000:00:02.0", GPU_ENERGY), 30, false);
	/* wraps where it says; without that, a step back is not known */
	memset(&s.package, 0, sizeof(s.package));
	put(RAPL "/energy_uj", "20\n");
	put(RAPL ":1/energy_uj", "3\n");
	sample_beside(&gpu_rapl, "0000:00:02.0");
	check_value(&s.package, 70, false);
	assert_false(device_value("0000:00:02.0", GPU_ENERGY)->known);
	gpu_rapl.close(self);
}

/* Text where a number should be, and nothing at all. */
static void test_bad_files(void **state)
{
	(void)state;
	put("/sys/devices/platform/gpu.0/load", "busy\n");
	assert_int_equal(gpu_jetson.open(&self, root, &caps), -EPROTO);
	put("/sys/devices/platform/gpu.0/load", "");
	assert_int_equal(gpu_jetson.open(&self, root, &caps), -EPROTO);
	put(RAPL "/name", "package-0\n");
	put(RAPL "/energy_uj", "-5\n");
	assert_true(gpu_rapl.open(&self, root, &caps) < 0);
	put(HWMON "name", "amdgpu\n");
	assert_true(gpu_hwmon.open(&self, root, &caps) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drm_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_jetson, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rapl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
	};

	return unit_run(tests);
}

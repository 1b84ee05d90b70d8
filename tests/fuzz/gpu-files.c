// SPDX-License-Identifier: GPL-2.0-only
/* All backends that read files, over a machine whose files are spoilt. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sense/gpu/fdinfo.h"
#include "daemon/sense/gpu/gpu.h"
#include "daemon/sense/gpu/ledger.h"
#include "tests/fuzz/gpu.h"

#define S_NS	1000000000ULL
#define PCI	"0000:03:00.0"

enum { PIDS = 4, FDS = 3, SAMPLES = 4 };

char tree[64];

/* -- the files ----------------------------------------------------------------- */

static void make_path(char *path, size_t size, const char *format, va_list args)
{
	int n = snprintf(path, size, "%s", tree);

	vsnprintf(path + n, size - n, format, args);
}

static void make_dirs(char *path)
{
	for (char *at = path + strlen(tree) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(path, 0700);
		*at = '/';
	}
}

/* @text may hold anything but a NUL. */
void tree_put(const char *text, const char *format, ...)
{
	char path[256];
	va_list args;
	int fd;

	va_start(args, format);
	make_path(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		make_dirs(path);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	}
	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		perror(path);
		_exit(2);
	}
	close(fd);
	fuzz_note("%s:\n%s\n", path + strlen(tree), text);
}

void tree_drop(const char *format, ...)
{
	char path[256];
	va_list args;

	va_start(args, format);
	make_path(path, sizeof(path), format, args);
	va_end(args);
	if (!unlink(path))
		fuzz_note("no %s\n", path + strlen(tree));
}

static void tree_link(const char *to, const char *format, ...)
{
	char path[256];
	va_list args;

	va_start(args, format);
	make_path(path, sizeof(path), format, args);
	va_end(args);
	make_dirs(path);
	if (symlink(to, path) && errno != EEXIST) {
		perror(path);
		_exit(2);
	}
}

void tree_process(uint32_t pid, uint64_t start)
{
	char text[160];

	if (!start) {
		tree_drop("/proc/%u/stat", pid);
		return;
	}
	snprintf(text, sizeof(text), "%u (a) b (c) S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 "
		 "%llu 1 1\n", pid, (unsigned long long)start);
	tree_put(text, "/proc/%u/stat", pid);
}

void tree_make(void)
{
	snprintf(tree, sizeof(tree), "%s/starling-fuzz-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(tree)) {
		perror(tree);
		exit(1);
	}
	for (uint32_t pid = 1; pid <= PIDS; pid++) {
		for (int fd = 0; fd < FDS; fd++)
			tree_link("/dev/dri/renderD128", "/proc/%u/fd/%d", pid, fd);
		tree_process(pid, 1000);
	}
	tree_put("", "/dev/dri/renderD128");
	tree_link("../../../" PCI, "/sys/class/hwmon/hwmon0/device");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void tree_remove(void)
{
	nftw(tree, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* -- what they hold -------------------------------------------------------------- */

/* A number, mostly one that grows from sample to sample. */
static void put_number(int round, const char *path)
{
	char text[32];

	if (one_in(12)) {
		tree_drop("%s", path);
		return;
	}
	if (one_in(10))
		snprintf(text, sizeof(text), "%s", one_in(2) ? "-3" : "12x\n");
	else
		snprintf(text, sizeof(text), "%llu\n", (unsigned long long)(one_in(4) ?
			 chance_number(&fuzz_chance) : below(1000000) + round * 1000000));
	tree_put(text, "%s", path);
}

static void put_text(const char *what, const char *path)
{
	char text[TEXT_MAX];
	size_t n = sprintf(text, "%s", what);

	if (one_in(8))
		text_spoil(text, n);
	tree_put(text, "%s", path);
}

static void put_sensors(int round)
{
	static const char *const numbers[] = {
		"/sys/class/hwmon/hwmon0/energy1_input", "/sys/class/hwmon/hwmon0/power1_average",
		"/sys/class/hwmon/hwmon0/freq1_input", "/sys/class/hwmon/hwmon1/in1_input",
		"/sys/class/hwmon/hwmon1/curr1_input", "/sys/class/powercap/intel-rapl:0/energy_uj",
		"/sys/class/powercap/intel-rapl:0/max_energy_range_uj",
		"/sys/class/powercap/intel-rapl:0:1/energy_uj", "/sys/devices/platform/gpu.0/load",
		"/sys/bus/pci/devices/" PCI "/mem_info_vram_total",
		"/sys/bus/pci/devices/" PCI "/mem_info_vram_used",
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!round || one_in(2))
			put_number(round, numbers[i]);
	if (round)
		return;
	put_text(one_in(3) ? "ina3221\n" : "amdgpu\n", "/sys/class/hwmon/hwmon0/name");
	put_text("ina3221\n", "/sys/class/hwmon/hwmon1/name");
	put_text("VDD_GPU\n", "/sys/class/hwmon/hwmon1/in1_label");
	put_text("package-0\n", "/sys/class/powercap/intel-rapl:0/name");
	put_text("uncore\n", "/sys/class/powercap/intel-rapl:0:1/name");
	put_text("some avg10=1.25 avg60=0.00 avg300=0.00 total=1\n", "/proc/pressure/memory");
	put_text("MemTotal: 1000000 kB\nMemAvailable: 500000 kB\nHugePages_Free: 7\n"
		 "Hugepagesize: 2048 kB\n", "/proc/meminfo");
}

/* As the files have them now; "": none. */
static char written[PIDS][FDS][TEXT_MAX];

/* Each file of each process: ids that others have, too, and texts that go on. */
static void put_clients(char text[PIDS][FDS][TEXT_MAX], int round)
{
	for (int pid = 0; pid < PIDS; pid++) {
		if (one_in(20))
			tree_process(pid + 1, one_in(2) ? 0 : 1000 + below(3));
		for (int fd = 0; fd < FDS; fd++) {
			char *spoilt = written[pid][fd];

			if (round)
				text_advance(text[pid][fd]);
			else
				text_pick(text[pid][fd], below(8), 1 + below(8),
					  one_in(2) ? PCI : NULL);
			strcpy(spoilt, text[pid][fd]);
			if (one_in(6))
				text_spoil(spoilt, strlen(spoilt));
			if (!one_in(30)) {
				tree_put(spoilt, "/proc/%u/fdinfo/%d", pid + 1, fd);
				continue;
			}
			tree_drop("/proc/%u/fdinfo/%d", pid + 1, fd);
			spoilt[0] = '\0';
		}
	}
}

/* -- what has to hold ------------------------------------------------------------ */

static bool same_client(const struct fdinfo *a, const struct fdinfo *b)
{
	return a->client == b->client && !strcmp(a->driver, b->driver) && !strcmp(a->pdev, b->pdev);
}

/* A client counts once, in however many files it is: with the most that one of them says. */
static void clients_hold(const struct gpu_sample *s)
{
	static struct fdinfo seen[PIDS * FDS];
	double told = 0, said = 0;
	int n = 0, at;

	for (int i = 0; i < PIDS * FDS; i++) {
		struct fdinfo *now = &seen[n];

		if (!fdinfo_parse(now, written[i / FDS][i % FDS]) || !now->has_memory)
			continue;
		for (at = 0; at < n && !same_client(&seen[at], now); at++)
			;
		if (at == n)
			n++;
		else if (now->memory > seen[at].memory)
			seen[at].memory = now->memory;
	}
	for (int i = 0; i < n; i++)
		said += seen[i].memory;
	for (uint32_t i = 0; i < s->nproc; i++)
		told += s->proc[i].memory.n;
	HOLDS(told <= said);
}

/* -- the backends ------------------------------------------------------------------ */

static const struct gpu_backend *const backends[] = {
	&gpu_drm, &gpu_jetson, &gpu_hwmon, &gpu_rapl,
};

enum { BACKENDS = sizeof(backends) / sizeof(backends[0]) };

static void take(void *self[BACKENDS], struct gpu_sample *s)
{
	s->from_ns = s->to_ns;
	s->to_ns += S_NS + below(3) * S_NS;
	s->ndevice = s->nproc = s->lost = 0;
	s->look = one_in(2);
	memset(&s->package, 0, sizeof(s->package));
	for (int i = 0; i < BACKENDS; i++) {
		if (!self[i] || backends[i]->sample(self[i], s, &s->caps[i]) != -ENODEV)
			continue;
		backends[i]->close(self[i]);
		self[i] = NULL;
	}
}

void fuzz_files(void)
{
	static char text[PIDS][FDS][TEXT_MAX];
	static struct gpu_sample s;
	struct gpu_ledger l = { .root = tree };
	void *self[BACKENDS] = { NULL };

	memset(&s, 0, sizeof(s));
	s.to_ns = S_NS;
	for (uint32_t pid = 1; pid <= PIDS; pid++)
		tree_process(pid, 1000);
	for (int round = 0; round < SAMPLES; round++) {
		put_clients(text, round);
		put_sensors(round);
		for (int i = 0; !round && i < BACKENDS; i++)
			if (backends[i]->open(&self[i], tree, &s.caps[i]))
				self[i] = NULL;
		take(self, &s);
		sample_holds(&s, FDS * (s.to_ns - s.from_ns));
		clients_hold(&s);
		ledger_holds(&l, &s);
	}
	for (int i = 0; i < BACKENDS; i++)
		if (self[i])
			backends[i]->close(self[i]);
	ledger_free(&l);
}

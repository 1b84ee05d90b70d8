// SPDX-License-Identifier: GPL-2.0-only
/*
 * `agentload hog`: tool processes that use all they get, by default of the CPU,
 * and count it in units of fixed work, so that two runs can be compared. The
 * counters live in a shared file of one 64-byte line per process, a 64-bit
 * count at the start of each; line 0 is the units handed out of a fixed total.
 */
#include "agentload.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hogkind.h"
#include "util.h"

enum { MAX_HOGS = 256, MAX_KINDS = 4, LINE = 64, COUNTER_BYTES = (MAX_HOGS + 1) * LINE };

struct hog {
	unsigned int procs;
	double seconds;
	uint64_t units, units_last, life_ms;
	const char *comm, *count_file;
	const char *work;			/* the kinds, as they were asked for */
	const struct hog_kind *kind[MAX_KINDS];	/* by turns */
	unsigned int kinds;
	int json, fd;
	char *lines;
	pid_t pid[MAX_HOGS];
	uint64_t started, ended, spawned, failed;
	struct rusage usage;
};

static _Atomic uint64_t *line(char *lines, unsigned int i)
{
	return (_Atomic uint64_t *)(lines + (size_t)i * LINE);
}

static char *map_counters(int fd)
{
	char *p = mmap(NULL, COUNTER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Units until the life is over, all were handed out (0: no end), or one fails. */
static int work(const struct hog_kind *kind, _Atomic uint64_t *pot, _Atomic uint64_t *mine,
		uint64_t units, uint64_t end)
{
	int err;

	while (!end || now_ns() < end) {
		/* a pot of its own is the worker's count, which goes up below */
		if (units && (pot == mine ? atomic_load(pot) : atomic_fetch_add(pot, 1)) >= units)
			return EXIT_OK;
		err = kind->unit();
		if (err) {
			warn("hog of kind %s: %s", kind->name, strerror(-err));
			return EXIT_FAIL;
		}
		atomic_fetch_add(mine, 1);
	}
	/* 3: life over, a successor is wanted */
	return 3;
}

/* hog-worker FD SLOT POT UNITS LIFE_MS KIND COMM: ends with its parent at the latest */
int cmd_hog_worker(int argc, char **argv)
{
	const struct hog_kind *kind;
	unsigned int slot, pot;
	uint64_t units, life;
	char *lines;
	int err;

	if (argc != 8)
		bad_usage("hog-worker is started by 'agentload hog'");
	lines = map_counters(opt_u64("fd", argv[1], 0, 1 << 20));
	slot = opt_u64("slot", argv[2], 1, MAX_HOGS);
	pot = opt_u64("pot", argv[3], 0, MAX_HOGS);
	units = opt_u64("units", argv[4], 0, UINT64_MAX);
	life = opt_u64("life-ms", argv[5], 0, 86400000);
	kind = hog_kind(argv[6]);
	if (!lines)
		return EXIT_FAIL;
	prctl(PR_SET_NAME, argv[7]);
	err = kind->open ? kind->open() : 0;
	if (err) {
		warn("hog of kind %s: %s", kind->name, strerror(-err));
		return EXIT_FAIL;
	}
	return work(kind, line(lines, pot), line(lines, slot), units,
		    life ? now_ns() + life * NSEC_PER_MSEC : 0);
}

/* By exec, as tools are started, and not by fork alone. */
static pid_t spawn(struct hog *h, unsigned int slot)
{
	/* --units-last: each has its own units to do, and the last more than the others */
	uint64_t n = h->units_last && slot == h->procs ? h->units_last : h->units;
	char fd[16], num[16], pot[16], units[24], life[24];
	pid_t pid, parent = getpid();

	snprintf(fd, sizeof(fd), "%d", h->fd);
	snprintf(num, sizeof(num), "%u", slot);
	snprintf(pot, sizeof(pot), "%u", h->units_last ? slot : 0);
	snprintf(units, sizeof(units), "%llu", (unsigned long long)n);
	snprintf(life, sizeof(life), "%llu", (unsigned long long)h->life_ms);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* the parent may have died before it was asked to take us along */
	if (getppid() != parent)
		_exit(EXIT_FAIL);
	execl("/proc/self/exe", "agentload", "hog-worker", fd, num, pot, units, life,
	      h->kind[(slot - 1) % h->kinds]->name, h->comm ? h->comm : "agentload", NULL);
	_exit(127);
}

static int open_counters(struct hog *h)
{
	if (h->count_file)
		h->fd = open(h->count_file, O_RDWR | O_CREAT | O_TRUNC, 0644);
	else
		h->fd = memfd_create("agentload-hog", 0);
	if (h->fd < 0 || ftruncate(h->fd, COUNTER_BYTES)) {
		warn("cannot make the count file %s: %s", h->count_file ? h->count_file : "",
		     strerror(errno));
		return -errno;
	}
	h->lines = map_counters(h->fd);
	return h->lines ? 0 : -errno;
}

static unsigned int slot_of(const struct hog *h, pid_t pid)
{
	unsigned int i;

	for (i = 0; i < h->procs; i++)
		if (h->pid[i] == pid)
			return i;
	return h->procs;
}

static unsigned int live(const struct hog *h)
{
	unsigned int i, n = 0;

	for (i = 0; i < h->procs; i++)
		n += h->pid[i] > 0;
	return n;
}

static void replace(struct hog *h, unsigned int i, int status)
{
	h->pid[i] = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3 && !stop_flag) {
		h->pid[i] = spawn(h, i + 1);
		h->spawned++;
	} else if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		h->failed++;
	}
}

/* Reap until the time is up or, with --units, the work is done. */
static void supervise(struct hog *h)
{
	uint64_t end = h->seconds > 0 ? h->started + (uint64_t)(h->seconds * 1e9) : UINT64_MAX;
	unsigned int i;
	int status;
	pid_t pid;

	while (!stop_flag && now_ns() < end && live(h)) {
		struct timespec tick = { .tv_nsec = 2000000 };
		uint64_t left = end - now_ns();

		pid = waitpid(-1, &status, WNOHANG);
		i = pid > 0 ? slot_of(h, pid) : h->procs;
		if (i < h->procs) {
			replace(h, i, status);
			continue;
		}
		if (!h->life_ms && !h->units)
			tick.tv_nsec = 20000000;
		if (left < (uint64_t)tick.tv_nsec)
			tick.tv_nsec = left;
		nanosleep(&tick, NULL);
	}
	h->ended = now_ns();
	for (i = 0; i < h->procs; i++)
		if (h->pid[i] > 0)
			kill(h->pid[i], SIGKILL);
	while (waitpid(-1, &status, 0) > 0 || errno == EINTR)
		;
	getrusage(RUSAGE_CHILDREN, &h->usage);
}

static double seconds_of(struct timeval t)
{
	return t.tv_sec + t.tv_usec / 1e6;
}

static int report(struct hog *h)
{
	double wall = (h->ended - h->started) / 1e9;
	double cpu = seconds_of(h->usage.ru_utime) + seconds_of(h->usage.ru_stime);
	uint64_t total = 0, n;
	json_t *each = json_array(), *j;
	unsigned int i;

	for (i = 1; i <= h->procs; i++) {
		n = atomic_load(line(h->lines, i));
		total += n;
		json_array_append_new(each, json_integer(n));
	}
	j = json_pack("{s:s,s:s,s:i,s:f,s:I,s:f,s:f,s:I,s:o}", "kind", "hog", "work",
		      h->work, "procs", h->procs, "seconds", wall, "units",
		      (json_int_t)total, "units_per_s", total / wall, "cpu_s", cpu, "spawned",
		      (json_int_t)h->spawned, "per_proc", each);
	if (h->json) {
		json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
		putchar('\n');
	} else {
		printf("hogs     %u processes, %.2f s: %llu units, %.1f per second, "
		       "%.2f CPU seconds\n",
		       h->procs, wall, (unsigned long long)total, total / wall, cpu);
	}
	json_decref(j);
	if (h->failed)
		warn("%llu hog processes failed", (unsigned long long)h->failed);
	return h->failed || fflush(stdout) ? EXIT_FAIL : EXIT_OK;
}

static void parse_kinds(struct hog *h, const char *text)
{
	char list[64], *at, *name;

	snprintf(list, sizeof(list), "%s", text);
	name = strtok_r(list, ",", &at);
	h->work = text;
	for (h->kinds = 0; name; name = strtok_r(NULL, ",", &at)) {
		if (h->kinds == MAX_KINDS)
			bad_usage("--kind: at most %d of them", MAX_KINDS);
		h->kind[h->kinds++] = hog_kind(name);
	}
	if (!h->kinds)
		bad_usage("--kind: give one, or several as in cpu,io");
}

static void parse_hog(struct hog *h, int argc, char **argv)
{
	static const struct option opts[] = {
		{ "procs", required_argument, NULL, 'p' },
		{ "seconds", required_argument, NULL, 's' },
		{ "units", required_argument, NULL, 'u' },
		{ "units-last", required_argument, NULL, 'L' },
		{ "kind", required_argument, NULL, 'k' },
		{ "life-ms", required_argument, NULL, 'l' },
		{ "comm", required_argument, NULL, 'c' },
		{ "count-file", required_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (c) {
		case 'p':
			h->procs = opt_u64("procs", optarg, 1, MAX_HOGS);
			break;
		case 's':
			h->seconds = opt_double("seconds", optarg, 0.01, 86400);
			break;
		case 'u':
			h->units = opt_u64("units", optarg, 1, 1ULL << 40);
			break;
		case 'L':
			h->units_last = opt_u64("units-last", optarg, 1, 1ULL << 40);
			break;
		case 'k':
			parse_kinds(h, optarg);
			break;
		case 'l':
			h->life_ms = opt_u64("life-ms", optarg, 1, 86400000);
			break;
		case 'c':
			h->comm = optarg;
			break;
		case 'f':
			h->count_file = optarg;
			break;
		case 'j':
			h->json = 1;
			break;
		default:
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		bad_usage("hog: what is '%s'?", argv[optind]);
	if (!h->units && h->seconds <= 0)
		bad_usage("hog: give --seconds, --units or both");
	if (h->units_last && !h->units)
		bad_usage("--units-last is for the last process: give --units for the others");
}

int cmd_hog(int argc, char **argv)
{
	static struct hog h = { .procs = 8, .kinds = 1, .work = "cpu" };
	unsigned int i;

	h.kind[0] = hog_kind("cpu");
	parse_hog(&h, argc, argv);
	stop_on_signals();
	if (open_counters(&h))
		return EXIT_FAIL;
	h.started = now_ns();
	for (i = 0; i < h.procs; i++) {
		h.pid[i] = spawn(&h, i + 1);
		if (h.pid[i] < 0) {
			warn("cannot start hog %u: %s", i + 1, strerror(errno));
			h.failed++;
		} else {
			h.spawned++;
		}
	}
	supervise(&h);
	return report(&h);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * demo-sampler - who ran on which CPU while a command runs. The demo's
 * timeline is drawn from it. It looks in from outside, at the same cost with
 * and without Starling.
 *
 * Output, one record a line, times in microseconds from the start:
 *	H version hz cpus start_ns		header (CLOCK_MONOTONIC)
 *	P pid tid ppid comm			thread there at the start
 *	S pid					the command
 *	F pid tid ppid ptid time		fork or clone
 *	C pid tid exec comm			new name, exec 1: by execve
 *	R cpu time tid pid			from here on this thread (0: idle)
 *	T cpu samples lost			totals
 *	E time					end
 */
#include "rings.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = sig;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* "pid (comm) S ppid": a comm may hold blanks and parentheses. */
static int read_stat(const char *path, char *comm, size_t len, int *ppid)
{
	char buf[512], *open, *close;
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return -errno;
	n = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	buf[n] = 0;
	open = strchr(buf, '(');
	close = strrchr(buf, ')');
	if (!open || !close || sscanf(close + 1, " %*c %d", ppid) != 1)
		return -EINVAL;
	*close = 0;
	snprintf(comm, len, "%s", open + 1);
	return 0;
}

static void list_threads(FILE *f, const char *pid)
{
	char path[300], comm[64];
	struct dirent *d;
	int ppid;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/stat", pid, d->d_name);
		if (!read_stat(path, comm, sizeof(comm), &ppid))
			fprintf(f, "P %s %s %d %s\n", pid, d->d_name, ppid, comm);
	}
	if (dir)
		closedir(dir);
}

static void list_all(FILE *f)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
			list_threads(f, d->d_name);
	if (dir)
		closedir(dir);
}

static pid_t start_command(char **argv)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	execvp(argv[0], argv);
	fprintf(stderr, "demo-sampler: %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Until the command ends; a signal to us is passed on to it. */
static int follow(pid_t child, struct rings *r, FILE *f, uint64_t t0)
{
	const struct timespec nap = { .tv_nsec = 40 * 1000 * 1000 };
	int status = 0, passed = 0;

	for (;;) {
		if (r)
			rings_drain(r, f, t0);
		if (child > 0 && waitpid(child, &status, WNOHANG) == child)
			return exit_status(status);
		if (child <= 0 && stop)
			return 0;
		if (stop && stop != passed) {
			passed = stop;
			kill(child, passed);
		}
		nanosleep(&nap, NULL);
	}
}

static int record(FILE *f, unsigned int hz, char **argv)
{
	struct rings *r = NULL;
	uint64_t t0 = now_ns();
	int err, status;
	pid_t child = 0;

	err = rings_open(&r, hz);
	if (err)
		fprintf(stderr, "demo-sampler: no timeline: perf_event_open: %s "
			"(be root, or sysctl kernel.perf_event_paranoid=0)\n", strerror(-err));
	fprintf(f, "H 1 %u %u %" PRIu64 "\n", hz, r ? rings_cpus(r) : 0, t0);
	list_all(f);
	if (*argv) {
		child = start_command(argv);
		if (child < 0) {
			fprintf(stderr, "demo-sampler: fork: %s\n", strerror(errno));
			rings_close(r);
			return 1;
		}
		fprintf(f, "S %d\n", child);
	}
	status = follow(child, r, f, t0);
	if (r)
		rings_finish(r, f, t0, now_ns());
	fprintf(f, "E %" PRIu64 "\n", (now_ns() - t0) / 1000);
	rings_close(r);
	return status;
}

static const char usage[] =
	"usage: demo-sampler [-F HZ] [-o FILE] [-- COMMAND [ARG...]]\n"
	"Record who runs on which CPU until COMMAND (or a signal) ends it.\n";

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	unsigned int hz = 500;
	const char *path = NULL;
	FILE *f = stdout;
	int c, status;

	while ((c = getopt(argc, argv, "+F:o:h")) != -1) {
		if (c == 'F')
			hz = strtoul(optarg, NULL, 10);
		else if (c == 'o')
			path = optarg;
		else
			return fputs(usage, c == 'h' ? stdout : stderr), c == 'h' ? 0 : 2;
	}
	if (!hz || hz > 10000) {
		fprintf(stderr, "demo-sampler: -F wants 1 to 10000\n");
		return 2;
	}
	if (path)
		f = fopen(path, "we");
	if (!f) {
		fprintf(stderr, "demo-sampler: %s: %s\n", path, strerror(errno));
		return 1;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	status = record(f, hz, argv + optind);
	if (fclose(f)) {
		fprintf(stderr, "demo-sampler: %s: %s\n", path ? path : "stdout", strerror(errno));
		return 1;
	}
	return status;
}

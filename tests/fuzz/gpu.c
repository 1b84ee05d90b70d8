// SPDX-License-Identifier: GPL-2.0-only
/*
 * starling-fuzz-gpu - what drivers and readers tell of GPUs, spoilt
 *
 *   starling-fuzz-gpu [--part NAME] [--seed N] [--first N] [--ops N] [--seconds S]
 *
 * Parts: text (fdinfo), files (all that is read from files), nvml (NVIDIA's library,
 * by a false one) and sample (what a reader sends, and the ledger). What operation
 * number i of a part does depends on the seed, the part and i alone. Each part runs
 * in a process of its own: when one fails or crashes, its last input is printed, and
 * the arguments that do it again.
 *
 * It runs in the top directory, for the drivers' texts in tests/unit/gpu. Built with
 * SAN=1 it finds what else goes unnoticed.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/gpu.h"

/* @share: operations of 100; those that need files take longer. */
static const struct part {
	const char *name;
	void (*fn)(void);
	unsigned int share;
} parts[] = {
	{ "text", fuzz_text, 60 },
	{ "files", fuzz_files, 3 },
	{ "nvml", fuzz_nvml, 17 },
	{ "sample", fuzz_sample, 20 },
};

enum { NPARTS = sizeof(parts) / sizeof(parts[0]), ROUND_MAX = 20000 };

struct fuzz_now *fuzz_now;
uint64_t fuzz_chance;

static uint64_t seed = 1, first, ops = 100000, seconds;
static const char *only;
static volatile pid_t worker;
static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
	if (worker > 0)
		kill(worker, SIGKILL);
}

void fuzz_note(const char *format, ...)
{
	uint32_t room = INPUT_MAX - fuzz_now->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(fuzz_now->input + fuzz_now->used, room, format, args);
	va_end(args);
	fuzz_now->used += n < 0 ? 0 : (uint32_t)n < room ? (uint32_t)n : room - 1;
}

void fuzz_fail(const char *file, int line, const char *what)
{
	snprintf(fuzz_now->why, sizeof(fuzz_now->why), "%s:%d: %s", file, line, what);
	_exit(1);
}

static void one_op(int part, uint64_t op)
{
	fuzz_now->op = op;
	fuzz_now->used = 0;
	fuzz_now->input[0] = '\0';
	fuzz_chance = seed ^ (uint64_t)part << 60;
	fuzz_chance = chance_next(&fuzz_chance) + op;
	parts[part].fn();
}

/* Printable as it is, but for what a terminal would take for itself. */
static void print_input(void)
{
	for (const char *at = fuzz_now->input; *at; at++)
		if (*at == '\n' || (*at >= ' ' && *at <= '~'))
			putchar(*at);
		else
			printf("\\x%02x", (unsigned char)*at);
	putchar('\n');
}

static int run_part(int part, uint64_t from, uint64_t n)
{
	int status;
	pid_t pid;

	fflush(stdout);
	memset(fuzz_now, 0, offsetof(struct fuzz_now, input) + 1);
	pid = fork();
	if (!pid) {
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		for (uint64_t op = from; op < from + n; op++)
			one_op(part, op);
		/* by exit(), which looks for leaks */
		exit(0);
	}
	worker = pid;
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("starling-fuzz-gpu");
		return -1;
	}
	worker = 0;
	if (interrupted || !status)
		return interrupted ? -1 : 0;
	printf("not ok - %s: %s\n# again: --part %s --seed %llu --first %llu --ops 1\n",
	       parts[part].name, fuzz_now->why[0] ? fuzz_now->why : WIFSIGNALED(status) ?
	       strsignal(WTERMSIG(status)) : "what the sanitizer says above",
	       parts[part].name, (unsigned long long)seed, (unsigned long long)fuzz_now->op);
	print_input();
	return -1;
}

static uint64_t share_of(int part, uint64_t n)
{
	if (only)
		return strcmp(only, parts[part].name) ? 0 : n;
	return (n * parts[part].share + 99) / 100;
}

static uint64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* In rounds, so that each part has its share of the time. */
static int run_all(uint64_t done[NPARTS])
{
	uint64_t end = seconds ? now_s() + seconds : 0, left = ops, n, round;

	while (end ? now_s() < end : left > 0) {
		n = end || left > ROUND_MAX ? ROUND_MAX : left;
		for (int i = 0; i < NPARTS; i++) {
			round = share_of(i, n);
			if (round && run_part(i, first + done[i], round))
				return -1;
			done[i] += round;
		}
		left -= end ? 0 : n;
	}
	return 0;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno) {
		fprintf(stderr, "starling-fuzz-gpu: '%s' is no number\n", text);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' }, { "ops", required_argument, NULL, 'o' },
		{ "first", required_argument, NULL, 'f' }, { "part", required_argument, NULL, 'p' },
		{ "seconds", required_argument, NULL, 't' }, { 0 },
	};
	uint64_t *const to[] = { ['s'] = &seed, ['o'] = &ops, ['f'] = &first, ['t'] = &seconds };
	bool known = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'p')
			only = optarg;
		else if (c == '?')
			exit(2);
		else
			*to[c] = number(optarg);
	}
	for (int i = 0; i < NPARTS; i++)
		known |= only && !strcmp(only, parts[i].name);
	if (optind == argc && (!only || known))
		return;
	fputs("starling-fuzz-gpu: [--part text|files|nvml|sample] [--seed N] [--first N] "
	      "[--ops N] [--seconds S]\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	uint64_t done[NPARTS] = { 0 };
	int err;

	parse(argc, argv);
	fuzz_now = mmap(NULL, sizeof(*fuzz_now), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fuzz_now == MAP_FAILED)
		return 1;
	text_load();
	tree_make();
	/* What was made is taken away; calls that were interrupted go on. */
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	err = run_all(done);
	tree_remove();
	printf("# seed %llu:", (unsigned long long)seed);
	for (int i = 0; i < NPARTS; i++)
		printf(" %s %llu", parts[i].name, (unsigned long long)done[i]);
	puts(" operations");
	if (!err)
		puts("ok 1 - nothing that was told made it fail\n1..1");
	return interrupted ? 128 + interrupted : err ? 1 : 0;
}

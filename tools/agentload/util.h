/* SPDX-License-Identifier: GPL-2.0-only */
/* Small things every part of agentload needs. */
#ifndef AGENTLOAD_UTIL_H
#define AGENTLOAD_UTIL_H

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NSEC_PER_SEC	1000000000ULL
#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_USEC	1000ULL
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* exit codes of all tools of Starling */
enum { EXIT_OK = 0, EXIT_FAIL = 1, EXIT_USAGE = 2 };

uint64_t now_ns(void);
uint64_t thread_cpu_ns(void);
/* sleep to an absolute CLOCK_MONOTONIC time; ends early once stop_flag is set */
void sleep_until(uint64_t when);
/* use up ns of this thread's own CPU time, however long that takes */
void burn_cpu(uint64_t ns);

/* one line "PROGRAM: ..." on stderr */
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* as warn(), then "Try 'PROGRAM --help'." and exit status 2 */
void bad_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* value of an option, checked against [min, max]; wrong values end the program */
uint64_t opt_u64(const char *name, const char *arg, uint64_t min, uint64_t max);
double opt_double(const char *name, const char *arg, double min, double max);

/* set by SIGINT and SIGTERM once stop_on_signals() was called; read by all threads */
extern atomic_int stop_flag;
void stop_on_signals(void);

/* run time and run-queue wait of a thread of this process; 0 or -errno */
int sched_times(int tid, uint64_t *run_ns, uint64_t *wait_ns);

/* deterministic on every machine: xoshiro256** seeded by splitmix64 */
struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
double rng_uniform(struct rng *r);		/* [0, 1) */
double rng_normal(struct rng *r);
double rng_lognormal(struct rng *r, double median, double sigma);
double rng_exponential(struct rng *r, double mean);

#endif

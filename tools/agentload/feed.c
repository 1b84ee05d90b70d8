// SPDX-License-Identifier: GPL-2.0-only
/*
 * `agentload feed`: the feeder of an inference server without the server. One
 * thread launches a token's work, waits for it in the style asked for, does
 * the host's part of a token and goes on; the rest of the process sleeps.
 */
#include "agentload.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpu.h"
#include "stats.h"
#include "util.h"

struct feed {
	/* asked for */
	enum gpu_wait wait;
	double t_ms, seconds, settle, host_us;
	uint64_t on_ns, off_ns, seed;
	unsigned int eager;
	int json;
	/* measured by the feeder thread, read after it was joined */
	struct gpu gpu;
	struct hist late, gap, token;
	uint64_t tokens, start, end, on_time, starved_ns, run_ns, wait_ns;
	uint64_t run0, wait0, counted_from;
	int sched_known, err, settled;
	/* phases */
	pthread_mutex_t lock;
	pthread_cond_t wake;
};

/* In an OFF phase the feeder sleeps as with an empty queue; false: time is up. */
static int wait_for_phase(struct feed *f, uint64_t *phase_end)
{
	uint64_t now = now_ns(), period = f->on_ns + f->off_ns, into;
	struct timespec ts;

	if (!f->off_ns) {
		*phase_end = f->end;
		return now < f->end && !stop_flag;
	}
	into = (now - f->start) % period;
	if (into >= f->on_ns) {
		now += period - into;
		ts.tv_sec = now / NSEC_PER_SEC;
		ts.tv_nsec = now % NSEC_PER_SEC;
		pthread_mutex_lock(&f->lock);
		while (!stop_flag && now_ns() < now &&
		       pthread_cond_timedwait(&f->wake, &f->lock, &ts) != ETIMEDOUT)
			;
		pthread_mutex_unlock(&f->lock);
		into = 0;
	}
	*phase_end = now - into + f->on_ns;
	if (*phase_end > f->end)
		*phase_end = f->end;
	return now < f->end && !stop_flag;
}

static int submit(struct feed *f, CUgraphExec graph)
{
	if (f->eager)
		return gpu_launch(&f->gpu, f->t_ms * 1e6, f->eager);
	return gpu_graph_launch(&f->gpu, graph);
}

/*
 * What was measured so far was the settling: caches, page faults, and whoever
 * manages this machine getting to know us. Measure from here on.
 */
static void start_counting(struct feed *f)
{
	f->settled = 1;
	f->counted_from = now_ns();
	memset(&f->late, 0, sizeof(f->late));
	memset(&f->gap, 0, sizeof(f->gap));
	memset(&f->token, 0, sizeof(f->token));
	f->tokens = f->on_time = f->starved_ns = 0;
	f->sched_known = !sched_times(gettid(), &f->run0, &f->wait0);
}

/*
 * Tokens back to back until phase_end. Starved time is what the device lost to
 * a feeder that was not running: from the end of the work to the return of the
 * wait, and the part of the host's work that was not spent on a CPU.
 */
static int feed_phase(struct feed *f, CUgraphExec graph, struct rng *rng, uint64_t phase_end)
{
	double sigma = 0.5;

	while (now_ns() < phase_end && !stop_flag) {
		uint64_t begin, done, host, cpu, wall;

		if (!f->settled && now_ns() >= f->counted_from)
			start_counting(f);
		begin = now_ns();
		if (submit(f, graph) || gpu_sync(&f->gpu))
			return -EIO;
		done = now_ns();
		hist_add(&f->token, done - begin);
		f->tokens++;
		if (f->gpu.emulated) {
			uint64_t at = *f->gpu.done_at;

			hist_add(&f->late, done > at ? done - at : 0);
			f->starved_ns += done > at ? done - at : 0;
		}
		host = rng_lognormal(rng, f->host_us * 1000.0, sigma);
		cpu = thread_cpu_ns();
		if (f->host_us > 0)
			burn_cpu(host);
		cpu = thread_cpu_ns() - cpu;
		wall = now_ns() - done;
		hist_add(&f->gap, wall);
		f->starved_ns += wall > cpu ? wall - cpu : 0;
	}
	return 0;
}

static void *feeder(void *arg)
{
	uint64_t phase_end, t;
	struct feed *f = arg;
	CUgraphExec graph = NULL;
	struct rng rng;

	pthread_setname_np(pthread_self(), "feeder");
	f->err = gpu_open(&f->gpu, f->wait, 64 << 20);
	if (f->err)
		return NULL;
	if (!f->eager)
		f->err = gpu_graph_make(&f->gpu, f->t_ms * 1e6, 8, &graph);
	rng_seed(&rng, f->seed);
	f->start = now_ns();
	f->counted_from = f->start + f->settle * 1e9;
	f->end = f->counted_from + f->seconds * 1e9;
	while (!f->err && wait_for_phase(f, &phase_end)) {
		t = now_ns();
		f->err = feed_phase(f, graph, &rng, phase_end);
		if (t < f->counted_from)
			t = f->counted_from;
		f->on_time += now_ns() > t ? now_ns() - t : 0;
	}
	f->end = now_ns();
	if (f->sched_known && !sched_times(gettid(), &f->run_ns, &f->wait_ns)) {
		f->run_ns -= f->run0;
		f->wait_ns -= f->wait0;
	}
	gpu_graph_free(&f->gpu, graph);
	gpu_close(&f->gpu);
	return NULL;
}

/*
 * CPU that the feeder wanted is what it ran plus what it stood in the run
 * queue: the same rule for all wait styles, from the kernel's own accounting.
 */
static json_t *cpu_json(const struct feed *f)
{
	uint64_t wanted = f->run_ns + f->wait_ns;

	if (!f->sched_known)
		return json_null();
	return json_pack("{s:f,s:f,s:f,s:f}", "run_s", f->run_ns / 1e9, "queued_s",
			 f->wait_ns / 1e9, "wanted_s", wanted / 1e9, "got_share",
			 wanted ? (double)f->run_ns / wanted : 1.0);
}

static json_t *feed_json(const struct feed *f)
{
	double on = f->on_time / 1e9;
	json_t *j = json_pack("{s:s,s:s,s:b,s:s,s:f,s:f,s:f,s:I,s:f,s:o}",
		"kind", "feed", "gpu", f->gpu.name, "emulated", f->gpu.emulated,
		"wait", gpu_wait_name(f->wait), "t_ms", f->t_ms,
		"seconds", (f->end - f->counted_from) / 1e9, "on_s", on,
		"tokens", (json_int_t)f->tokens,
		"tokens_per_s", on > 0 ? f->tokens / on : 0.0, "cpu", cpu_json(f));

	json_object_set_new(j, "launches", json_integer(f->gpu.launches));
	json_object_set_new(j, "token_us", hist_json(&f->token, 0));
	json_object_set_new(j, "host_us", hist_json(&f->gap, 0));
	json_object_set_new(j, "lateness_us", f->gpu.emulated ? hist_json(&f->late, 1) :
								json_null());
	json_object_set_new(j, "starved_s", f->gpu.emulated ? json_real(f->starved_ns / 1e9) :
							      json_null());
	if (f->gpu.emulated)
		json_object_set_new(j, "note", json_string("EMULATED GPU"));
	return j;
}

static void feed_print(const struct feed *f)
{
	double on = f->on_time / 1e9, wanted = (f->run_ns + f->wait_ns) / 1e9;

	printf("feeder   %s%s, waits by %s\n", f->gpu.name,
	       f->gpu.emulated ? " (EMULATED GPU)" : "", gpu_wait_name(f->wait));
	printf("tokens   %llu in %.2f s of work, %.1f per second\n", (unsigned long long)f->tokens,
	       on, on > 0 ? f->tokens / on : 0);
	if (f->gpu.emulated)
		printf("lateness p50 %.0f us, p95 %.0f us, p99 %.0f us, max %.0f us; "
		       "starved %.3f s\n",
		       hist_percentile(&f->late, 50) / 1e3, hist_percentile(&f->late, 95) / 1e3,
		       hist_percentile(&f->late, 99) / 1e3, f->late.max / 1e3,
		       f->starved_ns / 1e9);
	if (f->sched_known)
		printf("CPU      wanted %.2f s, got %.2f s (%.1f %%)\n", wanted, f->run_ns / 1e9,
		       wanted > 0 ? f->run_ns / 1e7 / wanted : 100.0);
}

static void parse_phases(struct feed *f, const char *arg)
{
	unsigned int on, off;
	char rest;

	if (sscanf(arg, "%u,%u%c", &on, &off, &rest) != 2 || !on || on > 3600000 || off > 3600000)
		bad_usage("--phase-ms %s: must be ON,OFF in ms, such as 5000,5000", arg);
	f->on_ns = on * NSEC_PER_MSEC;
	f->off_ns = off * NSEC_PER_MSEC;
}

static void parse_feed(struct feed *f, int argc, char **argv)
{
	static const struct option opts[] = {
		{ "wait", required_argument, NULL, 'w' },
		{ "t-ms", required_argument, NULL, 't' },
		{ "seconds", required_argument, NULL, 's' },
		{ "settle", required_argument, NULL, 'S' },
		{ "phase-ms", required_argument, NULL, 'p' },
		{ "host-us", required_argument, NULL, 'u' },
		{ "eager", required_argument, NULL, 'e' },
		{ "seed", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (c) {
		case 'w':
			f->wait = opt_gpu_wait(optarg);
			break;
		case 't':
			f->t_ms = opt_double("t-ms", optarg, 0.01, 5000);
			break;
		case 's':
			f->seconds = opt_double("seconds", optarg, 0.01, 86400);
			break;
		case 'S':
			f->settle = opt_double("settle", optarg, 0, 3600);
			break;
		case 'p':
			parse_phases(f, optarg);
			break;
		case 'u':
			f->host_us = opt_double("host-us", optarg, 0, 1e6);
			break;
		case 'e':
			f->eager = opt_u64("eager", optarg, 1, 4096);
			break;
		case 'r':
			f->seed = opt_u64("seed", optarg, 0, UINT64_MAX);
			break;
		case 'j':
			f->json = 1;
			break;
		default:
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		bad_usage("feed: what is '%s'?", argv[optind]);
}

/* signals go to the main thread, which sleeps; the feeder sees the flag */
static int run_feeder(struct feed *f)
{
	pthread_condattr_t attr;
	pthread_t thread;
	sigset_t set, old;
	int err;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->wake, &attr);
	pthread_mutex_init(&f->lock, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	stop_on_signals();
	pthread_sigmask(SIG_BLOCK, &set, &old);
	err = pthread_create(&thread, NULL, feeder, f);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		warn("cannot start the feeder thread: %s", strerror(err));
		return -err;
	}
	pthread_join(thread, NULL);
	return f->err;
}

int cmd_feed(int argc, char **argv)
{
	static struct feed f = {
		.wait = GPU_WAIT_BLOCK, .t_ms = 3.7, .seconds = 5, .host_us = 250, .seed = 1,
	};
	json_t *j;

	parse_feed(&f, argc, argv);
	if (run_feeder(&f))
		return EXIT_FAIL;
	if (!f.json) {
		feed_print(&f);
	} else {
		j = feed_json(&f);
		json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
		putchar('\n');
		json_decref(j);
	}
	return fflush(stdout) ? EXIT_FAIL : EXIT_OK;
}

// SPDX-License-Identifier: GPL-2.0-only
/* `agentload run`: replay a trace with a server and real agents, and report. */
#include "run.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agentload.h"
#include "client.h"
#include "gpu.h"
#include "util.h"

static void parse_run(struct run *r, int argc, char **argv)
{
	static const struct option opts[] = {
		{ "trace", required_argument, NULL, 't' },
		{ "server", required_argument, NULL, 's' },
		{ "wait", required_argument, NULL, 'w' },
		{ "eager", required_argument, NULL, 'e' },
		{ "max-batch", required_argument, NULL, 'b' },
		{ "json", required_argument, NULL, 'j' },
		{ "timeline", required_argument, NULL, 'T' },
		{ "wrap", required_argument, NULL, 'W' },
		{ "work", required_argument, NULL, 'd' },
		{ "limit-s", required_argument, NULL, 'l' },
		{ "quiet", no_argument, NULL, 'q' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "q", opts, NULL)) != -1) {
		switch (c) {
		case 't':
			r->trace_file = optarg;
			break;
		case 's':
			r->server_url = strcmp(optarg, "spawn") ? optarg : NULL;
			if (r->server_url && !client_port(optarg))
				bad_usage("--server %s: must be spawn or http://127.0.0.1:PORT",
					  optarg);
			break;
		case 'w':
			opt_gpu_wait(optarg);
			r->wait = optarg;
			break;
		case 'e':
			opt_u64("eager", optarg, 1, 4096);
			r->eager = optarg;
			break;
		case 'b':
			opt_u64("max-batch", optarg, 1, 64);
			r->max_batch = optarg;
			break;
		case 'j':
			r->json = optarg;
			break;
		case 'T':
			r->timeline = optarg;
			break;
		case 'W':
			r->wrap = optarg;
			break;
		case 'd':
			r->work_base = optarg;
			break;
		case 'l':
			r->limit_s = opt_double("limit-s", optarg, 1, 86400);
			break;
		case 'q':
			r->quiet = 1;
			break;
		default:
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		bad_usage("run: what is '%s'?", argv[optind]);
	if (!r->trace_file)
		bad_usage("run: give --trace FILE; 'agentload trace -o FILE' makes one");
}

/* One directory per seed: its files are the same for each run, and in the page cache. */
static int make_work_dir(struct run *r)
{
	const char *tmp = getenv("TMPDIR");
	char base[256];

	snprintf(base, sizeof(base), "%s/agentload-%u", tmp ? tmp : "/tmp",
		 (unsigned int)geteuid());
	if (r->work_base)
		snprintf(base, sizeof(base), "%s", r->work_base);
	if (!realpath(r->trace_file, r->trace_path))
		snprintf(r->trace_path, sizeof(r->trace_path), "%s", r->trace_file);
	snprintf(r->work, sizeof(r->work), "%s/seed-%llu", base,
		 (unsigned long long)r->trace.seed);
	snprintf(r->out, sizeof(r->out), "%s/out-%d", r->work, (int)getpid());
	if (tool_make_files(r->work, r->trace.seed))
		return -EIO;
	if (mkdir(r->out, 0755) && errno != EEXIST) {
		warn("cannot make %s: %s", r->out, strerror(errno));
		return -errno;
	}
	return 0;
}

static void remove_out(struct run *r)
{
	char path[480];
	unsigned int i;

	for (i = 0; i < r->trace.agents; i++) {
		snprintf(path, sizeof(path), "%s/agent-%u.json", r->out, i);
		unlink(path);
	}
	rmdir(r->out);
}

static void show_progress(struct run *r, int left)
{
	char dots[256];
	ssize_t n;

	while ((n = read(r->progress[0], dots, sizeof(dots))) > 0)
		r->steps_done += n;
	if (!r->quiet && now_ns() > r->epoch)
		fprintf(stderr, "\r%6.1f s  %llu of %u steps, %d agents at work ",
			(now_ns() - r->epoch) / 1e9, (unsigned long long)r->steps_done,
			r->trace.steps, left);
}

/* Wait for the agents; with a limit, since a run must end by itself. */
static int supervise(struct run *r)
{
	struct timespec tick = { .tv_nsec = 20000000 };
	uint64_t end = r->epoch + r->limit_s * 1e9, shown = 0;
	int left, err = 0;

	while ((left = run_reap(r)) && !stop_flag && !err) {
		if (now_ns() - shown > NSEC_PER_SEC) {
			shown = now_ns();
			show_progress(r, left);
		}
		if (r->server.reaped) {
			warn("the server ended before the agents");
			err = -ECHILD;
		} else if (now_ns() > end) {
			warn("not done after %.0f s: stopped; allow more with --limit-s",
			     r->limit_s);
			err = -ETIMEDOUT;
		}
		nanosleep(&tick, NULL);
	}
	r->end = now_ns();
	show_progress(r, left);
	if (!r->quiet)
		fputc('\n', stderr);
	if (stop_flag) {
		warn("interrupted");
		return -EINTR;
	}
	return err;
}

/*
 * Server first, for its port; statistics before and after, since the server may
 * be somebody else's and older than this run; the server last, so that no agent
 * sees it go.
 */
static int play(struct run *r)
{
	int err;

	err = run_start_server(r);
	if (err)
		return err;
	r->before = client_get(r->port, "/stats");
	if (!r->before)
		return -EIO;
	err = run_start_agents(r);
	if (!err)
		err = supervise(r);
	if (!r->server.reaped)
		r->after = client_get(r->port, "/stats");
	if (r->timeline && !r->server.reaped)
		r->feeder_spans = client_get(r->port, "/timeline");
	if (!err && !r->after)
		err = -EIO;
	if (!err)
		err = run_stop_server(r);
	return err;
}

static int write_report(struct run *r, const json_t *report)
{
	size_t flags = JSON_INDENT(1) | JSON_REAL_PRECISION(9);
	int err = 0;

	if (!r->json)
		return 0;
	if (!strcmp(r->json, "-")) {
		err = json_dumpf(report, stdout, flags);
		putchar('\n');
	} else {
		err = json_dump_file(report, r->json, flags);
	}
	if (err)
		warn("cannot write %s: %s", r->json, strerror(errno));
	return err;
}

/* However a run ended, nothing of it is left, and what was measured is shown. */
static int finish(struct run *r, int err)
{
	json_t *report;
	int whole;

	run_stop_all(r);
	if (!r->after) {
		remove_out(r);
		return EXIT_FAIL;
	}
	report = report_make(r);
	whole = json_is_true(json_object_get(report, "complete"));
	if (!r->json || strcmp(r->json, "-"))
		report_print(report, stdout);
	if (write_report(r, report) || (r->timeline && timeline_write(r, report)))
		err = -EIO;
	if (!whole && !err)
		warn("some agents did not do all their steps; see %s/tools.log", r->work);
	json_decref(report);
	remove_out(r);
	return err || !whole || fflush(stdout) ? EXIT_FAIL : EXIT_OK;
}

int cmd_run(int argc, char **argv)
{
	static struct run r = { .wait = "spin" };
	int err;

	parse_run(&r, argc, argv);
	if (trace_read(&r.trace, r.trace_file))
		return EXIT_USAGE;
	/* a line that rewrites itself is for people only */
	if (!isatty(STDERR_FILENO))
		r.quiet = 1;
	if (!r.limit_s)
		r.limit_s = r.trace.seconds * 20 > 60 ? r.trace.seconds * 20 : 60;
	tool_probe();
	if (make_work_dir(&r))
		return EXIT_FAIL;
	stop_on_signals();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	err = play(&r);
	err = finish(&r, err);
	trace_free(&r.trace);
	return err;
}

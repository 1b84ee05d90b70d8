// SPDX-License-Identifier: GPL-2.0-only
/* `agentload trace`: generate a trace and say what it will ask for. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentload.h"
#include "trace.h"
#include "util.h"

static void parse_trace(struct trace *t, double *rho, const char **out, int argc, char **argv)
{
	static const struct option opts[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "agents", required_argument, NULL, 'a' },
		{ "seconds", required_argument, NULL, 'd' },
		{ "cpu-scale", required_argument, NULL, 'c' },
		{ "rho", required_argument, NULL, 'r' },
		{ "cpus", required_argument, NULL, 'n' },
		{ "t1-ms", required_argument, NULL, 't' },
		{ "prefill-tps", required_argument, NULL, 'p' },
		{ "output", required_argument, NULL, 'o' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "o:", opts, NULL)) != -1) {
		switch (c) {
		case 's':
			t->seed = opt_u64("seed", optarg, 0, INT64_MAX);
			break;
		case 'a':
			t->agents = opt_u64("agents", optarg, 1, TRACE_MAX_AGENTS);
			break;
		case 'd':
			t->seconds = opt_double("seconds", optarg, 0.5, 36000);
			break;
		case 'c':
			t->cpu_scale = opt_double("cpu-scale", optarg, 0.0005, 100);
			break;
		case 'r':
			*rho = opt_double("rho", optarg, 0.01, 100);
			break;
		case 'n':
			t->cpus = opt_u64("cpus", optarg, 1, 1024);
			break;
		case 't':
			t->t1_ms = opt_double("t1-ms", optarg, 0.01, 1000);
			break;
		case 'p':
			t->prefill_tps = opt_double("prefill-tps", optarg, 1, 1e7);
			break;
		case 'o':
			*out = optarg;
			break;
		default:
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		bad_usage("trace: what is '%s'?", argv[optind]);
}

int cmd_trace(int argc, char **argv)
{
	struct trace t = { .seed = 1, .seconds = 30, .cpu_scale = 1, .t1_ms = 3.7,
			   .prefill_tps = 11500, .agents = 9 };
	const char *path = NULL;
	double rho = 0;
	FILE *out = stdout;
	int err;

	t.cpus = sysconf(_SC_NPROCESSORS_ONLN);
	parse_trace(&t, &rho, &path, argc, argv);
	err = trace_generate(&t, rho);
	if (err) {
		warn("cannot generate the trace: %s", err == -E2BIG ? "too many steps; ask for "
		     "fewer seconds or agents" : strerror(-err));
		return EXIT_FAIL;
	}
	if (path)
		out = fopen(path, "we");
	err = out ? trace_write(&t, out) : -errno;
	if (path && out && fclose(out) && !err)
		err = -errno;
	if (err)
		warn("cannot write %s: %s", path ? path : "the trace", strerror(-err));
	else if (path)
		printf("%s: %u agents, %u steps, %.1f CPU seconds of tools "
		       "(%.2f of %u CPUs for %.0f s)\n",
		       path, t.agents, t.steps, trace_cpu_us(&t) / 1e6,
		       trace_cpu_us(&t) / 1e6 / (t.cpus * t.seconds), t.cpus, t.seconds);
	trace_free(&t);
	return err ? EXIT_FAIL : EXIT_OK;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * starling-sim: Starling's policy and scheduler, the very same code, over a
 * simulated machine. What it prints depends on its options and its seed only.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/roles.h"
#include "tools/sim/alloc.h"
#include "tools/sim/check.h"
#include "tools/sim/cpu.h"
#include "tools/sim/load.h"

struct options {
	const char *sysroot;
	const struct load_type *type;
	bool json, time;
	unsigned int hz, delay_us, guard_ms;
};

static struct options opt = { .hz = 250, .delay_us = 1000, .guard_ms = 2000 };

static void usage(void)
{
	puts("usage: starling-sim [OPTION...]\n"
	     "Run Starling's policy and scheduler over a simulated machine.\n\n"
	     "  --cpus N          so many CPUs of one kind (20)\n"
	     "  --sysroot DIR     the machine whose /sys was dumped below DIR\n"
	     "  --load NAME|FILE  what runs, or a trace of `agentload trace` (m9)\n"
	     "  --policy NAME     starling, or fair: a model of the kernel's own (starling)\n"
	     "  --wait STYLE      feeders wait by block, spin or yield (block)\n"
	     "  --seconds S       simulated time; of m9 the length of its trace (60)\n"
	     "  --seed N          (1)\n"
	     "  --rho R           what m9's tools want of all CPUs (1.5)\n"
	     "  --hogs N, --agents N, --tasks N   instead of the load's own number\n"
	     "  --t-ms T          GPU time of a token (3.7)\n"
	     "  --host-us T       the feeder's work for a token (250)\n"
	     "  --hz N            ticks a second (250)\n"
	     "  --delay-us T      from a decision to its effect (1000)\n"
	     "  --guard-ms T      epochs in which rules are on trial; 0: none is (2000)\n"
	     "  --check           look at every step that the invariants hold\n"
	     "  --time            what decisions cost here, on stderr\n"
	     "  --json            for programs\n\nloads:");
	for (const struct load_type *l = load_types; l->name; l++)
		printf("  %-18s%s\n", l->name, l->help);
	puts("\nExit status: 0, 1 when an invariant did not hold, 2 usage.");
}

static void set_policy(const char *name)
{
	if (!strcmp(name, "starling"))
		machine.model = &model_starling;
	else if (!strcmp(name, "fair"))
		machine.model = &model_fair;
	else
		bad_usage("--policy %s: must be starling or fair", name);
}

static void set_style(const char *name)
{
	for (load.style = STARLING_WAIT_BLOCK; load.style <= STARLING_WAIT_YIELD; load.style++)
		if (!strcmp(wait_style_name(load.style), name))
			return;
	bad_usage("--wait %s: must be block, spin or yield", name);
}

static void set_load(const char *name)
{
	opt.type = load_find(name);
	load.trace = NULL;
	if (opt.type)
		return;
	if (!strchr(name, '/') && !strchr(name, '.'))
		bad_usage("--load %s: no such load; --help lists them, and a file has a / or a .",
			  name);
	opt.type = load_find("m9");
	load.trace = name;
}

enum {
	OPT_CPUS = 256, OPT_SYSROOT, OPT_LOAD, OPT_POLICY, OPT_WAIT, OPT_SECONDS, OPT_SEED,
	OPT_RHO, OPT_HOGS, OPT_AGENTS, OPT_TASKS, OPT_T_MS, OPT_HOST_US, OPT_HZ, OPT_DELAY,
	OPT_GUARD, OPT_CHECK, OPT_TIME, OPT_JSON, OPT_HELP,
};

static const struct option longopts[] = {
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "sysroot", required_argument, NULL, OPT_SYSROOT },
	{ "load", required_argument, NULL, OPT_LOAD },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "wait", required_argument, NULL, OPT_WAIT },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "rho", required_argument, NULL, OPT_RHO },
	{ "hogs", required_argument, NULL, OPT_HOGS },
	{ "agents", required_argument, NULL, OPT_AGENTS },
	{ "tasks", required_argument, NULL, OPT_TASKS },
	{ "t-ms", required_argument, NULL, OPT_T_MS },
	{ "host-us", required_argument, NULL, OPT_HOST_US },
	{ "hz", required_argument, NULL, OPT_HZ },
	{ "delay-us", required_argument, NULL, OPT_DELAY },
	{ "guard-ms", required_argument, NULL, OPT_GUARD },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "time", no_argument, NULL, OPT_TIME },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

static void set_number(int c, const char *arg)
{
	switch (c) {
	case OPT_CPUS:
		machine.ncpu = opt_u64("cpus", arg, 1, SHIM_CPUS_MAX);
		break;
	case OPT_SECONDS:
		load.end_ns = opt_double("seconds", arg, 0.1, 1e7) * S;
		break;
	case OPT_SEED:
		load.seed = opt_u64("seed", arg, 0, UINT64_MAX);
		break;
	case OPT_RHO:
		load.rho = opt_double("rho", arg, 0.001, 100);
		break;
	case OPT_HOGS:
		load.hogs = opt_u64("hogs", arg, 1, 100000);
		break;
	case OPT_AGENTS:
		load.agents = opt_u64("agents", arg, 1, 10000);
		break;
	case OPT_TASKS:
		load.tasks = opt_u64("tasks", arg, 1, 1000000);
		break;
	case OPT_T_MS:
		load.t1_ms = opt_double("t-ms", arg, 0.01, 10000);
		break;
	case OPT_HOST_US:
		load.host_us = opt_double("host-us", arg, 1, 1e6);
		break;
	case OPT_HZ:
		opt.hz = opt_u64("hz", arg, 24, 10000);
		break;
	case OPT_DELAY:
		opt.delay_us = opt_u64("delay-us", arg, 0, 10000000);
		break;
	case OPT_GUARD:
		opt.guard_ms = opt_u64("guard-ms", arg, 0, 600000);
		break;
	}
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "h", longopts, NULL)) != -1) {
		switch (c) {
		case OPT_HELP:
		case 'h':
			usage();
			exit(EXIT_OK);
		case OPT_SYSROOT:
			opt.sysroot = optarg;
			break;
		case OPT_LOAD:
			set_load(optarg);
			break;
		case OPT_POLICY:
			set_policy(optarg);
			break;
		case OPT_WAIT:
			set_style(optarg);
			break;
		case OPT_CHECK:
			check_on = true;
			break;
		case OPT_TIME:
			opt.time = true;
			break;
		case OPT_JSON:
			opt.json = true;
			break;
		case '?':
			fputs("Try 'starling-sim --help'.\n", stderr);
			exit(EXIT_USAGE);
		default:
			set_number(c, optarg);
		}
	}
	if (optind < argc)
		bad_usage("%s: there are no arguments but options", argv[optind]);
}

/* CPUs of one kind, eight to a cache. */
static int topology_plain(struct topology *topo, unsigned int n)
{
	topo->ncpu = n;
	topo->cpu = calloc(n, sizeof(*topo->cpu));
	if (!topo->cpu)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		topo->cpu[i] = (struct topo_cpu){ .id = i, .core = i, .llc = i / 8,
						  .capacity = 1024, .big = true };
		CPU_SET(i, &topo->all);
	}
	return 0;
}

static void machine_make(void)
{
	struct topology *topo = &load.topo;
	int err = opt.sysroot ? topology_load(topo, opt.sysroot) :
				topology_plain(topo, machine.ncpu);

	if (err)
		bad_usage("--sysroot %s: %s", opt.sysroot ? opt.sysroot : "", strerror(-err));
	machine.ncpu = topo->ncpu;
	machine.cpu = calloc(machine.ncpu, sizeof(*machine.cpu));
	if (!machine.cpu)
		bad_usage("--cpus %u: out of memory", machine.ncpu);
	for (unsigned int i = 0; i < machine.ncpu; i++) {
		if (topo->cpu[i].id != i)
			bad_usage("--sysroot %s: CPU %u is offline; all must be online",
				  opt.sysroot, i);
		machine.cpu[i].speed = topo->cpu[i].capacity / 1024.0;
		load.smt |= i && topo->cpu[i].core == topo->cpu[i - 1].core;
	}
	machine.switch_ns = 2 * US;
	machine.ipi_ns = 1 * US;
	machine.yield_ns = 20 * US;
}

static void say_cost(uint64_t allocs)
{
	const struct daemon_cost *c = daemon_get_cost();

	if (!c->decisions)
		return;
	fprintf(stderr, "decisions: %llu over %zu tasks at most, mean %.3f ms, max %.3f ms, "
		"%llu allocations at most in one; %llu in the second half of the run\n",
		(unsigned long long)c->decisions, c->tasks_max,
		c->sum_ns / 1e6 / c->decisions, c->max_ns / 1e6,
		(unsigned long long)c->allocs_max, (unsigned long long)allocs);
}

/* The second half of a run is what a steady state is. */
static uint64_t run(void)
{
	/* the end of a trace is when all its agents are done */
	uint64_t end = metrics.planned ? load.end_ns * 20 : load.end_ns, half;

	engine_run(load.end_ns / 2, check_step);
	half = alloc_count();
	metrics.room_at_half = task_room();
	engine_run(end, check_step);
	return alloc_count() - half;
}

static void report(void)
{
	json_t *j;

	metric_finish();
	j = metric_report();
	json_object_set_new(j, "load", json_string(load.trace ? load.trace : opt.type->name));
	if (opt.json) {
		json_dumpf(j, stdout, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
		putchar('\n');
	} else {
		metric_print(j);
	}
	json_decref(j);
}

int main(int argc, char **argv)
{
	uint64_t allocs;

	load.seed = 1;
	load.end_ns = 60 * S;
	load.style = STARLING_WAIT_BLOCK;
	load.rho = 1.5;
	load.t1_ms = 3.7;
	load.prefill_tps = 11500;
	load.host_us = 250;
	machine.ncpu = 20;
	machine.model = &model_starling;
	opt.type = load_find("m9");
	parse(argc, argv);
	machine_make();
	rng_seed(&load.rng, load.seed);
	cpu_start(opt.hz);
	if (machine.model == &model_starling)
		daemon_start(opt.delay_us * US, opt.guard_ms * MS);
	if (opt.type->start())
		return EXIT_USAGE;
	allocs = run();
	report();
	if (opt.time)
		say_cost(allocs);
	daemon_stop();
	task_free_all();
	engine_free();
	trace_free(&load.tr);
	free(machine.cpu);
	topology_free(&load.topo);
	return check_failures() ? EXIT_FAIL : EXIT_OK;
}

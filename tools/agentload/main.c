// SPDX-License-Identifier: GPL-2.0-only
/*
 * agentload: the workload of Starling's benchmarks and demo. An inference
 * server whose feeder thread drives a GPU through the CUDA driver API, agents
 * that talk to it and run real tools, and the two halves of a bench: a bare
 * feeder and CPU hogs.
 */
#include "agentload.h"

#include <stdio.h>
#include <string.h>

#include "util.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;		/* NULL: used by agentload itself */
} commands[] = {
	{ "trace", cmd_trace,
	  "make a trace: [--seed N] [--agents 9] [--seconds S] [--cpu-scale X | --rho R]\n"
	  "\t\t[--cpus N] [--t1-ms T] [--prefill-tps N] [-o FILE]" },
	{ "run", cmd_run,
	  "replay one: --trace FILE [--server URL|spawn] [--wait STYLE] [--json FILE]\n"
	  "\t\t[--timeline FILE] [--wrap 'starling run --name %n --role %r --']\n"
	  "\t\t[--work DIR] [--limit-s S] [--eager N] [--max-batch N] [--quiet]" },
	{ "serve", cmd_serve,
	  "an inference server on 127.0.0.1: [--port P] [--wait STYLE] [--t1-ms T]\n"
	  "\t\t[--prefill-tps N] [--host-us U] [--eager N] [--max-batch N] [--timeline FILE]" },
	{ "feed", cmd_feed,
	  "a feeder loop alone: --wait STYLE --t-ms T --seconds S [--phase-ms ON,OFF]\n"
	  "\t\t[--settle S] [--host-us U] [--eager N] [--seed N] [--json]" },
	{ "hog", cmd_hog,
	  "tools that use the CPU and count their work: --procs N --seconds S | --units U\n"
	  "\t\t[--kind cpu|fork|memory|io|barrier] [--units-last U]\n"
	  "\t\t[--life-ms L] [--comm NAME] [--count-file FILE] [--json]" },
	{ "hog-worker", cmd_hog_worker, NULL },
	{ "agent", cmd_agent, NULL },
	{ "burn", cmd_burn, NULL },
};

static void usage(FILE *out)
{
	size_t i;

	fputs("Usage: agentload COMMAND [OPTION...]\n\n"
	      "The workload that Starling is shown and measured with.\n\nCommands:\n", out);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].help)
			fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
	fputs("\nThe GPU is the one that libcuda.so.1 gives; LD_LIBRARY_PATH=build/gpuemu makes\n"
	      "it the emulated one, and every report then says EMULATED GPU.\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage.\n", out);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2)
		bad_usage("no command given");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		usage(stdout);
		return fflush(stdout) ? EXIT_FAIL : EXIT_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("agentload " STARLING_VERSION);
		return EXIT_OK;
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	bad_usage("unknown command '%s'", argv[1]);
}

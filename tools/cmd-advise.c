// SPDX-License-Identifier: GPL-2.0-only
/* starling advise */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/quantity.h"
#include "daemon/roles.h"
#include "tools/cli.h"

struct advise_opts {
	struct common common;
	const char *agent;
	const char *priority;
	uint64_t gpu;
	uint64_t memory;	/* 0: not said */
};

enum { OPT_AGENT = 'a', OPT_PRIORITY = 'p', OPT_GPU = 'g', OPT_MEMORY = 'm' };

static const struct argp_option options[] = {
	{ "agent", OPT_AGENT, "ID", 0, "For this agent, at its priority", 0 },
	{ "priority", OPT_PRIORITY, "CLASS", 0, "interactive, normal (default) or batch", 0 },
	{ "gpu", OPT_GPU, "N", 0, "Of this GPU: 0", 0 },
	{ "memory", OPT_MEMORY, "SIZE", 0, "Memory that it will need: 16G", 0 },
	{ 0 },
};

static void parse_quantity(struct argp_state *state, const char *arg, const struct unit *units,
			   uint64_t min, uint64_t max, uint64_t *value)
{
	if (!quantity_parse(arg, arg + strlen(arg), units, min, max, value))
		argp_error(state, "'%s' is no %s", arg, units == quantity_bytes ?
			   "size such as 16G or 512M" : "number of a GPU, 0 to 15");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct advise_opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case OPT_AGENT:
		o->agent = arg;
		return 0;
	case OPT_PRIORITY:
		if (priority_parse(arg) < 0)
			argp_error(state, "'%s' is not interactive, normal or batch", arg);
		o->priority = arg;
		return 0;
	case OPT_GPU:
		parse_quantity(state, arg, quantity_number, 0, STARLING_GPUS_MAX - 1, &o->gpu);
		return 0;
	case OPT_MEMORY:
		parse_quantity(state, arg, quantity_bytes, 1, INT64_MAX, &o->memory);
		return 0;
	case ARGP_KEY_END:
		if (o->agent && o->priority)
			argp_error(state, "--agent or --priority, not both");
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Say where the next piece of inference should run: on the GPU, on the CPU or "
	       "elsewhere, and why.\v"
	       "Nothing is changed and nothing is reserved. Exit status 0 whatever the advice "
	       "is; 1 when the daemon cannot be asked.",
	.children = children,
};

/* "-": not known. */
static void print_number(const char *what, const json_t *o, const char *key, double unit,
			 const char *unit_text)
{
	if (field_known(o, key))
		printf("%s %.*f %s", what, unit == 1 ? 0 : 1, field_real(o, key) / unit,
		       unit_text);
	else
		printf("%s -", what);
}

static void print_gpu(const json_t *gpu)
{
	print_number("  gpu: busy", gpu, "busy_percent", 1, "%");
	print_number(" of the last", gpu, "recent_s", 1, "s");
	printf("; bottleneck: %s", field_text(gpu, "bottleneck"));
	print_number("; memory free", gpu, "memory_free_bytes", 1 << 30, "GiB");
	print_number(" of", gpu, "memory_total_bytes", 1 << 30, "GiB");
	putchar('\n');
}

static void print_queue(const json_t *queue)
{
	const json_t *by = json_object_get(queue, "waiting_by_class");

	if (!json_is_object(queue)) {
		puts("  queue: none: the module is not loaded");
		return;
	}
	printf("  queue: %lld of %lld slots held; waiting: %lld interactive, %lld normal, "
	       "%lld batch", field_int(queue, "holders"), field_int(queue, "slots"),
	       field_int(by, "interactive"), field_int(by, "normal"), field_int(by, "batch"));
	print_number("; mean hold", queue, "mean_hold_ms", 1, "ms");
	print_number("\n  wait:", queue, "wait_ms", 1, "ms");
	print_number("; at least", queue, "wait_least_ms", 1, "ms");
	print_number("; at most", queue, "wait_most_ms", 1, "ms");
	printf("\n  how: %s\n", field_text(queue, "how"));
}

static void print_rest(const json_t *cpu, const json_t *memory)
{
	printf("  cpu: %lld cores", field_int(cpu, "cpus"));
	if (field_known(cpu, "idle_cpus"))
		printf("; idle of late %.1f", field_real(cpu, "idle_cpus"));
	else
		printf("; idle of late -");
	print_number("; pressure", cpu, "pressure_percent", 1, "%");
	print_number("\n  memory: available", memory, "available_bytes", 1 << 30, "GiB");
	print_number("; pressure", memory, "pressure_percent", 1, "%");
	putchar('\n');
}

static void print_advice(const json_t *answer, bool words)
{
	printf("%s: %s (%s)\n", field_text(answer, "advice"), field_text(answer, "reason"),
	       field_text(answer, "sure"));
	if (!words)
		return;
	print_gpu(json_object_get(answer, "gpu"));
	print_queue(json_object_get(answer, "queue"));
	print_rest(json_object_get(answer, "cpu"), json_object_get(answer, "memory"));
}

static json_t *parameters(const struct advise_opts *o)
{
	return json_pack("{s:s*, s:s*, s:I, s:o}", "agent", o->agent, "priority", o->priority,
			 "gpu", (json_int_t)o->gpu, "memory_bytes",
			 o->memory ? json_integer(o->memory) : json_null());
}

int cmd_advise(int argc, char **argv)
{
	struct advise_opts o = { 0 };
	json_t *answer;
	int ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EX_USAGE_;
	ret = cli_call(&o.common, "Advise", parameters(&o), &answer);
	if (ret)
		return ret;
	if (o.common.json)
		cli_print_json(answer);
	else
		print_advice(answer, !o.common.no_legend);
	json_decref(answer);
	return EX_OK_;
}

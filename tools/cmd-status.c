// SPDX-License-Identifier: GPL-2.0-only
/* starling status */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/cli.h"
#include "tools/table.h"

struct status_opts {
	struct common common;
	double watch;
};

/* GPU time that was shared out by estimate, and what is made from it: "~". */
static void format_gpu(const json_t *row, const char *key, char *buf, size_t len)
{
	const char *mark = json_is_true(json_object_get(row, "gpu_estimated")) ? "~" : "";

	if (field_known(row, key))
		snprintf(buf, len, "%s%.2f", mark, field_real(row, key));
}

/* A value with its source: "~" where it is an estimate. */
static void format_scaled(const json_t *row, const char *key, double unit, char *buf, size_t len)
{
	const json_t *v = json_object_get(row, key), *n = json_object_get(v, "value");
	const char *mark = json_is_true(json_object_get(v, "estimated")) ? "~" : "";

	if (json_is_real(n))
		snprintf(buf, len, "%s%.2f", mark, json_real_value(n) / unit);
	else if (json_is_integer(n))
		snprintf(buf, len, "%s%.0f", mark, json_integer_value(n) / unit);
}

static void format_value(const json_t *row, const char *key, char *buf, size_t len)
{
	format_scaled(row, key, 1, buf, len);
}

static void format_mib(const json_t *row, const char *key, char *buf, size_t len)
{
	format_scaled(row, key, 1 << 20, buf, len);
}

/* What GPUs used for an agent, and its share of the CPU's package where that is told. */
static void format_energy(const json_t *row, const char *key, char *buf, size_t len)
{
	const json_t *gpu = json_object_get(row, key), *cpu = json_object_get(row, "cpu_energy_j");

	if (!json_is_null(gpu) || !json_is_null(cpu))
		snprintf(buf, len, "~%.2f", field_real(gpu, "value") + field_real(cpu, "value"));
}

/* "driver", or "driver+model" of a sum that has both. */
static void format_source(const json_t *row, const char *key, char *buf, size_t len)
{
	const json_t *list = json_object_get(json_object_get(row, key), "source"), *word;
	size_t i, n = 0;

	json_array_foreach(list, i, word)
		if (n < len)
			n += snprintf(buf + n, len - n, "%s%s", i ? "+" : "",
				      json_string_value(word));
}

static const struct column agent_columns[] = {
	{ "AGENT", "id", 0, NULL },
	{ "NAME", "name", SCOLS_FL_TRUNC, NULL },
	{ "FROM", "origin", 0, NULL },
	{ "WEIGHT", "weight", SCOLS_FL_RIGHT, table_int },
	{ "TASKS", "tasks", SCOLS_FL_RIGHT, table_int },
	{ "CPU_S", "cpu_s", SCOLS_FL_RIGHT, table_real },
	{ "WAIT_S", "wait_s", SCOLS_FL_RIGHT, table_real },
	{ "GPU_S", "gpu_s", SCOLS_FL_RIGHT, format_gpu },
	{ "GPU_WAIT_S", "gpu_wait_s", SCOLS_FL_RIGHT, table_real },
	{ "CPU_GPU", "cpu_gpu", SCOLS_FL_RIGHT, format_gpu },
	{ "RECENT", "cpu_gpu_recent", SCOLS_FL_RIGHT, format_gpu },
	{ "ENERGY_J", "gpu_energy_j", SCOLS_FL_RIGHT, format_energy },
	{ 0 },
};

static const struct column feeder_columns[] = {
	{ "TID", "tid", SCOLS_FL_RIGHT, table_int },
	{ "COMM", "comm", 0, NULL },
	{ "AGENT", "agent", 0, NULL },
	{ "CPUS", "cpus", 0, NULL },
	{ "STYLE", "style", 0, NULL },
	{ "ACTIVE", "active", 0, table_yes },
	{ "WAITS", "waits", SCOLS_FL_RIGHT, table_int },
	{ "GPU_S", "gpu_wait_s", SCOLS_FL_RIGHT, table_real },
	{ "STARVED_MS", "starved_ms", SCOLS_FL_RIGHT, table_real },
	{ 0 },
};

static const struct column inference_columns[] = {
	{ "TID", "tid", SCOLS_FL_RIGHT, table_int },
	{ "COMM", "comm", 0, NULL },
	{ "PID", "pid", SCOLS_FL_RIGHT, table_int },
	{ "AGENT", "agent", 0, NULL },
	{ "CPU_S", "cpu_s", SCOLS_FL_RIGHT, table_real },
	{ "WAIT_S", "wait_s", SCOLS_FL_RIGHT, table_real },
	{ "WHY", "why", 0, NULL },
	{ 0 },
};

static const struct column process_columns[] = {
	{ "PID", "pid", SCOLS_FL_RIGHT, table_int },
	{ "COMM", "comm", 0, NULL },
	{ "AGENT", "agent", 0, NULL },
	{ "BUSY_S", "busy_s", SCOLS_FL_RIGHT, format_value },
	{ "MEM_MIB", "memory_bytes", SCOLS_FL_RIGHT, format_mib },
	{ "ENERGY_J", "energy_j", SCOLS_FL_RIGHT, format_value },
	{ "SOURCE", "busy_s", 0, format_source },
	{ 0 },
};

static const struct column gpu_columns[] = {
	{ "GPU", "id", 0, NULL },
	{ "NAME", "name", SCOLS_FL_TRUNC, NULL },
	{ "BUSY_%", "busy_percent", SCOLS_FL_RIGHT, format_value },
	{ "MEM_MIB", "memory_bytes", SCOLS_FL_RIGHT, format_mib },
	{ "OF_MIB", "memory_total_bytes", SCOLS_FL_RIGHT, format_mib },
	{ "POWER_W", "power_w", SCOLS_FL_RIGHT, format_value },
	{ "ENERGY_J", "energy_j", SCOLS_FL_RIGHT, format_value },
	{ "MHZ", "clock_mhz", SCOLS_FL_RIGHT, format_value },
	{ "FAULTS", "faults", SCOLS_FL_RIGHT, format_value },
	{ 0 },
};

enum { OPT_WATCH = 'w' };

static const struct argp_option options[] = {
	{ "watch", OPT_WATCH, "SEC", 0, "Print again every SEC seconds", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct status_opts *o = state->input;
	char *end;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case OPT_WATCH:
		o->watch = strtod(arg, &end);
		if (*end || end == arg || !(o->watch >= 0.1 && o->watch <= 86400))
			argp_error(state, "'%s' is no time from 0.1 to 86400 s", arg);
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
	.doc = "Show what is managed and what is protected.\v"
	       "CPU_GPU is CPU seconds per GPU second, RECENT that of the last minute or less; "
	       "'~' marks an estimate, '-' what is not known.",
	.children = children,
};

static void print_fall(const json_t *fall)
{
	if (json_is_object(fall))
		printf("fell back: placer %s has ended (%s); 'starling on' tries it again\n",
		       field_text(fall, "from"), field_text(fall, "why"));
}

/* What the one at work cannot do here. */
static void print_limits(const json_t *placers)
{
	const json_t *p, *text;
	size_t i, k;

	json_array_foreach(placers, i, p) {
		if (!json_is_true(json_object_get(p, "at_work")))
			continue;
		printf("limits of placer %s:\n", field_text(p, "name"));
		json_array_foreach(json_object_get(p, "cannot"), k, text)
			printf("  %s\n", json_string_value(text));
	}
}

static void print_head(const json_t *status)
{
	const json_t *mode = json_object_get(status, "mode");
	const json_t *plan = json_object_get(status, "plan");
	const json_t *noise = json_object_get(status, "noise");

	printf("%s: %lld cpus (%lld big), probes %s, module %s, placer %s\n",
	       field_text(mode, "state"), field_int(mode, "cpus"),
	       field_int(mode, "big"), field_text(mode, "probes"),
	       json_is_true(json_object_get(mode, "module")) ? "yes" : "no",
	       field_known(mode, "placer") ? field_text(mode, "placer") : "none");
	if (field_known(mode, "missing"))
		printf("missing: %s\n", field_text(mode, "missing"));
	print_fall(json_object_get(mode, "fell_back"));
	print_limits(json_object_get(mode, "placers"));
	printf("plan: %s\n", field_text(plan, "why"));
	printf("protected cpus: %s; lent: %s\n", field_text(plan, "protected"),
	       field_text(plan, "lent"));
	if (field_known(noise, "text"))
		printf("noise: %s\n", field_text(noise, "text"));
	putchar('\n');
}

/* The measured ratio, beside the one that the default of kept cores is made for. */
static void print_ratio(const json_t *ratio)
{
	char ever[32] = "-", recent[32] = "-", of[32] = "";
	const json_t *gpu = json_object_get(ratio, "gpu_s");
	const char *mark = json_is_true(json_object_get(gpu, "estimated")) ? "~" : "";

	if (field_known(ratio, "cpu_gpu"))
		snprintf(ever, sizeof(ever), "%s%.2f", mark, field_real(ratio, "cpu_gpu"));
	if (field_known(ratio, "cpu_gpu_recent")) {
		snprintf(recent, sizeof(recent), "%s%.2f", mark,
			 field_real(ratio, "cpu_gpu_recent"));
		snprintf(of, sizeof(of), " (%.0f s)", field_real(ratio, "recent_s"));
	}
	printf("agents' CPU seconds per GPU second: %s, of late%s %s; 1 protected core in %lld "
	       "is made for %.0f", ever, of, recent, field_int(ratio, "protected_one_in"),
	       field_real(ratio, "reckoned"));
	if (field_known(ratio, "of_reckoned"))
		printf(": %.2f times that", field_real(ratio, "of_reckoned"));
	putchar('\n');
}

static void print_foot(const json_t *status)
{
	const json_t *own = json_object_get(status, "daemon");

	printf("\nstarlingd %lld: %.2f %% of a core, %.1f MiB, %lld tasks, "
	       "%lld changes in effect, %lld events lost\n",
	       field_int(own, "pid"), field_real(own, "cpu_percent"),
	       field_int(own, "rss_kib") / 1024.0, field_int(own, "tasks"),
	       field_int(own, "changes_in_effect"), field_int(own, "lost_events"));
}

/* GPUs and who uses them, where a source tells; else why not. */
static int print_gpu(const json_t *gpu, bool words)
{
	const json_t *devices = json_object_get(gpu, "devices");
	const json_t *processes = json_object_get(gpu, "processes");
	int err = 0;

	if (json_array_size(devices)) {
		putchar('\n');
		err = table_print(gpu_columns, devices, words);
	} else if (words) {
		printf("\nGPU values: none: %s\n", field_known(gpu, "why") ?
		       field_text(gpu, "why") : "no device");
	}
	if (err || !json_array_size(processes))
		return err;
	putchar('\n');
	return table_print(process_columns, processes, words);
}

static int print_status(const json_t *status, const struct common *o)
{
	const json_t *agents = json_object_get(status, "agents");
	const json_t *feeders = json_object_get(status, "feeders");
	const json_t *inference = json_object_get(status, "inference");
	bool words = !o->no_legend;
	int err = 0;

	if (words)
		print_head(status);
	if (json_array_size(agents))
		err = table_print(agent_columns, agents, words);
	else if (words)
		puts("no agents");
	if (words)
		print_ratio(json_object_get(status, "ratio"));
	if (!err && json_array_size(feeders)) {
		putchar('\n');
		err = table_print(feeder_columns, feeders, words);
	} else if (!err && words) {
		puts("\nno GPU threads");
	}
	if (!err && json_array_size(inference)) {
		putchar('\n');
		err = table_print(inference_columns, inference, words);
	}
	if (!err)
		err = print_gpu(json_object_get(status, "gpu"), words);
	if (words)
		print_foot(status);
	return err;
}

static int show(const struct status_opts *o)
{
	json_t *status;
	int ret = cli_call(&o->common, "Status", NULL, &status);

	if (ret)
		return ret;
	if (o->common.json && o->watch > 0) {
		/* one object a line: a stream */
		json_dumpf(status, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (o->common.json) {
		cli_print_json(status);
	} else if (print_status(status, &o->common)) {
		cli_error("out of memory");
		ret = EX_FAILED;
	}
	json_decref(status);
	return ret;
}

int cmd_status(int argc, char **argv)
{
	struct status_opts o = { 0 };
	int ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EX_USAGE_;
	for (;;) {
		if (o.watch > 0 && !o.common.json && isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		ret = show(&o);
		if (ret || o.watch <= 0 || fflush(stdout))
			return ret;
		usleep(o.watch * 1e6);
	}
}

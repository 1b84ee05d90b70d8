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

static const struct column agent_columns[] = {
	{ "AGENT", "id", 0, NULL },
	{ "NAME", "name", SCOLS_FL_TRUNC, NULL },
	{ "FROM", "origin", 0, NULL },
	{ "WEIGHT", "weight", SCOLS_FL_RIGHT, table_int },
	{ "TASKS", "tasks", SCOLS_FL_RIGHT, table_int },
	{ "CPU_S", "cpu_s", SCOLS_FL_RIGHT, table_real },
	{ "WAIT_S", "wait_s", SCOLS_FL_RIGHT, table_real },
	{ "GPU_S", "gpu_s", SCOLS_FL_RIGHT, format_gpu },
	{ "CPU_GPU", "cpu_gpu", SCOLS_FL_RIGHT, format_gpu },
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
	       "CPU_GPU is CPU seconds per GPU second; '~' marks an estimate, "
	       "'-' what is not known.",
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

static void print_foot(const json_t *status)
{
	const json_t *own = json_object_get(status, "daemon");

	printf("\nstarlingd %lld: %.2f %% of a core, %.1f MiB, %lld tasks, "
	       "%lld changes in effect, %lld events lost\n",
	       field_int(own, "pid"), field_real(own, "cpu_percent"),
	       field_int(own, "rss_kib") / 1024.0, field_int(own, "tasks"),
	       field_int(own, "changes_in_effect"), field_int(own, "lost_events"));
}

static int print_status(const json_t *status, const struct common *o)
{
	const json_t *agents = json_object_get(status, "agents");
	const json_t *feeders = json_object_get(status, "feeders");
	bool words = !o->no_legend;
	int err = 0;

	if (words)
		print_head(status);
	if (json_array_size(agents))
		err = table_print(agent_columns, agents, words);
	else if (words)
		puts("no agents");
	if (!err && json_array_size(feeders)) {
		putchar('\n');
		err = table_print(feeder_columns, feeders, words);
	} else if (!err && words) {
		puts("\nno GPU threads");
	}
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

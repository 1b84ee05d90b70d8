// SPDX-License-Identifier: GPL-2.0-only
/* starling explain */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/cli.h"

struct explain_opts {
	struct common common;
	long pid;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct explain_opts *o = state->input;
	char *end;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case ARGP_KEY_ARG:
		if (o->pid)
			argp_error(state, "one PID or TID at a time");
		o->pid = strtol(arg, &end, 10);
		if (*end || o->pid < 1 || o->pid > 0x7fffffff)
			argp_error(state, "'%s' is no PID or TID", arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "a PID or TID is needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = {
	.parser = parse,
	.args_doc = "PID|TID",
	.doc = "Tell the role of a thread, or of all threads of a process, why it has "
	       "it, what was done to it and what it waited for; and of each rule, what "
	       "it was measured to do.",
	.children = children,
};

static void print_who(const json_t *t)
{
	printf("%lld (%s)", field_int(t, "tid"), field_text(t, "comm"));
	if (field_int(t, "tid") != field_int(t, "pid"))
		printf(", thread of %lld", field_int(t, "pid"));
	if (field_known(t, "agent"))
		printf(", agent %s '%s'", field_text(t, "agent"),
		       field_text(t, "agent_name"));
	putchar('\n');
}

static void print_role(const json_t *t)
{
	printf("  role    %s, by %s", field_text(t, "role"), field_text(t, "role_source"));
	if (field_known(t, "why"))
		printf(": %s", field_text(t, "why"));
	if (field_known(t, "why_tid"))
		printf(" (%lld %s)", field_int(t, "why_tid"), field_text(t, "why_comm"));
	if (field_known(t, "cpus"))
		printf(", on %s cpus", field_text(t, "cpus"));
	putchar('\n');
}

static void print_times(const json_t *t)
{
	if (field_known(t, "cpu_s"))
		printf("  ran     %.3f s", field_real(t, "cpu_s"));
	if (field_known(t, "wait_s"))
		printf(", waited %.3f s for a cpu", field_real(t, "wait_s"));
	if (field_known(t, "voluntary_switches"))
		printf("; slept %lld times, was pushed off %lld times",
		       field_int(t, "voluntary_switches"),
		       field_int(t, "involuntary_switches"));
	if (field_known(t, "migrations"))
		printf(", moved %lld times", field_int(t, "migrations"));
	if (field_known(t, "cpu_s"))
		putchar('\n');
	if (!field_known(t, "wait_style"))
		return;
	printf("  gpu     %lld waits", field_int(t, "gpu_waits"));
	if (field_known(t, "gpu_wait_s"))
		printf(", %.3f s", field_real(t, "gpu_wait_s"));
	printf(", style %s", field_text(t, "wait_style"));
	if (field_known(t, "starved_ms"))
		printf("; starved about %.1f ms", field_real(t, "starved_ms"));
	putchar('\n');
}

/* What it did with NVIDIA's kernel driver. */
static void print_driver(const json_t *d)
{
	if (!json_is_object(d))
		return;
	printf("  driver  %lld opens, %lld ioctls in %.3f s, %lld maps, %lld polls;"
	       " the last %.1f s ago\n", field_int(d, "opens"), field_int(d, "ioctls"),
	       field_real(d, "ioctl_s"), field_int(d, "maps"), field_int(d, "polls"),
	       field_real(d, "idle_s"));
}

static void print_evidence(const json_t *t)
{
	print_times(t);
	print_driver(json_object_get(t, "driver"));
}

static void print_task(const json_t *t)
{
	print_who(t);
	if (!json_is_true(json_object_get(t, "managed"))) {
		printf("  not managed: %s\n", field_known(t, "untouched") ?
		       field_text(t, "untouched") : field_text(t, "why"));
		print_evidence(t);
		return;
	}
	print_role(t);
	if (field_known(t, "placement"))
		printf("  placed  %s\n", field_text(t, "placement"));
	else
		printf("  left    %s\n", field_text(t, "untouched"));
	print_evidence(t);
}

/* A rule that is not in use, and of which nothing is known, is no news. */
static void print_rule(const json_t *rule)
{
	const char *state = field_text(rule, "state");

	if (!strcmp(state, "unused") && !field_known(rule, "evidence"))
		return;
	printf("  %-9s %s, %s: %s", field_text(rule, "name"), state,
	       field_text(rule, "verdict"),
	       field_text(rule, field_known(rule, "evidence") ? "evidence" : "text"));
	if (field_known(rule, "checked_s_ago"))
		printf("; checked %.0f min ago", field_real(rule, "checked_s_ago") / 60);
	putchar('\n');
}

static void print_guard(const json_t *guard)
{
	const json_t *rule;
	size_t i;

	if (!json_is_true(json_object_get(guard, "on"))) {
		puts("rules: all in force, none is tried: --guard off");
		return;
	}
	printf("rules, tried in epochs of %g s:\n", field_real(guard, "epoch_s"));
	json_array_foreach(json_object_get((json_t *)guard, "rules"), i, rule)
		print_rule(rule);
}

int cmd_explain(int argc, char **argv)
{
	struct explain_opts o = { 0 };
	json_t *answer, *task;
	size_t i;
	int ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EX_USAGE_;
	ret = cli_call(&o.common, "Explain", json_pack("{s:I}", "pid",
						       (json_int_t)o.pid), &answer);
	if (ret)
		return ret;
	if (o.common.json) {
		cli_print_json(answer);
	} else {
		json_array_foreach(json_object_get(answer, "tasks"), i, task)
			print_task(task);
		if (!o.common.no_legend) {
			printf("plan: %s\n", field_text(answer, "plan"));
			print_guard(json_object_get(answer, "guard"));
		}
	}
	json_decref(answer);
	return EX_OK_;
}

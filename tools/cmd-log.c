// SPDX-License-Identifier: GPL-2.0-only
/* starling log */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "tools/cli.h"

struct log_opts {
	struct common common;
	bool follow;
};

static const struct argp_option options[] = {
	{ "follow", 'f', NULL, 0, "Go on, and print what comes", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct log_opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->common;
		return 0;
	case 'f':
		o->follow = true;
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
	.doc = "Print what the daemon has decided, the newest last: GPU threads found and "
	       "gone, models computed on CPUs, placers that ended and came back, rules kept "
	       "and withdrawn with what was measured, off and on.",
	.children = children,
};

static void print_entry(const json_t *e)
{
	time_t at = field_real(e, "time");
	struct tm tm;
	char when[32] = "-";

	if (localtime_r(&at, &tm))
		strftime(when, sizeof(when), "%F %T", &tm);
	printf("%s  %-9s  %s\n", when, field_text(e, "about"), field_text(e, "text"));
}

static void print_entries(const json_t *answer, const struct log_opts *o)
{
	const json_t *list = json_object_get(answer, "entries"), *e;
	size_t i;

	if (!o->common.json && !o->common.no_legend && field_int(answer, "missed"))
		printf("(%lld older ones are no longer known)\n", field_int(answer, "missed"));
	json_array_foreach((json_t *)list, i, e) {
		if (!o->common.json) {
			print_entry(e);
			continue;
		}
		/* one object a line: a stream */
		json_dumpf(e, stdout, JSON_COMPACT);
		putchar('\n');
	}
}

int cmd_log(int argc, char **argv)
{
	struct log_opts o = { 0 };
	long long after = 0;
	json_t *answer;
	int ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EX_USAGE_;
	for (;;) {
		ret = cli_call(&o.common, "Log", json_pack("{s:I}", "after",
							   (json_int_t)after), &answer);
		if (ret)
			return ret;
		if (o.common.json && !o.follow)
			cli_print_json(answer);
		else
			print_entries(answer, &o);
		/* another daemon has begun to count anew */
		if (field_int(answer, "newest") < after)
			after = 0;
		else
			after = field_int(answer, "newest");
		json_decref(answer);
		if (!o.follow || fflush(stdout))
			return EX_OK_;
		usleep(500 * 1000);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/* starling off, starling on */
#include <stdio.h>
#include "tools/cli.h"

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static int call(int argc, char **argv, const char *doc, const char *method,
		json_t **answer, struct common *o)
{
	struct argp argp = { .parser = cli_parse_common, .doc = doc, .children = children };

	if (argp_parse(&argp, argc, argv, 0, NULL, o))
		return EX_USAGE_;
	return cli_call(o, method, NULL, answer);
}

int cmd_off(int argc, char **argv)
{
	struct common o = { 0 };
	json_t *answer;
	int ret = call(argc, argv, "Undo everything that Starling changed. It goes on "
		       "watching, and changes nothing until 'starling on'.",
		       "Off", &answer, &o);

	if (ret)
		return ret;
	if (o.json)
		cli_print_json(answer);
	else
		printf("Starling is off; tasks restored: %lld\n",
		       field_int(answer, "restored"));
	json_decref(answer);
	return EX_OK_;
}

int cmd_on(int argc, char **argv)
{
	struct common o = { 0 };
	json_t *answer;
	int ret = call(argc, argv, "Place tasks again after 'starling off', and try a placer "
		       "again that the kernel has put out.", "On", &answer, &o);

	if (ret)
		return ret;
	if (o.json)
		cli_print_json(answer);
	else
		puts("Starling is on");
	json_decref(answer);
	return EX_OK_;
}

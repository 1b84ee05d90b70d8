// SPDX-License-Identifier: GPL-2.0-only
/* starling version */
#include <stdio.h>
#include "tools/cli.h"

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = {
	.parser = cli_parse_common,
	.doc = "Print the versions of the command and of a running daemon.",
	.children = children,
};

int cmd_version(int argc, char **argv)
{
	struct common o = { 0 };
	json_t *status = NULL, *out;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EX_USAGE_;
	if (cli_try(&o, "Status", NULL, &status)) {
		json_decref(status);
		status = NULL;
	}
	if (o.json) {
		out = json_pack("{s:i, s:s, s:s?}", "version", 1,
				"starling", STARLING_VERSION, "starlingd",
				json_string_value(json_object_get(status, "starling")));
		cli_print_json(out);
		json_decref(out);
	} else {
		printf("starling %s\n", STARLING_VERSION);
		printf("starlingd %s\n", status ? field_text(status, "starling") :
		       "not running");
	}
	json_decref(status);
	return EX_OK_;
}

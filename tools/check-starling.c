// SPDX-License-Identifier: GPL-2.0-only
#include "tools/check.h"

#include <errno.h>
#include <starling.h>
#include "tools/cli.h"

void check_module(struct check_result *r)
{
	struct starling_info info = { .size = sizeof(info) };
	struct starling *s = NULL;
	int err = starling_open(&s);

	if (!err)
		err = starling_get_info(s, &info);
	starling_close(s);
	if (!err)
		check_say(r, CHECK_OK, NULL, "loaded, ABI version %u", info.out_abi_version);
	else if (err == -EACCES || err == -EPERM)
		check_say(r, CHECK_WARN, "add this user to the group 'starling'",
			  "loaded, but /dev/starling is not permitted to this user");
	else if (err == -EPROTO)
		check_say(r, CHECK_WARN, "install command and module of one version",
			  "loaded, but its ABI is another one");
	else
		check_say(r, CHECK_WARN,
			  "optional: 'sudo modprobe starling' for the device API",
			  "not loaded: all else works, only the device API is missing");
}

void check_daemon(struct check_result *r)
{
	struct common o = { 0 };
	json_t *status = NULL;
	const json_t *mode;

	if (cli_try(&o, "Status", NULL, &status)) {
		check_say(r, CHECK_WARN, "start it with 'sudo starlingd'", "not running");
	} else {
		mode = json_object_get(status, "mode");
		check_say(r, CHECK_OK, NULL, "%s: probes %s, placer %s",
			  field_text(mode, "state"), field_text(mode, "probes"),
			  field_text(mode, "placer"));
	}
	json_decref(status);
}

// SPDX-License-Identifier: GPL-2.0-only
#include "tools/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/paths.h"
#include "daemon/varlink.h"

enum { OPT_SOCKET = 0x1000, OPT_JSON, OPT_NO_LEGEND };

static const struct argp_option common_options[] = {
	{ "socket", OPT_SOCKET, "PATH", 0, "The daemon's control socket", 10 },
	{ "json", OPT_JSON, NULL, 0, "Print JSON", 10 },
	{ "no-legend", OPT_NO_LEGEND, NULL, 0, "Print no headings", 10 },
	{ 0 },
};

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct common *o = state->input;

	switch (key) {
	case OPT_SOCKET:
		o->socket = arg;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_NO_LEGEND:
		o->no_legend = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp common_argp = {
	.options = common_options,
	.parser = parse_common,
};

void cli_error(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("starling: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

typedef int (*call_fn)(const char *path, const char *method, json_t *params, json_t **out);

static int call(const struct common *o, const char *method, json_t *params,
		json_t **out, char *path, size_t len, call_fn fn)
{
	char name[128];
	int err = path_socket(o->socket, NULL, path, len);

	if (err) {
		json_decref(params);
		return err;
	}
	snprintf(name, sizeof(name), CONTROL_INTERFACE ".%s", method);
	return fn(path, name, params, out);
}

/* An error that the daemon answered with: say it, give the exit code. */
static int tell_answer(const json_t *answer)
{
	const char *name = field_text(answer, "error");

	if (!strcmp(name, CONTROL_ERR_PERMISSION)) {
		cli_error("not permitted: %s", field_text(answer, "reason"));
		return EX_DENIED;
	}
	if (!strcmp(name, CONTROL_ERR_NO_TASK))
		cli_error("no process or thread %lld", field_int(answer, "pid"));
	else if (!strcmp(name, CONTROL_ERR_FAILED))
		cli_error("the daemon could not do it: %s",
			  field_text(answer, "reason"));
	else if (!strcmp(name, VARLINK_INTERFACE ".InvalidParameter"))
		cli_error("the daemon refused the value of '%s'",
			  field_text(answer, "parameter"));
	else
		cli_error("the daemon answered %s: are both of one version?", name);
	return EX_FAILED;
}

static int tell_errno(int err, const char *path)
{
	switch (err) {
	case -ENOENT:
	case -ECONNREFUSED:
		cli_error("starlingd is not running (nobody listens on %s): "
			  "start it with 'sudo starlingd'", path);
		return EX_NO_DAEMON;
	case -EACCES:
	case -EPERM:
		cli_error("not permitted to use %s", path);
		return EX_DENIED;
	case -EAGAIN:
		cli_error("starlingd does not answer");
		return EX_FAILED;
	default:
		cli_error("%s: %s", path, strerror(-err));
		return EX_FAILED;
	}
}

int cli_call(const struct common *o, const char *method, json_t *params,
	     json_t **out)
{
	char path[4096] = "";
	json_t *answer = NULL;
	int ret = call(o, method, params, &answer, path, sizeof(path), varlink_call);

	if (ret < 0)
		return tell_errno(ret, path);
	if (ret) {
		ret = tell_answer(answer);
		json_decref(answer);
		return ret;
	}
	*out = answer;
	return EX_OK_;
}

int cli_try(const struct common *o, const char *method, json_t *params,
	    json_t **out)
{
	char path[4096];

	return call(o, method, params, out, path, sizeof(path), varlink_call);
}

int cli_try_root(const struct common *o, const char *method, json_t *params,
		 json_t **out)
{
	char path[4096];

	return call(o, method, params, out, path, sizeof(path), varlink_call_root);
}

void cli_print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	putchar('\n');
}

bool cli_colour(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no && *no);
}

const char *field_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text && *text ? text : "-";
}

double field_real(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

long long field_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

bool field_known(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return v && !json_is_null(v);
}

error_t cli_parse_common(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

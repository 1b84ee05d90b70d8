/* SPDX-License-Identifier: GPL-2.0-only */
/* cli.h - what all commands of `starling` have in common. */
#ifndef STARLING_CLI_H
#define STARLING_CLI_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

/* Exit codes of all commands; `run` adds 124 to 127 as timeout(1), env(1). */
enum {
	EX_OK_ = 0,
	EX_FAILED = 1,
	EX_USAGE_ = 2,
	EX_NO_DAEMON = 3,
	EX_DENIED = 4,
	EX_RUN_FAILED = 125,
	EX_RUN_NOT_EXECUTABLE = 126,
	EX_RUN_NOT_FOUND = 127,
};

/* One command: one file, one row of the table in starling.c. */
struct cmd {
	const char *name;
	int (*fn)(int argc, char **argv);	/* argv[0]: "starling NAME" */
	const char *help;
};

int cmd_run(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_lease(int argc, char **argv);
int cmd_advise(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_off(int argc, char **argv);
int cmd_on(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* Options that every command takes: child of each command's argp. */
struct common {
	const char *socket;
	bool json;
	bool no_legend;
};
extern const struct argp common_argp;
/* Parser of commands that take no more than those: input is a struct common. */
error_t cli_parse_common(int key, char *arg, struct argp_state *state);

/* One line on stderr: "starling: ...". */
void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Call the daemon. 0 and the answer in *@out (decref it), or an exit code
 * after saying what was wrong and what to do. Steals @params.
 */
int cli_call(const struct common *o, const char *method, json_t *params,
	     json_t **out);
/* The same, silent: for commands that can do without. */
int cli_try(const struct common *o, const char *method, json_t *params,
	    json_t **out);
/* And -EPERM if the daemon is not root's: for what only an administrator may say. */
int cli_try_root(const struct common *o, const char *method, json_t *params,
		 json_t **out);

/* Print as one JSON document, for people to read too. */
void cli_print_json(const json_t *value);
/* Colour only for a terminal, and not where NO_COLOR is set. */
bool cli_colour(void);

/* Fields of an answer; "-" or 0 where absent or null. */
const char *field_text(const json_t *o, const char *key);
double field_real(const json_t *o, const char *key);
long long field_int(const json_t *o, const char *key);
bool field_known(const json_t *o, const char *key);

#endif

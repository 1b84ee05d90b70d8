// SPDX-License-Identifier: GPL-2.0-only
/*
 * starling - the command. Finds the row of the command table and calls it;
 * usage text comes from the same table.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/cli.h"

static int cmd_help(int argc, char **argv);

static const struct cmd cmds[] = {
	{ "status", cmd_status, "What is managed, and what is protected (the default)" },
	{ "run", cmd_run, "Run a command as an agent" },
	{ "lease", cmd_lease, "Who has a GPU, and who waits for one" },
	{ "advise", cmd_advise, "Where the next piece of inference should run" },
	{ "explain", cmd_explain, "Why a process or thread is treated as it is" },
	{ "log", cmd_log, "What was decided, and what was measured for it" },
	{ "plan", cmd_plan, "What would be done on a machine with a load" },
	{ "check", cmd_check, "What this machine allows, and what to do about the rest" },
	{ "off", cmd_off, "Undo everything; only watch from then on" },
	{ "on", cmd_on, "Place tasks again after off" },
	{ "version", cmd_version, "Versions of command and daemon" },
	{ "help", cmd_help, "This list, or the options of a command" },
};

enum { NCMDS = sizeof(cmds) / sizeof(cmds[0]) };

static const struct cmd *find(const char *name)
{
	for (int i = 0; i < NCMDS; i++)
		if (!strcmp(cmds[i].name, name))
			return &cmds[i];
	return NULL;
}

/* Edits (insert, delete, replace) from @a to @b; both are short. */
static int distance(const char *a, const char *b)
{
	int la = strnlen(a, 31), lb = strnlen(b, 31), row[32];

	for (int j = 0; j <= lb; j++)
		row[j] = j;
	for (int i = 1; i <= la; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= lb; j++) {
			int best = diagonal + (a[i - 1] != b[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[lb];
}

static int unknown(const char *name)
{
	const struct cmd *best = &cmds[0];

	for (int i = 1; i < NCMDS; i++)
		if (distance(name, cmds[i].name) < distance(name, best->name))
			best = &cmds[i];
	if (distance(name, best->name) <= 3)
		cli_error("no command '%s'; did you mean '%s'?", name, best->name);
	else
		cli_error("no command '%s'; 'starling help' lists them", name);
	return EX_USAGE_;
}

static int call_cmd(const struct cmd *cmd, int argc, char **argv)
{
	static char title[64];

	snprintf(title, sizeof(title), "starling %s", cmd->name);
	argv[0] = title;
	program_invocation_name = title;
	return cmd->fn(argc, argv);
}

static int cmd_help(int argc, char **argv)
{
	char *ask[] = { NULL, (char *)"--help", NULL };
	const struct cmd *cmd;

	if (argc > 1 && argv[1][0] != '-') {
		cmd = find(argv[1]);
		return cmd && cmd->fn != cmd_help ? call_cmd(cmd, 2, ask) :
			cmd ? cmd_help(1, ask) : unknown(argv[1]);
	}
	puts("Usage: starling [COMMAND] [OPTION...]\n\nCommands:");
	for (int i = 0; i < NCMDS; i++)
		printf("  %-10s%s\n", cmds[i].name, cmds[i].help);
	puts("\n'starling COMMAND --help' tells a command's options.\n"
	     "Exit: 0 ok, 1 failed, 2 usage, 3 daemon not running, 4 not permitted.");
	return EX_OK_;
}

/*
 * A closed standard descriptor must not be taken by a socket that is opened
 * later: fill it with one that refuses to be written to.
 */
static void fill_std_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* A full disk is an error, also when it shows only at the last flush. */
static void close_stdout(void)
{
	if (!ferror(stdout) && !fclose(stdout))
		return;
	if (errno != EPIPE)
		fprintf(stderr, "starling: cannot write the output: %s\n",
			strerror(errno));
	_exit(EX_FAILED);
}

static int is_option(const char *arg, const char *a, const char *b)
{
	return !strcmp(arg, a) || !strcmp(arg, b);
}

int main(int argc, char **argv)
{
	char *none[] = { argv[0], NULL };
	const struct cmd *cmd;

	fill_std_fds();
	atexit(close_stdout);
	argp_program_version = NULL;
	argp_err_exit_status = EX_USAGE_;
	if (argc < 2)
		return call_cmd(find("status"), 1, none);
	if (is_option(argv[1], "-h", "--help"))
		return cmd_help(1, none);
	if (is_option(argv[1], "-V", "--version"))
		return call_cmd(find("version"), 1, none);
	if (argv[1][0] == '-')
		return call_cmd(find("status"), argc, argv);
	cmd = find(argv[1]);
	return cmd ? call_cmd(cmd, argc - 1, argv + 1) : unknown(argv[1]);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* The subcommands of agentload; main.c has the table. */
#ifndef AGENTLOAD_H
#define AGENTLOAD_H

int cmd_feed(int argc, char **argv);
int cmd_hog(int argc, char **argv);
int cmd_hog_worker(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_agent(int argc, char **argv);
int cmd_burn(int argc, char **argv);
int cmd_serve(int argc, char **argv);

#endif

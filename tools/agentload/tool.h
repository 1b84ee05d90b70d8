/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tools agents call: real programs over real files. The amount of work is
 * fixed by the trace in microseconds of a reference core, so a faster machine
 * does the same work in less time.
 */
#ifndef AGENTLOAD_TOOL_H
#define AGENTLOAD_TOOL_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum tool_kind {
	TOOL_SHORT, TOOL_GREP, TOOL_SORT, TOOL_GZIP, TOOL_SQLITE3, TOOL_PYTHON3, TOOL_CC,
	TOOL_TCC, TOOL_BURN, TOOL_KINDS,
};

struct trace_call;

const char *tool_name(enum tool_kind kind);
int tool_kind_of(const char *name);		/* -1: unknown */

/* find the programs; a missing one is replaced by the next best that is there */
void tool_probe(void);
/* {"sqlite3":"python3", ...}: what was replaced */
json_t *tool_substitutions(void);
/* kind that will really run */
enum tool_kind tool_actual(enum tool_kind kind);

/* the shell script of a call; 0 or -E2BIG */
int tool_script(const struct trace_call *call, char *buf, size_t size);

/* the files that the tools work on, in dir/data; made once per seed. 0 or -errno */
int tool_make_files(const char *dir, uint64_t seed);

#endif

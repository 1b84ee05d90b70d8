// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tool calls as shell scripts: the shell is the root of the tree, as it is for
 * the agents this stands for, and pipelines and background jobs give it depth
 * and breadth. Nothing in a script comes from outside: names, numbers and paths
 * are all from the tables here.
 */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace.h"
#include "util.h"

/*
 * programs: names tried in order. script: %s is the program, %llu the amount.
 * per_ms: amount that costs one millisecond of the reference core beyond start_us,
 * measured once on the developers' machine; it only sets the scale of the work,
 * which is the same for all arms. most: what the input files hold; more is
 * done in rounds.
 */
static const struct tool {
	const char *name, *programs[4], *script;
	double per_ms;
	unsigned int start_us;
	unsigned long long most;
	enum tool_kind instead;
} tools[TOOL_KINDS] = {
	[TOOL_SHORT] = { "short", { "wc" }, "%s -c data/small >/dev/null # %llu", 1, 0, 1,
			 TOOL_BURN },
	[TOOL_GREP] = { "grep", { "grep" },
		/* through a pipe: grep stops at the first match if it sees /dev/null */
		"head -c %2$llu data/text | %1$s -cE '(a|e)[a-z]* .*q.*z.*\\1$' | "
		"tail -n 1 >/dev/null",
		4000, 1500, 8000000, TOOL_GZIP },
	[TOOL_SORT] = { "sort", { "sort" },
		"head -c %2$llu data/text | LC_ALL=C %1$s -S 32M | tail -n 1 >/dev/null",
		80000, 2500, 8000000, TOOL_GZIP },
	[TOOL_GZIP] = { "gzip", { "gzip", "bzip2" },
		"head -c %2$llu data/text | %1$s -6 >/dev/null", 24000, 1500, 8000000, TOOL_BURN },
	[TOOL_SQLITE3] = { "sqlite3", { "sqlite3" },
		"%1$s data/db \"with recursive c(x) as (values(1) union all select x+1 from c "
		"where x<%2$llu) select sum(length(v)*x%%7), count(distinct x%%1000) from c "
		"join t on t.k = x%%2000;\" >/dev/null", 680, 3000, 10000000, TOOL_PYTHON3 },
	[TOOL_PYTHON3] = { "python3", { "python3" },
		"%s -S data/merge.py %llu >/dev/null", 125, 28000, 10000000, TOOL_GZIP },
	[TOOL_CC] = { "cc", { "cc", "gcc", "clang" },
		"head -n %2$llu data/gen.c | %1$s -x c -O1 -S -o - - >/dev/null", 0.22, 15000, 2000,
		TOOL_TCC },
	[TOOL_TCC] = { "tcc", { "tcc" },
		"head -n %2$llu data/gen.c | %1$s -c -o \"tmp/$$.o\" -", 40, 2000, 2000,
		TOOL_SORT },
	[TOOL_BURN] = { "burn", { "/proc/self/exe" }, "%s burn %llu", 1000, 1000, 1000000,
			TOOL_BURN },
};

static struct {
	char path[128];
	enum tool_kind actual;
} found[TOOL_KINDS];

const char *tool_name(enum tool_kind kind)
{
	return tools[kind].name;
}

int tool_kind_of(const char *name)
{
	int i;

	for (i = 0; i < TOOL_KINDS; i++)
		if (!strcmp(tools[i].name, name))
			return i;
	return -1;
}

enum tool_kind tool_actual(enum tool_kind kind)
{
	return found[kind].actual;
}

/* /usr/bin first: version managers put slow shell wrappers in front of it */
static int find_program(const char *name, char *out, size_t size)
{
	const char *dirs = getenv("PATH");
	char list[4096], *dir, *save = NULL;

	snprintf(list, sizeof(list), "/usr/bin:/bin:%s", dirs ? dirs : "");
	for (dir = strtok_r(list, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		if (snprintf(out, size, "%s/%s", dir, name) < (int)size && !access(out, X_OK))
			return 0;
	}
	*out = 0;
	return -ENOENT;
}

static int probe_one(enum tool_kind kind)
{
	int i;

	if (kind == TOOL_BURN) {
		ssize_t n = readlink("/proc/self/exe", found[kind].path,
				     sizeof(found[kind].path) - 1);

		return n > 0 ? 0 : -ENOENT;
	}
	for (i = 0; i < 4 && tools[kind].programs[i]; i++)
		if (!find_program(tools[kind].programs[i], found[kind].path,
				  sizeof(found[kind].path)))
			return 0;
	return -ENOENT;
}

/* Follow the substitutes until one is there; burning CPU ourselves always is. */
void tool_probe(void)
{
	int have[TOOL_KINDS], i, k;

	for (i = 0; i < TOOL_KINDS; i++)
		have[i] = !probe_one(i);
	for (i = 0; i < TOOL_KINDS; i++) {
		for (k = i; !have[k] && k != TOOL_BURN;)
			k = tools[k].instead;
		found[i].actual = k;
	}
}

json_t *tool_substitutions(void)
{
	json_t *j = json_object();
	int i;

	for (i = 0; i < TOOL_KINDS; i++)
		if ((int)found[i].actual != i && i != TOOL_TCC)
			json_object_set_new(j, tools[i].name,
					    json_string(tools[found[i].actual].name));
	return j;
}

static int append(char *buf, size_t size, size_t *len, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + *len, size - *len, fmt, ap);
	va_end(ap);
	if (n < 0 || *len + n >= size)
		return -E2BIG;
	*len += n;
	return 0;
}

/* Amount for cpu_us, as rounds of equal size that the input files can hold. */
static void divide(const struct tool *t, double cpu_us, unsigned long long *amount,
		   unsigned long long *rounds)
{
	double round_us = t->start_us + t->most / t->per_ms * 1000;

	*rounds = 1 + (unsigned long long)(cpu_us / round_us);
	cpu_us = cpu_us / *rounds - t->start_us;
	*amount = cpu_us > 0 ? cpu_us / 1000 * t->per_ms : 0;
	if (*amount < 1)
		*amount = 1;
	if (*amount > t->most)
		*amount = t->most;
}

/*
 * A program that shares its work or repeats it becomes a function that runs in
 * the background once less than wanted and once in the foreground.
 */
static int add_program(char *buf, size_t size, size_t *len, const struct trace_exec *x, int par)
{
	enum tool_kind kind = found[x->kind].actual;
	const struct tool *t = &tools[kind];
	unsigned long long amount, rounds;
	char one[1024];

	divide(t, (double)x->cpu_us / par, &amount, &rounds);
	snprintf(one, sizeof(one), t->script, found[kind].path, amount);
	if (par == 1 && rounds == 1)
		return append(buf, size, len, "%s\n[ $? = 0 ] || exit 9\n", one);
	return append(buf, size, len,
		      "work() {\nr=0\nwhile [ $r -lt %llu ]; do\n%s\nr=$((r+1))\ndone\n}\n"
		      "i=1\nwhile [ $i -lt %d ]; do\nwork &\ni=$((i+1))\ndone\n"
		      "work\nwait\n", rounds, one, par);
}

int tool_script(const struct trace_call *call, char *buf, size_t size)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), i, err = 0;
	size_t len = 0;

	*buf = 0;
	if (call->wait_ms)
		err = append(buf, size, &len, "sleep %u.%03u\n", call->wait_ms / 1000,
			     call->wait_ms % 1000);
	for (i = 0; i < call->execs && !err; i++) {
		int par = 1;

		if (i == call->execs - 1)
			par = call->par == TRACE_ALL_CPUS ? cpus : call->par;
		err = add_program(buf, size, &len, &call->exec[i], par);
	}
	return err;
}

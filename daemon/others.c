// SPDX-License-Identifier: GPL-2.0-only
/*
 * One row each: what is looked for where, and what it means. What two of them
 * have in common is the rule that Starling leaves alone what it did not do.
 */
#include "daemon/others.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum where {
	IN_PROCESSES,	/* a process of that name */
	IN_SCHED_EXT,	/* a scheduler in the kernel that is not ours */
	IN_CMDLINE,	/* a word that the kernel was started with */
	IN_GROUP_NAMES,	/* the beginning of a cgroup's name */
	IN_GROUP_FILES,	/* a cgroup's file that is not at its default */
};

enum { PATH_LEN = 4096, COMM_LEN = 15, GROUP_DEPTH = 5, GROUPS_MAX = 4096 };

static const struct row {
	struct other other;
	enum where where;
	const char *sign;
	const char *usual;	/* IN_GROUP_FILES: the default */
} rows[] = {
	{ { "other_sched_ext", "it goes on scheduling; starlingd works by masks and classes, "
	    "which that scheduler may not follow" }, IN_SCHED_EXT, NULL, NULL },
	{ { "irqbalance", "interrupts are left to it: to keep them off protected CPUs, set "
	    "IRQBALANCE_BANNED_CPULIST for it or stop it" }, IN_PROCESSES, "irqbalance", NULL },
	{ { "tuned", "what its profile changes after Starling is left alone" },
	  IN_PROCESSES, "tuned", NULL },
	{ { "ananicy", "nice values and classes that it sets are left alone" },
	  IN_PROCESSES, "ananicy", NULL },
	{ { "ananicy-cpp", "nice values and classes that it sets are left alone" },
	  IN_PROCESSES, "ananicy-cpp", NULL },
	{ { "gamemoded", "nice values and CPUs that it sets are left alone" },
	  IN_PROCESSES, "gamemoded", NULL },
	{ { "system76-scheduler", "nice values and classes that it sets are left alone" },
	  IN_PROCESSES, "system76-scheduler", NULL },
	{ { "uresourced", "the weights that it gives to slices are left alone" },
	  IN_PROCESSES, "uresourced", NULL },
	{ { "slurm", "tasks of its jobs stay in its cgroups and are placed within their masks" },
	  IN_PROCESSES, "slurmd", NULL },
	{ { "slurm_steps", "tasks of its jobs stay in its cgroups and are placed within their "
	    "masks" }, IN_GROUP_NAMES, "slurmstepd", NULL },
	{ { "docker", "containers stay in their cgroups and are placed within their masks" },
	  IN_GROUP_NAMES, "docker", NULL },
	{ { "podman", "containers stay in their cgroups and are placed within their masks" },
	  IN_GROUP_NAMES, "libpod", NULL },
	{ { "containerd", "containers stay in their cgroups and are placed within their masks" },
	  IN_GROUP_NAMES, "cri-containerd", NULL },
	{ { "crio", "containers stay in their cgroups and are placed within their masks" },
	  IN_GROUP_NAMES, "crio", NULL },
	{ { "kubernetes", "pods stay in their cgroups and are placed within their masks" },
	  IN_GROUP_NAMES, "kubepods", NULL },
	{ { "lxc", "containers stay in their cgroups and are placed within their masks" },
	  IN_GROUP_NAMES, "lxc.", NULL },
	{ { "machines", "they stay in their cgroups and are placed within their masks" },
	  IN_GROUP_NAMES, "machine.slice", NULL },
	{ { "group_cpus", "tasks of such cgroups stay there, within these CPUs" },
	  IN_GROUP_FILES, "cpuset.cpus", "" },
	{ { "group_weight", "tasks of such cgroups stay there, with this weight" },
	  IN_GROUP_FILES, "cpu.weight", "100" },
	{ { "isolcpus", "no task is placed on these CPUs that was not there before" },
	  IN_CMDLINE, "isolcpus", NULL },
	{ { "nohz_full", "the kernel keeps its own work off these CPUs already" },
	  IN_CMDLINE, "nohz_full", NULL },
	{ { "irqaffinity", "new interrupts are given these CPUs, without protected ones" },
	  IN_CMDLINE, "irqaffinity", NULL },
};

enum { NROWS = sizeof(rows) / sizeof(rows[0]) };

_Static_assert((int)NROWS <= (int)OTHERS_MAX, "more rows than can be found");

struct search {
	const char *root;
	struct other_found *out;	/* in step with rows; no other: not found */
	unsigned int groups;
	bool unified;		/* cgroup version 2: in 1, files have no default */
};

static bool get_line(const char *dir, const char *name, char *buf, size_t len)
{
	char path[PATH_LEN];
	ssize_t n;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n < 0)
		return false;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

static void take(const struct search *s, const struct row *row, const char *what,
		 const char *value)
{
	struct other_found *f = &s->out[row - rows];

	if (f->other)
		return;
	f->other = &row->other;
	snprintf(f->detail, sizeof(f->detail), "%.80s%s%.40s", what, *value ? " " : "", value);
}

/* -- processes ------------------------------------------------------------------ */

/* The kernel keeps 15 letters of a name. */
static bool is_comm(const char *comm, const char *name)
{
	return !strncmp(comm, name, COMM_LEN) && strlen(comm) <= COMM_LEN;
}

/* Calls @fn for the name of each process until it returns true. */
static bool each_comm(const char *root, bool (*fn)(void *ctx, const char *comm), void *ctx)
{
	char path[PATH_LEN], comm[64];
	struct dirent *de;
	bool done = false;
	DIR *d;

	snprintf(path, sizeof(path), "%s/proc", root);
	d = opendir(path);
	while (d && !done && (de = readdir(d))) {
		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "%s/proc/%s", root, de->d_name);
		if (get_line(path, "comm", comm, sizeof(comm)))
			done = fn(ctx, comm);
	}
	if (d)
		closedir(d);
	return done;
}

static bool match_comm(void *ctx, const char *comm)
{
	for (const struct row *row = rows; row < rows + NROWS; row++)
		if (row->where == IN_PROCESSES && is_comm(comm, row->sign))
			take(ctx, row, "runs", "");
	return false;
}

static bool same_comm(void *ctx, const char *comm)
{
	return is_comm(comm, ctx);
}

/* -- the kernel ------------------------------------------------------------------ */

static void look_at_sched_ext(const struct search *s, const struct row *row)
{
	char dir[PATH_LEN], name[128];

	snprintf(dir, sizeof(dir), "%s/sys/kernel/sched_ext/root", s->root);
	if (get_line(dir, "ops", name, sizeof(name)) && name[0] && strcmp(name, "starling"))
		take(s, row, name, "");
}

static void look_at_cmdline(const struct search *s, const struct row *row)
{
	char dir[PATH_LEN], line[4096], *save, *word;
	size_t len = strlen(row->sign);

	snprintf(dir, sizeof(dir), "%s/proc", s->root);
	if (!get_line(dir, "cmdline", line, sizeof(line)))
		return;
	for (word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (!strncmp(word, row->sign, len) && word[len] == '=')
			take(s, row, word + len + 1, "");
}

/* -- cgroups --------------------------------------------------------------------- */

static bool begins(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

static void match_group(struct search *s, const char *dir, const char *name)
{
	char value[256];

	for (const struct row *row = rows; row < rows + NROWS; row++) {
		if (row->where == IN_GROUP_NAMES && begins(name, row->sign))
			take(s, row, name, "");
		if (row->where == IN_GROUP_FILES && s->unified &&
		    get_line(dir, row->sign, value, sizeof(value)) && value[0] &&
		    strcmp(value, row->usual))
			take(s, row, name, value);
	}
}

/* Ours begin with our name; inside of containers all is theirs. */
static void look_into_group(struct search *s, const char *dir, unsigned int depth)
{
	char path[PATH_LEN];
	struct dirent *de;
	DIR *d = opendir(dir);

	while (d && (de = readdir(d)) && s->groups < GROUPS_MAX) {
		if (de->d_type != DT_DIR || de->d_name[0] == '.' || begins(de->d_name, "starling"))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, de->d_name) >= (int)sizeof(path))
			continue;
		s->groups++;
		match_group(s, path, de->d_name);
		if (depth + 1 < GROUP_DEPTH)
			look_into_group(s, path, depth + 1);
	}
	if (d)
		closedir(d);
}

bool others_own_group(const char *dir)
{
	const char *at = dir;

	for (; at; at = strchr(at, '/')) {
		at += *at == '/';
		for (const struct row *row = rows; row < rows + NROWS; row++)
			if (row->where == IN_GROUP_NAMES && begins(at, row->sign))
				return true;
	}
	return false;
}

/* -- all of it -------------------------------------------------------------------- */

bool others_run(const char *root, const char *comm)
{
	return each_comm(root, same_comm, (void *)comm);
}

size_t others_find(const char *root, struct other_found *out)
{
	struct other_found all[NROWS] = { 0 };
	struct search s = { .root = root, .out = all };
	char dir[PATH_LEN], line[8];
	size_t n = 0;

	each_comm(root, match_comm, &s);
	for (const struct row *row = rows; row < rows + NROWS; row++) {
		if (row->where == IN_SCHED_EXT)
			look_at_sched_ext(&s, row);
		if (row->where == IN_CMDLINE)
			look_at_cmdline(&s, row);
	}
	snprintf(dir, sizeof(dir), "%s/sys/fs/cgroup", root);
	s.unified = get_line(dir, "cgroup.controllers", line, sizeof(line));
	look_into_group(&s, dir, 0);
	for (size_t i = 0; i < NROWS; i++)
		if (all[i].other)
			out[n++] = all[i];
	return n;
}

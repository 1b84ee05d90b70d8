// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/place/group.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "daemon/topology.h"

enum { TOOLS, BACKGROUND, AGENTS_MAX = 256, WEIGHT_MAX = 10000 };

static const char *const part_dir[] = {
	[TOOLS] = GROUP_TOP "/tools",
	[BACKGROUND] = GROUP_TOP "/background",
};
static const int part_role[] = {
	[TOOLS] = STARLING_ROLE_TOOL,
	[BACKGROUND] = STARLING_ROLE_BACKGROUND,
};

/* Is there any group that is not ours, so somebody who manages them? */
static bool others_have_groups(void)
{
	DIR *d = opendir(CGFS_ROOT);
	struct dirent *de;
	bool found = false;

	if (!d)
		return true;
	while (!found && (de = readdir(d)))
		found = de->d_type == DT_DIR && de->d_name[0] != '.' &&
			strcmp(de->d_name, "starling");
	closedir(d);
	return found;
}

static bool has_controllers(const char *dir, const char *file)
{
	return cgfs_lists(dir, file, "cpu") && cgfs_lists(dir, file, "cpuset");
}

int group_probe(const char **why)
{
	*why = NULL;
	if (!cgfs_mounted()) {
		*why = "cgroup v2 is not mounted at " CGFS_ROOT;
		return -ENOTSUP;
	}
	if (!has_controllers(CGFS_ROOT, "cgroup.controllers")) {
		*why = "cgroup v2 has no cpu and cpuset controllers at its root";
		return -ENOTSUP;
	}
	if (access(CGFS_ROOT "/cgroup.subtree_control", W_OK) || access(CGFS_ROOT, W_OK)) {
		*why = "no permission to make cgroups; run as root";
		return -EACCES;
	}
	/* enabling one would change everybody's shares */
	if (!has_controllers(CGFS_ROOT, "cgroup.subtree_control") && others_have_groups()) {
		*why = "the cpu and cpuset controllers are not enabled for top-level cgroups";
		return -ENOTSUP;
	}
	return 0;
}

/* Noted and written down before it is there. */
static int make(struct groups *g, const char *dir)
{
	int err;

	if (!access(dir, F_OK))
		return 0;
	journal_note_move(g->journal, NULL, NULL, dir);
	err = journal_flush(g->journal);
	if (!err && mkdir(dir, 0755) && errno != EEXIST)
		err = -errno;
	return err;
}

static int enable(const char *dir)
{
	return has_controllers(dir, "cgroup.subtree_control") ? 0 :
		cgfs_write(dir, "cgroup.subtree_control", "+cpu +cpuset");
}

int group_make(struct groups *g)
{
	int err;

	if (g->made)
		return 0;
	err = enable(CGFS_ROOT);
	if (!err)
		err = make(g, GROUP_TOP);
	if (!err)
		err = enable(GROUP_TOP);
	if (!err)
		err = make(g, part_dir[TOOLS]);
	if (!err)
		err = enable(part_dir[TOOLS]);
	if (!err)
		err = make(g, part_dir[BACKGROUND]);
	g->made = !err;
	g->idle = g->background_idle = g->clamp = -1;
	return err;
}

static int set_weight(const char *dir, unsigned int weight)
{
	char word[16], now[16];

	if (weight < 1 || weight > WEIGHT_MAX)
		weight = weight ? WEIGHT_MAX : 100;
	snprintf(word, sizeof(word), "%u", weight);
	if (!cgfs_read(dir, "cpu.weight", now, sizeof(now)) && !strcmp(word, now))
		return 0;
	return cgfs_write(dir, "cpu.weight", word);
}

/*
 * An empty list means: as the group above. Kernels before 7 do not take it
 * while there are tasks inside, so all CPUs must be named there.
 */
static int clear_cpus(const char *dir)
{
	char list[4096];
	int err = cgfs_write(dir, "cpuset.cpus", "\n");

	if (err != -ENOSPC)
		return err;
	err = cgfs_read(GROUP_TOP, "cpuset.cpus.effective", list, sizeof(list));
	return err ? err : cgfs_write(dir, "cpuset.cpus", list);
}

static int set_part(struct groups *g, int part, const struct role_plan *r)
{
	char list[4096];
	int err = 0;

	if (g->masked[part] != r->set_mask ||
	    (r->set_mask && !CPU_EQUAL(&g->mask[part], &r->mask))) {
		cpuset_format(&r->mask, list, sizeof(list));
		err = r->set_mask ? cgfs_write(part_dir[part], "cpuset.cpus", list) :
			clear_cpus(part_dir[part]);
		if (err)
			return err;
		g->masked[part] = r->set_mask;
		g->mask[part] = r->mask;
	}
	/* a group that is idle takes no weight: set_idle() is what counts */
	if (!r->cpu_weight || (part == BACKGROUND && g->background_idle == 1))
		return 0;
	return set_weight(part_dir[part], r->cpu_weight);
}

static int set_idle(const char *dir, int *is, int idle)
{
	int err;

	if (*is == idle)
		return 0;
	err = cgfs_write(dir, "cpu.idle", idle ? "1" : "0");
	if (!err)
		*is = idle;
	return err;
}

/* Not every kernel has it, and none needs it. */
static void set_clamp(struct groups *g, int clamp)
{
	char word[16] = "max";

	if (g->clamp == clamp)
		return;
	if (clamp)
		snprintf(word, sizeof(word), "%.2f", clamp * 100.0 / SATTR_CLAMP_FULL);
	cgfs_write(part_dir[BACKGROUND], "cpu.uclamp.max", word);
	g->clamp = clamp;
}

int group_set(struct groups *g, const struct plan *plan)
{
	const struct role_plan *background = &plan->role[STARLING_ROLE_BACKGROUND];
	int err;

	if (!g->made)
		return 0;
	err = set_idle(part_dir[BACKGROUND], &g->background_idle, background->idle_class);
	for (int part = TOOLS; part <= BACKGROUND && !err; part++)
		err = set_part(g, part, &plan->role[part_role[part]]);
	if (!err)
		err = set_idle(GROUP_TOP, &g->idle, plan->role[STARLING_ROLE_TOOL].idle_class);
	set_clamp(g, background->clamp_max);
	return err;
}

/* -- agents' groups ---------------------------------------------------------------- */

static unsigned int each_agent(void (*fn)(const char *dir))
{
	char path[CGFS_PATH_LEN];
	DIR *d = opendir(part_dir[TOOLS]);
	struct dirent *de;
	unsigned int n = 0;

	if (!d)
		return 0;
	while ((de = readdir(d))) {
		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		n++;
		snprintf(path, sizeof(path), "%s/%s", part_dir[TOOLS], de->d_name);
		if (fn)
			fn(path);
	}
	closedir(d);
	return n;
}

static void remove_empty(const char *dir)
{
	rmdir(dir);	/* the kernel refuses while somebody is in it */
}

void group_sweep(void)
{
	each_agent(remove_empty);
}

int group_for(struct groups *g, const struct place_task *task, char *buf, size_t len)
{
	int err;

	if (task->role == STARLING_ROLE_BACKGROUND) {
		snprintf(buf, len, "%s", part_dir[BACKGROUND]);
		return 0;
	}
	snprintf(buf, len, "%s/a%llx", part_dir[TOOLS], (unsigned long long)task->agent_id);
	if (access(buf, F_OK)) {
		if (each_agent(NULL) >= AGENTS_MAX)
			return -ENOSPC;
		err = make(g, buf);
		if (err)
			return err;
	}
	return set_weight(buf, task->weight);
}

bool group_is_ours(const char *dir)
{
	size_t n = strlen(GROUP_TOP);

	return !strncmp(dir, GROUP_TOP, n) && (dir[n] == '/' || !dir[n]);
}

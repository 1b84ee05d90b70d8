// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel threads that are not bound to their CPUs.
 *
 * The mask comes from /proc, which shows CPUs that are offline too: what is put
 * back must not lack those. Threads of interrupts follow their interrupt, so
 * they are none of these.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/place/sysmask.h"
#include "daemon/topology.h"

enum { KTHREADD = 2, PF_KTHREAD = 0x00200000, PF_NO_SETAFFINITY = 0x04000000 };

/* Is it one that may be moved? @out gets its identity: the time of its start. */
static int read_stat(const char *root, unsigned int tid, struct sysmask *out)
{
	unsigned long long start;
	unsigned int flags;
	char buf[1024], *at;

	if (sysmask_get(buf, sizeof(buf), "%s/proc/%u/stat", root, tid))
		return -ENOENT;
	at = strrchr(buf, ')');
	if (!at || sscanf(at + 1, " %*c %*u %*u %*u %*d %*d %u %*u %*u %*u %*u %*u %*u"
			  " %*d %*d %*d %*d %*d %*d %llu", &flags, &start) != 2)
		return -EPROTO;
	if (!(flags & PF_KTHREAD) || flags & PF_NO_SETAFFINITY || strstr(buf, "(irq/"))
		return -ENOENT;
	snprintf(out->id, sizeof(out->id), "%llu", start);
	return 0;
}

static int read_mask(const char *root, unsigned int tid, cpu_set_t *out)
{
	static const char key[] = "Cpus_allowed_list:";
	char path[SYSMASK_PATH_LEN], line[4096];
	int err = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/%u/status", root, tid);
	f = fopen(path, "re");
	if (!f)
		return err;
	while (err == -ENOENT && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			err = cpuset_parse(line + strlen(key), out);
	fclose(f);
	return err;
}

static int kthread_read(const char *root, unsigned int nr, struct sysmask *out)
{
	int err = read_stat(root, nr, out);

	return err ? err : read_mask(root, nr, &out->mask);
}

static int kthread_write(const char *root, unsigned int nr, const cpu_set_t *mask)
{
	(void)root;
	if (!sched_setaffinity(nr, sizeof(*mask), mask))
		return 0;
	return errno == ESRCH ? -ENOENT : -errno;
}

/* They are all children of one: that list is much shorter than all of /proc. */
static void kthread_each(const char *root, void (*fn)(void *ctx, unsigned int nr), void *ctx)
{
	char path[SYSMASK_PATH_LEN];
	unsigned int tid;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/%d/task/%d/children", root, KTHREADD, KTHREADD);
	f = fopen(path, "re");
	if (f) {
		while (fscanf(f, "%u", &tid) == 1)
			fn(ctx, tid);
		fclose(f);
	} else {
		snprintf(path, sizeof(path), "%s/proc", root);
		sysmask_each_number(path, fn, ctx);
	}
}

const struct sysmask_ops sysmask_kthread = {
	.word = "kthread",
	.read = kthread_read,
	.write = kthread_write,
	.each = kthread_each,
};

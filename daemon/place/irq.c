// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts, and the mask that new ones are given.
 *
 * Newer kernels take the right to write from the file of an interrupt that
 * cannot be moved; older ones, and all for those that drivers manage, answer
 * EIO. Neither does harm, so it is tried.
 */
#include "daemon/place/sysmask.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include "daemon/topology.h"

/* Chip and pin, which stay when a driver goes and comes back. */
static void read_id(const char *root, unsigned int nr, struct sysmask *m)
{
	char chip[SYSMASK_ID_LEN - 16], pin[16];

	if (sysmask_get(chip, sizeof(chip), "%s/sys/kernel/irq/%u/chip_name", root, nr) ||
	    sysmask_get(pin, sizeof(pin), "%s/sys/kernel/irq/%u/hwirq", root, nr))
		return;
	snprintf(m->id, sizeof(m->id), "%s:%s", chip, pin);
}

static int irq_read(const char *root, unsigned int nr, struct sysmask *out)
{
	char path[SYSMASK_PATH_LEN], text[4096];
	struct stat st;
	int err;

	snprintf(path, sizeof(path), "%s/proc/irq/%u/smp_affinity_list", root, nr);
	if (stat(path, &st))
		return -errno;
	out->fixed = !(st.st_mode & 0200);
	err = sysmask_get(text, sizeof(text), "%s", path);
	if (!err)
		err = cpuset_parse(text, &out->mask);
	if (err)
		return err;
	read_id(root, nr, out);
	out->unused = !sysmask_get(text, sizeof(text), "%s/sys/kernel/irq/%u/actions",
				   root, nr) && !text[0];
	return 0;
}

static int irq_write(const char *root, unsigned int nr, const cpu_set_t *mask)
{
	char text[4096];

	return sysmask_put(cpuset_format(mask, text, sizeof(text)),
			   "%s/proc/irq/%u/smp_affinity_list", root, nr);
}

static void irq_each(const char *root, void (*fn)(void *ctx, unsigned int nr), void *ctx)
{
	char dir[SYSMASK_PATH_LEN];

	snprintf(dir, sizeof(dir), "%s/proc/irq", root);
	sysmask_each_number(dir, fn, ctx);
}

const struct sysmask_ops sysmask_irq = {
	.word = "irq",
	.read = irq_read,
	.write = irq_write,
	.each = irq_each,
};

static int default_read(const char *root, unsigned int nr, struct sysmask *out)
{
	char text[4096];
	int err;

	(void)nr;
	err = sysmask_get(text, sizeof(text), "%s/proc/irq/default_smp_affinity", root);
	return err ? err : sysmask_parse_hex(text, &out->mask);
}

static int default_write(const char *root, unsigned int nr, const cpu_set_t *mask)
{
	char text[4096];

	(void)nr;
	return sysmask_put(sysmask_format_hex(mask, text, sizeof(text)),
			   "%s/proc/irq/default_smp_affinity", root);
}

const struct sysmask_ops sysmask_irq_default = {
	.word = "irq-default",
	.read = default_read,
	.write = default_write,
};

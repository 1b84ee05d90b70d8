// SPDX-License-Identifier: GPL-2.0-only
/*
 * The work queues that are bound to no CPU share one mask; what a single one of
 * them has of its own lies within it.
 */
#include "daemon/place/sysmask.h"

#define DIR "%s/sys/devices/virtual/workqueue/"

/* What was asked for, where the kernel tells that from what it made of it. */
static int workqueue_read(const char *root, unsigned int nr, struct sysmask *out)
{
	char text[4096];
	int err;

	(void)nr;
	err = sysmask_get(text, sizeof(text), DIR "cpumask_requested", root);
	if (err)
		err = sysmask_get(text, sizeof(text), DIR "cpumask", root);
	return err ? err : sysmask_parse_hex(text, &out->mask);
}

static int workqueue_write(const char *root, unsigned int nr, const cpu_set_t *mask)
{
	char text[4096];

	(void)nr;
	return sysmask_put(sysmask_format_hex(mask, text, sizeof(text)), DIR "cpumask", root);
}

const struct sysmask_ops sysmask_workqueue = {
	.word = "workqueue",
	.read = workqueue_read,
	.write = workqueue_write,
};

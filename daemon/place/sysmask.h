/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sysmask.h - where the machine's own work may run.
 *
 * Interrupts, the work queues that are bound to no CPU, and kernel threads each
 * have a mask of CPUs. Each is known by a name ("irq/24", "kthread/57") and by
 * an identity, which tells it from another that is given the number later.
 */
#ifndef STARLING_PLACE_SYSMASK_H
#define STARLING_PLACE_SYSMASK_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

enum { SYSMASK_NAME_LEN = 32, SYSMASK_ID_LEN = 64, SYSMASK_PATH_LEN = 4096 };

enum sysmask_kind {
	SYSMASK_IRQ,
	SYSMASK_IRQ_DEFAULT,	/* what interrupts yet to come are given */
	SYSMASK_WORKQUEUE,
	SYSMASK_KTHREAD,
	__SYSMASK_MAX,
};

struct sysmask {
	enum sysmask_kind kind;
	char name[SYSMASK_NAME_LEN];
	char id[SYSMASK_ID_LEN];	/* "-": the name is enough */
	bool fixed;			/* the kernel says beforehand that it cannot move */
	bool unused;			/* nobody has asked for this interrupt */
	cpu_set_t mask;
};

typedef void sysmask_fn(void *ctx, const struct sysmask *m);

/*
 * All below take the directory that holds proc and sys: "" on a machine, another
 * one in a test.
 */

/* What @name is now. 0, -ENOENT when there is no such thing, -errno. */
int sysmask_read(const char *root, const char *name, struct sysmask *out);
/* 0; -EIO, -EPERM or -EINVAL when the kernel does not allow it; -errno. */
int sysmask_write(const char *root, const char *name, const cpu_set_t *mask);
/* All that there are and that are not bound to a CPU by their nature. */
void sysmask_each(const char *root, sysmask_fn *fn, void *ctx);
/* CPUs that are online. */
int sysmask_online(const char *root, cpu_set_t *out);

/* -- one of each kind ------------------------------------------------------ */

struct sysmask_ops {
	const char *word;	/* of its names: the word, or the word and a number */
	int (*read)(const char *root, unsigned int nr, struct sysmask *out);
	int (*write)(const char *root, unsigned int nr, const cpu_set_t *mask);
	/* calls @fn with the numbers there are; NULL: there is but one */
	void (*each)(const char *root, void (*fn)(void *ctx, unsigned int nr), void *ctx);
};

extern const struct sysmask_ops sysmask_irq, sysmask_irq_default, sysmask_workqueue,
	sysmask_kthread;

/* First line of the file that the format names; 0 or -errno. */
int sysmask_get(char *buf, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int sysmask_put(const char *word, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Calls @fn for each entry of the directory whose name is a number. */
void sysmask_each_number(const char *dir, void (*fn)(void *ctx, unsigned int nr), void *ctx);
/* Masks as "ff,00000001": the highest 32 CPUs first. */
int sysmask_parse_hex(const char *text, cpu_set_t *out);
char *sysmask_format_hex(const cpu_set_t *mask, char *buf, size_t len);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * driver.h - threads at the border of NVIDIA's kernel driver, counted by kprobes.
 *
 * They come and go with the driver's modules, which may be loaded, removed and
 * replaced at any time: a probe does not keep its module from being removed.
 */
#ifndef STARLING_SENSE_DRIVER_H
#define STARLING_SENSE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include "bpf/probe.h"

struct driver;
struct probe;

/* One function and whether it is probed. @why: static text, NULL where it is. */
struct driver_probe {
	const char *function;
	const char *why;
};

struct driver_thread {
	uint32_t tid;
	struct probe_driver_thread did;
};

/* Fails for want of memory alone: that nothing can be probed is told by driver_why(). */
int driver_open(struct driver **out, const struct probe *p);
void driver_close(struct driver *d);

/* Put probes in where a module has come. Without one it costs a stat(). */
void driver_tick(struct driver *d);

/* Whether this kernel has kprobes. */
bool driver_usable(const struct driver *d);
/* Why nothing is probed, as static text; NULL: something is. */
const char *driver_why(const struct driver *d);
/* Number @i of them, from 0; false: there are no more. */
bool driver_probe(const struct driver *d, unsigned int i, struct driver_probe *out);

/*
 * Threads that live; @out has room for PROBE_DRIVER_THREADS_MAX. Returns how many.
 * *@forgotten: those that there was no room for, so far.
 */
size_t driver_threads(const struct driver *d, struct driver_thread *out, uint64_t *forgotten);
/* One of them; false: it has nothing to do with the driver. */
bool driver_find(const struct driver *d, uint32_t tid, struct driver_thread *out);

#endif

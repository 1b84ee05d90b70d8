/* SPDX-License-Identifier: GPL-2.0-only */
/* attr.h - the attributes of a task that placing changes. */
#ifndef STARLING_PLACE_ATTR_H
#define STARLING_PLACE_ATTR_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include "daemon/place/sattr.h"

#ifndef SCHED_RESET_ON_FORK
#define SCHED_RESET_ON_FORK 0x40000000
#endif

enum attr {
	ATTR_MASK,	/* first: leave the protected core before all else */
	ATTR_POLICY,
	ATTR_NICE,
	ATTR_SLICE,
	ATTR_CLAMP,
	__ATTR_MAX,
};
#define ATTR_BIT(a) (1U << (a))
#define ATTR_ALL (ATTR_BIT(__ATTR_MAX) - 1)

struct attrs {
	int policy;	/* with SCHED_RESET_ON_FORK, as the system call has it */
	int nice;
	cpu_set_t mask;
	uint64_t slice_ns;	/* in the fair class; 0: the kernel's own */
	struct sattr_clamp clamp;
};

/* Does the kernel have attribute @a at all? What it lacks always reads the same. */
bool attr_exists(enum attr a);
/* 0 or -errno, -ESRCH when the task is gone; -EAGAIN: not in the class it is in. */
int attr_read(uint32_t tid, enum attr a, struct attrs *into);
int attr_read_all(uint32_t tid, struct attrs *into);
int attr_write(uint32_t tid, enum attr a, const struct attrs *from);

/* Can the value be known now? See sattr.h. */
bool attr_seen(enum attr a, const struct attrs *x);
/*
 * Masks are equal when they differ only in CPUs that are not online; what cannot
 * be seen is equal to all.
 */
bool attr_equal(enum attr a, const struct attrs *x, const struct attrs *y);
void attr_copy(enum attr a, struct attrs *to, const struct attrs *from);

/*
 * May we give attribute @a back once it is changed? Anyone may lower a class
 * of one's own tasks, but to raise it again takes CAP_SYS_NICE.
 */
bool attr_may_return(enum attr a);

/* A class above the fair ones; written at its lowest priority. */
bool attr_is_real_time(const struct attrs *x);

const char *attr_name(enum attr a);
/* The attribute's value as one word. Returns @buf. */
char *attr_format(enum attr a, const struct attrs *x, char *buf, size_t len);
int attr_parse(enum attr a, const char *word, struct attrs *x);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* self.h - the daemon as a task among others: able to act, out of the way. */
#ifndef STARLING_SELF_H
#define STARLING_SELF_H

#include <sched.h>
#include <stdbool.h>

/*
 * Before the costly part of starting, the kernel's look at our programs: seconds of CPU
 * time on a slow machine, which would be minutes beside tools that fill every core.
 */
void self_hurry(void);
/*
 * From here on act at once, however busy the machine is. To be called when
 * the costly part of starting is over. Not permitted: said at debug level.
 */
void self_raise(void);
/*
 * Something takes longer than may be done at real-time priority. True: it was
 * at such, and self_raise() brings it back there.
 */
bool self_lower(void);
/* "real-time", "nice" or "normal": what self_raise() got. */
const char *self_class(void);
/* Run anywhere but on @cpus; anywhere again when @cpus is empty. */
void self_avoid(const cpu_set_t *cpus);

#endif

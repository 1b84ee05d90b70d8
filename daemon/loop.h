/* SPDX-License-Identifier: GPL-2.0-only */
/* loop.h - clock, signals and events: what wakes the daemon. */
#ifndef STARLING_LOOP_H
#define STARLING_LOOP_H

#include "daemon/daemon.h"

/* Set d->event up with all sources. 0 or -errno. */
int loop_open(struct daemon *d);
/* Run until a signal asks to stop. 0 or -errno. */
int loop_run(struct daemon *d);
void loop_close(struct daemon *d);

#endif

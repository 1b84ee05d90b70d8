/* SPDX-License-Identifier: GPL-2.0-only */
/* right.h - what a task could do to itself. */
#ifndef STARLING_PLACE_RIGHT_H
#define STARLING_PLACE_RIGHT_H

#include <stdint.h>

/* The lowest nice value that thread @tid could take without us; 20: it may take none. */
int right_nice(uint32_t tid);

#endif

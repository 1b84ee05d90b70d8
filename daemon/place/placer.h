/* SPDX-License-Identifier: GPL-2.0-only */
/* placer.h - what all placers have; each embeds it in its own. */
#ifndef STARLING_PLACE_PLACER_H
#define STARLING_PLACE_PLACER_H

#include "daemon/place/journal.h"
#include "daemon/place/place.h"

struct placer {
	struct journal *journal;	/* the daemon's, outlives the placer */
};

#define placer_of(ptr, type) \
	((type *)((char *)(ptr) - offsetof(type, base)))

#endif

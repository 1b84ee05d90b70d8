/* SPDX-License-Identifier: GPL-2.0-only */
/* options.h - what starlingd's command line asks for. */
#ifndef STARLING_OPTIONS_H
#define STARLING_OPTIONS_H

#include <linux/starling.h>
#include <stdbool.h>
#include <stdint.h>
#include "daemon/ladder.h"

struct options {
	const char *placer;	/* "auto", "none" or a placer's name */
	enum sched_ext_use sched_ext;
	const char *rundir;
	const char *socket;
	const char *cuda_lib;
	struct starling_lease_policy rules;
	bool dry_run;
	bool no_bpf;
	bool no_kmod;
	bool no_gpu;
	bool journal_undo;
	bool no_guard;		/* rules are not tried */
	uint64_t guard_epoch_ns;	/* 0: the policy's own */
	bool sched_partial;	/* sched_ext is for agents' tasks alone */
	bool no_noise;		/* leave interrupts and kernel threads where they are */
	const char *mps_pipe;	/* where programs may use MPS; NULL: nowhere */
};

/*
 * What the command line has, over the defaults; words stay those of argv. Bad usage
 * ends the process with status 2 and says why. 0 or errno.
 */
int options_parse(struct options *o, int argc, char **argv);

#endif

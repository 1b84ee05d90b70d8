/* SPDX-License-Identifier: GPL-2.0-only */
/* report-advise.h - where the next piece of inference should run, as JSON. */
#ifndef STARLING_REPORT_ADVISE_H
#define STARLING_REPORT_ADVISE_H

#include <jansson.h>
#include <stdint.h>
#include <linux/starling.h>

struct agent;
struct daemon;

/* Who asks, and for what. */
struct advise_request {
	const struct agent *agent;	/* NULL: a new one */
	enum starling_class class;
	uint32_t gpu;
	uint64_t memory_bytes;		/* 0: not said */
};

/* NULL: there is no such GPU. GPU 0 is asked for whether there is one or not. */
json_t *report_advise(struct daemon *d, const struct advise_request *req);

#endif

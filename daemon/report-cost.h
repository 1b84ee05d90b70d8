/* SPDX-License-Identifier: GPL-2.0-only */
/* report-cost.h - what agents have cost, as JSON. */
#ifndef STARLING_REPORT_COST_H
#define STARLING_REPORT_COST_H

#include <jansson.h>
#include <stdint.h>

struct agent;
struct daemon;

/* Put into @o, an agent's object, what it has had of the GPU. */
void report_cost_agent(json_t *o, const struct agent *a, uint64_t now);
/* CPU seconds for each GPU second of the machine, and what was reckoned with. */
json_t *report_ratio(const struct daemon *d);

#endif

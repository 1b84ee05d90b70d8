/* SPDX-License-Identifier: GPL-2.0-only */
/* step.h - how protection follows a load that comes and goes. */
#ifndef SIM_STEP_H
#define SIM_STEP_H

#include <jansson.h>
#include <stdint.h>

/* From now on feeders come and go every @ns; protection may turn @most times. */
void step_expect(uint64_t ns, unsigned int most);
/* @cpus are protected from now on. */
void step_size(unsigned int cpus);
/* After the run; NULL: the load had no steps. */
json_t *step_report(void);

#endif

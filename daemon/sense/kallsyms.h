/* SPDX-License-Identifier: GPL-2.0-only */
/* kallsyms.h - where the kernel's code for something lies. */
#ifndef STARLING_SENSE_KALLSYMS_H
#define STARLING_SENSE_KALLSYMS_H

#include <stdint.h>

/*
 * The code through which interrupts enter the kernel, as up to @max ranges of
 * addresses [first, behind the last). Returns how many; 0: not known here, or
 * addresses are hidden.
 */
int kallsyms_irq_entries(uint64_t (*range)[2], int max);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* format.h - where the fields of a tracepoint's record are (tracefs: events/S/E/format). */
#ifndef STARLING_GPU_FORMAT_H
#define STARLING_GPU_FORMAT_H

#include <stdint.h>

/*
 * Field @name of the event that @text describes: its offset in bytes, which is never
 * 0, as each record begins with the event's type. 0: there is none, or it is not of
 * @size bytes. One of variable length has 4, which say where it is (__data_loc).
 */
uint32_t format_field(const char *text, const char *name, uint32_t size);

#endif

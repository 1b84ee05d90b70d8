/* SPDX-License-Identifier: GPL-2.0-only */
/* telemetry.h - the pages of an agent that readers map. */
#ifndef STARLING_TELEMETRY_H
#define STARLING_TELEMETRY_H

#include <linux/sizes.h>
#include <uapi/linux/starling.h>

struct file;
struct vm_area_struct;
struct starling_agent;
struct starling_member;
struct starling_pages;

#define STARLING_SAMPLE_MS	100
/* A power of two, so that no slot is in two chunks. */
#define STARLING_SLOT_SIZE	256
#define STARLING_SLOTS_OFFSET	ALIGN(sizeof(struct starling_page), STARLING_SLOT_SIZE)
#define STARLING_MAP_SIZE	SZ_16M
#define STARLING_NSLOTS		((STARLING_MAP_SIZE - STARLING_SLOTS_OFFSET) / STARLING_SLOT_SIZE)
/* Instead of a slot. */
#define STARLING_SLOT_NONE	(-1)
#define STARLING_SLOT_WAITS	(-2)

void starling_pages_init(struct starling_agent *agent);
void starling_pages_free(struct starling_pages *pages);
int starling_pages_mmap(struct file *file, struct vm_area_struct *vma);

/* All below under the agent's lock; nothing to do while nobody has mapped it. */
void starling_pages_update(struct starling_agent *agent);
void starling_slot_take(struct starling_member *m);
void starling_slot_drop(struct starling_member *m);
void starling_slot_write(struct starling_member *m);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* lineage.h - membership follows fork, exec and exit. */
#ifndef STARLING_LINEAGE_H
#define STARLING_LINEAGE_H

int starling_lineage_init(void);
void starling_lineage_exit(void);

#endif

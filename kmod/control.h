/* SPDX-License-Identifier: GPL-2.0-only */
/* control.h - the daemon's side. */
#ifndef STARLING_CONTROL_H
#define STARLING_CONTROL_H

#include <linux/types.h>

struct file;

long starling_control_claim(struct file *file, void *arg);
void starling_control_release(struct file *file);
bool starling_control_has(const struct file *file);
bool starling_control_sees_all(const struct file *file);
bool starling_control_silent(void);
long starling_control_publish(struct file *file, void *arg);

#endif

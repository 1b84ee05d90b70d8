/* SPDX-License-Identifier: GPL-2.0-only */
/* log.h - one line a message on stderr, with journal priorities under systemd. */
#ifndef STARLING_LOG_H
#define STARLING_LOG_H

#include <syslog.h>

/* Messages with a priority above @level are dropped; LOG_INFO to start. */
void log_set_level(int level);
int log_level(void);
/* Some is the kernel's text, with names of tasks in it: no control characters. */
void log_printable(char *text);
void log_line(int priority, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_err(...)	log_line(LOG_ERR, __VA_ARGS__)
#define log_warn(...)	log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)	log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	log_line(LOG_DEBUG, __VA_ARGS__)

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages are whole lines written with one call, so that they do not mix
 * with those of others on the same terminal. Under systemd the journal wants
 * "<N>" in front and adds the name itself.
 */
#include "daemon/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int max_level = LOG_INFO;

void log_set_level(int level)
{
	max_level = level;
}

int log_level(void)
{
	return max_level;
}

void log_line(int priority, const char *fmt, ...)
{
	char text[512], line[560];
	int saved = errno;
	va_list ap;
	int n;

	if (priority > max_level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (getenv("JOURNAL_STREAM"))
		n = snprintf(line, sizeof(line), "<%d>%s\n", priority, text);
	else
		n = snprintf(line, sizeof(line), "starlingd: %s\n", text);
	/* a daemon whose stderr is gone has nowhere to say so */
	if (write(STDERR_FILENO, line, n) < 0)
		errno = saved;
	errno = saved;
}

void log_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

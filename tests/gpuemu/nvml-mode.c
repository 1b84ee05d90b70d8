// SPDX-License-Identifier: GPL-2.0-only
/* How the emulated library is told to fail: words in a file beside the device. */
#include "nvml.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *mode_path(char *buf, size_t len)
{
	char device[256];

	snprintf(buf, len, "%s.nvml", gpuemu_path(device, sizeof(device)));
	return buf;
}

static const char *find_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += n)
		if ((at == text || isspace((unsigned char)at[-1])) &&
		    (!at[n] || isspace((unsigned char)at[n]) || at[n] == '='))
			return at + n;
	return NULL;
}

static bool read_modes(char *text, size_t len)
{
	char path[300];
	FILE *f = fopen(mode_path(path, sizeof(path)), "re");
	size_t n;

	if (!f)
		return false;
	n = fread(text, 1, len - 1, f);
	text[n] = '\0';
	fclose(f);
	return true;
}

bool nvml_mode(const char *word)
{
	char text[256];

	return read_modes(text, sizeof(text)) && find_word(text, word);
}

unsigned long nvml_mode_number(const char *word)
{
	char text[256];
	const char *at = read_modes(text, sizeof(text)) ? find_word(text, word) : NULL;

	return at && *at == '=' ? strtoul(at + 1, NULL, 10) : 0;
}

unsigned long nvml_mode_stamp(void)
{
	char path[300];
	struct stat st;

	if (stat(mode_path(path, sizeof(path)), &st))
		return 0;
	return st.st_mtim.tv_sec * 1000000000UL + st.st_mtim.tv_nsec;
}

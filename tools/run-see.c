// SPDX-License-Identifier: GPL-2.0-only
#include "tools/run-see.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VISIBLE	"CUDA_VISIBLE_DEVICES"
#define ORDER	"CUDA_DEVICE_ORDER"
#define BY_PCI	"PCI_BUS_ID"

/* What one word of CUDA_VISIBLE_DEVICES is to GPU @gpu. */
enum match {
	MATCH_THIS,
	MATCH_OTHER,
	MATCH_PERHAPS,		/* by a name or number that is not known here */
	MATCH_END,		/* no device's name: CUDA reads no further */
};

static bool is_number(const char *word, size_t n)
{
	return n && strspn(word, "0123456789") >= n;
}

/* CUDA's own order is another one than that of leases. */
static bool numbers_by_pci(void)
{
	const char *order = getenv(ORDER);

	return order && !strcmp(order, BY_PCI);
}

static enum match match_number(const char *word, unsigned int gpu)
{
	if (!numbers_by_pci())
		return MATCH_PERHAPS;
	return strtoul(word, NULL, 10) == gpu ? MATCH_THIS : MATCH_OTHER;
}

/* Names may be cut short, as CUDA lets them. */
static enum match match(const char *word, size_t n, unsigned int gpu, const char *uuid)
{
	if (is_number(word, n))
		return match_number(word, gpu);
	if (n > 4 && !strncasecmp(word, "MIG-", 4))
		return MATCH_PERHAPS;
	if (n <= 4 || strncasecmp(word, "GPU-", 4))
		return MATCH_END;
	if (!uuid[0])
		return MATCH_PERHAPS;
	return strncasecmp(word, uuid, n) ? MATCH_OTHER : MATCH_THIS;
}

static void set_number(unsigned int gpu)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", gpu);
	setenv(VISIBLE, text, 1);
}

/* In another order than that of PCI addresses nobody knows what a number means. */
static void see_first(unsigned int gpu, const char *uuid)
{
	const char *order = getenv(ORDER);

	if (uuid[0]) {
		setenv(VISIBLE, uuid, 1);
		return;
	}
	if (order && strcmp(order, BY_PCI))
		return;
	setenv(ORDER, BY_PCI, 1);
	set_number(gpu);
}

/* What @outer is to GPU @gpu; of MATCH_THIS, whether a number says so. */
static enum match look_up(const char *outer, unsigned int gpu, const char *uuid, bool *number)
{
	enum match all = MATCH_OTHER, one;

	for (const char *at = outer; at; at = strchr(at, ','), at = at ? at + 1 : NULL) {
		size_t n;

		at += strspn(at, " \t");
		n = strcspn(at, ", \t");
		one = match(at, n, gpu, uuid);
		if (one == MATCH_END)
			return all;
		*number = is_number(at, n);
		if (one == MATCH_THIS)
			return one;
		if (one == MATCH_PERHAPS)
			all = one;
	}
	return all;
}

bool run_sees(unsigned int gpu, const char *uuid, char *why, size_t size)
{
	const char *outer = getenv(VISIBLE);
	bool number = false;

	if (!outer || look_up(outer, gpu, uuid, &number) != MATCH_OTHER)
		return true;
	snprintf(why, size, VISIBLE "='%.80s' leaves out GPU %u (gpu=%u%s)", outer, gpu, gpu,
		 gpu ? "" : ", the default");
	return false;
}

bool run_see(unsigned int gpu, const char *uuid, char *why, size_t size)
{
	const char *outer = getenv(VISIBLE);
	bool number = false;

	if (!run_sees(gpu, uuid, why, size))
		return false;
	if (!outer)
		see_first(gpu, uuid);
	else if (look_up(outer, gpu, uuid, &number) != MATCH_THIS)
		return true;
	else if (number)	/* numbers stay numbers */
		set_number(gpu);
	else
		setenv(VISIBLE, uuid, 1);
	return true;
}

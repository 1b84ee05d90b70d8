// SPDX-License-Identifier: GPL-2.0-only
/* A library that stands before the C library, as many do, and asks for the next one. */
#include <dlfcn.h>
#include <stdio.h>

typedef int puts_fn(const char *s);

__attribute__((visibility("default"))) int puts(const char *s)
{
	puts_fn *next = (puts_fn *)dlsym(RTLD_NEXT, "puts");

	fputs("next: ", stdout);
	return next(s);
}

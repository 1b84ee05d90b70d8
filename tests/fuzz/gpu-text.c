// SPDX-License-Identifier: GPL-2.0-only
/* What drivers write into fdinfo, spoilt; nothing may be known that no line says. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sense/gpu/fdinfo.h"
#include "tests/fuzz/gpu.h"

static const char *const drivers[] = {
	"amdgpu", "i915", "msm", "nvidia-drm", "panfrost", "panthor", "v3d", "xe",
};

enum { DRIVERS = sizeof(drivers) / sizeof(drivers[0]), GOLDEN_MAX = 4096 };

static char golden[DRIVERS][GOLDEN_MAX];

void text_load(void)
{
	char path[64];
	FILE *f;

	for (int i = 0; i < DRIVERS; i++) {
		snprintf(path, sizeof(path), "tests/unit/gpu/%s.fdinfo", drivers[i]);
		f = fopen(path, "re");
		if (!f || !fread(golden[i], 1, GOLDEN_MAX - 1, f)) {
			fprintf(stderr, "starling-fuzz-gpu: no %s: run it in the top directory\n",
				path);
			exit(2);
		}
		fclose(f);
	}
}

size_t text_pick(char *text, unsigned int which, unsigned int client, const char *pci)
{
	size_t n = 0;

	for (const char *at = golden[which % DRIVERS]; *at;) {
		int len = strcspn(at, "\n");

		if (!strncmp(at, "drm-client-id:", 14))
			n += sprintf(text + n, "drm-client-id:\t%u\n", client);
		else if (pci && !strncmp(at, "drm-pdev:", 9))
			n += sprintf(text + n, "drm-pdev:\t%s\n", pci);
		else
			n += sprintf(text + n, "%.*s\n", len, at);
		at += len + (at[len] == '\n');
	}
	return n;
}

/* -- how it is spoilt --------------------------------------------------------- */

static size_t some_line(const char *text, size_t n, size_t *len)
{
	size_t at = n ? below(n) : 0, end = at;

	while (at && text[at - 1] != '\n')
		at--;
	while (end < n && text[end] != '\n')
		end++;
	*len = end < n ? end + 1 - at : end - at;
	return at;
}

static size_t flip(char *text, size_t n)
{
	if (n)
		text[below(n)] ^= 1 << below(8);
	return n;
}

static size_t cut(char *text, size_t n)
{
	(void)text;
	return n ? below(n) : 0;
}

static size_t drop_line(char *text, size_t n)
{
	size_t len, at = some_line(text, n, &len);

	memmove(text + at, text + at + len, n - at - len);
	return n - len;
}

static size_t double_line(char *text, size_t n)
{
	size_t len, at = some_line(text, n, &len);

	if (n + len >= TEXT_MAX)
		return n;
	memmove(text + at + len, text + at, n - at);
	return n + len;
}

static size_t put_in(char *text, size_t n, size_t at, size_t drop, const char *what)
{
	size_t len = strlen(what);

	if (n - drop + len >= TEXT_MAX)
		return n;
	memmove(text + at + len, text + at + drop, n - at - drop);
	memcpy(text + at, what, len);
	return n - drop + len;
}

/* Where the first number behind a colon begins; @n: there is none. */
static size_t some_number(const char *text, size_t n, size_t *len)
{
	size_t line, at = some_line(text, n, &line), end = at + line;

	while (at < end && text[at] != ':')
		at++;
	while (at < end && !isdigit((unsigned char)text[at]))
		at++;
	for (*len = 0; at + *len < end && isdigit((unsigned char)text[at + *len]);)
		++*len;
	return *len ? at : n;
}

static size_t other_number(char *text, size_t n)
{
	static const char *const huge[] = {
		"18446744073709551615", "18446744073709551616", "99999999999999999999999999",
		"-1", "0x10", "", "00000000000000000000000000000000001", "1e9",
		"9223372036854775808",
	};
	size_t len, at = some_number(text, n, &len);
	const char *what;
	char number[24];

	snprintf(number, sizeof(number), "%llu",
		 (unsigned long long)chance_number(&fuzz_chance));
	what = one_in(3) ? huge[below(sizeof(huge) / sizeof(huge[0]))] : number;
	return at == n ? n : put_in(text, n, at, len, what);
}

static size_t put_word(char *text, size_t n)
{
	static const char *const words[] = {
		"drm-", "drm-engine-", "drm-engine-capacity-", "drm-cycles-", "drm-total-cycles-",
		"drm-total-", "drm-memory-", "drm-resident-", ":", "\n", "\t", " ns", " KiB",
		" MiB",
		"drm-engine-x:\t7 ns\n", "drm-client-id:\t1\n", "drm-pdev:\t0000:ff:00.0\n", "\r",
		"drm-total-vram:\t18014398509481983 KiB\n", "drm-total-vram:\t65000000000000000\n",
		"drm-engine-capacity-render:\t4096\n",
		"\xff\xfe", "%n%s",
	};

	return put_in(text, n, n ? below(n) : 0, 0, words[below(sizeof(words) / sizeof(words[0]))]);
}

static size_t put_nul(char *text, size_t n)
{
	if (n)
		text[below(n)] = '\0';
	return n;
}

static size_t long_line(char *text, size_t n)
{
	size_t at = n ? below(n) : 0, len = 1 + below(12000);

	if (n + len >= TEXT_MAX)
		return n;
	memmove(text + at + len, text + at, n - at);
	memset(text + at, one_in(2) ? '9' : 'a' + below(26), len);
	return n + len;
}

size_t text_spoil(char *text, size_t n)
{
	static size_t (*const ways[])(char *, size_t) = {
		flip, flip, cut, drop_line, double_line, other_number, other_number, other_number,
		put_word, put_word, put_nul, long_line,
	};

	for (int i = below(6); i > 0; i--)
		n = ways[below(sizeof(ways) / sizeof(ways[0]))](text, n);
	text[n] = '\0';
	return n;
}

/* In place: the text does not get longer. */
void text_advance(char *text)
{
	for (char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		size_t len = strcspn(at, ":\n"), digits;
		char *from, line[32];
		int64_t step;

		if (strncmp(at, "drm-engine-", 11) && strncmp(at, "drm-cycles-", 11) &&
		    strncmp(at, "drm-total-cycles-", 17))
			continue;
		from = at + len + strcspn(at + len, "0123456789\n");
		digits = strspn(from, "0123456789");
		if (!digits || digits > 18 || one_in(6))
			continue;
		step = one_in(8) ? -(int64_t)below(1000) : (int64_t)below(1 << 30);
		snprintf(line, sizeof(line), "%0*llu", (int)digits,
			 strtoull(from, NULL, 10) + step);
		if (strlen(line) == digits)
			memcpy(from, line, digits);
	}
}

/* -- what has to hold ------------------------------------------------------------ */

/* A line "@prefix@name: @n@unit" is there, read in another way than the parser does. */
static bool is_said(const char *text, const char *prefix, const char *name, uint64_t n,
		    const char *unit)
{
	char key[80], *end;
	int len = snprintf(key, sizeof(key), "%s%s:", prefix, name);

	for (const char *at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
		if (strncmp(at, key, len))
			continue;
		at += len + strspn(at + len, " \t");
		errno = 0;
		if (!isdigit((unsigned char)*at) || strtoull(at, &end, 10) != n || errno)
			continue;
		end += strspn(end, " \t");
		if (!strncmp(end, unit, strlen(unit)))
			return true;
	}
	return false;
}

static bool has_word(const char *text, const char *key, const char *word)
{
	size_t n = strlen(key), len = strlen(word);

	for (const char *at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
		if (strncmp(at, key, n))
			continue;
		at += n + strspn(at + n, " \t");
		if (!strncmp(at, word, len) && (!at[len] || isspace((unsigned char)at[len])))
			return true;
	}
	return false;
}

/* As much as all lines of memory say together: no more is there. */
static uint64_t memory_said(const char *text)
{
	static const char *const keys[] = { "drm-total-", "drm-resident-", "drm-memory-" };
	uint64_t sum = 0, n;

	for (const char *at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
		size_t len = strcspn(at, ":\n");
		char *end;

		for (int i = 0; i < 3; i++) {
			if (strncmp(at, keys[i], strlen(keys[i])) || at[len] != ':')
				continue;
			n = strtoull(at + len + 1, &end, 10);
			end += strspn(end, " \t");
			if (__builtin_mul_overflow(n, !strncmp(end, "KiB", 3) ? 1ULL << 10 :
						   !strncmp(end, "MiB", 3) ? 1ULL << 20 : 1, &n) ||
			    __builtin_add_overflow(sum, n, &sum))
				return UINT64_MAX;
		}
	}
	return sum;
}

static void engine_holds(const struct fdinfo_engine *e, const char *text)
{
	HOLDS(strnlen(e->name, sizeof(e->name)) < sizeof(e->name) && e->name[0]);
	HOLDS(!e->has_ns || is_said(text, "drm-engine-", e->name, e->ns, "ns"));
	HOLDS(!e->has_cycles || is_said(text, "drm-cycles-", e->name, e->cycles, ""));
	HOLDS(!e->has_total || is_said(text, "drm-total-cycles-", e->name, e->total_cycles, ""));
	HOLDS(e->capacity <= 4096);
	HOLDS(!e->capacity ||
	      is_said(text, "drm-engine-capacity-", e->name, e->capacity, ""));
}

static void info_holds(const struct fdinfo *f, const char *text, bool ok)
{
	HOLDS(f->nengine <= FDINFO_ENGINES_MAX);
	HOLDS(memchr(f->driver, 0, sizeof(f->driver)) && memchr(f->pdev, 0, sizeof(f->pdev)));
	HOLDS(ok == (f->driver[0] && f->has_client));
	HOLDS(!f->driver[0] || has_word(text, "drm-driver:", f->driver));
	HOLDS(!f->pdev[0] || has_word(text, "drm-pdev:", f->pdev));
	HOLDS(!f->has_client || is_said(text, "drm-client-id", "", f->client, ""));
	HOLDS(f->has_memory ? f->memory <= memory_said(text) : !f->memory);
	for (unsigned int i = 0; i < f->nengine; i++)
		engine_holds(&f->engine[i], text);
}

static bool says_time(const struct fdinfo_engine *e)
{
	return e->has_ns || (e->has_cycles && e->has_total);
}

static void busy_holds(const struct fdinfo *a, const struct fdinfo *b, uint64_t dt)
{
	bool several, known, may = false;
	uint64_t ns;

	known = fdinfo_busy(a, b, dt, &ns, &several);
	for (unsigned int i = 0; i < b->nengine; i++)
		for (unsigned int j = 0; j < a->nengine; j++)
			may |= !strcmp(a->engine[j].name, b->engine[i].name) &&
				says_time(&a->engine[j]) && says_time(&b->engine[i]);
	HOLDS(ns <= dt);
	HOLDS(known ? may : !ns);
	HOLDS(!several || ns);
	/* of a time in which nothing changed it had nothing */
	fdinfo_busy(b, b, dt, &ns, &several);
	HOLDS(!ns && !several);
}

void fuzz_text(void)
{
	char first[TEXT_MAX], second[TEXT_MAX];
	struct fdinfo a, b;
	size_t n = text_pick(first, below(DRIVERS), 1 + below(3), NULL);
	bool ok;

	memcpy(second, first, n + 1);
	text_advance(second);
	text_spoil(first, n);
	text_spoil(second, n);
	fuzz_note("%s\n-- then --\n%s", first, second);
	ok = fdinfo_parse(&a, first);
	info_holds(&a, first, ok);
	ok = fdinfo_parse(&b, second);
	info_holds(&b, second, ok);
	busy_holds(&a, &b, chance_number(&fuzz_chance) >> 3);
}

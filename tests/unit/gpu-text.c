// SPDX-License-Identifier: GPL-2.0-only
/*
 * What drivers write, read as what it means: each driver's text against what is
 * expected of it (tests/unit/gpu), and texts that no driver should write.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/sense/gpu/fdinfo.h"
#include "daemon/sense/gpu/format.h"
#include "daemon/sense/gpu/memory.h"
#include "tests/unit/unit.h"

enum { TEXT = 8192, ROUNDS = 200000 };

static const char *const drivers[] = {
	"amdgpu", "i915", "msm", "nvidia-drm", "panfrost", "panthor", "v3d", "xe",
};

enum { DRIVERS = sizeof(drivers) / sizeof(drivers[0]) };

static void load(char *text, const char *driver, const char *ext)
{
	char path[128];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "tests/unit/gpu/%s.%s", driver, ext);
	f = fopen(path, "re");
	if (!f)
		fail_msg("no %s", path);
	n = fread(text, 1, TEXT - 1, f);
	text[n] = '\0';
	fclose(f);
}

static void put_engine(FILE *f, const struct fdinfo_engine *e)
{
	fprintf(f, "engine %s", e->name);
	if (e->has_ns)
		fprintf(f, " ns %lu", e->ns);
	if (e->has_cycles)
		fprintf(f, " cycles %lu", e->cycles);
	if (e->has_total)
		fprintf(f, " of %lu", e->total_cycles);
	if (e->capacity)
		fprintf(f, " capacity %u", e->capacity);
	fputc('\n', f);
}

static void print(char *out, const struct fdinfo *info, bool client)
{
	FILE *f = fmemopen(out, TEXT, "w");

	fprintf(f, "# SPDX-License-Identifier: GPL-2.0-only\nclient %s\n", client ? "yes" : "no");
	fprintf(f, "driver %s\npdev %s\n", info->driver, info->pdev[0] ? info->pdev : "-");
	if (info->has_client)
		fprintf(f, "id %lu\n", info->client);
	if (info->has_memory)
		fprintf(f, "memory %lu\n", info->memory);
	for (unsigned int i = 0; i < info->nengine; i++)
		put_engine(f, &info->engine[i]);
	fclose(f);
}

static void test_golden(void **state)
{
	char text[TEXT], want[TEXT], have[TEXT];
	struct fdinfo info;

	(void)state;
	for (int i = 0; i < DRIVERS; i++) {
		bool client;

		load(text, drivers[i], "fdinfo");
		load(want, drivers[i], "want");
		client = fdinfo_parse(&info, text);
		print(have, &info, client);
		if (strcmp(want, have))
			fail_msg("%s: wanted:\n%sgot:\n%s", drivers[i], want, have);
	}
}

/* -- what no driver should write ---------------------------------------------- */

static void test_bad_lines(void **state)
{
	static const char text[] =
		"drm-driver: x\ndrm-client-id: 1\n"
		"drm-engine-a: -5 ns\n"			/* no number */
		"drm-engine-b: 18446744073709551616 ns\n"	/* too large */
		"drm-engine-c: 7 ms\n"			/* another unit */
		"drm-engine-d: 7ns\n"			/* glued */
		"drm-engine-: 7 ns\n"			/* no name */
		"drm-engine-a-name-that-is-far-too-long-to-be-one: 7 ns\n"
		"drm-total-vram: 18446744073709551615 MiB\n"	/* overflows */
		"drm-total-gtt: 3 GiB\n"		/* no such unit */
		"drm-engine-e: 9 ns";			/* no last line end */
	struct fdinfo f;

	(void)state;
	assert_true(fdinfo_parse(&f, text));
	assert_false(f.has_memory);
	for (unsigned int i = 0; i < f.nengine; i++)
		assert_true(f.engine[i].has_ns == !strcmp(f.engine[i].name, "e"));
	assert_false(fdinfo_parse(&f, ""));
	assert_false(fdinfo_parse(&f, "drm-driver: x\n"));
	assert_false(fdinfo_parse(&f, "drm-driver: x\ndrm-client-id: one\n"));
}

static void test_many_engines(void **state)
{
	char text[TEXT];
	struct fdinfo f;
	int n;

	(void)state;
	n = snprintf(text, sizeof(text), "drm-driver: x\ndrm-client-id: 1\n");
	for (int i = 0; i < 100; i++)
		n += snprintf(text + n, sizeof(text) - n, "drm-engine-%d: %d ns\n", i, i);
	assert_true(fdinfo_parse(&f, text));
	assert_int_equal(f.nengine, FDINFO_ENGINES_MAX);
}

/* The same numbers each time: a failure can be looked at. */
static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void mutate(char *text, size_t *len, uint32_t *rnd)
{
	static const char odd[] = "\n\t :-0195nsKMiB\xff\x01%";
	size_t at = next_random(rnd) % (*len + 1);
	size_t n = next_random(rnd) % 16;

	switch (next_random(rnd) % 4) {
	case 0:			/* another byte */
		if (at < *len)
			text[at] = odd[next_random(rnd) % (sizeof(odd) - 1)];
		break;
	case 1:			/* cut out */
		n = at + n > *len ? *len - at : n;
		memmove(text + at, text + at + n, *len - at - n);
		*len -= n;
		break;
	case 2:			/* once more */
		n = at + n > *len ? *len - at : n;
		if (*len + n >= TEXT)
			break;
		memmove(text + at + n, text + at, *len - at);
		*len += n;
		break;
	default:		/* cut off */
		*len = next_random(rnd) % 8 ? *len : at;
	}
	text[*len] = '\0';
}

/* Names end, sums do not run over, and busy time is no more than there was. */
static void check(const struct fdinfo *before, const struct fdinfo *now)
{
	bool several;
	uint64_t ns;

	assert_true(now->nengine <= FDINFO_ENGINES_MAX);
	for (unsigned int i = 0; i < now->nengine; i++) {
		assert_true(memchr(now->engine[i].name, 0, FDINFO_NAME_LEN));
		assert_true(now->engine[i].name[0]);
	}
	assert_true(memchr(now->driver, 0, sizeof(now->driver)));
	assert_true(memchr(now->pdev, 0, sizeof(now->pdev)));
	fdinfo_busy(before, now, S, &ns, &several);
	assert_true(ns <= S);
}

/* From the heap and exactly as long as it is: a reader beyond its end is found. */
static void test_fuzz(void **state)
{
	struct fdinfo before = { 0 }, now;
	uint32_t rnd = 0x5eed;
	char text[TEXT], *exact;
	size_t len = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 16 == 0) {
			load(text, drivers[i / 16 % DRIVERS], "fdinfo");
			len = strlen(text);
			fdinfo_parse(&before, text);
		}
		mutate(text, &len, &rnd);
		exact = malloc(len + 1);
		memcpy(exact, text, len + 1);
		fdinfo_parse(&now, exact);
		check(&before, &now);
		free(exact);
	}
}

/* -- busy time ---------------------------------------------------------------- */

static struct fdinfo info_of(const char *lines)
{
	char text[512];
	struct fdinfo f;

	snprintf(text, sizeof(text), "drm-driver: x\ndrm-client-id: 1\n%s", lines);
	assert_true(fdinfo_parse(&f, text));
	return f;
}

static void check_busy(const char *before, const char *now, uint64_t want, bool want_several)
{
	struct fdinfo a = info_of(before), b = info_of(now);
	bool several;
	uint64_t ns;

	assert_true(fdinfo_busy(&a, &b, S, &ns, &several));
	assert_int_equal(ns, want);
	assert_int_equal(several, want_several);
}

static void test_busy(void **state)
{
	struct fdinfo a = info_of("drm-cycles-gpu: 5\n"), b = info_of("drm-cycles-gpu: 9\n");
	bool several;
	uint64_t ns;

	(void)state;
	check_busy("drm-engine-a: 100 ns\n", "drm-engine-a: 400 ns\n", 300, false);
	check_busy("drm-engine-a: 100 ns\ndrm-engine-b: 0 ns\n",
		   "drm-engine-a: 400 ns\ndrm-engine-b: 900 ns\n", 900, true);
	/* a value that steps back is nothing, and no more than all the time there was */
	check_busy("drm-engine-a: 400 ns\n", "drm-engine-a: 100 ns\n", 0, false);
	check_busy("drm-engine-a: 0 ns\n", "drm-engine-a: 5000000000 ns\n", S, false);
	check_busy("drm-engine-a: 0 ns\n",
		   "drm-engine-a: 500 ns\ndrm-engine-capacity-a: 2\n", 250, false);
	check_busy("drm-cycles-a: 0\ndrm-total-cycles-a: 0\n",
		   "drm-cycles-a: 25\ndrm-total-cycles-a: 100\n", S / 4, false);
	check_busy("drm-cycles-a: 0\ndrm-total-cycles-a: 100\n",
		   "drm-cycles-a: 25\ndrm-total-cycles-a: 100\n", 0, false);
	/* cycles without their total say nothing of time */
	assert_false(fdinfo_busy(&a, &b, S, &ns, &several));
}

/* -- memory ------------------------------------------------------------------- */

static void test_meminfo(void **state)
{
	static const char text[] = "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  400 kB\n"
		"HugePages_Total:  5\nHugePages_Free:  %d\nHugepagesize:  100 kB\n";
	uint64_t total, used;
	char with[512];

	(void)state;
	snprintf(with, sizeof(with), text, 0);
	assert_true(memory_parse(with, &total, &used));
	assert_int_equal(total, 1000 << 10);
	assert_int_equal(used, 600 << 10);
	/* what is free of the huge pages where that is more */
	snprintf(with, sizeof(with), text, 5);
	assert_true(memory_parse(with, &total, &used));
	assert_int_equal(used, 500 << 10);
	/* "MemTotal" inside another key is not it */
	assert_false(memory_parse("XMemTotal: 5 kB\nMemAvailable: 1 kB\n", &total, &used));
	assert_false(memory_parse("", &total, &used));
}

static void test_pressure(void **state)
{
	uint64_t n;

	(void)state;
	assert_true(memory_pressure_parse("some avg10=12.34 avg60=0.00 total=5\nfull", &n));
	assert_int_equal(n, 1234);
	assert_false(memory_pressure_parse("some avg10=nan", &n));
	assert_false(memory_pressure_parse("some avg10=-1", &n));
	assert_false(memory_pressure_parse("", &n));
}

/* -- formats of tracepoints ---------------------------------------------------- */

/* As kernels before and since 6.17 tell them. */
static void test_format(void **state)
{
	static const struct {
		const char *event;
		const char *field;
		uint32_t size;
		uint32_t offset;
	} want[] = {
		{ "drm_sched_job", "fence", 8, 16 },
		{ "drm_sched_job", "name", 4, 24 },
		{ "drm_sched_job", "id", 8, 32 },
		{ "drm_sched_job", "dev", 4, 0 },
		{ "drm_sched_process_job", "fence", 8, 8 },
		{ "drm_sched_job_queue", "fence_context", 8, 24 },
		{ "drm_sched_job_queue", "fence_seqno", 8, 32 },
		{ "drm_sched_job_queue", "fence_seqno", 4, 0 },
		{ "drm_sched_job_queue", "name", 4, 8 },
		{ "drm_sched_job_queue", "dev", 4, 20 },
		{ "drm_sched_job_queue", "fence", 8, 0 },
		{ "drm_sched_job_done", "fence_context", 8, 8 },
	};
	char text[TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		load(text, want[i].event, "format");
		if (format_field(text, want[i].field, want[i].size) != want[i].offset)
			fail_msg("%s: %s is at %u, not at %u", want[i].event, want[i].field,
				 format_field(text, want[i].field, want[i].size), want[i].offset);
	}
}

static void test_format_bad(void **state)
{
	(void)state;
	assert_int_equal(format_field("field:char a[16];\toffset:8;\tsize:16;", "a", 16), 8);
	assert_int_equal(format_field("field:u64 ab;\toffset:8;\tsize:8;", "b", 8), 0);
	assert_int_equal(format_field("field:u64 a;\tsize:8;\toffset:8;", "a", 8), 0);
	assert_int_equal(format_field("field:u64 a", "a", 8), 0);
	assert_int_equal(format_field("field:;field:]; offset:8; size:8;", "a", 8), 0);
	assert_int_equal(format_field("field:", "a", 8), 0);
	assert_int_equal(format_field("", "a", 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_many_engines),
		cmocka_unit_test(test_fuzz),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_meminfo),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_format_bad),
	};

	return unit_run(tests);
}

// SPDX-License-Identifier: GPL-2.0-only
/* What "starling run --gpu=share" takes, and what MPS is told by it. */
#include <linux/starling.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/unit/unit.h"
#include "tools/run-gpu.h"
#include "tools/run-share.h"

#define PIPE	"/run/mps"
#define UUID	"GPU-73746172-6c69-6e67-2d67-7075656d7500"

static const char *const names[] = {
	"CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE",
	"CUDA_MPS_CLIENT_PRIORITY", "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT",
};

enum { NNAMES = sizeof(names) / sizeof(names[0]) };

static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static bool parse(struct run_gpu *g, const char *text, char *why, size_t size)
{
	char arg[96];

	snprintf(arg, sizeof(arg), "%s", text);
	return run_gpu_parse(g, arg, why, size);
}

static const struct {
	const char *arg, *uuid;
	int class;
	const char *own[NNAMES];	/* what there is */
	const char *to[NNAMES];
} cases[] = {
	/* nothing but where: how much is the administrator's default */
	{ "share", UUID, 0, { NULL }, { PIPE } },
	{ "share,percent=1", UUID, 0, { NULL }, { PIPE, "1" } },
	{ "share,percent=100", UUID, 0, { NULL }, { PIPE, "100" } },
	/* the agent's class, unless there is one for the GPU */
	{ "share", UUID, STARLING_CLASS_INTERACTIVE, { NULL }, { PIPE, NULL, "0" } },
	{ "share", UUID, STARLING_CLASS_NORMAL, { NULL }, { PIPE, NULL, "0" } },
	{ "share", UUID, STARLING_CLASS_BATCH, { NULL }, { PIPE, NULL, "1" } },
	{ "share,priority=normal", UUID, STARLING_CLASS_BATCH, { NULL }, { PIPE, NULL, "0" } },
	{ "share,priority=batch", UUID, 0, { NULL }, { PIPE, NULL, "1" } },
	/* in MiB, and never more than was asked for */
	{ "share,memory=16G", UUID, 0, { NULL }, { PIPE, NULL, NULL, UUID "=16384M" } },
	{ "share,memory=2047K", "", 0, { NULL }, { PIPE, NULL, NULL, "0=1M" } },
	{ "share,gpu=3,memory=1024T", "", 0, { NULL }, { PIPE, NULL, NULL, "3=1073741824M" } },
	{ "share,memory=0", UUID, 0, { NULL }, { PIPE } },
	/* what is there stays unless an option says otherwise */
	{ "share", UUID, 0, { PIPE, "40", "1", "0=1G" }, { PIPE, "40", "1", "0=1G" } },
	{ "share,percent=20", UUID, 0, { "", "40", "1", "0=1G" }, { PIPE, "20", "1", "0=1G" } },
	{ "share,priority=normal,memory=1M", UUID, 0, { PIPE, "40", "1", "0=1G" },
	  { PIPE, "40", "0", UUID "=1M" } },
};

static void test_environment(void **state)
{
	char why[300];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run_gpu g = { 0 };

		print_message("# %s\n", cases[i].arg);
		for (int n = 0; n < NNAMES; n++)
			set(names[n], cases[i].own[n]);
		assert_true(parse(&g, cases[i].arg, why, sizeof(why)));
		assert_true(g.share && g.see_one && !g.lease);
		assert_true(run_share_environment(&g, PIPE, cases[i].class, cases[i].uuid, why,
						  sizeof(why)));
		for (int n = 0; n < NNAMES; n++) {
			const char *have = getenv(names[n]), *want = cases[i].to[n];

			assert_string_equal(have ? have : "(not set)", want ? want : "(not set)");
		}
	}
}

/* Of what is refused, nothing is passed on. */
static void test_refused(void **state)
{
	struct run_gpu g = { .share = true };
	char why[300];

	(void)state;
	for (int n = 0; n < NNAMES; n++)
		set(names[n], NULL);
	set(names[0], "/elsewhere");
	assert_false(run_share_environment(&g, PIPE, 0, "", why, sizeof(why)));
	assert_non_null(strstr(why, "/elsewhere"));
	assert_non_null(strstr(why, PIPE));
	assert_string_equal(getenv(names[0]), "/elsewhere");
	set(names[0], NULL);
	g.settings.memory_bytes = (1 << 20) - 1;
	assert_false(run_share_environment(&g, PIPE, 0, "", why, sizeof(why)));
	assert_non_null(strstr(why, "less than one"));
	assert_null(getenv(names[3]));
}

static void test_words(void **state)
{
	static const struct {
		const char *arg, *says;
	} bad[] = {
		{ "", "takes lease or share" },
		{ "shares", "takes lease or share" },
		{ "share,percent=0", "percent=0: must be a number from 1 to 100" },
		{ "share,percent=101", "percent=101: must be" },
		{ "share,percent=x", "percent=x: must be" },
		{ "share,percent=5.5", "percent=5.5: must be" },
		{ "share,percent=-1", "percent=-1: must be" },
		{ "share,percent=", "percent=: must be" },
		{ "share,percent", "percent: must be" },
		{ "share,priority=king", "must be interactive, normal or batch" },
		{ "share,nice=1", "must be one of priority=, gpu=, percent=, memory= and see=" },
		{ "share,turn=10ms", "must be left out: it is for --gpu=lease" },
		{ "share,wait=block", "must be left out: it is for --gpu=lease" },
		{ "share,reserve=4G", "must be left out: it is for --gpu=lease" },
		{ "lease,percent=20", "must be left out: it is for --gpu=share" },
		{ "lease,nice=1", "must be one of priority=, gpu=, turn=" },
		{ "lease,share", "lease, for turns, or share" },
		{ "share,lease", "lease, for turns, or share" },
	};
	char why[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct run_gpu g = { 0 };

		print_message("# %s\n", bad[i].arg);
		assert_false(parse(&g, bad[i].arg, why, sizeof(why)));
		assert_non_null(strstr(why, bad[i].says));
	}
}

/* The two have keys in common, and those of a lease are where its library reads them. */
static void test_lease(void **state)
{
	struct run_gpu g = { 0 };
	char why[300];

	(void)state;
	assert_true(parse(&g, "lease,turn=5ms,linger=1ms,memory=1G,reserve=2G,patience=3s", why,
			  sizeof(why)));
	assert_true(parse(&g, "lease,gpu=2,wait=block,priority=batch,see=all", why, sizeof(why)));
	assert_true(g.lease && !g.share && g.waits && !g.see_one && !g.percent);
	assert_int_equal(g.settings.turn_ns, 5 * MS);
	assert_int_equal(g.settings.linger_ns, MS);
	assert_int_equal(g.settings.memory_bytes, 1ULL << 30);
	assert_int_equal(g.settings.reserve_bytes, 2ULL << 30);
	assert_int_equal(g.settings.patience_ns, 3 * S);
	assert_int_equal(g.settings.gpu, 2);
	assert_int_equal(g.settings.class, STARLING_CLASS_BATCH);
	assert_true(g.settings.block);
}

/* In two options, or around this one: what takes turns would go on doing so. */
static void test_either(void **state)
{
	struct run_gpu g = { 0 };
	char why[300];

	(void)state;
	assert_true(parse(&g, "lease", why, sizeof(why)));
	assert_false(parse(&g, "share", why, sizeof(why)));
	assert_non_null(strstr(why, "not both"));
	g = (struct run_gpu){ 0 };
	assert_true(parse(&g, "share", why, sizeof(why)));
	assert_false(parse(&g, "lease", why, sizeof(why)));
	set(GPU_SETTINGS, "gpu=0,name=outer");
	g = (struct run_gpu){ 0 };
	run_gpu_init(&g);
	assert_false(parse(&g, "share", why, sizeof(why)));
	assert_non_null(strstr(why, "within"));
	set(GPU_SETTINGS, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_lease),
		cmocka_unit_test(test_either),
	};

	return unit_run(tests);
}

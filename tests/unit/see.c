// SPDX-License-Identifier: GPL-2.0-only
/* What "starling run --gpu" makes of CUDA_VISIBLE_DEVICES, with and without a name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/unit/unit.h"
#include "tools/run-gpu.h"
#include "tools/run-see.h"

#define VISIBLE	"CUDA_VISIBLE_DEVICES"
#define ORDER	"CUDA_DEVICE_ORDER"
#define UUID	"GPU-73746172-6c69-6e67-2d67-7075656d7500"

static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static void check(const char *name, const char *want)
{
	const char *have = getenv(name);

	if (want)
		assert_string_equal(have ? have : "(not set)", want);
	else
		assert_null(have);
}

static const struct {
	unsigned int gpu;
	const char *uuid, *visible, *order;	/* what there is */
	const char *to, *to_order;
	bool left_out;
} cases[] = {
	{ 0, UUID, NULL, NULL, UUID, NULL, false },
	{ 1, "", NULL, NULL, "1", "PCI_BUS_ID", false },
	{ 1, "", NULL, "PCI_BUS_ID", "1", "PCI_BUS_ID", false },
	/* what a number means there is not known */
	{ 1, "", NULL, "FASTEST_FIRST", NULL, "FASTEST_FIRST", false },
	{ 1, UUID, NULL, "FASTEST_FIRST", UUID, "FASTEST_FIRST", false },
	/* narrowed */
	{ 1, "", "0,1", "PCI_BUS_ID", "1", "PCI_BUS_ID", false },
	{ 1, UUID, " 0 , 1 ", "PCI_BUS_ID", "1", "PCI_BUS_ID", false },
	{ 0, UUID, "GPU-99, GPU-7374", NULL, UUID, NULL, false },
	{ 0, UUID, "gpu-73746172", NULL, UUID, NULL, false },
	/* not known: as it was; numbers, too, which CUDA gives to the fastest first */
	{ 1, "", "0,1", NULL, "0,1", NULL, false },
	{ 0, UUID, "1", NULL, "1", NULL, false },
	{ 0, UUID, "1", "FASTEST_FIRST", "1", "FASTEST_FIRST", false },
	{ 2, UUID, "1,GPU-7374", NULL, UUID, NULL, false },
	{ 0, "", "GPU-7374", NULL, "GPU-7374", NULL, false },
	{ 0, UUID, "MIG-7374", NULL, "MIG-7374", NULL, false },
	/* left out: as it was, and said */
	{ 0, UUID, "1", "PCI_BUS_ID", "1", "PCI_BUS_ID", true },
	{ 0, "", "", NULL, "", NULL, true },
	{ 0, UUID, "-1", NULL, "-1", NULL, true },
	{ 0, UUID, "NoDevFiles", NULL, "NoDevFiles", NULL, true },
	{ 2, UUID, "1,-1,2", "PCI_BUS_ID", "1,-1,2", "PCI_BUS_ID", true },
	{ 0, UUID, "GPU-99", NULL, "GPU-99", NULL, true },
	{ 0, UUID, UUID "0", NULL, UUID "0", NULL, true },
	{ 1, "", "11", "PCI_BUS_ID", "11", "PCI_BUS_ID", true },
};

static void test_see(void **state)
{
	char why[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *visible = cases[i].visible;

		print_message("# %s for GPU %u\n", visible ? visible : "nothing", cases[i].gpu);
		set(VISIBLE, visible);
		set(ORDER, cases[i].order);
		assert_int_equal(run_sees(cases[i].gpu, cases[i].uuid, why, sizeof(why)),
				 !cases[i].left_out);
		check(VISIBLE, visible);
		check(ORDER, cases[i].order);
		assert_int_equal(run_see(cases[i].gpu, cases[i].uuid, why, sizeof(why)),
				 !cases[i].left_out);
		check(VISIBLE, cases[i].to);
		check(ORDER, cases[i].to_order);
		if (cases[i].left_out)
			assert_non_null(strstr(why, visible));
	}
}

/* Of one inside another, the inner is left with what the outer gave it. */
static void test_twice(void **state)
{
	char why[200];

	(void)state;
	set(VISIBLE, NULL);
	set(ORDER, NULL);
	assert_true(run_see(3, "", why, sizeof(why)));
	assert_true(run_see(3, "", why, sizeof(why)));
	check(VISIBLE, "3");
	assert_false(run_see(2, "", why, sizeof(why)));
	assert_non_null(strstr(why, "leaves out GPU 2 (gpu=2)"));
	assert_false(run_see(0, "", why, sizeof(why)));
	assert_non_null(strstr(why, "leaves out GPU 0 (gpu=0, the default)"));
	check(VISIBLE, "3");
}

/* Whether anything is narrowed: by who asked for the lease, not by who inherits it. */
static void test_asked(void **state)
{
	char why[200];
	static const struct {
		const char *arg;
		bool one;
	} asked[] = {
		{ NULL, false }, { "lease", true }, { "lease,priority=batch", true },
		{ "lease,see=one", true }, { "lease,see=all", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct run_gpu g = { 0 };
		char arg[64];

		set(GPU_SETTINGS, asked[i].arg ? NULL : "gpu=1,name=outer");
		run_gpu_init(&g);
		snprintf(arg, sizeof(arg), "%s", asked[i].arg ? asked[i].arg : "");
		assert_true(!asked[i].arg || run_gpu_parse(&g, arg, why, sizeof(why)));
		assert_true(g.lease);
		assert_int_equal(g.see_one, asked[i].one);
	}
	set(GPU_SETTINGS, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_see),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_asked),
	};

	return unit_run(tests);
}

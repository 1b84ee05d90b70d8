// SPDX-License-Identifier: GPL-2.0-only
/* What a process has of the device's memory: how much of it is left to be had. */
#include "lib/gpu/gpu.h"
#include "lib/gpu/memory.h"
#include "tests/unit/unit.h"

static const struct gpu_settings settings = { .memory_bytes = 1000 };

bool gpu_memory_may_tell(void)
{
	return false;
}

/* As the driver says who is current. */
static CUcontext current;

static CUresult get_current(CUcontext *out)
{
	*out = current;
	return CUDA_SUCCESS;
}

void *gpu_real(enum gpu_call call)
{
	return call == CALL_cuCtxGetCurrent ? (void *)get_current : NULL;
}

static void set_current(int number)
{
	current = (CUcontext)(uintptr_t)number;
}

/* By asking for all of it. */
static size_t left(void)
{
	size_t n = settings.memory_bytes;

	while (n && !gpu_own_take(n, &settings))
		n--;
	gpu_own_end(n, 0);
	return n;
}

static void have(size_t n, uint64_t key)
{
	assert_true(gpu_own_take(n, &settings));
	gpu_own_end(n, key);
}

static void drop(uint64_t key)
{
	gpu_own_free(gpu_own_forget(key));
}

static void test_own(void **state)
{
	(void)state;
	assert_int_equal(left(), 1000);
	have(600, 4096);
	assert_int_equal(left(), 400);
	assert_int_equal(gpu_own_forget(8192), 0);
	drop(4096);
	assert_int_equal(left(), 1000);
}

/* It was freed in a way that we do not see. */
static void test_twice(void **state)
{
	(void)state;
	have(600, 4096);
	have(100, 4096);
	assert_int_equal(left(), 900);
	drop(4096);
	assert_int_equal(left(), 1000);
}

/* With a context goes what is in it, and nothing else. */
static void test_context(void **state)
{
	enum { KEYS = 300 };

	(void)state;
	for (int i = 1; i <= KEYS; i++) {
		set_current(1 + i % 2);
		have(1, i * 4096);
	}
	set_current(1);
	have(10, 4096 | GPU_KEY_HANDLE);
	gpu_own_clear(NULL);
	gpu_own_clear((CUcontext)(uintptr_t)3);
	assert_int_equal(left(), 1000 - KEYS - 10);
	gpu_own_clear(current);
	assert_int_equal(left(), 1000 - KEYS / 2 - 10);
	for (int i = 1; i <= KEYS; i++)
		assert_int_equal(gpu_own_forget(i * 4096), i % 2);
	gpu_own_free(KEYS / 2);
	drop(4096 | GPU_KEY_HANDLE);
	assert_int_equal(left(), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_context),
	};

	return unit_run(tests);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Busy time from a driver's samples, and what each process is charged with. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/sense/gpu/ledger.h"
#include "daemon/sense/gpu/nvml-usage.h"
#include "daemon/sense/gpu/procs.h"
#include "tests/unit/unit.h"

#define US_S	1000000ULL

/* -- samples of utilization ---------------------------------------------------- */

struct busy {
	uint64_t ns[8];		/* by pid */
	unsigned int calls;
};

static void note(void *ctx, unsigned int pid, uint64_t ns)
{
	struct busy *b = ctx;

	assert_in_range(pid, 1, 7);
	b->ns[pid] += ns;
	b->calls++;
}

static struct nvml_usage use(unsigned int pid, uint64_t stamp_us, unsigned int sm)
{
	return (struct nvml_usage){ .pid = pid, .stamp_us = stamp_us, .sm = sm };
}

static void test_mean(void **state)
{
	struct nvml_usage u[] = { use(1, 101 * US_S, 50), use(2, 101 * US_S, 25) };
	struct nvml_read r = { .from_us = 100 * US_S };
	struct busy b = { 0 };

	(void)state;
	nvml_usage_busy(u, 2, &r, 101 * US_S, note, &b);
	assert_int_equal(b.ns[1], S / 2);
	assert_int_equal(b.ns[2], S / 4);
	assert_int_equal(r.last_us, 101 * US_S);
	/* the next ones are of the time since then */
	u[0] = use(1, 103 * US_S, 100);
	nvml_usage_busy(u, 1, &r, 103 * US_S, note, &b);
	assert_int_equal(b.ns[1], S / 2 + 2 * S);
}

/* Several samples of a process, in no order, each of the time since the last. */
static void test_ring(void **state)
{
	struct nvml_usage u[] = {
		use(1, 103 * US_S, 100), use(2, 102 * US_S, 10), use(1, 101 * US_S, 50),
		use(1, 102 * US_S, 0),
	};
	struct nvml_read r = { .last_us = 99 * US_S, .from_us = 100 * US_S };
	struct busy b = { 0 };

	(void)state;
	nvml_usage_busy(u, 4, &r, 103 * US_S, note, &b);
	assert_int_equal(b.ns[1], S / 2 + S);
	assert_int_equal(b.ns[2], S / 5);
	assert_int_equal(b.calls, 2);
}

static void test_garbage(void **state)
{
	struct nvml_usage u[] = {
		use(1, 100 * US_S, 100),	/* was there before */
		use(1, 101 * US_S, 4711),	/* impossible */
		use(2, 900 * US_S, 100),	/* of the future */
		use(0, 101 * US_S, 100),	/* nobody's */
	};
	struct nvml_read r = { .last_us = 100 * US_S, .from_us = 100 * US_S };
	struct busy b = { 0 };

	(void)state;
	nvml_usage_busy(u, 4, &r, 101 * US_S, note, &b);
	assert_int_equal(b.calls, 0);
	/* nothing was new: what comes is of the time from now on */
	assert_int_equal(r.last_us, 100 * US_S);
	assert_int_equal(r.from_us, 101 * US_S);
	nvml_usage_busy(u, 0, &r, 102 * US_S, note, &b);
	assert_int_equal(r.from_us, 102 * US_S);
}

/*
 * The first answer may hold samples of before, of which nothing is to be told; nor is
 * it with the next one, which stands for the time since the beginning.
 */
static void test_old_at_first(void **state)
{
	struct nvml_usage u[] = { use(1, 95 * US_S, 100) };
	struct nvml_read r = { .from_us = 100 * US_S };
	struct busy b = { 0 };

	(void)state;
	nvml_usage_busy(u, 1, &r, 100 * US_S, note, &b);
	assert_int_equal(b.ns[1], 0);
	u[0] = use(1, 101 * US_S, 100);
	nvml_usage_busy(u, 1, &r, 101 * US_S, note, &b);
	assert_int_equal(b.ns[1], S);
}

/* The ring holds 10 s: of a longer time, no more than that is known. */
static void test_wrapped(void **state)
{
	struct nvml_usage u[] = { use(1, 160 * US_S, 100) };
	struct nvml_read r = { .last_us = 100 * US_S, .from_us = 100 * US_S };
	struct busy b = { 0 };

	(void)state;
	nvml_usage_busy(u, 1, &r, 160 * US_S, note, &b);
	assert_int_equal(b.ns[1], 10 * S);
}

/* What the ring holds of the time before the first look is nobody's to count. */
static void test_before(void **state)
{
	struct nvml_usage u[] = {
		use(1, 95 * US_S, 100), use(1, 97 * US_S, 100), use(1, 101 * US_S, 100),
	};
	struct nvml_read r = { .from_us = 100 * US_S };
	struct busy b = { 0 };

	(void)state;
	nvml_usage_busy(u, 3, &r, 101 * US_S, note, &b);
	assert_int_equal(b.ns[1], S);
}

/* The wall clock was set back: nothing is known of that time, and then it goes on. */
static void test_step(void **state)
{
	struct nvml_usage u[] = { use(1, 200 * US_S, 100), use(2, 101 * US_S, 100) };
	struct nvml_read r = { .last_us = 200 * US_S, .from_us = 200 * US_S };
	struct busy b = { 0 };

	(void)state;
	assert_false(nvml_usage_busy(u, 2, &r, 100 * US_S, note, &b));
	assert_int_equal(b.calls, 0);
	assert_int_equal(r.last_us, 0);
	assert_int_equal(r.from_us, 100 * US_S);
	assert_true(nvml_usage_busy(u, 2, &r, 101 * US_S, note, &b));
	assert_int_equal(b.calls, 1);
	assert_int_equal(b.ns[2], S);
	/* that a stamp is a little ahead is no step */
	r.last_us = 102 * US_S;
	assert_true(nvml_usage_busy(u, 0, &r, 101 * US_S, note, &b));
	assert_int_equal(r.last_us, 102 * US_S);
}

/* -- the ledger ------------------------------------------------------------------ */

static struct gpu_value told(uint64_t n)
{
	struct gpu_value v = { 0 };

	gpu_tell(&v, n, STARLING_FROM_DRIVER, false);
	return v;
}

/* One second, one device, of which @busy ns and 10 J were used. */
static void begin(struct gpu_sample *s, uint64_t busy)
{
	struct gpu_device *dev;
	uint64_t from = s->to_ns;

	memset(s, 0, sizeof(*s));
	s->from_ns = from;
	s->to_ns = from + S;
	dev = gpu_sample_device(s, "0000:01:00.0");
	dev->v[GPU_BUSY] = told(busy);
	dev->v[GPU_ENERGY] = told(10000000);
	dev->complete = true;
}

static struct gpu_process *proc(struct gpu_sample *s, uint32_t pid)
{
	struct gpu_process *p = gpu_sample_process(s, &s->device[0], pid, pid + 1000);

	assert_non_null(p);
	p->memory = told(pid << 20);
	return p;
}

static void test_charge(void **state)
{
	struct gpu_ledger l = { .root = "/nonexistent" };
	static struct gpu_sample s;

	(void)state;
	begin(&s, S / 2);
	proc(&s, 1)->busy = told(S / 4);
	proc(&s, 2)->busy = told(S / 8);
	ledger_take(&l, &s, NULL, NULL);
	assert_int_equal(ledger_find(&l, 1)->busy.n, S / 4);
	assert_false(ledger_find(&l, 1)->busy.estimated);
	assert_int_equal(ledger_find(&l, 1)->memory.n, 1 << 20);
	/* its part of the second, not of the busy time: who is idle pays nothing */
	assert_int_equal(ledger_find(&l, 1)->energy.n, 2500000);
	assert_true(ledger_find(&l, 1)->energy.estimated);
	assert_int_equal(ledger_find(&l, 1)->energy.source,
			 STARLING_FROM_DRIVER | STARLING_FROM_MODEL);
	assert_int_equal(ledger_device(&l, "0000:01:00.0")->energy.n, 10000000);

	/* more than there was: scaled */
	begin(&s, S);
	proc(&s, 1)->busy = told(S);
	proc(&s, 2)->busy = told(S);
	ledger_take(&l, &s, NULL, NULL);
	assert_int_equal(ledger_find(&l, 1)->busy.n, S / 4 + S / 2);
	assert_int_equal(ledger_find(&l, 2)->energy.n, 1250000 + 5000000);
	ledger_free(&l);
}

/* A sample with one pid as two processes, and values that add up to too much. */
static void test_nonsense(void **state)
{
	struct gpu_ledger l = { .root = "/nonexistent" };
	static struct gpu_sample s;

	(void)state;
	begin(&s, S / 2);
	proc(&s, 1)->busy = told(S / 4);
	s.proc[s.nproc] = s.proc[0];
	s.proc[s.nproc++].start_ticks++;
	ledger_take(&l, &s, NULL, NULL);
	assert_int_equal(ledger_find(&l, 1)->start_ticks, s.proc[0].start_ticks);
	assert_int_equal(ledger_find(&l, 1)->busy.n, S / 4);
	for (int i = 0; i < 3; i++) {
		begin(&s, S / 2);
		s.device[0].v[GPU_ENERGY].n = UINT64_MAX / 2;
		ledger_take(&l, &s, NULL, NULL);
	}
	assert_int_equal(ledger_device(&l, "0000:01:00.0")->energy.n, UINT64_MAX);
	ledger_free(&l);
}

static struct gpu_weight waits(void *ctx, uint32_t pid)
{
	return (struct gpu_weight){ .ns = ((const uint64_t *)ctx)[pid] };
}

/* Counts what [0] says, by a rule that is [0]. */
static struct gpu_weight by_rule(void *ctx, uint32_t pid)
{
	const uint64_t *n = ctx;

	return (struct gpu_weight){ .ns = n[0] ? n[pid] : 1000 * n[pid], .rule = n[0] };
}

/* Nobody says whose work it was: by the time each waited for the driver. */
static void test_apportion(void **state)
{
	struct gpu_ledger l = { .root = "/nonexistent" };
	uint64_t wait[3] = { 0, 100, 100 };
	static struct gpu_sample s;

	(void)state;
	begin(&s, 0);
	proc(&s, 1);
	proc(&s, 2);
	ledger_take(&l, &s, waits, wait);
	wait[1] = 400;
	wait[2] = 200;
	begin(&s, S / 2);
	proc(&s, 1);
	proc(&s, 2);
	ledger_take(&l, &s, waits, wait);
	assert_int_equal(ledger_find(&l, 1)->busy.n, S / 8 * 3);
	assert_int_equal(ledger_find(&l, 2)->busy.n, S / 8);
	assert_true(ledger_find(&l, 1)->busy.estimated);
	assert_true(ledger_find(&l, 1)->busy.source & STARLING_FROM_MODEL);

	/* busy, and nobody is known to have waited: not known, and not 0 */
	begin(&s, S / 2);
	proc(&s, 1);
	proc(&s, 2);
	ledger_take(&l, &s, waits, wait);
	assert_false(ledger_find(&l, 1)->busy.known);
	assert_int_equal(ledger_find(&l, 1)->busy.n, S / 8 * 3);

	/* but all of it is an only one's */
	begin(&s, S / 2);
	proc(&s, 1);
	ledger_take(&l, &s, waits, wait);
	assert_true(ledger_find(&l, 1)->busy.known);
	assert_int_equal(ledger_find(&l, 1)->busy.n, S / 8 * 3 + S / 2);
	ledger_free(&l);
}

/* Counters of two rules have nothing to do with each other. */
static void test_rules(void **state)
{
	struct gpu_ledger l = { .root = "/nonexistent" };
	uint64_t n[3] = { 0, 0, 0 };
	static struct gpu_sample s;

	(void)state;
	for (int i = 0; i < 3; i++) {
		n[0] = i == 2;
		n[1] += 30;
		n[2] += 10;
		begin(&s, S / 2);
		proc(&s, 1);
		proc(&s, 2);
		ledger_take(&l, &s, by_rule, n);
		assert_true(l.guessed);
	}
	assert_int_equal(ledger_find(&l, 1)->busy.n, 3 * (S / 8 * 3));
	assert_int_equal(ledger_find(&l, 2)->busy.n, 3 * (S / 8));
	begin(&s, S / 2);
	proc(&s, 1);
	ledger_take(&l, &s, by_rule, n);
	assert_false(l.guessed);
	ledger_free(&l);
}

/* What a process waited is not used up by the first of two GPUs. */
static void test_two_gpus(void **state)
{
	struct gpu_ledger l = { .root = "/nonexistent" };
	uint64_t wait[3] = { 0, 300, 100 };
	static struct gpu_sample s;
	struct gpu_device *two;

	(void)state;
	begin(&s, S / 2);
	two = gpu_sample_device(&s, "0000:02:00.0");
	two->v[GPU_BUSY] = told(S / 4);
	for (uint32_t pid = 1; pid < 3; pid++) {
		proc(&s, pid);
		assert_non_null(gpu_sample_process(&s, two, pid, pid + 1000));
	}
	ledger_take(&l, &s, waits, wait);
	assert_true(ledger_find(&l, 1)->busy.known);
	assert_int_equal(ledger_find(&l, 1)->busy.n, S / 8 * 3 + S / 16 * 3);
	assert_int_equal(ledger_find(&l, 2)->busy.n, S / 8 + S / 16);
	ledger_free(&l);
}

/* A device whose processes were not told says nothing of who had been there. */
/* One that is lost does not give its number to the next. */
static void test_numbers(void **state)
{
	struct gpu_sample s = { 0 };

	(void)state;
	assert_null(gpu_sample_numbered(&s, 0));
	gpu_sample_device(&s, "a");
	gpu_sample_device(&s, "b");
	assert_ptr_equal(gpu_sample_numbered(&s, 1), &s.device[1]);
	assert_null(gpu_sample_numbered(&s, 2));
	s.device[1].number = 3;
	assert_null(gpu_sample_numbered(&s, 0));
	assert_null(gpu_sample_numbered(&s, 1));
	assert_ptr_equal(gpu_sample_numbered(&s, 2), &s.device[1]);
}

static void test_not_told(void **state)
{
	struct gpu_ledger l = { .root = "" };
	const struct gpu_account *a;
	static struct gpu_sample s;
	struct gpu_process *p;

	(void)state;
	begin(&s, S);
	p = gpu_sample_process(&s, &s.device[0], getpid(), procs_start("", getpid()));
	p->busy = told(S / 2);
	p->memory = told(77);
	ledger_take(&l, &s, NULL, NULL);
	a = ledger_find(&l, getpid());
	assert_non_null(a);
	/* its list failed; the device is in no sample at all; there was no room */
	for (int i = 0; i < 3; i++) {
		begin(&s, 0);
		s.device[0].complete = i != 0;
		s.ndevice = i != 1;
		s.lost = i == 2;
		ledger_take(&l, &s, NULL, NULL);
		assert_false(a->memory.known);
		assert_false(a->busy.known);
		assert_false(a->energy.known);
		assert_int_equal(a->busy.n, S / 2);
	}
	begin(&s, 0);
	ledger_take(&l, &s, NULL, NULL);
	assert_true(a->memory.known);
	assert_int_equal(a->memory.n, 0);
	assert_true(a->busy.known);
	/* and is known to use none, whatever is told of that device later */
	begin(&s, 0);
	s.device[0].complete = false;
	ledger_take(&l, &s, NULL, NULL);
	assert_true(a->memory.known);
	ledger_free(&l);
}

/* Who uses the GPU no more keeps what it had; who has ended goes. */
static void test_ends(void **state)
{
	struct gpu_ledger l = { .root = "" };
	uint64_t start = procs_start("", getpid());
	static struct gpu_sample s;
	struct gpu_process *p;

	(void)state;
	assert_true(start);
	begin(&s, S);
	p = gpu_sample_process(&s, &s.device[0], getpid(), start);
	p->busy = told(S / 2);
	p->memory = told(77);
	/* the same pid, but of a process that has ended */
	gpu_sample_process(&s, &s.device[0], getppid(), 1)->busy = told(S / 2);
	ledger_take(&l, &s, NULL, NULL);
	assert_non_null(ledger_find(&l, getppid()));
	begin(&s, 0);
	ledger_take(&l, &s, NULL, NULL);
	assert_null(ledger_find(&l, getppid()));
	assert_int_equal(ledger_find(&l, getpid())->busy.n, S / 2);
	assert_true(ledger_find(&l, getpid())->busy.known);
	assert_true(ledger_find(&l, getpid())->memory.known);
	assert_int_equal(ledger_find(&l, getpid())->memory.n, 0);
	/* used again by another process: begins anew */
	begin(&s, S);
	gpu_sample_process(&s, &s.device[0], getpid(), start + 1)->busy = told(5);
	ledger_take(&l, &s, NULL, NULL);
	assert_int_equal(ledger_find(&l, getpid())->busy.n, 5);
	ledger_free(&l);
}

static void test_bounded(void **state)
{
	struct gpu_ledger l = { .root = "/nonexistent" };
	static struct gpu_sample s;

	(void)state;
	begin(&s, S);
	for (int i = 0; i < GPU_PROCS_MAX; i++)
		assert_non_null(gpu_sample_process(&s, &s.device[0], i + 1, 1));
	assert_null(gpu_sample_process(&s, &s.device[0], GPU_PROCS_MAX + 1, 1));
	for (int i = 1; i < GPU_DEVICES_MAX; i++) {
		char pci[8] = { 'a' + i };

		assert_non_null(gpu_sample_device(&s, pci));
	}
	assert_null(gpu_sample_device(&s, "one more"));
	assert_int_equal(s.lost, 2);
	ledger_take(&l, &s, NULL, NULL);
	assert_int_equal(l.lost, 2);
	ledger_free(&l);
}

/* -- records --------------------------------------------------------------------- */

#define BIT_OF(val)	(1U << STARLING_VAL_##val)

static void test_fill(void **state)
{
	struct starling_task_record rec[3] = {
		{ .tid = 5, .tgid = 5, .start_ns = 50, .valid = BIT_OF(RUN) },
		{ .tid = 6, .tgid = 5, .start_ns = 51, .valid = BIT_OF(GPU_BUSY) },
		{ .tid = 7, .tgid = 7, .start_ns = 52, .valid = BIT_OF(ENERGY) },
	};
	struct gpu_ledger l = { .root = "/nonexistent" };
	static struct gpu_sample s;

	(void)state;
	begin(&s, S);
	proc(&s, 5)->busy = told(S / 2);
	ledger_take(&l, &s, NULL, NULL);
	ledger_fill(&l, rec, 3);
	/* the first thread has the process's; others have none, and nobody else's */
	assert_int_equal(rec[0].valid, BIT_OF(RUN) | BIT_OF(GPU_BUSY) | BIT_OF(GPU_MEMORY) |
			 BIT_OF(ENERGY));
	assert_int_equal(rec[0].estimated, BIT_OF(ENERGY));
	assert_int_equal(rec[0].gpu_busy_ns, S / 2);
	assert_int_equal(rec[0].gpu_memory_bytes, 5 << 20);
	assert_int_equal(rec[0].energy_uj, 5000000);
	assert_int_equal(STARLING_SOURCE_OF(rec[0].source, STARLING_VAL_GPU_BUSY),
			 STARLING_FROM_DRIVER);
	assert_int_equal(rec[1].valid, 0);
	assert_int_equal(rec[2].valid, 0);
	/* the pid of another process since */
	rec[0].start_ns = 60;
	ledger_fill(&l, rec, 3);
	assert_int_equal(rec[0].valid, BIT_OF(RUN));
	/* nobody answers: what was published is vouched for no more */
	rec[0].start_ns = 50;
	ledger_doubt(&l);
	ledger_fill(&l, rec, 3);
	assert_int_equal(rec[0].valid, BIT_OF(RUN));
	ledger_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mean),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_old_at_first),
		cmocka_unit_test(test_wrapped),
		cmocka_unit_test(test_before),
		cmocka_unit_test(test_step),
		cmocka_unit_test(test_charge),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_apportion),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_two_gpus),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_not_told),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_fill),
	};

	return unit_run(tests);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The GPU is taken if it can be, then the CPU, else it is elsewhere. Each has a row
 * of tests, of which the first that has something to say decides.
 */
#include "daemon/policy/advise.h"

#include <stdio.h>
#include <string.h>

#define MS 1000000ULL
#define S (1000 * MS)
#define GIB ((double)(1ULL << 30))

enum { WHY_LEN = 160 };

/* What one test found out. */
struct finding {
	bool yes;
	enum advise_sure sure;
	char why[WHY_LEN];
};

typedef bool (*test_fn)(const struct advise_in *in, struct finding *f);

#define found(f, _yes, _sure, ...) \
	((f)->yes = (_yes), (f)->sure = (_sure), \
	 snprintf((f)->why, sizeof((f)->why), __VA_ARGS__), true)

uint64_t advise_patience_ns(enum starling_class class)
{
	static const uint64_t ns[__STARLING_CLASS_MAX] = {
		[STARLING_CLASS_INTERACTIVE] = S,
		[STARLING_CLASS_NORMAL] = 10 * S,
		[STARLING_CLASS_BATCH] = 60 * S,
	};

	return ns[class];
}

static enum advise_sure as_sure(const struct advise_value *v)
{
	return v->estimated ? ADVISE_ESTIMATED : ADVISE_MEASURED;
}

static bool exceeds(double memory, const struct advise_value *v)
{
	return memory > 0 && v->known && memory > v->n;
}

static bool memory_scarce(const struct advise_in *in, struct finding *f)
{
	const struct advise_value *v = &in->memory_pressure;

	if (!v->known || v->n < ADVISE_PRESSURE)
		return false;
	return found(f, false, as_sure(v), "memory is scarce: tasks waited for it %.0f %% of "
		     "the last 10 s", v->n);
}

/* -- the GPU ------------------------------------------------------------------ */

static bool gpu_absent(const struct advise_in *in, struct finding *f)
{
	if (in->gpu)
		return false;
	return found(f, false, ADVISE_UNKNOWN, "no GPU is known here");
}

/* What of it programs under leases are let have. */
static struct advise_value less_reserve(const struct advise_in *in, struct advise_value v)
{
	v.n = v.n > in->gpu_reserve ? v.n - in->gpu_reserve : 0;
	return v;
}

static bool gpu_too_small(const struct advise_in *in, struct finding *f)
{
	const struct advise_value total = less_reserve(in, in->gpu_total);
	const struct advise_value *v = exceeds(in->memory, &total) ? &total : &in->room_total;

	if (!exceeds(in->memory, v))
		return false;
	return found(f, false, as_sure(v), "%.1f GiB never fit on the GPU, which has %.1f GiB",
		     in->memory / GIB, v->n / GIB);
}

static bool gpu_full(const struct advise_in *in, struct finding *f)
{
	const struct advise_value left = less_reserve(in, in->gpu_free);
	const struct advise_value *v = exceeds(in->memory, &left) ? &left : &in->room;

	if (!exceeds(in->memory, v))
		return false;
	return found(f, false, as_sure(v), "%.1f GiB of the GPU's memory are free, not %.1f GiB",
		     v->n / GIB, in->memory / GIB);
}

/* Of a GPU that leases do not account for. */
static const char *by_whom(const struct advise_in *in)
{
	if (!in->holders)
		return "by programs without leases";
	return in->held.known ? "by leases for the least part" : "nobody knows by whom";
}

/* Who takes turns is in the queue, and is waited for there: this is of the others. */
static bool gpu_saturated(const struct advise_in *in, struct finding *f)
{
	if (!in->busy.known || in->busy.n < ADVISE_BUSY)
		return false;
	if (in->held.known && in->held.n > in->busy.n / 2)
		return false;
	return found(f, false, as_sure(&in->busy), "the GPU was busy for %.0f %% of late, %s: "
		     "how long one waits is not known", in->busy.n * 100, by_whom(in));
}

/* Who waits may not be looked at. */
static bool gpu_waits_unseen(const struct advise_in *in, struct finding *f)
{
	return found(f, !in->queue_full, ADVISE_UNKNOWN, in->queue_full ?
		     "all leases of the GPU are held, and how long one waits is not known" :
		     "there is a GPU, and who waits for a lease of it is not known");
}

/* The queue tells who waits for the GPU by lease; others may keep it busy. */
static bool gpu_waits(const struct advise_in *in, struct finding *f)
{
	const struct turn *t = &in->turn;
	double most_s = advise_patience_ns(in->class) / 1e9;
	bool soon;

	if (!in->queue_used || t->at_once)
		return false;
	/* the next lease may come soon, and the GPU not with it */
	if (in->held.known && gpu_saturated(in, f))
		return true;
	if (!t->wait_known && !t->most_known)
		return gpu_waits_unseen(in, f);
	if (!t->wait_known) {
		soon = t->most_ns / 1e9 <= most_s;
		return found(f, soon, soon ? ADVISE_ESTIMATED : ADVISE_UNKNOWN,
			     "a lease of the GPU comes within %.1f s, nobody knows when",
			     t->most_ns / 1e9);
	}
	soon = t->wait_ns / 1e9 <= most_s;
	return found(f, soon, ADVISE_ESTIMATED, "a lease of the GPU is expected in %.2f s, %s "
		     "the %.0f s it may take", t->wait_ns / 1e9, soon ? "within" : "more than",
		     most_s);
}

static bool gpu_has_time(const struct advise_in *in, struct finding *f)
{
	if (!in->busy.known)
		return false;
	return found(f, true, as_sure(&in->busy), "the GPU was busy for %.0f %% of late%s",
		     in->busy.n * 100, in->turn.at_once ? ", and a lease is free" : "");
}

static bool gpu_is_there(const struct advise_in *in, struct finding *f)
{
	return found(f, true, ADVISE_UNKNOWN, "there is a GPU, and %s", in->turn.at_once ?
		     "a lease is free; how busy it is is not known" :
		     "how busy it is is not known");
}

static const test_fn gpu_tests[] = {
	gpu_absent, gpu_too_small, gpu_full, gpu_waits, gpu_saturated, gpu_has_time,
	gpu_is_there,
};

/* -- the CPU ------------------------------------------------------------------ */

static bool cpu_unknown(const struct advise_in *in, struct finding *f)
{
	if (in->idle_cpus.known)
		return false;
	return found(f, false, ADVISE_UNKNOWN, "how many cores are idle is not known");
}

static bool cpu_no_memory(const struct advise_in *in, struct finding *f)
{
	if (!exceeds(in->memory, &in->available))
		return false;
	return found(f, false, as_sure(&in->available), "%.1f GiB of memory are free, not %.1f "
		     "GiB", in->available.n / GIB, in->memory / GIB);
}

static bool cpu_contended(const struct advise_in *in, struct finding *f)
{
	if (!in->cpu_pressure.known || in->cpu_pressure.n < ADVISE_PRESSURE)
		return false;
	return found(f, false, ADVISE_MEASURED, "tasks waited for a core %.0f %% of the last 10 s",
		     in->cpu_pressure.n);
}

static bool cpu_idle(const struct advise_in *in, struct finding *f)
{
	double want = in->cpus / 2 < ADVISE_CORES ? in->cpus / 2 : ADVISE_CORES;
	bool enough = in->idle_cpus.n >= want;

	/* how much slower it is there, nobody has measured */
	return found(f, enough, enough ? ADVISE_ESTIMATED : ADVISE_MEASURED,
		     "%.1f of %.0f cores were idle of late", in->idle_cpus.n, in->cpus);
}

static const test_fn cpu_tests[] = {
	cpu_unknown, cpu_no_memory, cpu_contended, cpu_idle,
};

/* -- the answer --------------------------------------------------------------- */

/*
 * That something fits is as sure as what is said to be free. Behind the reason comes why
 * it is less so.
 */
static void weigh_memory(const struct advise_in *in, const struct advise_value *v,
			 const char *of, struct finding *f)
{
	size_t len = strlen(f->why);

	if (in->memory <= 0 || !f->yes)
		return;
	if (!v->known) {
		f->sure = ADVISE_UNKNOWN;
		snprintf(f->why + len, sizeof(f->why) - len,
			 "; how much of %s memory is free is not known", of);
	} else if (as_sure(v) > f->sure) {
		f->sure = as_sure(v);
	}
}

static void ask(const test_fn *tests, size_t n, const struct advise_in *in, struct finding *f)
{
	for (size_t i = 0; i < n && !tests[i](in, f); i++)
		;
}

static enum advise_bottleneck bottleneck(const struct advise_in *in)
{
	if (in->queue && in->waiting && in->queue_full)
		return ADVISE_NECK_YES;
	if (!in->busy.known)
		return ADVISE_NECK_UNKNOWN;
	if (in->busy.n >= ADVISE_BUSY)
		return ADVISE_NECK_YES;
	return in->busy.n < ADVISE_IDLE ? ADVISE_NECK_IDLE : ADVISE_NECK_NO;
}

static void answer(struct advice *out, enum advise_where where, const struct finding *f)
{
	out->where = where;
	out->sure = f->sure;
	snprintf(out->why, sizeof(out->why), "%s", f->why);
}

void advise(const struct advise_in *in, struct advice *out)
{
	struct finding gpu, cpu;

	out->bottleneck = bottleneck(in);
	if (memory_scarce(in, &gpu)) {
		answer(out, ADVISE_ELSEWHERE, &gpu);
		return;
	}
	ask(gpu_tests, sizeof(gpu_tests) / sizeof(gpu_tests[0]), in, &gpu);
	weigh_memory(in, &in->gpu_free, "its", &gpu);
	if (gpu.yes) {
		answer(out, ADVISE_GPU, &gpu);
		return;
	}
	ask(cpu_tests, sizeof(cpu_tests) / sizeof(cpu_tests[0]), in, &cpu);
	weigh_memory(in, &in->available, "the", &cpu);
	answer(out, cpu.yes ? ADVISE_CPU : ADVISE_ELSEWHERE, &cpu);
	/* both findings count: they are as sure as the one that is less so */
	if (gpu.sure > out->sure)
		out->sure = gpu.sure;
	snprintf(out->why, sizeof(out->why), "%.120s; %.120s", gpu.why, cpu.why);
}

/* -- words -------------------------------------------------------------------- */

const char *advise_where_text(enum advise_where where)
{
	static const char *const text[] = {
		[ADVISE_GPU] = "gpu", [ADVISE_CPU] = "cpu", [ADVISE_ELSEWHERE] = "elsewhere",
	};

	return text[where];
}

const char *advise_sure_text(enum advise_sure sure)
{
	static const char *const text[] = {
		[ADVISE_MEASURED] = "measured", [ADVISE_ESTIMATED] = "estimated",
		[ADVISE_UNKNOWN] = "unknown",
	};

	return text[sure];
}

const char *advise_bottleneck_text(enum advise_bottleneck bottleneck)
{
	static const char *const text[] = {
		[ADVISE_NECK_UNKNOWN] = "unknown", [ADVISE_NECK_NO] = "no",
		[ADVISE_NECK_YES] = "yes", [ADVISE_NECK_IDLE] = "idle",
	};

	return text[bottleneck];
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a reader sends, spoilt: it is refused, or it makes sense; and what the ledger
 * makes of samples that were taken.
 */
#include <string.h>

#include "daemon/sense/gpu/check.h"
#include "daemon/sense/gpu/gpu.h"
#include "daemon/sense/gpu/ledger.h"
#include "tests/fuzz/gpu.h"

#define S_NS	1000000000ULL

enum { PIDS = 400, SAMPLES = 5 };

/* -- what has to hold ------------------------------------------------------------ */

/* Where the first byte is that was changed. */
static size_t first_other(const struct gpu_sample *a, const struct gpu_sample *b, size_t n)
{
	size_t at = 0;

	while (at < n && ((const char *)a)[at] == ((const char *)b)[at])
		at++;
	return at;
}

void sample_holds(const struct gpu_sample *s, uint64_t busy_max)
{
	static struct gpu_sample copy;
	size_t n = gpu_sample_size(s), other;

	HOLDS(s->nproc <= GPU_PROCS_MAX && s->ndevice <= GPU_DEVICES_MAX);
	memcpy(&copy, s, n);
	HOLDS(gpu_sample_check(&copy, n, s->from_ns, s->to_ns));
	/* a backend leaves nothing to be mended */
	other = first_other(&copy, s, n);
	if (other < n)
		fuzz_note("byte %zu of the sample; devices begin at %zu, %zu bytes each\n", other,
			  offsetof(struct gpu_sample, device), sizeof(s->device[0]));
	HOLDS(other == n);
	for (uint32_t i = 0; i < s->nproc; i++)
		HOLDS(s->proc[i].busy.n <= busy_max);
}

struct was {
	uint64_t start_ticks, busy, energy;
};

static void remember(const struct gpu_ledger *l, struct was was[PIDS])
{
	memset(was, 0, PIDS * sizeof(*was));
	for (const struct gpu_account *a = l->head; a; a = a->hh.next)
		if (a->pid < PIDS)
			was[a->pid] = (struct was){ a->start_ticks, a->busy.n, a->energy.n };
}

static void accounts_hold(const struct gpu_ledger *l, const struct was was[PIDS], double most)
{
	double sum = 0;

	for (const struct gpu_account *a = l->head; a; a = a->hh.next) {
		const struct was *w = &was[a->pid];

		HOLDS(a->pid && a->pid < PIDS && a->start_ticks);
		HOLDS(!a->busy.known || a->busy.source);
		if (w->start_ticks != a->start_ticks)
			w = &was[0];
		HOLDS(a->busy.n >= w->busy && a->energy.n >= w->energy);
		sum += a->busy.n - w->busy;
	}
	/* shares are rounded */
	HOLDS(sum <= most * (1 + 1e-9) + GPU_PROCS_MAX);
}

static void devices_hold(const struct gpu_ledger *l, const struct gpu_totals *was, unsigned int n,
			 uint64_t dt)
{
	HOLDS(l->ndevice >= n && l->ndevice <= GPU_DEVICES_MAX);
	for (unsigned int i = 0; i < l->ndevice; i++) {
		const struct gpu_totals *t = &l->device[i];

		HOLDS(t->busy.n - (i < n ? was[i].busy.n : 0) <= dt);
		HOLDS(t->energy.n >= (i < n ? was[i].energy.n : 0));
		HOLDS(t->faults.n >= (i < n ? was[i].faults.n : 0));
		HOLDS(i >= n || !strcmp(t->pci, was[i].pci));
	}
}

/* Mostly growing, by one rule; a function of pid and sample, as the records are. */
static struct gpu_weight weight_of(void *ctx, uint32_t pid)
{
	const struct gpu_ledger *l = ctx;
	uint64_t state = pid + ((uint64_t)l->round << 32);

	return (struct gpu_weight){
		.ns = chance_below(&state, 4) ? l->round * pid * 1000ULL : chance_number(&state),
		.rule = !chance_below(&state, 8),
	};
}

static void records_hold(struct gpu_ledger *l)
{
	struct starling_task_record rec = { 0 };

	for (const struct gpu_account *a = l->head; a; a = a->hh.next) {
		rec.tid = rec.tgid = a->pid;
		rec.start_ns = a->start_ns ? a->start_ns : 1;
		rec.source = 0;
		ledger_fill(l, &rec, 1);
		HOLDS(!a->busy.known == !(rec.valid & 1U << STARLING_VAL_GPU_BUSY));
		HOLDS(!(rec.source & ~(STARLING_SOURCE(STARLING_VAL_GPU_BUSY, 15) |
				       STARLING_SOURCE(STARLING_VAL_GPU_MEMORY, 15) |
				       STARLING_SOURCE(STARLING_VAL_ENERGY, 15))));
	}
}

void ledger_holds(struct gpu_ledger *l, const struct gpu_sample *s)
{
	struct gpu_totals device[GPU_DEVICES_MAX];
	uint64_t dt = s->to_ns - s->from_ns, package = l->package.n;
	unsigned int n = l->ndevice;
	struct was was[PIDS];

	memcpy(device, l->device, sizeof(device));
	remember(l, was);
	ledger_take(l, s, weight_of, l);
	devices_hold(l, device, n, dt);
	accounts_hold(l, was, (double)dt * s->ndevice);
	HOLDS(l->package.n >= package);
	records_hold(l);
}

/* -- samples --------------------------------------------------------------------- */

static void fill_value(struct gpu_value *v, uint64_t most)
{
	*v = (struct gpu_value){ 0 };
	if (one_in(3))
		return;
	v->n = one_in(8) ? chance_number(&fuzz_chance) : chance_next(&fuzz_chance) % most;
	v->known = 1;
	v->estimated = below(2);
	v->source = 1 << below(4);
}

static void fill_device(struct gpu_device *d, int i)
{
	memset(d, 0, sizeof(*d));
	strcpy(d->pci, "0000:01:00.0");
	d->pci[6] = 'a' + (one_in(20) ? 0 : i);
	strcpy(d->name, "a GPU");
	for (int item = 0; item < __GPU_ITEM_MAX; item++)
		fill_value(&d->v[item], 2 * S_NS);
	d->last_fault = one_in(4) ? below(100) : 0;
	d->complete = below(2);
}

static void fill(struct gpu_sample *s)
{
	s->from_ns = s->to_ns + (one_in(8) ? below(1000) : 0);
	s->to_ns = s->from_ns + 1 + (one_in(8) ? chance_next(&fuzz_chance) >> 20 : below(2 * S_NS));
	s->ndevice = below(4);
	s->nproc = s->ndevice ? below(one_in(10) ? GPU_PROCS_MAX : 12) : 0;
	s->lost = one_in(10);
	s->last = 0;
	fill_value(&s->package, S_NS);
	for (uint32_t i = 0; i < s->ndevice; i++)
		fill_device(&s->device[i], i);
	for (uint32_t i = 0; i < s->nproc; i++) {
		struct gpu_process *p = &s->proc[i];

		*p = (struct gpu_process){
			.pid = 1 + below(one_in(3) ? PIDS - 1 : 8), .device = below(s->ndevice),
			.start_ticks = 1000 + (one_in(8) ? below(3) : 0),
		};
		fill_value(&p->busy, S_NS);
		fill_value(&p->memory, 1ULL << 40);
	}
}

/* Anywhere in what is sent; mostly where something means something. */
static void spoil(struct gpu_sample *s, size_t size)
{
	size_t at = below(size / 8) * 8;
	uint64_t n = chance_number(&fuzz_chance);

	if (one_in(3))
		at = below(offsetof(struct gpu_sample, caps) / 8) * 8;
	else if (one_in(3))
		at = offsetof(struct gpu_sample, device) + below(3 * sizeof(s->device[0]) / 8) * 8;
	else if (one_in(3) && size > offsetof(struct gpu_sample, proc))
		at = offsetof(struct gpu_sample, proc) +
			below((size - offsetof(struct gpu_sample, proc)) / 8) * 8;
	fuzz_note("at %zu %llx\n", at, (unsigned long long)n);
	memcpy((char *)s + at, &n, one_in(2) ? 8 : 1 + below(8));
	if (one_in(8))
		memset((char *)s + at, 'x', below(size - at) % 600);
}

static void checked_holds(const struct gpu_sample *s)
{
	HOLDS(s->nproc <= GPU_PROCS_MAX && s->ndevice <= GPU_DEVICES_MAX);
	for (uint32_t i = 0; i < s->ndevice; i++) {
		HOLDS(memchr(s->device[i].pci, 0, sizeof(s->device[i].pci)));
		HOLDS(memchr(s->device[i].name, 0, sizeof(s->device[i].name)));
		HOLDS(memchr(s->device[i].uuid, 0, sizeof(s->device[i].uuid)));
		HOLDS(s->device[i].v[GPU_BUSY].n <= s->to_ns - s->from_ns);
	}
	for (int i = 0; i < GPU_BACKENDS; i++)
		HOLDS(memchr(s->caps[i].why, 0, sizeof(s->caps[i].why)));
	for (uint32_t i = 0; i < s->nproc; i++)
		HOLDS(s->proc[i].device < s->ndevice);
}

/* The ledger takes what was found good, also of processes that were never there. */
static bool is_small(const struct gpu_sample *s)
{
	for (uint32_t i = 0; i < s->nproc; i++)
		if (s->proc[i].pid >= PIDS)
			return false;
	return true;
}

void fuzz_sample(void)
{
	static struct gpu_sample s, sent;
	struct gpu_ledger l = { .root = tree };
	uint64_t after = 0, now;
	size_t size;

	memset(&s, 0, sizeof(s));
	s.to_ns = S_NS;
	for (int i = below(SAMPLES); i >= 0; i--) {
		fill(&s);
		now = s.to_ns;
		memcpy(&sent, &s, sizeof(s));
		size = gpu_sample_size(&sent);
		for (int n = one_in(2) ? below(4) : 0; n > 0; n--)
			spoil(&sent, size);
		if (one_in(16))
			size = below(sizeof(sent));
		fuzz_note("sample of %zu bytes, %u devices, %u processes\n", size, sent.ndevice,
			  sent.nproc);
		if (!gpu_sample_check(&sent, size, after, now))
			continue;
		checked_holds(&sent);
		after = sent.to_ns;
		if (is_small(&sent))
			ledger_holds(&l, &sent);
		if (one_in(8))
			ledger_doubt(&l);
	}
	ledger_free(&l);
}

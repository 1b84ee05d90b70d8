// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/sense/gpu/procs.h"

/* One device's processes in a sample. */
struct share {
	struct gpu_account *account;
	const struct gpu_process *p;
	double weight;		/* driver's wait time in the interval */
	struct gpu_value busy;
};

/* -- values ------------------------------------------------------------------- */

/* A total is an estimate once a part of it was. */
static void add(struct gpu_value *total, const struct gpu_value *part)
{
	if (!part->known)
		return;
	if (__builtin_add_overflow(total->n, part->n, &total->n))
		total->n = UINT64_MAX;
	total->known = true;
	total->estimated |= part->estimated;
	total->source |= part->source;
}

static struct gpu_value modelled(double n)
{
	return (struct gpu_value){
		.n = n, .known = true, .estimated = true, .source = STARLING_FROM_MODEL,
	};
}

/* -- accounts ----------------------------------------------------------------- */

static struct gpu_account *find(const struct gpu_ledger *l, uint32_t pid)
{
	struct gpu_account *a;

	HASH_FIND(hh, l->head, &pid, sizeof(pid), a);
	return a;
}

const struct gpu_account *ledger_find(const struct gpu_ledger *l, uint32_t pid)
{
	return find(l, pid);
}

static void drop(struct gpu_ledger *l, struct gpu_account *a)
{
	HASH_DELETE(hh, l->head, a);
	free(a);
}

static struct gpu_account *get(struct gpu_ledger *l, uint32_t pid, uint64_t start_ticks)
{
	struct gpu_account *a = find(l, pid);

	if (a && a->start_ticks != start_ticks) {
		/* in this sample as two processes: the first of them is in use */
		if (a->seen == l->round)
			return NULL;
		drop(l, a);
		a = NULL;
	}
	if (a)
		return a;
	a = HASH_COUNT(l->head) < LEDGER_MAX ? calloc(1, sizeof(*a)) : NULL;
	if (!a) {
		l->overflow++;
		return NULL;
	}
	a->pid = pid;
	a->start_ticks = start_ticks;
	HASH_ADD(hh, l->head, pid, sizeof(a->pid), a);
	return a;
}

/* In this sample for the first time: memory is told anew, by device. */
static void renew(struct gpu_ledger *l, struct gpu_account *a)
{
	if (a->seen == l->round)
		return;
	a->seen = l->round;
	a->on &= ~l->complete;
	a->memory.known = false;
	a->memory.n = 0;
	a->new_busy = a->new_energy = 0;
	/* what was known is known again by what this sample adds to it, if anything */
	a->busy.known = a->queue.known = a->energy.known = false;
}

/*
 * A process that uses no GPU at the moment has no memory there, but keeps what
 * it has had. Ended ones go. Where a device's processes were not told, nothing is
 * known of who had been there.
 */
static void settle(struct gpu_ledger *l)
{
	struct gpu_account *a, *next;

	HASH_ITER(hh, l->head, a, next) {
		if (a->seen == l->round)
			continue;
		if (procs_start(l->root, a->pid) != a->start_ticks) {
			drop(l, a);
			continue;
		}
		a->on &= ~l->complete;
		a->memory.n = 0;
		a->memory.known = !a->on && a->memory.source;
		a->busy.known = !a->on && a->busy.source;
		a->queue.known = !a->on && a->queue.source;
		a->energy.known = !a->on && a->energy.source;
	}
}

/* 0: no room for it, which is not to be told apart from others. */
static uint32_t index_bit(const struct gpu_ledger *l, const struct gpu_device *dev)
{
	const struct gpu_totals *t = ledger_device(l, dev->pci);

	return t ? 1U << (t - l->device) : 0;
}

/* -- shares ------------------------------------------------------------------- */

static size_t collect(struct gpu_ledger *l, const struct gpu_sample *s, uint32_t device,
		      struct share *share)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->nproc; i++) {
		struct gpu_account *a;

		if (s->proc[i].device != device)
			continue;
		a = get(l, s->proc[i].pid, s->proc[i].start_ticks);
		if (!a)
			continue;
		renew(l, a);
		a->on |= index_bit(l, &s->device[device]);
		share[n++] = (struct share){
			.account = a, .p = &s->proc[i], .busy = s->proc[i].busy,
		};
	}
	return n;
}

/* By another rule than before: what it was then has to do. */
static void grow(struct gpu_account *a, struct gpu_weight now)
{
	/* a new one has had nothing before */
	if (now.rule == a->weight.rule || !a->weighed)
		a->grown = now.ns > a->weight.ns ? now.ns - a->weight.ns : 0;
	a->weight = now;
}

/* Nobody knows which GPU a process waited for: what it waited counts on each. */
static void weigh(const struct gpu_ledger *l, struct share *share, size_t n,
		  struct gpu_weight (*fn)(void *, uint32_t), void *ctx)
{
	for (size_t i = 0; fn && i < n; i++) {
		struct gpu_account *a = share[i].account;

		if (a->weighed != l->round)
			grow(a, fn(ctx, a->pid));
		a->weighed = l->round;
		share[i].weight = a->grown;
	}
}

static bool all_known(const struct share *share, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!share[i].busy.known)
			return false;
	return true;
}

/* Nobody says whose work it was: by who waited for it; all of it is an only one's. */
static void apportion(struct share *share, size_t n, const struct gpu_value *busy)
{
	double total = 0;

	for (size_t i = 0; i < n; i++)
		total += share[i].weight;
	if (!busy->known || (total <= 0 && busy->n && n != 1))
		return;
	for (size_t i = 0; i < n; i++) {
		double part = n == 1 ? 1 : total > 0 ? share[i].weight / total : 0;

		share[i].busy = modelled(busy->n * part);
		share[i].busy.source |= busy->source;
	}
}

/* Percentages are rounded up and of times that differ: no more than there was. */
static void limit(struct share *share, size_t n, double dt)
{
	double total = 0;

	for (size_t i = 0; i < n; i++)
		total += share[i].busy.n;
	for (size_t i = 0; total > dt && i < n; i++)
		share[i].busy.n *= dt / total;
}

static void charge(struct share *share, size_t n, const struct gpu_device *dev, double dt)
{
	const struct gpu_value *energy = &dev->v[GPU_ENERGY];

	limit(share, n, dt);
	for (size_t i = 0; i < n; i++) {
		struct gpu_account *a = share[i].account;
		struct gpu_value part;

		add(&a->busy, &share[i].busy);
		if (share[i].busy.known)
			a->new_busy += share[i].busy.n;
		add(&a->queue, &share[i].p->queue);
		add(&a->memory, &share[i].p->memory);
		if (!share[i].busy.known || !energy->known)
			continue;
		part = modelled(energy->n * (share[i].busy.n / dt));
		part.source |= energy->source;
		add(&a->energy, &part);
		a->new_energy += part.n;
	}
}

/* -- devices ------------------------------------------------------------------ */

const struct gpu_totals *ledger_device(const struct gpu_ledger *l, const char *pci)
{
	for (unsigned int i = 0; i < l->ndevice; i++)
		if (!strcmp(l->device[i].pci, pci))
			return &l->device[i];
	return NULL;
}

static void book_device(struct gpu_ledger *l, const struct gpu_device *dev)
{
	struct gpu_totals *t = (struct gpu_totals *)ledger_device(l, dev->pci);

	if (!t) {
		if (l->ndevice == GPU_DEVICES_MAX)
			return;
		t = &l->device[l->ndevice++];
		memcpy(t->pci, dev->pci, sizeof(t->pci));
	}
	add(&t->busy, &dev->v[GPU_BUSY]);
	add(&t->energy, &dev->v[GPU_ENERGY]);
	add(&t->faults, &dev->v[GPU_FAULTS]);
	if (dev->last_fault)
		t->last_fault = dev->last_fault;
}

void ledger_take(struct gpu_ledger *l, const struct gpu_sample *s,
		 struct gpu_weight (*fn)(void *ctx, uint32_t pid), void *ctx)
{
	static struct share share[GPU_PROCS_MAX];
	double dt = s->to_ns - s->from_ns;
	size_t n;

	l->round++;
	l->lost += s->lost;
	l->complete = 0;
	l->guessed = false;
	l->used = 0;
	for (uint32_t i = 0; i < s->ndevice; i++) {
		book_device(l, &s->device[i]);
		/* one there was no room for may be on any of them */
		if (s->device[i].complete && !s->lost)
			l->complete |= index_bit(l, &s->device[i]);
	}
	for (uint32_t i = 0; i < s->ndevice; i++) {
		n = collect(l, s, i, share);
		l->used += n > 0;
		weigh(l, share, n, fn, ctx);
		if (!all_known(share, n)) {
			l->guessed |= n > 1 && s->device[i].v[GPU_BUSY].known &&
				s->device[i].v[GPU_BUSY].n;
			apportion(share, n, &s->device[i].v[GPU_BUSY]);
		}
		charge(share, n, &s->device[i], dt);
	}
	add(&l->package, &s->package);
	settle(l);
}

void ledger_doubt(struct gpu_ledger *l)
{
	struct gpu_account *a;

	for (a = l->head; a; a = a->hh.next)
		a->busy.known = a->queue.known = a->memory.known = a->energy.known = false;
}

void ledger_free(struct gpu_ledger *l)
{
	struct gpu_account *a, *next;

	HASH_ITER(hh, l->head, a, next)
		drop(l, a);
}

/* -- records ------------------------------------------------------------------ */

#define BITS	(1U << STARLING_VAL_GPU_BUSY | 1U << STARLING_VAL_GPU_MEMORY | \
		 1U << STARLING_VAL_ENERGY)
#define SOURCES	(STARLING_SOURCE(STARLING_VAL_GPU_BUSY, 15) | \
		 STARLING_SOURCE(STARLING_VAL_GPU_MEMORY, 15) | \
		 STARLING_SOURCE(STARLING_VAL_ENERGY, 15))

static void put(struct starling_task_record *rec, enum starling_value val, __u64 *field,
		const struct gpu_value *v)
{
	if (!v->known)
		return;
	*field = v->n;
	rec->valid |= 1U << val;
	rec->source |= STARLING_SOURCE(val, v->source);
	if (v->estimated)
		rec->estimated |= 1U << val;
}

/* A pid that was used again since the last sample is another process. */
static const struct gpu_account *account_of(struct gpu_ledger *l,
					    const struct starling_task_record *rec)
{
	struct gpu_account *a = rec->tid == rec->tgid ? find(l, rec->tid) : NULL;

	if (a && !a->start_ns)
		a->start_ns = rec->start_ns;
	if (!a || a->start_ns != rec->start_ns)
		return NULL;
	a->agent_id = rec->agent_id;
	return a;
}

void ledger_fill(struct gpu_ledger *l, struct starling_task_record *rec, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct gpu_account *a;

		rec[i].valid &= ~BITS;
		rec[i].estimated &= ~BITS;
		rec[i].source &= ~SOURCES;
		a = l->head ? account_of(l, &rec[i]) : NULL;
		if (!a)
			continue;
		put(&rec[i], STARLING_VAL_GPU_BUSY, &rec[i].gpu_busy_ns, &a->busy);
		put(&rec[i], STARLING_VAL_GPU_MEMORY, &rec[i].gpu_memory_bytes, &a->memory);
		put(&rec[i], STARLING_VAL_ENERGY, &rec[i].energy_uj, &a->energy);
	}
}

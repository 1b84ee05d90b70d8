// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/scene.h"

#include <assert.h>
#include <string.h>
#include "daemon/room.h"
#include "tests/unit/unit.h"

static void add_cpu(struct scene *s, uint16_t core, uint16_t llc, uint16_t capacity, bool big)
{
	struct topo_cpu *c = &s->cpu[s->topo.ncpu];

	*c = (struct topo_cpu){
		.id = s->topo.ncpu++, .core = core, .llc = llc, .capacity = capacity, .big = big,
	};
	CPU_SET(c->id, &s->topo.all);
	s->topo.asymmetric |= !big;
}

static void init_empty(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	policy_settings_default(&s->set);
	s->topo.cpu = s->cpu;
	s->snap = (struct snapshot){
		.now_ns = 1000 * S, .window_ns = 2 * S, .topo = &s->topo,
		.task = s->task, .edge = s->edge, .set = &s->set,
	};
}

void scene_init(struct scene *s, unsigned int ncpu, unsigned int smt)
{
	init_empty(s);
	for (unsigned int i = 0; i < ncpu; i++)
		add_cpu(s, i / smt, 0, 1024, true);
}

void scene_gb10(struct scene *s)
{
	static const struct { int n; uint16_t capacity; } bin[] = {
		{ 5, 718 }, { 5, 997 }, { 5, 731 }, { 4, 1017 }, { 1, 1024 },
	};
	unsigned int cpu = 0;

	init_empty(s);
	for (size_t b = 0; b < sizeof(bin) / sizeof(bin[0]); b++)
		for (int i = 0; i < bin[b].n; i++, cpu++)
			add_cpu(s, cpu, cpu / 10, bin[b].capacity, bin[b].capacity > 900);
}

void scene_dies(struct scene *s, unsigned int dies, unsigned int cores)
{
	init_empty(s);
	for (unsigned int i = 0; i < 2 * dies * cores; i++)
		add_cpu(s, i / 2, i / 2 / cores, 1024, true);
}

void scene_hybrid(struct scene *s)
{
	init_empty(s);
	for (unsigned int i = 0; i < 24; i++)
		add_cpu(s, i < 16 ? i / 2 : i - 8, 0, i < 16 ? 1024 : 600, i < 16);
}

struct snap_task *scene_task(struct scene *s, uint32_t tid, uint32_t tgid)
{
	struct snap_task *t = &s->task[s->snap.ntask++];

	assert(s->snap.ntask <= SCENE_TASKS);
	*t = (struct snap_task){ .tid = tid, .tgid = tgid, .ppid = 1 };
	return t;
}

struct snap_task *scene_feeder(struct scene *s, uint32_t tid, uint32_t tgid, uint16_t style)
{
	struct snap_task *t = scene_task(s, tid, tgid);

	t->gpu_last_ns = s->snap.now_ns;
	t->d_gpu_waits = 100;
	t->wait_style = style;
	t->d_run_ns = style == STARLING_WAIT_BLOCK ? s->snap.window_ns / 10 : s->snap.window_ns;
	return t;
}

void scene_engine(struct scene *s, uint32_t tgid, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct snap_task *t = scene_task(s, tgid + i, tgid);

		t->d_run_ns = t->late_ns = s->snap.window_ns;
		if (!i)
			t->compute_last_ns = s->snap.now_ns;
	}
}

void scene_wakes(struct scene *s, uint32_t waker, uint32_t wakee, double per_s)
{
	assert(s->snap.nedge < SCENE_EDGES);
	s->edge[s->snap.nedge++] = (struct snap_edge){
		waker, wakee, per_s * (s->snap.window_ns / 1e9) + 0.5,
	};
}

void scene_talk(struct scene *s, uint32_t a, uint32_t b, double per_s)
{
	scene_wakes(s, a, b, per_s);
	scene_wakes(s, b, a, per_s);
}

void scene_classify(struct scene *s)
{
	static struct room room;

	room_reset(&room);
	s->snap.room = &room;
	policy_classify(&s->snap, s->verdict);
}

const struct plan *scene_step(struct scene *s, uint64_t ns)
{
	s->snap.now_ns += ns;
	scene_classify(s);
	policy_decide(&s->snap, s->verdict, &s->state, &s->plan);
	return &s->plan;
}

const struct plan *scene_busy(struct scene *s, uint64_t ns)
{
	for (size_t i = 0; i < s->snap.ntask; i++)
		if (s->task[i].gpu_last_ns)
			s->task[i].gpu_last_ns = s->snap.now_ns + ns;
	return scene_step(s, ns);
}

const struct verdict *scene_verdict(const struct scene *s, uint32_t tid)
{
	for (size_t i = 0; i < s->snap.ntask; i++)
		if (s->task[i].tid == tid)
			return &s->verdict[i];
	return NULL;
}

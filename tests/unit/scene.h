/* SPDX-License-Identifier: GPL-2.0-only */
/* scene.h - machines and snapshots for tests of the policy. */
#ifndef STARLING_TESTS_SCENE_H
#define STARLING_TESTS_SCENE_H

#include "daemon/policy/policy.h"

enum { SCENE_TASKS = 256, SCENE_EDGES = 1024 };

struct scene {
	struct topology topo;
	struct topo_cpu cpu[256];
	struct policy_settings set;
	struct policy_state state;
	struct snapshot snap;
	struct snap_task task[SCENE_TASKS];
	struct snap_edge edge[SCENE_EDGES];
	struct verdict verdict[SCENE_TASKS];
	struct plan plan;
};

/* @ncpu alike, one cache, @smt hardware threads a core. */
void scene_init(struct scene *s, unsigned int ncpu, unsigned int smt);
/* DGX Spark: two kinds in interleaved clusters, CPU 0 of the slow one. */
void scene_gb10(struct scene *s);
/* @dies of @cores equal cores with two threads each, side by side, each with a cache. */
void scene_dies(struct scene *s, unsigned int dies, unsigned int cores);
/* 8 fast cores of two threads (0-15), 8 slow ones (16-23). */
void scene_hybrid(struct scene *s);

struct snap_task *scene_task(struct scene *s, uint32_t tid, uint32_t tgid);
/* A thread that waited for the GPU just now. */
struct snap_task *scene_feeder(struct scene *s, uint32_t tid, uint32_t tgid,
			       uint16_t style);
/* @n threads of process @tgid, from @tgid on, that compute: the first one is seen to. */
void scene_engine(struct scene *s, uint32_t tgid, unsigned int n);
/* @per_s wakes of @wakee by @waker. */
void scene_wakes(struct scene *s, uint32_t waker, uint32_t wakee, double per_s);
/* ... and back. */
void scene_talk(struct scene *s, uint32_t a, uint32_t b, double per_s);

void scene_classify(struct scene *s);
/* Let @ns pass, then classify and decide. */
const struct plan *scene_step(struct scene *s, uint64_t ns);
/* The same with all feeders active. */
const struct plan *scene_busy(struct scene *s, uint64_t ns);
const struct verdict *scene_verdict(const struct scene *s, uint32_t tid);

#endif

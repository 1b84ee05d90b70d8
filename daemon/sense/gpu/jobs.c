// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every driver that uses the kernel's GPU scheduler (drm_sched): what jobs of a
 * process waited for the device and for how long they had it, by tracepoints. For
 * time on the device fdinfo is asked first, which knows what did not go through
 * there; how long jobs waited only this source tells.
 *
 * All of it is estimates: rings are told apart by name, which several may share, a
 * device's firmware may have a schedule of its own, and a job that waits for another
 * one's result waits in the queue.
 */
#include "daemon/sense/gpu/gpu.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/types.h>
#include "bpf/jobs.h"
#include "bpf/jobs.skel.h"
#include "daemon/sense/gpu/file.h"
#include "daemon/sense/gpu/format.h"
#include "daemon/sense/gpu/procs.h"

#define GROUP	"gpu_scheduler"
/* One that has had nothing for so long is not told of until it has. */
#define IDLE_NS	(30 * 1000000000ULL)

/* The kernel's GPU scheduler had other names and fields before 6.17. */
static const struct generation {
	const char *event[__JOBS_EVENT_MAX];
	const char *key[2];
	const char *device;
} generations[] = {
	{ { "drm_sched_job_queue", "drm_sched_job_run", "drm_sched_job_done" },
	  { "fence_context", "fence_seqno" }, "dev" },
	{ { "drm_sched_job", "drm_run_job", "drm_sched_process_job" },
	  { "fence", NULL }, NULL },
};

static const char *const tracefs[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

/* One process on one ring, and what of its time was not told yet. */
struct user {
	struct jobs_user key;
	uint64_t start_ticks;
	struct jobs_use seen;
	uint64_t owed_ns;	/* in work */
	uint64_t last_ns;	/* there was something to tell */
};

/* What a ring's jobs had in the interval. */
struct ring {
	struct jobs_ring name;
	struct gpu_device *dev;
	uint64_t ns;
};

struct jobs {
	const char *root;
	struct jobs_bpf *skel;
	unsigned int n;
	struct user user[JOBS_USERS_MAX];
	unsigned int nring;
	struct ring ring[JOBS_RINGS_MAX];
	uint64_t lost;			/* by the BPF side, as last seen */
	unsigned int nown;
	char own[GPU_DEVICES_MAX][JOBS_DEVICE_LEN];	/* devices that no other source has */
};

_Static_assert(JOBS_DEVICE_LEN == sizeof(((struct gpu_device *)0)->pci), "names are one");

/* -- tracepoints -------------------------------------------------------------- */

/* 0 or -errno: -ENOENT is another generation of kernels. */
static int event_fields(struct jobs_fields *out, const char *root, const char *dir,
			const struct generation *g, enum jobs_event ev)
{
	char text[4096];
	int n = file_text(text, sizeof(text), root, "%s/events/" GROUP "/%s/format", dir,
			  g->event[ev]);

	if (n < 0)
		return n;
	for (int i = 0; i < 2 && g->key[i]; i++) {
		out->key[i] = format_field(text, g->key[i], 8);
		if (!out->key[i])
			return -ENOENT;
	}
	/* only of these a job can be told of */
	out->ring = format_field(text, "name", 4);
	out->device = g->device ? format_field(text, g->device, 4) : 0;
	return ev == JOBS_QUEUE && !out->ring ? -ENOENT : 0;
}

static int fields_of(struct jobs_fields *out, const char *root, const char *dir,
		     const struct generation *g)
{
	int err = 0;

	memset(out, 0, __JOBS_EVENT_MAX * sizeof(*out));
	for (int ev = 0; ev < __JOBS_EVENT_MAX && !err; ev++)
		err = event_fields(&out[ev], root, dir, g, ev);
	return err;
}

/* The generation of this kernel; NULL, and @err, when it has no such tracepoints. */
static const struct generation *generation(struct jobs_fields *out, const char *root, int *err)
{
	*err = -ENOENT;
	for (size_t t = 0; t < sizeof(tracefs) / sizeof(tracefs[0]); t++)
		for (size_t i = 0; i < sizeof(generations) / sizeof(generations[0]); i++) {
			int now = fields_of(out, root, tracefs[t], &generations[i]);

			if (!now)
				return &generations[i];
			if (now == -EACCES)
				*err = now;
		}
	return NULL;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static int attach(struct jobs *j, const struct generation *g)
{
	struct bpf_program *prog[] = {
		j->skel->progs.on_queue, j->skel->progs.on_run, j->skel->progs.on_done,
	};
	struct bpf_link **link[] = {
		&j->skel->links.on_queue, &j->skel->links.on_run, &j->skel->links.on_done,
	};

	/* the last first: a job that is seen to begin is seen to end */
	for (int ev = __JOBS_EVENT_MAX - 1; ev >= 0; ev--) {
		*link[ev] = bpf_program__attach_tracepoint(prog[ev], GROUP, g->event[ev]);
		if (!*link[ev])
			return -errno;
	}
	return 0;
}

static int load(struct jobs *j, const struct generation *g, const struct jobs_fields *fields)
{
	int err;

	libbpf_set_print(quiet);
	j->skel = jobs_bpf__open();
	if (!j->skel)
		return -errno;
	memcpy((void *)j->skel->rodata->fields, fields, sizeof(j->skel->rodata->fields));
	err = jobs_bpf__load(j->skel);
	return err ? err : attach(j, g);
}

/* -- users -------------------------------------------------------------------- */

static int map_of(const struct jobs *j)
{
	return bpf_map__fd(j->skel->maps.users);
}

static bool is_known(const struct jobs *j, const struct jobs_user *key)
{
	for (unsigned int i = 0; i < j->n; i++)
		if (!memcmp(&j->user[i].key, key, sizeof(*key)))
			return true;
	return false;
}

static void find_new(struct jobs *j, uint64_t now)
{
	struct jobs_user key, *prev = NULL;

	for (; !bpf_map_get_next_key(map_of(j), prev, &key); prev = &key)
		if (j->n < JOBS_USERS_MAX && !is_known(j, &key))
			j->user[j->n++] = (struct user){
				.key = key, .last_ns = now,
				.start_ticks = procs_start(j->root, key.tgid),
			};
}

/* What a user's jobs had since it was last asked for; @gone: and the kernel forgets it. */
static struct jobs_use news_of(const struct jobs *j, struct user *u, bool gone)
{
	struct jobs_use now = u->seen, news;

	if (gone)
		bpf_map_lookup_and_delete_elem(map_of(j), &u->key, &now);
	else
		bpf_map_lookup_elem(map_of(j), &u->key, &now);
	news = (struct jobs_use){
		.run_ns = now.run_ns - u->seen.run_ns,
		.queue_ns = now.queue_ns - u->seen.queue_ns,
		.jobs = now.jobs - u->seen.jobs,
	};
	u->seen = gone ? (struct jobs_use){ 0 } : now;
	u->owed_ns += news.run_ns;
	return news;
}

static struct ring *ring_of(struct jobs *j, const struct jobs_ring *name,
			    struct gpu_device *dev)
{
	for (unsigned int i = 0; i < j->nring; i++)
		if (!memcmp(&j->ring[i].name, name, sizeof(*name)))
			return &j->ring[i];
	if (j->nring == JOBS_RINGS_MAX)
		return NULL;
	j->ring[j->nring] = (struct ring){ .name = *name, .dev = dev };
	return &j->ring[j->nring++];
}

/*
 * A job is told of when it is done: a ring's may have had more than there was time
 * since the last sample. The rest is owed to the next one.
 */
static uint64_t part_of(struct user *u, struct ring *ring, uint64_t dt)
{
	uint64_t room = dt > ring->ns ? dt - ring->ns : 0;
	uint64_t ns = u->owed_ns < room ? u->owed_ns : room;

	u->owed_ns -= ns;
	ring->ns += ns;
	return ns;
}

/* Rings work side by side: a process or device was busy as long as the busiest of its. */
static void tell_most(struct gpu_value *v, uint64_t ns)
{
	if (v->known && v->source != STARLING_FROM_KERNEL)
		return;
	gpu_tell(v, 0, STARLING_FROM_KERNEL, true);
	if (ns > v->n)
		v->n = ns;
}

static void tell(struct jobs *j, struct user *u, struct gpu_sample *s, struct gpu_device *dev,
		 uint64_t queue_ns)
{
	struct gpu_process *p = gpu_sample_process(s, dev, u->key.tgid, u->start_ticks);
	struct ring *ring = ring_of(j, &u->key.ring, dev);
	uint64_t ns = ring ? part_of(u, ring, s->to_ns - s->from_ns) : 0;

	if (!p)
		return;
	tell_most(&p->busy, ns);
	gpu_tell(&p->queue, 0, STARLING_FROM_KERNEL, true);
	p->queue.n += queue_ns;
}

/* -- devices ------------------------------------------------------------------- */

/* Where fdinfo has the process: it names devices that are not on PCI by their driver. */
static struct gpu_device *device_with(struct gpu_sample *s, uint32_t pid)
{
	for (uint32_t i = 0; i < s->nproc; i++) {
		struct gpu_device *dev = &s->device[s->proc[i].device];

		/* a management library's is none of the kernel's GPU scheduler */
		if (s->proc[i].pid == pid && !dev->number && !dev->uuid[0])
			return dev;
	}
	return NULL;
}

static struct gpu_device *own_device(struct jobs *j, struct gpu_sample *s, const char *name)
{
	unsigned int i;

	for (i = 0; i < j->nown && strcmp(j->own[i], name); i++)
		;
	if (i == j->nown && i < GPU_DEVICES_MAX)
		snprintf(j->own[j->nown++], JOBS_DEVICE_LEN, "%s", name);
	return gpu_sample_device(s, name);
}

static struct gpu_device *device_of(struct jobs *j, struct gpu_sample *s, const struct user *u)
{
	const char *name = u->key.ring.device;
	struct gpu_device *dev = NULL;

	/* a place on PCI is the same name in every source */
	if (strchr(name, ':'))
		return gpu_sample_device(s, name);
	dev = device_with(s, u->key.tgid);
	return dev ? dev : own_device(j, s, name[0] ? name : "drm");
}

/* Named in each sample from then on, to tell that nobody uses them any more. */
static void name_own(struct jobs *j, struct gpu_sample *s)
{
	for (unsigned int i = 0; i < j->nown; i++) {
		struct gpu_device *dev = gpu_sample_device(s, j->own[i]);

		if (dev)
			dev->complete = true;
	}
}

/* -- samples ------------------------------------------------------------------- */

/* Jobs that the kernel's workers queue are of a process that does not end. */
static bool lives(const struct jobs *j, const struct user *u)
{
	return !u->key.tgid ||
	       (u->start_ticks && procs_start(j->root, u->key.tgid) == u->start_ticks);
}

/* False: it is told of for the last time, as it has ended or has nothing to do. */
static bool sample_user(struct jobs *j, struct user *u, struct gpu_sample *s)
{
	bool gone = !lives(j, u) || s->to_ns - u->last_ns > IDLE_NS;
	struct jobs_use news = news_of(j, u, gone);
	struct gpu_device *dev;

	if (!news.jobs && !u->owed_ns)
		return !gone;
	u->last_ns = s->to_ns;
	dev = device_of(j, s, u);
	if (dev)
		tell(j, u, s, dev, news.queue_ns);
	return !gone || u->owed_ns;
}

static void count_lost(struct jobs *j, struct gpu_sample *s)
{
	uint64_t lost = j->skel->bss->lost;

	s->lost += lost != j->lost;
	j->lost = lost;
}

static int jobs_sample(void *self, struct gpu_sample *s, struct gpu_caps *caps)
{
	uint32_t named = s->ndevice;
	struct jobs *j = self;

	find_new(j, s->to_ns);
	name_own(j, s);
	j->nring = 0;
	for (unsigned int i = 0; i < j->n;) {
		if (sample_user(j, &j->user[i], s))
			i++;
		else
			j->user[i] = j->user[--j->n];
	}
	for (unsigned int i = 0; i < j->nring; i++)
		tell_most(&j->ring[i].dev->v[GPU_BUSY], j->ring[i].ns);
	/* a device that another backend has named is that one's to vouch for */
	while (named < s->ndevice)
		s->device[named++].complete = true;
	count_lost(j, s);
	if (j->n)
		caps->can[GPU_PROC_BUSY] = caps->can[GPU_PROC_QUEUE] = caps->can[GPU_BUSY] =
			GPU_CAN_INSTEAD;
	return 0;
}

/* -- backend ------------------------------------------------------------------ */

static void jobs_close(void *self)
{
	struct jobs *j = self;

	if (!j)
		return;
	jobs_bpf__destroy(j->skel);
	free(j);
}

static int refuse(struct gpu_caps *caps, int err, const char *step)
{
	static const enum gpu_item items[] = { GPU_PROC_BUSY, GPU_PROC_QUEUE, GPU_BUSY };
	bool right = err == -EPERM || (err == -EACCES && !step);

	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		caps->can[items[i]] = right ? GPU_CAN_RIGHT : GPU_CAN_ABSENT;
	if (err == -ENOENT && !step)
		snprintf(caps->why, sizeof(caps->why), "no tracepoints " GROUP
			 ": no driver here uses the kernel's GPU scheduler");
	else
		snprintf(caps->why, sizeof(caps->why), "tracepoints " GROUP ": %s%s%s",
			 step ? step : "", step ? ": " : "", strerror(-err));
	return err;
}

static int jobs_open(void **self, const char *root, struct gpu_caps *caps)
{
	struct jobs_fields fields[__JOBS_EVENT_MAX] = { 0 };
	const struct generation *g;
	struct jobs *j;
	int err;

	g = generation(fields, root, &err);
	if (!g)
		return refuse(caps, err, NULL);
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->root = root;
	err = load(j, g, fields);
	if (err) {
		jobs_close(j);
		return refuse(caps, err, "programs for them");
	}
	caps->there = true;
	caps->can[GPU_PROC_BUSY] = caps->can[GPU_PROC_QUEUE] = caps->can[GPU_BUSY] =
		GPU_CAN_LATER;
	snprintf(caps->why, sizeof(caps->why), "tracepoints " GROUP ": %s and others",
		 g->event[JOBS_QUEUE]);
	*self = j;
	return 0;
}

const struct gpu_backend gpu_jobs = {
	.name = "jobs", .open = jobs_open, .sample = jobs_sample, .close = jobs_close,
};

// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/reader.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "daemon/sense/gpu/gpu.h"

/* How often what was not there is looked for again. */
#define AGAIN_NS	(60 * 1000000000ULL)

struct reader {
	const char *root;
	void *self[GPU_BACKENDS];	/* NULL: not open */
	uint64_t again_ns;
	struct gpu_sample sample;
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void open_missing(struct reader *r, uint64_t now)
{
	struct gpu_caps *caps;

	if (r->again_ns && now < r->again_ns)
		return;
	r->again_ns = now + AGAIN_NS;
	for (int i = 0; i < GPU_BACKENDS; i++) {
		caps = &r->sample.caps[i];
		if (r->self[i])
			continue;
		memset(caps, 0, sizeof(*caps));
		if (gpu_backends[i]->open(&r->self[i], r->root, caps))
			r->self[i] = NULL;
	}
}

static bool is_any_open(const struct reader *r)
{
	for (int i = 0; i < GPU_BACKENDS; i++)
		if (r->self[i])
			return true;
	return false;
}

static void take_sample(struct reader *r)
{
	struct gpu_sample *s = &r->sample;

	s->from_ns = s->to_ns;
	s->to_ns = clock_ns();
	s->ndevice = s->nproc = s->lost = 0;
	memset(&s->package, 0, sizeof(s->package));
	for (int i = 0; i < GPU_BACKENDS; i++) {
		if (!r->self[i] || gpu_backends[i]->sample(r->self[i], s, &s->caps[i]) != -ENODEV)
			continue;
		gpu_backends[i]->close(r->self[i]);
		r->self[i] = NULL;
	}
	open_missing(r, s->to_ns);
	s->last = !is_any_open(r);
}

int gpu_reader_run(int fd, const char *root)
{
	static struct reader r;
	ssize_t n;
	char ask;

	r.root = root;
	r.sample.to_ns = clock_ns();
	open_missing(&r, r.sample.to_ns);
	do {
		n = recv(fd, &ask, 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return EXIT_SUCCESS;
		r.sample.look = ask == GPU_READER_LOOK;
		take_sample(&r);
		n = send(fd, &r.sample, gpu_sample_size(&r.sample), MSG_NOSIGNAL);
	} while (n > 0 && !r.sample.last);
	return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The daemon is the last that the kernel may kill for memory, this the first. */
static void expendable(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "we");

	if (!f)
		return;
	fputs("500", f);
	fclose(f);
}

int gpu_reader_main(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "starlingd-gpu");
	expendable();
	return gpu_reader_run(STDIN_FILENO, "");
}

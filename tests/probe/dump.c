// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe-dump: what sense.h gives, as JSON lines. For tests and for people who
 * want to see what starlingd sees; changes nothing.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <jansson.h>
#include "daemon/sense/sense.h"

static const char usage[] =
	"usage: probe-dump [OPTION...] [SECONDS]\n"
	"Print events as they come and records every second, as JSON lines.\n\n"
	"  --join PID      make PID the root of an agent\n"
	"  --watch TID     count wakes around TID\n"
	"  --cuda-lib FILE put probes into FILE at once\n"
	"  --every MS      time from one read to the next (1000)\n"
	"  --no-bpf        use /proc alone\n"
	"  --quiet         events only\n";

struct dump {
	struct sense *sense;
	bool quiet;
};

static const char *const event_names[] = {
	[SENSE_EXEC] = "exec",
	[SENSE_EXIT] = "exit",
	[SENSE_GPU_FIRST_WAIT] = "gpu-first-wait",
	[SENSE_GPU_RESUME] = "gpu-resume",
	[SENSE_GPU_OPEN] = "gpu-open",
	[SENSE_COMPUTE] = "compute",
	[SENSE_JOIN] = "join",
	[SENSE_LEAVE] = "leave",
	[SENSE_ROLE] = "role",
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void print(json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);

	if (text)
		puts(text);
	free(text);
	json_decref(o);
}

static void on_event(void *ctx, const struct sense_event *ev)
{
	(void)ctx;
	print(json_pack("{ss sI sI sI si si sI sI sI}",
		"event", event_names[ev->type], "tid", (json_int_t)ev->tid,
		"tgid", (json_int_t)ev->tgid, "ppid", (json_int_t)ev->ppid,
		"role", ev->role, "source", ev->role_source,
		"agent", (json_int_t)ev->agent_id, "ns", (json_int_t)ev->ns,
		"seen_ns", (json_int_t)clock_ns()));
	fflush(stdout);
}

static void print_task(const struct starling_task_record *r, uint64_t now)
{
	print(json_pack("{ss sI sI sI ss sI sI sI sI sI sI sI sI sI sI sI sI si si si si si si sI}",
		"record", "task", "tid", (json_int_t)r->tid, "tgid", (json_int_t)r->tgid,
		"agent", (json_int_t)r->agent_id, "comm", r->comm,
		"start_ns", (json_int_t)r->start_ns, "run_ns", (json_int_t)r->run_ns,
		"wait_ns", (json_int_t)r->wait_ns, "nvcsw", (json_int_t)r->nvcsw,
		"nivcsw", (json_int_t)r->nivcsw, "migrations", (json_int_t)r->migrations,
		"gpu_wait_ns", (json_int_t)r->gpu_wait_ns,
		"gpu_waits", (json_int_t)r->gpu_waits,
		"gpu_launches", (json_int_t)r->gpu_launches,
		"gpu_alloc_bytes", (json_int_t)r->gpu_alloc_bytes,
		"gpu_last_ns", (json_int_t)r->gpu_last_ns,
		"starved_ns", (json_int_t)r->starved_ns,
		"valid", (int)r->valid, "estimated", (int)r->estimated,
		"role", r->role, "source", r->role_source, "style", r->wait_style,
		"cpu", r->last_cpu, "ns", (json_int_t)now));
}

static void print_agent(const struct sense_agent *a)
{
	print(json_pack("{ss sI sI sI sI sI sI sI}",
		"record", "agent", "id", (json_int_t)a->id,
		"forks", (json_int_t)a->forks, "exits", (json_int_t)a->exits,
		"tasks", (json_int_t)a->tasks, "run_ns", (json_int_t)a->run_ns,
		"wait_ns", (json_int_t)a->wait_ns,
		"gpu_wait_ns", (json_int_t)a->gpu_wait_ns));
}

static void print_edge(const struct sense_edge *e)
{
	print(json_pack("{ss sI sI sI sI sI}", "record", "edge",
		"waker", (json_int_t)e->waker, "waker_tgid", (json_int_t)e->waker_tgid,
		"wakee", (json_int_t)e->wakee, "wakee_tgid", (json_int_t)e->wakee_tgid,
		"count", (json_int_t)e->count));
}

static int look(struct dump *d)
{
	struct sense_view v;
	uint64_t begin = clock_ns();
	int err;

	sense_tick(d->sense, begin);
	err = sense_read(d->sense, &v);
	if (err || d->quiet)
		return err;
	for (size_t i = 0; i < v.ntask; i++)
		print_task(&v.task[i], v.now_ns);
	for (size_t i = 0; i < v.nagent; i++)
		print_agent(&v.agent[i]);
	for (size_t i = 0; i < v.nedge; i++)
		print_edge(&v.edge[i]);
	print(json_pack("{ss sI sI sI}", "record", "read",
		"tasks", (json_int_t)v.ntask, "lost", (json_int_t)v.lost_events,
		"took_ns", (json_int_t)(clock_ns() - begin)));
	fflush(stdout);
	return 0;
}

static long status_kib(const char *field)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	long kib = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)))
			kib = atol(line + strlen(field));
	if (f)
		fclose(f);
	return kib;
}

static void print_mode(const struct dump *d)
{
	const struct sense_mode *m = sense_get_mode(d->sense);

	print(json_pack("{ss sb sb sb ss* sI}", "record", "mode", "bpf", m->bpf,
		"uprobes", m->uprobes, "module", m->kmod, "missing", m->missing,
		"rss_kib", (json_int_t)status_kib("VmRSS:")));
	fflush(stdout);
}

static void print_cost(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	print(json_pack("{ss sI sI}", "record", "cost", "cpu_us",
		(json_int_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 +
		ru.ru_utime.tv_usec + ru.ru_stime.tv_usec,
		"rss_kib", (json_int_t)status_kib("VmRSS:")));
}

static int loop(struct dump *d, double seconds, uint64_t every)
{
	uint64_t end = clock_ns() + seconds * 1e9, next = clock_ns() + every, now;
	struct pollfd pfd = { .fd = sense_fd(d->sense), .events = POLLIN };
	int err = 0;

	while (!err && (now = clock_ns()) < end) {
		if (now >= next) {
			err = look(d);
			next += every;
			continue;
		}
		if (poll(&pfd, 1, (next - now) / 1000000 + 1) > 0)
			err = sense_dispatch(d->sense);
	}
	return err ? err : look(d);
}

struct settings {
	struct sense_opts opts;
	uint32_t join;
	uint32_t watch;
	uint64_t every;
	bool quiet;
};

/* Returns -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct settings *set)
{
	static const struct option options[] = {
		{ "join", required_argument, NULL, 'j' },
		{ "watch", required_argument, NULL, 'w' },
		{ "cuda-lib", required_argument, NULL, 'c' },
		{ "every", required_argument, NULL, 'e' },
		{ "no-bpf", no_argument, NULL, 'n' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			set->join = strtoul(optarg, NULL, 10);
			break;
		case 'w':
			set->watch = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			set->opts.cuda_lib = optarg;
			break;
		case 'e':
			set->every = strtoul(optarg, NULL, 10);
			break;
		case 'n':
			set->opts.no_bpf = true;
			break;
		case 'q':
			set->quiet = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	return -1;
}

static int run(struct dump *d, const struct settings *set, double seconds)
{
	int err = sense_open(&d->sense, &set->opts);

	if (err)
		return err;
	malloc_trim(0);
	if (set->join)
		err = sense_join(d->sense, set->join, 1ULL << 63 | 1,
				 STARLING_ROLE_ORCHESTRATOR, STARLING_BY_OWNER);
	if (!err && set->watch)
		err = sense_watch(d->sense, set->watch);
	if (!err) {
		print_mode(d);
		err = loop(d, seconds, set->every ? set->every * 1000000 : 1000000);
		print_cost();
	}
	sense_close(d->sense);
	return err;
}

int main(int argc, char **argv)
{
	struct settings set = { .opts.on_event = on_event, .every = 1000 };
	struct dump d = { 0 };
	int err = parse(argc, argv, &set);

	if (err >= 0)
		return err;
	d.quiet = set.quiet;
	err = run(&d, &set, optind < argc ? atof(argv[optind]) : 1e9);
	if (err)
		fprintf(stderr, "probe-dump: %s\n", strerror(-err));
	return !!err;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * watch - what a framework would do: make an agent, run a command in it, and
 * look at its pages until a thread of it is known to feed the GPU. With the
 * daemon's pid given, kill the daemon and see its word withdrawn.
 *
 * usage: watch DAEMON-PID STYLE COMMAND...
 */
#include <errno.h>
#include <signal.h>
#include <starling.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const styles[] = { "unknown", "block", "spin", "yield" };
static int tests, failed;

static bool ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	fflush(stdout);
	failed += !good;
	return good;
}

static void pause_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

/* Until a task of the agent is (or is no longer) said to be a feeder. */
static bool wait_feeder(struct starling_telemetry *t, bool want, int seconds,
			struct starling_task_record *feeder)
{
	struct starling_task_record rec[64];
	bool found;
	ssize_t n;

	for (int i = 0; i < seconds * 20; i++) {
		found = false;
		n = starling_telemetry_tasks(t, rec, 64);
		for (ssize_t j = 0; j < n && !found; j++) {
			found = rec[j].role == STARLING_ROLE_FEEDER &&
				rec[j].role_source == STARLING_BY_DETECTION &&
				rec[j].wait_style && rec[j].gpu_waits;
			if (found)
				*feeder = rec[j];
		}
		if (found == want)
			return true;
		pause_ms(50);
	}
	return false;
}

/* Until it is said where @tid was placed, or no longer is. */
static bool wait_placed(struct starling_telemetry *t, pid_t tid, bool want)
{
	struct starling_task_record rec;

	for (int i = 0; i < 600; i++) {
		if (!starling_telemetry_task(t, tid, &rec) &&
		    want == (rec.placement != STARLING_PLACEMENT_UNKNOWN))
			return true;
		pause_ms(50);
	}
	return false;
}

/* The rules that with-daemon gives its daemon, or those of the module. */
static void check_rules(struct starling *s, bool given)
{
	struct starling_lease_stat stat;
	bool good = false;

	for (int i = 0; i < 600 && !good; i++) {
		good = !starling_gpu_stat(s, 0, &stat) &&
			stat.out_slots == (given ? 2 : 1) &&
			stat.out_memory_bytes == (given ? 16ULL << 30 : 0) &&
			stat.out_max_hold_ns == (given ? 700000000 : 1000000000);
		if (!good)
			pause_ms(50);
	}
	ok(good, given ? "the daemon's lease rules are in force" : "the module's own rules are");
}

static bool placement_event(struct starling_agent *a, uint64_t now)
{
	struct starling_event event;

	while (!starling_event_next(a, STARLING_EVENT_NOWAIT, 0, 0, &event))
		if (event.type == STARLING_EVENT_PLACEMENT && event.value[0] == now)
			return true;
	return false;
}

static void check_feeder(struct starling_telemetry *t, const char *style)
{
	struct starling_task_record rec, later;

	if (!ok(wait_feeder(t, true, 30, &rec), "a feeder is named in the pages"))
		return;
	ok(rec.valid & 1U << STARLING_VAL_GPU_WAIT &&
	   STARLING_SOURCE_OF(rec.source, STARLING_VAL_GPU_WAIT) == STARLING_FROM_PROBE,
	   "its GPU waits are known, from the probes");
	ok(wait_placed(t, rec.tid, true), "and so is where it was placed");
	for (int i = 0; i < 40 && strcmp(styles[rec.wait_style], style); i++) {
		pause_ms(100);
		starling_telemetry_task(t, rec.tid, &rec);
	}
	ok(!strcmp(styles[rec.wait_style], style), "and so is how it waits");
	pause_ms(1500);
	ok(!starling_telemetry_task(t, rec.tid, &later) && later.gpu_waits > rec.gpu_waits &&
	   later.run_ns >= rec.run_ns, "its values go on");
}

#define PROCESS_BITS	(1U << STARLING_VAL_GPU_BUSY | 1U << STARLING_VAL_GPU_MEMORY | \
			 1U << STARLING_VAL_ENERGY)

/* Until the driver's values of a process are there: its first thread has them. */
static bool wait_process(struct starling_telemetry *t, struct starling_task_record *found)
{
	struct starling_task_record rec[64];
	ssize_t n;

	for (int i = 0; i < 600; i++) {
		n = starling_telemetry_tasks(t, rec, 64);
		for (ssize_t j = 0; j < n; j++) {
			*found = rec[j];
			if ((rec[j].valid & PROCESS_BITS) == PROCESS_BITS && rec[j].gpu_busy_ns &&
			    rec[j].energy_uj)
				return true;
		}
		pause_ms(50);
	}
	return false;
}

static void check_process(struct starling_telemetry *t, struct starling_agent *a)
{
	struct starling_agent_record sum = { 0 };
	struct starling_task_record rec, later;
	bool more = false;

	if (!ok(wait_process(t, &rec), "a process's GPU busy time, memory and energy arrive"))
		return;
	ok(rec.tid == rec.tgid, "with its first thread");
	ok(STARLING_SOURCE_OF(rec.source, STARLING_VAL_GPU_MEMORY) == STARLING_FROM_DRIVER &&
	   STARLING_SOURCE_OF(rec.source, STARLING_VAL_GPU_BUSY) == STARLING_FROM_DRIVER &&
	   STARLING_SOURCE_OF(rec.source, STARLING_VAL_ENERGY) & STARLING_FROM_MODEL,
	   "each with where it is from");
	ok(rec.estimated & 1U << STARLING_VAL_ENERGY &&
	   !(rec.estimated & 1U << STARLING_VAL_GPU_MEMORY), "and whether it is an estimate");
	for (int i = 0; i < 200 && !more; i++) {
		pause_ms(50);
		more = !starling_telemetry_task(t, rec.tid, &later) &&
			later.gpu_busy_ns > rec.gpu_busy_ns && later.energy_uj > rec.energy_uj;
	}
	ok(more, "and they go on");
	ok(!starling_agent_stat(a, STARLING_STAT_LIVE, &sum) &&
	   sum.valid & 1U << STARLING_VAL_GPU_BUSY && sum.gpu_busy_ns >= rec.gpu_busy_ns,
	   "the agent's sum has them");
}

/* Until no task has a value that is vouched for; one has waits that are stale. */
static bool wait_stale(struct starling_telemetry *t)
{
	struct starling_task_record rec[64];
	bool valid, stale;
	ssize_t n;

	for (int i = 0; i < 200; i++) {
		valid = stale = false;
		n = starling_telemetry_tasks(t, rec, 64);
		for (ssize_t j = 0; j < n; j++) {
			valid |= rec[j].valid & (1U << STARLING_VAL_GPU_WAIT | PROCESS_BITS) ||
				rec[j].placement != STARLING_PLACEMENT_UNKNOWN;
			stale |= rec[j].stale & 1U << STARLING_VAL_GPU_WAIT && rec[j].gpu_waits;
		}
		if (!valid)
			break;
		pause_ms(50);
	}
	return !valid && stale;
}

static void check_withdrawn(struct starling_telemetry *t, struct starling_agent *a, pid_t daemon)
{
	struct starling_task_record rec;

	kill(daemon, SIGKILL);
	ok(wait_feeder(t, false, 10, &rec), "killed, the daemon's word is withdrawn");
	ok(wait_stale(t), "GPU values are stale, not valid, and nobody is placed");
	ok(placement_event(a, STARLING_PLACEMENT_UNKNOWN), "which is an event");
}

static pid_t run(struct starling_agent *a, char **argv)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (starling_agent_join(a, 0, 0))
		_exit(126);
	execvp(argv[0], argv);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct starling_telemetry *t;
	struct starling_agent *a;
	struct starling *s;
	pid_t pid;
	int err;

	if (argc < 4)
		return 2;
	err = starling_open(&s);
	if (!err)
		err = starling_agent_create(s, "watched", NULL, &a);
	if (!err)
		err = starling_telemetry_open(a, &t);
	if (err) {
		printf("Bail out! %s\n", strerror(-err));
		return 1;
	}
	starling_event_mask(a, 1U << STARLING_EVENT_PLACEMENT);
	check_rules(s, true);
	pid = run(a, argv + 3);
	check_feeder(t, argv[2]);
	check_process(t, a);
	check_withdrawn(t, a, atoi(argv[1]));
	check_rules(s, false);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	starling_telemetry_close(t);
	starling_agent_close(a);
	starling_close(s);
	printf("1..%d\n", tests);
	return failed != 0;
}

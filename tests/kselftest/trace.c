// SPDX-License-Identifier: GPL-2.0-only
/* The tracepoints: each is hit once, with what it should say. */
#define GROUP "trace"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "harness.h"
#include "util.h"

#define TRACING "/sys/kernel/tracing/"

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_TRUNC);

	if (fd < 0)
		SKIP("%s: %s", file, strerror(errno));
	EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* How often @text stands in the trace. */
static int seen(const char *text)
{
	static char line[512];
	FILE *f = fopen(TRACING "trace", "r");
	int n = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

static void saw(int want, const char *format, uint64_t id, int tid)
{
	char text[256];
	int n;

	snprintf(text, sizeof(text), format, (unsigned long long)id, tid, tid);
	n = seen(text);
	if (n != want)
		FAIL("'%s' seen %d times, not %d", text, n, want);
}

/* A sub-agent's maker, and the move of its member when it dissolves. */
TEST_TIMED(tree_events, 60)
{
	int root, below;
	uint64_t a, b;

	put(TRACING "trace", "");
	put(TRACING "events/starling/enable", "1");
	root = agent("root");
	a = id_of(root);
	below = sub_agent(root, "below");
	b = id_of(below);
	EQ(join(below, 0, 0), 0);
	close(below);
	EQ(leave(root, 0, 0), 0);
	put(TRACING "events/starling/enable", "0");

	saw(1, "starling_agent_create: agent=%llu weight=100 class=normal tgid=%d parent=0", a,
	    getpid());
	saw(1, "starling_agent_create: agent=%llu weight=100 class=normal tgid=%d parent=", b,
	    getpid());
	saw(1, "weight=100 class=normal tgid=%2$d parent=%1$llu", a, getpid());
	saw(1, "starling_task_join: agent=%llu tid=%d tgid=%d role=none source=none how=join",
	    b, getpid());
	saw(1, "starling_task_leave: agent=%llu tid=%d tgid=%d role=none source=none how=moved",
	    b, getpid());
	saw(1, "starling_task_join: agent=%llu tid=%d tgid=%d role=none source=none how=join",
	    a, getpid());
	saw(1, "starling_task_leave: agent=%llu tid=%d tgid=%d role=none source=none how=asked",
	    a, getpid());
	saw(1, "starling_agent_free: agent=%llu forks=%d", b, 0);
}

TEST_TIMED(events, 60)
{
	struct starling_agent_record rec;
	struct starling_task_record sample;
	int dev = device(), one, two;
	uint64_t a, b;
	uint32_t applied;
	pid_t pid;

	put(TRACING "trace", "");
	put(TRACING "events/starling/enable", "1");
	EQ(claim(dev), 0);
	one = agent("one");
	two = agent("two");
	stat_agent(one, &rec);
	a = rec.id;
	stat_agent(two, &rec);
	b = rec.id;
	EQ(join(one, 0, 0), 0);
	EQ(set_role(one, 0, STARLING_ROLE_ORCHESTRATOR), 0);
	pid = fork();
	if (!pid) {
		execlp("sleep", "sleep", "100", NULL);
		_exit(127);
	}
	for (int i = 0; i < 500; i++) {
		EQ(stat_task(one, pid, &sample), 0);
		if (sample.role == STARLING_ROLE_TOOL)
			break;
		sleep_ms(10);
	}
	sample.role = STARLING_ROLE_FEEDER;
	sample.role_source = STARLING_BY_DETECTION;
	sample.placement = STARLING_PLACEMENT_PROTECTED;
	EQ(publish(dev, &sample, 1, &applied), 0);
	EQ(join(two, pid, 0), 0);
	kill(pid, SIGKILL);
	reap(pid);
	EQ(leave(one, 0, 0), 0);
	close(one);
	put(TRACING "events/starling/enable", "0");

	saw(1, "starling_agent_create: agent=%llu weight=100 class=normal tgid=%d", a, getpid());
	saw(1, "starling_task_join: agent=%llu tid=%d tgid=%d role=none source=none how=join",
	    a, getpid());
	saw(1, "starling_task_role: agent=%llu tid=%d tgid=%d role=orchestrator source=self "
	    "before=none",
	    a, getpid());
	saw(1, "starling_task_join: agent=%llu tid=%d tgid=%d role=orchestrator source=lineage "
	    "how=fork", a, pid);
	saw(1, "starling_task_role: agent=%llu tid=%d tgid=%d role=tool source=lineage "
	    "before=orchestrator", a, pid);
	saw(1, "starling_task_placement: agent=%llu tid=%d tgid=%d role=tool source=lineage "
	    "placement=protected", a, pid);
	saw(1, "starling_task_role: agent=%llu tid=%d tgid=%d role=feeder source=detection",
	    a, pid);
	saw(1, "starling_task_leave: agent=%llu tid=%d tgid=%d role=feeder source=detection "
	    "how=moved", a, pid);
	saw(1, "starling_task_leave: agent=%llu tid=%d tgid=%d role=feeder source=detection "
	    "how=exit", b, pid);
	saw(1, "starling_task_leave: agent=%llu tid=%d tgid=%d role=orchestrator source=self "
	    "how=asked", a, getpid());
	saw(1, "starling_agent_free: agent=%llu forks=%d", a, 1);
	EQ(seen("starling_publish: records=1 applied=1"), 1);
}

TEST_TIMED(leases, 60)
{
	struct starling_lease_acquire a = { .cookie = 5, .memory_bytes = 6, .max_hold_ns = 1 },
				      b = { 0 };
	struct starling_agent_record rec;
	int fd = agent("trace"), two = agent("two");
	uint64_t old;

	stat_agent(fd, &rec);
	put(TRACING "trace", "");
	put(TRACING "events/starling/enable", "1");
	EQ(acquire(fd, &a), 0);
	EQ(park(fd, a.out_lease), 0);
	EQ(unpark(fd, a.out_lease, 0), 0);
	EQ(release(fd, a.out_lease), 0);
	old = a.out_lease;
	EQ(acquire(fd, &a), 0);
	/* Asks for it and takes it. */
	EQ(acquire(two, &b), 0);
	EQ(release(two, b.out_lease), 0);
	EQ(acquire(fd, &a), 0);
	close(fd);
	put(TRACING "events/starling/enable", "0");

	saw(3, "starling_lease_request: agent=%llu gpu=0 class=normal cookie=5 memory=6 lease=0",
	    rec.id, 0);
	saw(1, "starling_lease_request: agent=%llu gpu=0 class=normal cookie=0 memory=6 lease=%d",
	    rec.id, old);
	saw(2, "starling_lease_grant: agent=%llu lease=%d gpu=0 class=normal waited_ns=",
	    rec.id, old);
	saw(1, "starling_lease_end: agent=%llu lease=%d gpu=0 how=park held_ns=", rec.id, old);
	saw(1, "starling_lease_end: agent=%llu lease=%d gpu=0 how=release held_ns=", rec.id, old);
	saw(1, "starling_lease_ask: agent=%llu lease=%d gpu=0 end_ns=", rec.id, old + 1);
	saw(1, "starling_lease_end: agent=%llu lease=%d gpu=0 how=expired", rec.id, old + 1);
	saw(1, "starling_lease_end: agent=%llu lease=%d gpu=0 how=close", rec.id, old + 3);
}

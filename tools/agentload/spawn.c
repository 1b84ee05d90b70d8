// SPDX-License-Identifier: GPL-2.0-only
/* The processes of a run: the server, the agents, and what they leave behind. */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "util.h"

enum { MAX_ARGS = 64, SERVER_START_MS = 30000 };

/* words of a command line; all text lives in buf */
struct args {
	char *v[MAX_ARGS + 1], buf[4096];
	size_t used;
	int n;
};

static void add_arg(struct args *a, const char *word)
{
	size_t len = strlen(word) + 1;

	if (a->n == MAX_ARGS || a->used + len > sizeof(a->buf))
		bad_usage("--wrap: the command is too long");
	a->v[a->n++] = memcpy(a->buf + a->used, word, len);
	a->used += len;
	a->v[a->n] = NULL;
}

/* the words of --wrap, with %n for the name and %r for the role */
static void add_wrap(struct args *a, const char *wrap, const char *name, const char *role)
{
	char word[256];
	size_t n = 0;

	for (; wrap && *wrap; wrap++) {
		const char *sub = NULL;

		if (*wrap == ' ') {
			word[n] = 0;
			if (n)
				add_arg(a, word);
			n = 0;
			continue;
		}
		if (wrap[0] == '%' && (wrap[1] == 'n' || wrap[1] == 'r'))
			sub = *++wrap == 'n' ? name : role;
		if (n + (sub ? strlen(sub) : 1) >= sizeof(word) - 1)
			bad_usage("--wrap: a word is too long");
		if (sub)
			n += sprintf(word + n, "%s", sub);
		else
			word[n++] = *wrap;
	}
	word[n] = 0;
	if (n)
		add_arg(a, word);
}

static void add_self(struct args *a)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = 0;
	add_arg(a, n > 0 ? self : "agentload");
}

static void add_number(struct args *a, const char *opt, const char *fmt, double v)
{
	char text[64];

	add_arg(a, opt);
	snprintf(text, sizeof(text), fmt, v);
	add_arg(a, text);
}

/*
 * The death signal is SIGTERM and not SIGKILL, so that an agent or a server
 * whose run was killed can still end its own children.
 */
static pid_t spawn(struct args *a, int out_fd)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (out_fd >= 0)
		dup2(out_fd, STDOUT_FILENO);
	execvp(a->v[0], a->v);
	warn("cannot run %s: %s", a->v[0], strerror(errno));
	_exit(127);
}

/* The server says its port in its first line; until then nothing can start. */
static int read_port(struct run *r, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t end = now_ns() + SERVER_START_MS * NSEC_PER_MSEC;
	char line[256];
	size_t n = 0;
	unsigned int port;

	while (n < sizeof(line) - 1 && !stop_flag && now_ns() < end) {
		if (poll(&p, 1, 200) <= 0)
			continue;
		if (read(fd, line + n, 1) <= 0 || line[n] == '\n')
			break;
		n++;
	}
	line[n] = 0;
	if (sscanf(line, "listening on http://127.0.0.1:%u", &port) != 1) {
		if (!stop_flag)
			warn("the server did not start");
		return -ECHILD;
	}
	r->port = port;
	return 0;
}

int run_start_server(struct run *r)
{
	struct args a = { .n = 0 };
	int fds[2], err;

	if (r->server_url) {
		r->port = client_port(r->server_url);
		return 0;
	}
	add_wrap(&a, r->wrap, "server", "service");
	add_self(&a);
	add_arg(&a, "serve");
	add_arg(&a, "--port");
	add_arg(&a, "0");
	add_arg(&a, "--with-parent");
	add_arg(&a, "--wait");
	add_arg(&a, r->wait);
	add_number(&a, "--t1-ms", "%.9g", r->trace.t1_ms);
	add_number(&a, "--prefill-tps", "%.9g", r->trace.prefill_tps);
	if (r->eager) {
		add_arg(&a, "--eager");
		add_arg(&a, r->eager);
	}
	if (r->max_batch) {
		add_arg(&a, "--max-batch");
		add_arg(&a, r->max_batch);
	}
	if (r->timeline)
		add_arg(&a, "--record");
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	r->server.pid = spawn(&a, fds[1]);
	close(fds[1]);
	err = r->server.pid < 0 ? -errno : read_port(r, fds[0]);
	close(fds[0]);
	return err;
}

static int start_agent(struct run *r, unsigned int i)
{
	struct args a = { .n = 0 };
	char out[480];

	add_wrap(&a, r->wrap, r->trace.agent[i].name, "orchestrator");
	add_self(&a);
	add_arg(&a, "agent");
	add_arg(&a, "--trace");
	add_arg(&a, r->trace_path);
	add_number(&a, "--id", "%.0f", i);
	add_number(&a, "--port", "%.0f", r->port);
	add_number(&a, "--epoch", "%.0f", r->epoch);
	add_number(&a, "--progress-fd", "%.0f", r->progress[1]);
	add_arg(&a, "--work");
	add_arg(&a, r->work);
	snprintf(out, sizeof(out), "%s/agent-%u.json", r->out, i);
	unlink(out);
	add_arg(&a, "--out");
	add_arg(&a, out);
	if (r->timeline)
		add_arg(&a, "--timeline");
	r->agent[i].pid = spawn(&a, -1);
	return r->agent[i].pid < 0 ? -errno : 0;
}

int run_start_agents(struct run *r)
{
	unsigned int i;
	int err = 0;

	/* everyone starts from one clock, once all have been started */
	r->epoch = now_ns() + 300 * NSEC_PER_MSEC;
	if (pipe2(r->progress, O_NONBLOCK))
		return -errno;
	fcntl(r->progress[0], F_SETFD, FD_CLOEXEC);
	for (i = 0; i < r->trace.agents && !err; i++)
		err = start_agent(r, i);
	close(r->progress[1]);
	if (err)
		warn("cannot start agent %u: %s", i, strerror(-err));
	return err;
}

static int live(const struct child *c)
{
	return c->pid > 0 && !c->reaped;
}

/* wait4() gives the CPU of each tree: agents wait for their tools, those for theirs. */
int run_reap(struct run *r)
{
	struct rusage ru;
	unsigned int i;
	int status, left = 0;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &ru)) > 0) {
		struct child *c = r->server.pid == pid ? &r->server : NULL;

		for (i = 0; i < r->trace.agents && !c; i++)
			if (r->agent[i].pid == pid)
				c = &r->agent[i];
		if (!c)
			continue;
		c->status = status;
		c->usage = ru;
		c->reaped = 1;
	}
	for (i = 0; i < r->trace.agents; i++)
		left += live(&r->agent[i]);
	return left;
}

static void signal_all(struct run *r, int sig)
{
	unsigned int i;

	for (i = 0; i < r->trace.agents; i++)
		if (live(&r->agent[i]))
			kill(r->agent[i].pid, sig);
	if (live(&r->server))
		kill(r->server.pid, sig);
}

static void wait_for_all(struct run *r, unsigned int ms)
{
	uint64_t end = now_ns() + ms * NSEC_PER_MSEC;
	struct timespec tick = { .tv_nsec = 5000000 };

	while ((run_reap(r) || live(&r->server)) && now_ns() < end)
		nanosleep(&tick, NULL);
}

/*
 * What a killed agent left behind was handed to us, its subreaper, by the
 * kernel: these are our own children and nobody else's.
 */
static int kill_strays(void)
{
	char path[64], line[64];
	int pid, n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", gettid());
	f = fopen(path, "re");
	while (f && fscanf(f, "%63s", line) == 1) {
		pid = atoi(line);
		if (pid > 1 && !kill(pid, SIGKILL))
			n++;
	}
	if (f)
		fclose(f);
	while (waitpid(-1, NULL, n ? 0 : WNOHANG) > 0)
		;
	return n;
}

void run_stop_all(struct run *r)
{
	int n, round = 0;

	signal_all(r, SIGTERM);
	wait_for_all(r, 3000);
	signal_all(r, SIGKILL);
	wait_for_all(r, 1000);
	/* children of the strays become ours in turn */
	while ((n = kill_strays()) && round++ < 100)
		r->strays += n;
}

int run_stop_server(struct run *r)
{
	if (r->server_url)
		return 0;
	if (live(&r->server))
		kill(r->server.pid, SIGTERM);
	wait_for_all(r, 5000);
	if (live(&r->server))
		return -ETIMEDOUT;
	return r->server.status ? -EIO : 0;
}

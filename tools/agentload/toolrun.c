// SPDX-License-Identifier: GPL-2.0-only
/* Starting and reaping tool calls. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

enum { SCRIPT_BYTES = 65536 };

/* A process group per call, so that the whole tree can be ended at once. */
static void become_tool(const char *script, int log_fd, pid_t parent)
{
	int null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_DFL);
	dup2(null, 0);
	dup2(null, 1);
	dup2(log_fd >= 0 ? log_fd : null, 2);
	execl("/bin/sh", "sh", "-c", script, NULL);
	_exit(127);
}

int tool_start(struct tool_run *r, const struct trace_call *call, int log_fd)
{
	char *script = malloc(SCRIPT_BYTES);
	pid_t parent = getpid();
	int err;

	memset(r, 0, sizeof(*r));
	r->call = call;
	r->start = now_ns();
	err = script ? tool_script(call, script, SCRIPT_BYTES) : -ENOMEM;
	if (!err) {
		r->pid = fork();
		if (!r->pid)
			become_tool(script, log_fd, parent);
		if (r->pid < 0)
			err = -errno;
		else
			/* both sides do this, so that the group exists in time */
			setpgid(r->pid, r->pid);
	}
	free(script);
	return err;
}

static void ended(struct tool_run *r, int status, const struct rusage *ru)
{
	r->end = now_ns();
	r->cpu_us = (ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000000ULL +
		    ru->ru_utime.tv_usec + ru->ru_stime.tv_usec;
	r->failed = !WIFEXITED(status) || WEXITSTATUS(status);
	/* a script that was killed may have left its children behind */
	if (WIFSIGNALED(status))
		kill(-r->pid, SIGKILL);
}

static int running(const struct tool_run *r, int n)
{
	int i, live = 0;

	for (i = 0; i < n; i++)
		live += r[i].pid > 0 && !r[i].end;
	return live;
}

static void on_child(int sig)
{
	(void)sig;
}

static void reap(struct tool_run *r, int n)
{
	struct rusage ru;
	int i, status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &ru)) > 0)
		for (i = 0; i < n; i++)
			if (r[i].pid == pid)
				ended(&r[i], status, &ru);
}

/* Signals are only let in while suspended, so that none comes between. */
void tool_wait(struct tool_run *r, int n)
{
	struct sigaction sa = { .sa_handler = on_child }, old_sa;
	sigset_t set, old;
	int i;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	sigaction(SIGCHLD, &sa, &old_sa);
	for (reap(r, n); running(r, n); reap(r, n)) {
		for (i = 0; stop_flag && i < n; i++)
			if (r[i].pid > 0 && !r[i].end)
				kill(-r[i].pid, SIGKILL);
		sigsuspend(&old);
	}
	sigaction(SIGCHLD, &old_sa, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

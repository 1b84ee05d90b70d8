// SPDX-License-Identifier: GPL-2.0-only
#include "tools/check-caps.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daemon/report-caps.h"
#include "daemon/sense/gpu/gpu.h"
#include "daemon/sense/gpu/reader.h"
#include "tools/cli.h"

/* Loading a driver's library wakes each GPU up, which may take a minute or more. */
enum { LIMIT_MS = 120000 };

static ssize_t answer(int fd, void *out, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	n = poll(&pfd, 1, LIMIT_MS);
	if (n <= 0)
		return n < 0 ? -errno : -ETIMEDOUT;
	n = recv(fd, out, len, 0);
	return n > 0 ? n : n < 0 ? -errno : -EPIPE;
}

ssize_t check_in_child(int (*fn)(int fd), void *out, size_t len)
{
	const char question = GPU_READER_LOOK;
	int fd[2];
	ssize_t n;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd))
		return -errno;
	pid = fork();
	if (!pid) {
		close(fd[0]);
		_exit(fn(fd[1]));
	}
	close(fd[1]);
	if (pid < 0) {
		n = -errno;
	} else {
		send(fd[0], &question, 1, MSG_NOSIGNAL);
		n = answer(fd[0], out, len);
		kill(pid, SIGKILL);
		/* one that hangs in a driver is left to init */
		waitpid(pid, NULL, n == -ETIMEDOUT ? WNOHANG : 0);
	}
	close(fd[0]);
	return n;
}

static int read_caps(int fd)
{
	return gpu_reader_run(fd, "");
}

json_t *check_caps(void)
{
	static struct gpu_sample s;
	ssize_t n = check_in_child(read_caps, &s, sizeof(s));

	if (n >= (ssize_t)offsetof(struct gpu_sample, proc))
		return report_caps(s.caps);
	cli_error(n == -ETIMEDOUT ? "the GPU's driver does not answer: see dmesg, or reload it" :
		  "asking the GPU's driver failed: its library has crashed");
	return json_array();
}

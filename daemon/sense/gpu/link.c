// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/gpu/link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daemon/log.h"
#include "daemon/sense/gpu/check.h"
#include "daemon/sense/gpu/gpu.h"
#include "daemon/sense/gpu/reader.h"

#define S_NS		1000000000ULL
/*
 * The first answer is behind loading the driver's library, which wakes up each GPU
 * of the machine; after that, seconds are enough and more than them a hang.
 */
#define FIRST_NS	(120 * S_NS)
#define ANSWER_NS	(10 * S_NS)
/* A reader that lived so long was no failure: the next pause is the first again. */
#define STEADY_NS	(60 * S_NS)
#define RETRY_FIRST_NS	(10 * S_NS)
#define RETRY_MAX_NS	(600 * S_NS)
/* Not before, whoever says that a GPU is used. */
#define RETRY_HINT_NS	(2 * S_NS)

static const char no_source[] = "no source tells them here, see 'starling check'";

struct gpu_link {
	const char *reader;
	pid_t pid;		/* 0: none; one that was killed stays until it is gone */
	int fd;			/* -1: none, or killed */
	bool asked;
	bool hint;
	bool known;		/* @sample is of now */
	bool had;		/* it was known at some time */
	bool ever;
	bool answered;		/* this reader has */
	uint64_t started_ns;
	uint64_t asked_ns;
	uint64_t ended_ns;
	uint64_t retry_ns;	/* pause before the next start */
	const char *why;
	const char *said;	/* the last reason in the log */
	struct gpu_sample sample;
	struct gpu_sample in;
};

/* -- start and end ------------------------------------------------------------ */

/* Between fork and exec of a process with threads: only what signal handlers may do. */
static void become_reader(const struct gpu_link *l, int fd)
{
	char *argv[] = { (char *)l->reader, (char *)GPU_READER_ARG, NULL };
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct rlimit no_core = { 0 };
	sigset_t none;

	/* dup2() to itself would leave it close-on-exec */
	if (fd == STDIN_FILENO)
		fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	/* a vendor's library that crashes time and again is not to fill a disk */
	setrlimit(RLIMIT_CORE, &no_core);
	/* the daemon has blocked those that it takes from a descriptor */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(l->reader, argv);
	_exit(127);
}

/*
 * By fork(): posix_spawn() waits for the child's exec, and a child of normal
 * priority may wait for a core for long.
 */
static int start(struct gpu_link *l)
{
	int fd[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd))
		return -errno;
	l->pid = fork();
	if (!l->pid)
		become_reader(l, fd[1]);
	err = -errno;
	close(fd[1]);
	if (l->pid < 0) {
		l->pid = 0;
		close(fd[0]);
		return err;
	}
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	l->fd = fd[0];
	l->asked = l->answered = false;
	return 0;
}

/* One line for a new reason; the same one is not said again and again. */
static void end(struct gpu_link *l, uint64_t now, const char *why)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->known = false;
	l->ended_ns = now;
	l->retry_ns = !l->retry_ns ? RETRY_FIRST_NS :
		l->retry_ns * 2 > RETRY_MAX_NS ? RETRY_MAX_NS : l->retry_ns * 2;
	l->why = why;
	if (l->pid > 0)
		kill(l->pid, SIGKILL);
	if (l->said == why)
		return;
	l->said = why;
	/* that there is no GPU is nothing to tell everybody */
	log_line(why == no_source && !l->had ? LOG_DEBUG : LOG_INFO,
		 "GPU values are not known: %s; looked for again later", why);
}

/* A process that hangs in a driver outlives SIGKILL: no second one beside it. */
static bool reaped(struct gpu_link *l)
{
	if (l->pid > 0 && waitpid(l->pid, NULL, WNOHANG) == 0)
		return false;
	l->pid = 0;
	return true;
}

static void restart(struct gpu_link *l, uint64_t now)
{
	uint64_t pause = l->hint && l->retry_ns > RETRY_HINT_NS ? RETRY_HINT_NS : l->retry_ns;

	if (!reaped(l) || (l->ended_ns && now - l->ended_ns < pause))
		return;
	l->hint = false;
	l->started_ns = now;
	if (start(l))
		end(l, now, "no process could be started to read them");
}

/* -- question and answer ------------------------------------------------------ */

/* 1: an answer; 0: none yet; -EPROTO: nonsense; -errno: there is no reader any more. */
static int receive(struct gpu_link *l, uint64_t now)
{
	ssize_t n = recv(l->fd, &l->in, sizeof(l->in), 0);
	uint64_t after = l->answered ? l->sample.to_ns : 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -EPIPE;
	return gpu_sample_check(&l->in, n, after, now) ? 1 : -EPROTO;
}

static int take(struct gpu_link *l, uint64_t now)
{
	l->asked = false;
	l->sample = l->in;
	l->ever = true;
	if (l->in.last) {
		end(l, now, no_source);
		return -ENODATA;
	}
	l->known = l->had = l->answered = true;
	l->why = NULL;
	/* one that answers once and then ends is not to be told of each time */
	if (now - l->started_ns >= STEADY_NS) {
		if (l->said)
			log_info("GPU values are known again");
		l->retry_ns = 0;
		l->said = NULL;
	}
	return 1;
}

static int wait_answer(struct gpu_link *l, uint64_t now)
{
	int ret = receive(l, now);

	if (ret > 0)
		return take(l, now);
	if (ret == -EPROTO)
		end(l, now, "what their reader tells makes no sense");
	else if (ret < 0)
		end(l, now, "their reader has ended");
	else if (now - l->asked_ns > (l->answered ? ANSWER_NS : FIRST_NS))
		end(l, now, "the GPU's driver does not answer");
	else
		return 0;
	return -ENODATA;
}

int gpu_link_tick(struct gpu_link *l, uint64_t now_ns, uint64_t period_ns)
{
	char ask;
	int ret = 0;

	if (l->fd < 0)
		restart(l, now_ns);
	if (l->fd >= 0 && l->asked)
		ret = wait_answer(l, now_ns);
	if (l->fd < 0 || l->asked || (now_ns - l->asked_ns < period_ns && !l->hint))
		return ret;
	ask = l->hint ? GPU_READER_LOOK : GPU_READER_ASK;
	if (send(l->fd, &ask, 1, MSG_NOSIGNAL) != 1) {
		end(l, now_ns, "their reader has ended");
		return -ENODATA;
	}
	l->hint = false;
	l->asked = true;
	l->asked_ns = now_ns;
	return ret;
}

void gpu_link_hint(struct gpu_link *l)
{
	l->hint = true;
}

/* -- what is known ------------------------------------------------------------ */

const struct gpu_sample *gpu_link_sample(const struct gpu_link *l)
{
	return l->known ? &l->sample : NULL;
}

const struct gpu_sample *gpu_link_last(const struct gpu_link *l)
{
	return l->ever ? &l->sample : NULL;
}

const char *gpu_link_why(const struct gpu_link *l)
{
	return l->known ? NULL : l->why ? l->why : "no answer yet";
}

pid_t gpu_link_pid(const struct gpu_link *l)
{
	return l->pid;
}

struct gpu_link *gpu_link_new(const char *reader)
{
	struct gpu_link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->reader = reader ? reader : "/proc/self/exe";
	l->fd = -1;
	return l;
}

/* One that hangs is left to init: the daemon does not wait for a driver. */
void gpu_link_free(struct gpu_link *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	if (l->pid > 0) {
		kill(l->pid, SIGKILL);
		waitpid(l->pid, NULL, WNOHANG);
	}
	free(l);
}

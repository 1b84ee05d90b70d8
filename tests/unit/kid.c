// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/kid.h"

#include <assert.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int ok)
{
	if (ok)
		return;
	perror("kid");
	abort();
}

static void report(int fd, pid_t pid)
{
	must(write(fd, &pid, sizeof(pid)) == sizeof(pid));
}

static void __attribute__((noreturn)) sleep_for_ever(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static void make_orphan(int out)
{
	pid_t mid = fork();

	must(mid >= 0);
	if (!mid) {
		setsid();
		mid = fork();
		must(mid >= 0);
		if (!mid) {
			/* only once its parent is gone is it an orphan */
			while (getppid() != 1)
				usleep(1000);
			report(out, getpid());
			alarm(60);
			for (;;)
				pause();
		}
		_exit(0);
	}
	waitpid(mid, NULL, 0);
}

static void *thread_main(void *arg)
{
	report(*(int *)arg, syscall(SYS_gettid));
	for (;;)
		pause();
	return NULL;
}

static void __attribute__((noreturn)) kid_main(int in, int out)
{
	pthread_t thread;
	char what;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(in, &what, 1) == 1) {
		if (what == 'o') {
			make_orphan(out);
			continue;
		}
		if (what == 't') {
			must(!pthread_create(&thread, NULL, thread_main, &out));
			continue;
		}
		pid = fork();
		must(pid >= 0);
		if (!pid)
			sleep_for_ever();
		report(out, pid);
	}
	_exit(0);
}

struct kid kid_start(void)
{
	int in[2], out[2];
	struct kid k;

	must(!pipe(in) && !pipe(out));
	k.pid = fork();
	must(k.pid >= 0);
	if (!k.pid) {
		close(in[1]);
		close(out[0]);
		kid_main(in[0], out[1]);
	}
	close(in[0]);
	close(out[1]);
	k.tell = in[1];
	k.hear = out[0];
	return k;
}

static pid_t ask(struct kid *k, char what)
{
	pid_t pid;

	must(write(k->tell, &what, 1) == 1);
	must(read(k->hear, &pid, sizeof(pid)) == sizeof(pid));
	return pid;
}

pid_t kid_fork(struct kid *k)
{
	return ask(k, 'f');
}

pid_t kid_orphan(struct kid *k)
{
	return ask(k, 'o');
}

pid_t kid_thread(struct kid *k)
{
	return ask(k, 't');
}

void kid_end(struct kid *k)
{
	kill(k->pid, SIGKILL);
	waitpid(k->pid, NULL, 0);
	close(k->tell);
	close(k->hear);
}

void kid_kill(pid_t pid)
{
	kill(pid, SIGKILL);
}

struct attrs kid_attrs(pid_t tid)
{
	struct attrs a;

	memset(&a, 0, sizeof(a));
	must(!attr_read_all(tid, &a));
	return a;
}

char *dir_make(void)
{
	char *dir = strdup("/tmp/starling-unit-XXXXXX");

	must(dir && mkdtemp(dir));
	return dir;
}

void dir_remove(char *dir)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/journal", dir);
	unlink(path);
	must(!rmdir(dir));
	free(dir);
}

void kid_cap_nice(bool on)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	must(!syscall(SYS_capget, &head, data));
	data[0].effective &= ~CAP_TO_MASK(CAP_SYS_NICE);
	if (on)
		data[0].effective |= CAP_TO_MASK(CAP_SYS_NICE);
	must(!syscall(SYS_capset, &head, data));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unloading: refused while anything is in use, clean afterwards. Last, since
 * the module is loaded anew; STARLING_KO says from where.
 */
#define GROUP "module"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "harness.h"
#include "ring.h"
#include "util.h"

static int load(void)
{
	const char *path = getenv("STARLING_KO");
	int fd, err;

	if (!path)
		SKIP("STARLING_KO is not set");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		FAIL("%s: %s", path, strerror(errno));
	err = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return err;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "starling", O_NONBLOCK) ? -errno : 0;
}

/* What was closed a moment ago may need one. */
static void unload_soon(void)
{
	int err = -EAGAIN;

	for (int i = 0; i < 100 && err == -EAGAIN; i++) {
		err = unload();
		if (err)
			sleep_ms(20);
	}
	EQ(err, 0);
	EQ(access(STARLING_DEVICE, F_OK), -1);
}

static void load_again(void)
{
	EQ(load(), 0);
	close(device());
}

static void needs_module_file(void)
{
	if (!getenv("STARLING_KO"))
		SKIP("STARLING_KO is not set");
}

TEST(refused_while_open)
{
	int dev;

	needs_module_file();
	dev = device();
	EQ(unload(), -EAGAIN);
	close(dev);
	unload_soon();
	load_again();
}

TEST(refused_while_agent)
{
	int fd;

	needs_module_file();
	fd = agent("pins");
	EQ(unload(), -EAGAIN);
	close(fd);
	unload_soon();
	load_again();
}

TEST(refused_while_member)
{
	struct child c;
	int fd;

	needs_module_file();
	fd = agent("pins");
	child_start(&c, NULL);
	EQ(join(fd, c.pid, 0), 0);
	close(fd);
	/* Until the child goes nobody could take its membership away. */
	for (int i = 0; i < 10; i++) {
		EQ(unload(), -EAGAIN);
		sleep_ms(5);
	}
	child_end(&c);
	unload_soon();
	load_again();
}

/* A sub-agent is all there is, then its member in a root without descriptors. */
TEST(refused_while_sub_agent)
{
	struct child c;
	int root, fd;

	needs_module_file();
	child_start(&c, NULL);
	root = agent("root");
	fd = sub_agent(root, "pins");
	GE(fd, 0);
	close(root);
	EQ(unload(), -EAGAIN);
	EQ(join(fd, c.pid, 0), 0);
	close(fd);
	EQ(unload(), -EAGAIN);
	child_end(&c);
	unload_soon();
	load_again();
}

TEST(refused_while_mapped)
{
	void *p;
	int fd;

	needs_module_file();
	fd = agent("pins");
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	close(fd);
	EQ(unload(), -EAGAIN);
	munmap(p, 4096);
	unload_soon();
	load_again();
}

/* All that is left of the agent is a request of a ring. */
TEST(refused_while_request)
{
	struct starling_event_next next = { .size = sizeof(next) };
	struct io_uring_cqe cqe;
	struct ring r;
	int fd;

	needs_module_file();
	fd = agent("pins");
	EQ(ring_open(&r, 4, 0), 0);
	ring_cmd(&r, fd, STARLING_IOC_EVENT_NEXT, &next, 1, 0);
	EQ(ring_wait(&r, &cqe, 20), 0);
	close(fd);
	for (int i = 0; i < 10; i++) {
		EQ(unload(), -EAGAIN);
		sleep_ms(5);
	}
	ring_close(&r);
	/* Before Linux 6.7 it goes when its time is over. */
	for (int i = 0; i < 120 && unload() == -EAGAIN; i++)
		sleep_ms(100);
	EQ(access(STARLING_DEVICE, F_OK), -1);
	load_again();
}

/* Forks and exits all the time while the hooks come and go. */
TEST_TIMED(reload_among_forks, 60)
{
	pid_t pid;

	needs_module_file();
	pid = fork();
	if (!pid) {
		for (;;) {
			if (!fork())
				_exit(0);
			reap(-1);
		}
	}
	for (int i = 0; i < 5; i++) {
		struct child c;
		int fd = agent("reload");

		child_start(&c, NULL);
		EQ(join(fd, c.pid, 0), 0);
		child_end(&c);
		close(fd);
		unload_soon();
		load_again();
	}
	kill(pid, 9);
	reap(pid);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callers of 32 bits: their system calls made by one of 64, whose pointers lie
 * low enough.
 */
#define GROUP "uring"
#ifdef __x86_64__
#include <sys/mman.h>

#include "harness.h"
#include "ring.h"
#include "util.h"

static long call32(long nr, long a, long b, long c, long d, long e)
{
	long ret;

	asm volatile("int $0x80" : "=a"(ret)
		     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

#define IOCTL32		54
#define GETPID32	20
#define ENTER32		426

static void has_32_bits(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(call32(GETPID32, 0, 0, 0, 0, 0) != getpid());
	if (reap(pid))
		SKIP("no 32-bit system calls here");
}

TEST(caller_of_32_bits)
{
	struct starling_event_next *next;
	struct starling_info *info;
	struct starling_list *list;
	struct starling_task_record *rec;
	int fd = agent("32"), dev = device();
	struct io_uring_cqe cqe;
	struct ring r;
	char *low;

	has_32_bits();
	EQ(join(fd, 0, STARLING_TASK_THREAD), 0);
	low = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	CHECK(low != MAP_FAILED);
	info = (void *)low;
	next = (void *)(low + 1024);
	list = (void *)(low + 2048);
	rec = (void *)(low + 4096);
	info->size = sizeof(*info);
	EQ(call32(IOCTL32, dev, STARLING_IOC_GET_INFO, (long)info, 0, 0), 0);
	EQ(info->out_abi_version, STARLING_ABI_VERSION);
	*list = (struct starling_list){
		.size = sizeof(*list), .record_size = sizeof(*rec), .count = 1,
		.records = (uintptr_t)rec,
	};
	EQ(call32(IOCTL32, fd, STARLING_IOC_TASKS, (long)list, 0, 0), 0);
	EQ(rec->tid, gettid_());
	EQ(event_mask(fd, 1U << STARLING_EVENT_ROLE), 0);
	EQ(set_role(fd, 0, STARLING_ROLE_TOOL), 0);
	next->size = sizeof(*next);
	EQ(call32(IOCTL32, fd, STARLING_IOC_EVENT_NEXT, (long)next, 0, 0), 0);
	EQ(next->out_event.tid, gettid_());

	EQ(ring_open(&r, 8, 0), 0);
	info->out_abi_version = 0;
	ring_cmd(&r, dev, STARLING_IOC_GET_INFO, info, 1, 0);
	__atomic_add_fetch((unsigned int *)(r.rings + r.p.sq_off.tail), 1, __ATOMIC_SEQ_CST);
	r.queued = 0;
	EQ(call32(ENTER32, r.fd, 1, 1, IORING_ENTER_GETEVENTS, 0), 1);
	EQ(ring_wait(&r, &cqe, 10000), 1);
	EQ(cqe.res, 0);
	EQ(info->out_abi_version, STARLING_ABI_VERSION);
}
#endif

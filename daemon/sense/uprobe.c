// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/uprobe.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The part of union bpf_attr for BPF_LINK_CREATE of uprobes. Headers and libbpf
 * of Debian 12 are older than it; the layout is the kernel's ABI.
 */
struct link_create_attr {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t cnt;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t __pad;
};

enum { ATTACH_UPROBE_MULTI = 48, MULTI_RETURN = 1 };

int uprobe_link(int prog, int fd, const uint64_t *offset, const uint64_t *cookie,
		unsigned int n, bool returns)
{
	struct link_create_attr attr = {
		.prog_fd = prog,
		.attach_type = ATTACH_UPROBE_MULTI,
		.offsets = (uintptr_t)offset,
		.cookies = (uintptr_t)cookie,
		.cnt = n,
		.multi_flags = returns ? MULTI_RETURN : 0,
	};
	char path[32];
	int link;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	attr.path = (uintptr_t)path;
	link = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	return link < 0 ? -errno : link;
}

/* An offset beyond the end of a file is refused by those that know links. */
bool uprobe_usable(int prog)
{
	const uint64_t offset = 1ULL << 40, cookie = 0;
	int fd = uprobe_link(prog, -1, &offset, &cookie, 1, false);

	if (fd >= 0)
		close(fd);
	return fd == -ENOENT || fd == -EBADF || fd >= 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Features are asked for, not concluded from a version, wherever a question
 * can be asked without a privilege: the kernel's BTF names what it has. Only
 * where BPF is refused to this user must "can" and "may" stay apart.
 */
#include "tools/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define VMLINUX_BTF "/sys/kernel/btf/vmlinux"
#define SCHED_EXT "/sys/kernel/sched_ext"

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static bool exists(const char *path)
{
	return !access(path, F_OK);
}

static bool read_line(const char *path, char *buf, size_t len)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(buf, len, f);

	if (f)
		fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = '\0';
	return ok;
}

/* Does the kernel's own type information name @symbol? */
static bool btf_names(const char *symbol)
{
	size_t len = strlen(symbol) + 2, room = 0, n = 0;
	int fd = open(VMLINUX_BTF, O_RDONLY | O_CLOEXEC);
	char *data = NULL, key[64] = "";
	struct stat st;
	ssize_t got;
	bool found = false;

	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && st.st_size > 0)
		data = malloc(room = st.st_size);
	while (data && n < room && (got = read(fd, data + n, room - n)) > 0)
		n += got;
	snprintf(key + 1, sizeof(key) - 1, "%s", symbol);
	if (data)
		found = memmem(data, n, key, len);
	free(data);
	close(fd);
	return found;
}

void check_kernel(struct check_result *r)
{
	struct utsname u;
	int major = 0, minor = 0;

	uname(&u);
	sscanf(u.release, "%d.%d", &major, &minor);
	if (major > 6 || (major == 6 && minor >= 1))
		check_say(r, CHECK_OK, NULL, "%s %s", u.release, u.machine);
	else
		check_say(r, CHECK_WARN, "use Linux 6.1 or later",
			  "%s is older than what Starling is tested on", u.release);
}

void check_btf(struct check_result *r)
{
	if (!access(VMLINUX_BTF, R_OK))
		check_say(r, CHECK_OK, NULL, "%s", VMLINUX_BTF);
	else
		check_say(r, CHECK_NO, "use a kernel built with CONFIG_DEBUG_INFO_BTF=y",
			  "no %s: BPF probes cannot be loaded", VMLINUX_BTF);
}

/* The smallest tracing program there is: "return 0". */
static int load_nothing(void)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
		.insn_cnt = 2,
		.insns = (__u64)(unsigned long)insns,
		.license = (__u64)(unsigned long)"GPL",
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

void check_bpf(struct check_result *r)
{
	int err = load_nothing();

	if (!err)
		check_say(r, CHECK_OK, NULL, "tracing programs can be loaded");
	else if (err == -EPERM || err == -EACCES)
		check_say(r, CHECK_NO, "run starlingd as root, or give it CAP_BPF and CAP_PERFMON",
			  "not permitted to this user");
	else
		check_say(r, CHECK_NO, "use a kernel built with CONFIG_BPF_SYSCALL=y",
			  "%s", strerror(-err));
}

static void check_symbol(struct check_result *r, const char *symbol,
			 const char *what, const char *remedy)
{
	if (btf_names(symbol))
		check_say(r, CHECK_OK, NULL, "%s", what);
	else
		check_say(r, CHECK_NO, remedy, "the kernel does not have it");
}

void check_task_storage(struct check_result *r)
{
	check_symbol(r, "bpf_task_storage_get",
		     "members are followed at fork in the kernel",
		     "use Linux 6.1 or later with BTF");
}

void check_task_iter(struct check_result *r)
{
	check_symbol(r, "bpf_iter_task", "counters are read from the kernel's own accounting",
		     "use Linux 6.1 or later with BTF");
}

void check_uprobes(struct check_result *r)
{
	if (exists("/sys/bus/event_source/devices/uprobe/type"))
		check_say(r, CHECK_OK, NULL, "waits in a GPU library can be seen");
	else
		check_say(r, CHECK_NO, "use a kernel built with CONFIG_UPROBE_EVENTS=y",
			  "GPU threads cannot be found");
}

/* Whether it would be taken is known when it is: by the daemon, which may be of another build. */
void check_sched_ext(struct check_result *r)
{
	char state[32] = "", name[64] = "without a name";

	if (!exists(SCHED_EXT)) {
		check_say(r, CHECK_OK, NULL, "not in this kernel; not needed");
		return;
	}
	read_line(SCHED_EXT "/state", state, sizeof(state));
	read_line(SCHED_EXT "/root/ops", name, sizeof(name));
	if (!state[0] || !strcmp(state, "disabled"))
		check_say(r, CHECK_OK, NULL, "in this kernel: starlingd takes it if it was built "
			  "for that and the kernel loads it");
	else if (!strcmp(name, "starling"))
		check_say(r, CHECK_OK, NULL, "in this kernel, and scheduler starling is loaded");
	else
		check_say(r, CHECK_WARN, "stop that scheduler if starlingd is to schedule",
			  "in this kernel, but scheduler %s is loaded", name);
}

void check_uclamp(struct check_result *r)
{
	if (exists("/proc/sys/kernel/sched_util_clamp_min"))
		check_say(r, CHECK_OK, NULL, "in this kernel");
	else
		check_say(r, CHECK_OK, NULL, "not in this kernel; not needed");
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += len)
		if ((at == text || at[-1] == ' ') && (!at[len] || at[len] == ' '))
			return true;
	return false;
}

void check_cgroup(struct check_result *r)
{
	char have[256];

	if (!read_line("/sys/fs/cgroup/cgroup.controllers", have, sizeof(have))) {
		if (exists("/sys/fs/cgroup/cpu") || exists("/sys/fs/cgroup/unified"))
			check_say(r, CHECK_WARN, "boot with systemd.unified_cgroup_hierarchy=1",
				  "version 1 only: tasks are placed one by one");
		else
			check_say(r, CHECK_WARN, "mount cgroup2 on /sys/fs/cgroup",
				  "not mounted: tasks are placed one by one");
		return;
	}
	if (has_word(have, "cpu") && has_word(have, "cpuset"))
		check_say(r, CHECK_OK, NULL, "version 2 with cpu and cpuset");
	else
		check_say(r, CHECK_WARN, "delegate cpu and cpuset to this cgroup namespace",
			  "version 2 without %s", has_word(have, "cpu") ? "cpuset" : "cpu");
}

void check_sys_nice(struct check_result *r)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	syscall(SYS_capget, &head, data);
	if (data[0].effective & (1U << CAP_SYS_NICE))
		check_say(r, CHECK_OK, NULL, "all tasks can be placed");
	else
		check_say(r, CHECK_NO, "run starlingd as root, or give it CAP_SYS_NICE",
			  "only this user's tasks can be placed, and priorities not raised");
}

/* Feeders that sleep while they wait get the lowest real-time priority. */
void check_real_time(struct check_result *r)
{
	char word[32];
	long us;

	if (!read_line("/proc/sys/kernel/sched_rt_runtime_us", word, sizeof(word))) {
		check_say(r, CHECK_WARN, "mount /proc", "its limit cannot be read");
		return;
	}
	us = strtol(word, NULL, 10);
	if (!us)
		check_say(r, CHECK_WARN, "sysctl kernel.sched_rt_runtime_us=950000",
			  "switched off: feeders that block get a nice value alone");
	else if (us < 0)
		check_say(r, CHECK_OK, NULL, "for feeders that block, without a limit");
	else
		check_say(r, CHECK_OK, NULL, "for feeders that block, at most %ld ms at a stretch",
			  us / 1000);
}

void check_autogroup(struct check_result *r)
{
	char word[32];

	if (!read_line("/proc/sys/kernel/sched_autogroup_enabled", word, sizeof(word)) ||
	    word[0] == '0')
		check_say(r, CHECK_OK, NULL, "off: nice values count between sessions");
	else
		check_say(r, CHECK_WARN, "sysctl kernel.sched_autogroup_enabled=0",
			  "on: sessions in the root cgroup share the CPU before nice values count");
}

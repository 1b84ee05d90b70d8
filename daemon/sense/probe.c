// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "daemon/sense/array.h"
#include "daemon/sense/kallsyms.h"
#include "daemon/sense/sense.h"
#include "daemon/sense/window.h"
#include "bpf/probe.skel.h"

/* linux/bpf.h of Debian 12 does not have it yet. */
#define ATTACH_UPROBE_MULTI	((enum bpf_attach_type)48)

enum { RECORDS_MAX = 65536, READ_BYTES = 64 * 1024, MODULE_PROGS = 3 };

struct probe {
	struct probe_bpf *skel;
	struct ring_buffer *ring;
	struct bpf_link *iter;
	struct bpf_link *control;	/* where `control` cannot be called */
	struct bpf_link *mappings;
	struct bpf_link *opens;
	struct bpf_link *wakes;
	struct bpf_link *module[MODULE_PROGS];
	uint64_t missed;	/* forks, at the last read */
	probe_event_fn fn;
	void *ctx;
	probe_wait_fn wait_fn;
	void *wait_ctx;
	struct array records;
	struct array edges;
	struct array agents;
};

static int print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (!getenv("STARLING_PROBE_DEBUG") || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, fmt, ap);
}

static int on_ring(void *ctx, void *data, size_t size)
{
	struct probe *p = ctx;

	if (size >= sizeof(struct probe_event))
		p->fn(p->ctx, data);
	return 0;
}

static int on_wait(void *ctx, void *data, size_t size)
{
	struct probe *p = ctx;

	if (p->wait_fn && size >= sizeof(struct probe_wait))
		p->wait_fn(p->wait_ctx, data);
	return 0;
}

/* Attach or detach; nothing to do is no error. */
static int toggle(struct bpf_link **link, struct bpf_program *prog, bool on)
{
	if (!on) {
		bpf_link__destroy(*link);
		*link = NULL;
		return 0;
	}
	if (*link)
		return 0;
	if (bpf_program__fd(prog) < 0)
		return -ENOENT;
	*link = bpf_program__attach(prog);
	return *link ? 0 : -errno;
}

/* -- load ------------------------------------------------------------------ */

/*
 * Whether functions can be traced is not only a question of the kernel's
 * configuration; some hypervisors' guests refuse. So try.
 */
static bool can_trace(const struct btf *btf, const char *function)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		.expected_attach_type = BPF_TRACE_FENTRY,
	);
	int id = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC), fd;

	if (id <= 0)
		return false;
	opts.attach_btf_id = id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "starling_try", "GPL", insns, 2, &opts);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* Whether programs can read the per-CPU preemption counter. */
static bool can_count_preempt(const struct btf *btf)
{
#if defined(__x86_64__)
	struct bpf_insn insns[] = {
		{ .code = BPF_LD | BPF_IMM | BPF_DW, .src_reg = BPF_PSEUDO_BTF_ID },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int id = btf__find_by_name_kind(btf, "__preempt_count", BTF_KIND_VAR), fd;

	if (id <= 0)
		id = btf__find_by_name_kind(btf, "pcpu_hot", BTF_KIND_VAR);
	if (id <= 0)
		return false;
	insns[0].imm = id;
	fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "starling_try", "GPL",
			   insns, 4, NULL);
	if (fd < 0)
		return false;
	close(fd);
	return true;
#else
	(void)btf;
	return true;
#endif
}

static void driver_progs(const struct probe_bpf *skel, struct bpf_program **prog)
{
	prog[PROBE_DRIVER_OPEN] = skel->progs.on_driver_open;
	prog[PROBE_DRIVER_MMAP] = skel->progs.on_driver_mmap;
	prog[PROBE_DRIVER_IOCTL] = skel->progs.on_driver_ioctl;
	prog[PROBE_DRIVER_IOCTL_RETURN] = skel->progs.on_driver_ioctl_return;
	prog[PROBE_DRIVER_POLL] = skel->progs.on_driver_poll;
	prog[PROBE_DRIVER_POLL_RETURN] = skel->progs.on_driver_poll_return;
}

static bool has_event(const struct btf *btf, const char *name)
{
	return btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF) > 0;
}

static bool has_kprobes(void)
{
	return !access("/sys/bus/event_source/devices/kprobe/type", F_OK);
}

/* Without kprobes neither programs nor room for what they count. */
static void choose_driver(struct probe_bpf *skel)
{
	struct bpf_program *prog[__PROBE_DRIVER_MAX];
	bool usable = has_kprobes();

	driver_progs(skel, prog);
	for (int i = 0; i < __PROBE_DRIVER_MAX; i++) {
		bpf_program__set_autoload(prog[i], usable);
		bpf_program__set_autoattach(prog[i], false);
	}
	if (!usable)
		bpf_map__set_max_entries(skel->maps.driver_threads, 1);
}

/* What a kernel need not have. */
static void choose_optional(struct probe_bpf *skel, const struct btf *btf)
{
	bool by_pid = btf__find_by_name_kind(btf, "bpf_task_from_pid", BTF_KIND_FUNC) > 0;
	bool mmap = can_trace(btf, "perf_event_mmap");
	bool exact = can_count_preempt(btf);

	bpf_program__set_autoload(skel->progs.control, by_pid);
	bpf_program__set_autoload(skel->progs.control_one, !by_pid);
	bpf_program__set_autoload(skel->progs.on_mmap, mmap);
	bpf_program__set_autoload(skel->progs.on_read, !mmap &&
				  has_event(btf, "btf_trace_mm_filemap_get_pages"));
	bpf_program__set_autoload(skel->progs.on_chrdev_open,
				  can_trace(btf, "chrdev_open"));
	bpf_program__set_autoload(skel->progs.on_waking, exact);
	bpf_program__set_autoload(skel->progs.on_waking_regs, !exact);
	bpf_program__set_autoload(skel->progs.on_syscall,
				  has_event(btf, "btf_trace_sys_enter"));
}

static void choose_attach(struct probe_bpf *skel)
{
	struct bpf_program *multi[] = {
		skel->progs.on_call, skel->progs.on_launch,
		skel->progs.on_wait_return,
	};
	struct bpf_program *later[] = {
		skel->progs.on_waking, skel->progs.on_waking_regs,
		skel->progs.on_syscall, skel->progs.records,
		skel->progs.on_module_join, skel->progs.on_module_leave,
		skel->progs.on_module_role, skel->progs.control,
		skel->progs.on_mmap, skel->progs.on_read,
		skel->progs.on_chrdev_open, skel->progs.control_one,
	};

	for (size_t i = 0; i < sizeof(multi) / sizeof(multi[0]); i++) {
		bpf_program__set_expected_attach_type(multi[i], ATTACH_UPROBE_MULTI);
		bpf_program__set_autoattach(multi[i], false);
	}
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		bpf_program__set_autoattach(later[i], false);
}

static uint32_t char_major(const char *name)
{
	FILE *f = fopen("/proc/devices", "re");
	char line[80], dev[64];
	uint32_t major, found = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Block", 5))
			break;
		if (sscanf(line, "%u %63s", &major, dev) == 2 && !strcmp(dev, name))
			found = major;
	}
	if (f)
		fclose(f);
	return found;
}

/* Stable kernels got the remedy in spring 2025; others' numbers say nothing. */
static bool returns_usable(void)
{
	unsigned int major = 0, minor = 0, patch = 0;
	struct utsname u;

	if (getenv("STARLING_NO_RETURN_PROBES"))
		return false;
	if (uname(&u) || strcmp(u.machine, "x86_64") ||
	    sscanf(u.release, "%u.%u.%u", &major, &minor, &patch) < 2)
		return true;
	if (major != 6 || minor < 11 || minor > 13)
		return true;
	return (minor == 12 && patch >= 20) || (minor == 13 && patch >= 10);
}

static int load(struct probe *p, const struct btf *btf)
{
	int err;

	p->skel = probe_bpf__open();
	if (!p->skel)
		return -errno;
	choose_optional(p->skel, btf);
	choose_driver(p->skel);
	choose_attach(p->skel);
	p->skel->bss->uvm_major = char_major("nvidia-uvm");
	p->skel->bss->returns_probed = returns_usable();
	kallsyms_irq_entries((uint64_t (*)[2])p->skel->bss->irq_entry, PROBE_IRQ_RANGES);
	err = probe_bpf__load(p->skel);
	if (!err)
		err = probe_bpf__attach(p->skel);
	if (err) {
		probe_bpf__destroy(p->skel);
		p->skel = NULL;
	}
	return err;
}

static const char *reason(int err)
{
	switch (-err) {
	case EPERM:
	case EACCES:
		return "no CAP_BPF: GPU threads, wakes and fork lineage are not seen,"
			" only processes registered by hand; run as root";
	case ENOENT:
	case ESRCH:
		return "no BTF: this kernel has no /sys/kernel/btf/vmlinux, so GPU threads"
			" are not seen, only processes registered by hand; use a kernel"
			" with CONFIG_DEBUG_INFO_BTF";
	case ENOSYS:
		return "no BPF: this kernel was built without it, so GPU threads are not"
			" seen, only processes registered by hand";
	default:
		return "BPF probes did not load, so GPU threads are not seen, only"
			" processes registered by hand; STARLING_PROBE_DEBUG=1 says why";
	}
}

/* BPF first: without the right to use it, a missing BTF is not the point. */
static int may_load(void)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "starling_try", 4, 4, 1, NULL);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int load_any(struct probe *p)
{
	struct btf *btf;
	int err = may_load();

	if (err)
		return err;
	btf = btf__load_vmlinux_btf();
	if (!btf)
		return -ENOENT;
	err = load(p, btf);
	btf__free(btf);
	/* the kernel's types took tens of megabytes for a moment */
	malloc_trim(0);
	return err;
}

static int open_readers(struct probe *p)
{
	p->ring = ring_buffer__new(bpf_map__fd(p->skel->maps.events), on_ring, p, NULL);
	if (!p->ring || ring_buffer__add(p->ring, bpf_map__fd(p->skel->maps.waits), on_wait, p))
		return -errno;
	p->iter = bpf_program__attach_iter(p->skel->progs.records, NULL);
	if (!p->iter)
		return -errno;
	if (bpf_program__fd(p->skel->progs.control) < 0)
		p->control = bpf_program__attach_iter(p->skel->progs.control_one, NULL);
	/* that these fail to attach is no reason to do without the others */
	toggle(&p->mappings, p->skel->progs.on_mmap, true);
	if (!p->mappings)
		toggle(&p->mappings, p->skel->progs.on_read, true);
	toggle(&p->opens, p->skel->progs.on_chrdev_open, true);
	return 0;
}

int probe_open(struct probe **out, probe_event_fn fn, void *ctx,
	       const char **missing)
{
	struct probe *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->fn = fn;
	p->ctx = ctx;
	libbpf_set_print(print);
	err = load_any(p);
	if (!err)
		err = open_readers(p);
	if (err) {
		*missing = reason(err);
		probe_close(p);
		return err;
	}
	*out = p;
	return 0;
}

void probe_close(struct probe *p)
{
	if (!p)
		return;
	for (int i = 0; i < MODULE_PROGS; i++)
		bpf_link__destroy(p->module[i]);
	bpf_link__destroy(p->wakes);
	bpf_link__destroy(p->opens);
	bpf_link__destroy(p->mappings);
	bpf_link__destroy(p->control);
	bpf_link__destroy(p->iter);
	ring_buffer__free(p->ring);
	if (p->skel)
		probe_bpf__destroy(p->skel);
	array_free(&p->records);
	array_free(&p->edges);
	array_free(&p->agents);
	free(p);
}

/* -- events ---------------------------------------------------------------- */

int probe_fd(const struct probe *p)
{
	return ring_buffer__epoll_fd(p->ring);
}

int probe_dispatch(struct probe *p)
{
	int n = ring_buffer__consume(p->ring);

	return n < 0 ? n : 0;
}

void probe_waits(struct probe *p, probe_wait_fn fn, void *ctx)
{
	p->wait_fn = fn;
	p->wait_ctx = ctx;
	p->skel->bss->waits_wanted = fn;
}

void probe_execs_awaited(struct probe *p, bool on)
{
	p->skel->bss->execs_awaited = on;
}

uint64_t probe_waits_lost(const struct probe *p)
{
	return p->skel->bss->dropped[PROBE_DROP_WAIT];
}

/* How often the kernel passed over a program because it ran already. */
static uint64_t passed_over(const struct bpf_program *prog)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
		return 0;
	return info.recursion_misses;
}

/* Of two programs that do the same: what both may have missed, at most. */
static uint64_t missed(const struct bpf_program *a, const struct bpf_program *b)
{
	uint64_t x = passed_over(a), y = x ? passed_over(b) : 0;

	return x < y ? x : y;
}

static uint64_t missed_forks(const struct probe *p)
{
	return missed(p->skel->progs.on_fork, p->skel->progs.on_fork_again);
}

uint64_t probe_dropped(const struct probe *p)
{
	uint64_t sum = missed_forks(p) +
		missed(p->skel->progs.on_exec, p->skel->progs.on_exec_again) +
		missed(p->skel->progs.on_exit, p->skel->progs.on_exit_again);

	for (int i = 0; i < PROBE_DROP_WAIT; i++)
		sum += p->skel->bss->dropped[i];
	return sum;
}

/* Children that were missed are looked for, once, among all tasks. */
static void choose_adopt(struct probe *p)
{
	uint64_t missed = missed_forks(p);

	p->skel->bss->adopt = p->skel->bss->adopt_wanted || missed != p->missed;
	p->skel->bss->adopt_wanted = false;
	p->missed = missed;
}

/* -- reading --------------------------------------------------------------- */

int probe_records(struct probe *p, struct starling_task_record **rec, size_t *n)
{
	const size_t size = sizeof(struct starling_task_record);
	size_t have = 0;
	ssize_t got = 0;
	int fd, err = 0;

	choose_adopt(p);
	fd = bpf_iter_create(bpf_link__fd(p->iter));
	if (fd < 0)
		return -errno;
	do {
		have += got;
		err = array_reserve(&p->records, have + READ_BYTES);
		if (err || have / size >= RECORDS_MAX)
			break;
		got = read(fd, (char *)p->records.data + have,
			   p->records.bytes - have);
	} while (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN) && !(got = 0)));
	if (!err && got < 0)
		err = -errno;
	close(fd);
	*rec = p->records.data;
	*n = have / size;
	return err;
}

/* Those without a count were wakes by interrupts only. */
static size_t edges_add(struct sense_edge *to, size_t n, const struct probe_edge_key *key,
			const struct probe_edge *val, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!val[i].count)
			continue;
		to[n++] = (struct sense_edge){
			.waker = key[i].waker,
			.waker_tgid = val[i].waker_tgid,
			.wakee = key[i].wakee,
			.wakee_tgid = val[i].wakee_tgid,
			.count = val[i].count,
		};
	}
	return n;
}

/* One batch of keys and values at a time; entries are taken out. */
int probe_edges(struct probe *p, const struct sense_edge **edge, size_t *n)
{
	enum { BATCH = 256 };
	static struct probe_edge_key key[BATCH];
	static struct probe_edge val[BATCH];
	int fd = bpf_map__fd(p->skel->maps.edges), err = 0;
	uint32_t count, at;
	void *in = NULL;
	size_t have = 0;

	do {
		count = BATCH;
		err = bpf_map_lookup_and_delete_batch(fd, in, &at, key, val, &count, NULL);
		if (err && errno != ENOENT)
			break;
		if (array_reserve(&p->edges, (have + count) * sizeof(**edge)))
			return -ENOMEM;
		have = edges_add(p->edges.data, have, key, val, count);
		in = &at;
	} while (!err && have < PROBE_EDGES_MAX);
	*edge = p->edges.data;
	*n = have;
	return err && errno != ENOENT ? -errno : 0;
}

/* Agents whose tasks are gone stay until their room is needed. */
static void agents_clean(int fd, const struct sense_agent *agent, size_t n)
{
	if (n < PROBE_AGENTS_MAX / 4 * 3)
		return;
	for (size_t i = 0; i < n; i++)
		if (!agent[i].tasks)
			bpf_map_delete_elem(fd, &agent[i].id);
}

int probe_agents(struct probe *p, const struct sense_agent **agent, size_t *n)
{
	int fd = bpf_map__fd(p->skel->maps.agents);
	struct sense_agent *out;
	struct probe_agent val;
	uint64_t id, *prev = NULL;
	size_t have = 0;

	while (have < PROBE_AGENTS_MAX && !bpf_map_get_next_key(fd, prev, &id)) {
		prev = &id;
		if (bpf_map_lookup_elem(fd, &id, &val))
			continue;
		if (array_reserve(&p->agents, (have + 1) * sizeof(*out)))
			return -ENOMEM;
		out = p->agents.data;
		memset(&out[have], 0, sizeof(*out));
		out[have].id = id;
		out[have].run_ns = val.run_ns;
		out[have].wait_ns = val.wait_ns;
		out[have].gpu_wait_ns = val.gpu_wait_ns;
		out[have].forks = val.forks;
		out[have].exits = val.exits;
		out[have].tasks = val.tasks > 0 ? val.tasks : 0;
		have++;
	}
	agents_clean(fd, p->agents.data, have);
	*agent = p->agents.data;
	*n = have;
	return 0;
}

/* -- telling --------------------------------------------------------------- */

/* Before 6.2 one task is looked for among all; nothing is read. */
static int control_among_all(struct probe *p, const struct probe_control *c)
{
	int fd = p->control ? bpf_iter_create(bpf_link__fd(p->control)) : -1;
	char end;

	if (fd < 0)
		return -ENOSYS;
	p->skel->bss->control_wanted = *c;
	p->skel->bss->control_result = -ESRCH;
	while (read(fd, &end, 1) < 0 && (errno == EINTR || errno == EAGAIN))
		;
	close(fd);
	return p->skel->bss->control_result;
}

int probe_control(struct probe *p, struct probe_control *c)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts,
		.ctx_in = c,
		.ctx_size_in = sizeof(*c),
	);

	if (bpf_program__fd(p->skel->progs.control) < 0)
		return control_among_all(p, c);
	if (bpf_prog_test_run_opts(bpf_program__fd(p->skel->progs.control), &opts))
		return -errno;
	return (int)opts.retval;
}

int probe_wakes(struct probe *p, bool on)
{
	struct bpf_program *prog = p->skel->progs.on_waking;

	if (bpf_program__fd(prog) < 0)
		prog = p->skel->progs.on_waking_regs;
	return toggle(&p->wakes, prog, on);
}

int probe_module(struct probe *p)
{
	struct bpf_program *prog[MODULE_PROGS] = {
		p->skel->progs.on_module_join, p->skel->progs.on_module_leave,
		p->skel->progs.on_module_role,
	};
	int err = 0;

	for (int i = 0; !err && i < MODULE_PROGS; i++)
		err = toggle(&p->module[i], prog[i], true);
	return err;
}

/* -- for the library's probes ---------------------------------------------- */

int probe_gpu_prog(const struct probe *p, enum probe_gpu_prog which)
{
	switch (which) {
	case PROBE_PROG_CALL:
		return bpf_program__fd(p->skel->progs.on_call);
	case PROBE_PROG_LAUNCH:
		return bpf_program__fd(p->skel->progs.on_launch);
	default:
		return bpf_program__fd(p->skel->progs.on_wait_return);
	}
}

bool probe_returns_usable(const struct probe *p)
{
	return p->skel->bss->returns_probed;
}

bool probe_sees_mappings(const struct probe *p)
{
	return p->mappings;
}

bool probe_sees_opens(const struct probe *p)
{
	return p->opens;
}

bool probe_opener_new(struct probe *p, uint32_t tgid)
{
	uint8_t one = 1;

	return !bpf_map_update_elem(bpf_map__fd(p->skel->maps.openers), &tgid, &one,
				    BPF_NOEXIST);
}

void probe_lib_known(struct probe *p, uint64_t dev, uint64_t ino, bool known)
{
	struct probe_lib key = { .dev = dev, .ino = ino };
	int fd = bpf_map__fd(p->skel->maps.libs);
	uint32_t nobody = 0;

	if (known)
		bpf_map_update_elem(fd, &key, &nobody, BPF_ANY);
	else
		bpf_map_delete_elem(fd, &key);
}

bool probe_lib_is_known(const struct probe *p, uint64_t dev, uint64_t ino)
{
	struct probe_lib key = { .dev = dev, .ino = ino };
	uint32_t last;

	return !bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.libs), &key, &last) && !last;
}

void probe_gpu_seen(struct probe *p, bool seen)
{
	p->skel->bss->gpu_probed = seen;
}

void probe_window(const struct probe *p, struct window_setup *setup)
{
	*setup = (struct window_setup){
		.syscalls = bpf_program__fd(p->skel->progs.on_syscall),
		.yields_on = &p->skel->bss->yields_probed,
		.launches_on = &p->skel->bss->launches_probed,
	};
}

/* -- for the driver's probes ----------------------------------------------- */

void probe_driver(const struct probe *p, struct probe_driver *out)
{
	driver_progs(p->skel, out->prog);
	out->usable = bpf_program__fd(out->prog[PROBE_DRIVER_OPEN]) >= 0;
	out->threads = bpf_map__fd(p->skel->maps.driver_threads);
	out->in = &p->skel->bss->driver_in;
	out->out = &p->skel->bss->driver_out;
}

// SPDX-License-Identifier: GPL-2.0-only
#include "daemon/sense/driver.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "daemon/sense/probe.h"

/* A module that is there may not be ready yet; then what it lacks it will not get. */
enum { TRIES = 8 };

/* Later ones need the first: where that is not, they are not looked for. */
enum { NVIDIA, UVM, MODULES };

static const char *const module_path[MODULES] = {
	[NVIDIA] = "/sys/module/nvidia",
	[UVM] = "/sys/module/nvidia_uvm",
};

#define NO_RETURN __PROBE_DRIVER_MAX

/* Entries of the modules' file operations: these names have been so for ten years. */
static const struct function {
	const char *name;
	int module;
	enum probe_driver_prog entry;
	enum probe_driver_prog returns;
} functions[] = {
	{ "nvidia_open", NVIDIA, PROBE_DRIVER_OPEN, NO_RETURN },
	{ "nvidia_mmap", NVIDIA, PROBE_DRIVER_MMAP, NO_RETURN },
	{ "nvidia_unlocked_ioctl", NVIDIA, PROBE_DRIVER_IOCTL, PROBE_DRIVER_IOCTL_RETURN },
	{ "nvidia_poll", NVIDIA, PROBE_DRIVER_POLL, PROBE_DRIVER_POLL_RETURN },
	{ "uvm_open_entry", UVM, PROBE_DRIVER_OPEN, NO_RETURN },
	{ "uvm_mmap_entry", UVM, PROBE_DRIVER_MMAP, NO_RETURN },
	{ "uvm_unlocked_ioctl_entry", UVM, PROBE_DRIVER_IOCTL, PROBE_DRIVER_IOCTL_RETURN },
};

#define NFUNCTIONS (sizeof(functions) / sizeof(functions[0]))

struct driver {
	struct probe_driver probe;
	struct {
		uint64_t id;		/* of what is loaded; 0: nothing */
		unsigned int tries;	/* left for functions without a probe */
	} module[MODULES];
	struct {
		struct bpf_link *entry;
		struct bpf_link *returns;
		int err;		/* of the last try */
	} at[NFUNCTIONS];
};

/* -- one function ------------------------------------------------------------ */

static void detach(struct driver *d, size_t i)
{
	bpf_link__destroy(d->at[i].entry);
	bpf_link__destroy(d->at[i].returns);
	d->at[i].entry = d->at[i].returns = NULL;
	d->at[i].err = 0;
}

static int attach_one(const struct driver *d, enum probe_driver_prog prog, const char *name,
		      bool returns, struct bpf_link **link)
{
	*link = bpf_program__attach_kprobe(d->probe.prog[prog], returns, name);
	return *link ? 0 : -errno;
}

/* The return first: what is seen to begin is seen to end. */
static void attach(struct driver *d, size_t i)
{
	const struct function *f = &functions[i];
	int err = 0;

	if (f->returns != NO_RETURN)
		err = attach_one(d, f->returns, f->name, true, &d->at[i].returns);
	if (!err)
		err = attach_one(d, f->entry, f->name, false, &d->at[i].entry);
	if (err)
		detach(d, i);
	d->at[i].err = err;
}

/* -- modules ------------------------------------------------------------------ */

/* Another one each time that it is loaded; 0: it is not. */
static uint64_t module_id(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

static void module_detach(struct driver *d, int module)
{
	for (size_t i = 0; i < NFUNCTIONS; i++)
		if (functions[i].module == module)
			detach(d, i);
}

/* False: nothing is left to be tried. */
static bool module_attach(struct driver *d, int module)
{
	bool left = false;

	for (size_t i = 0; i < NFUNCTIONS; i++) {
		if (functions[i].module != module || d->at[i].entry)
			continue;
		attach(d, i);
		left |= d->at[i].err != 0;
	}
	return left;
}

/* The probes of a module that is gone are dead, and have to be taken out. */
static void module_tick(struct driver *d, int module)
{
	uint64_t id = module == NVIDIA || d->module[NVIDIA].id ?
		module_id(module_path[module]) : 0;

	if (id != d->module[module].id) {
		module_detach(d, module);
		d->module[module].id = id;
		d->module[module].tries = id ? TRIES : 0;
	}
	if (!d->module[module].tries)
		return;
	d->module[module].tries--;
	if (!module_attach(d, module))
		d->module[module].tries = 0;
}

void driver_tick(struct driver *d)
{
	if (!d->probe.usable)
		return;
	for (int m = 0; m < MODULES; m++)
		module_tick(d, m);
}

int driver_open(struct driver **out, const struct probe *p)
{
	struct driver *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	probe_driver(p, &d->probe);
	driver_tick(d);
	*out = d;
	return 0;
}

void driver_close(struct driver *d)
{
	if (!d)
		return;
	for (int m = 0; m < MODULES; m++)
		module_detach(d, m);
	free(d);
}

/* -- what is told of them ------------------------------------------------------ */

static const char *why_not(const struct driver *d, size_t i)
{
	if (!d->probe.usable)
		return "this kernel has no kprobes";
	if (!d->module[functions[i].module].id)
		return "its module is not loaded";
	if (d->at[i].err == -ENOENT)
		return "its module has no such function";
	return d->at[i].err ? strerror(-d->at[i].err) : NULL;
}

bool driver_usable(const struct driver *d)
{
	return d->probe.usable;
}

bool driver_probe(const struct driver *d, unsigned int i, struct driver_probe *out)
{
	if (i >= NFUNCTIONS)
		return false;
	out->function = functions[i].name;
	out->why = why_not(d, i);
	return true;
}

const char *driver_why(const struct driver *d)
{
	if (!d->probe.usable)
		return "this kernel has no kprobes";
	if (!d->module[NVIDIA].id)
		return "NVIDIA's driver is not loaded";
	for (size_t i = 0; i < NFUNCTIONS; i++)
		if (d->at[i].entry)
			return NULL;
	return "no function of NVIDIA's driver can be probed";
}

static bool lives(const struct driver_thread *t)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task/%u", t->did.tgid, t->tid);
	return !access(path, F_OK);
}

/* Those whose exit was missed, as they ended while another one's was looked at. */
static void forget(const struct driver *d, uint32_t tid)
{
	if (!bpf_map_delete_elem(d->probe.threads, &tid))
		__atomic_add_fetch(d->probe.out, 1, __ATOMIC_RELAXED);
}

bool driver_find(const struct driver *d, uint32_t tid, struct driver_thread *out)
{
	out->tid = tid;
	return !bpf_map_lookup_elem(d->probe.threads, &tid, &out->did) && lives(out);
}

/* The next one is asked for first, as this one may be taken out. */
size_t driver_threads(const struct driver *d, struct driver_thread *out, uint64_t *forgotten)
{
	int fd = d->probe.threads;
	uint32_t tid, next;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);
	uint64_t gone;
	size_t n = 0;

	/* where entries come and go the kernel may begin anew */
	for (int i = 0; more && i < PROBE_DRIVER_THREADS_MAX; i++) {
		tid = next;
		more = !bpf_map_get_next_key(fd, &tid, &next);
		if (driver_find(d, tid, &out[n]))
			n++;
		else
			forget(d, tid);
	}
	gone = *d->probe.out + n;
	*forgotten = *d->probe.in > gone ? *d->probe.in - gone : 0;
	return n;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine's CPUs: which there are, how fast, what they share.
 *
 * Kinds come from the core's identity (MIDR, Intel's core and atom lists)
 * where there is one. Distinct capacities are no kinds: a GB10 has five of
 * them and two kinds, since boost bins differ within a kind.
 */
#include "daemon/topology.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/topology-layout.h"

#define CPU_DIR "/sys/devices/system/cpu"

enum {
	CAPACITY_TOP = 1024,
	ATOM_TOP = 819,		/* an efficiency core is below the tolerance */
	STATUS_LEN = 8192,
	KIND_UNKNOWN = 0,
	KIND_CORE,
	KIND_ATOM,
};

/* Implementer, architecture and part; not variant and revision. */
#define MIDR_KIND	0xff0ffff0UL

struct cpu_kind {
	unsigned long id;	/* KIND_* or masked MIDR */
	uint16_t capacity;	/* highest of the kind */
};

static int dumped_allowed(const char *root, cpu_set_t *out)
{
	static const char key[] = "\nCpus_allowed_list:";
	char status[STATUS_LEN], *list;
	int err = sys_read(root, status, sizeof(status), "/proc/1/status");

	if (err)
		return err;
	list = strstr(status, key);
	if (!list)
		return -ENODATA;
	list += strlen(key);
	list[strcspn(list, "\n")] = '\0';
	return cpuset_parse(list, out);
}

/*
 * The first process has what the machine or the container may use; our own
 * mask may have been narrowed for the daemon alone.
 */
static int allowed_cpus(const char *root, bool live, cpu_set_t *out)
{
	if (!live)
		return dumped_allowed(root, out);
	if (sched_getaffinity(1, sizeof(*out), out) &&
	    sched_getaffinity(0, sizeof(*out), out))
		return -errno;
	return 0;
}

static int usable_cpus(const char *root, bool live, cpu_set_t *out)
{
	cpu_set_t allowed;
	int err;

	err = sys_read_cpus(root, out, CPU_DIR "/online");
	if (err)
		err = sys_read_cpus(root, out, CPU_DIR "/present");
	if (allowed_cpus(root, live, &allowed))
		return err;
	/* a dump of somewhere's /proc alone is none */
	if (err && !live)
		return err;
	if (err)
		*out = allowed;
	else
		CPU_AND(out, out, &allowed);
	return 0;
}

static int list_cpus(struct topology *topo)
{
	unsigned int n = CPU_COUNT(&topo->all);

	if (!n)
		return -ENODEV;
	topo->cpu = calloc(n, sizeof(*topo->cpu));
	if (!topo->cpu)
		return -ENOMEM;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &topo->all))
			topo->cpu[topo->ncpu++].id = cpu;
	return 0;
}

static unsigned long kind_of(const char *root, uint16_t cpu,
			     const cpu_set_t *core, const cpu_set_t *atom)
{
	unsigned long midr;

	if (!sys_read_ulong(root, &midr, 16,
			    CPU_DIR "/cpu%u/regs/identification/midr_el1", cpu))
		return midr & MIDR_KIND;
	if (CPU_ISSET(cpu, atom))
		return KIND_ATOM;
	return CPU_ISSET(cpu, core) ? KIND_CORE : KIND_UNKNOWN;
}

static unsigned long max_khz(const char *root, uint16_t cpu)
{
	unsigned long khz;

	return sys_read_ulong(root, &khz, 10, CPU_DIR "/cpu%u/cpufreq/cpuinfo_max_freq",
			      cpu) ? 0 : khz;
}

/*
 * Where the kernel gives no capacity, the highest clock stands for it: so the
 * favoured cores of a kind go first, and dense cores count as slow ones.
 */
static uint16_t capacity_of(const char *root, uint16_t cpu, unsigned long kind,
			    unsigned long top_khz)
{
	unsigned long v;

	if (!sys_read_ulong(root, &v, 10, CPU_DIR "/cpu%u/cpu_capacity", cpu) &&
	    v >= 1 && v <= CAPACITY_TOP)
		return v;
	v = top_khz ? max_khz(root, cpu) * CAPACITY_TOP / top_khz : 0;
	if (v < 1 || v > CAPACITY_TOP)
		v = CAPACITY_TOP;
	return kind == KIND_ATOM && v > ATOM_TOP ? ATOM_TOP : v;
}

static void read_kinds(struct topology *topo, const char *root,
		       struct cpu_kind *kind)
{
	unsigned long top_khz = 0, khz;
	cpu_set_t core, atom, low;

	if (sys_read_cpus(root, &core, "/sys/devices/cpu_core/cpus"))
		CPU_ZERO(&core);
	if (sys_read_cpus(root, &atom, "/sys/devices/cpu_atom/cpus"))
		CPU_ZERO(&atom);
	/* outside of the cores' cache, and listed apart on some machines */
	if (!sys_read_cpus(root, &low, "/sys/devices/cpu_lowpower/cpus"))
		CPU_OR(&atom, &atom, &low);
	for (unsigned int i = 0; i < topo->ncpu; i++) {
		khz = max_khz(root, topo->cpu[i].id);
		if (khz > top_khz)
			top_khz = khz;
	}
	for (unsigned int i = 0; i < topo->ncpu; i++) {
		kind[i].id = kind_of(root, topo->cpu[i].id, &core, &atom);
		topo->cpu[i].capacity = capacity_of(root, topo->cpu[i].id,
						    kind[i].id, top_khz);
		kind[i].capacity = topo->cpu[i].capacity;
	}
}

/* All CPUs of a known kind count as fast as the fastest of them. */
static void level_kinds(struct cpu_kind *kind, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (kind[i].id == KIND_UNKNOWN)
			continue;
		for (unsigned int k = 0; k < n; k++)
			if (kind[k].id == kind[i].id && kind[k].capacity > kind[i].capacity)
				kind[i].capacity = kind[k].capacity;
	}
}

static int set_kinds(struct topology *topo, const char *root)
{
	struct cpu_kind *kind = calloc(topo->ncpu, sizeof(*kind));
	unsigned int top = 0;

	if (!kind)
		return -ENOMEM;
	read_kinds(topo, root, kind);
	level_kinds(kind, topo->ncpu);
	for (unsigned int i = 0; i < topo->ncpu; i++)
		if (kind[i].capacity > top)
			top = kind[i].capacity;
	for (unsigned int i = 0; i < topo->ncpu; i++) {
		topo->cpu[i].big = kind[i].capacity * 10 >= top * 9;
		if (!topo->cpu[i].big)
			topo->asymmetric = true;
	}
	free(kind);
	return 0;
}

/* Keys (lowest CPU that shares) become indices from 0, in order of CPUs. */
static int index_keys(struct topology *topo, size_t offset)
{
	uint16_t *index = calloc(TOPOLOGY_MAX_CPUS, sizeof(*index));
	uint16_t next = 0, *field;

	if (!index)
		return -ENOMEM;
	for (unsigned int i = 0; i < topo->ncpu; i++) {
		field = (uint16_t *)((char *)&topo->cpu[i] + offset);
		if (*field >= TOPOLOGY_MAX_CPUS)
			*field = 0;
		if (!index[*field])
			index[*field] = ++next;
		*field = index[*field] - 1;
	}
	free(index);
	return 0;
}

static int set_layout(struct topology *topo, const char *root, bool live)
{
	int err = live ? layout_from_hwloc(topo) : -ENOTSUP;

	if (err)
		err = layout_from_files(topo, root);
	if (!err)
		err = index_keys(topo, offsetof(struct topo_cpu, core));
	if (!err)
		err = index_keys(topo, offsetof(struct topo_cpu, llc));
	return err;
}

int topology_load(struct topology *topo, const char *sysroot)
{
	const char *root = sysroot ? sysroot : "";
	int err;

	memset(topo, 0, sizeof(*topo));
	err = usable_cpus(root, !sysroot, &topo->all);
	if (!err)
		err = list_cpus(topo);
	if (!err)
		err = set_kinds(topo, root);
	if (!err)
		err = set_layout(topo, root, !sysroot);
	if (err) {
		topology_free(topo);
		return err;
	}
	topology_read_nodes(topo, root);
	topology_read_heat(topo, root);
	return 0;
}

int topology_refresh(struct topology *topo, bool heat)
{
	struct topology fresh;
	cpu_set_t now;
	int err = usable_cpus("", true, &now);

	if (err)
		return err;
	if (CPU_EQUAL(&now, &topo->all))
		return heat && topology_read_heat(topo, "");
	err = topology_load(&fresh, NULL);
	if (err)
		return err;
	topology_free(topo);
	*topo = fresh;
	return 1;
}

void topology_free(struct topology *topo)
{
	free(topo->cpu);
	memset(topo, 0, sizeof(*topo));
}

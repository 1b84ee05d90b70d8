// SPDX-License-Identifier: GPL-2.0-only
/*
 * NUMA nodes, and which CPUs are next to a GPU.
 *
 * A node may have memory and no CPU: that of a GPU which shares its memory
 * with the processor's. No CPU is in it, so it does not matter here.
 */
#include <dirent.h>
#include <stdio.h>
#include "daemon/topology-layout.h"

#define PCI_DIR "/sys/bus/pci/devices"

enum { NODE_MAX = 1024, CLASS_DISPLAY = 0x03 };

/* Displays of management controllers: on servers' boards, and no GPU. */
static const unsigned long no_gpu_vendors[] = {
	0x1a03,		/* ASPEED */
	0x102b,		/* Matrox */
	0x19e5,		/* Huawei */
};

static void set_nodes(struct topology *topo, const char *root)
{
	cpu_set_t nodes, cpus;

	if (sys_read_cpus(root, &nodes, "/sys/devices/system/node/online"))
		return;
	for (int node = 0; node < NODE_MAX; node++) {
		if (!CPU_ISSET(node, &nodes) ||
		    sys_read_cpus(root, &cpus, "/sys/devices/system/node/node%d/cpulist", node))
			continue;
		for (unsigned int i = 0; i < topo->ncpu; i++)
			if (CPU_ISSET(topo->cpu[i].id, &cpus))
				topo->cpu[i].node = node;
	}
}

static bool is_gpu(const char *root, const char *device)
{
	unsigned long class, vendor;

	if (sys_read_ulong(root, &class, 16, PCI_DIR "/%s/class", device) ||
	    class >> 16 != CLASS_DISPLAY)
		return false;
	if (sys_read_ulong(root, &vendor, 16, PCI_DIR "/%s/vendor", device))
		return true;
	for (size_t i = 0; i < sizeof(no_gpu_vendors) / sizeof(no_gpu_vendors[0]); i++)
		if (vendor == no_gpu_vendors[i])
			return false;
	return true;
}

static void add_gpus(struct topology *topo, const char *root)
{
	char path[1024];
	struct dirent *e;
	cpu_set_t local;
	DIR *dir;

	if (snprintf(path, sizeof(path), "%s" PCI_DIR, root) >= (int)sizeof(path))
		return;
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && is_gpu(root, e->d_name) &&
		    !sys_read_cpus(root, &local, PCI_DIR "/%s/local_cpulist", e->d_name))
			CPU_OR(&topo->near_gpu, &topo->near_gpu, &local);
	if (dir)
		closedir(dir);
}

void topology_read_nodes(struct topology *topo, const char *root)
{
	set_nodes(topo, root);
	add_gpus(topo, root);
	CPU_AND(&topo->near_gpu, &topo->near_gpu, &topo->all);
	/* no difference, no preference */
	if (CPU_EQUAL(&topo->near_gpu, &topo->all))
		CPU_ZERO(&topo->near_gpu);
}

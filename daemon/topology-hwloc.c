// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cores and caches of the running machine, from hwloc.
 *
 * hwloc's objects are given back before this returns: they cost more memory
 * than all else in the daemon.
 */
#include <errno.h>
#include <hwloc.h>
#include "daemon/topology-layout.h"

static int load(hwloc_topology_t *out)
{
	hwloc_topology_t t;

	if (hwloc_topology_init(&t))
		return -ENOMEM;
	hwloc_topology_set_io_types_filter(t, HWLOC_TYPE_FILTER_KEEP_NONE);
	hwloc_topology_set_type_filter(t, HWLOC_OBJ_MISC, HWLOC_TYPE_FILTER_KEEP_NONE);
	/* what we may use is decided by topology.c, not by our own cpuset */
	hwloc_topology_set_flags(t, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
	if (hwloc_topology_load(t)) {
		hwloc_topology_destroy(t);
		return -EIO;
	}
	*out = t;
	return 0;
}

static uint16_t lowest(hwloc_obj_t obj, uint16_t otherwise)
{
	int cpu = obj ? hwloc_bitmap_first(obj->cpuset) : -1;

	return cpu < 0 ? otherwise : cpu;
}

static hwloc_obj_t last_cache(hwloc_obj_t pu)
{
	hwloc_obj_t found = NULL;

	for (hwloc_obj_t obj = pu; obj; obj = obj->parent)
		if (hwloc_obj_type_is_dcache(obj->type))
			found = obj;
	return found;
}

static void set_cpu(hwloc_topology_t t, struct topo_cpu *cpu)
{
	hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(t, cpu->id), cache;

	cpu->core = cpu->id;
	if (!pu)
		return;
	cpu->core = lowest(hwloc_get_ancestor_obj_by_type(t, HWLOC_OBJ_CORE, pu), cpu->id);
	cache = last_cache(pu);
	cpu->llc = lowest(cache, 0);
	cpu->llc_kib = cache ? cache->attr->cache.size / 1024 : 0;
}

int layout_from_hwloc(struct topology *topo)
{
	hwloc_topology_t t;
	int err = load(&t);

	if (err)
		return err;
	for (unsigned int i = 0; i < topo->ncpu; i++)
		set_cpu(t, &topo->cpu[i]);
	hwloc_topology_destroy(t);
	return 0;
}

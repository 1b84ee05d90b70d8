// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine as a picture: a line for each kind of core in each cache of each
 * node, on it a cell for each core with the numbers of its hardware threads.
 */
#include <stdio.h>
#include <string.h>
#include "tools/plan.h"

enum { CELLS_AT = 22, LINE_END = 96 };

/* The cores of one line. */
struct group {
	uint16_t node;
	uint16_t llc;
	bool big;
};

static bool in_group(const struct group *g, const struct topo_cpu *c)
{
	return c->node == g->node && c->llc == g->llc && c->big == g->big;
}

static bool is_first_of_core(const struct topology *t, unsigned int i)
{
	for (unsigned int k = 0; k < i; k++)
		if (t->cpu[k].core == t->cpu[i].core)
			return false;
	return true;
}

/* "[3+11]": the CPUs of the core that @i is the first of. */
static int core_text(const struct dry_run *run, unsigned int i, char *buf, size_t len)
{
	const struct topology *t = &run->topo;
	const struct topo_cpu *c = &t->cpu[i];
	bool kept = CPU_ISSET(c->id, &run->plan.protected_cpus);
	bool lent = CPU_ISSET(c->id, &run->plan.reserved_cpus);
	size_t at = snprintf(buf, len, "%s%u", kept ? "[" : lent ? "(" : "", c->id);

	for (unsigned int k = i + 1; k < t->ncpu && at < len; k++)
		if (t->cpu[k].core == c->core)
			at += snprintf(buf + at, len - at, "+%u", t->cpu[k].id);
	if (at < len)
		at += snprintf(buf + at, len - at, "%s%s", c->hot ? "!" : "",
			       kept ? "]" : lent ? ")" : "");
	return at < len ? at : len - 1;
}

/* One width for all cells: what belongs together stands below each other. */
static int cell_width(const struct dry_run *run)
{
	int width = 0, n;
	char cell[64];

	for (unsigned int i = 0; i < run->topo.ncpu; i++) {
		n = is_first_of_core(&run->topo, i) ? core_text(run, i, cell, sizeof(cell)) : 0;
		if (n > width)
			width = n;
	}
	return width;
}

static void draw_cores(const struct dry_run *run, const struct group *g)
{
	const struct topology *t = &run->topo;
	int column = CELLS_AT, width = cell_width(run);
	char cell[64];

	for (unsigned int i = 0; i < t->ncpu; i++) {
		if (!in_group(g, &t->cpu[i]) || !is_first_of_core(t, i))
			continue;
		core_text(run, i, cell, sizeof(cell));
		if (column + width + 1 > LINE_END) {
			printf("\n%*s", CELLS_AT, "");
			column = CELLS_AT;
		}
		column += printf(" %*s", width, cell);
	}
	putchar('\n');
}

static bool any_in(const struct topology *t, const struct group *g)
{
	for (unsigned int i = 0; i < t->ncpu; i++)
		if (in_group(g, &t->cpu[i]))
			return true;
	return false;
}

static uint32_t cache_kib(const struct topology *t, uint16_t llc)
{
	for (unsigned int i = 0; i < t->ncpu; i++)
		if (t->cpu[i].llc == llc)
			return t->cpu[i].llc_kib;
	return 0;
}

static void draw_cache(const struct dry_run *run, uint16_t node, uint16_t llc)
{
	uint32_t kib = cache_kib(&run->topo, llc);
	char name[32], head[64] = "";
	bool named = false;

	snprintf(name, sizeof(name), "cache %u", llc);
	if (kib)
		snprintf(head, sizeof(head), "%u MiB", kib / 1024);
	for (int big = 1; big >= 0; big--) {
		struct group g = { .node = node, .llc = llc, .big = big };

		if (!any_in(&run->topo, &g))
			continue;
		printf("  %-9s%-8s%-3s", named ? "" : name, named ? "" : head,
		       !run->topo.asymmetric ? "" : big ? "big" : "");
		draw_cores(run, &g);
		named = true;
	}
}

static bool is_near(const struct topology *t, uint16_t node)
{
	for (unsigned int i = 0; i < t->ncpu; i++)
		if (t->cpu[i].node == node && CPU_ISSET(t->cpu[i].id, &t->near_gpu))
			return true;
	return false;
}

static uint16_t last_of(const struct topology *t, bool node)
{
	uint16_t last = 0;

	for (unsigned int i = 0; i < t->ncpu; i++) {
		uint16_t v = node ? t->cpu[i].node : t->cpu[i].llc;

		if (v > last)
			last = v;
	}
	return last;
}

static bool has_node(const struct topology *t, uint16_t node)
{
	for (unsigned int i = 0; i < t->ncpu; i++)
		if (t->cpu[i].node == node)
			return true;
	return false;
}

void plan_draw(const struct dry_run *run)
{
	const struct topology *t = &run->topo;
	char cpus[128];

	printf("%s: %u cpus, %s\n", run->sysroot ? run->sysroot : "this machine", t->ncpu,
	       cpuset_format(&t->all, cpus, sizeof(cpus)));
	for (unsigned int node = 0; node <= last_of(t, true); node++) {
		if (!has_node(t, node))
			continue;
		printf("node %u%s\n", node, is_near(t, node) ? ", at the GPU" : "");
		for (unsigned int llc = 0; llc <= last_of(t, false); llc++)
			draw_cache(run, node, llc);
	}
}

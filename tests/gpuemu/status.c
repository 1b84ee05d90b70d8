// SPDX-License-Identifier: GPL-2.0-only
/* `gpuemu`: what the emulated device did so far, as JSON for scripts. */
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void print_clients(const struct gpuemu_device *d)
{
	const char *comma = "";
	int i;

	for (i = 0; i < GPUEMU_PROCS; i++) {
		const struct gpuemu_proc *p = &d->procs[i];

		if (!gpuemu_proc_alive(p))
			continue;
		printf("%s\n {\"pid\":%u,\"busy_s\":%.6f,\"launches\":%llu,\"mem_bytes\":%llu}",
		       comma, atomic_load(&p->pid), atomic_load(&p->busy_ns) / 1e9,
		       (unsigned long long)atomic_load(&p->launches),
		       (unsigned long long)atomic_load(&p->mem_bytes));
		comma = ",";
	}
}

int main(int argc, char **argv)
{
	struct gpuemu_device *d;
	struct gpuemu_stats st;
	char path[256];

	if (argc > 1) {
		fprintf(stderr, "Usage: %s\nState of the emulated GPU in $" GPUEMU_ENV ".\n",
			argv[0]);
		return 2;
	}
	d = gpuemu_map(0);
	if (!d) {
		fprintf(stderr, "gpuemu: no emulated GPU in %s: %s\n",
			gpuemu_path(path, sizeof(path)), strerror(errno));
		return 1;
	}
	gpuemu_stats(d, &st);
	printf("{\"gpu\":\"%s\",\"note\":\"%s\",\"busy_s\":%.6f,\"idle_s\":%.6f,", GPUEMU_NAME,
	       GPUEMU_NOTE, st.busy_ns / 1e9, st.idle_ns / 1e9);
	printf("\"launches\":%llu,\"graph_launches\":%llu,\"waits\":%llu,\"mem_bytes\":%llu,",
	       (unsigned long long)st.launches, (unsigned long long)st.graph_launches,
	       (unsigned long long)atomic_load(&d->waits), (unsigned long long)st.mem_bytes);
	printf("\"intervals\":%llu,\"intervals_lost\":%llu,\"clients_lost\":%llu,\"clients\":[",
	       (unsigned long long)st.ring_written, (unsigned long long)st.ring_lost,
	       (unsigned long long)atomic_load(&d->procs_lost));
	print_clients(d);
	puts("]}");
	return fflush(stdout) ? 1 : 0;
}

# SPDX-License-Identifier: GPL-2.0-only
# The scheduler's own source is a part of this program: its <vmlinux.h> and BPF
# headers are found in shim/ first.
SIM := $(addprefix tools/sim/,main.c agents.c alloc.c check.c cpu.c daemon.c dsq.c engine.c ext.c \
	fair.c gpu.c idle.c load.c map.c metric.c native.c prog.c step.c task.c) \
	$(addprefix tools/agentload/,mix.c stats.c tool.c trace.c util.c) \
	$(wildcard daemon/policy/*.c) \
	$(addprefix daemon/,cpuset.c edge.c report-guard.c roles.c room.c) \
	$(wildcard daemon/topology*.c)

progs += $(O)/tools/starling-sim
$(O)/tools/sim/native.o: CFLAGS += -Itools/sim/shim
$(eval $(call program_rule,tools/starling-sim,$(SIM),$(JANSSON_LIBS) $(HWLOC_LIBS) -lm \
	$(foreach f,malloc calloc realloc,-Wl$(comma)--wrap=$(f))))

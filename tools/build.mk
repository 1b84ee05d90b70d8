# SPDX-License-Identifier: GPL-2.0-only
# What daemon and command share is compiled once: wire format, paths, words.
starling_src := $(sort tools/starling.c tools/cli.c tools/table.c tools/load.c \
	$(wildcard tools/cmd-*.c tools/check*.c tools/plan-*.c tools/run-*.c)) \
	daemon/others.c daemon/paths.c daemon/quantity.c daemon/roles.c daemon/varlink.c lib/device.c lib/agent.c lib/lease.c \
	lib/gpu/settings.c
# `starling plan` decides as the daemon does: with the same objects.
starling_src += $(sort $(wildcard daemon/policy/*.c daemon/topology*.c)) \
	$(addprefix daemon/,cpuset.c room.c report-plan.c) \
	$(addprefix daemon/place/,rung.c attr.c sattr.c cgfs.c)
# What can be told of a GPU is asked in the same way, too.
starling_src += daemon/report-caps.c $(filter-out %/gpus.c %/ledger.c %/link.c,$(sort $(wildcard daemon/sense/gpu/*.c)))

$(eval $(call program,starling,$(starling_src),$(BPF_LIBS) $(JANSSON_LIBS) $(SMARTCOLS_LIBS) $(HWLOC_LIBS)))
$(O)/tools/run-gpu.o: ALL_CFLAGS += -DSTARLING_LIBDIR='"$(LIBDIR)"'

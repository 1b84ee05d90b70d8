# SPDX-License-Identifier: GPL-2.0-only
PROBE_SENSE := $(addprefix daemon/sense/,sense.c merge.c probe.c cuda.c driver.c uprobe.c window.c elf.c devices.c kallsyms.c proc.c kmod.c) daemon/procfs.c daemon/log.c \
	$(wildcard daemon/sense/gpu/*.c)

$(eval $(call testprog,probe-dump,tests/probe/dump.c $(PROBE_SENSE),$(BPF_LIBS) $(JANSSON_LIBS)))
$(eval $(call testprog,probe-cost,tests/probe/cost.c $(PROBE_SENSE),$(BPF_LIBS) -ldl))
$(eval $(call testprog,probe-feeder,tests/probe/feeder.c,-ldl))
$(eval $(call testprog,probe-forks,tests/probe/forks.c,))
$(eval $(call testprog,probe-join,tests/probe/join.c,))
$(eval $(call testprog,elf-test,tests/probe/elf-test.c daemon/sense/elf.c,$(CMOCKA_LIBS) -ldl))

# SPDX-License-Identifier: GPL-2.0-only
daemon_src := $(sort $(wildcard daemon/*.c daemon/sense/*.c daemon/sense/gpu/*.c daemon/policy/*.c daemon/place/*.c))
daemon_libs := $(BPF_LIBS) $(SDEVENT_LIBS) $(JANSSON_LIBS) $(HWLOC_LIBS) -lm

$(eval $(call program,starlingd,$(daemon_src),$(daemon_libs)))

# Older ones do not know struct_ops as the scheduler needs them.
ifeq ($(shell $(PKG_CONFIG) --atleast-version=1.4 libbpf && echo yes),yes)
$(O)/daemon/place/sched-ext.o: ALL_CFLAGS += -DWITH_SCHED_EXT
$(O)/daemon/place/sched-ext.o: $(O)/bpf/sched.skel.h
-include $(O)/bpf/sched.bpf.d
else
all: sched-ext-left-out
sched-ext-left-out:
	@echo "  left out: scheduling by sched_ext (libbpf is older than 1.4)"
.PHONY: sched-ext-left-out
endif

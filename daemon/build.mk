# SPDX-License-Identifier: GPL-2.0-only
daemon_src := $(sort $(wildcard daemon/*.c daemon/sense/*.c daemon/policy/*.c daemon/place/*.c))
daemon_libs := $(BPF_LIBS) $(SDEVENT_LIBS) $(JANSSON_LIBS) $(HWLOC_LIBS) -lm

$(eval $(call program,starlingd,$(daemon_src),$(daemon_libs)))

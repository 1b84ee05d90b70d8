# SPDX-License-Identifier: LGPL-2.1-only
# libstarling; a sanitizer build leaves its run time to the program.
# The newest version of its symbols.
lib_version := $(shell sed -n "s/^STARLING_\([0-9.]*\) {/\1/p" lib/libstarling.map | tail -n 1)
lib_c := lib/device.c lib/agent.c lib/telemetry.c lib/lease.c lib/event.c \
	lib/queue.c lib/ring.c lib/pool.c
lib_uring := $(shell $(PKG_CONFIG) --exists 'liburing >= 2.3' 2>/dev/null && echo liburing)
$(eval $(call lib_vars,URING,$(lib_uring)))
ifneq ($(lib_uring),)
lib_cflags := -DHAVE_LIBURING $(URING_CFLAGS)
else
user: no-uring
no-uring:
	@echo "  left out: io_uring in libstarling (no liburing 2.3; apt-get install liburing-dev)"
.PHONY: no-uring
endif
$(O)/lib/ring.o $(O)/pic/lib/ring.o: ALL_CFLAGS += $(lib_cflags)
lib_ld := -Wl,-soname,libstarling.so.0 -Wl,--version-script=lib/libstarling.map \
	$(if $(SAN),,-Wl$(comma)-z$(comma)defs)
$(eval $(call sharedlib,lib/libstarling.so.0,$(lib_c),$(lib_ld) $(URING_LIBS)))
$(O)/lib/libstarling.so.0: lib/libstarling.map

extra += $(O)/lib/libstarling.so $(O)/lib/libstarling.pc
$(O)/lib/libstarling.so: $(O)/lib/libstarling.so.0
	$(Q)ln -sfn libstarling.so.0 $@
$(O)/lib/libstarling.pc: lib/libstarling.pc.in lib/libstarling.map
	$(Q)mkdir -p $(@D) && sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(lib_version)|; s|@PRIVATE@|$(lib_uring)|' $< >$@

# What "starling run --gpu=lease" puts into programs. It brings what it needs of the
# library with it: a preloaded library that lacks another one ends the program.
gpu_lib := lib/agent.c lib/lease.c
gpu_c := $(wildcard lib/gpu/*.c) $(gpu_lib)
gpu_ld := -Wl,-soname,libstarling-gpu.so -Wl,--version-script=lib/gpu/libstarling-gpu.map
$(eval $(call sharedlib,lib/libstarling-gpu.so,$(gpu_c) lib/device.c,$(gpu_ld)))
$(O)/lib/libstarling-gpu.so: lib/gpu/libstarling-gpu.map

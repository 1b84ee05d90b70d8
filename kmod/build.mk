# SPDX-License-Identifier: GPL-2.0-only
# make module [KDIR=headers] [KMOD_OUT=directory] [KMOD_FLAGS=...] [KMOD_W=1]
# make sparse, likewise
#
# kbuild leaves its objects beside the sources, so each kernel gets a directory
# of links to them: modules for several kernels can be built from one tree.

KMOD_OUT ?= $(O)/kmod
kmod_files := Kbuild $(wildcard kmod/*.[ch]) include/uapi/linux/starling.h
# The kernel's own compiler, whatever userland is built with.
kmod_cc := $(shell sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ ]*\).*/\1/p' $(KDIR)/.config 2>/dev/null)
KMOD_CC ?= $(if $(shell command -v $(kmod_cc) 2>/dev/null),$(kmod_cc),$(if \
	$(findstring clang,$(CC)),gcc,$(CC)))
kmod_pass := $(if $(findstring clang,$(KMOD_CC)),LLVM=1) \
	$(if $(RESOLVE_BTFIDS),RESOLVE_BTFIDS=$(RESOLVE_BTFIDS)) \
	$(if $(KMOD_W),W=$(KMOD_W))

module: $(kmod_files)
	$(Q)[ -e $(KDIR)/Makefile ] || { \
		echo "no kernel headers at $(KDIR): install linux-headers or set KDIR=" >&2; \
		exit 1; }
	$(Q)for f in $(kmod_files); do \
		mkdir -p $(KMOD_OUT)/$$(dirname $$f) && \
		ln -sfn $(CURDIR)/$$f $(KMOD_OUT)/$$f || exit 1; \
	done
	$(Q)$(MAKE) -s -C $(KDIR) M=$(abspath $(KMOD_OUT)) CC=$(KMOD_CC) \
		KMOD_FLAGS='$(KMOD_FLAGS)' $(kmod_pass) modules
	$(Q)printf '  %-8s%s\n' KMOD $(KMOD_OUT)/starling.ko

# Not every machine can or wants to build modules.
ifneq ($(wildcard $(KDIR)/Makefile),)
all: module
else
all: module-left-out
endif
module-left-out:
	@echo "  left out: the module (no kernel headers at $(KDIR); set KDIR=)"

.PHONY: module module-left-out

sparse: module
	$(Q)kmod/sparse $(KMOD_OUT) $(KDIR)
.PHONY: sparse

# SPDX-License-Identifier: GPL-2.0-only
# vmlinux.h comes from $(VMLINUX) if given, else from this kernel's BTF, else
# from the distribution (linux-bpf-dev). The object is the same either way, for
# which what a kernel has of kfuncs must not count: ours are declared here.
VMLINUX	?= $(wildcard /sys/kernel/btf/vmlinux)
BPF_VMLINUX_DEB := $(firstword $(wildcard /usr/include/linux/bpf/vmlinux.h /usr/include/*/linux/bpf/vmlinux.h))
BPF_ARCH := $(patsubst aarch64%,arm64,$(patsubst x86_64%,x86,$(shell $(CC) -dumpmachine)))
BPF_ARCH := $(firstword $(subst -, ,$(BPF_ARCH)))
# multiarch headers that clang does not look for when the target is bpf
BPF_SYSINC := $(addprefix -idirafter ,$(wildcard /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)))

$(O)/bpf/vmlinux.h: $(VMLINUX)
	$(call quiet,GEN,$@)mkdir -p $(@D) && \
	$(if $(VMLINUX),$(BPFTOOL) btf dump file $(VMLINUX) format c >$@,\
	$(if $(BPF_VMLINUX_DEB),cp $(BPF_VMLINUX_DEB) $@,\
	{ echo 'no kernel types: give VMLINUX= or install linux-bpf-dev' >&2; false; }))

$(O)/%.bpf.o: %.bpf.c $(O)/bpf/vmlinux.h
	$(call quiet,BPF,$@)mkdir -p $(@D) && $(CLANG) -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -O2 -g \
		-Wall -Werror -Wno-missing-declarations -fms-extensions -Wno-microsoft-anon-tag \
		-DBPF_NO_KFUNC_PROTOTYPES \
		-Iinclude/uapi -I. -I$(O)/bpf $(BPF_SYSINC) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<
-include $(O)/bpf/probe.bpf.d $(O)/bpf/jobs.bpf.d
# Atomic operations that return what was there: every kernel with sched_ext.
$(O)/bpf/sched.bpf.o: BPF_CFLAGS += -mcpu=v3

$(O)/%.skel.h: $(O)/%.bpf.o
	$(call quiet,SKEL,$@)$(BPFTOOL) gen object $(O)/$*.linked.o $< && \
	$(BPFTOOL) gen skeleton $(O)/$*.linked.o name $(notdir $*)_bpf >$@

$(O)/daemon/sense/probe.o: | $(O)/bpf/probe.skel.h
$(O)/daemon/sense/gpu/jobs.o: | $(O)/bpf/jobs.skel.h

# SPDX-License-Identifier: GPL-2.0-only
# Tests of the module's ABI and its library; run in a guest by run-guest. That
# the library does without the module is tested natively.
kselftest_c := harness commands agents lineage roles telemetry control access tree lib trace event \
	uring uring32 ring queue daemon lease lease-order lease-end lease-model stress tree-stress lease-stress \
	scale module util waiter main
$(eval $(call testprog,starling-kselftest,$(kselftest_c:%=tests/kselftest/%.c) $(lib_c) \
	daemon/sense/kmod.c daemon/log.c,$(URING_LIBS)))

absent_c := tests/kselftest/harness.c tests/kselftest/absent.c
absent_ld := -L$(O)/lib -lstarling -Wl,-rpath,'$$$$ORIGIN/../lib'
$(eval $(call testprog,libstarling-absent,$(absent_c),$(absent_ld),$(O)/lib/libstarling.so))

$(eval $(call testprog,starling-watch,tests/kselftest/watch.c $(lib_c),$(URING_LIBS)))

# What BPF programs ask the module.
$(eval $(call testprog,starling-kfunc,$(addprefix tests/kselftest/,harness.c util.c kfunc.c main.c),$(BPF_LIBS)))
$(O)/tests/kselftest/kfunc.o: $(O)/tests/kselftest/kfunc.skel.h
-include $(O)/tests/kselftest/kfunc.bpf.d

# Where allocations fail, in the sanitizer kernel.
$(eval $(call testprog,starling-nomem,$(addprefix tests/kselftest/,harness.c util.c ring.c nomem.c main.c),))

# What needs no library but libc.
static-tests: $(addprefix $(O)/tests/,starling-kselftest starling-nomem starling-fuzz)
.PHONY: static-tests

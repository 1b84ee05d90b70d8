# SPDX-License-Identifier: GPL-2.0-only
bench: user
	$(Q)tests/bench/feeder --build $(O) $(BENCH)

# What the device's calls cost; run in a guest by tests/bench/abi.
bench_abi := tests/bench/abi.c $(addprefix tests/kselftest/,harness.c ring.c util.c) $(lib_c)
$(eval $(call testprog,starling-bench-abi,$(bench_abi),$(URING_LIBS)))

.PHONY: bench

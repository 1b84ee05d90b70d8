# SPDX-License-Identifier: GPL-2.0-only
bench: user
	$(Q)tests/bench/feeder --build $(O) $(BENCH)

# What the device's calls cost; run in a guest by tests/bench/abi.
bench_abi := tests/bench/abi.c $(addprefix tests/kselftest/,harness.c ring.c util.c) $(lib_c)
$(eval $(call testprog,starling-bench-abi,$(bench_abi),$(URING_LIBS)))

# Two processes that wake each other; run in a guest by tests/bench/pipe-guest.
$(eval $(call testprog,starling-bench-pipe,tests/bench/pipe.c $(addprefix tests/kselftest/,harness.c util.c),))

.PHONY: bench

# SPDX-License-Identifier: GPL-2.0-only
bench: user
	$(Q)tests/bench/feeder --build $(O) $(BENCH)

.PHONY: bench

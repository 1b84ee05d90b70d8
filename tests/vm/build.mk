# SPDX-License-Identifier: GPL-2.0-only
# make vm [KERNEL=7.2] [CPUS=2]: a shell in a guest with this build in it
# make check [TESTS="unit vm/harness"]: all tests, or some groups or tests
# make check-long: and those on more kernels

KERNEL	?= 7.2
CPUS	?= 2

vm:
	$(Q)tests/vm/build $(KERNEL)
	$(Q)tests/vm/run -k $(KERNEL) -c $(CPUS) --tools -i

# The whole suite of the module below KASAN, lockdep and kmemleak, a run in which
# each allocation fails once, and a million random operations: two hours.
# Builds that kernel once, which takes some ten minutes.
check-sanitizers:
	$(Q)scripts/deps build check
	$(Q)tests/vm/build --user
	$(Q)PROGRAM=starling-nomem TIME=600 MEMORY=2048 tests/kselftest/run-guest san
	$(Q)TEST_SLOW=10 TIME=5000 MEMORY=4096 tests/kselftest/run-guest san
	$(Q)TIME=10000 MEMORY=2048 tests/fuzz/run-guest san --ops 1000000 --fork-every 1000

check:
	$(Q)scripts/deps build check
	$(Q)tests/run $(TESTS)

check-long:
	$(Q)scripts/deps build check
	$(Q)tests/run --long $(TESTS)

.PHONY: vm check check-long check-sanitizers

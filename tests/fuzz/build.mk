# SPDX-License-Identifier: GPL-2.0-only
# Random operations on the module's ABI; run in a guest by run-guest.
$(eval $(call testprog,starling-fuzz,tests/fuzz/fuzz.c tests/fuzz/args.c \
	tests/fuzz/byring.c tests/kselftest/ring.c tests/kselftest/util.c,))

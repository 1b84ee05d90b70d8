# SPDX-License-Identifier: GPL-2.0-only
# Random operations on the module's ABI; run in a guest by run-guest.
$(eval $(call testprog,starling-fuzz,tests/fuzz/fuzz.c tests/fuzz/args.c \
	tests/fuzz/byring.c tests/kselftest/ring.c tests/kselftest/util.c,))

# Spoilt words of drivers about GPUs; run on the host. See tests/fuzz/gpu.c.
$(eval $(call sharedlib,tests/false/libnvidia-ml.so.1,tests/fuzz/nvml-false.c,-Wl$(comma)-soname$(comma)libnvidia-ml.so.1))
$(eval $(call testprog,starling-fuzz-gpu,tests/fuzz/gpu.c tests/fuzz/gpu-text.c tests/fuzz/gpu-files.c \
	tests/fuzz/gpu-nvml.c tests/fuzz/gpu-sample.c $(wildcard daemon/sense/gpu/*.c) daemon/log.c,-ldl $(BPF_LIBS),\
	$(O)/tests/false/libnvidia-ml.so.1))

# SPDX-License-Identifier: GPL-2.0-only
# Linked with the emulated driver, as programs are with the real one.
$(eval $(call testprog,gpulease-app,tests/gpulease/app.c,-L$(O)/gpuemu -l:libcuda.so.1 -ldl,\
	$(O)/gpuemu/libcuda.so.1))
$(eval $(call sharedlib,tests/fake/libnext.so,tests/gpulease/next.c,-ldl))
# The same library over the stand-in for the module.
$(eval $(call sharedlib,tests/fake/libstarling-gpu.so,$(gpu_c) tests/examples/fake.c \
	tests/gpulease/meminfo.c,$(gpu_ld)))

# SPDX-License-Identifier: GPL-2.0-only
GPUEMU := tests/gpuemu
GPUEMU_CUDA := $(addprefix $(GPUEMU)/,client.c ctx.c device.c driver.c graph.c launch.c mem.c \
	procaddr.c stream.c wait.c)

$(eval $(call sharedlib,gpuemu/libcuda.so.1,$(GPUEMU_CUDA),-Wl$(comma)-soname$(comma)libcuda.so.1 -ldl))
$(eval $(call sharedlib,gpuemu/libnvidia-ml.so.1,$(addprefix $(GPUEMU)/,device.c nvml.c nvml-energy.c nvml-mode.c),-Wl$(comma)-soname$(comma)libnvidia-ml.so.1))
$(eval $(call sharedlib,gpuemu/old/libnvidia-ml.so.1,$(GPUEMU)/nvml-old.c,))
$(eval $(call program,gpuemu,$(GPUEMU)/device.c $(GPUEMU)/status.c))
$(eval $(call testprog,gpuemu-nvml,$(GPUEMU)/device.c $(GPUEMU)/nvml-test.c $(wildcard daemon/sense/gpu/*.c) \
	daemon/log.c,$(CMOCKA_LIBS) $(BPF_LIBS) -ldl))
$(eval $(call testprog,gpuemu-test,$(GPUEMU)/device.c $(GPUEMU)/test.c,$(CMOCKA_LIBS) -ldl))

# SPDX-License-Identifier: GPL-2.0-only
$(eval $(call program,demo-sampler,tools/demo/sampler.c tools/demo/rings.c,))

demo:
	$(Q)tools/demo/demo $(if $(HERE),--here) --build $(O) $(DEMO)

.PHONY: demo

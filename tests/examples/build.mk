# SPDX-License-Identifier: GPL-2.0-only
# Not under lib/: nobody is to link it by mistake.
$(eval $(call sharedlib,tests/fake/libstarling.so.0,tests/examples/fake.c \
	$(filter-out lib/device.c,$(lib_c)),-Wl$(comma)--version-script=lib/libstarling.map $(URING_LIBS)))

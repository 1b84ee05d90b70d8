# SPDX-License-Identifier: GPL-2.0-only
# Targets for people: help, style, install, uninstall.

DESTDIR	?=
BINDIR	?= $(PREFIX)/bin
SBINDIR	?= $(PREFIX)/sbin
LIBDIR	?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR	?= $(PREFIX)/share/man
UNITDIR	?= $(PREFIX)/lib/systemd/system
UDEVDIR	?= $(PREFIX)/lib/udev/rules.d
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
COMPDIR	?= $(PREFIX)/share/bash-completion/completions
# Where the Python of this machine looks below that prefix.
PYDIR	?= $(if $(filter /usr,$(PREFIX)),/usr/lib/python3/dist-packages,$(PREFIX)/lib/$(shell \
	python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])' 2>/dev/null)/dist-packages)
MODDIR	?= /lib/modules/$(shell uname -r)/updates

# Made anew each time: PREFIX may be another one than last time.
$(O)/packaging/starlingd.service: packaging/starlingd.service.in FORCE
	$(Q)mkdir -p $(@D) && sed 's|@SBINDIR@|$(SBINDIR)|g' $< >$@

$(O)/packaging/libstarling.pc: lib/libstarling.pc.in FORCE
	$(Q)mkdir -p $(@D) && sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(lib_version)|; s|@PRIVATE@|$(lib_uring)|' $< >$@

# mode:file:destination, or link:target:destination; what this machine could not build is left out
installed = \
	755:$(O)/bin/starling:$(BINDIR)/starling \
	755:$(O)/bin/starlingd:$(SBINDIR)/starlingd \
	644:include/starling.h:$(INCLUDEDIR)/starling.h \
	644:include/uapi/linux/starling.h:$(INCLUDEDIR)/linux/starling.h \
	644:$(O)/lib/libstarling.so.0:$(LIBDIR)/libstarling.so.0 \
	link:libstarling.so.0:$(LIBDIR)/libstarling.so \
	755:$(O)/lib/libstarling-gpu.so:$(LIBDIR)/libstarling-gpu.so \
	644:$(O)/packaging/libstarling.pc:$(LIBDIR)/pkgconfig/libstarling.pc \
	644:$(O)/packaging/starlingd.service:$(UNITDIR)/starlingd.service \
	644:packaging/60-starling.rules:$(UDEVDIR)/60-starling.rules \
	644:packaging/starling.sysusers:$(SYSUSERSDIR)/starling.conf \
	644:packaging/starling.bash:$(COMPDIR)/starling \
	644:packaging/starling.bash:$(COMPDIR)/starlingd \
	$(foreach m,$(man_pages),644:$(m):$(MANDIR)/man$(subst .,,$(suffix $(m)))/$(notdir $(m))) \
	644:python/starling.py:$(PYDIR)/starling.py \
	644:$(O)/kmod/starling.ko:$(MODDIR)/starling.ko

install: user man $(O)/packaging/starlingd.service $(O)/packaging/libstarling.pc
	$(Q)packaging/install "$(DESTDIR)" $(installed)

uninstall:
	$(Q)packaging/install --remove "$(DESTDIR)" $(installed)

style:
	$(Q)packaging/style

help:
	@sed '/^SPDX/d' packaging/targets.txt

.PHONY: install uninstall style help FORCE

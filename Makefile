# SPDX-License-Identifier: GPL-2.0-only
# Starling: `make` builds everything into $(O), `make demo` shows it at work,
# `make check` tests it. `make help` lists the rest.

O	?= build
PREFIX	?= /usr/local
VERSION	:= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1)
KDIR	?= /lib/modules/$(shell uname -r)/build
CLANG	?= $(firstword $(foreach c,clang-19 clang clang-14,$(shell command -v $(c) 2>/dev/null)) clang)
BPFTOOL	?= $(firstword $(shell command -v bpftool 2>/dev/null) $(wildcard /usr/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config
Q	:= $(if $(V),,@)
quiet	= $(if $(V),,@printf '  %-8s%s\n' $(1) $(2:$(O)/%=%);)

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDARY:

pkg_cflags = $(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null)
pkg_libs = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)
define lib_vars
$(1)_CFLAGS := $$(call pkg_cflags,$(2))
$(1)_LIBS := $$(call pkg_libs,$(2))
endef
$(eval $(call lib_vars,BPF,libbpf))
$(eval $(call lib_vars,SDEVENT,libsystemd))
$(eval $(call lib_vars,JANSSON,jansson))
$(eval $(call lib_vars,SMARTCOLS,smartcols))
$(eval $(call lib_vars,HWLOC,hwloc))
$(eval $(call lib_vars,CMOCKA,cmocka))

CFLAGS	?= -O2 -g
WARN	:= -Wall -Wextra -Werror
comma	:= ,
SANFLAGS := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) -pthread -MMD -MP \
	-Iinclude -Iinclude/uapi -I. -I$(O) \
	-DSTARLING_VERSION='"$(VERSION)"' -DSTARLING_PREFIX='"$(PREFIX)"' \
	$(SMARTCOLS_CFLAGS) $(HWLOC_CFLAGS) $(SANFLAGS)

progs :=
testprogs :=
libs :=
extra :=

# $(call program,NAME,SOURCES,LIBS[,DEPS])
define program_rule
$(O)/$(1): $(patsubst %.c,$(O)/%.o,$(2)) $(4)
	$$(call quiet,LD,$(O)/$(1))mkdir -p $$(@D) && $$(CC) $$(CFLAGS) $$(SANFLAGS) $$(LDFLAGS) -pthread -o $$@ \
		$$(filter %.o %.a,$$^) $(3)
-include $(patsubst %.c,$(O)/%.d,$(2))
endef
define program
progs += $(O)/bin/$(1)
$(call program_rule,bin/$(1),$(2),$(3),$(4))
endef
define testprog
testprogs += $(O)/tests/$(1)
$(call program_rule,tests/$(1),$(2),$(3),$(4))
endef
# $(call sharedlib,PATH,SOURCES,LDFLAGS and LIBS): position-independent objects
define sharedlib
libs += $(O)/$(1)
$(O)/$(1): $(patsubst %.c,$(O)/pic/%.o,$(2))
	$$(call quiet,LD,$(O)/$(1))mkdir -p $$(@D) && $$(CC) $$(CFLAGS) $$(SANFLAGS) $$(LDFLAGS) -shared -pthread -o $$@ \
		$$(filter %.o,$$^) $(3)
-include $(patsubst %.c,$(O)/pic/%.d,$(2))
endef

all:

include $(sort $(wildcard */build.mk tests/*/build.mk tools/*/build.mk))

$(O)/%.o: %.c
	$(call quiet,CC,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$(O)/pic/%.o: %.c
	$(call quiet,CC,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(ALL_CFLAGS) -fPIC -fvisibility=hidden -c -o $@ $<

all: user
user: $(progs) $(libs) $(extra)
tests: user $(testprogs)
clean:
	rm -rf $(O)
.PHONY: all user tests clean

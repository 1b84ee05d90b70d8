# SPDX-License-Identifier: GPL-2.0-only
# Manual pages, where rst2man is at hand.

RST2MAN ?= $(firstword $(shell command -v rst2man rst2man.py 2>/dev/null))
man_rst := $(wildcard Documentation/man/*.rst)
man_pages := $(patsubst Documentation/man/%.rst,$(O)/man/%,$(man_rst))

ifneq ($(RST2MAN),)
man: $(man_pages)
$(O)/man/%: Documentation/man/%.rst
	$(call quiet,MAN,$@)mkdir -p $(@D) && $(RST2MAN) --strict $< >$@
else
man:
	@echo "  left out: the manual pages (no rst2man; apt-get install python3-docutils)"
endif

.PHONY: man

# SPDX-License-Identifier: GPL-2.0-only
# What daemon and command share is compiled once: wire format, paths, words.
starling_src := $(sort tools/starling.c tools/cli.c tools/table.c $(wildcard tools/cmd-*.c tools/check*.c)) \
	daemon/paths.c daemon/roles.c daemon/varlink.c lib/device.c lib/agent.c lib/lease.c

$(eval $(call program,starling,$(starling_src),$(JANSSON_LIBS) $(SMARTCOLS_LIBS)))

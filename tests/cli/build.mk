# SPDX-License-Identifier: GPL-2.0-only
state_src := tests/cli/state.c $(addprefix daemon/,agent.c edge.c paths.c procfs.c quantity.c roles.c rules.c task.c \
	varlink.c)

$(eval $(call testprog,state,$(state_src),$(CMOCKA_LIBS) $(JANSSON_LIBS) -lm))

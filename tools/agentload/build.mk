# SPDX-License-Identifier: GPL-2.0-only
AGENTLOAD := $(addprefix tools/agentload/,main.c agent.c chat.c client.c engine.c feed.c files.c gpu.c \
	hog.c hogkind.c http.c mix.c report.c run.c serve.c spans.c spawn.c stats.c timeline.c tool.c \
	toolrun.c trace.c tracecmd.c util.c) tests/gpuemu/device.c

$(eval $(call program,agentload,$(AGENTLOAD),$(JANSSON_LIBS) -lm -ldl))

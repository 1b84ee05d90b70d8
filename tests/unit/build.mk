# SPDX-License-Identifier: GPL-2.0-only
policy_src := $(wildcard daemon/policy/*.c) daemon/cpuset.c daemon/room.c
place_src := $(filter-out %/placers.c %/sched-ext.c,$(wildcard daemon/place/*.c)) daemon/cpuset.c daemon/log.c daemon/others.c
topology_src := $(wildcard daemon/topology*.c) daemon/cpuset.c

unit_scene := tests/unit/scene.c $(policy_src)
$(eval $(call testprog,unit-classify,tests/unit/classify.c $(unit_scene),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-decide,tests/unit/decide.c $(unit_scene),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-inference,tests/unit/inference.c $(unit_scene),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-graph,tests/unit/graph.c $(policy_src),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-step,tests/unit/step.c $(unit_scene),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-guard,tests/unit/guard.c $(unit_scene),$(CMOCKA_LIBS) -lm))
$(eval $(call testprog,unit-random,tests/unit/random.c $(unit_scene),$(CMOCKA_LIBS)))

unit_kid := tests/unit/kid.c $(place_src)
$(eval $(call testprog,unit-journal,tests/unit/journal.c $(unit_kid),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-place,tests/unit/place.c $(unit_kid),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-place-class,tests/unit/place-class.c $(unit_kid),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-right,tests/unit/right.c $(unit_kid),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-topology,tests/unit/topology.c daemon/policy/protect.c $(topology_src),$(CMOCKA_LIBS) $(HWLOC_LIBS)))
$(eval $(call testprog,unit-cgroup,tests/unit/cgroup.c $(unit_kid),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-noise,tests/unit/noise.c $(unit_kid),$(CMOCKA_LIBS)))
rung_src := $(addprefix daemon/place/,rung.c attr.c sattr.c cgfs.c) daemon/cpuset.c
$(eval $(call testprog,unit-rung,tests/unit/rung.c $(rung_src),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-others,tests/unit/others.c daemon/others.c,$(CMOCKA_LIBS)))

$(eval $(call testprog,unit-publish,tests/unit/publish.c,$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-own,tests/unit/own.c lib/gpu/own.c,$(CMOCKA_LIBS)))
see_src := tools/run-see.c tools/run-gpu.c daemon/quantity.c daemon/roles.c \
	lib/device.c lib/agent.c lib/lease.c lib/gpu/settings.c
$(eval $(call testprog,unit-see,tests/unit/see.c $(see_src),$(CMOCKA_LIBS)))
$(eval $(call testprog,unit-share,tests/unit/share.c tools/run-share.c $(see_src),$(CMOCKA_LIBS)))

gpu_src := $(wildcard daemon/sense/gpu/*.c) daemon/log.c
gpu_libs := $(CMOCKA_LIBS) $(BPF_LIBS)
$(eval $(call testprog,unit-gpu-text,tests/unit/gpu-text.c $(gpu_src),$(gpu_libs)))
$(eval $(call testprog,unit-gpu-ledger,tests/unit/gpu-ledger.c $(gpu_src),$(gpu_libs)))
$(eval $(call testprog,unit-gpu-turns,tests/unit/gpu-turns.c daemon/sense/gpu/turns.c,$(CMOCKA_LIBS) -lm))
$(eval $(call testprog,unit-gpu-files,tests/unit/gpu-files.c $(gpu_src),$(gpu_libs)))
$(eval $(call testprog,unit-gpu-link,tests/unit/gpu-link.c $(gpu_src),$(gpu_libs)))

advise_src := tests/unit/advise.c $(addprefix daemon/,policy/advise.c policy/turn.c recent.c machine.c)
$(eval $(call testprog,unit-advise,$(advise_src) $(gpu_src),$(gpu_libs)))
cost_src := tests/unit/cost.c $(addprefix daemon/,account.c agent.c cost.c edge.c procfs.c recent.c task.c)
$(eval $(call testprog,unit-cost,$(cost_src),$(CMOCKA_LIBS) -lm))

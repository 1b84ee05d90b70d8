# SPDX-License-Identifier: GPL-2.0-only
$(eval $(call sharedlib,tests/ggml/libggml-cpu-standin.so,tests/inference/standin.c,))
$(eval $(call testprog,infer-engine,tests/inference/engine.c,-ldl))

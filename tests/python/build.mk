# SPDX-License-Identifier: GPL-2.0-only
# python/starling.py, with and without the module.
$(eval $(call testprog,python-layout,tests/python/layout.c,))

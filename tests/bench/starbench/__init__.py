# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmarks and the demo have in common."""

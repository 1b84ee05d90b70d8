# SPDX-License-Identifier: GPL-2.0-only
"""What the demo makes of a run: figures, a table, a page."""

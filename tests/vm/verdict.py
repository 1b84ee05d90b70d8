# SPDX-License-Identifier: GPL-2.0-only
"""Reads a guest's console log for the kernel's own complaints."""

import re

# A stale translation of patched text; seen with emulated CPUs only.
EMULATOR = re.compile(r"Oops: int3|int3: 0000|kernel tried to execute int3")
FATAL = (
    (re.compile(r"Kernel panic"), "panic"),
    (re.compile(r"Oops:|general protection fault|double fault"), "oops"),
    (re.compile(r"\bBUG: (?!soft lockup|workqueue lockup)"), "kernel bug"),
    (re.compile(r"\bkernel BUG at"), "kernel bug"),
    (re.compile(r"possible circular locking|possible recursive locking|suspicious RCU"),
     "locking"),
    (re.compile(r"UBSAN:"), "undefined behaviour"),
    (re.compile(r"Kernel stack is corrupted"), "stack corruption"),
)
WARNING = re.compile(r"\bWARNING: ")
WARNING_END = re.compile(r"---\[ end trace")
OURS = re.compile(r"\[starling\]|\bkmod/|starling_")


def emulator_fault(log):
    return bool(EMULATOR.search(log))


def complaint(log):
    """(kind, line) of the worst thing in LOG, or None."""
    lines = log.splitlines()
    for pattern, kind in FATAL:
        for line in lines:
            if pattern.search(line):
                return kind, line.strip()
    for i, line in enumerate(lines):
        if WARNING.search(line) and OURS.search("\n".join(block(lines, i))):
            return "warning from the module", line.strip()
    return None


def block(lines, start):
    """A warning and its call trace."""
    for i in range(start, min(start + 80, len(lines))):
        if WARNING_END.search(lines[i]):
            return lines[start:i + 1]
    return lines[start:start + 80]

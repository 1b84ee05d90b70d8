# SPDX-License-Identifier: GPL-2.0-only
"""The arms: what is done to the feeder and to the tools in each.

A hand-made arm is what a careful person would do with the tools of the
system. All but Starling's set attributes before the programs start, so that
their first instruction is already where it should be.
"""
import os


class Arm:
    """feeder, tools: functions run in the child before exec, or None."""

    def __init__(self, name, label, feeder=None, tools=None, hogs=True,
                 hand_made=False, starling=False):
        self.name = name
        self.label = label
        self.feeder = feeder
        self.tools = tools
        self.hogs = hogs
        self.hand_made = hand_made
        self.starling = starling


def _idle_class():
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _pin(cpus):
    return lambda: os.sched_setaffinity(0, cpus)


def unloaded():
    return Arm("unloaded", "unloaded (no tools)", hogs=False)


def fixed():
    return [
        Arm("nothing", "nothing"),
        Arm("nice", "feeder nice -15", hand_made=True, feeder=lambda: os.nice(-15)),
        Arm("idle", "tools SCHED_IDLE", hand_made=True, tools=_idle_class),
    ]


def starling():
    return Arm("starling", "Starling", starling=True)


def _text(cpus):
    return ",".join(str(c) for c in sorted(cpus))


def splits(cpus):
    """The static splits worth trying: some CPUs without tools, and the feeder
    on just those or wherever it likes."""
    cpus = sorted(cpus)
    out = []
    sizes = sorted({1, 2, max(1, len(cpus) // 10), len(cpus) // 2})
    for k in [s for s in sizes if 0 < s < len(cpus)]:
        for kept in (cpus[:k], cpus[-k:]):
            rest = [c for c in cpus if c not in kept]
            for feeder in (kept, cpus):
                out.append(Arm(
                    "split", f"split: feeder {_text(feeder)}, tools {_text(rest)}",
                    feeder=_pin(feeder), tools=_pin(rest), hand_made=True))
    return out

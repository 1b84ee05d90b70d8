# SPDX-License-Identifier: GPL-2.0-only
"""The arms: what is done to the feeder and to the tools in each.

A hand-made arm is what a careful person would do with the tools of the
system. All but Starling's set attributes before the programs start, so that
their first instruction is already where it should be.
"""
import os

from . import cgroups, daemon, sched

SLICE_US = 100
FIFO_PRIORITY = 10
PINNED_CPUS = 4
LOOK = "--dry-run"


class Arm:
    """feeder, tools: functions run in the child before exec, or None.
    hold: makes an object with both of them and close(), for the time of a cell.
    expect: attributes that feeder and tools must have while it is measured.
    options: of starlingd beside the placer.
    looks: starlingd changes nothing, so no target is for it.
    cannot: function of the set-up that says why this arm cannot be had here."""

    def __init__(self, name, label, feeder=None, tools=None, hold=None, expect=None, hogs=True,
                 hand_made=False, placer=None, options=(), cannot=None):
        self.name = name
        self.label = label
        self.feeder = feeder
        self.tools = tools
        self.hold = hold
        self.expect = expect or {}
        self.hogs = hogs
        self.hand_made = hand_made
        self.placer = placer
        self.options = options
        self.starling = placer is not None
        self.looks = LOOK in options
        self.cannot = cannot or (lambda setup: None)


def _idle_class():
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _slice():
    sched.set_slice(SLICE_US)


def _fifo():
    sched.set_fifo(FIFO_PRIORITY)


def _pin(cpus):
    return lambda: os.sched_setaffinity(0, cpus)


def _pinned(cpus):
    """Of which guides for inference servers tell."""
    kept = cpus[:PINNED_CPUS]

    def change():
        os.nice(-10)
        os.sched_setaffinity(0, kept)
    return Arm("pinned", f"feeder on {_text(kept)}, nice -10", hand_made=True, feeder=change,
               expect={"feeder": {"nice": -10, "cpus": kept}})


def unloaded():
    return Arm("unloaded", "unloaded (no tools)", hogs=False)


def _starling(name, label, placer, *options, **rest):
    return Arm(name, label, placer=placer, options=options,
               cannot=lambda setup: daemon.refuses(setup, placer), **rest)


def starling():
    return _starling("starling", "Starling", "auto")


SPLIT = Arm("split", "best static split", hand_made=True,
            cannot=lambda setup: None if len(setup.cpus) > 1 else "needs two CPUs")


def table():
    """All arms in the order in which they are measured and shown."""
    return [
        unloaded(),
        Arm("nothing", "nothing"),
        Arm("nice", "feeder nice -15", hand_made=True, feeder=lambda: os.nice(-15),
            expect={"feeder": {"nice": -15}}),
        _pinned(sorted(os.sched_getaffinity(0))),
        Arm("slice", f"feeder slice {SLICE_US} us", hand_made=True, feeder=_slice,
            expect={"feeder": {"slice_us": SLICE_US}},
            cannot=lambda setup: sched.cannot(_slice)),
        Arm("weight", "cpu.weight 10000:1", hand_made=True, hold=cgroups.Pair,
            expect={"feeder": {"group": "feeder"}, "tools": {"group": "tools"}},
            cannot=lambda setup: cgroups.cannot()),
        Arm("fifo", "feeder SCHED_FIFO", hand_made=True, feeder=_fifo,
            expect={"feeder": {"class": "fifo", "priority": FIFO_PRIORITY}},
            cannot=lambda setup: sched.cannot(_fifo)),
        Arm("idle", "tools SCHED_IDLE", hand_made=True, tools=_idle_class,
            expect={"tools": {"class": "idle"}}),
        SPLIT,
        Arm("aa", "nothing again (A/A)"),
        starling(),
        _starling("starling-tasks", "Starling, tasks", "task"),
        _starling("starling-cgroups", "Starling, cgroups", "cgroup"),
        _starling("starling-ext", "Starling, sched_ext", "sched_ext"),
        _starling("starling-no-noise", "Starling, --noise=off", "auto", "--noise=off"),
        _starling("starling-guard", "Starling, --guard=on", "auto", "--guard=on"),
        _starling("starling-look", f"Starling, {LOOK}", "auto", LOOK),
        _starling("fifo-look", f"SCHED_FIFO, {LOOK}", "auto", LOOK, feeder=_fifo),
    ]


DEFAULT = ("unloaded", "nothing", "nice", "idle", "split", "starling")


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
                    feeder=_pin(feeder), tools=_pin(rest), hand_made=True,
                    expect={"feeder": {"cpus": feeder}, "tools": {"cpus": rest}}))
    return out

# SPDX-License-Identifier: GPL-2.0-only
"""The guest, seen from outside: what it is started with, and what it says."""
import json
import os
import subprocess

from . import guest, guestcell
from .progress import Progress
from .setup import BenchError

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", ".."))
OVERHEAD = 4        # seconds of a cell beside settling and measuring
ALONE_S = 8
SLOWER = 5          # than expected, when a guest is given up


class Unable(BenchError):
    """Guests cannot run on this machine."""


def tool(name, *args):
    """One of tests/vm; what it prints last."""
    done = subprocess.run([os.path.join(TOP, "tests", "vm", name), *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 77:
        raise Unable("no guests here, see above")
    if done.returncode:
        raise BenchError(f"tests/vm/{name} {' '.join(args)} failed, see above")
    return done.stdout.strip().rpartition("\n")[2]


def plan(a, arms, loads):
    """Number of cells and the seconds that they should take."""
    n, t = 0, 0.0
    for load in loads:
        k = a.rounds * sum(1 for arm in arms if load.takes(arm))
        n += k
        t += k * (OVERHEAD + a.settle +
                  (ALONE_S if load.shape == "alone" else guestcell.seconds_of(load, a.seconds)))
    return n, t


class Guest:
    """One boot. results: what it said, line for line."""

    def __init__(self, a, arms, loads):
        self.a = a
        self.cells, self.seconds = plan(a, arms, loads)
        self.progress = Progress(self.cells, self.seconds)
        self.found, self.results, self.ended = None, [], False

    def command(self, rivals):
        a = self.a
        settings = {k: getattr(a, k) for k in guest.SETTINGS}
        lib = ":".join(f"/src/build/trixie/{x}" for x in ("gpuemu", "lib"))
        return [os.path.join(TOP, "tests", "vm", "run"), "-k", a.kernel, "-c", str(a.cpus), "-t",
                str(int(self.seconds * SLOWER + 120)), "--tools", "-a", f"{rivals}:/usr/local/bin",
                "-a", os.path.join(TOP, "python") + ":/src/python", "-e",
                f"LD_LIBRARY_PATH={lib}", "--", "python3", "tests/bench/guest-cells",
                json.dumps(settings)]

    def take(self, line):
        try:
            what = json.loads(line)
        except ValueError:
            self.progress.say(line.rstrip())
            return
        if "begin" in what:
            # A second boot, after a fault of the emulator: the first is void.
            self.found, self.results = what["begin"], []
            self.progress.done = 0
        elif "end" in what:
            self.ended = True
        else:
            self.results.append(what)
            self.progress.step(f"{what['load']}, {what['arm']}", note(what))

    def run(self, rivals):
        p = subprocess.Popen(self.command(rivals), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, text=True)
        try:
            for line in p.stdout:
                self.take(line)
            status = p.wait()
        finally:
            if p.poll() is None:
                p.terminate()
                p.wait()
        if status == 77:
            raise Unable("no guests here, see above")
        if status or not self.ended:
            raise BenchError(f"the guest ended early, with status {status}")


def note(what):
    got = what.get("got")
    if not got:
        return f"NOT MEASURED: {what['error']}"
    if got.get("core") is not None:
        return f"core {got['core'] * 100:.1f} %"
    return f"error {got['error'] * 100:.2f} points" if got.get("error") is not None else ""


def sort(results, arms, loads, rounds):
    """Rounds of each arm of each load, {} for one that failed; and those that did."""
    parts = []
    for load in loads:
        cells = {arm.name: [{} for _ in range(rounds)] for arm in arms if load.takes(arm)}
        for what in results:
            if what["load"] == load.name and "got" in what:
                cells[what["arm"]][what["round"]] = what["got"]
        parts.append({"load": load, "cells": cells, "rounds": rounds,
                      "arms": [arm for arm in arms if arm.name in cells]})
    return parts, [what for what in results if "error" in what]

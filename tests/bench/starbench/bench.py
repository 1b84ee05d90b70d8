# SPDX-License-Identifier: GPL-2.0-only
"""The order of things: which cells, how often, and what they are compared with."""
import time

from . import arms as arm_table
from . import cell, loads, stats, targets
from .progress import Progress, clock
from .setup import BenchError, Disturbed, Setup

TRIES = 5           # of a cell that somebody disturbs
OVERHEAD = 0.8      # seconds a cell takes beside settling and measuring
GRID_ROUNDS = {"rate": 3, "end": 2, "mix": 1}


def interleaved(items, round_no):
    """A B C, then C B A: a drift of the machine weighs on all arms alike."""
    return items if round_no % 2 == 0 else list(reversed(items))


class Bench:
    def __init__(self, a):
        self.a = a
        self.setup = Setup(a)
        self.left_out = []      # (what, why)
        self.split = arm_table.splits(self.setup.cpus)
        self.arms, self.loads = [], []
        self.progress = None
        self.gpu = None
        self.hogs = next(x for x in loads.table() if x.name == "hogs")

    def choose(self):
        """What was asked for and can be had on this machine."""
        self.arms = self._possible(arm_table.table(), self.a.arms, "arm")
        self.loads = self._possible(loads.table(), self.a.loads, "load")
        if not self.arms or not self.loads:
            raise BenchError("nothing is left to measure: " +
                             "; ".join(f"{what}: {why}" for what, why in self.left_out))

    def _possible(self, table, names, kind):
        got = []
        for item in table:
            why = item.cannot(self.setup) if item.name in names else None
            if why:
                self.left_out.append((f"{kind} {item.name}", why))
            elif item.name in names:
                got.append(item)
        return got

    def own(self):
        """The arm of Starling's for what is measured with one only."""
        return next((x for x in self.arms if x.starling), None)

    def has(self, name):
        return any(x.name == name for x in self.arms)

    def arms_of(self, load):
        return [x for x in self.arms if load.takes(x)]

    def grid_rounds(self, load):
        if self.a.quick or len(self.split) < 2 or not self.has("split") or load.is_empty:
            return 0
        return GRID_ROUNDS.get(load.shape, 0)

    def cell_s(self, load):
        """Seconds that a cell should take."""
        a = self.a
        own = {"rate": a.seconds, "end": 1.5 if a.quick else 5.0, "alone": 1.5,
               "mix": a.mix_seconds * max(1.0, load.rho or 0) + 2}[load.shape]
        return own + OVERHEAD + (a.settle if load.shape in ("rate", "end") else 0)

    def plan(self):
        """Number of cells and the seconds that they should take."""
        a, n, t = self.a, 0, 0.0
        for load in self.loads if "load" in a.parts else []:
            styles = 1 if load.shape == "alone" else len(a.styles)
            k = styles * (len(self.split) * self.grid_rounds(load) +
                          len(self.arms_of(load)) * a.rounds)
            n, t = n + k, t + k * self.cell_s(load)
        if "phases" in a.parts:
            k = self.phase_rounds() * len(self.phase_arms(None)) * len(a.styles)
            n, t = n + k, t + k * (a.settle + OVERHEAD + 4 * a.phase)
        if "quiet" in a.parts and self.own():
            k = 2 * a.rounds * len(a.styles)
            n, t = n + k, t + k * (a.settle + OVERHEAD + a.seconds)
        return n, t

    def phase_rounds(self):
        return 1 if self.a.quick else max(3, self.a.rounds // 2)

    def _undisturbed(self, *args, **kw):
        for left in reversed(range(TRIES)):
            try:
                return cell.run(self.setup, *args, **kw)
            except Disturbed as e:
                if not left:
                    raise
                self.progress.say(f"again: {e}")
                time.sleep(3)
        return None

    def measure(self, load, arm, wait, what, **kw):
        got = self._undisturbed(load, arm, wait, **kw)
        if got["gpu"]:
            self.gpu = got["gpu"] + (" (EMULATED GPU)" if got["emulated"] else "")
        late = "" if got["p99"] is None else f"p99 {got['p99']:.0f} us"
        self.progress.step(f"{what}, {wait}, {arm.label}", late)
        return got

    def usual_split(self):
        """Without a search: the last CPU kept, as interrupts go to the first."""
        return self.split[min(3, len(self.split) - 1)] if self.split else None

    def best_split(self, load, wait):
        """The static split that a patient person would end up with."""
        if not self.grid_rounds(load):
            return self.usual_split()
        seen = {arm.label: [] for arm in self.split}
        for r in range(self.grid_rounds(load)):
            for arm in interleaved(self.split, r):
                seen[arm.label].append(self.measure(load, arm, wait, f"{load.name}: grid",
                                                    seconds=min(1.0, self.a.seconds)))

        def med(arm, key):
            return stats.median([c[key] for c in seen[arm.label] if c[key] is not None])
        key, _, _, more = load.figure
        known = [arm for arm in self.split if med(arm, "p99") is not None]
        if not known:
            return self.usual_split()
        best = min(med(arm, "p99") for arm in known)
        close = [arm for arm in known if med(arm, "p99") <= 1.1 * best]
        return max(close, key=lambda arm: med(arm, key) * (1 if more else -1))

    def rounds(self, load, arms, wait, what, rounds, **kw):
        cells = {arm.name: [] for arm in arms}
        for r in range(rounds):
            for arm in interleaved(arms, r):
                cells[arm.name].append(self.measure(load, arm, wait, what, **kw))
        return {"load": load, "style": wait, "arms": arms, "cells": cells, "rounds": rounds}

    def load(self, load, wait):
        arms, split = self.arms_of(load), None
        if any(x.name == "split" for x in arms):
            split = self.best_split(load, wait)
            arms = [split if x.name == "split" else x for x in arms]
        part = self.rounds(load, arms, wait, load.name, self.a.rounds)
        part["split"] = split
        part["targets"] = targets.of_alone(part["cells"], arms) if load.shape == "alone" \
            else targets.of_style(wait, part["cells"], arms, load.name)
        return part

    def phase_arms(self, split):
        return [split or x for x in self.arms if x.name == "split"] + \
            ([self.own()] if self.own() else [])

    def phases(self, wait, split):
        arms = self.phase_arms(split)
        ms = int(self.a.phase * 1000)
        part = self.rounds(self.hogs, arms, wait, "phases", self.phase_rounds(),
                           phases=f"{ms},{ms}", seconds=4 * self.a.phase)
        part["targets"] = targets.of_phases(wait, part["cells"], arms[-1].name) \
            if len(arms) == 2 else []
        return part

    def quiet(self, wait):
        own = self.own()
        without = arm_table.Arm("nothing", "quiet, without", hogs=False)
        with_it = arm_table.Arm(own.name, f"quiet, {own.label}", hogs=False, placer=own.placer)
        part = self.rounds(self.hogs, [without, with_it], wait, "quiet", self.a.rounds)
        part["targets"] = targets.of_quiet(wait, part["cells"], own.name)
        return part

    def run(self):
        n, t = self.plan()
        self.progress = Progress(n, t)
        for what, why in self.left_out:
            self.progress.say(f"left out: {what}: {why}")
        self.progress.say(f"{n} cells, about {clock(t)}")
        parts, chosen = {"load": [], "phases": [], "quiet": []}, {}
        for load in self.loads if "load" in self.a.parts else []:
            for wait in ["-"] if load.shape == "alone" else self.a.styles:
                part = self.load(load, wait)
                parts["load"].append(part)
                if load.name == "hogs":
                    chosen[wait] = part["split"]
        for wait in self.a.styles:
            if "phases" in self.a.parts and self.phase_arms(None):
                parts["phases"].append(self.phases(wait, chosen.get(wait) or self.usual_split()))
        for wait in self.a.styles:
            if "quiet" in self.a.parts and self.own():
                parts["quiet"].append(self.quiet(wait))
        return parts

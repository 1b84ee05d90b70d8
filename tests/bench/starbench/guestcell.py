# SPDX-License-Identifier: GPL-2.0-only
"""One arm with one load in a guest, once: who ran, who waited, what was done.

Shares are of time as the kernel accounts for it in schedstat. A time of an emulated
CPU is only ever set against another one.
"""
import contextlib
import os
import re
import subprocess
import time

from . import cgroups, daemon, loads, procs, rivals, sched, team
from .setup import BenchError, Disturbed

FEEDER_WEIGHT = 10000
START_S = 60        # the longest that a program may take to be at work


class Window:
    """What families of threads run and wait between read()s."""

    def __init__(self, families):
        self.files = {name: [os.open(path, os.O_RDONLY) for path in paths]
                      for name, paths in families.items()}

    def read(self):
        """{name: (ns run, ns waited in the run queue)}"""
        now = {}
        for name, files in self.files.items():
            rows = [os.pread(f, 99, 0).split() for f in files]
            now[name] = sum(int(r[0]) for r in rows), sum(int(r[1]) for r in rows)
        return now

    def close(self):
        for f in sum(self.files.values(), []):
            os.close(f)


def family(head):
    return [f"/proc/{pid}/task/{tid}/schedstat" for pid in procs.tree(head)
            for tid in procs.threads(pid)]


@contextlib.contextmanager
def promptly():
    """Who measures must not wait behind what is measured."""
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class Agent:
    """Tools below one process."""

    def __init__(self, cell, member, change):
        self.n = max(1, member.procs * len(cell.setup.cpus) // 2)
        self.path = os.path.join(cell.setup.dir, f"counts-{member.name}")
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.p = procs.start([cell.setup.bin("agentload"), "hog", "--kind", "cpu", "--procs",
                              str(self.n), "--seconds", "86400", "--count-file", self.path],
                             env=cell.setup.environment(), setup=change,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ready(self):
        """All are there; in some arms it takes long until each has done something."""
        return len(procs.tree(self.p.pid)) > self.n

    def units(self):
        return loads.counted(self.path, self.n)

    def stop(self):
        procs.stop(self.p)


class Feeder:
    def __init__(self, cell, wait, change):
        setup = cell.setup
        self.p = procs.start([setup.bin("agentload"), "feed", "--wait", wait, "--t-ms",
                              str(setup.t_ms), "--host-us", str(setup.host_us), "--seconds",
                              "86400"], env=setup.environment(), setup=change,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def thread(self):
        return procs.thread_named(self.p.pid, "feeder")

    def stop(self):
        procs.stop(self.p)


class Cell:
    """The programs of one cell; close() ends them all, last first."""

    def __init__(self, setup, load, arm):
        self.setup, self.load, self.arm = setup, load, arm
        self.open = []
        self.daemon = self.scheduler = self.groups = None
        self.agents, self.feeder = {}, None

    def keep(self, thing, end="stop"):
        self.open.append(getattr(thing, end))
        return thing

    def close(self):
        while self.open:
            self.open.pop()()

    def prepare(self):
        """Who schedules, before there is anybody to schedule."""
        if self.grouped():
            self.groups = self.keep(cgroups.Tree(self.weights()), "close")
        if self.arm.starling:
            self.daemon = self.keep(daemon.Daemon(self.setup, self.arm.placer))
        if isinstance(self.arm, rivals.Rival):
            self.scheduler = self.keep(rivals.Scheduler(self.setup, self.arm.program))

    def grouped(self):
        """Weights are what a person gives to cgroups; beside a feeder only where the
        scheduler goes by nothing else."""
        if self.load.shape == "weights":
            return not self.arm.starling
        return self.load.shape == "feeder" and getattr(self.arm, "groups", False)

    def weights(self):
        members = self.load.members
        return [(team.path(members, m.name), m.weight) for m in members] + \
            ([("feeder", FEEDER_WEIGHT)] if self.load.wait else [])

    def joins(self):
        """{name: what its process does before exec to be that agent's}"""
        members = self.load.members
        if self.groups:
            return {m.name: self.groups.enter(team.path(members, m.name)) for m in members}
        if not self.arm.starling:
            return {m.name: self.arm.tools for m in members}
        import starling
        made = {}
        for m in members:
            made[m.name] = self.keep(starling.agent(m.name, weight=m.weight, join=None,
                                                    parent=made.get(m.parent)), "close")
        return {name: agent.join for name, agent in made.items()}

    def start_agents(self):
        joins = self.joins()
        for m in team.workers(self.load.members):
            self.agents[m.name] = self.keep(Agent(self, m, joins[m.name]))
        if not procs.wait_for(lambda: all(x.ready() for x in self.agents.values()), START_S):
            raise BenchError("the tools did not start")

    def start_feeder(self):
        change = self.groups.enter("feeder") if self.groups else self.arm.feeder
        self.feeder = self.keep(Feeder(self, self.load.wait, change))
        if not procs.wait_for(lambda: self.feeder.thread() != self.feeder.p.pid, START_S):
            raise BenchError("the feeder did not start")
        if self.daemon and not procs.wait_for(self.found, START_S, 0.2):
            raise BenchError("starlingd did not find the feeder")

    def found(self):
        done = subprocess.run([self.setup.bin("starling"), "status", "--json"],
                              env=self.setup.environment(), capture_output=True, check=False)
        return b'"comm": "feeder"' in done.stdout

    def check(self):
        """After the window: that this was the arm it is called by."""
        pids = {"feeder": self.feeder.thread() if self.feeder else None,
                "tools": next((procs.last_of_tree(x.p.pid) for x in self.agents.values()), None)}
        for who, pid in pids.items():
            now = sched.attributes(pid) if pid else None
            for key, value in self.arm.expect.get(who, {}).items() if now else ():
                if now[key] != value:
                    raise Disturbed(f"{key} of the {who} is {now[key]} and not {value}")
        why = self.daemon and self.daemon.not_as_asked()
        if why:
            raise Disturbed(why)
        if self.scheduler:
            self.scheduler.check()
        elif bool(rivals.loaded()) != bool(self.agents and self.arm.placer == "sched_ext"):
            raise Disturbed(f"sched_ext has {rivals.loaded() or 'no scheduler'}")

    def measure(self, seconds):
        """{name: (s run, s waited)} and the units of work a second, over a window."""
        families = {name: family(x.p.pid) for name, x in self.agents.items()}
        if self.feeder:
            pid = self.feeder.p.pid
            families["feeder"] = [f"/proc/{pid}/task/{self.feeder.thread()}/schedstat"]
        window = Window(families)
        try:
            with promptly():
                before, units, began = window.read(), self.units(), time.monotonic()
                time.sleep(seconds)
                after, done, ended = window.read(), self.units(), time.monotonic()
        finally:
            window.close()
        length = ended - began
        spent = {name: [(a - b) / 1e9 for a, b in zip(after[name], before[name])]
                 for name in after}
        return spent, (done - units) / length, length

    def units(self):
        return sum(x.units() for x in self.agents.values())


def _shares(cell, seconds):
    """Both loads with agents in them."""
    cell.start_agents()
    if cell.load.wait:
        cell.start_feeder()
    time.sleep(cell.setup.settle)
    spent, units, length = cell.measure(seconds)
    cell.check()
    feeder = spent.pop("feeder", None)
    ran = {name: run for name, (run, _) in spent.items()}
    got = {"spent": spent, "shares": team.got(ran), "units_per_s": units, "seconds": length,
           "error": team.error(cell.load.members, ran)}
    if feeder:
        run, waited = feeder
        got.update(feeder=feeder, cpu=run / length,
                   core=run / (run + waited) if run + waited else None)
    return got


def _alone(cell, _seconds):
    groups, loops = ("1", "50") if cell.setup.quick else ("2", "300")
    # The daemon leaves sched_ext some time after it last had somebody to place.
    if cell.daemon and not procs.wait_for(lambda: not rivals.loaded(), START_S, 0.2):
        raise BenchError("starlingd keeps its scheduler without agents")
    time.sleep(cell.setup.settle)
    done = subprocess.run(["hackbench", "-g", groups, "-l", loops], capture_output=True,
                          text=True, check=False)
    took = re.search(r"^Time: ([0-9.]+)$", done.stdout, re.M)
    if done.returncode or not took:
        raise BenchError(f"hackbench failed: {done.stderr.strip() or done.returncode}")
    cell.check()
    return {"messaging_s": float(took.group(1))}


SHAPES = {"feeder": _shares, "weights": _shares, "alone": _alone}
# One round of weights has to be longer: they are looked at to a tenth of a point.
LONGER = {"weights": 2}


def seconds_of(load, seconds):
    return seconds * LONGER.get(load.shape, 1)


def run(setup, load, arm):
    """Measure one cell; a dictionary of plain numbers."""
    cell = Cell(setup, load, arm)
    try:
        cell.prepare()
        got = SHAPES[load.shape](cell, seconds_of(load, setup.seconds))
        got["scheduler"] = rivals.loaded()
        return got
    finally:
        cell.close()

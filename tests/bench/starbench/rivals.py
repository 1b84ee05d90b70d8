# SPDX-License-Identifier: GPL-2.0-only
"""Other schedulers: programs that load one into sched_ext and keep it until they end."""
import os
import signal
import subprocess

from . import procs
from .arms import Arm
from .setup import BenchError, Disturbed

SCHED_EXT = "/sys/kernel/sched_ext"
# The longest that one may take to be loaded on an emulated CPU.
LOAD_S = 60


def loaded():
    """Name of the scheduler that sched_ext has, "" for none."""
    def read(*path):
        try:
            with open(os.path.join(SCHED_EXT, *path), encoding="ascii") as f:
                return f.read().strip()
        except OSError:
            return ""
    return read("root", "ops") if read("state") == "enabled" else ""


class Scheduler:
    """program: in the PATH; its scheduler has that name without scx_."""

    def __init__(self, setup, program):
        self.program = program
        self.name = program.removeprefix("scx_")
        self.log_path = os.path.join(setup.dir, f"{program}.log")
        with open(self.log_path, "wb") as log:
            self.p = procs.start([program], stdout=log, stderr=subprocess.STDOUT)
        procs.wait_for(lambda: self.p.poll() is not None or loaded() == self.name, LOAD_S)
        try:
            self.check()
        except Disturbed as e:
            self.stop()
            raise BenchError(str(e)) from None

    def check(self):
        """It may have been put out by the kernel, which then has its own again."""
        if loaded() != self.name:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                words = [x.strip() for x in f if x.strip()]
            raise Disturbed(f"{self.program} is not at work: "
                            f"{words[-1] if words else 'it said nothing'}")

    def stop(self):
        procs.stop(self.p, signal.SIGINT, wait=20)
        procs.wait_for(lambda: not loaded(), 20)


class Rival(Arm):
    """An arm with that program's scheduler. groups: agents and the feeder are in
    cgroups, which is what it goes by."""

    def __init__(self, program, label, groups=False, feeder=None):
        super().__init__(program, label, feeder=feeder, hand_made=True)
        self.program = program
        self.groups = groups

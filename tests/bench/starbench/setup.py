# SPDX-License-Identifier: GPL-2.0-only
"""What all cells of a run share: programs, environment, settings."""
import os
import shutil
import tempfile


class BenchError(Exception):
    """Ends the benchmark with one line for the person."""


class Disturbed(BenchError):
    """Somebody else changed what the arm had set: measure again."""


class Setup:
    """a: the arguments of tests/bench/feeder, which has their meaning."""

    def __init__(self, a):
        self.build = os.path.abspath(a.build)
        self.seconds = a.seconds
        self.settle = a.settle
        self.hogs = a.hogs
        self.t_ms = a.t_ms
        self.host_us = a.host_us
        self.emulated = not a.real_gpu
        self.own_session = a.own_session
        self.quick = a.quick
        self.mix_seconds = a.mix_seconds
        self.feeder = getattr(a, "feeder", None) or [self.bin("agentload"), "feed"]
        self.cpus = sorted(os.sched_getaffinity(0))
        self.dir = tempfile.mkdtemp(prefix="starling-bench.")
        self.mode_line = None
        if not os.access(self.bin("agentload"), os.X_OK):
            self.close()
            raise BenchError(f"{self.bin('agentload')} is missing: run make first")

    def bin(self, name):
        return os.path.join(self.build, "bin", name)

    def has_starling(self):
        return os.access(self.bin("starlingd"), os.X_OK) and \
            os.access(self.bin("starling"), os.X_OK)

    def environment(self):
        env = dict(os.environ)
        if self.emulated:
            # One device a cell: nothing is left over from the cell before.
            env["LD_LIBRARY_PATH"] = os.path.join(self.build, "gpuemu")
            env["GPUEMU_DEVICE"] = os.path.join(self.dir, "gpu")
        env["STARLING_RUNDIR"] = os.path.join(self.dir, "run")
        env["STARLING_SOCKET"] = os.path.join(self.dir, "run", "control")
        return env

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

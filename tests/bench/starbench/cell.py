# SPDX-License-Identifier: GPL-2.0-only
"""One arm, once: start its programs, measure, put everything back."""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from . import procs

COUNTER_LINE = 64


class BenchError(Exception):
    """Ends the benchmark with one line for the person."""


class Setup:
    """Where the programs are and what all cells share."""

    def __init__(self, build, seconds, settle, hogs, t_ms, host_us, emulated,
                 own_session=False):
        self.build = build
        self.seconds = seconds
        self.settle = settle
        self.hogs = hogs
        self.t_ms = t_ms
        self.host_us = host_us
        self.emulated = emulated
        self.own_session = own_session
        self.dir = tempfile.mkdtemp(prefix="starling-bench.")
        self.mode_line = None
        for name in ("agentload", "starling", "starlingd"):
            if name == "agentload" and not os.access(self.bin(name), os.X_OK):
                raise BenchError(f"{self.bin(name)} is missing: run make first")

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


def another_daemon():
    """True if a starlingd of the machine is at work: it would be in all arms."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        s.connect("/run/starling/control")
        return True
    except OSError:
        return False
    finally:
        s.close()


class Daemon:
    """starlingd with a run-time directory of its own."""

    def __init__(self, setup):
        self.setup = setup
        self.env = setup.environment()
        os.makedirs(self.env["STARLING_RUNDIR"], exist_ok=True)
        self.log_path = os.path.join(setup.dir, "starlingd.log")
        self.log = open(self.log_path, "wb")
        self.began = None
        self.p = procs.start([setup.bin("starlingd")], env=self.env,
                             stdout=self.log, stderr=subprocess.STDOUT)
        if not procs.wait_for(self._answers, 10):
            tail = self.last_words()
            self.stop()
            raise BenchError(f"starlingd did not come up: {tail}")
        if setup.mode_line is None:
            setup.mode_line = self.last_words(first=True)

    def _answers(self):
        if self.p.poll() is not None:
            return True
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            s.connect(self.env["STARLING_SOCKET"])
            return True
        except OSError:
            return False
        finally:
            s.close()

    def last_words(self, first=False):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            lines = [x.strip() for x in f if x.strip()]
        if not lines:
            return "it said nothing"
        return lines[0] if first else lines[-1]

    def mark(self):
        """Start of the window for use()."""
        self.began = (time.monotonic(), procs.run_and_wait_ns(self.p.pid)[0])

    def use(self):
        """CPU share of a core since mark(), and resident bytes now."""
        if self.p.poll() is not None:
            raise BenchError(f"starlingd died: {self.last_words()}")
        then, ran = self.began
        now_ran = procs.run_and_wait_ns(self.p.pid)[0]
        share = (now_ran - ran) / 1e9 / (time.monotonic() - then)
        return share, procs.rss_bytes(self.p.pid)

    def stop(self):
        if self.p.poll() is None:
            procs.stop(self.p, signal.SIGTERM, wait=5)
        else:
            procs.stop(self.p)
        self.log.close()


class Hogs:
    """The tools: children by exec of one agent process."""

    def __init__(self, setup, arm):
        self.path = os.path.join(setup.dir, "counts")
        self.n = setup.hogs
        argv = [setup.bin("agentload"), "hog", "--procs", str(self.n), "--seconds", "3600",
                "--count-file", self.path]
        if arm.starling:
            argv = [setup.bin("starling"), "run", "--role", "orchestrator", "--name",
                    "bench", "--"] + argv
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.p = procs.start(argv, env=setup.environment(), setup=arm.tools,
                             session=setup.own_session, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
        if not procs.wait_for(lambda: self.units() >= self.n or self.p.poll() is not None, 10):
            raise BenchError("the tools did not start")
        if self.p.poll() is not None:
            words = self.p.stderr.read().decode(errors="replace").strip()
            raise BenchError(f"the tools did not start: {words}")

    def units(self):
        try:
            with open(self.path, "rb") as f:
                data = f.read()
        except OSError:
            return 0
        lines = range(COUNTER_LINE, min(len(data), (self.n + 1) * COUNTER_LINE), COUNTER_LINE)
        return sum(struct.unpack_from("<Q", data, at)[0] for at in lines)

    def stop(self):
        procs.stop(self.p, signal.SIGTERM, wait=2)


def _feed(setup, arm, wait, seconds, phases):
    argv = [setup.bin("agentload"), "feed", "--wait", wait, "--t-ms", str(setup.t_ms),
            "--host-us", str(setup.host_us), "--seconds", str(seconds),
            "--settle", str(setup.settle), "--json"]
    if phases:
        argv += ["--phase-ms", phases]
    return procs.start(argv, env=setup.environment(), setup=arm.feeder,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _result(p, timeout):
    try:
        out, err = p.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise BenchError("the feeder did not end in time") from None
    if p.returncode:
        raise BenchError(f"the feeder failed: {err.decode(errors='replace').strip()}")
    return json.loads(out)


def _sleep_until_measured(p, setup):
    """The feeder settles for so long before it counts; so do we."""
    end = time.monotonic() + setup.settle + 0.05
    while time.monotonic() < end and p.poll() is None:
        time.sleep(0.02)


class Others:
    """What the rest of the machine uses meanwhile, as a share of its CPUs."""

    def __init__(self, own):
        self.own = [p.pid for p in own if p]
        self.began = time.monotonic()
        self.busy = self._busy()

    def _busy(self):
        busy, steal = procs.machine_busy_s()
        return busy + steal - sum(procs.tree_run_s(pid) for pid in self.own)

    def share(self, feeder_s):
        length = (time.monotonic() - self.began) * (os.cpu_count() or 1)
        return max(0.0, (self._busy() - self.busy - feeder_s) / length)


def run(setup, arm, wait, seconds=None, phases=None):
    """Measure one cell; a dictionary of plain numbers."""
    seconds = seconds or setup.seconds
    daemon = hogs = feeder = None
    try:
        if arm.starling:
            daemon = Daemon(setup)
        if arm.hogs:
            hogs = Hogs(setup, arm)
        feeder = _feed(setup, arm, wait, seconds, phases)
        _sleep_until_measured(feeder, setup)
        if daemon:
            daemon.mark()
        others = Others([hogs.p if hogs else None, daemon.p if daemon else None])
        then, before = time.monotonic(), hogs.units() if hogs else 0
        got = _result(feeder, seconds + setup.settle + 60)
        cell = _cell(got)
        if hogs:
            cell["units_per_s"] = (hogs.units() - before) / (time.monotonic() - then)
        cell["others"] = others.share((got.get("cpu") or {}).get("run_s", 0))
        if daemon:
            cell["daemon_cpu"], cell["daemon_rss"] = daemon.use()
        return cell
    finally:
        procs.stop(feeder)
        if hogs:
            hogs.stop()
        if daemon:
            daemon.stop()


def _cell(got):
    late = got.get("lateness_us") or {}
    cpu = got.get("cpu") or {}
    return {
        "p50": late.get("p50"), "p95": late.get("p95"), "p99": late.get("p99"),
        "max": late.get("max"), "share": cpu.get("got_share"),
        "tokens_per_s": got["tokens_per_s"], "starved_s": got.get("starved_s"),
        "tokens": got["tokens"], "gpu": got["gpu"], "emulated": got["emulated"],
        "units_per_s": None, "daemon_cpu": None, "daemon_rss": None,
    }

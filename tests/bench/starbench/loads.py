# SPDX-License-Identifier: GPL-2.0-only
"""The loads: what runs beside the feeder.

Each has a shape, which says how a cell of it is measured:
  rate   tools that never end; the work a second of the first kind of them is counted
  end    jobs that end; the time until the last one has is counted (makespan)
  mix    agents that ask a server, which is the feeder, and run tools; also ends
  alone  a program without feeder or agents: what Starling costs others
"""
import os
import shutil
import signal
import struct
import subprocess

from . import procs
from .setup import BenchError

COUNTER_LINE = 64
RHOS = (0.3, 0.7, 1.0, 1.5, 3.0)
SHORT_JOBS = 39
ISOLATED_RHO = 0.02    # a mix without tools: next to nothing of them


class Load:
    """kinds and procs are for agentload hog, no kind: no tools; note: what is expected
    of it."""

    def __init__(self, name, label, shape, kinds=(), procs_of=None, note="", rho=None,
                 cannot=None):
        self.name = name
        self.label = label
        self.shape = shape
        self.kinds = kinds
        self.procs_of = procs_of or (lambda setup: setup.hogs)
        self.note = note
        self.rho = rho
        self.cannot = cannot or (lambda setup: None)

    def takes(self, arm):
        """Without tools all arms are unloaded, and without a feeder there is nothing
        that could be done for it by hand."""
        if self.is_empty:
            return arm.hogs
        if self.shape == "alone":
            return arm.hogs and not arm.hand_made
        return True

    @property
    def is_empty(self):
        return self.shape == "rate" and not self.kinds

    @property
    def figure(self):
        """(key, column, format, True if more is better) of the tools' success."""
        return {"rate": ("units_per_s", "tools/s", "{:.0f}", True),
                "end": ("makespan_s", "makespan s", "{:.2f}", False),
                "mix": ("makespan_s", "makespan s", "{:.2f}", False),
                "alone": ("messaging_s", "messaging s", "{:.3f}", False)}[self.shape]


def table():
    mixes = [Load(f"mix-{rho:g}", f"nine agents, tools offer {rho:g} of the CPUs", "mix", rho=rho)
             for rho in RHOS]
    return [
        Load("hogs", "tools that compute", "rate", ("cpu",)),
        *mixes,
        Load("idle", "no tools", "rate"),
        Load("cpu+io", "tools that compute, and as many with disk and network", "rate",
             ("cpu", "io"), lambda setup: 2 * setup.hogs),
        Load("fork", "fork storm", "rate", ("fork",)),
        Load("memory", "memory bandwidth", "rate", ("memory",),
             lambda setup: min(setup.hogs, len(setup.cpus)),
             note="expected: not fixed, no scheduler shares out bandwidth"),
        Load("io", "disk and loopback network", "rate", ("io",),
             note="expected: next to no effect"),
        Load("barrier", "threads that meet at a barrier", "rate", ("barrier",), lambda setup: 1),
        Load("39+1", f"{SHORT_JOBS} short jobs and a long one", "end", ("cpu",),
             lambda setup: SHORT_JOBS + 1),
        Load("hackbench", "perf bench sched, no feeder, no agents", "alone",
             cannot=lambda setup: None if shutil.which("perf") else
             "needs perf (Debian: linux-perf)"),
    ]


def as_agent(setup, arm):
    """What goes before the command of the tools."""
    if not arm.starling:
        return []
    return [setup.bin("starling"), "run", "--quiet", "--role", "orchestrator", "--name",
            "bench", "--"]


def counted(path, procs_n, kinds_n=1):
    """Work units of the processes of an agentload hog with that --count-file: of those
    of its first kind, which take turns with the others."""
    try:
        with open(path, "rb") as f:
            data = f.read()
    except OSError:
        return 0
    lines = range(COUNTER_LINE, min(len(data), (procs_n + 1) * COUNTER_LINE),
                  kinds_n * COUNTER_LINE)
    return sum(struct.unpack_from("<Q", data, at)[0] for at in lines)


class Tools:
    """Children by exec of one agent process that never end."""

    def __init__(self, setup, load, arm, change):
        self.path = os.path.join(setup.dir, "counts")
        self.n = load.procs_of(setup)
        self.kinds = load.kinds
        argv = as_agent(setup, arm) + [
            setup.bin("agentload"), "hog", "--kind", ",".join(self.kinds), "--procs", str(self.n),
            "--seconds", "86400", "--count-file", self.path]
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.p = procs.start(argv, env=setup.environment(), setup=change,
                             session=setup.own_session, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
        if not procs.wait_for(lambda: self.units() >= self.n or self.p.poll() is not None, 30):
            raise BenchError("the tools did not start")
        self.check()

    def check(self):
        if self.p.poll() is not None:
            words = self.p.stderr.read().decode(errors="replace").strip()
            raise BenchError(f"the tools ended: {words}")

    def units(self):
        return counted(self.path, self.n, len(self.kinds))

    def stop(self):
        procs.stop(self.p, signal.SIGTERM, wait=2)


class Jobs:
    """Jobs that end. The long one needs as long as all CPUs together need for
    the short ones, so that who starts it last has lost."""

    def __init__(self, setup, load, arm, change):
        short = (100 if setup.quick else 500) * len(setup.cpus)
        argv = as_agent(setup, arm) + [
            setup.bin("agentload"), "hog", "--kind", *load.kinds, "--procs",
            str(load.procs_of(setup)), "--units", str(short),
            "--units-last", str(short * SHORT_JOBS // len(setup.cpus)), "--json"]
        self.p = procs.start(argv, env=setup.environment(), setup=change,
                             session=setup.own_session, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)

    def result(self, timeout=900):
        return procs.result(self.p, "the jobs", timeout)

    def stop(self):
        procs.stop(self.p, signal.SIGTERM, wait=2)


# -- mix -------------------------------------------------------------------------------

def trace_of(setup, load, arm):
    """The trace of that load; drawn once, so that all arms do the same work. Somebody
    has to ask the server: where there are to be no tools, they do next to nothing."""
    rho = load.rho if arm.hogs else ISOLATED_RHO
    path = os.path.join(setup.dir, f"mix-{rho:g}.trace")
    if not os.path.exists(path):
        p = subprocess.run([setup.bin("agentload"), "trace", "--seconds", str(setup.mix_seconds),
                            "--rho", str(rho), "--cpus", str(len(setup.cpus)), "--t1-ms",
                            str(setup.t_ms), "-o", path], capture_output=True, text=True,
                           check=False)
        if p.returncode:
            raise BenchError(f"no trace for {load.name}: {p.stderr.strip()}")
    return path


class Server:
    """The inference server, whose feeder thread drives the GPU."""

    def __init__(self, setup, wait, change):
        self.p = procs.start([setup.bin("agentload"), "serve", "--port", "0", "--wait", wait,
                              "--t1-ms", str(setup.t_ms), "--host-us", str(setup.host_us)],
                             env=setup.environment(), setup=change, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        words = self.p.stdout.readline().decode(errors="replace").split()
        if len(words) < 3:
            err = self.p.stderr.read().decode(errors="replace").strip()
            raise BenchError(f"the server did not start: {err}")
        self.url = words[2].rstrip(",")

    def stop(self):
        procs.stop(self.p, signal.SIGTERM, wait=5)


class Agents:
    """The nine agents of a trace, each an agent of its own for Starling."""

    def __init__(self, setup, load, arm, change, url):
        argv = [setup.bin("agentload"), "run", "--trace", trace_of(setup, load, arm), "--server",
                url, "--json", "-", "--quiet", "--work", os.path.join(setup.dir, "work")]
        if arm.starling:
            argv += ["--wrap", f"{setup.bin('starling')} run --quiet --name %n --role %r --"]
        self.p = procs.start(argv, env=setup.environment(), setup=change,
                             session=setup.own_session, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)

    def result(self, timeout=1800):
        return procs.result(self.p, "the agents", timeout)

    def stop(self):
        procs.stop(self.p, signal.SIGTERM, wait=5)


# -- alone -----------------------------------------------------------------------------

def _perf(*args):
    p = procs.start(["perf", "bench", "-f", "simple", "sched", *args], stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE)
    try:
        return float(procs.result(p, "perf bench", 600))
    finally:
        procs.stop(p)


def hackbench(setup):
    groups, loops, pipes = ("2", "50", "5000") if setup.quick else ("10", "200", "100000")
    return {"messaging_s": _perf("messaging", "-g", groups, "-l", loops),
            "pipe_s": _perf("pipe", "-l", pipes)}

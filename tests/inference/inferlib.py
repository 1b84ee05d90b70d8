# SPDX-License-Identifier: GPL-2.0-only
"""A daemon of the test's own, what it says of threads, and what became of them."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(TOP, os.environ.get("O", "build"))
sys.path.insert(0, os.path.join(TOP, "tests", "probe"))

BIN = os.path.join(OUT, "bin")
LIBRARY = os.path.join(OUT, "tests", "ggml", "libggml-cpu-standin.so")


def wait_for(what, seconds=10, every=0.02, begin=None):
    """The first true value of what() and how long it took; (falsy, seconds)."""
    begin = begin or time.monotonic()
    while True:
        got = what()
        took = time.monotonic() - begin
        if got or took > seconds:
            return got, took
        time.sleep(every)


def threads_of(pid):
    try:
        return {int(t) for t in os.listdir(f"/proc/{pid}/task")}
    except OSError:
        return set()


def attributes(tid):
    """What a placer may change: nice value, CPUs, class."""
    try:
        return (os.getpriority(os.PRIO_PROCESS, tid), frozenset(os.sched_getaffinity(tid)),
                os.sched_getscheduler(tid) & ~os.SCHED_RESET_ON_FORK)
    except OSError:
        return None


def busy_cpus(seconds=1.0):
    """How many CPUs' worth others run here."""
    def idle_s():
        with open("/proc/stat", encoding="ascii") as f:
            fields = f.readline().split()
        return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")
    begin, idle = time.monotonic(), idle_s()
    time.sleep(seconds)
    return os.cpu_count() - (idle_s() - idle) / (time.monotonic() - begin)


class Daemon:
    """starlingd with a run-time directory of its own."""

    def __init__(self, *options):
        self.dir = tempfile.TemporaryDirectory(prefix="starling-infer.")
        self.env = dict(os.environ, STARLING_RUNDIR=self.dir.name)
        self.env.pop("STARLING_SOCKET", None)
        self.options = options
        self.proc = None

    def start(self):
        # masks of interrupts are the machine's: one daemon at a time may change them
        self.proc = subprocess.Popen(
            [os.path.join(BIN, "starlingd"), "-q", "--noise", "off", "--no-kmod",
             "--placer", "task", "--rundir", self.dir.name, *self.options], env=self.env)
        return bool(wait_for(self.status, 15)[0])

    def command(self, *words):
        p = subprocess.run([os.path.join(BIN, "starling"), *words], env=self.env,
                           capture_output=True, text=True, check=False)
        return p.stdout if not p.returncode else ""

    def status(self):
        text = self.command("status", "--json")
        return json.loads(text) if text else None

    def inference(self):
        """Threads by their process."""
        out = {}
        for t in (self.status() or {}).get("inference", []):
            out.setdefault(t["pid"], set()).add(t["tid"])
        return out

    def end(self, signo=signal.SIGTERM):
        if self.proc:
            self.proc.send_signal(signo)
            self.proc.wait(20)
            self.proc = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        # what a daemon that was killed has left
        subprocess.run([os.path.join(BIN, "starlingd"), "-q", "--journal-undo", "--rundir",
                        self.dir.name], env=self.env, check=False)
        self.dir.cleanup()


class Hogs:
    """Processes that want a CPU all the time, as tools of agents do."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        code = "while True: pass"
        self.procs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(self.count)]
        return self

    def __exit__(self, *_):
        for p in self.procs:
            p.kill()
            p.wait()


class Standin:
    """The engine of engine.c: .compute and .idle are its threads."""

    def __init__(self, threads, seconds, idle=0, library=LIBRARY, env=None):
        self.proc = subprocess.Popen(
            [os.path.join(OUT, "tests", "infer-engine"), library, str(threads), str(seconds),
             str(idle)], stdout=subprocess.PIPE, text=True, env=env)
        said = json.loads(self.proc.stdout.readline())
        self.compute, self.idle = set(said["compute"]), set(said["idle"])
        self.pid = self.proc.pid

    def toggle(self):
        self.proc.send_signal(signal.SIGUSR1)

    def rate(self):
        """Tokens a second, when it has ended by itself."""
        said = json.loads(self.proc.communicate(timeout=120)[0])
        return said["tokens"] / said["seconds"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()

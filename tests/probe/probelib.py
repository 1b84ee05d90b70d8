# SPDX-License-Identifier: GPL-2.0-only
"""TAP, and probe-dump as a source of events and records, for the tests here."""

import json
import os
import queue
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests"))
from tap import Tap        # noqa: E402,F401

OUT = os.path.join(TOP, os.environ.get("O", "build"))
STYLES = {0: "unknown", 1: "block", 2: "spin", 3: "yield"}
TOOL, BY_LINEAGE = 4, 1


def program(name):
    for folder in ("tests", "bin"):
        path = os.path.join(OUT, folder, name)
        if os.path.exists(path):
            return path
    sys.exit(f"{name} is not built: make tests")


def gpu_env():
    return dict(os.environ, LD_LIBRARY_PATH=os.path.join(OUT, "gpuemu"))


def skip_all(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def need_root():
    if os.geteuid():
        skip_all("needs root")


class Dump:
    """A running probe-dump; lines are read by a thread as they come."""

    def __init__(self, *args, every=100, env=None, prefix=()):
        self.proc = subprocess.Popen(
            [*prefix, program("probe-dump"), "--every", str(every), *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        self.lines = []
        self.new = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.mode = self.wait(lambda m: m.get("record") == "mode", 20)

    def _read(self):
        for line in self.proc.stdout:
            item = json.loads(line)
            self.lines.append(item)
            self.new.put(item)

    def wait(self, wanted, seconds):
        """The first of what has not been looked at yet that is wanted, or None."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                item = self.new.get(timeout=left)
            except queue.Empty:
                return None
            if wanted(item):
                return item
        return None

    def forget(self):
        while not self.new.empty():
            self.new.get()

    def task(self, tid, seconds=3):
        return self.wait(lambda m: m.get("record") == "task" and m["tid"] == tid, seconds)

    def event(self, name, tid=None, seconds=3):
        return self.wait(lambda m: m.get("event") == name and
                         (tid is None or m["tid"] == tid), seconds)

    def agent(self, seconds=3):
        return self.wait(lambda m: m.get("record") == "agent", seconds)

    def stop(self):
        if self.proc.poll() is None:
            self.proc.terminate()
        self.proc.wait(timeout=20)
        self.reader.join(timeout=5)
        return self.proc.stderr.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def need_bpf():
    need_root()
    with Dump("--quiet", "1") as dump:
        mode = dump.mode or {}
    if not mode.get("uprobes"):
        skip_all(mode.get("missing", "no probes here"))

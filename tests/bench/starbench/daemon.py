# SPDX-License-Identifier: GPL-2.0-only
"""starlingd with a run-time directory of its own."""
import os
import signal
import socket
import subprocess
import time

from . import procs
from .setup import BenchError


def _answers(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        s.connect(path)
        return True
    except OSError:
        return False
    finally:
        s.close()


def another():
    """True if a starlingd of the machine is at work: it would be in all arms."""
    return _answers("/run/starling/control")


class Daemon:
    def __init__(self, setup, placer="auto"):
        self.setup = setup
        self.env = setup.environment()
        os.makedirs(self.env["STARLING_RUNDIR"], exist_ok=True)
        self.log_path = os.path.join(setup.dir, "starlingd.log")
        self.log = open(self.log_path, "wb")
        self.began = None
        self.p = procs.start([setup.bin("starlingd"), f"--placer={placer}"], env=self.env,
                             stdout=self.log, stderr=subprocess.STDOUT)
        procs.wait_for(lambda: self.p.poll() is not None or self.up(), 10)
        if not self.up():
            tail = self.last_words()
            self.stop()
            raise BenchError(f"starlingd did not come up: {tail}")
        if setup.mode_line is None:
            setup.mode_line = self.last_words(first=True)

    def up(self):
        return _answers(self.env["STARLING_SOCKET"])

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


def refuses(setup, placer):
    """Why that placer cannot be used here, or None."""
    try:
        Daemon(setup, placer).stop()
        return None
    except BenchError as e:
        return str(e).split(": ", 2)[-1]

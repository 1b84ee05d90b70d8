# SPDX-License-Identifier: GPL-2.0-only
"""starlingd with a run-time directory of its own."""
import json
import os
import signal
import socket
import subprocess
import time

from . import procs
from .setup import BenchError

# An emulated CPU beside other work takes its time to look a scheduler through.
UP_S = 60


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


def strayed(mode, placer):
    """Why a daemon in that mode is not what --placer asked for, or None."""
    fell = mode.get("fell_back")
    if fell:
        return f"starlingd gave up {fell.get('from')}: {fell.get('why')}"
    if placer not in ("auto", mode.get("placer")):
        return f"starlingd uses {mode.get('placer')} and not {placer}"
    return None


class Daemon:
    def __init__(self, setup, placer="auto", options=()):
        self.setup = setup
        self.placer = placer
        self.env = setup.environment()
        os.makedirs(self.env["STARLING_RUNDIR"], exist_ok=True)
        self.log_path = os.path.join(setup.dir, "starlingd.log")
        self.log = open(self.log_path, "wb")
        self.began = None
        self.p = procs.start([setup.bin("starlingd"), f"--placer={placer}", *options],
                             env=self.env, stdout=self.log, stderr=subprocess.STDOUT)
        procs.wait_for(lambda: self.p.poll() is not None or self.up(), UP_S)
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
        self.began = (time.monotonic(), procs.tree_run_s(self.p.pid))

    def use(self):
        """CPU share of a core since mark(), and resident bytes now, with what reads GPUs."""
        if self.p.poll() is not None:
            raise BenchError(f"starlingd died: {self.last_words()}")
        then, ran = self.began
        share = (procs.tree_run_s(self.p.pid) - ran) / (time.monotonic() - then)
        return share, sum(procs.rss_bytes(pid) for pid in procs.tree(self.p.pid))

    def mode(self):
        """What 'starling status' says of how it works now."""
        done = subprocess.run([self.setup.bin("starling"), "status", "--json"], env=self.env,
                              capture_output=True, timeout=10, check=False)
        try:
            return json.loads(done.stdout)["mode"]
        except (ValueError, KeyError):
            raise BenchError(f"starling status --json told no mode: "
                             f"{done.stderr.decode(errors='replace').strip()}") from None

    def not_as_asked(self):
        """Why this was not the arm that was asked for, or None."""
        return strayed(self.mode(), self.placer)

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

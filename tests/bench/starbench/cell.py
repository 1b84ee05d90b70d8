# SPDX-License-Identifier: GPL-2.0-only
"""One arm with one load, once: start its programs, measure, put everything back."""
import signal
import subprocess
import time

from . import daemon, loads, procs, sched
from .setup import Disturbed

END_WAIT = 86400    # a feeder that runs until it is told to end
STOCK = {"class": "other", "nice": 0}   # what has no other attributes by its arm

# What a cell can have; None is what was not measured.
KEYS = ("p50", "p95", "p99", "max", "hist", "share", "tokens_per_s", "starved_s", "tokens", "gpu",
        "emulated", "units_per_s", "makespan_s", "token_p99_ms", "itl_p99_ms", "messaging_s",
        "pipe_s", "daemon_cpu", "daemon_rss", "others", "attributes")


class Others:
    """What the rest of the machine uses meanwhile, as a share of its CPUs."""

    def __init__(self, setup, own):
        self.cpus = len(setup.cpus)
        self.own = [x.p.pid for x in own if x]
        self.began = time.monotonic()
        self.busy = self._busy()

    def _busy(self):
        busy, steal = procs.machine_busy_s()
        return busy + steal - sum(procs.tree_run_s(pid) for pid in self.own)

    def share(self, ended_s):
        """ended_s: CPU seconds of what ended since."""
        length = (time.monotonic() - self.began) * self.cpus
        return max(0.0, (self._busy() - self.busy - ended_s) / length)


class Cell:
    """The programs of one cell; close() ends them all, last first."""

    def __init__(self, setup, load, arm, wait):
        self.setup, self.load, self.arm, self.wait = setup, load, arm, wait
        self.daemon = self.others = self.held = None
        self.open = []
        self.got = dict.fromkeys(KEYS)
        if arm.hold:
            self.held = self.keep(arm.hold())
        if arm.starling:
            self.daemon = daemon.Daemon(setup, arm.placer, arm.options)
            self.keep(self.daemon)

    def keep(self, thing):
        self.open.append(thing)
        return thing

    def close(self):
        """Groups go after the programs in them."""
        for thing in sorted(reversed(self.open), key=lambda t: t is self.held):
            if thing is self.held:
                thing.close()
            else:
                thing.stop()

    def change(self, who):
        """What is done to the feeder or the tools before exec."""
        return getattr(self.held or self.arm, who)

    def begin(self, own):
        if self.daemon:
            self.daemon.mark()
        self.others = Others(self.setup, list(own) + [self.daemon])

    def end(self, ended_s):
        self.got["others"] = self.others.share(ended_s)
        if self.daemon:
            self.got["daemon_cpu"], self.got["daemon_rss"] = self.daemon.use()
            self.check_daemon()

    def check_daemon(self):
        """After the window, so that the question is not in the figures."""
        why = self.daemon.not_as_asked()
        if why:
            raise Disturbed(f"arm {self.arm.name}: {why}")

    def check(self, feeder, tools):
        """Keep what is really set, and end if it is not what the arm says."""
        pids = {"feeder": procs.thread_named(feeder.p.pid, "feeder") if feeder else None,
                "tools": procs.last_of_tree(tools.p.pid) if tools else None}
        now = {who: sched.attributes(pid) if pid else None for who, pid in pids.items()}
        self.got["attributes"] = now
        for who in () if self.arm.starling else pids:
            wanted = {**STOCK, "cpus": self.setup.cpus, **self.arm.expect.get(who, {})}
            for key, value in wanted.items():
                if now[who] and now[who][key] != value:
                    raise Disturbed(f"arm {self.arm.name}: {key} of the {who} is {now[who][key]} "
                                    f"and not {value}; is another starlingd at work?")


class Feeder:
    def __init__(self, cell, seconds, phases=None):
        setup = cell.setup
        argv = [*setup.feeder, "--wait", cell.wait, "--t-ms", str(setup.t_ms), "--host-us",
                str(setup.host_us), "--seconds", str(seconds), "--settle", str(setup.settle),
                "--json"]
        if phases:
            argv += ["--phase-ms", phases]
        self.settle = setup.settle
        self.p = procs.start(argv, env=setup.environment(), setup=cell.change("feeder"),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def settled(self):
        """It settles for so long before it counts; so do we."""
        end = time.monotonic() + self.settle + 0.05
        while time.monotonic() < end and self.p.poll() is None:
            time.sleep(0.02)

    def result(self, timeout):
        return procs.result(self.p, "the feeder", timeout)

    def stop(self):
        procs.stop(self.p)


def _feeder_figures(cell, late, cpu):
    late, cpu = late or {}, cpu or {}
    cell.got.update({k: late.get(k) for k in ("p50", "p95", "p99", "max", "hist")})
    cell.got["share"] = cpu.get("got_share")


def _feed_figures(cell, got):
    _feeder_figures(cell, got.get("lateness_us"), got.get("cpu"))
    for key in ("tokens_per_s", "starved_s", "tokens", "gpu", "emulated"):
        cell.got[key] = got.get(key)
    cell.got["token_p99_ms"] = got["token_us"].get("p99", 0) / 1e3 or None


def _run_s(got):
    return (got.get("cpu") or {}).get("run_s", 0)


def _rate(cell, seconds, phases=None):
    tools = None
    if cell.arm.hogs and cell.load.kinds:
        tools = cell.keep(loads.Tools(cell.setup, cell.load, cell.arm, cell.change("tools")))
    feeder = cell.keep(Feeder(cell, seconds, phases))
    feeder.settled()
    cell.check(feeder, tools)
    cell.begin([tools])
    then, before = time.monotonic(), tools.units() if tools else 0
    got = feeder.result(seconds + cell.setup.settle + 60)
    _feed_figures(cell, got)
    if tools:
        tools.check()
        cell.got["units_per_s"] = (tools.units() - before) / (time.monotonic() - then)
    cell.end(_run_s(got))


def _end(cell, seconds):
    if not cell.arm.hogs:
        return _rate(cell, seconds)
    feeder = cell.keep(Feeder(cell, END_WAIT))
    feeder.settled()
    cell.begin([])
    jobs = cell.keep(loads.Jobs(cell.setup, cell.load, cell.arm, cell.change("tools")))
    procs.wait_for(lambda: len(procs.tree(jobs.p.pid)) > 2 or jobs.p.poll() is not None, 5)
    cell.check(feeder, jobs)
    done = jobs.result()
    feeder.p.send_signal(signal.SIGTERM)
    got = feeder.result(30)
    _feed_figures(cell, got)
    cell.got["makespan_s"] = done["seconds"]
    cell.end(_run_s(got) + done["cpu_s"])


def _mix(cell, _seconds):
    server = cell.keep(loads.Server(cell.setup, cell.wait, cell.change("feeder")))
    cell.begin([server])
    agents = cell.keep(loads.Agents(cell.setup, cell.load, cell.arm, cell.change("tools"),
                                    server.url))
    procs.wait_for(lambda: len(procs.tree(agents.p.pid)) > 2 or agents.p.poll() is not None, 10)
    cell.check(server, agents)
    got = agents.result()
    _feeder_figures(cell, got["feeder"].get("lateness_us"), got["feeder"])
    for key in ("tokens_per_s", "tokens", "gpu", "emulated", "makespan_s"):
        cell.got[key] = got.get(key)
    cell.got["starved_s"] = got["feeder"].get("starved_s")
    cell.got["units_per_s"] = got["tools"]["work_per_s"]
    cell.got["itl_p99_ms"] = got["itl_us"]["p99"] / 1e3
    cell.end(got["cpu_s"])


def _alone(cell, _seconds):
    cell.begin([])
    cell.got.update(loads.hackbench(cell.setup))
    if cell.daemon:
        cell.got["daemon_cpu"], cell.got["daemon_rss"] = cell.daemon.use()
        cell.check_daemon()


SHAPES = {"rate": _rate, "end": _end, "mix": _mix, "alone": _alone}


def run(setup, load, arm, wait, seconds=None, **kw):
    """Measure one cell; a dictionary of plain numbers."""
    cell = Cell(setup, load, arm, wait)
    try:
        SHAPES[load.shape](cell, seconds or setup.seconds, **kw)
        return cell.got
    except BaseException:
        # A ^C may come between a start and the note that it was made.
        procs.stop_all()
        raise
    finally:
        cell.close()

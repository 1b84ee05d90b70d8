#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Inside a guest with a mock of NVIDIA's kernel driver: what the daemon counts of
threads there, and which of them it takes for feeders. Started by run-guest."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from tap import Tap, within

MODULES = (("nvidia", "/mock/nvidia.ko"), ("nvidia_uvm", "/mock/nvidia-uvm.ko"))
FOUND_WITHIN_NS = 100e6
IOCTL_WITHIN = 0.05
WAIT_WITHIN = 0.25
CROWD = 1200
CROWD_MAX = 1024

tap = Tap()
ok = tap.ok


def starling(*args):
    p = subprocess.run(["starling", *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                       text=True, check=False)
    return p.stdout


def status():
    try:
        return json.loads(starling("status", "--json"))
    except ValueError:
        return {}


def driver():
    return status().get("gpu", {}).get("driver", {})


def thread(tid):
    return next((t for t in driver().get("threads", []) if t["tid"] == tid), None)


def feeder(tid):
    return next((f for f in status().get("feeders", []) if f["tid"] == tid), None)


class Client:
    """A program at the driver, and what it says."""

    def __init__(self, *mode, env=None):
        self.proc = subprocess.Popen([sys.executable, HERE + "/client.py", *mode],
                                     stdout=subprocess.PIPE, text=True,
                                     env=dict(os.environ, **(env or {})))
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.proc.stdout:
            self.lines.append(json.loads(line))

    def hear(self, after=0):
        """What it has said first, or after so many times."""
        within(60, lambda: len(self.lines) > after)
        return self.lines[after]

    def end(self):
        self.proc.kill()
        self.proc.wait()
        self.reader.join()
        self.proc.stdout.close()


class Dump:
    """A probe-dump and the events that it has told of."""

    def __init__(self):
        self.out = tempfile.TemporaryFile("w+")
        self.proc = subprocess.Popen(["probe-dump", "--quiet"], stdout=self.out, text=True)
        within(60, lambda: any(m.get("record") == "mode" for m in self.lines()))

    def lines(self):
        # opened anew: the writer's place in the file stays where it is
        with open(f"/proc/self/fd/{self.out.fileno()}") as f:
            return [json.loads(line) for line in f if line.endswith("}\n")]

    def events(self, name, **having):
        return [m for m in self.lines() if m.get("event") == name and
                all(m[k] == v for k, v in having.items())]

    def end(self):
        self.proc.terminate()
        self.proc.wait()
        self.out.close()


# -- the module comes and goes ------------------------------------------------------


def node(path, major, minor):
    if os.path.exists(path):
        os.unlink(path)
    os.mknod(path, 0o020666, os.makedev(major, minor))


def load():
    for _, path in MODULES:
        subprocess.run(["insmod", path], check=True)
    with open("/proc/devices") as f:
        majors = {name: int(n) for n, name in
                  (line.split() for line in f if len(line.split()) == 2 and line[0] != "B")
                  if n.isdigit()}
    node("/dev/nvidiactl", 195, 255)
    node("/dev/nvidia0", 195, 0)
    node("/dev/nvidia-uvm", majors["nvidia-uvm"], 0)


def unload():
    return all(subprocess.run(["rmmod", name], check=False).returncode == 0
               for name, _ in reversed(MODULES))


def probed():
    probes = driver().get("probes")
    return probes and all(p["in"] for p in probes)


def check_without():
    d = driver()
    ok(d and not d["known"] and "not loaded" in d["why"] and not d["threads"],
       "without the driver there is nothing to count, which is said", d)
    row = next((r for r in starling("check").splitlines() if r.startswith("nvidia_driver")), "")
    ok(row.split()[1:2] == ["ok"], "and nothing is wrong about that", row)


def check_comes(text):
    load()
    began = time.monotonic()
    ok(within(20, probed), text, driver())
    print(f"# {time.monotonic() - began:.1f} s after it was loaded", flush=True)
    ok("+driver" in status().get("mode", {}).get("probes", ""), "and the mode says so",
       status().get("mode"))


def check_goes():
    ok(unload(), "the driver can be removed while the daemon runs")
    ok(within(10, lambda: driver().get("known") is False), "its probes are gone with it", driver())


# -- who feeds ----------------------------------------------------------------------


def check_found(dump):
    c = Client("feeder")
    said = c.hear()
    event = within(20, lambda: dump.events("gpu-first-wait", tid=said["tid"]))
    late = event[0]["ns"] - said["first_ns"] if event else None
    ok(event and late < FOUND_WITHIN_NS,
       f"a thread that sleeps in poll() is found {(late or 0) / 1e6:.0f} ms after it first did",
       (event, said))
    f = within(20, lambda: (feeder(said["tid"]) or {}).get("style") == "block" and
               feeder(said["tid"]))
    ok(f and f["pid"] == said["pid"], "it is a feeder, and blocks", (f, status().get("feeders")))
    ok(len(dump.events("gpu-open", tgid=said["pid"])) == 1, "its process opened a GPU, once",
       dump.events("gpu-open"))
    return c


def check_waits(c):
    """Each of its calls is one wait, and takes as long."""
    tid, n = c.hear()["tid"], len(c.lines)
    before = dict(c.hear(n), f=feeder(tid))
    after = dict(c.hear(n + 4), f=feeder(tid))
    real = after["waits"] - before["waits"]
    seen = after["f"]["waits"] - before["f"]["waits"]
    # what it says and what is asked for are some waits apart
    ok(abs(seen - real) <= real * 0.1 + 5, f"it has waited {real} times, {seen} were seen",
       (before, after))
    mean = (after["waited_ns"] - before["waited_ns"]) / real / 1e6
    told = (after["f"]["gpu_wait_s"] - before["f"]["gpu_wait_s"]) * 1e3 / max(seen, 1)
    ok(abs(told - mean) <= mean * WAIT_WITHIN,
       f"of {mean:.1f} ms each; said: {told:.1f} ms", (before, after))


def check_others(true_one):
    """None of these is a feeder, however long it goes on."""
    modes = ("hog", "handler", "once", "clock")
    others = [Client(m) for m in modes]
    for c in others:
        c.hear()
    time.sleep(6)
    s = status()
    feeders = {f["tid"] for f in s["feeders"]}
    for mode, c in zip(modes, others):
        tid = c.hear()["tid"]
        t = next((t for t in s["gpu"]["driver"]["threads"] if t["tid"] == tid), None)
        ok(t and tid not in feeders, f"{mode}: counted, and no feeder", (t, feeders))
        print(f"# {mode}: {t}", flush=True)
    ok(true_one.hear()["tid"] in feeders, "the feeder is one still", feeders)
    for c in others:
        c.end()


def check_library():
    if "uprobes" not in status()["mode"]["probes"]:
        print("# no probes in libraries here", flush=True)
        return
    c = Client("library", env={"LD_LIBRARY_PATH": os.environ["O"] + "/gpuemu"})
    said = c.hear()
    f = within(10, lambda: feeder(said["tid"]))
    # it may have begun before the library had its probes
    ok(f and abs(f["waits"] - said["waits"]) <= 4,
       f"of one that waits in its library and beside it, {said['waits']} times each, "
       f"only the former count: {f and f['waits']}", (said, f))
    c.end()


# -- counts ---------------------------------------------------------------------------


def check_counts():
    c = Client("counts")
    said = c.hear()
    t = thread(said["tid"]) or {}
    for key in ("opens", "ioctls", "maps", "polls"):
        ok(t.get(key) == said[key], f"{key}: {said[key]}", t)
    real, told = said["ioctl_ns"] / 1e9, t.get("ioctl_s", 0)
    ok(abs(told - real) <= real * IOCTL_WITHIN and not t.get("ioctls_untimed"),
       f"{real:.4f} s in ioctls; said: {told:.4f} s", t)
    print(f"# {said['passes']} passes of the poll function", flush=True)
    text = starling("explain", str(said["pid"]))
    ok(f"driver  {said['opens']} opens, {said['ioctls']} ioctls" in text, "explain has them", text)
    c.end()
    ok(within(5, lambda: not thread(said["tid"])), "one that has ended is forgotten", driver())


def check_crowd():
    c = Client("crowd", str(CROWD))
    pid = c.hear()["pid"]
    d = driver()
    mine = [t for t in d["threads"] if t["pid"] == pid]
    ok(len(d["threads"]) <= CROWD_MAX and len(mine) + d["threads_forgotten"] >= CROWD,
       f"{len(mine)} of {CROWD} threads are known, {d['threads_forgotten']} are told to be not",
       d["threads_forgotten"])
    c.end()
    ok(within(20, lambda: not any(t["pid"] == pid for t in driver()["threads"])),
       "all are gone with their process")


def main():
    log = tempfile.TemporaryFile("w+")
    daemon = subprocess.Popen(["starlingd", "-q", "--no-kmod", "--dry-run"], stderr=log)
    ok(within(60, lambda: status().get("mode")), "the daemon is there")
    missing = status()["mode"]["missing"]
    print(f"# probes {status()['mode']['probes']}; missing: {missing}", flush=True)
    check_without()
    check_comes("a driver that comes later gets its probes")
    dump = Dump()
    one = check_found(dump)
    dump.end()
    check_waits(one)
    check_others(one)
    one.end()
    check_library()
    check_counts()
    check_crowd()
    check_goes()
    check_comes("one that comes again gets them again")
    check_counts()
    check_goes()
    daemon.terminate()
    ok(daemon.wait(20) == 0, "the daemon ends")
    log.seek(0)
    lines = [line for line in log.read().splitlines() if not missing or missing not in line]
    ok(not lines, "and had nothing to say", lines)
    tap.done()


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Inside a guest with /dev/mockgpu: what the daemon says that processes had of the
GPU, and that their jobs waited for it, against what the device says. Started by
run-guest."""

import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
from tap import Tap, within

DEVICE = "/dev/mockgpu"
# Jobs at once, and the length of one in microseconds; one waits for itself alone.
CLIENTS = ((1, 20000), (4, 10000), (3, 30000))
# Longer than the daemon waits between two looks; its process ends with it.
LONG_US = 3000000
SECONDS = 6
WITHIN = 0.05
# Each job's begin and end are seen a moment after the device's own.
SLACK_S = 0.02

tap = Tap()
ok = tap.ok


def client(jobs, us):
    """Works for SECONDS and then stays, to be asked about; prints what it had."""
    gpu = os.open(DEVICE, os.O_RDWR)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        os.write(gpu, f"{jobs} {us}".encode())
    print(os.pread(gpu, 100, 0).decode(), flush=True)
    signal.pause()


def long_job():
    """What a process had that is gone when its job is done, in seconds."""
    gpu = os.open(DEVICE, os.O_RDWR)
    pid = os.fork()
    if not pid:
        os.write(gpu, f"1 {LONG_US}".encode())
        os._exit(0)
    os.waitpid(pid, 0)
    return int(os.pread(gpu, 100, 0).split()[2]) / 1e9


def start(jobs, us):
    return subprocess.Popen([sys.executable, __file__, str(jobs), str(us)],
                            stdout=subprocess.PIPE, text=True)


def gpu():
    p = subprocess.run(["starling", "status", "--json"], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, text=True, check=False)
    try:
        return json.loads(p.stdout)["gpu"]
    except (ValueError, KeyError):
        return {}


def told(pids):
    """What is said of these processes, when all of them are there."""
    have = {p["pid"]: p for p in gpu().get("processes", [])}
    return {pid: have[pid] for pid in pids if pid in have}


def settled(pids):
    """The same, when it no longer changes."""
    before, end = None, time.monotonic() + 30
    while time.monotonic() < end:
        now = told(pids)
        if now and now == before:
            return now
        before = now
        time.sleep(3)
    return before


def near(value, truth):
    return value is not None and abs(value["value"] - truth) <= truth * WITHIN + SLACK_S


def compare(proc, jobs, us, said):
    had, queued, ran = (int(word) for word in proc.stdout.readline().split())
    name = f"{jobs} jobs of {us / 1000:g} ms at once"
    print(f"# {name}: {had} jobs, waited {queued / 1e9:.3f} s and ran {ran / 1e9:.3f} s; "
          f"said: {(said.get('queue_s') or {}).get('value')} "
          f"and {(said.get('busy_s') or {}).get('value')}", flush=True)
    ok(near(said.get("busy_s"), ran / 1e9), f"{name}: time on the device", said)
    ok(near(said.get("queue_s"), queued / 1e9), f"{name}: time in the queue", said)
    return ran / 1e9


def check_says():
    p = subprocess.run(["starling", "check"], stdout=subprocess.PIPE, text=True, check=False)
    rows = [line.split() for line in p.stdout.splitlines()]
    return any(r[:2] == ["jobs", "process_queue"] for r in rows), p.stdout


def main():
    daemon = subprocess.Popen(["starlingd", "-q", "--no-kmod", "--dry-run"])
    backend = within(30, lambda: next((b for b in gpu().get("backends", [])
                                       if b["name"] == "jobs"), None))
    if not ok(backend and backend["there"], "tracepoints of the GPU scheduler are a source",
              backend):
        sys.exit(1)
    print(f"# {backend['detail']}")
    procs = [start(*c) for c in CLIENTS]
    ok(within(20, lambda: len(told([p.pid for p in procs])) == len(procs)),
       "clients are seen", gpu())
    time.sleep(SECONDS)
    said = settled([p.pid for p in procs])
    ran = sum(compare(p, *c, said.get(p.pid, {})) for p, c in zip(procs, CLIENTS))
    ok(said and all(p["busy_s"]["source"] == ["kernel"] and p["busy_s"]["estimated"]
                    for p in said.values()), "by the kernel's word, as estimates", said)
    ran += long_job()
    time.sleep(5)
    devices = gpu().get("devices") or [{}]
    ok(len(devices) == 1 and near(devices[0].get("busy_s"), ran),
       f"the device was busy for {ran:.3f} s, one of a process that has ended among it", devices)
    good, text = check_says()
    ok(good, "starling check has it", text)
    for p in procs:
        p.kill()
        p.wait()
    ok(within(30, lambda: not told([p.pid for p in procs])), "ended ones are gone", gpu())
    daemon.terminate()
    ok(daemon.wait(20) == 0, "the daemon ends")
    tap.done()


if len(sys.argv) == 3:
    client(int(sys.argv[1]), int(sys.argv[2]))
else:
    main()

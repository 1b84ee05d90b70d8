#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the shortest slice gives a thread that yields beside one that does not.

The kernel's fair class takes from who yields what it is owed, by slices. Prints the
share of the CPU that both are bound to, with the kernel's slice and with 100 us, at
nice 0 and at a feeder's -15, in the order A B B A.
"""

import ctypes
import os
import struct
import sys
import time

SECONDS = 4
SCHED_SETATTR = 314
SHORT_NS = 100000

libc = ctypes.CDLL(None, use_errno=True)


def set_slice(pid, ns, nice):
    attr = struct.pack("IIQiIQQQII", 56, 0, 0, nice, 0, ns, 0, 0, 0, 0)
    if libc.syscall(SCHED_SETATTR, pid, attr, 0):
        sys.exit(f"sched_setattr: {os.strerror(ctypes.get_errno())}")


def child(work):
    pid = os.fork()
    if pid:
        return pid
    os.sched_setaffinity(0, {1})
    while True:
        work()


def ran(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0])


def share(ns, nice):
    """Per cent of their CPU that goes to the one that yields."""
    both = child(os.sched_yield), child(lambda: None)
    set_slice(both[0], ns, nice)
    time.sleep(1)
    before = [ran(pid) for pid in both]
    time.sleep(SECONDS)
    got = [ran(pid) - b for pid, b in zip(both, before)]
    for pid in both:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return 100 * got[0] / sum(got)


def main():
    print("1..2")
    for n, nice in enumerate((0, -15), 1):
        got = {0: [], SHORT_NS: []}
        for ns in (0, SHORT_NS, SHORT_NS, 0):
            got[ns].append(share(ns, nice))
        for ns, name in (0, "the kernel's"), (SHORT_NS, "100 us"):
            shares = " and ".join(f"{s:.1f} %" for s in got[ns])
            print(f"# nice {nice}, slice {name}: {shares}")
        better = min(got[SHORT_NS]) > max(got[0])
        print(f"{'ok' if better else 'not ok'} {n} - at nice {nice}, who yields has more "
              "of its CPU with the shortest slice", flush=True)


main()

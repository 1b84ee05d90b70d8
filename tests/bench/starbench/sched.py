# SPDX-License-Identifier: GPL-2.0-only
"""Attributes of the scheduler: what Python cannot set, and what is really set."""
import ctypes
import errno
import os
import platform

FIFO, NORMAL = os.SCHED_FIFO, os.SCHED_OTHER
NAMES = {NORMAL: "other", FIFO: "fifo", os.SCHED_RR: "rr", os.SCHED_BATCH: "batch",
         os.SCHED_IDLE: "idle", 6: "deadline", 7: "ext"}
# sched_setattr, sched_getattr: the C library has them since 2.41 only
CALLS = {"x86_64": (314, 315), "aarch64": (274, 275), "riscv64": (274, 275)}
_libc = ctypes.CDLL(None, use_errno=True)


class Attr(ctypes.Structure):
    """struct sched_attr in its first version, which every kernel knows."""
    _fields_ = [("size", ctypes.c_uint32), ("policy", ctypes.c_uint32),
                ("flags", ctypes.c_uint64), ("nice", ctypes.c_int32),
                ("priority", ctypes.c_uint32), ("runtime", ctypes.c_uint64),
                ("deadline", ctypes.c_uint64), ("period", ctypes.c_uint64)]


def _call(which, *args):
    if platform.machine() not in CALLS:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _libc.syscall(CALLS[platform.machine()][which], *args) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def getattr_of(tid):
    a = Attr()
    _call(1, tid, ctypes.byref(a), ctypes.sizeof(a), 0)
    return a


def set_slice(us):
    """The slice that EEVDF gives to this task and to those that it starts."""
    a = Attr(size=ctypes.sizeof(Attr), policy=NORMAL, runtime=us * 1000)
    _call(0, 0, ctypes.byref(a), 0)
    if getattr_of(0).runtime != us * 1000:
        raise OSError(errno.EOPNOTSUPP, "the kernel takes no slice for SCHED_OTHER: "
                      "6.12 and later do")


def set_fifo(priority):
    os.sched_setscheduler(0, FIFO, os.sched_param(priority))


def cpu_group(pid):
    """Last part of the name of pid's cgroup for CPU time, "" for the root."""
    group = ""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as f:
        for line in f:
            number, names, path = line.rstrip("\n").split(":", 2)
            if "cpu" in names.split(",") or (number == "0" and not group):
                group = os.path.basename(path)
    return group


def attributes(tid):
    """What tid really has; None when it is gone."""
    try:
        a = getattr_of(tid)
        return {"class": NAMES.get(a.policy, str(a.policy)), "nice": a.nice,
                "priority": a.priority,
                "slice_us": a.runtime // 1000 if a.policy == NORMAL else None,
                "cpus": sorted(os.sched_getaffinity(tid)), "group": cpu_group(tid)}
    except (OSError, ValueError):
        return None


def cannot(change):
    """Why change() fails, tried in a process that ends at once; or None."""
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            change()
        except OSError as e:
            os.write(w, (e.strerror or str(e)).encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        text = f.read().decode()
    os.waitpid(pid, 0)
    return text or None

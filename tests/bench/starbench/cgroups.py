# SPDX-License-Identifier: GPL-2.0-only
"""Two cgroups beside each other, one for the feeder and one for the tools.

Both ways say the same to the scheduler: cpu.shares 102400 is what the kernel
makes of cpu.weight 10000, and 10 what it makes of 1.
"""
import os

from . import procs

PREFIX = "starling-bench."
_open = []


def _mounts():
    """[(mount point, type, options)] of the cgroup file systems."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        rows = [line.split() for line in f]
    return [(r[1], r[2], r[3].split(",")) for r in rows if r[2] in ("cgroup", "cgroup2")]


def _read(*path):
    try:
        with open(os.path.join(*path), encoding="ascii") as f:
            return f.read().split()
    except OSError:
        return []


def _write(text, *path):
    with open(os.path.join(*path), "w", encoding="ascii") as f:
        f.write(str(text))


def find():
    """(directory, file, the feeder's value, the tools'), or None."""
    for where, kind, options in _mounts():
        if kind == "cgroup2" and "cpu" in _read(where, "cgroup.controllers"):
            return where, "cpu.weight", 10000, 1
        if kind == "cgroup" and "cpu" in options:
            return where, "cpu.shares", 102400, 10
    return None


def _remove(path):
    """Processes that were killed leave their group a moment later."""
    def gone():
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True
    return procs.wait_for(gone, 10)


def _sweep(where):
    """What a run that was killed outright has left behind."""
    for name in os.listdir(where):
        pid = name[len(PREFIX):]
        if name.startswith(PREFIX) and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            for sub in ("feeder", "tools", ""):
                _remove(os.path.join(where, name, sub))


class Pair:
    """feeder, tools: run in a child before exec to put it there."""

    def __init__(self):
        found = find()
        if not found:
            raise OSError(0, "no cgroup controller for CPU time is mounted")
        self.where, self.knob, heavy, light = found
        _sweep(self.where)
        self.top = os.path.join(self.where, f"{PREFIX}{os.getpid()}")
        self.enabled = False
        _open.append(self)
        try:
            self._make(heavy, light)
        except OSError:
            self.close()
            raise

    def _make(self, heavy, light):
        if self.knob == "cpu.weight" and "cpu" not in _read(self.where, "cgroup.subtree_control"):
            _write("+cpu", self.where, "cgroup.subtree_control")
            self.enabled = True
        os.mkdir(self.top)
        if self.knob == "cpu.weight":
            _write("+cpu", self.top, "cgroup.subtree_control")
        for name, value in (("feeder", heavy), ("tools", light)):
            os.mkdir(os.path.join(self.top, name))
            _write(value, self.top, name, self.knob)

    def feeder(self):
        _write(0, self.top, "feeder", "cgroup.procs")

    def tools(self):
        _write(0, self.top, "tools", "cgroup.procs")

    def close(self):
        """What cannot be put back now is tried again by close_all()."""
        gone = [_remove(os.path.join(self.top, sub)) for sub in ("feeder", "tools", "")]
        if all(gone) and self in _open:
            _open.remove(self)
        if self.enabled:
            self.enabled = False
            try:
                _write("-cpu", self.where, "cgroup.subtree_control")
            except OSError:
                pass    # somebody else has groups with CPU time there by now


class Tree:
    """Groups below the root, [(path, weight)] with parents first."""

    def __init__(self, weights):
        found = find()
        if not found or found[1] != "cpu.weight":
            raise OSError(0, "cgroup v2 has no controller for CPU time here")
        self.where = found[0]
        self.paths = []
        _open.append(self)
        try:
            for path, weight in weights:
                self._make(path, weight)
        except OSError:
            self.close()
            raise

    def _make(self, path, weight):
        up = os.path.join(self.where, os.path.dirname(path))
        if "cpu" not in _read(up, "cgroup.subtree_control"):
            _write("+cpu", up, "cgroup.subtree_control")
        os.mkdir(os.path.join(self.where, path))
        self.paths.append(path)
        _write(weight, self.where, path, "cpu.weight")

    def enter(self, path):
        """A function for the child before exec."""
        return lambda: _write(0, self.where, path, "cgroup.procs")

    def close(self):
        if self in _open:
            _open.remove(self)
        while self.paths:
            _remove(os.path.join(self.where, self.paths.pop()))


def close_all():
    for pair in list(_open):
        pair.close()


def cannot():
    """Why there can be no such pair here, or None."""
    try:
        Pair().close()
        return None
    except OSError as e:
        return e.strerror or str(e)

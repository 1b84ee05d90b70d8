# SPDX-License-Identifier: GPL-2.0-only
"""Processes of a run: started in a process group of their own, seen through
/proc, and gone when the run ends, however it ends."""
import ctypes
import json
import os
import signal
import subprocess
import time

from .setup import BenchError

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGESIZE")
CUTIME = 15 - 2     # fields of /proc/PID/stat after the name, from which on
_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_children = []


def interruptible():
    """From here on each of ENDING raises KeyboardInterrupt. A shell starts what it puts
    into the background with SIGINT ignored, and Python leaves it so."""
    def on_signal(sig, _frame):
        raise KeyboardInterrupt(f"signal {sig}")
    for sig in ENDING:
        signal.signal(sig, on_signal)


def _child_setup():
    # Should this program be killed outright, its children go with it.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(argv, env=None, setup=None, session=False, **kw):
    """Start argv; setup() runs in the child before exec.

    Usually in a group and not a session of its own: sessions are scheduled as
    groups where the kernel's autogroup is on, and neither nice nor class
    counts between them.
    """
    def prepare():
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if session:
            os.setsid()
        else:
            os.setpgid(0, 0)
        _child_setup()
        if setup:
            setup()
    # A ^C inside Popen() would leave a child that nobody knows of.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        p = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, preexec_fn=prepare, **kw)
        _children.append(p)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return p


def _signal_group(p, sig):
    try:
        os.killpg(p.pid, sig)
    except (ProcessLookupError, PermissionError):
        pass


def stop(p, sig=signal.SIGTERM, wait=5.0):
    """End p and all of its group; its exit status, or None."""
    if p is None:
        return None
    if p.poll() is None:
        _signal_group(p, sig)
        try:
            p.wait(wait)
        except subprocess.TimeoutExpired:
            pass
    _signal_group(p, signal.SIGKILL)
    try:
        p.wait(2.0)
    except subprocess.TimeoutExpired:
        pass
    if p in _children:
        _children.remove(p)
    return p.returncode


def stop_all():
    for p in list(reversed(_children)):
        stop(p)


def tree(root):
    """Pids of root and its descendants that are alive now."""
    parent = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as f:
                    rest = f.read().rsplit(b")", 1)[1].split()
                parent[int(name)] = int(rest[1])
            except (OSError, IndexError):
                pass
    found, grown = {root}, True
    while grown:
        more = {p for p, pp in parent.items() if pp in found and p not in found}
        found |= more
        grown = bool(more)
    return {p for p in found if p in parent}


def threads(pid):
    try:
        return [int(t) for t in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def run_and_wait_ns(pid):
    """Nanoseconds that pid's threads ran, and were runnable without running."""
    run = wait = 0
    for tid in threads(pid):
        try:
            with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
                r, w, _ = f.read().split()
        except (OSError, ValueError):
            continue
        run += int(r)
        wait += int(w)
    return run, wait


def reaped_s(pid):
    """CPU seconds of pid's children that ended, and of theirs."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rsplit(b")", 1)[1].split()
        return (int(fields[CUTIME]) + int(fields[CUTIME + 1])) / TICK
    except (OSError, IndexError):
        return 0.0


def tree_run_s(root):
    """CPU seconds so far of root and its descendants."""
    return sum(run_and_wait_ns(pid)[0] / 1e9 + reaped_s(pid) for pid in tree(root))


def thread_named(pid, name):
    """The first thread of pid with that name, or pid itself."""
    for tid in sorted(threads(pid)):
        try:
            with open(f"/proc/{pid}/task/{tid}/comm", encoding="utf-8") as f:
                if f.read().strip() == name:
                    return tid
        except OSError:
            pass
    return pid


def last_of_tree(root):
    """The youngest descendant: of a tree of tools, a tool."""
    return max(tree(root), default=root)


def result(p, what, timeout):
    """The JSON that p writes before it ends well."""
    try:
        out, err = p.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{what} did not end within {timeout:.0f} s") from None
    words = err.decode(errors="replace").strip().splitlines()
    if p.returncode:
        raise BenchError(f"{what} failed: {words[-1] if words else p.returncode}")
    try:
        return json.loads(out)
    except ValueError:
        raise BenchError(f"{what} wrote no JSON: {out[:60]!r}") from None


def machine_busy_s():
    """CPU seconds so far that were neither idle nor stolen, and stolen ones."""
    with open("/proc/stat", encoding="ascii") as f:
        user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + irq + softirq) / TICK, steal / TICK


def rss_bytes(pid):
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * PAGE
    except OSError:
        return 0


def wait_for(condition, seconds, step=0.02):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(step)
    return condition()

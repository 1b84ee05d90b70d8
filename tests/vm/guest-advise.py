#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The wait for a lease that is expected, and the one that comes.

Agents hold the GPU for a known time each. Before another one asks for it, the daemon
is asked how long that will take; then the wait is measured, by the module. Figures are
of an emulated CPU: as parts of the time of one lease.
"""
import contextlib
import json
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
OUT = os.path.join(TOP, os.environ["O"])
os.environ["STARLING_LIB"] = os.path.join(OUT, "lib", "libstarling.so.0")
os.environ["LD_LIBRARY_PATH"] = OUT + "/gpuemu:" + OUT + "/lib"
sys.path.insert(0, os.path.join(TOP, "python"))
import starling     # noqa: E402

HOLD = 1.0
count = failed = 0


def ok(good, text):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {text}", flush=True)


def command(*args):
    return subprocess.run([OUT + "/bin/starling", *args], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


def advise(*args):
    return json.loads(command("advise", "--json", *args).stdout)


def status():
    return json.loads(command("status", "--json").stdout)


def queue():
    gpu = json.loads(command("lease", "--json").stdout)["gpus"][0]
    return gpu["holders"], gpu["waiting"]


def within(seconds, test):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(ValueError, KeyError):
            if test():
                return True
        time.sleep(0.05)
    return False


def take(name, turns=1, priority="normal", gate=None):
    """Seconds waited for the first of so many leases in a row."""
    with starling.agent(name):
        if gate is not None:
            os.read(gate, 1)    # until the other end is closed
        for turn in range(turns):
            lease = starling.gpu().lease(priority=priority)
            begin = time.monotonic()
            with lease:
                if not turn:
                    waited = time.monotonic() - begin
                time.sleep(HOLD)
    return waited


def child(*args, gate=None):
    pid = os.fork()
    if not pid:
        if gate:
            os.close(gate[1])
        take(*args, gate=gate and gate[0])
        os._exit(0)
    return pid


@contextlib.contextmanager
def crowd(priorities):
    """Agents that ask all at once, a lease each; ended when they have had it."""
    gate = os.pipe()
    pids = [child(f"one-{n}", 1, p, gate=gate) for n, p in enumerate(priorities)]
    os.close(gate[0])
    os.close(gate[1])
    within(20, lambda: queue()[0] == 1)
    yield
    for pid in pids:
        os.waitpid(pid, 0)


def once(waiting):
    """One holds it, so many wait, and then another one asks: (expected, waited)."""
    for _ in range(10):
        with crowd(["normal"] * (waiting + 1)):
            before = advise()["queue"]
            if (before["holders"], before["waiting"]) != (1, waiting):
                continue        # it took too long to look: again
            waited = take("last")
        break
    return before, waited


def agent_id(name):
    """As the daemon calls it, which looks for new ones once a second."""
    found = []

    def look():
        found[:] = [a["id"] for a in status()["agents"] if a["name"] == name]
        return found

    within(20, look)
    return found[0]


def rounds(agents, probes):
    """So many want it again as soon as they have had it; now and then another one does."""
    pids = [child(f"round-{n}", 10000) for n in range(agents)]
    got = []
    within(20, lambda: queue() == (1, agents - 1))
    label = agent_id("round-0")
    asked = advise("--agent", label)
    same = asked["asked"]["agent"] == label
    for n in range(probes):
        before = advise()
        got.append((before["queue"], take(f"probe-{n}")))
        same &= before["expected_wait_ms"] == before["queue"]["wait_ms"]
        time.sleep(HOLD / 3)
    for pid in pids:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    ok(same, f"{label} is asked for by its name; the wait is told where a router looks")
    return got


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def show(what, got):
    """Returns the mean error, in leases."""
    hold = mean(q["mean_hold_ms"] for q, _ in got) / 1000
    error = mean(abs(q["wait_ms"] / 1000 - w) for q, w in got)
    waited, expected = mean(w for _, w in got), mean(q["wait_ms"] / 1000 for q, _ in got)
    least = mean(q["wait_least_ms"] / 1000 for q, _ in got)
    print(f"# {what}: waited {waited / hold:.2f}, expected {expected / hold:.2f} (at least "
          f"{least / hold:.2f}), error {error / hold:.2f} mean leases", flush=True)
    return error / hold


def one_at_a_time():
    got = [once(n) for n in (0, 1, 2, 3)]
    for n, (q, waited) in enumerate(got):
        show(f"{n} waiting", [(q, waited)])
        ok(q["ahead"] == n and q["waiting"] == n and q["holders"] == 1,
           f"{n} waiting: all of them are ahead")
        ok(waited / 2 - HOLD < q["wait_ms"] / 1000 < waited * 2 + HOLD,
           f"{n} waiting: the wait that is expected is about that which comes")
        ok(q["wait_least_ms"] <= q["wait_ms"] <= q["wait_most_ms"] and q["wait_estimated"],
           f"{n} waiting: there are bounds, and it is called an estimate")
    expected = [q["wait_ms"] for q, _ in got]
    ok(expected == sorted(set(expected)), f"more that wait, a longer wait: {expected}")
    show("requests once", got)


def classes():
    """One has it and two wait: those of a worse class are behind."""
    for _ in range(10):
        with crowd(["batch"] * 3):
            seen = {p: advise("--priority", p)["queue"] for p in ("interactive", "batch")}
        if all(q["waiting"] == 2 for q in seen.values()):
            break
    ok(seen["interactive"]["ahead"] == 0 and seen["batch"]["ahead"] == 2 and
       seen["interactive"]["wait_ms"] < seen["batch"]["wait_ms"],
       f"interactive before batch: { {p: q['wait_ms'] for p, q in seen.items()} } ms")


def main():
    log = open("/tmp/log", "w", encoding="utf-8")
    daemon = subprocess.Popen([OUT + "/bin/starlingd", "--placer", "none", "--noise", "off",
                               "--leases", "limit=60s,aging=60s,starve=600s"], stderr=log)
    if not within(60, lambda: advise()["queue"] is not None):
        ok(False, "the daemon has the module's queue: " + command("advise").stdout)
        sys.exit(1)
    q = advise()["queue"]
    ok(q["wait_ms"] == 0 and not q["wait_estimated"] and not q["used"],
       "nobody has a lease: it comes at once, which is no estimate")
    ok(advise()["expected_wait_ms"] is None,
       "but who takes none may wait for those that take none, too")
    pid = child("first", 4)
    within(20, lambda: queue() == (1, 0))
    first = advise()["queue"]
    os.waitpid(pid, 0)
    ok(first["holders"] == 1 and (first["wait_ms"] is None) == (first["mean_hold_ms"] is None)
       and first["wait_most_ms"] > 0, "before one has ended only the limit is known")
    mean_hold = advise()["queue"]["mean_hold_ms"]
    ok(mean_hold >= HOLD * 1000, f"how long leases are held: {mean_hold:.0f} ms")
    one_at_a_time()
    classes()
    got = rounds(3, 6)
    # to take all that wait to be ahead would be wrong by more
    ok(show("three that go on", got) < 1, "three that go on: wrong by less than one lease")
    ok(all(q["used"] and q["wait_least_ms"] / 1000 - HOLD < w < q["wait_most_ms"] / 1000
           for q, w in got), "three that go on: within the bounds")
    text = command("advise", "--priority", "batch")
    ok(text.returncode == 0 and "  wait: " in text.stdout, "the command tells it")
    daemon.terminate()
    ok(daemon.wait() == 0, "the daemon ends")
    print(f"1..{count}")
    sys.exit(bool(failed))


main()

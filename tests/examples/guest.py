# SPDX-License-Identifier: GPL-2.0-only
"""Runs examples/ with the real module and looks at them from the module's side.

Another agent has the GPU until all of an example's agents wait for it: so they are
there to be looked at, however slow the machine is. What they do then is in the
module's tracepoints.
"""
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
OUT = os.path.join(TOP, os.environ["O"])
os.environ["STARLING_LIB"] = os.path.join(OUT, "lib", "libstarling.so.0")
sys.path.insert(0, os.path.join(TOP, "python"))
sys.path.insert(0, os.path.join(TOP, "tests"))
import starling     # noqa: E402
from tap import Tap

EXAMPLES = ("langgraph_agents.py", "openai_agents.py")
NAMES = ("planner", "coder", "tester")
TRACING = "/sys/kernel/tracing/"
EVENT = re.compile(r"starling_(\w+): (.*)")
CONTROL_CLAIM, AGENTS, LEASE_POLICY, POLICY_HOLD = 0xB502, 0xB505, 0xB527, 4

tap = Tap()
ok = tap.ok


def write(name, text):
    with open(TRACING + name, "w", encoding="ascii") as f:
        f.write(text)


def prepare():
    """Every event from here on; no limit to holding a lease: the machine is slow."""
    device = os.open("/dev/starling", os.O_RDWR)
    fcntl.ioctl(device, CONTROL_CLAIM, struct.pack("IIQQ", 24, 0, 0, 0))
    fcntl.ioctl(device, LEASE_POLICY, struct.pack("IIIIQQQQQQQ", 72, POLICY_HOLD, 0, 0, 0,
                                                  3600 * 10**9, 0, 0, 0, 0, 0))
    write("events/starling/enable", "1")
    return device


def agents(device):
    """Names by id."""
    rec = (starling.AgentRecord * 64)()
    size = struct.calcsize("IIIIQQQQQ")
    arg = bytearray(struct.pack("IIIIQQQQQ", size, 0, starling.ctypes.sizeof(rec[0]), 64,
                                starling.ctypes.addressof(rec), 0, 0, 0, 0))
    fcntl.ioctl(device, AGENTS, arg)
    return {r.id: r.name.decode() for r in rec[:struct.unpack_from("I", arg, 12)[0]]}


def events():
    """What the module told: (name, fields) each."""
    with open(TRACING + "trace", encoding="ascii", errors="replace") as f:
        found = [EVENT.search(line) for line in f]
    return [(m[1], dict(w.split("=", 1) for w in m[2].split())) for m in found if m]


def serve():
    """agentload's endpoint: the process and its address."""
    env = dict(os.environ, LD_LIBRARY_PATH=os.path.join(OUT, "gpuemu"))
    server = subprocess.Popen(
        [os.path.join(OUT, "bin", "agentload"), "serve", "--port", "0", "--wait", "block"],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return server, re.search(r"http://[\d.:]+", server.stdout.readline()).group()


def start(example, url):
    env = dict(os.environ, OPENAI_BASE_URL=url + "/v1", PYTHONDONTWRITEBYTECODE="1",
               PYTHONPATH=f"{os.environ['PYTHONPATH']}:{TOP}/python")
    return subprocess.Popen([sys.executable, os.path.join(TOP, "examples", example), *NAMES],
                            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def is_tool(name, f):
    """A process, not a thread, that began as a member."""
    return name == "task_join" and f["how"] == "fork" and f["tid"] == f["tgid"]


def story(seen, agent):
    """What became of one agent and its leases, in words."""
    words = []
    for name, f in seen:
        if f.get("agent") != str(agent):
            continue
        if name == "lease_request":
            words.append("unpark" if f["lease"] != "0" else "acquire")
        elif name == "lease_end":
            words.append(f["how"])
        elif name in ("agent_create", "lease_grant", "agent_free"):
            words.append(name.split("_")[1])
        elif is_tool(name, f):
            words.append("tool")
    return words


def alone(seen):
    """Does at most one lease have the GPU at any time?"""
    holder = None
    for name, f in seen:
        if name == "lease_grant":
            if holder:
                return False
            holder = f["lease"]
        elif name == "lease_end" and holder == f["lease"]:
            holder = None
    return holder is None


def until_waiting(gpu, n, proc):
    while gpu.stat().waiting[0] != n and proc.poll() is None:
        time.sleep(0.05)


def look_at(example, ids, seen):
    whole = ["create", "acquire", "grant", "park", "unpark", "grant", "release", "free"]
    for agent, name in sorted(ids.items()):
        did = story(seen, agent)
        ok([w for w in did if w != "tool"] == whole,
           f"{example}: {name} is an agent, its tool call parks its lease", did)
        # Coroutines make no thread a member, and so no tool. (The client library runs uname.)
        if example.startswith("langgraph"):
            ok("park tool unpark" in " ".join(did),
               f"{example}: {name}'s tool is a member, and runs meanwhile", did)
    ok(alone(seen), f"{example}: one at a time has the GPU", seen)


def test(example, device, url):
    gpu, gate = starling.gpu(), starling.agent("gate", join=None)
    write("trace", "")
    with gpu.lease(agent=gate):
        proc = start(example, url)
        until_waiting(gpu, len(NAMES), proc)
        ids = {i: name for i, name in agents(device).items() if name != "gate"}
        shown = json.loads(subprocess.run([os.path.join(OUT, "bin", "starling"), "lease", "--json"],
                                          check=True, capture_output=True).stdout)["leases"]
    out = proc.communicate()[0]
    ok(proc.returncode == 0 and len([x for x in out.splitlines() if len(x.split()) > 5]) ==
       len(NAMES), f"{example}: all agents answer", out)
    ok(sorted(ids.values()) == sorted(NAMES), f"{example}: the module knows them", ids)
    wait = [r["agent"] for r in shown if r["state"] == "waiting" and r["class"] == "interactive"]
    ok(sorted(wait) == sorted(ids), f"{example}: starling lease shows them waiting", shown)
    gate.close()
    while agents(device):
        time.sleep(0.05)
    seen = events()
    ok(bool(seen), f"{example}: {len(seen)} events")
    look_at(example, ids, seen)


def main():
    device = prepare()
    server, url = serve()
    for example in EXAMPLES:
        begin = time.monotonic()
        test(example, device, url)
        print(f"# {time.monotonic() - begin:.0f} s", flush=True)
    server.send_signal(signal.SIGTERM)
    server.wait()
    tap.done()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-2.0-only
"""Talk to the control socket as a client that does not behave."""
import json
import os
import socket
import sys
import time

PATH, TMP = sys.argv[1:3]
results = []


def ok(good, text):
    results.append(good)
    number = len(results) + 1
    print(("ok" if good else "not ok"), number, "-", text, flush=True)


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(PATH)
    return s


def receive(s):
    data = b""
    while not data.endswith(b"\0"):
        part = s.recv(65536)
        if not part:
            return None
        data += part
    return json.loads(data[:-1])


def call(method, s=None, **parameters):
    s = s or connect()
    s.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
    return receive(s)


def error_of(answer):
    return answer.get("error", "").rsplit(".", 1)[-1]


def closed(raw):
    s = connect()
    try:
        s.sendall(raw)
        return s.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True


CONTROL = "org.starling.Control."
SERVICE = "org.varlink.service."

info = call(SERVICE + "GetInfo")["parameters"]
ok(info["product"] == "starlingd" and CONTROL[:-1] in info["interfaces"], "GetInfo")
for name in info["interfaces"]:
    text = call(SERVICE + "GetInterfaceDescription", interface=name)["parameters"]
    ok("interface " + name in text["description"], "description of " + name)
ok(error_of(call(SERVICE + "GetInterfaceDescription", interface="a.b")) == "InterfaceNotFound",
   "an interface that is not there")
ok(error_of(call(CONTROL + "Fly")) == "MethodNotFound", "a method that is not there")
for bad in ("1", None, -1, 0, 1.5, 1 << 40, [], {}):
    ok(error_of(call(CONTROL + "Explain", pid=bad)) == "InvalidParameter",
       f"Explain refuses pid {bad!r}")
for bad in (-1, "1", 1.5, []):
    ok(error_of(call(CONTROL + "Log", after=bad)) == "InvalidParameter",
       f"Log refuses to begin after {bad!r}")
for bad in ({"priority": "king"}, {"priority": 3}, {"gpu": -1}, {"gpu": 16}, {"gpu": "0"},
            {"memory_bytes": 0}, {"memory_bytes": "16G"}, {"agent": 1}, {"agent": "d" * 99}):
    ok(error_of(call(CONTROL + "Advise", **bad)) == "InvalidParameter", f"Advise refuses {bad}")
ok(call(CONTROL + "Log", after=7)["parameters"]["entries"] == [], "Log after what is to come")
guard = call(CONTROL + "Status")["parameters"]["guard"]
ok([r["name"] for r in guard["rules"]] == ["cores", "aside", "priority", "crowd", "noise"] and
   {r["state"] for r in guard["rules"]} == {"unused"} and
   {r["verdict"] for r in guard["rules"]} == {"not tried yet"} and guard["on"] is True,
   "Status has the rules; none can be tried where nothing is placed")
for key, bad in (("weight", 0), ("weight", 10001), ("weight", "1"), ("role", "king"),
                 ("priority", "urgent"), ("priority", 1), ("role", 3),
                 ("name", "x" * 32), ("name", 1), ("pid", 1), ("pid", os.getppid() * 0 - 5)):
    ok(error_of(call(CONTROL + "Register", **{key: bad})) == "InvalidParameter",
       f"Register refuses {key} {bad!r}")
ok(error_of(call(CONTROL + "Register", pid=4194305)) == "NoSuchTask",
   "Register of a process that is not there")

for what, raw in (("no JSON", b"hello\0"), ("no object", b"[1]\0"), ("no method", b"{}\0"),
                  ("an empty message", b"\0"), ("a key twice", b'{"method":"a","method":"b"}\0'),
                  ("deep nesting", b"[" * 30000 + b"\0"),
                  ("a message over 64 KiB", b"x" * 66000)):
    ok(closed(raw), f"closed after {what}")

s = connect()
s.sendall(json.dumps({"method": SERVICE + "GetInfo"}).encode()[:9])
time.sleep(0.1)
s.sendall(json.dumps({"method": SERVICE + "GetInfo"}).encode()[9:] + b"\0")
ok("parameters" in receive(s), "a message in two parts")
s.sendall(b'{"method":"org.varlink.service.GetInfo","oneway":true}\0'
          b'{"method":"org.starling.Control.Fly"}\0')
ok(error_of(receive(s)) == "MethodNotFound", "oneway has no answer")

greedy = connect()
greedy.settimeout(0.5)
sent = 0
try:
    while sent < 1 << 22:
        sent += greedy.send(b'{"method":"org.starling.Control.Status"}\0' * 100)
except (socket.timeout, ConnectionError):
    pass
begin = time.monotonic()
ok("parameters" in call(CONTROL + "Status") and time.monotonic() - begin < 1,
   "a client that takes no answers holds nobody up")
ok(sent < 1 << 22, "and is not read for ever")
greedy.close()

crowd = []
for _ in range(100):
    crowd.append(connect())
    time.sleep(0.001)
ok("parameters" in call(SERVICE + "GetInfo"), "100 quiet clients do not lock others out")
for s in crowd:
    s.close()

with open(os.path.join(TMP, "tests"), "w", encoding="ascii") as f:
    f.write(str(len(results)))
with open(os.path.join(TMP, "failed"), "w", encoding="ascii") as f:
    f.write(str(results.count(False)))

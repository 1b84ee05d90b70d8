# SPDX-License-Identifier: GPL-2.0-only
"""Who ran where: from the sampler's records to rows of coloured runs.

A thread's role is told by what it is in this workload: the server is the
process with a thread named "feeder", agents are the other children of the
command, tools all that these start. What Starling takes them for has no part
in it.
"""
import base64

ROLES = ("idle", "feeder", "service", "orchestrator", "tool", "starling", "other")
GPU_STATES = ("none", "busy", "starved", "host")


class Records:
    """The sampler's file, parsed."""

    def __init__(self, lines):
        self.hz = 0
        self.cpus = 0
        self.start_ns = 0
        self.end_us = 0
        self.lost = 0
        self.command = None     # pid that the sampler started
        self.runs = {}          # cpu -> [(us, tid)]
        self.names = {}         # tid -> [names, in order]
        self.execs = set()      # pids that executed a program while watched
        self.parent = {}        # pid -> parent pid
        self.process = {}       # tid -> pid
        for text in lines:
            self._take(text.rstrip("\n"))

    def _take(self, text):
        kind, _, rest = text.partition(" ")
        take = getattr(self, "_take_" + kind, None)
        if take and rest:
            take(rest)

    def _take_H(self, rest):
        _, hz, cpus, start = rest.split()
        self.hz, self.cpus, self.start_ns = int(hz), int(cpus), int(start)

    def _take_P(self, rest):
        pid, tid, ppid, name = rest.split(" ", 3)
        self.process[int(tid)] = int(pid)
        self.parent[int(pid)] = int(ppid)
        self.names.setdefault(int(tid), []).append(name)

    def _take_S(self, rest):
        self.command = int(rest)

    def _take_F(self, rest):
        pid, tid, ppid, _, _ = (int(x) for x in rest.split())
        self.process[tid] = pid
        if pid == tid:
            self.parent[pid] = ppid

    def _take_C(self, rest):
        pid, tid, by_exec, name = rest.split(" ", 3)
        self.process[int(tid)] = int(pid)
        self.names.setdefault(int(tid), []).append(name)
        if by_exec == "1":
            self.execs.add(int(pid))

    def _take_R(self, rest):
        cpu, us, tid, pid = (int(x) for x in rest.split())
        self.runs.setdefault(cpu, []).append((us, tid))
        if tid:
            self.process.setdefault(tid, pid)

    def _take_T(self, rest):
        self.lost += int(rest.split()[2])

    def _take_E(self, rest):
        self.end_us = int(rest)

    def ancestors(self, pid):
        seen = set()
        while pid and pid not in seen:
            seen.add(pid)
            yield pid
            pid = self.parent.get(pid)

    def last_name(self, tid):
        """A new thread without a name of its own bears its process's."""
        names = self.names.get(tid) or self.names.get(self.process.get(tid, tid)) or [""]
        return names[-1]


class Roles:
    """tid -> index into ROLES, worked out once a thread."""

    def __init__(self, rec):
        self.rec = rec
        self.known = {0: 0}
        self.servers = {rec.process[t] for t, names in rec.names.items() if names[-1] == "feeder"}

    def of(self, tid):
        if tid not in self.known:
            self.known[tid] = ROLES.index(self._name(tid))
        return self.known[tid]

    def _name(self, tid):
        rec, pid = self.rec, self.rec.process.get(tid, tid)
        name = rec.last_name(tid)
        if name.startswith("starling"):
            return "starling"
        # Somebody else may run the same programs at the same time.
        if rec.command not in rec.ancestors(pid):
            return "other"
        if pid in self.servers:
            return "feeder" if name == "feeder" else "service"
        # The command starts the server and the agents, and these the tools.
        if rec.command in (pid, rec.parent.get(pid)):
            return "orchestrator"
        return "tool"


def cpu_rows(rec, roles):
    """cpu -> [(start us, end us, role)], same-role neighbours merged, idle left out."""
    rows = {}
    for cpu, runs in rec.runs.items():
        out = []
        for (start, tid), (end, _) in zip(runs, runs[1:] + [(rec.end_us, 0)]):
            role = roles.of(tid)
            if not role or end <= start:
                continue
            if out and out[-1][2] == role and out[-1][1] >= start:
                out[-1] = (out[-1][0], end, role)
            else:
                out.append((start, end, role))
        rows[cpu] = out
    return rows


def _merge(intervals, gap=0):
    out = []
    for start, end in sorted(intervals):
        if out and start <= out[-1][1] + gap:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def _subtract(whole, holes):
    """whole and holes: sorted, disjoint intervals."""
    out, at = [], 0
    for start, end in whole:
        while at < len(holes) and holes[at][1] <= start:
            at += 1
        i = at
        while i < len(holes) and holes[i][0] < end:
            if holes[i][0] > start:
                out.append((start, holes[i][0]))
            start = max(start, holes[i][1])
            i += 1
        if start < end:
            out.append((start, end))
    return out


def _on_cpu(rows, role):
    return _merge([(s, e) for row in rows.values() for s, e, r in row if r == role])


def gpu_row(load, rows):
    """The GPU's states: [(start, end, state)].

    load: what agentload noted: the device's busy times, and spans of the
    server's feeder, idle ones being times without any request. The rest is the
    feeder's own work for the next token while it is on a CPU, and starved time
    while it is not.
    """
    busy = _merge([(s, e) for s, e, _ in load.get("gpu", {}).get("busy", [])])
    row = [(s, e, 1) for s, e in busy]
    spans = (load.get("feeder") or {}).get("spans", [])
    active = _merge([(s, e) for s, e, what in spans if what != "idle"], gap=200)
    waiting = _subtract(active, busy)
    starved = _subtract(waiting, _on_cpu(rows, ROLES.index("feeder")))
    row += [(s, e, 2) for s, e in starved if e - s >= 20]
    row += [(s, e, 3) for s, e in _subtract(waiting, starved) if e - s >= 20]
    return sorted(row)


def window(row, offset, length):
    """The part [offset, offset + length) of a row, from 0."""
    return [(max(s, offset) - offset, min(e, offset + length) - offset, c) for s, e, c in row
            if e > offset and s < offset + length]


def _varint(n, out):
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)


def pack(row):
    """Runs as base64 of varints: gap since the last end, length * 8 + colour."""
    out, at = bytearray(), 0
    for start, end, colour in row:
        start = max(start, at)
        if end <= start:
            continue
        _varint(start - at, out)
        _varint((end - start) * 8 + colour, out)
        at = end
    return base64.b64encode(bytes(out)).decode("ascii")


def shares(rows, end_us):
    """role -> share of all CPU time."""
    total = max(1, end_us * max(1, len(rows)))
    out = dict.fromkeys(ROLES[1:], 0.0)
    for row in rows.values():
        for start, end, role in row:
            out[ROLES[role]] += (end - start) / total
    return out


def build(lines, load=None):
    """All that the page needs of one round; time 0 is when the agents start."""
    rec = Records(lines)
    load = load or {}
    offset, length = 0, rec.end_us
    if load.get("epoch_ns"):
        offset = (load["epoch_ns"] - rec.start_ns) // 1000
        length = load["length_us"]
    rows = cpu_rows(rec, Roles(rec))
    rows = {cpu: window(row, offset, length) for cpu, row in rows.items()}
    gpu = gpu_row(load, rows)

    def share(state):
        return sum(e - s for s, e, c in gpu if c == state) / max(1, length)
    return {
        "hz": rec.hz, "end_us": length, "lost": rec.lost, "shares": shares(rows, length),
        "gpu_busy": share(1), "gpu_starved": share(2),
        "rows": [{"name": f"CPU {cpu}", "runs": pack(rows[cpu])} for cpu in sorted(rows)] +
                [{"name": "GPU", "runs": pack(gpu), "gpu": True}],
    }

# SPDX-License-Identifier: GPL-2.0-only
"""The figures of the demo: declared once, for the table and the page alike."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "..", "..", "..", "tests", "bench"))
from starbench import stats   # noqa: E402

MIN_ROUNDS = 4
STRANGERS = 0.05        # of all CPU time
ARMS = (("without", "without Starling"), ("with", "with Starling"))


class Figure:
    """key, text, unit, format; better: 'low', 'high' or '' (neither)."""

    def __init__(self, key, text, unit, form, better, tip):
        self.key = key
        self.text = text
        self.unit = unit
        self.form = form
        self.better = better
        self.tip = tip

    def show(self, value):
        return "-" if value is None else self.form.format(value)


FIGURES = (
    Figure("ttft_p50", "time to first token, p50", "ms", "{:.1f}", "low",
           "From the request to its first token, as the agent sees it"),
    Figure("ttft_p95", "time to first token, p95", "ms", "{:.1f}", "low", "The same, slowest 5 %"),
    Figure("itl_p50", "inter-token latency, p50", "ms", "{:.2f}", "low",
           "Between two tokens of one request, as the agent sees it"),
    Figure("itl_p95", "inter-token latency, p95", "ms", "{:.2f}", "low", "The same, slowest 5 %"),
    Figure("itl_p99", "inter-token latency, p99", "ms", "{:.2f}", "low", "The same, slowest 1 %"),
    Figure("tokens_per_s", "tokens per second", "/s", "{:.1f}", "high", "Of all requests together"),
    Figure("late_p99", "feeder's lateness, p99", "us", "{:.0f}", "low",
           "From the end of the GPU's work to the return of the feeder's wait"),
    Figure("starved_share", "GPU starved", "% of time", "{:.2f}", "low",
           "GPU idle while a request was there and its feeder was not running"),
    Figure("step_p50", "agents' step, p50", "ms", "{:.0f}", "low",
           "Prompt, answer and tools of one step of an agent"),
    Figure("step_p95", "agents' step, p95", "ms", "{:.0f}", "low", "The same, slowest 5 %"),
    Figure("tools_per_s", "tool calls finished", "/s", "{:.2f}", "high",
           "Real programs over real files"),
    Figure("tool_cpu_share", "CPU used by tools", "% of machine", "{:.1f}", "",
           "CPU time of the agents' tools"),
    Figure("makespan", "all agents done after", "s", "{:.1f}", "low",
           "The same trace is replayed in both arms"),
)


def series(arm, key):
    return [r["figures"].get(key) for r in arm["rounds"]]


def compare(demo, figure):
    """Spread of both arms, and with/without with its interval."""
    arms = {a["key"]: a for a in demo["arms"]}
    values = {k: series(arms[k], figure.key) if k in arms else [] for k, _ in ARMS}
    out = {"figure": figure, "values": values,
           "spread": {k: stats.spread(v) for k, v in values.items()}, "ratio": None}
    if out["spread"]["without"] and out["spread"]["with"]:
        out["ratio"] = stats.ratio(values["with"], values["without"])
    return out


def enough(demo):
    """Rounds of two equal arms lie apart by chance in 1 of 3 runs of two
    rounds each, 1 of 10 of three, 1 of 35 of four."""
    return min(len(a["rounds"]) for a in demo["arms"]) >= MIN_ROUNDS


def verdict(row):
    """1 better, -1 worse, 0 within the noise of the rounds."""
    if not row["ratio"] or not row["figure"].better:
        return 0
    a = [v for v in row["values"]["without"] if v is not None]
    b = [v for v in row["values"]["with"] if v is not None]
    if min(len(a), len(b)) < MIN_ROUNDS:
        return 0
    if max(b) < min(a):
        return 1 if row["figure"].better == "low" else -1
    if min(b) > max(a):
        return 1 if row["figure"].better == "high" else -1
    return 0


def compare_all(demo):
    rows = [compare(demo, f) for f in FIGURES]
    return [r for r in rows if r["spread"]["without"] or r["spread"]["with"]]


def relative(row, key):
    """Values as multiples of the median without Starling: all that an
    emulated CPU may show."""
    base = row["spread"]["without"]["median"] if row["spread"]["without"] else None
    if not base:
        return []
    return [v / base for v in row["values"][key] if v is not None]


def strangers(demo):
    """A warning if others used the machine at the time, or None."""
    used = [r["timeline"]["shares"].get("other", 0) for a in demo["arms"] for r in a["rounds"]
            if r.get("timeline")]
    if not used or max(used) < STRANGERS:
        return None
    return (f"Other programs of this machine used {min(used) * 100:.0f} to {max(used) * 100:.0f} % "
            "of its CPUs during the rounds: repeat this when it is quiet.")

# SPDX-License-Identifier: GPL-2.0-only
"""The demo's table for a terminal."""
from . import figures

MARK = {1: "better", -1: "worse", 0: ""}


def _spread(fig, s):
    if not s:
        return "-"
    text = fig.show(s["median"])
    if s["n"] > 1:
        text += f" ({fig.show(s['min'])}..{fig.show(s['max'])})"
    return text


def _relative(values):
    if not values:
        return "-"
    middle = figures.stats.median(values)
    text = f"{middle:.2f}"
    if len(values) > 1:
        text += f" ({min(values):.2f}..{max(values):.2f})"
    return text


def _row(demo, row):
    fig = row["figure"]
    share = fig.unit.startswith("%")
    ratio = f"{row['ratio']['value']:.2f}" if row["ratio"] else "-"
    if demo["emulated_cpu"] and not share:
        cells = [_relative(figures.relative(row, k)) for k in ("without", "with")]
        unit = "x"
    else:
        cells = [_spread(fig, row["spread"][k]) for k in ("without", "with")]
        unit = fig.unit
    return [fig.text, unit] + cells + [ratio, MARK[figures.verdict(row)]]


def _lines(rows, left=2):
    width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        cells = [r[i].ljust(width[i]) if i < left or i == len(r) - 1 else r[i].rjust(width[i])
                 for i in range(len(r))]
        yield "  " + "  ".join(cells).rstrip()


def head(demo):
    yield f"machine   {demo['machine']}"
    yield f"kernel    {demo['kernel']}"
    yield f"GPU       {demo['gpu']}"
    yield f"Starling  {demo['starling'] or 'not run'}"
    yield f"workload  {demo['workload']}"
    yield f"where     {demo['place']}: {demo['reason']}"
    if demo["emulated_cpu"]:
        yield "          this CPU is emulated: ratios to the arm without Starling and shares"
        yield "          only; latencies need `make demo HERE=1`"


def table(demo):
    n = min(len(a["rounds"]) for a in demo["arms"])
    rows = [["", "", "without", "with Starling", "ratio", ""]]
    rows += [_row(demo, r) for r in figures.compare_all(demo)]
    yield from head(demo)
    yield ""
    yield from _lines(rows)
    yield ""
    yield f"  median of {n} rounds (lowest..highest); " + (
        "better/worse: the rounds of the two arms do not overlap" if figures.enough(demo)
        else "too few rounds to call a small difference one")
    busy = figures.strangers(demo)
    if busy:
        yield f"  {busy}"


def agents(demo):
    """CPU seconds per GPU second of each agent, from the arm with Starling."""
    rows = [["agent", "kind", "CPU s", "GPU s", "CPU:GPU", "tool calls"]]
    for a in demo.get("agents", []):
        ratio = f"{a['cpu_s'] / a['gpu_s']:.2f}" if a["gpu_s"] else "-"
        rows.append([a["name"], a["kind"], f"{a['cpu_s']:.2f}", f"{a['gpu_s']:.2f}", ratio,
                     str(a["tools"])])
    if len(rows) > 1:
        yield "  CPU seconds per GPU second (one round with Starling)"
        yield from _lines(rows)

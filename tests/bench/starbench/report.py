# SPDX-License-Identifier: GPL-2.0-only
"""What was measured, as tables for people and as JSON for programs."""
import json
import sys

from . import machine, stats, targets

FEEDER = (("p50", "p50 us", "{:.0f}"), ("p95", "p95 us", "{:.0f}"), ("p99", "p99 us", "{:.0f}"),
          ("p999", "p99.9 us", "{:.0f}"), ("max", "max us", "{:.0f}"),
          ("share", "core %", "{:.1f}"), ("tokens_per_s", "token/s", "{:.1f}"))
TOOLS = {"rate": (("token_p99_ms", "token p99 ms", "{:.2f}"),
                  ("units_per_s", "tools/s", "{:.0f}")),
         "end": (("makespan_s", "makespan s", "{:.2f}"),),
         "mix": (("itl_p99_ms", "ITL p99 ms", "{:.1f}"), ("makespan_s", "makespan s", "{:.2f}")),
         "alone": (("messaging_s", "messaging s", "{:.3f}"), ("pipe_s", "pipe s", "{:.3f}"))}


def columns(load):
    return (() if load.shape == "alone" else FEEDER) + TOOLS[load.shape]


def summary(cells, key):
    """Median over rounds and its interval; of p99.9 there are too few in one
    round, so it is of the tokens of all."""
    if key != "p999":
        return stats.spread([c[key] for c in cells])
    got = stats.pooled([c["hist"] for c in cells], 99.9)
    return got and {"median": got["value"] / 1e3, "ci": got["ci"] and [x / 1e3 for x in got["ci"]],
                    "n": got["n"]}


def value_text(spread, key, form):
    if spread is None:
        return "-"
    return form.format(spread["median"] * (100 if key == "share" else 1))


def range_text(spread, form):
    if spread is None:
        return "-"
    low, high = spread["ci"] or (spread["min"], spread["max"])
    return f"{form.format(low)}..{form.format(high)} ({form.format(spread['min'])}.." \
           f"{form.format(spread['max'])})"


def grid(title, note, rows, out):
    """rows: the head and the others, as texts; all but the first column to the right."""
    width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    print(f"\n{title}", file=out)
    if note:
        print(f"  ({note})", file=out)
    for r in rows:
        text = [r[0].ljust(width[0])] + [r[i].rjust(width[i]) for i in range(1, len(r))]
        print("  " + "  ".join(text).rstrip(), file=out)


def table(part, title, out):
    cols = columns(part["load"])
    with_range = [c for c in cols if c[0] == "p99"] + list(TOOLS[part["load"].shape])
    head = ["arm"] + [c[1] for c in cols] + \
        [f"{c[1].rsplit(' ', 1)[0]}: 95 % CI (range)" for c in with_range]
    rows = []
    for arm in part["arms"]:
        got = {c[0]: summary(part["cells"][arm.name], c[0]) for c in cols}
        rows.append([arm.label] + [value_text(got[k], k, f) for k, _, f in cols] +
                    [range_text(got[k], f) for k, _, f in with_range])
    grid(title, part["load"].note, [head] + rows, out)


BUSY = 0.05         # of all CPUs, used by others: figures are worth little from here on


def _rest_of_machine(parts, out):
    used = stats.spread([c["others"] for kind in parts.values() for part in kind
                         for cells in part["cells"].values() for c in cells])
    if used:
        warning = " -- NOT A QUIET MACHINE" if used["median"] > BUSY else ""
        print(f"others   the rest of the machine used {used['median'] * 100:.1f} % of its CPUs "
              f"({used['min'] * 100:.1f}..{used['max'] * 100:.1f}){warning}", file=out)


def head(a, bench, parts, info, out):
    print(f"\nmachine  {machine.line(info)}", file=out)
    print(f"GPU      {bench.gpu or 'not used'}", file=out)
    print(f"load     {a.hogs} tool processes; token {a.t_ms} ms on the GPU, {a.host_us:.0f} us on "
          f"the host; 1-minute load before: {info['load_before']:.2f}" +
          ("; tools in a session of their own" if a.own_session else ""), file=out)
    print(f"Starling {bench.setup.mode_line or 'not run'}", file=out)
    for what, why in bench.left_out:
        print(f"left out {what}: {why}", file=out)
    _rest_of_machine(parts, out)
    print("Medians over rounds; lateness is from the end of the GPU's work to the feeder's return "
          "from its wait.", file=out)


def _title(a, kind, part):
    load, style, n = part["load"], part["style"], part["rounds"]
    if kind == "phases":
        return (f"phases, {style}: GPU {a.phase:g} s busy, {a.phase:g} s idle, "
                f"{n} rounds of {4 * a.phase:g} s")
    if kind == "quiet":
        return f"quiet machine, {style}: {n} rounds of {a.seconds:g} s"
    if load.shape == "alone":
        return f"{load.label}: {n} rounds"
    if load.shape == "rate":
        return f"{load.label}, feeder waits by {style}: {n} rounds of {a.seconds:g} s"
    return f"{load.label}, feeder waits by {style}: {n} rounds, each to its end"


def show(a, bench, parts, info, out=sys.stdout):
    """Print everything; the rows of the targets."""
    head(a, bench, parts, info, out)
    for kind, rows in parts.items():
        for part in rows:
            table(part, _title(a, kind, part), out)
    rows = [t for kind in parts.values() for part in kind for t in part["targets"]]
    if rows:
        print("\ntargets" + (" (--quick: too few rounds for a verdict)" if a.quick else ""),
              file=out)
    for row in rows:
        print("  " + targets.line(row), file=out)
    return rows


SETTINGS = ("rounds", "seconds", "settle", "phase", "mix_seconds", "hogs", "t_ms", "host_us",
            "own_session")


def _plain(part):
    load = part["load"]
    cols = columns(load)
    return {"load": load.name, "label": load.label, "shape": load.shape, "note": load.note,
            "style": part["style"], "targets": part["targets"], "arms": [
                {"name": arm.name, "label": arm.label, "hand_made": arm.hand_made,
                 "summary": {c[0]: summary(part["cells"][arm.name], c[0]) for c in cols},
                 "rounds": part["cells"][arm.name]} for arm in part["arms"]]}


def data(a, bench, parts, info):
    return {"format": "starling-bench-feeder", "version": 2, "machine": info, "gpu": bench.gpu,
            "starling": bench.setup.mode_line, "quick": a.quick, "left_out": bench.left_out,
            "settings": {k: getattr(a, k) for k in SETTINGS},
            "parts": {kind: [_plain(p) for p in rows] for kind, rows in parts.items()}}


def write(path, what):
    """One line, without a blank."""
    with open(path, "w", encoding="utf-8") as f:
        json.dump(what, f, separators=(",", ":"))
        f.write("\n")

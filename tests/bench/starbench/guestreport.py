# SPDX-License-Identifier: GPL-2.0-only
"""What was measured in a guest, as tables for people and as JSON for programs."""
import sys

from . import machine, report, stats, targets, team

# key, column, format, True where what counts is the ratio to the arm "nothing"
FEEDER = (("core", "core %", "{:.1f}", False), ("cpu", "CPU %", "{:.1f}", False),
          ("share.one", "one's %", "{:.1f}", False), ("units_per_s", "tools", "{:.3f}", True))
ERROR = ("error", "error", "{:.2f}", False)
ALONE = (("messaging_s", "time", "{:.3f}", True),)
RANGED = ("core", "units_per_s", "error", "messaging_s")


def columns(load):
    if load.shape == "weights":
        due = team.due(load.members)
        return [(f"share.{name}", f"{name} ({share * 100:.1f})", "{:.2f}", False)
                for name, share in due.items()] + [ERROR]
    return FEEDER if load.shape == "feeder" else ALONE


def value(cell, key):
    """One figure of a round; shares in per cent."""
    kind, _, name = key.partition(".")
    got = (cell.get("shares") or {}).get(name) if kind == "share" else cell.get(key)
    return got if got is None or key in ("units_per_s", "messaging_s") else got * 100


def of_nothing(top, bottom):
    """Ratio of the medians and its interval; the range is that of each round's own."""
    got = stats.ratio(top, bottom)
    each = [a / b for a, b in zip(top, bottom) if a is not None and b]
    return got and {"n": len(each), "median": got["value"], "ci": got["ci"], "min": min(each),
                    "max": max(each)}


def summary(cells, arm, column):
    key, _, _, relative = column
    series = [value(c, key) for c in cells[arm]]
    if not relative:
        return stats.spread(series)
    return of_nothing(series, [value(c, key) for c in cells.get("nothing", [])])


def table(part, out):
    cols = columns(part["load"])
    ranged = [c for c in cols if c[0] in RANGED]
    rows = [["arm"] + [c[1] for c in cols] + [f"{c[1]}: 95 % CI (range)" for c in ranged]]
    for arm in part["arms"]:
        got = {c[0]: summary(part["cells"], arm.name, c) for c in cols}
        rows.append([arm.label] + [report.value_text(got[c[0]], c[0], c[2]) for c in cols] +
                    [report.range_text(got[c[0]], c[2]) for c in ranged])
    load = part["load"]
    report.grid(f"{load.name}: {load.label}; {part['rounds']} rounds", load.note, rows, out)


def head(info, out):
    guest, host = info["guest"], info["host"]
    print(f"\nguest    {machine.line(guest)}, " +
          ("EMULATED: only shares and ratios mean anything" if guest["emulated_cpu"]
           else "not emulated"), file=out)
    print(f"host     {machine.line(host)}; 1-minute load {host['load_before']:.2f} before, "
          f"{host['load_after']:.2f} after, of which the guest is some {guest['cpus']}", file=out)
    print("Medians over rounds. core: run / (run + waited) of the feeder; CPU: what it ran, of "
          "one CPU;\none's: the share of the agent with one tool beside the one with six; tools, "
          "time: of the arm nothing.", file=out)


def judge(load, cells, arms):
    if load.shape == "feeder":
        return targets.of_core(load.wait, cells, arms)
    if load.shape == "weights":
        return targets.of_weights(load.name, cells, arms)
    return targets.of_messaging(cells, arms)


def show(parts, failed, info, quick, out=sys.stdout):
    """Print everything; the rows of the targets."""
    head(info, out)
    for part in parts:
        table(part, out)
    if failed:
        print("\nnot measured", file=out)
    for f in failed:
        print(f"  {f['load']}, {f['arm']}, round {f['round'] + 1}: {f['error']}", file=out)
    rows = [row for part in parts for row in part["targets"]]
    print("\ntargets" + (" (--quick: too few rounds for a verdict)" if quick else ""), file=out)
    for row in rows:
        print("  " + targets.line(row), file=out)
    return rows


def _plain(part):
    load = part["load"]
    return {"load": load.name, "label": load.label, "shape": load.shape,
            "due": team.due(load.members), "targets": part["targets"], "arms": [
                {"name": arm.name, "label": arm.label, "summary":
                 {c[0]: summary(part["cells"], arm.name, c) for c in columns(load)},
                 "rounds": part["cells"][arm.name]} for arm in part["arms"]]}


def data(parts, failed, info, settings):
    return {"format": "starling-bench-guest", "version": 1, **info, "settings": settings,
            "not_measured": failed, "loads": [_plain(part) for part in parts]}

# SPDX-License-Identifier: GPL-2.0-only
"""The numbers Starling is to reach, and whether it did in this run."""
from . import stats

# (what is compared, bound); the text is made where the figures are.
P99_OF_UNLOADED = {"mix-0.3": 1.1, "mix-0.7": 1.1, "mix-1": 1.1, "mix-1.5": 1.1}
P99_OVERLOADED = 1.5        # of the unloaded figure too, with all other loads
# Tokens a second, of the unloaded figure; and in none of these less than without.
TOKENS = {"idle": None, "hogs": 0.98, "cpu+io": 0.95}
TOKENS_OF_NOTHING = 0.995
P99_OF_HAND_MADE = 1.1
SAME_P99 = 1.1
SHARE = 0.97
TOOLS = 0.97
PHASE_TIME = 0.90
MAKESPAN = 1.03
ALONE = 1.03
QUIET_TOKENS = 0.995
DAEMON_CPU = 0.003
DAEMON_RSS = 15e6
# In a guest, on every rung; the error of weights where sched_ext is at work.
FEEDER_CORE = 0.97
WEIGHT_ERROR = {"flat": 0.0017, "two-level": 0.01}


def series(cells, arm, key):
    return [c.get(key) for c in cells.get(arm, [])]


def _median(cells, arm, key):
    return stats.median([x for x in series(cells, arm, key) if x is not None])


def _row(text, value, bound, at_most, ci=None, unit="x"):
    if value is None:
        return {"text": text, "value": None, "bound": bound, "pass": None, "ci": None,
                "at_most": at_most, "unit": unit}
    good = value <= bound if at_most else value >= bound
    return {"text": text, "value": value, "bound": bound, "pass": bool(good), "ci": ci,
            "at_most": at_most, "unit": unit}


def _ratio_row(text, top, bottom, bound, at_most):
    got = stats.ratio(top, bottom)
    if got is None:
        return _row(text, None, bound, at_most)
    return _row(text, got["value"], bound, at_most, got["ci"])


def best_hand_made(cells, arms, key="p99"):
    """Name of the hand-made arm with the lowest median."""
    known = [(m, a.name) for a in arms if a.hand_made
             for m in [_median(cells, a.name, key)] if m is not None]
    return min(known)[1] if known else None


def _rivals(cells, arms, own_p99, key):
    """(figure, name) of the hand-made arms whose feeder is as well off."""
    return [(_median(cells, a.name, key), a.name) for a in arms if a.hand_made
            and _median(cells, a.name, key) is not None
            and (_median(cells, a.name, "p99") or 1e99) <= own_p99 * SAME_P99]


def _tools_row(text, cells, arms, own):
    """Against the best tools of the arms whose feeder is as well off; where there
    is none, there is nothing to compare with and nothing to pass."""
    p99 = _median(cells, own, "p99")
    text += ": tools' work, of the best hand-made arm with the same p99"
    if p99 is None:
        return _row(text, None, TOOLS, False)
    rivals = _rivals(cells, arms, p99, "units_per_s")
    if not rivals:
        return _row(text + " (none reaches it)", None, TOOLS, False)
    name = max(rivals)[1]
    return _ratio_row(f"{text} ({name})", series(cells, own, "units_per_s"),
                      series(cells, name, "units_per_s"), TOOLS, False)


def _makespan_row(text, cells, own):
    """Against the best static split, which counts if its feeder is as well off;
    a better makespan at a worse p99 is no success."""
    p99, rival = _median(cells, own, "p99"), _median(cells, "split", "p99")
    text += ": makespan, of the best static split"
    if p99 is None or rival is None:
        return _row(text, None, MAKESPAN, True)
    row = _ratio_row(text, series(cells, own, "makespan_s"),
                     series(cells, "split", "makespan_s"), MAKESPAN, True)
    if p99 > rival * SAME_P99:
        row["text"] += f" (not at equal p99: {p99:.0f} us, the split {rival:.0f} us)"
        row["pass"] = False
    return row


def of_noise(text, cells):
    """One arm measured twice: a difference as large as this one means nothing."""
    rows = []
    for key, what in (("p99", "p99 lateness"), ("units_per_s", "tools' work"),
                      ("makespan_s", "makespan"), ("messaging_s", "messaging"),
                      ("pipe_s", "perf bench pipe")):
        got = stats.ratio(series(cells, "aa", key), series(cells, "nothing", key))
        if got:
            rows.append({"text": f"{text}: {what} of the same arm again (A/A)",
                         "value": got["value"], "bound": None, "pass": None, "ci": got["ci"],
                         "at_most": True, "unit": "x"})
    return rows


def of_alone(cells, arms):
    rows = [_ratio_row(f"perf bench {what}: time with {a.label}, of without",
                       series(cells, a.name, key), series(cells, "nothing", key), ALONE, True)
            for a in arms if a.starling
            for key, what in (("messaging_s", "messaging"), ("pipe_s", "pipe"))]
    return rows + of_noise("alone", cells)


def _tokens_rows(text, load, cells, own):
    if load not in TOKENS or _median(cells, own, "tokens_per_s") is None:
        return []
    tokens = series(cells, own, "tokens_per_s")
    rows = []
    if TOKENS[load] and cells.get("unloaded"):
        rows.append(_ratio_row(f"{text}: tokens per second, of the unloaded figure", tokens,
                               series(cells, "unloaded", "tokens_per_s"), TOKENS[load], False))
    if cells.get("nothing"):
        rows.append(_ratio_row(f"{text}: tokens per second, of doing nothing", tokens,
                               series(cells, "nothing", "tokens_per_s"), TOKENS_OF_NOTHING,
                               False))
    return rows


def _of_own(text, style, cells, arms, own, load):
    """The rows of one arm of Starling's."""
    p99 = series(cells, own, "p99")
    rows = []
    if cells.get("unloaded"):
        rows.append(_ratio_row(f"{text}: p99 lateness, of the unloaded figure", p99,
                               series(cells, "unloaded", "p99"),
                               P99_OF_UNLOADED.get(load, P99_OVERLOADED), True))
    best = best_hand_made(cells, arms)
    if best:
        rows.append(_ratio_row(f"{text}: p99 lateness, of the best hand-made arm ({best})",
                               p99, series(cells, best, "p99"), P99_OF_HAND_MADE, True))
    if style in ("yield", "spin"):
        shares = stats.spread(series(cells, own, "share"))
        rows.append(_row(f"{text}: share of the core the feeder needs",
                         shares["median"] if shares else None, SHARE, False,
                         shares["ci"] if shares else None, "share"))
    if _median(cells, own, "makespan_s") is not None and cells.get("split"):
        rows.append(_makespan_row(text, cells, own))
    elif best and _median(cells, own, "units_per_s") is not None:
        rows.append(_tools_row(text, cells, arms, own))
    return rows + _tokens_rows(text, load, cells, own)


def of_style(style, cells, arms, load="hogs"):
    """Every arm of Starling's against those made by hand."""
    where = style if load == "hogs" else f"{load}, {style}"
    rows = []
    for arm in arms:
        if arm.starling and not arm.looks and cells.get(arm.name):
            text = where if arm.name == "starling" else f"{where}, {arm.label}"
            rows += _of_own(text, style, cells, arms, arm.name, load)
    return rows + of_noise(where, cells)


def of_phases(style, cells, own="starling"):
    """Time for the same work is the inverse of work in the same time."""
    return [_ratio_row(f"phases, {style}: time the tools need, of the best static split",
                       series(cells, "split", "units_per_s"),
                       series(cells, own, "units_per_s"), PHASE_TIME, True)]


def of_quiet(style, cells, own="starling"):
    def top(key):
        return stats.spread(series(cells, own, key))
    cpu, rss = top("daemon_cpu"), top("daemon_rss")
    return [
        _ratio_row(f"quiet, {style}: tokens per second with Starling, of without",
                   series(cells, own, "tokens_per_s"),
                   series(cells, "nothing", "tokens_per_s"), QUIET_TOKENS, False),
        _row(f"quiet, {style}: the daemon's share of a core",
             cpu["median"] if cpu else None, DAEMON_CPU, True, cpu["ci"] if cpu else None,
             "share"),
        _row(f"quiet, {style}: the daemon's resident memory",
             rss["max"] if rss else None, DAEMON_RSS, True, None, "bytes"),
    ]


def _of_spread(text, cells, arm, key, bound, at_most, unit):
    got = stats.spread(series(cells, arm, key))
    return _row(text, got["median"] if got else None, bound, at_most, got and got["ci"], unit)


def of_core(wait, cells, arms):
    """A feeder that blocks wants little, and asks for it late: what it got is shown only."""
    own = [a for a in arms if a.starling and wait in ("yield", "spin")]
    return [_of_spread(f"{wait}, {a.label}: share of the core the feeder needs", cells, a.name,
                       "core", FEEDER_CORE, False, "share") for a in own] + of_noise(wait, cells)


def of_weights(load, cells, arms):
    return [_of_spread(f"{load}, {a.label}: error of the agents' shares", cells, a.name,
                       "error", WEIGHT_ERROR[load], True, "points")
            for a in arms if a.placer == "sched_ext"] + of_noise(load, cells)


def of_messaging(cells, arms):
    return [_ratio_row(f"messaging, {a.label}, no agents: time, of without",
                       series(cells, a.name, "messaging_s"),
                       series(cells, "nothing", "messaging_s"), ALONE, True)
            for a in arms if a.starling] + of_noise("alone", cells)


def _number(value, unit):
    if value is None:
        return "-"
    if unit == "share":
        return f"{value * 100:.2f} %"
    if unit == "points":
        return f"{value * 100:.2f} points"
    if unit == "bytes":
        return f"{value / 1e6:.1f} MB"
    return f"{value:.3f}"


def line(row):
    """PASS or MISS, the figure, its interval, the bound."""
    word = {True: "PASS", False: "MISS", None: "----"}[row["pass"]]
    ci = ""
    if row["ci"]:
        ci = " [" + "..".join(_number(x, row["unit"]) for x in row["ci"]) + "]"
    if row["bound"] is None:
        return f"{word}  {row['text']}: {_number(row['value'], row['unit'])}{ci}"
    sign = "<=" if row["at_most"] else ">="
    return (f"{word}  {row['text']}: {_number(row['value'], row['unit'])}{ci} "
            f"(wanted {sign} {_number(row['bound'], row['unit'])})")

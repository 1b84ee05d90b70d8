# SPDX-License-Identifier: GPL-2.0-only
"""The numbers Starling is to reach, and whether it did in this run."""
from . import stats

# (what is compared, bound); the text is made where the figures are.
P99_OF_UNLOADED = 1.5
P99_OF_HAND_MADE = 1.1
SAME_P99 = 1.1
SHARE = 0.95
TOOLS = 0.97
PHASE_TIME = 0.90
QUIET_TOKENS = 0.995
DAEMON_CPU = 0.003
DAEMON_RSS = 15e6


def series(cells, arm, key):
    return [c[key] for c in cells.get(arm, [])]


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


def _tools_row(style, cells, arms):
    """Against the best tools of the arms whose feeder is as well off."""
    own = _median(cells, "starling", "p99")
    text = f"{style}: tools' work, of the best hand-made arm with the same p99"
    if own is None:
        return _row(text, None, TOOLS, False)
    rivals = [(_median(cells, a.name, "units_per_s"), a.name) for a in arms if a.hand_made
              and (_median(cells, a.name, "p99") or 1e99) <= own * SAME_P99]
    if not rivals:
        return _row(text + " (none reaches it)", 1.0, TOOLS, False)
    name = max(rivals)[1]
    return _ratio_row(f"{text} ({name})", series(cells, "starling", "units_per_s"),
                      series(cells, name, "units_per_s"), TOOLS, False)


def of_style(style, cells, arms):
    own = series(cells, "starling", "p99")
    if not own:
        return []
    rows = [_ratio_row(f"{style}: p99 lateness, of the unloaded figure", own,
                       series(cells, "unloaded", "p99"), P99_OF_UNLOADED, True)]
    best = best_hand_made(cells, arms)
    if best:
        rows.append(_ratio_row(f"{style}: p99 lateness, of the best hand-made arm ({best})",
                               own, series(cells, best, "p99"), P99_OF_HAND_MADE, True))
    if style in ("yield", "spin"):
        shares = stats.spread(series(cells, "starling", "share"))
        rows.append(_row(f"{style}: share of the core the feeder needs",
                         shares["median"] if shares else None, SHARE, False,
                         shares["ci"] if shares else None, "share"))
    if best:
        rows.append(_tools_row(style, cells, arms))
    return rows


def of_phases(style, cells):
    """Time for the same work is the inverse of work in the same time."""
    return [_ratio_row(f"phases, {style}: time the tools need, of the best static split",
                       series(cells, "split", "units_per_s"),
                       series(cells, "starling", "units_per_s"), PHASE_TIME, True)]


def of_quiet(style, cells):
    def top(key):
        return stats.spread(series(cells, "starling", key))
    cpu, rss = top("daemon_cpu"), top("daemon_rss")
    return [
        _ratio_row(f"quiet, {style}: tokens per second with Starling, of without",
                   series(cells, "starling", "tokens_per_s"),
                   series(cells, "nothing", "tokens_per_s"), QUIET_TOKENS, False),
        _row(f"quiet, {style}: the daemon's share of a core",
             cpu["median"] if cpu else None, DAEMON_CPU, True, cpu["ci"] if cpu else None,
             "share"),
        _row(f"quiet, {style}: the daemon's resident memory",
             rss["max"] if rss else None, DAEMON_RSS, True, None, "bytes"),
    ]


def _number(value, unit):
    if value is None:
        return "-"
    if unit == "share":
        return f"{value * 100:.2f} %"
    if unit == "bytes":
        return f"{value / 1e6:.1f} MB"
    return f"{value:.3f}"


def line(row):
    """PASS or MISS, the figure, its interval, the bound."""
    word = {True: "PASS", False: "MISS", None: "----"}[row["pass"]]
    ci = ""
    if row["ci"]:
        ci = " [" + "..".join(_number(x, row["unit"]) for x in row["ci"]) + "]"
    sign = "<=" if row["at_most"] else ">="
    return (f"{word}  {row['text']}: {_number(row['value'], row['unit'])}{ci} "
            f"(wanted {sign} {_number(row['bound'], row['unit'])})")

# SPDX-License-Identifier: GPL-2.0-only
"""Lateness of the feeder as a picture: a strip of dots for each arm, one dot a
round, a panel for each load. SVG drawn by hand, without any library."""
import math
from xml.sax.saxutils import escape

from . import machine, report, stats

WIDTH, LEFT, RIGHT, ROW, TOP = 1040, 230, 130, 22, 96
PANEL_HEAD, PANEL_FOOT, FOOT = 34, 30, 34
LOWEST = 0.1        # us; what is less is drawn here
HIGHEST = 1e3       # us; the axis goes on to here at least
UNITS = ((1e6, "s"), (1e3, "ms"), (1, "us"))
COLOURS = {"reference": "#666666", "hand": "#1f66b0", "starling": "#c8500a"}
STYLE = """text{font:13px sans-serif;fill:#222}.small{font-size:11px;fill:#555}
.head{font-size:17px;font-weight:bold}.title{font-weight:bold}.loud{font-weight:bold;fill:#b00020}
.grid{stroke:#ddd}.strip{stroke:#f0f0f0}"""


def kind_of(arm):
    if arm["name"].startswith("starling"):
        return "starling"
    return "hand" if arm["hand_made"] else "reference"


def time_text(us):
    """0.1 us, 10 us, 1 ms, 1 s."""
    for factor, unit in UNITS:
        if us >= factor or factor == 1:
            return f"{us / factor:g} {unit}"
    return ""


def _values(arm, key):
    return [r[key] for r in arm["rounds"] if r[key] is not None]


def _num(x):
    return f"{x:.1f}"


class Axis:
    """Logarithmic, the same for all panels, so that they can be compared."""

    def __init__(self, parts):
        every = [v for p in parts for arm in p["arms"] for v in _values(arm, "p99")]
        self.low = math.log10(LOWEST)
        self.high = math.ceil(math.log10(max(every + [HIGHEST])))

    def x(self, us):
        part = (math.log10(max(us, LOWEST)) - self.low) / (self.high - self.low)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def decades(self):
        return [10.0 ** e for e in range(round(self.low), self.high + 1)]


def _dots(axis, y, values, key, colour):
    """Hollow for p50, filled for p99; a tick at the median."""
    fill = "none" if key == "p50" else colour
    out = [f'<circle class="{key}" cx="{_num(axis.x(v))}" cy="{y}" r="3.6" fill="{fill}" '
           f'fill-opacity="0.55" stroke="{colour}"><title>{key} {v:.1f} us</title></circle>'
           for v in values]
    if values:
        x = _num(axis.x(stats.median(values)))
        out.append(f'<path d="M{x} {y - 8}V{y + 8}" stroke="{colour}" '
                   f'stroke-width="{2 if key == "p99" else 1}"/>')
    return out


def _figure(part, arm):
    """What the tools got done, in words."""
    key, form = {"rate": ("units_per_s", "{:.0f} /s"), "end": ("makespan_s", "{:.2f} s"),
                 "mix": ("makespan_s", "{:.2f} s")}[part["shape"]]
    values = _values(arm, key)
    return form.format(stats.median(values)) if values else "-"


def _strip(axis, part, arm, y):
    colour = COLOURS[kind_of(arm)]
    out = [f'<path class="strip" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>',
           f'<text x="{LEFT - 12}" y="{y}" dy="4" text-anchor="end" style="fill:{colour}">'
           f"{escape(arm['label'])}</text>",
           f'<text class="small" x="{WIDTH - 16}" y="{y}" dy="4" text-anchor="end">'
           f"{_figure(part, arm)}</text>"]
    ci = (arm["summary"].get("p99") or {}).get("ci")
    if ci:
        out.append(f'<path class="ci" d="M{_num(axis.x(ci[0]))} {y}H{_num(axis.x(ci[1]))}" '
                   f'stroke="{colour}" stroke-width="5" stroke-opacity="0.25"/>')
    return out + [dot for key in ("p50", "p99")
                  for dot in _dots(axis, y, _values(arm, key), key, colour)]


def _panel(axis, part, top):
    bottom = top + PANEL_HEAD + ROW * len(part["arms"])
    note = f" ({part['note']})" if part["note"] else ""
    what = "tools' work" if part["shape"] == "rate" else "makespan"
    out = ['<g class="panel">',
           f'<text class="title" x="16" y="{top + 16}">{escape(part["label"] + note)}</text>',
           f'<text class="small" x="{WIDTH - 16}" y="{top + 16}" text-anchor="end">{what}</text>']
    for us in axis.decades():
        x = _num(axis.x(us))
        out.append(f'<path class="grid" d="M{x} {top + PANEL_HEAD - 8}V{bottom}"/>'
                   f'<text class="small" x="{x}" y="{bottom + 14}" text-anchor="middle">'
                   f"{time_text(us)}</text>")
    for i, arm in enumerate(part["arms"]):
        out += _strip(axis, part, arm, top + PANEL_HEAD + ROW * i + ROW // 2)
    return out + ["</g>"]


def panel_height(part):
    return PANEL_HEAD + ROW * len(part["arms"]) + PANEL_FOOT


def _warnings(runs):
    """What takes from the worth of the figures."""
    used = [r["others"] for run in runs for p in run["parts"]["load"] for arm in p["arms"]
            for r in arm["rounds"] if r["others"] is not None]
    out = []
    if used and stats.median(used) > report.BUSY:
        out.append(f"NOT A QUIET MACHINE: others used {stats.median(used) * 100:.0f} % of its CPUs")
    if any(run["quick"] for run in runs):
        out.append("--quick: too few and too short rounds for a verdict")
    return out


def _head(runs, style):
    run = next((r for r in runs if r["gpu"]), runs[0])
    gpu = "; ".join([run["gpu"] or "no GPU", *_warnings(runs)])
    loud = ' class="loud"' if "EMULATED" in gpu or _warnings(runs) else ""
    return [f'<text class="head" x="16" y="28">Lateness of a feeder that waits by '
            f"{escape(style)}</text>",
            f'<text class="small" x="16" y="48">{escape(machine.line(run["machine"]))}; '
            f'{escape(run["machine"]["when"])}</text>',
            f'<text x="16" y="68"{loud}>{escape(gpu)}</text>',
            '<text class="small" x="16" y="86">One dot a round: hollow p50, filled p99. Tick: '
            "median of the rounds. Bar: its 95 % interval for p99. Further left is better.</text>"]


def draw(runs, style):
    """The SVG of all loads that were measured with that style, or None."""
    parts = [p for run in runs for p in run["parts"]["load"]
             if p["style"] == style and p["shape"] != "alone"]
    if not parts:
        return None
    axis, top = Axis(parts), TOP
    out = _head(runs, style)
    for part in parts:
        out += _panel(axis, part, top)
        top += panel_height(part)
    out.append(f'<text class="small" x="16" y="{top + 14}">From the end of the GPU\'s work to the '
               f"return of the feeder's wait; {LOWEST:g} us and less are drawn at the left "
               "edge.</text>")
    height = top + FOOT
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
                      f'width="{WIDTH}" height="{height}" role="img">', f"<style>{STYLE}</style>",
                      f'<rect width="{WIDTH}" height="{height}" fill="white"/>', *out, "</svg>\n"])


def styles(runs):
    """As measured, each once."""
    return list(dict.fromkeys(p["style"] for run in runs for p in run["parts"]["load"]
                              if p["shape"] != "alone"))

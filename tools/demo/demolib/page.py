# SPDX-License-Identifier: GPL-2.0-only
"""The demo's page: one file, no network, dark or light as the reader likes."""
import html
import json
import os

from . import charts, figures, timeline

HERE = os.path.dirname(os.path.realpath(__file__))
COLOUR = {"without": "--without", "with": "--with"}
SHORT = {"without": "without", "with": "with Starling"}
GPU_LEGEND = (("busy", "GPU busy"), ("host", "feeder prepares the next token"),
              ("starved", "GPU starved: a request is there, its feeder is not on a CPU"))
CPU_LEGEND = (("feeder", "feeder (drives the GPU)"), ("service", "server's other threads"),
              ("orchestrator", "agents"), ("tool", "agents' tools"), ("starling", "Starling"),
              ("other", "rest of the system"), ("idle", "idle"))


def esc(text):
    return html.escape(str(text))


def _read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return f.read()


def _tags(demo):
    tags = [(demo["gpu"], "EMULATED" in demo["gpu"].upper())]
    if demo["emulated_cpu"]:
        tags.append(("EMULATED CPU: ratios and shares only", True))
    tags += [(demo["machine"], False), ("Linux " + demo["kernel"], False),
             (demo["place"], False), (demo["workload"], False), (demo["when"], False)]
    return "".join(f'<li{" class=loud" if loud else ""}>{esc(text)}</li>' for text, loud in tags)


def _change(ratio):
    """A ratio as a person says it."""
    if abs(ratio - 1) < 0.015:
        return "no change"
    if ratio < 0.25:
        return f"{1 / ratio:.0f} times less" if ratio else "none left"
    if ratio > 4:
        return f"{ratio:.0f} times more"
    return f"{'+' if ratio > 1 else '&minus;'}{abs(ratio - 1) * 100:.0f} %"


def _card(row, demo):
    fig, ratio, mark = row["figure"], row["ratio"]["value"], figures.verdict(row)
    kind = {1: "good", -1: "bad", 0: ""}[mark]
    before, after = (row["spread"][k]["median"] for k in ("without", "with"))
    detail = [] if demo["emulated_cpu"] and not fig.unit.startswith("%") else \
        [f"{fig.show(before)} &rarr; {fig.show(after)} {esc(fig.unit)}"]
    if not mark and abs(ratio - 1) >= 0.015 and figures.enough(demo):
        detail.append("rounds overlap")
    return (f'<div class="card {kind}"><span>{esc(fig.text)}</span><b>{_change(ratio)}</b>'
            f"<span>{'; '.join(detail)}</span></div>")


def _cards(rows, demo):
    wanted = ("itl_p99", "ttft_p95", "tokens_per_s", "tools_per_s", "starved_share")
    by_key = {r["figure"].key: r for r in rows if r["ratio"]}
    return "".join(_card(by_key[k], demo) for k in wanted if k in by_key)


def _cell(row, key, demo):
    fig = row["figure"]
    if demo["emulated_cpu"] and not fig.unit.startswith("%"):
        values = figures.relative(row, key)
        spread, show = figures.stats.spread(values), "{:.2f}".format
    else:
        spread, show = row["spread"][key], fig.show
    if not spread:
        return "<td>-</td>"
    rest = f"<small>{show(spread['min'])}..{show(spread['max'])}</small>" \
        if spread["n"] > 1 else ""
    return f"<td>{show(spread['median'])}{rest}</td>"


def _ratio_cell(row):
    if not row["ratio"]:
        return "<td>-</td>"
    kind = {1: ' class="good"', -1: ' class="bad"', 0: ""}[figures.verdict(row)]
    return f"<td{kind}>{row['ratio']['value']:.2f}</td>"


def _table(rows, demo):
    out = ['<div class="scroll"><table><tr><th></th><th>unit</th><th>without</th>'
           "<th>with Starling</th><th>ratio</th><th>rounds, scale from 0: "
           '<span style="color:var(--without)">&#9679; without</span> '
           '<span style="color:var(--with)">&#9679; with</span></th></tr>']
    for row in rows:
        fig = row["figure"]
        hidden = demo["emulated_cpu"] and not fig.unit.startswith("%")
        values = {k: [v for v in row["values"][k] if v is not None] for k in COLOUR}
        out.append(f'<tr><td title="{esc(fig.tip)}">{esc(fig.text)}</td>'
                   f"<td>{'x' if hidden else esc(fig.unit)}</td>" +
                   "".join(_cell(row, k, demo) for k in COLOUR) + _ratio_cell(row) +
                   f'<td class="dots">{charts.dots(values["without"], values["with"])}</td></tr>')
    out.append("</table></div>")
    return "".join(out)


def _table_note(demo):
    n = min(len(a["rounds"]) for a in demo["arms"])
    text = f"Median of {n} rounds, then the lowest and the highest. Ratio: with / without"
    text += "; in colour where the rounds of the two arms do not overlap." \
        if figures.enough(demo) else ". These are too few rounds to call a small difference one."
    if demo["emulated_cpu"]:
        text += (" The CPU of this guest is emulated: figures are multiples of the median without "
                 "Starling, and only shares and ratios mean anything.")
    return esc(text)


def _tail(demo):
    arms = [(SHORT[a["key"]], COLOUR[a["key"]], [r["itl"] for r in a["rounds"] if r.get("itl")])
            for a in demo["arms"]]
    if not any(h for _, _, h in arms):
        return "<p>No token was counted.</p>", ""
    unit = (1e6, "ms")
    if demo["emulated_cpu"]:
        unit = (charts.middle(charts.pooled(arms[0][2])),
                "multiples of the median without Starling")
    return charts.Tail(arms, unit).svg(), (
        "How many of the tokens took longer than this. Thick: all rounds; thin: each round. "
        "A tail that ends further left is better.")


def _shares(demo):
    out = []
    for arm in demo["arms"]:
        t = next((r["timeline"] for r in arm["rounds"] if r.get("timeline")), None)
        if not t:
            continue
        idle = max(0.0, 1 - sum(t["shares"].values()))
        words = [f"{name} {t['shares'][name] * 100:.1f} %" for name in timeline.ROLES[1:]
                 if t["shares"].get(name, 0) >= 0.001] + [f"idle {idle * 100:.1f} %"]
        out.append(f'<p class="barname">{esc(arm["label"])}: {esc(", ".join(words))}</p>' +
                   charts.share_bar(t["shares"]))
    return "".join(out)


def _agents(demo):
    if not demo.get("agents"):
        return ""
    out = ['<div class="scroll"><table><tr><th>agent</th><th>CPU s</th><th>GPU s</th>'
           "<th>CPU : GPU</th><th>tools</th></tr>"]
    for a in demo["agents"]:
        ratio = f"{a['cpu_s'] / a['gpu_s']:.2f}" if a["gpu_s"] else "-"
        out.append(f"<tr><td>{esc(a['name'])}<small>{esc(a['kind'])}</small></td>"
                   f"<td>{a['cpu_s']:.2f}</td><td>{a['gpu_s']:.2f}</td><td>{ratio}</td>"
                   f"<td>{a['tools']}</td></tr>")
    out.append("</table></div>")
    return "".join(out)


def _legend():
    return "".join(f'<span><i style="background:var(--{key})"></i>{esc(text)}</span>'
                   for key, text in CPU_LEGEND + GPU_LEGEND)


def _drawn(arm):
    """The first round that has a timeline, and its number."""
    for i, r in enumerate(arm["rounds"]):
        if r.get("timeline"):
            return r["timeline"], i + 1
    return None, 0


def _data(demo):
    arms = []
    for arm in demo["arms"]:
        t, n = _drawn(arm)
        if t:
            note = f"round {n} of {len(arm['rounds'])}; GPU busy {t['gpu_busy'] * 100:.0f} %"
            arms.append({"label": arm["label"], "note": note, "end_us": t["end_us"],
                         "rows": t["rows"]})
    text = json.dumps({"unit_hidden": demo["emulated_cpu"], "arms": arms},
                      separators=(",", ":"))
    return text.replace("</", "<\\/")


def _timeline_note(demo):
    t = next((t for t, _ in map(_drawn, demo["arms"]) if t), None)
    if not t:
        return "No timeline: the sampler may not look at this kernel (see the run's output)."
    lost = f" {t['lost']} records were lost." if t["lost"] else ""
    busy = figures.strangers(demo)
    if busy:
        lost += f" {busy}"
    return (f"Each CPU was looked at {t['hz']} times a second, so nothing shorter than "
            f"{1000 / t['hz']:g} ms is exact here; GPU times are exact. Both arms have the same "
            f"time scale and replay the same work.{lost}")


def _method(demo):
    rows = [("command", f"<code>{esc(demo['command'])}</code>"), ("where", esc(demo["reason"])),
            ("workload", esc(demo["workload"])), ("GPU", esc(demo["gpu"])),
            ("Starling", esc(demo["starling"] or "not run")), ("version", esc(demo["version"])),
            ("order of rounds", esc(demo["order"])),
            ("figures", "Latencies are the clients' own, from the first byte sent. The raw "
             "figures of every round are in " + f"<code>{esc(demo['json'])}</code>.")]
    return '<dl class="method">' + "".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in rows) + "</dl>"


def render(demo):
    rows = figures.compare_all(demo)
    tail, tail_note = _tail(demo)
    parts = {
        "CSS": _read("page.css"), "JS": _read("page.js"), "DATA": _data(demo),
        "TITLE": esc(demo["title"]), "LEAD": esc(demo["lead"]), "TAGS": _tags(demo),
        "CARDS": _cards(rows, demo), "LEGEND": _legend(),
        "TIMELINE_NOTE": esc(_timeline_note(demo)), "TABLE": _table(rows, demo),
        "TABLE_NOTE": _table_note(demo), "TAIL": tail, "TAIL_NOTE": esc(tail_note),
        "SHARES": _shares(demo), "AGENTS": _agents(demo), "METHOD": _method(demo),
    }
    page = _read("page.html")
    for key, value in parts.items():
        page = page.replace(f"@@{key}@@", value)
    return page

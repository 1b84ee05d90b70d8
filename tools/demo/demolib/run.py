# SPDX-License-Identifier: GPL-2.0-only
"""One round's files, as agentload and the sampler wrote them."""
import json

from . import timeline


def _hist(values):
    return (values or {}).get("hist") or []


def _percentile(values, q, scale):
    """Of agentload's histogram [[low ns, count]...]; steps are 3 % wide."""
    rows = _hist(values)
    total = sum(n for _, n in rows)
    seen = 0
    for low, n in rows:
        seen += n
        if seen >= total * q / 100.0:
            return low / scale
    return None


def figures(run, cpus):
    feeder, tools, length = run.get("feeder") or {}, run["tools"], run["makespan_s"]
    starved = feeder.get("starved_s")
    out = {
        "tokens_per_s": run["tokens_per_s"], "makespan": length,
        "tools_per_s": tools["calls"] / length,
        "tool_cpu_share": 100 * tools["cpu_s"] / length / cpus,
        "starved_share": 100 * starved / length if starved is not None else None,
        "late_p99": _percentile(feeder.get("lateness_us"), 99, 1e3),
    }
    for key, name, percents in (("ttft", "ttft_us", (50, 95)), ("itl", "itl_us", (50, 95, 99)),
                                ("step", "step_us", (50, 95))):
        for q in percents:
            out[f"{key}_p{q}"] = _percentile(run.get(name), q, 1e6)
    return out


def agents(run):
    return [{"name": a["name"], "kind": a["type"], "cpu_s": a["cpu_s"], "gpu_s": a["gpu_s"],
             "tools": a["calls"]} for a in run["agents"]]


def load(base, cpus):
    """base.json, base.timeline and base.samples of one round."""
    with open(base + ".json", encoding="utf-8") as f:
        run = json.load(f)
    with open(base + ".timeline", encoding="utf-8") as f:
        noted = json.load(f)
    with open(base + ".samples", encoding="utf-8", errors="replace") as f:
        drawn = timeline.build(f, noted)
    return {"figures": figures(run, cpus), "itl": _hist(run.get("itl_us")), "timeline": drawn,
            "agents": agents(run), "gpu": run["gpu"], "emulated": run["emulated"],
            "complete": run["complete"]}

# SPDX-License-Identifier: GPL-2.0-only
"""What is compared in a guest: the arms, and the loads that they are given."""
import os

from . import arms, team
from .rivals import Rival


class Load:
    """shape: feeder, weights or alone, which says how a cell of it is measured."""

    def __init__(self, name, label, shape, wait=None, members=(), note=""):
        self.name = name
        self.label = label
        self.shape = shape
        self.wait = wait
        self.members = members
        self.note = note

    def takes(self, arm):
        """Without a feeder there is nothing that could be done for it by hand."""
        return self.shape == "feeder" or not arm.hand_made or isinstance(arm, Rival)


def _feeder(wait, does):
    return Load(f"feeder-{wait}", f"a feeder that {does} beside agents with six tools and one",
                "feeder", wait, team.EQUAL)


def loads():
    return [
        _feeder("yield", "yields"),
        _feeder("spin", "spins"),
        _feeder("block", "blocks"),
        Load("flat", "agents of weight 100, 200 and 300 with 5, 2 and 2 tools", "weights",
             members=team.FLAT),
        Load("two-level", "a team of 100 and 300 beside one as heavy, with 5, 2 and 2 tools",
             "weights", members=team.TWO_LEVEL),
        Load("messaging", "hackbench, no feeder, no agents", "alone"),
    ]


GROUPS = {"feeder": ["feeder-yield", "feeder-spin", "feeder-block"],
          "weights": ["flat", "two-level"], "all": [x.name for x in loads()]}


def table():
    """All arms in the order in which they are measured and shown. Those of the native
    benchmark are what they are there; each rival has what it goes by."""
    known = {x.name: x for x in arms.table()}
    simple = Rival("scx_simple", "scx_simple, feeder nice -15", feeder=lambda: os.nice(-15))
    simple.expect = {"feeder": {"nice": -15}}
    flatcg = Rival("scx_flatcg", "scx_flatcg, feeder cpu.weight 10000", groups=True)
    flatcg.expect = {"feeder": {"group": "feeder"}}
    return [*(known[x] for x in ("nothing", "aa", "nice", "idle")), simple, flatcg,
            *(known[x] for x in ("starling-tasks", "starling-cgroups", "starling-ext"))]


# Of tests/bench/guest, and passed on to what runs in the guest.
SETTINGS = ("arms", "loads", "rounds", "seconds", "settle", "quick", "t_ms", "host_us")

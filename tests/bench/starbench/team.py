# SPDX-License-Identifier: GPL-2.0-only
"""Agents with weights, in a tree, and what is due to each of them."""


class Member:
    """procs: tools of its own, for two CPUs; parent: the name of the one it belongs to."""

    def __init__(self, name, weight=100, procs=0, parent=None):
        self.name = name
        self.weight = weight
        self.procs = procs
        self.parent = parent


EQUAL = (Member("many", procs=6), Member("one", procs=1))
FLAT = (Member("a", 100, 5), Member("b", 200, 2), Member("c", 300, 2))
TWO_LEVEL = (Member("team", 200), Member("first", 100, 5, "team"),
             Member("second", 300, 2, "team"), Member("other", 200, 2))


def parents(team):
    return {m.name: m.parent for m in team}


def path(team, name):
    """Where it is in the tree: team/first."""
    up = parents(team)[name]
    return f"{path(team, up)}/{name}" if up else name


def workers(team):
    return [m for m in team if m.procs]


def due(team):
    """{name: share} of all the time that those with tools get together, if all are at work."""
    by_name = {m.name: m for m in team}

    def share(m):
        beside = sum(x.weight for x in team if x.parent == m.parent)
        return (share(by_name[m.parent]) if m.parent else 1.0) * m.weight / beside
    return {m.name: share(m) for m in workers(team)}


def got(ran):
    """{name: share} of what they ran, None when nobody did."""
    total = sum(ran.values())
    return {name: ns / total for name, ns in ran.items()} if total else None


def error(team, ran):
    """By how much the one that is furthest off misses its due, as a share of all."""
    shares, wanted = got(ran), due(team)
    return max(abs(shares[name] - wanted[name]) for name in wanted) if shares else None

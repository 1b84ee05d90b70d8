# SPDX-License-Identifier: GPL-2.0-only
"""Agents in a tree that run a command: a team of two, and one as heavy as the team.

Prints the process ids of the two and of the other, and stays until it is killed.
"""
import subprocess
import sys
import time

import starling


def run(agent, command, times):
    family = " & ".join([f"sh -c '{command}'"] * times + ["wait"])
    # Not by `with`, which closes it: then its members would be the team's.
    return subprocess.Popen(["sh", "-c", family], preexec_fn=agent.join).pid


team = starling.agent("team", weight=200, join=None)
other = starling.agent("other", weight=200, join=None)
first = starling.agent("first", weight=100, parent=team)
second = starling.agent("second", weight=300, parent=team)
print(run(first, sys.argv[1], 5), run(second, sys.argv[1], 2), run(other, sys.argv[1], 2),
      flush=True)
while True:
    time.sleep(60)

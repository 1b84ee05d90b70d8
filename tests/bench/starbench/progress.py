# SPDX-License-Identifier: GPL-2.0-only
"""One line a step: what, how far, how long still."""
import sys
import time


def clock(seconds):
    seconds = max(0, int(seconds + 0.5))
    return f"{seconds // 60}:{seconds % 60:02d}"


class Progress:
    def __init__(self, steps, seconds, out=sys.stderr):
        """steps in all, and how long they should take before any was timed."""
        self.steps = max(1, steps)
        self.expected = seconds
        self.out = out
        self.done = 0
        self.began = time.monotonic()
        self.live = out.isatty()

    def remaining(self):
        spent = time.monotonic() - self.began
        share = self.done / self.steps
        if self.done < 3:
            return max(0.0, self.expected - spent)
        return spent / share * (1 - share)

    def step(self, text, result=""):
        self.done += 1
        spent = time.monotonic() - self.began
        line = (f"[{self.done:3d}/{self.steps}] {clock(spent)} elapsed, "
                f"{clock(self.remaining())} left  {text}  {result}")
        if self.live:
            self.out.write("\r" + line[:118].ljust(118))
            if self.done >= self.steps:
                self.out.write("\n")
        else:
            self.out.write(line.rstrip() + "\n")
        self.out.flush()

    def say(self, text):
        if self.live and self.done:
            self.out.write("\r" + " " * 118 + "\r")
        self.out.write(text + "\n")
        self.out.flush()

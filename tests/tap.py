# SPDX-License-Identifier: GPL-2.0-only
"""Results as TAP, and waiting for what is to become true, for tests in Python."""

import sys
import time


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def ok(self, good, text, detail=None):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {text}", flush=True)
        if not good and detail is not None:
            print("\n".join("# " + line for line in str(detail).splitlines()), flush=True)
        return good

    def skip(self, text, why):
        self.count += 1
        print(f"ok {self.count} - {text} # SKIP {why}", flush=True)

    def note(self, text):
        print(f"# {text}", flush=True)

    def done(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


def within(seconds, wanted, every=0.3):
    """What it gives, as soon as that is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = wanted()
        if got:
            return got
        time.sleep(every)
    return None

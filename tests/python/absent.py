# SPDX-License-Identifier: GPL-2.0-only
"""python/starling.py where there is no module: it does nothing, at once."""
import asyncio
import ctypes
import os
import subprocess
import sys
import time
import unittest

import pytap
import starling


class Absent(unittest.TestCase):
    def setUp(self):
        self.assertFalse(starling.available())

    def test_the_layout_is_that_of_c(self):
        lines = subprocess.run([os.path.join(pytap.OUT, "tests", "python-layout")],
                               check=True, capture_output=True, text=True).stdout.splitlines()
        self.assertGreater(len(lines), 20)
        for line in lines:
            kind, field, number = line.split()
            mirror = getattr(starling, kind)
            have = ctypes.sizeof(mirror) if field == "-" else getattr(mirror, field).offset
            self.assertEqual(have, int(number), line)

    def test_every_call_passes(self):
        with starling.agent("planner", weight=200) as a:
            self.assertIs(starling.current_agent(), a)
            a.set(name="other", weight=5)
            a.set_role("tool")
            a.watch("role")
            self.assertEqual(a.fileno(), -1)
            self.assertEqual(a.tasks(), [])
            self.assertEqual(a.stat(tree=True).id, 0)
            self.assertIsNone(a.next_event())
            self.assertIsNone(a.poll_event())
            with starling.gpu().lease(priority="interactive", timeout=1) as lease:
                self.assertFalse(lease.held)
                self.assertIsNone(lease.gpu)
                with lease.parked():
                    pass
            self.assertTrue(lease.release())
        self.assertIsNone(starling.current_agent())
        with self.assertRaises(OSError):
            starling.gpu().stat()

    def test_async(self):
        async def main():
            async with starling.agent("async") as a:
                async with starling.gpu(None).lease() as lease:
                    async with lease.parked_async():
                        pass
                self.assertEqual([e async for e in a.events()], [])
        asyncio.run(main())

    def test_a_lease_without_an_agent_passes(self):
        with starling.gpu().lease():
            pass

    def test_what_is_closed_or_in_use_cannot_be_entered(self):
        with starling.agent("once") as a:
            with a:
                pass
            lease = starling.gpu().lease()
            with lease:
                with self.assertRaisesRegex(RuntimeError, "in use"):
                    with lease:
                        pass
            with lease:
                pass
        with self.assertRaisesRegex(RuntimeError, "once.*closed"):
            with a:
                pass
        with self.assertRaisesRegex(RuntimeError, "once.*closed"):
            with lease:
                pass
        self.assertIsNone(starling.current_agent())
        self.assertIsNone(starling.current_lease())

    def test_wrong_words(self):
        with self.assertRaisesRegex(ValueError, "interactive"):
            starling.gpu().lease(priority="urgent")
        with self.assertRaisesRegex(ValueError, "thread"):
            starling.agent("x", join="fibre")
        with starling.agent("x") as a:
            with self.assertRaisesRegex(ValueError, "orchestrator"):
                a.set_role("boss")
            with self.assertRaisesRegex(ValueError, "task_exit"):
                a.watch("weather")

    def test_it_costs_little(self):
        gpu, begin = starling.gpu(), time.perf_counter()
        for _ in range(1000):
            with gpu.lease():
                pass
        each = (time.perf_counter() - begin) / 1000
        print(f"# {each * 1e6:.1f} us for a lease that is none")
        self.assertLess(each, 1e-3)

    def test_without_the_library(self):
        code = "import starling; print(starling.available()); starling.agent('x').join()"
        env = dict(os.environ, STARLING_LIB="/nonexistent.so",
                   PYTHONPATH=os.path.join(pytap.TOP, "python"))
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        self.assertEqual((done.stdout, done.stderr), ("False\n", ""))


if __name__ == "__main__":
    if starling.available():
        print("1..0 # SKIP the module is loaded")
        sys.exit(0)
    pytap.main(sys.modules["__main__"])

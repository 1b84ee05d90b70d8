# SPDX-License-Identifier: GPL-2.0-only
"""python/starling.py with the module loaded."""
import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

import pytap
import starling
from waits import Waits     # noqa: F401 - its tests are of this module too


def is_member(a, tid):
    return tid in [t.tid for t in a.tasks()]


class Agents(unittest.TestCase):
    def test_a_thread_is_a_member_inside(self):
        with starling.agent("planner", weight=300) as a:
            rec = a.stat()
            self.assertEqual((rec.name, rec.weight, rec.tasks), (b"planner", 300, 1))
            self.assertTrue(is_member(a, threading.get_native_id()))
            child = subprocess.Popen(["sleep", "20"])
            self.assertTrue(is_member(a, child.pid))
            self.assertEqual(a.task(child.pid).tgid, child.pid)
            a.set_role("tool", child.pid)
            self.assertEqual(a.task(child.pid).role, "tool")
            child.kill()
            child.wait()
            a.set("renamed", 7)
            self.assertEqual((a.stat().name, a.stat().weight), (b"renamed", 7))

    def test_other_threads_are_none(self):
        with starling.agent("one") as a:
            seen = []
            before = threading.Event()
            t = threading.Thread(target=lambda: (before.wait(), seen.append(0)))
        t.start()
        with starling.agent("two", join="process") as b:
            self.assertTrue(is_member(b, t.native_id))
            before.set()
            t.join()
        self.assertEqual(a.fileno(), -1)

    def test_nested(self):
        with starling.agent("outer") as a:
            with starling.agent("inner") as b:
                self.assertIs(starling.current_agent(), b)
                self.assertTrue(is_member(b, threading.get_native_id()))
            self.assertIs(starling.current_agent(), a)

    def test_one_below_another(self):
        with starling.agent("team") as team:
            with starling.agent("member", weight=300, parent=team) as sub:
                self.assertEqual((sub.stat().parent_id, sub.stat().weight),
                                 (team.stat().id, 300))
                self.assertEqual(team.stat().tasks, 0)
                self.assertEqual(team.stat(tree=True).tasks, 1)

    def test_priorities(self):
        with starling.agent("team", priority="interactive") as team:
            self.assertEqual(team.stat().priority, "interactive")
            with starling.agent("member", parent=team) as sub:
                self.assertEqual(sub.stat().priority, "interactive")
                sub.set(priority="batch")
                self.assertEqual(sub.stat().priority, "batch")
            self.assertEqual(team.stat().priority, "interactive")
        with starling.agent("other") as other:
            self.assertEqual(other.stat().priority, "normal")
            with self.assertRaises(ValueError):
                other.set(priority="urgent")
        with self.assertRaises(ValueError):
            starling.agent("x", priority="urgent")

    def test_errors_are_oserror(self):
        with starling.agent("x") as a:
            with self.assertRaises(ProcessLookupError):
                a.task(1)
            with self.assertRaises(OSError) as e:
                a.set(weight=99999)
            self.assertEqual(e.exception.errno, errno.EINVAL)

    def test_events(self):
        with starling.agent("events") as a:
            a.watch("role", "task_exit")
            self.assertIsNone(a.poll_event())
            a.set_role("orchestrator")
            e = a.next_event(timeout=5)
            self.assertEqual((e.type, e.tid), ("role", threading.get_native_id()))
            self.assertEqual(starling.ROLES[e.value[0]], "orchestrator")
            with self.assertRaises(TimeoutError):
                a.next_event(timeout=0.02)

    def test_events_async(self):
        async def main():
            async with starling.agent("events", join="process") as a:
                a.watch("task_exit")
                child = subprocess.Popen(["true"])
                child.wait()
                async for e in a.events():
                    if e.tid == child.pid:
                        return e.type
        self.assertEqual(asyncio.run(asyncio.wait_for(main(), 60)), "task_exit")

    def test_events_of_many_readers(self):
        async def one(a):
            async for e in a.events():
                return e.value[0]

        async def main():
            with starling.agent("events") as a:
                a.watch("role")
                readers = [asyncio.create_task(one(a)) for _ in range(3)]
                gone = asyncio.create_task(one(a))
                await asyncio.sleep(0.01)
                gone.cancel()
                for role in starling.ROLES[1:4]:
                    a.set_role(role)
                return sorted(await asyncio.gather(*readers)), a.poll_event()
        self.assertEqual(asyncio.run(asyncio.wait_for(main(), 60)), ([1, 2, 3], None))


class Leases(unittest.TestCase):
    def setUp(self):
        self.a, self.b = starling.agent("a", join=None), starling.agent("b", join=None)
        self.gpu = starling.gpu()

    def tearDown(self):
        self.a.close()
        self.b.close()
        self.assertEqual(self.gpu.stat().holders, 0)

    def test_hold_park_release(self):
        with self.gpu.lease("interactive", agent=self.a, memory=1 << 20) as lease:
            self.assertTrue(lease.held)
            self.assertEqual(lease.gpu, 0)
            self.assertGreater(lease.expires_ns, 0)
            with self.assertRaises(BlockingIOError):
                self.gpu.lease(agent=self.b, wait=False).acquire()
            with lease.parked():
                with self.gpu.lease(agent=self.b, wait=False):
                    self.assertEqual(self.gpu.stat().parked, 1)
            self.assertEqual(self.gpu.stat().holders, 1)
        self.assertTrue(lease.release())

    def test_the_queue_is_shown(self):
        with self.gpu.lease("batch", agent=self.a):
            wanted = self.gpu.lease("interactive", agent=self.b)
            waiter = threading.Thread(target=wanted.acquire)
            waiter.start()
            while not self.gpu.stat().waiting[0]:
                time.sleep(0.01)
            shown = json.loads(subprocess.run(["starling", "lease", "--json"], check=True,
                                              capture_output=True).stdout)
            table = subprocess.run(["starling", "lease"], check=True, capture_output=True,
                                   text=True).stdout
        waiter.join()
        wanted.release()
        self.assertEqual([g["holders"] for g in shown["gpus"]], [1])
        held, waits = sorted(shown["leases"], key=lambda r: r["state"])
        self.assertEqual((held["class"], held["effective_class"], held["pid"]),
                         ("batch", "interactive", os.getpid()))
        self.assertEqual((waits["state"], waits["class"]), ("waiting", "interactive"))
        self.assertIn("interactive", table)

    def test_timeout(self):
        with self.gpu.lease(agent=self.a):
            begin = time.monotonic()
            with self.assertRaises(TimeoutError):
                self.gpu.lease(agent=self.b, timeout=0.05).acquire()
            self.assertGreaterEqual(time.monotonic() - begin, 0.05)

    def test_a_signal_handler_runs_while_it_waits(self):
        ran = []
        old = signal.signal(signal.SIGALRM, lambda *_: ran.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with self.gpu.lease(agent=self.a):
            with self.assertRaises(TimeoutError):
                self.gpu.lease(agent=self.b, timeout=0.3).acquire()
        signal.signal(signal.SIGALRM, old)
        self.assertEqual(ran, [1])

    def test_an_agent_is_needed(self):
        with self.assertRaisesRegex(RuntimeError, "starling.agent"):
            self.gpu.lease()
        with self.a:
            with self.gpu.lease() as lease:
                self.assertTrue(lease.held)
        self.a, self.b = self.b, starling.agent("b", join=None)

    def test_an_expired_one_is_told(self):
        taken = self.gpu.lease(agent=self.a, max_hold=0.02).acquire()
        with self.gpu.lease(agent=self.b, timeout=10):
            self.assertFalse(taken.release())

    def test_async_in_turn(self):
        order = []

        async def one(a, name):
            async with self.gpu.lease(agent=a):
                order.append(name)
                await asyncio.sleep(0.01)
                order.append(name)

        async def main():
            await asyncio.gather(*(one(a, i) for i, a in enumerate([self.a, self.b] * 3)))
        asyncio.run(main())
        self.assertEqual(order[::2], order[1::2])
        self.assertEqual(sorted(order), sorted(list(range(6)) * 2))

    def test_the_death_of_a_holder(self):
        code = ("import starling, time; a = starling.agent('dies', join=None); "
                "starling.gpu().lease(agent=a).acquire(); print('held', flush=True); "
                "time.sleep(60)")
        env = dict(os.environ, PYTHONPATH=os.path.join(pytap.TOP, "python"))
        child = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE)
        self.assertEqual(child.stdout.readline(), b"held\n")
        child.kill()
        with self.gpu.lease(agent=self.a, timeout=20) as lease:
            self.assertTrue(lease.held)
        child.wait()
        child.stdout.close()


if __name__ == "__main__":
    if not starling.available():
        print("not ok 1 - the module is not loaded")
        sys.exit(1)
    pytap.main(sys.modules["__main__"])

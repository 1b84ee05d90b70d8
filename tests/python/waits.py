# SPDX-License-Identifier: GPL-2.0-only
"""Coroutines that wait: part of present.py, and on a stand-in for the module.

usage: STARLING_LIB=build/tests/fake/libstarling.so.0 waits.py
"""
import asyncio
import fcntl
import gc
import os
import struct
import sys
import threading
import time
import unittest

import pytap
import starling

AGENTS = 200
CONTROL_CLAIM, LEASE_POLICY, POLICY_HOLD = 0xB502, 0xB527, 4

_control = None


def setUpModule():
    """No limit to holding a lease: the machine may be slow."""
    global _control
    if os.path.exists("/dev/starling") and _control is None:
        _control = os.open("/dev/starling", os.O_RDWR)
        fcntl.ioctl(_control, CONTROL_CLAIM, struct.pack("IIQQ", 24, 0, 0, 0))
        fcntl.ioctl(_control, LEASE_POLICY, struct.pack("IIIIQQQQQQQ", 72, POLICY_HOLD, 0, 0,
                                                        0, 3600 * 10**9, 0, 0, 0, 0, 0))


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


class Waits(unittest.TestCase):
    def setUp(self):
        self.a, self.b = starling.agent("a", join=None), starling.agent("b", join=None)
        self.gpu = starling.gpu()

    def tearDown(self):
        self.a.close()
        self.b.close()
        self.assertEqual(self.gpu.stat().holders, 0)
        self.assertEqual(self.waiting(), 0)

    def waiting(self):
        return self.gpu.stat().waiting[0]

    def look_at_threads(self):
        """None where there is io_uring, which the real module has unless told otherwise."""
        backend = starling._lib().c.starling_queue_backend(starling._queue()._handle)
        uring = os.path.exists("/dev/starling") and "STARLING_QUEUE" not in os.environ
        self.assertEqual(backend, 1 if uring else 2)
        self.assertEqual(len(os.listdir("/proc/self/task")) < AGENTS, uring)

    def run_async(self, main):
        asyncio.run(asyncio.wait_for(main(), 120))

    def test_many_agents_take_turns(self):
        inside, done = [], []

        async def one(number):
            async with starling.agent(f"agent-{number}"):
                async with self.gpu.lease():
                    inside.append(number)
                    self.assertEqual(len(inside), 1)
                    await asyncio.sleep(0)
                    inside.remove(number)
            done.append(number)

        async def main():
            before = threading.active_count()
            await asyncio.gather(*(one(i) for i in range(AGENTS)))
            self.assertEqual(threading.active_count(), before)
        self.run_async(main)
        self.assertEqual(sorted(done), list(range(AGENTS)))

    def test_all_wait_at_once(self):
        async def main():
            agents = [starling.agent(f"agent-{i}", join=None) for i in range(AGENTS)]
            async with self.gpu.lease(agent=self.a, max_hold=3600):
                tasks = [asyncio.create_task(self.gpu.lease(agent=a).acquire_async())
                         for a in agents]
                await until(lambda: self.waiting() == AGENTS)
                self.look_at_threads()
            for task in asyncio.as_completed(tasks):
                lease = await task
                self.assertTrue(lease.held)
                lease.release()
            for a in agents:
                a.close()
        self.run_async(main)

    def test_more_than_there_is_room_for(self):
        async def one():
            async with self.gpu.lease(agent=self.b):
                pass

        async def main():
            async with self.gpu.lease(agent=self.a, max_hold=3600):
                tasks = [asyncio.create_task(one()) for _ in range(20)]
                await until(lambda: self.waiting() == 4)
                tasks[15].cancel()      # has no room yet
                tasks[1].cancel()       # waits
                await until(lambda: tasks[1].done() and tasks[15].done())
            await asyncio.wait(tasks)
            self.assertEqual([i for i, t in enumerate(tasks) if t.cancelled()], [1, 15])

        entries, starling._Queue.ENTRIES = starling._Queue.ENTRIES, 4
        try:
            self.run_async(main)
        finally:
            starling._Queue.ENTRIES = entries

    def test_cancelled_while_it_waits(self):
        async def main():
            async with self.gpu.lease(agent=self.a):
                task = asyncio.create_task(self.gpu.lease(agent=self.b).acquire_async())
                await until(lambda: self.waiting() == 1)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                self.assertEqual(self.waiting(), 0)
        self.run_async(main)

    def test_cancelled_at_any_time(self):
        async def main():
            for i in range(60):
                async with self.gpu.lease(agent=self.a):
                    task = asyncio.create_task(self.gpu.lease(agent=self.b).acquire_async())
                    for _ in range(i % 6):
                        await asyncio.sleep(0)
                    if i % 2:
                        task.cancel()
                if not i % 2:
                    await asyncio.sleep(0.001 * (i % 5))
                    task.cancel()
                try:
                    (await task).release()
                except asyncio.CancelledError:
                    pass
            self.assertEqual(self.gpu.stat().holders, 0)
        self.run_async(main)

    def test_the_agent_is_closed_while_it_waits(self):
        async def main():
            gone = starling.agent("gone", join=None)
            async with self.gpu.lease(agent=self.a):
                task = asyncio.create_task(self.gpu.lease(agent=gone).acquire_async())
                await until(lambda: self.waiting() == 1)
                gone.close()
            lease = await task
            self.assertTrue(lease.held)
            self.assertTrue(lease.release())
        self.run_async(main)

    def test_the_loop_is_closed_while_it_waits(self):
        loop = asyncio.new_event_loop()
        taken = self.gpu.lease(agent=self.a).acquire()

        async def begin():
            loop.create_task(self.gpu.lease(agent=self.b).acquire_async())
            await until(lambda: self.waiting() == 1)
        loop.run_until_complete(asyncio.wait_for(begin(), 60))
        loop.set_exception_handler(lambda *_: None)     # "Task was destroyed"
        loop.close()
        del loop
        self.assertEqual(self.waiting(), 1)

        async def other():
            async with starling.agent("other"):
                with self.assertRaises(BlockingIOError):
                    await self.gpu.lease(wait=False).acquire_async()
        self.run_async(other)
        gc.collect()
        self.assertEqual(self.waiting(), 0)
        taken.release()

    def test_timeout(self):
        async def main():
            async with self.gpu.lease(agent=self.a):
                begin = time.monotonic()
                with self.assertRaises(TimeoutError):
                    await self.gpu.lease(agent=self.b, timeout=0.05).acquire_async()
                self.assertGreaterEqual(time.monotonic() - begin, 0.05)
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(self.gpu.lease(agent=self.b).acquire_async(), 0.05)
                self.assertEqual(self.waiting(), 0)
        self.run_async(main)

    def test_tools_side_by_side(self):
        async def main():
            async with self.gpu.lease(agent=self.a) as lease:
                async def one(seconds):
                    async with lease.parked_async():
                        await asyncio.sleep(seconds)
                tools = asyncio.gather(one(0.02), one(0.04), one(0.03))
                async with self.gpu.lease(agent=self.b):
                    pass
                await tools
                with self.assertRaises(BlockingIOError):
                    self.gpu.lease(agent=self.b, wait=False).acquire()
        self.run_async(main)

    def test_a_plain_tool_beside_one_that_unparks(self):
        async def main():
            async with self.gpu.lease(agent=self.a) as lease:
                go = asyncio.Event()

                @starling.tool
                async def slow():
                    await go.wait()

                @starling.tool
                def plain():
                    return lease.id
                task = asyncio.create_task(slow())
                taken = await self.gpu.lease(agent=self.b).acquire_async()
                go.set()
                await until(lambda: self.waiting() == 1)
                self.assertEqual(plain(), lease.id)
                taken.release()
                await task
                self.look_who_holds(lease)
        self.run_async(main)

    def look_who_holds(self, lease):
        self.assertTrue(lease.held)
        self.assertEqual(self.gpu.stat().holders, 1)
        with self.assertRaises(BlockingIOError):
            self.gpu.lease(agent=self.b, wait=False).acquire()

    async def cancel_a_tool(self, lease):
        async def slow():
            async with lease.parked_async():
                await asyncio.Event().wait()
        task = asyncio.create_task(slow())
        async with self.gpu.lease(agent=self.b):
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(task, 0.01)
            self.assertEqual(self.waiting(), 0)

    def test_a_tool_that_is_cancelled_does_not_wait(self):
        async def main():
            async with self.gpu.lease(agent=self.a) as lease:
                await self.cancel_a_tool(lease)
                await lease.unpark_async()
                self.look_who_holds(lease)
                await self.cancel_a_tool(lease)
                async with lease.parked_async():
                    pass
                self.look_who_holds(lease)
                await self.cancel_a_tool(lease)
        self.run_async(main)

    def test_a_tool_that_is_cancelled_while_it_ends(self):
        async def main():
            async with self.gpu.lease(agent=self.a) as lease:
                async def quick():
                    async with lease.parked_async():
                        while self.gpu.stat().holders == 0:
                            await asyncio.sleep(0)
                task = asyncio.create_task(quick())
                async with self.gpu.lease(agent=self.b):
                    await until(lambda: self.waiting() == 1)
                    task.cancel()
                    with self.assertRaises(asyncio.CancelledError):
                        await task
                async with lease.parked_async():
                    pass
                self.look_who_holds(lease)
        self.run_async(main)

    def test_a_tool_that_is_interrupted_does_not_wait(self):
        with self.gpu.lease(agent=self.a) as lease:
            with self.assertRaises(KeyboardInterrupt):
                with lease.parked():
                    taken = self.gpu.lease(agent=self.b).acquire()
                    raise KeyboardInterrupt
            taken.release()
            with self.assertRaises(ZeroDivisionError):
                with lease.parked():
                    1 / 0
            self.look_who_holds(lease)

    def test_one_agent_for_many_coroutines(self):
        a = starling.agent("many")

        async def one(begun, end):
            async with a:
                begun.set()
                await end.wait()
                self.assertIs(starling.current_agent(), a)
            self.assertIsNone(starling.current_agent())

        async def main():
            begun, end = ([asyncio.Event() for _ in range(3)] for _ in "ab")
            tasks = [asyncio.create_task(one(*events)) for events in zip(begun, end)]
            for event in begun:
                await event.wait()
            for i in (0, 2, 1):
                self.assertGreaterEqual(a.fileno(), 0)
                end[i].set()
                await tasks[i]
            self.assertEqual(a.fileno(), -1)
            with self.assertRaisesRegex(RuntimeError, "many.*closed"):
                async with a:
                    pass
            with self.assertRaisesRegex(RuntimeError, "many.*closed"):
                async with self.gpu.lease(agent=a):
                    pass
        self.run_async(main)

    def test_one_agent_for_many_threads(self):
        a, ended = starling.agent("many"), []

        def one(begun, end):
            with a:
                begun.set()
                end.wait()
                ended.append(starling.current_agent() is a)
            ended.append(starling.current_agent() is None)
        both = []
        for _ in range(2):
            begun, end = threading.Event(), threading.Event()
            both.append((threading.Thread(target=one, args=(begun, end)), end))
            both[-1][0].start()
            begun.wait()
        for thread, end in both:
            self.assertGreaterEqual(a.fileno(), 0)
            end.set()
            thread.join()
        self.assertEqual(ended, [True] * 4)
        self.assertEqual(a.fileno(), -1)

    def test_one_lease_is_for_one_at_a_time(self):
        async def main():
            lease = self.gpu.lease(agent=self.a)
            taken = self.gpu.lease(agent=self.b).acquire()
            first = asyncio.create_task(lease.acquire_async())
            await until(lambda: self.waiting() == 1)
            with self.assertRaisesRegex(RuntimeError, "in use"):
                await lease.acquire_async()
            taken.release()
            await first
            with self.assertRaisesRegex(RuntimeError, "in use"):
                with lease:
                    pass
            self.look_who_holds(lease)
            lease.release()
            async with lease:
                self.look_who_holds(lease)
        self.run_async(main)

    def test_a_child_does_not_give_back_its_parents(self):
        with self.gpu.lease(agent=self.a) as lease:
            pid = os.fork()
            if not pid:
                wrong = 1
                try:
                    with lease.parked():
                        pass
                    wrong = lease.release()
                finally:
                    os._exit(wrong)
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
            self.look_who_holds(lease)
            self.assertTrue(lease.release())

    def test_cancelled_while_it_unparks(self):
        async def main():
            async with self.gpu.lease(agent=self.a) as lease:
                lease.park()
                async with self.gpu.lease(agent=self.b):
                    task = asyncio.create_task(lease.unpark_async())
                    await until(lambda: self.waiting() == 1)
                    task.cancel()
                    with self.assertRaises(asyncio.CancelledError):
                        await task
                await lease.unpark_async()
        self.run_async(main)

    def test_no_event(self):
        async def main():
            with self.assertRaises(TimeoutError):
                await self.a.next_event_async(timeout=0.02)
            task = asyncio.create_task(self.a.next_event_async())
            await asyncio.sleep(0.02)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
        self.run_async(main)


if __name__ == "__main__":
    if not starling.available():
        print("not ok 1 - no module, and no stand-in for it")
        sys.exit(1)
    pytap.main(sys.modules["__main__"])

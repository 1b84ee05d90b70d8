# SPDX-License-Identifier: LGPL-2.1-only
"""Agents, leases of a GPU and telemetry, for Python programs.

    import starling

    with starling.agent("planner"):                     # this thread, and what it starts
        with starling.gpu().lease(priority="interactive") as lease:
            ask_the_model()
            with lease.parked():                        # others have the GPU meanwhile
                run_a_tool()

    @starling.tool                                      # parks the lease that is current
    def run_a_tool(): ...

The same with `async with` in asyncio, where an agent is of the asyncio task and no
thread is made a member. What waits there takes no thread, and cancelling the task
ends the wait in the kernel. Needs libstarling and nothing else. Where the module or
the library is not there all of this does nothing, at once: `available()` tells.

Times are seconds in arguments and nanoseconds of CLOCK_MONOTONIC in records.
Errors are OSError with the errno that <linux/starling.h> explains, of the class
that Python has for it (TimeoutError, PermissionError, BlockingIOError).
"""
import asyncio
import collections
import contextlib
import contextvars
import ctypes
import errno
import functools
import inspect
import itertools
import os
import threading
import time
import weakref

__all__ = ["Agent", "GPU", "Lease", "agent", "available", "current_agent", "current_lease",
           "gpu", "tool"]

NAME_LEN, COMM_LEN, GPU_ANY = 32, 16, 0xFFFFFFFF
TASK_THREAD, TASK_PIDFD = 1, 2
STAT_LIVE, STAT_TREE, TRY, NOWAIT = 1, 2, 1, 1

ROLES = ("none", "feeder", "service", "orchestrator", "tool", "background", "inference")
ROLES_MAX = 8
PLACEMENTS = ("unknown", "shared", "protected")
# Bits of valid, estimated and stale; and where a value may come from.
VALUES = ("run", "wait", "switches", "migrations", "gpu_wait", "gpu_launch", "gpu_alloc",
          "starved", "roles", "gpu_busy", "gpu_memory", "energy")
FROM = ("kernel", "probe", "driver", "model")
SOURCES = ("none", "lineage", "detection", "owner", "self")
PRIORITIES = ("default", "interactive", "normal", "batch")
EVENTS = (None, "role", "placement", "lease_granted", "lease_give_back", "lease_expired",
          "task_exit", "memory_pressure")


def _word(words, number):
    return words[number] if number < len(words) else "unknown"


def _number(words, word, what):
    if word not in words:
        raise ValueError(f"{what} is one of {', '.join(words)}")
    return words.index(word)


_u16, _u32, _u64 = ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64


class _Record(ctypes.Structure):
    """Shown with its fields; compared by identity."""

    def sources(self, value):
        """Where one of VALUES comes from, for records of tasks and agents: of FROM."""
        bits = self.source_bits >> 4 * VALUES.index(value)
        return tuple(name for i, name in enumerate(FROM) if bits >> i & 1)

    def __repr__(self):
        words = (f"{name}={getattr(self, name)!r}" for name, *_ in self._fields_
                 if not name.startswith("_"))
        return f"{type(self).__name__}({', '.join(words)})"


class TaskRecord(_Record):
    """struct starling_task_record: telemetry of one task."""

    _fields_ = [(n, _u32) for n in ("tid", "tgid")] + [(n, _u64) for n in (
        "agent_id", "start_ns", "run_ns", "wait_ns", "nvcsw", "nivcsw", "migrations",
        "gpu_wait_ns", "gpu_waits", "gpu_launches", "gpu_alloc_bytes", "starved_ns",
        "gpu_last_ns", "gpu_busy_ns", "gpu_memory_bytes", "energy_uj")] + [
        ("role_run_ns", _u64 * ROLES_MAX), ("valid", _u32), ("estimated", _u32),
        ("stale", _u32), ("placement_number", _u16), ("_pad", _u16), ("source_bits", _u64),
        ("role_number", _u16), ("role_source", _u16), ("wait_style", _u16),
        ("last_cpu", _u16), ("comm", ctypes.c_char * COMM_LEN)]

    @property
    def role(self):
        """What the task is for, as a word."""
        return _word(ROLES, self.role_number)

    @property
    def placement(self):
        """Is it on CPUs that are kept free for it? One of PLACEMENTS."""
        return _word(PLACEMENTS, self.placement_number)


class AgentRecord(_Record):
    """struct starling_agent_record: an agent and the sums of its tasks."""

    _fields_ = [("id", _u64), ("weight", _u32), ("tasks", _u32)] + [(n, _u64) for n in (
        "forks", "joins", "exits", "lost", "run_ns", "wait_ns", "nvcsw", "nivcsw",
        "migrations", "gpu_wait_ns", "gpu_waits", "gpu_launches", "gpu_alloc_bytes",
        "starved_ns", "gpu_busy_ns", "gpu_memory_bytes", "energy_uj")] + [
        ("role_run_ns", _u64 * ROLES_MAX), ("valid", _u32), ("estimated", _u32),
        ("stale", _u32), ("class_number", _u32), ("source_bits", _u64),
        ("name", ctypes.c_char * NAME_LEN), ("parent_id", _u64), ("_reserved", _u64 * 2)]

    @property
    def priority(self):
        """How urgent it is: one of PRIORITIES."""
        return _word(PRIORITIES, self.class_number)


class Event(_Record):
    """struct starling_event: what happened to an agent."""

    _fields_ = [("time_ns", _u64), ("type_number", _u32), ("tid", _u32), ("agent_id", _u64),
                ("value", _u64 * 4), ("lost", _u64)]

    @property
    def type(self):
        """What happened, one of EVENTS."""
        return _word(EVENTS, self.type_number)


class GpuStat(_Record):
    """struct starling_lease_stat: a GPU's queue, policy and statistics."""

    _fields_ = [("_size", _u32), ("_flags", _u32)] + [(n, _u32) for n in (
        "gpu", "gpus", "slots", "holders", "parked", "_pad")] + [
        ("waiting", _u32 * 4)] + [(n, _u64) for n in (
            "memory_bytes", "memory_used", "grants", "expired", "timeouts", "cancels",
            "wait_ns", "wait_max_ns", "hold_ns", "max_hold_ns", "notice_ns", "aging_ns",
            "starve_ns")] + [("_reserved", _u64 * 2)]


class _AgentOpts(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("weight", _u32), ("priority", _u32)]


class _LeaseOpts(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t)] + [(n, _u32) for n in (
        "flags", "gpu", "priority", "_pad")] + [(n, _u64) for n in (
            "max_hold_ns", "timeout_ns", "deadline_ns", "memory_bytes", "cookie")]


class _QueueOpts(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("entries", _u32), ("backend", _u32)]


class _Completion(_Record):
    """struct starling_completion: how a request ended."""

    _fields_ = [("user_data", _u64), ("result", ctypes.c_int32), ("_pad", _u32),
                ("lease", ctypes.c_void_p), ("event", Event), ("_reserved", _u64 * 4)]


_p, _int, _ref = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER
# Functions of the library by what they return and take.
_PROTOTYPES = {name: types for types, names in (
    ((_int, _ref(_p)), "open"),
    ((_int, _p, _u32, _ref(GpuStat)), "gpu_stat"),
    ((_int, _p, ctypes.c_char_p, _ref(_AgentOpts), _ref(_p)), "agent_create agent_create_sub"),
    ((_int, _p), "agent_fd lease_release lease_park queue_fd queue_submit"),
    ((None, _p), "agent_close queue_destroy"),
    ((_int, _p, _int), "agent_set_priority"),
    ((_int, _p, _int, _u32), "agent_join agent_leave"),
    ((_int, _p, ctypes.c_char_p, _u32), "agent_set"),
    ((_int, _p, _u32, _ref(AgentRecord)), "agent_stat"),
    ((ctypes.c_ssize_t, _p, _ref(TaskRecord), ctypes.c_size_t, _ref(_u64)), "agent_tasks"),
    ((_int, _p, _int, _ref(TaskRecord)), "task_stat"),
    ((_int, _p, _int, _int), "task_set_role"),
    ((_int, _p, _ref(_LeaseOpts), _ref(_p)), "lease_acquire"),
    ((_int, _p, _u32, _u64, _u64), "lease_unpark"),
    ((_u64, _p), "lease_id lease_expires_ns"),
    ((_u32, _p), "lease_gpu"),
    ((_int, _p, _u64), "cancel queue_cancel"),
    ((_int, _p, _u32), "event_mask"),
    ((_int, _p, _u32, _u64, _u64, _ref(Event)), "event_next"),
    ((_int, _p, _ref(_QueueOpts), _ref(_p)), "queue_create"),
    ((_int, _p, _p, _ref(_LeaseOpts), _u64), "queue_acquire"),
    ((_int, _p, _p, _u32, _u64, _u64), "queue_unpark queue_event"),
    ((ctypes.c_ssize_t, _p, _ref(_Completion), ctypes.c_size_t), "queue_reap"),
) for name in names.split()}


class _Library:
    """libstarling and the device, or neither."""

    def __init__(self):
        self.device, self.c = _p(), None
        try:
            self.c = ctypes.CDLL(os.environ.get("STARLING_LIB", "libstarling.so.0"))
            for name, (result, *args) in _PROTOTYPES.items():
                function = getattr(self.c, "starling_" + name)
                function.restype, function.argtypes = result, args
        except (OSError, AttributeError) as e:
            self.c, self.why = None, str(e)
            return
        err = self.c.starling_open(ctypes.byref(self.device))
        self.why = os.strerror(-err) if err else ""


_lock = threading.Lock()
_library = None
# What each context is inside of, the innermost first.
_current = contextvars.ContextVar("starling_agent", default=())
_leased = contextvars.ContextVar("starling_lease", default=())


def _lib():
    global _library
    with _lock:
        if _library is None:
            _library = _Library()
    return _library


def available():
    """True when the module and the library are there."""
    return bool(_lib().device)


def _check(ret):
    if ret < 0:
        raise OSError(-ret, os.strerror(-ret))
    return ret


def _ns(seconds):
    return max(1, int(seconds * 1e9)) if seconds is not None else 0


def _wait(fn, timeout):
    """fn(timeout in ns) again and again while signals end it; handlers run in between."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        ret = fn(_ns(None if end is None else max(0.0, end - time.monotonic())))
        if ret != -errno.EINTR:
            return _check(ret)


def _take_off(stack, what):
    """Those of one context may end in any order, and in another one."""
    inside = list(stack.get())
    if what in inside:
        inside.remove(what)
        stack.set(tuple(inside))


class _Queue:
    """What the coroutines of one event loop wait for: a queue of the library."""

    ENTRIES, BATCH = 1024, 64

    def __init__(self):
        self._handle, self._done = _p(), (_Completion * self.BATCH)()
        self._numbers = itertools.count(1)
        self._asked = {}                    # futures of completions
        self._full = collections.deque()    # futures of those for which there is no room yet
        self._collecting = False
        opts = _QueueOpts(ctypes.sizeof(_QueueOpts), self.ENTRIES, 0)
        _check(self._create(ctypes.byref(opts)))
        asyncio.get_running_loop().add_reader(
            _lib().c.starling_queue_fd(self._handle), self._reap)

    def _create(self, opts):
        return _lib().c.starling_queue_create(_lib().device, opts, ctypes.byref(self._handle))

    def close(self):
        """End what waits. The loop is closed: there is nobody to be told."""
        handle, self._handle = self._handle, _p()
        if handle:
            _lib().c.starling_queue_destroy(handle)

    __del__ = close

    def _submit(self):
        self._collecting = False
        if self._handle:
            _check(_lib().c.starling_queue_submit(self._handle))

    def _reap(self):
        n = _check(_lib().c.starling_queue_reap(self._handle, self._done, self.BATCH))
        for c in self._done[:n]:
            self._asked.pop(c.user_data).set_result(_Completion.from_buffer_copy(c))
        while n and self._full:
            self._full.popleft().set_result(None)

    async def _start(self, function, args, number):
        """Ask, with what others ask for in this turn of the loop, when there is room."""
        loop = asyncio.get_running_loop()
        while True:
            ret = getattr(_lib().c, function)(self._handle, *args, number)
            if ret != -errno.EAGAIN or not self._asked:
                break
            room = loop.create_future()
            self._full.append(room)
            await asyncio.shield(room)
        _check(ret)
        if not self._collecting:
            self._collecting = True
            loop.call_soon(self._submit)
        self._asked[number] = loop.create_future()
        return self._asked[number]

    async def ask(self, function, *args, late):
        """A request's completion. Cancelled, it ends in the kernel; late(completion) undoes
        what was there before that."""
        number = next(self._numbers)
        ended = await self._start(function, args, number)
        try:
            done = await asyncio.shield(ended)
        except asyncio.CancelledError:
            _lib().c.starling_queue_cancel(self._handle, number)
            while not ended.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([ended])
            if ended.result().result == 0:
                late(ended.result())
            raise
        _check(done.result)
        return done


_queues = weakref.WeakKeyDictionary()   # by event loop
_queues_lock = threading.Lock()


def _queue():
    """The running loop's. Those of loops that are closed go."""
    loop = asyncio.get_running_loop()
    with _queues_lock:
        if loop not in _queues:
            for old in [o for o in _queues if o.is_closed()]:
                _queues.pop(old).close()
            _queues[loop] = _Queue()
        return _queues[loop]


class Agent:
    """An agent; also a context manager, see the module's text.

    It lives in the kernel as long as this object is open, a descriptor of it is
    held elsewhere, or a task is a member of it. Several may be inside its `with`
    at once; the last one out closes it, and then it cannot be entered again. Its
    weight is one among those with the same @parent. What waits for its answer says
    its priority, one of PRIORITIES: "interactive" where a person does. It is that
    of its leases, too, unless they are asked for with another.
    """

    def __init__(self, name, weight=None, join="thread", parent=None, priority="default"):
        number = _number(PRIORITIES, priority, "priority")
        if join not in ("thread", "process", None):
            raise ValueError("join is 'thread', 'process' or None")
        self.name = name
        self._join, self._join_async = join, "process" if join == "process" else None
        self._inside = []                   # who is a member by `with`, as often as it is
        self._closed = False
        self._kept = collections.deque()    # events that came when nobody waited any more
        self._handle = _p()
        if available():
            opts = _AgentOpts(ctypes.sizeof(_AgentOpts), weight or 0, number)
            c, of = _lib().c, parent._handle if parent else _lib().device
            create = c.starling_agent_create_sub if parent else c.starling_agent_create
            _check(create(of, name.encode(), ctypes.byref(opts), ctypes.byref(self._handle)))

    def _call(self, function, *args):
        """What the library says; 0 without a module, where nothing is to be done."""
        return getattr(_lib().c, function)(self._handle, *args) if self._handle else 0

    def fileno(self):
        """The descriptor, for select() and for passing on; -1 without a module."""
        return _check(self._call("starling_agent_fd")) if self._handle else -1

    def close(self):
        """Close it; members stay members. May be called twice."""
        self._closed = True
        handle, self._handle = self._handle, _p()
        if handle:
            _lib().c.starling_agent_close(handle)

    def __del__(self):
        if getattr(self, "_handle", None):
            self.close()

    def join(self, task=0, thread=False):
        """Make a process, or a thread, a member: 0 is the caller."""
        _check(self._call("starling_agent_join", task, TASK_THREAD if thread else 0))

    def leave(self, task=0, thread=False):
        """Make a member none."""
        _check(self._call("starling_agent_leave", task, TASK_THREAD if thread else 0))

    def set(self, name=None, weight=None, priority=None):
        """Change name, weight (1 to 10000) or priority; leases keep theirs."""
        if priority is not None:
            number = _number(PRIORITIES, priority, "priority")
            _check(self._call("starling_agent_set_priority", number))
        _check(self._call("starling_agent_set", name.encode() if name else None, weight or 0))

    def set_role(self, role, task=0):
        """Say what a member is for, one of ROLES: 0 is the caller's thread."""
        _check(self._call("starling_task_set_role", task, _number(ROLES, role, "role")))

    def stat(self, live=True, tree=False):
        """The agent's record: with its living members, and its sub-agents'."""
        rec = AgentRecord()
        flags = (STAT_LIVE if live else 0) | (STAT_TREE if tree else 0)
        _check(self._call("starling_agent_stat", flags, ctypes.byref(rec)))
        return rec

    def task(self, tid=0):
        """One member's record: 0 is the caller's thread."""
        rec = TaskRecord()
        _check(self._call("starling_task_stat", tid, ctypes.byref(rec)))
        return rec

    def tasks(self):
        """The records of all members."""
        found, cursor, room = [], (_u64 * 2)(), 64
        while True:
            some = (TaskRecord * room)()
            n = _check(self._call("starling_agent_tasks", some, room, cursor))
            found += some[:n]
            if n < room:
                return found

    def cancel(self, cookie):
        """End what waits with that cookie. False: nothing does."""
        ret = self._call("starling_cancel", cookie)
        return False if ret == -errno.ENOENT else not _check(ret)

    # -- events ------------------------------------------------------------

    def watch(self, *types):
        """Keep events of these types (of EVENTS; without any: all) from now on."""
        known = EVENTS[1:]
        mask = sum(2 << _number(known, t, "an event") for t in types or known)
        _check(self._call("starling_event_mask", mask))

    def next_event(self, timeout=None):
        """The oldest event. TimeoutError: none came in time; None: no module."""
        if not self._handle:
            return None
        if self._kept:
            return self._kept.popleft()
        event = Event()
        _wait(lambda ns: self._call("starling_event_next", 0, ns, 0, ctypes.byref(event)),
              timeout)
        return event

    def poll_event(self):
        """The oldest event that is there, or None."""
        if self._kept:
            return self._kept.popleft()
        event = Event()
        ret = self._call("starling_event_next", NOWAIT, 0, 0, ctypes.byref(event))
        return event if self._handle and ret != -errno.EAGAIN and not _check(ret) else None

    async def next_event_async(self, timeout=None):
        """As next_event(), without holding up the event loop."""
        if not self._handle:
            return None
        if self._kept:
            return self._kept.popleft()
        done = await _queue().ask("starling_queue_event", self._handle, 0, _ns(timeout),
                                  late=lambda c: self._kept.append(c.event))
        return done.event

    async def events(self):
        """Events for `async for`, for ever; none without a module."""
        while self._handle:
            yield await self.next_event_async()

    # -- with ----------------------------------------------------------------

    def _enter(self, join):
        if self._closed:
            raise RuntimeError(f"agent {self.name!r} is closed: make another one to enter")
        if join:
            self.join(thread=join == "thread")
        self._inside.append(threading.get_ident() if join == "thread" else join)
        _current.set((self, *_current.get()))
        return self

    def _exit(self, join):
        member = threading.get_ident() if join == "thread" else join
        _take_off(_current, self)
        self._inside.remove(member)
        if join and self._handle and member not in self._inside:
            with contextlib.suppress(ProcessLookupError):   # it was moved meanwhile
                self.leave(thread=join == "thread")
        if not self._inside:
            self.close()

    def __enter__(self):
        return self._enter(self._join)

    def __exit__(self, *exc):
        self._exit(self._join)

    async def __aenter__(self):
        return self._enter(self._join_async)

    async def __aexit__(self, *exc):
        self._exit(self._join_async)


class Lease:
    """The right to use a GPU, for `with` or `async with`; made by GPU.lease().

    It is for one `with` at a time, and after that for another one. In a child that
    fork() made it is the parent's still: what ends there does not give it back.
    """

    def __init__(self, of, opts, timeout):
        self._agent, self._opts, self._timeout = of, opts, timeout
        self._handle = _p()
        self._owner = 0                     # the process that asked for it
        self._used = threading.Lock()       # from acquire() to release()
        self._tools, self._parked = [], False   # tools that run
        self._turn = threading.Lock()

    @property
    def held(self):
        """True once it was granted; it may be parked, or over, since."""
        return bool(self._handle)

    @property
    def id(self):
        """Its number in events and lists; 0: not held."""
        return _lib().c.starling_lease_id(self._handle) if self._handle else 0

    @property
    def gpu(self):
        """The GPU it is for; None: not held."""
        return _lib().c.starling_lease_gpu(self._handle) if self._handle else None

    @property
    def expires_ns(self):
        """Nobody takes it away until then; 0: not held."""
        return _lib().c.starling_lease_expires_ns(self._handle) if self._handle else 0

    def _acquire(self, ns):
        self._opts.timeout_ns = ns
        return _lib().c.starling_lease_acquire(
            self._agent._handle, ctypes.byref(self._opts), ctypes.byref(self._handle))

    @contextlib.contextmanager
    def _using(self):
        if not self._used.acquire(blocking=False):
            raise RuntimeError("this lease is in use: take another one by lease() of the GPU")
        try:
            if self._agent and self._agent._closed:
                raise RuntimeError(f"agent {self._agent.name!r} is closed: make another one")
            self._owner = os.getpid()
            yield
        except BaseException:
            self._used.release()
            raise

    def _ask(self, timeout):
        if self._agent and self._agent._handle:
            _wait(self._acquire, timeout)

    async def _ask_async(self, timeout):
        if self._agent and self._agent._handle:
            self._opts.timeout_ns = _ns(timeout)
            done = await _queue().ask(
                "starling_queue_acquire", self._agent._handle, ctypes.byref(self._opts),
                late=lambda c: _lib().c.starling_lease_release(c.lease))
            self._handle = _p(done.lease)

    def acquire(self):
        """Wait for the GPU. TimeoutError; BlockingIOError with wait=False."""
        with self._using():
            self._ask(self._timeout)
        return self

    async def acquire_async(self):
        """The same without holding up the event loop."""
        with self._using():
            await self._ask_async(self._timeout)
        return self

    def _give_back(self):
        handle, self._handle = self._handle, _p()
        if not handle:
            return True
        ret = _lib().c.starling_lease_release(handle)
        return False if ret in (-errno.ENOENT, -errno.ECHILD) else not _check(ret)

    def release(self):
        """Give it back. False: its time was over and others have it, or a parent process."""
        self._parked = False
        try:
            return self._give_back()
        finally:
            with contextlib.suppress(RuntimeError):     # it was not in use
                self._used.release()

    def __del__(self):
        if getattr(self, "_handle", None):
            self._give_back()

    def park(self):
        """Let others have the GPU, and keep the lease."""
        if self._handle:
            _check(_lib().c.starling_lease_park(self._handle))
            self._parked = True

    def _unpark(self, ns):
        return _lib().c.starling_lease_unpark(self._handle, 0, ns, 0)

    def unpark(self, timeout=None):
        """Wait for the GPU again."""
        if self._handle:
            _wait(self._unpark, timeout)
        elif self._parked:      # its time was over when it was to be parked
            self._ask(timeout)
        self._parked = False

    async def unpark_async(self, timeout=None):
        """The same without holding up the event loop."""
        if self._handle:
            await _queue().ask("starling_queue_unpark", self._handle, 0, _ns(timeout),
                               late=lambda _: self.park())
        elif self._parked:
            await self._ask_async(timeout)
        self._parked = False

    # Tools may run side by side: the first parks, the last one unparks. Who has the
    # turn is doing that.

    def _mine(self):
        return self._owner in (0, os.getpid())

    async def _turn_async(self):
        """A thread, or another coroutine, may have the turn while it waits for the GPU."""
        while not self._turn.acquire(blocking=False):
            await asyncio.sleep(0.002)

    def _tool_begins(self):
        try:
            try:
                if self._handle and not self._parked:
                    self.park()
            except FileNotFoundError:   # its time was over: ask for another one later
                self._give_back()
                self._parked = True
            self._tools.append(self)
        finally:
            self._turn.release()

    def _tool_ends(self, error):
        """True: the GPU is wanted again. What was cancelled would wait where it should end."""
        self._tools.pop()
        return self._mine() and (error is None or issubclass(error, Exception))

    def _left(self, error, *_):
        if self._tool_ends(error):
            with self._turn:
                if self._parked and not self._tools:
                    self.unpark()

    async def _left_async(self, error, *_):
        if self._tool_ends(error):
            await self._turn_async()
            try:
                if self._parked and not self._tools:
                    await self.unpark_async()
            finally:
                self._turn.release()

    @contextlib.contextmanager
    def parked(self):
        """Parked for a `with` block: while a tool runs.

        A block that is cancelled or interrupted does not wait for the GPU: the lease
        stays parked, until unpark(), the end of another tool, or release(). In the
        thread of an event loop whose coroutines are just waiting for the GPU again,
        and in a child of the process that has the lease, the block is run and no more.
        """
        with contextlib.ExitStack() as end:
            # To wait here for a coroutine of the same thread would be for ever.
            if self._mine() and self._turn.acquire(blocking=not asyncio._get_running_loop()):
                self._tool_begins()
                end.push(self._left)
            yield self

    @contextlib.asynccontextmanager
    async def parked_async(self):
        """The same for `async with`."""
        async with contextlib.AsyncExitStack() as end:
            if self._mine():
                await self._turn_async()
                self._tool_begins()
                end.push_async_exit(self._left_async)
            yield self

    def __enter__(self):
        self.acquire()
        _leased.set((self, *_leased.get()))
        return self

    def __exit__(self, *exc):
        _take_off(_leased, self)
        self.release()

    async def __aenter__(self):
        await self.acquire_async()
        _leased.set((self, *_leased.get()))
        return self

    async def __aexit__(self, *exc):
        self.__exit__(*exc)


class GPU:
    """A GPU by its number; None: any."""

    def __init__(self, number=0):
        self.number = GPU_ANY if number is None else number

    def lease(self, priority="default", *, agent=None, max_hold=None, deadline=None,
              timeout=None, memory=0, wait=True):
        """A lease of it for `agent`, or the one that is current; seconds, bytes.

        `deadline` is in seconds from now.
        """
        at = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + _ns(deadline) if deadline else 0
        number, flags = _number(PRIORITIES, priority, "priority"), 0 if wait else TRY
        opts = _LeaseOpts(ctypes.sizeof(_LeaseOpts), flags, self.number, number, 0,
                          _ns(max_hold), 0, at, memory, 0)
        of = agent or current_agent()
        if of is None and available():
            raise RuntimeError("no agent: use `with starling.agent(...)` or give agent=")
        return Lease(of, opts, timeout)

    def stat(self):
        """Queue, policy and statistics. OSError ENODEV: no such GPU, or no module."""
        if not available():
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        rec = GpuStat()
        _check(_lib().c.starling_gpu_stat(_lib().device, self.number, ctypes.byref(rec)))
        return rec


def agent(name, weight=None, join="thread", parent=None, priority="default"):
    """An agent for `with`: the thread (or "process", or None) is a member inside."""
    return Agent(name, weight, join, parent, priority)


def gpu(number=0):
    """The GPU of that number; None: any."""
    return GPU(number)


def current_agent():
    """The agent of the innermost `with` here, or None."""
    return next(iter(_current.get()), None)


def current_lease():
    """The lease of the innermost `with` here, or None."""
    return next(iter(_leased.get()), None)


def tool(fn):
    """Decorator: while the function runs, the current lease is parked.

    For plain and for async functions; without a lease it changes nothing.
    """
    @functools.wraps(fn)
    def run(*args, **kwargs):
        lease = current_lease()
        with lease.parked() if lease else contextlib.nullcontext():
            return fn(*args, **kwargs)

    @functools.wraps(fn)
    async def run_async(*args, **kwargs):
        lease = current_lease()
        if not lease:
            return await fn(*args, **kwargs)
        async with lease.parked_async():
            return await fn(*args, **kwargs)

    return run_async if inspect.iscoroutinefunction(fn) else run

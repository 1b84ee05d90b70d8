#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Programs at the mock of NVIDIA's driver, one a mode; started by guest.py. Each says
who it is in a line of JSON, and stays until it is killed."""

import ctypes
import fcntl
import json
import mmap
import os
import select
import sys
import threading
import time

CTL, GPU, UVM = "/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia-uvm"
WAIT_US = 16000
PR_SET_NAME = 15
CTX_BLOCK = 4
SPIN_PTX = (b".version 6.0\n.target sm_50\n.address_size 64\n"
            b".visible .entry spin_ns(.param .u64 ns, .param .u64 done_at)\n{\nret;\n}\n")


def say(**what):
    print(json.dumps(dict(what, tid=threading.get_native_id(), pid=os.getpid())), flush=True)


def name_thread(name):
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def poller(*files):
    p = select.poll()
    for fd in files:
        p.register(fd, select.POLLIN)
    return p


def arm(gpu, us=WAIT_US):
    os.write(gpu, str(us).encode())


def loop(gpu):
    """Waits as a program without a library would."""
    p, first = poller(gpu), time.monotonic_ns()
    say(first_ns=first)
    waits = waited = 0
    while True:
        arm(gpu)
        begin = time.monotonic_ns()
        p.poll()
        waited += time.monotonic_ns() - begin
        waits += 1
        if waits % 60 == 0:
            say(waits=waits, waited_ns=waited)


def feeder():
    gpu = os.open(GPU, os.O_RDWR)
    thread = threading.Thread(target=loop, args=(gpu,))
    thread.start()
    thread.join()


def handler():
    """As libcuda's own, for which there is always something to tell."""
    name_thread("cuda-EvtHandlr")
    loop(os.open(GPU, os.O_RDWR))


def hog():
    say()
    while True:
        gpu = os.open(GPU, os.O_RDWR)
        for _ in range(50):
            fcntl.ioctl(gpu, 0, 0)
        os.close(gpu)


def once():
    p = poller(os.open(GPU, os.O_RDWR))
    say()
    p.poll()


def clock():
    """Comes back by its time each time, and finds nothing."""
    p = poller(os.open(GPU, os.O_RDWR))
    say()
    while True:
        p.poll(50)


def counts():
    """So many of each, the second module's among them; and how the driver saw it."""
    ctl = [os.open(CTL, os.O_RDWR) for _ in range(3)]
    gpu, uvm = os.open(GPU, os.O_RDWR), os.open(UVM, os.O_RDWR)
    before = [int(n) for n in os.read(ctl[0], 200).split()]
    for _ in range(25):
        fcntl.ioctl(gpu, 0, 20000)
    for _ in range(5):
        fcntl.ioctl(uvm, 0, 0)
    pages = [mmap.mmap(gpu, mmap.PAGESIZE, prot=mmap.PROT_READ) for _ in range(4)]
    alone, several = poller(gpu), poller(*ctl, gpu)
    for _ in range(30):
        arm(gpu)
        alone.poll()
    for _ in range(10):
        arm(ctl[1])
        several.poll()
    # there before it is asked for
    for _ in range(5):
        arm(gpu, 0)
        time.sleep(0.02)
        alone.poll()
    alone.poll(0)
    after = [int(n) for n in os.pread(ctl[0], 200, 0).split()]
    say(opens=5, ioctls=30, maps=len(pages), polls=45,
        ioctl_ns=after[2] - before[2], passes=after[4] - before[4])
    time.sleep(3600)


def crowd(n):
    """Threads that have been at the driver, and live."""
    threading.stack_size(64 * 1024)
    ready, end = threading.Barrier(n + 1), threading.Event()

    def member():
        os.close(os.open(CTL, os.O_RDWR))
        ready.wait()
        end.wait()

    for _ in range(n):
        threading.Thread(target=member, daemon=True).start()
    ready.wait()
    say()
    time.sleep(3600)


def library():
    """Waits in libcuda, and in poll() beside that; as often in each."""
    cu = ctypes.CDLL("libcuda.so.1")
    ctx, module, spin, stream = (ctypes.c_void_p() for _ in range(4))
    ns, done = ctypes.c_uint64(WAIT_US * 1000), ctypes.c_uint64(0)
    params = (ctypes.c_void_p * 2)(ctypes.addressof(ns), ctypes.addressof(done))
    err = cu.cuInit(0) or cu.cuCtxCreate_v2(ctypes.byref(ctx), CTX_BLOCK, 0) or \
        cu.cuModuleLoadData(ctypes.byref(module), SPIN_PTX) or \
        cu.cuModuleGetFunction(ctypes.byref(spin), module, b"spin_ns") or \
        cu.cuStreamCreate(ctypes.byref(stream), 1)
    if err:
        sys.exit(f"no emulated GPU: {err}")
    gpu = os.open(GPU, os.O_RDWR)
    p = poller(gpu)
    for _ in range(40):
        cu.cuLaunchKernel(spin, 1, 1, 1, 1, 1, 1, 0, stream, params, None)
        cu.cuStreamSynchronize(stream)
        arm(gpu)
        p.poll()
    say(waits=40)
    time.sleep(3600)


MODES = {"feeder": feeder, "handler": handler, "hog": hog, "once": once, "clock": clock,
         "counts": counts, "library": library}

if sys.argv[1] == "crowd":
    crowd(int(sys.argv[2]))
else:
    MODES[sys.argv[1]]()

# SPDX-License-Identifier: GPL-2.0-only
"""alloc.py WORD... - a program that allocates memory of the GPU and says what it got.

KIND MIB    device, managed, async, pool, create or host; prints the error, 0: none
free        the last one, in the way that goes with it
times N     the last allocation so often, each freed; prints how many failed
available N tells the machine that so many MiB are available (see meminfo.c)
context     another context, which is current; destroy: it goes; nothing: of none, an error
primary     the device's own is current, too; release: it goes
capture     from here on: async and pool on a stream that is captured
cancelled   what follows, by a thread that is to end at the first point where it may
hold S      sleeps; at TIME: until then
launch      a kernel, for $GPUEMU_KERNEL_NS; nobody waits for it
"""
import ctypes
import os
import sys
import time

cu = ctypes.CDLL("libcuda.so.1")
ctx, p, pool, stream = (ctypes.c_uint64() for _ in range(4))
prop = (ctypes.c_int * 32)(1, 0, 1, 0)
got = []
MIB = 1 << 20


def size(n):
    return ctypes.c_size_t(int(float(n) * MIB))


def create(n):
    return cu.cuMemCreate(ctypes.byref(p), size(n), prop, ctypes.c_ulonglong(0))


KINDS = {
    "device": (lambda n: cu.cuMemAlloc_v2(ctypes.byref(p), size(n)), cu.cuMemFree_v2),
    "managed": (lambda n: cu.cuMemAllocManaged(ctypes.byref(p), size(n), 1), cu.cuMemFree_v2),
    "async": (lambda n: cu.cuMemAllocAsync(ctypes.byref(p), size(n), stream),
              lambda q: cu.cuMemFreeAsync(q, None)),
    "pool": (lambda n: cu.cuMemAllocFromPoolAsync(ctypes.byref(p), size(n), pool, stream),
             lambda q: cu.cuMemFreeAsync(q, None)),
    "create": (create, cu.cuMemRelease),
    "host": (lambda n: cu.cuMemHostAlloc(ctypes.byref(p), size(n), 0), cu.cuMemFreeHost),
}


def allocate(kind, n):
    p.value = 0
    err = KINDS[kind][0](n)
    assert not (err and p.value), "an address of what was not had"
    if not err:
        got.append((kind, p.value))
    return err


def free():
    kind, value = got.pop()
    assert KINDS[kind][1](ctypes.c_uint64(value)) == 0


def cancelled(kind, n):
    """Nothing in between gives others, and with that a cancellation, a chance."""
    libc, keep = ctypes.PyDLL(None), globals()["cu"]
    globals()["cu"] = ctypes.PyDLL("libcuda.so.1")
    libc.pthread_self.restype = ctypes.c_ulong
    old = ctypes.c_int()
    assert libc.pthread_cancel(ctypes.c_ulong(libc.pthread_self())) == 0
    err = allocate(kind, n)
    libc.pthread_setcancelstate(1, ctypes.byref(old))
    globals()["cu"] = keep
    return err


def launch():
    module, kernel = ctypes.c_void_p(), ctypes.c_void_p()
    assert cu.cuModuleLoadData(ctypes.byref(module), b".version 7.0 .entry k(") == 0
    assert cu.cuModuleGetFunction(ctypes.byref(kernel), module, b"k") == 0
    assert cu.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, None, None, None) == 0


def times(kind, n, count):
    failed = 0
    for _ in range(count):
        if allocate(kind, n):
            failed += 1
        else:
            free()
    return failed


def main():
    assert cu.cuInit(0) == 0 and cu.cuCtxCreate_v2(ctypes.byref(ctx), 0, 0) == 0
    assert cu.cuDeviceGetMemPool(ctypes.byref(pool), 0) == 0
    words = iter(sys.argv[1:])
    last = None
    for word in words:
        if word == "cancelled":
            print(cancelled(*(next(words), next(words))), end=" ", flush=True)
        elif word in KINDS:
            last = word, next(words)
            print(allocate(*last), end=" ", flush=True)
        elif word == "free":
            free()
        elif word == "times":
            print(times(*last, int(next(words))), end=" ", flush=True)
        elif word == "available":
            with open(os.environ["STARLING_FAKE_AVAILABLE"], "w") as f:
                f.write(next(words))
        elif word == "launch":
            launch()
        elif word == "context":
            assert cu.cuCtxCreate_v2(ctypes.byref(ctx), 0, 0) == 0
        elif word == "destroy":
            assert cu.cuCtxDestroy_v2(ctx) == 0
        elif word == "nothing":
            assert cu.cuCtxDestroy_v2(None) != 0
        elif word == "primary":
            assert cu.cuDevicePrimaryCtxRetain(ctypes.byref(ctx), 0) == 0
            assert cu.cuCtxPushCurrent_v2(ctx) == 0
        elif word == "release":
            assert cu.cuDevicePrimaryCtxRelease_v2(0) == 0
        elif word == "capture":
            assert cu.cuStreamCreate(ctypes.byref(stream), 1) == 0
            assert cu.cuStreamBeginCapture_v2(stream, 2) == 0
        elif word == "hold":
            time.sleep(float(next(words)))
        elif word == "at":
            time.sleep(max(0, float(next(words)) - time.time()))
        else:
            sys.exit(f"alloc.py: what is {word}?")


main()

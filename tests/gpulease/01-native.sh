#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# libstarling-gpu.so in programs that know nothing of leases, over a stand-in for the
# module: whichever way they come to the driver, they have a lease while the GPU
# works for them and none while it does not. With the module: tests/gpulease/guest.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"

LIB=$O/lib/libstarling-gpu.so
FAKE=$O/tests/fake/libstarling-gpu.so
APP=$O/tests/gpulease-app
STARLING_FAKE_LOG=$TMP/leases
export STARLING_FAKE_LOG
if [ ! -e "$FAKE" ] || [ ! -x "$APP" ]; then
	skip_all "no $FAKE, or no $APP: run make tests"
fi

plain() { LD_LIBRARY_PATH=$GPUEMU "$@"; }
# with SETTINGS CMD...: what "starling run" does, and the stand-in
with() {
	settings=$1
	shift
	: >"$STARLING_FAKE_LOG"
	env LD_LIBRARY_PATH="$GPUEMU" STARLING_GPU="${settings:+$settings,}name=app" \
		LD_PRELOAD="$FAKE${PRELOAD:+:$PRELOAD}" "$@" >"$TMP/out" 2>"$TMP/err"
}
# did WHAT: so often
did() { grep -c "^app $1\$" "$STARLING_FAKE_LOG"; }
finished() { grep -q '^done$' "$TMP/out" && [ ! -s "$TMP/err" ]; }
# turns N: one lease, given to others N times
turns() { finished && [ "$(did acquire)" = 1 ] && [ "$(did park)" = "$1" ]; }

plain "$APP" link >"$TMP/out" && finished
ok $? "the program runs without"
for way in link dlsym address thread; do
	with '' "$APP" "$way"
	turns 10 && [ "$(did unpark)" = 9 ]
	ok $? "by $way: a lease for each of ten rounds"
done
for wait in 1 2 3; do
	with '' "$APP" address wait=$wait
	turns 10
	ok $? "given to others after a wait of kind $wait"
done
with '' "$APP" address streams=7 launches=14
turns 10
ok $? "and when all of seven streams are done"
with '' "$APP" thread threads=6 tokens=30 sleep_us=100
finished && [ "$(did acquire)" = 1 ] && [ "$(did park)" -ge 1 ]
ok $? "threads with a stream each share a lease"
with '' "$APP" link graph=1
turns 10
ok $? "graphs"
for busy in 0 1; do
	with '' "$APP" link threads=4 tokens=50 capture=$busy
	finished && [ "$(did park)" -gt $((3 - 3 * busy)) ]
	ok $? "nothing is asked that would spoil a capture: $busy"
done
with '' "$APP" link wait=4
turns 1
ok $? "a program that never waits has it until its context ends"
with '' "$APP" link streams=100 launches=200
turns 1
ok $? "more streams than there is room for: until all has been waited for"
with '' "$APP" link streams=100 launches=200 wait=3
turns 10
ok $? "which a wait for the context does"
with '' "$APP" link destroy=1 ns=3000000
turns 1
ok $? "a stream that goes while it is busy is not taken to be idle"
with '' "$APP" thread apart=1
turns 10
ok $? "the work of one thread, waited for by another"
with '' "$APP" link again=1
[ "$(did acquire)" = 2 ] && [ "$(did park)" = 20 ] && finished
ok $? "a program that is executed by one that had a lease"
with linger-ns=50000000 "$APP" link sleep_us=200
turns 0
ok $? "kept between rounds that follow one another"
with linger-ns=1000000 "$APP" link sleep_us=20000
turns 10
ok $? "but not for longer than that"
with '' "$APP" link child=1
finished && grep -q '^child done$' "$TMP/out" && [ "$(did acquire)" = 2 ] && [ "$(did park)" = 20 ]
ok $? "a child of fork(), made before the driver was used, has its own"
with '' "$APP" link late=1
finished && grep -q '^late 3$' "$TMP/out"
ok $? "one that came too late for the driver gets the driver's error, and no lease"

with '' sh -c 'exit 3'
[ $? = 3 ] && [ ! -s "$STARLING_FAKE_LOG" ]
ok $? "a program without a GPU has nothing to do with it"
with '' python3 -c 'import ctypes
cu = ctypes.CDLL("libcuda.so.1")
assert cu.cuInit(0) == 0
try:
    cu.cuNoSuchFunction
except AttributeError:
    print("done")'
finished
ok $? "Python finds what there is, and not what is not"
with block=1 python3 -c 'import ctypes
cu = ctypes.CDLL("libcuda.so.1")
flags, active = ctypes.c_uint(), ctypes.c_int()
def have():
    assert cu.cuDevicePrimaryCtxGetState(0, ctypes.byref(flags), ctypes.byref(active)) == 0
    return flags.value
assert cu.cuInit(0) == 0 and have() == 4, have()
assert cu.cuDevicePrimaryCtxSetFlags_v2(0, 1) == 0 and cu.cuInit(0) == 0 and have() == 1, have()
print("done")'
finished
ok $? "waits sleep where they are to, unless the program wants otherwise"
# What "starling run" sets, as the driver reads it (what it sets: unit/unit-see).
cat >"$TMP/devices" <<'EOS'
import ctypes
cu = ctypes.CDLL("libcuda.so.1")
n, name = ctypes.c_int(), ctypes.create_string_buffer(32)
assert cu.cuInit(0) == 0 and cu.cuDeviceGetCount(ctypes.byref(n)) == 0
for i in range(n.value):
    assert cu.cuDeviceGetPCIBusId(name, 32, i) == 0
    print(name.value.decode()[5:7], end=" ")
EOS
# sees DEVICES CUDA_VISIBLE_DEVICES: of three
sees() {
	GPUEMU_DEVICES=3 CUDA_VISIBLE_DEVICES=$2 with '' python3 "$TMP/devices" &&
		[ "$(cat "$TMP/out")" = "$1" ]
}
GPUEMU_DEVICES=3 with '' python3 "$TMP/devices" && [ "$(cat "$TMP/out")" = "01 02 03 " ] &&
	sees '03 ' 2 && sees '02 ' GPU-73746172-6c69-6e67-2d67-7075656d7501 && sees '02 01 ' 1,0,-1,2
ok $? "of three devices those are seen that are named"

# Priorities of streams that are asked for with none, 0, -1, -5 and 7.
cat >"$TMP/streams" <<'EOS'
import ctypes
cu = ctypes.CDLL("libcuda.so.1")
ctx, n = ctypes.c_void_p(), ctypes.c_int()
assert cu.cuInit(0) == 0 and cu.cuCtxCreate_v2(ctypes.byref(ctx), 0, 0) == 0
def priority(*asked):
    s = ctypes.c_void_p()
    make = cu.cuStreamCreateWithPriority if asked else cu.cuStreamCreate
    assert make(ctypes.byref(s), 0, *asked) == 0
    assert cu.cuStreamGetPriority(s, ctypes.byref(n)) == 0
    return str(n.value)
print("_".join([priority(), *map(priority, (0, -1, -5, 7))]))
EOS
# class=1: interactive; priority=: of the agent, which a class of its leases replaces
for of in :0_0_-1_-5_0 class=1:-4_-4_-5_-5_0 class=3:0_0_-1_-5_0 priority=1:-4_-4_-5_-5_0 \
	class=3,priority=1:0_0_-1_-5_0; do
	settings=${of%:*}
	with "$settings" python3 "$TMP/streams" && [ "$(cat "$TMP/out")" = "${of##*:}" ]
	ok $? "streams of ${settings:-a normal agent}: ${of##*:}"
done
PRELOAD=$O/tests/fake/libnext.so with '' "$APP" link
grep -q '^next: done$' "$TMP/out"
ok $? "the library after the caller's is that, and not the one after ours"
env LD_LIBRARY_PATH="$GPUEMU" LD_PRELOAD="$LIB" "$APP" link >"$TMP/out" 2>"$TMP/err"
finished
ok $? "without settings it does nothing"
env LD_LIBRARY_PATH="$GPUEMU" STARLING_GPU=name=app LD_PRELOAD="$LIB" "$APP" link \
	>"$TMP/out" 2>"$TMP/err"
finished
ok $? "nor without the module"

for bad in '' queue lease,speed=3 lease,priority=first lease,turn=0ms lease,turn=5 lease,turn \
	lease,memory=4X lease,memory=99999999999T lease,gpu=16 lease,linger=2s lease,wait=never lease,see=none \
	lease,reserve=5% lease,patience=1h; do
	run 125 "$STARLING" run --gpu="$bad" -- true && err_has '^starling run: --gpu'
	ok $? "--gpu=$bad is one clear line"
done
if [ -e /dev/starling ]; then
	skip "no module: a word" "there is one"
else
	run 0 "$STARLING" run --gpu=lease,memory=4G -- true && err_has 'runs without leases'
	ok $? "no module: a word, and the command runs"
fi
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What libstarling-gpu.so lets a program have of memory that CPU and GPU share, over an
# emulated GPU and a machine of 16 GiB of which a file says how much is available: the
# reserve is 2 GiB where nothing else is said.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"

FAKE=$O/tests/fake/libstarling-gpu.so
[ -e "$FAKE" ] || skip_all "no $FAKE: run make tests"

GPUEMU_DEVICE=$TMP/gpu
STARLING_FAKE_AVAILABLE=$TMP/available
export GPUEMU_DEVICE STARLING_FAKE_AVAILABLE

# alloc SETTINGS WORD...: what alloc.py prints, under what "starling run" does
alloc() {
	settings=$1
	shift
	env LD_LIBRARY_PATH="$GPUEMU" LD_PRELOAD="$FAKE" \
		STARLING_GPU="patience-ns=100000000,${settings:+$settings,}name=app" \
		python3 tests/gpulease/alloc.py "$@" >"$TMP/out" 2>"$TMP/err"
}
said() { [ "$(cat "$TMP/out")" = "$1 " ]; }
quiet() { [ ! -s "$TMP/err" ]; }
# one_line WHAT
one_line() { [ "$(wc -l <"$TMP/err")" = 1 ] && grep -q "^starling: app\[[0-9]*\] $1" "$TMP/err"; }

echo 4096 >"$TMP/available"
for kind in device async pool create host; do
	alloc '' $kind 2000 && said 0 && quiet
	ok $? "$kind: what leaves the reserve is had"
	alloc '' $kind 2100 && said 2 &&
		one_line 'asks for 2100.0 MiB: 4096.0 MiB are available, 2048.0 MiB of which'
	ok $? "$kind: what does not is out of memory, with a line that says why"
done
alloc '' managed 3000 && said 0 && quiet
ok $? "managed memory is not taken before it is touched"
alloc reserve=2147483648 managed 2000 && said 0 && quiet &&
	alloc reserve=2147483648 managed 2100 && said 2 && one_line 'asks for 2100.0 MiB'
ok $? "and refused where a reserve was asked for"
alloc '' device 2000 device 100 free device 2000 && said '0 2 0'
ok $? "what was freed can be had again"
alloc '' device 2100 times 20 && said '2 20' && one_line 'asks for'
ok $? "one line, not one for each"
alloc '' device 1 times 100 && said '0 0' && quiet
ok $? "small ones are had while there is room"
alloc '' available 2000 device 1 times 100 && ! said '0 0' && one_line 'asks for 1'
ok $? "and not for ever when there is none"
echo 4096 >"$TMP/available"
alloc reserve=3221225472 device 1000 device 100 && said '0 2'
ok $? "the reserve that was asked for"
alloc reserve=0 device 4000 && said 0 && quiet
ok $? "no reserve, and nothing is refused"
alloc '' async 2000 free async 2000 pool 1 && said '0 0 0' &&
	alloc '' async 2000 free available 2048 async 2000 available 2048 device 10 && said '0 0 2'
ok $? "what a pool keeps is the program's"
alloc '' async 1 free available 2048 async 1 times 100 && said '0 0 0' && quiet
ok $? "in small pieces, too"
echo 4096 >"$TMP/available"

alloc '' cancelled host 1000 && said 0 && alloc '' cancelled host 3000 && said 2
ok $? "a thread that is to end is not ended while it looks for memory"

# Another one ends while it waits: before, there is not enough for both.
alloc patience-ns=60000000000 device 1900 hold 2 & OTHER=$!
wait_for 20 sh -c '[ -s "$0/out" ]' "$TMP"
env LD_LIBRARY_PATH="$GPUEMU" LD_PRELOAD="$FAKE" STARLING_GPU=patience-ns=60000000000,name=app \
	python3 tests/gpulease/alloc.py device 1900 >"$TMP/waited" 2>"$TMP/err"
wait $OTHER && [ "$(cat "$TMP/waited")" = "0 " ] && quiet
ok $? "who waits has it when somebody else has ended"

# What it launched before is done while it waits: then others may have the GPU.
GPUEMU_KERNEL_NS=200000000
STARLING_FAKE_LOG=$TMP/leases
export GPUEMU_KERNEL_NS STARLING_FAKE_LOG
for linger in 0 150000000; do
	: >"$STARLING_FAKE_LOG"
	alloc patience-ns=2000000000,linger-ns=$linger launch device 2100 && said 2 &&
		grep -q '^app acquire$' "$STARLING_FAKE_LOG" &&
		grep -q '^app park$' "$STARLING_FAKE_LOG"
	ok $? "who waits with work under way gives the GPU away when that is done, linger $linger"
done
unset GPUEMU_KERNEL_NS STARLING_FAKE_LOG

# Both look before either has it, and one of them may.
STARLING_FAKE_LOOK_MS=10
export STARLING_FAKE_LOOK_MS
at=$(($(date +%s) + 3))
for i in 1 2; do
	env LD_LIBRARY_PATH="$GPUEMU" LD_PRELOAD="$FAKE" STARLING_GPU=patience-ns=100000000,name=app \
		python3 tests/gpulease/alloc.py at $at device 1900 hold 5 \
		>"$TMP/out$i" 2>"$TMP/err$i" &
	eval "P$i=$!"
done
# shellcheck disable=SC2154
wait "$P1" "$P2"
unset STARLING_FAKE_LOOK_MS
cat "$TMP/out1" "$TMP/out2" >"$TMP/out"
cat "$TMP/err1" "$TMP/err2" >"$TMP/err"
case $(cat "$TMP/out") in
"0 2 " | "2 0 ") one_line 'asks for 1900.0 MiB' ;;
*) false ;;
esac
ok $? "of two that ask at once one has it"

GPUEMU_INTEGRATED=0
export GPUEMU_INTEGRATED
alloc '' device 4000 host 4000 && said '0 0' && quiet
ok $? "a GPU with memory of its own is not asked about"
alloc reserve=2147483648 device 4000 && said 0 &&
	alloc reserve=2147483648 host 2100 && said 2
ok $? "unless somebody wants so, and then for the host's memory"
unset GPUEMU_INTEGRATED

echo 16000 >"$TMP/available"
for kind in device managed async pool create; do
	alloc memory=1073741824 $kind 600 $kind 600 free $kind 1000 free device 1024 &&
		said '0 2 0 0' && one_line 'asks for 600.0 MiB and has 600.0 MiB of 1024.0 MiB'
	ok $? "$kind: no more than its lease was asked for"
done
alloc memory=1073741824 device 600 nothing device 600 context destroy device 600 && said '0 2 2'
ok $? "and it stays when another context goes"
alloc memory=1073741824 context device 600 device 600 destroy device 600 && said '0 2 0' &&
	alloc memory=1073741824 primary device 600 device 600 release device 600 && said '0 2 0'
ok $? "and goes with its own"
alloc memory=1073741824 primary primary device 600 release device 600 release device 600 &&
	said '0 2 0'
ok $? "when that is gone for all who have it"
alloc memory=1073741824 async 600 capture async 600 pool 600 && said '0 0 0' && quiet
ok $? "what is captured is not had yet"
alloc memory=1073741824 host 2000 && said 0 && quiet
ok $? "the host's memory is not in that"
alloc memory=104857600 device 1 times 3000 device 100 && said '0 0 2'
ok $? "nor what was freed, however often"
rm "$TMP/available"
alloc '' device 15000 && said 0 && quiet
ok $? "where nothing is known nothing is refused"
done_testing

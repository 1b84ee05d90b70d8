#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The parts that the bench uses, feed and hog, and what they say to bad input.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

run 0 "$AGENTLOAD" --help && grep -q '^  run ' "$TMP/out"
ok $? "--help lists the commands"
run 0 "$AGENTLOAD" --version && grep -q '^agentload ' "$TMP/out"
ok $? "--version"
run 2 "$AGENTLOAD" && err_is_one_line && err_has 'no command given'
ok $? "no command: one line, exit 2"
run 2 "$AGENTLOAD" frobnicate && err_is_one_line && err_has "unknown command 'frobnicate'"
ok $? "unknown command: one line, exit 2"

for bad in '--wait nap' '--t-ms 0' '--t-ms x' '--seconds -1' '--phase-ms 5' '--eager 0' stray; do
	# shellcheck disable=SC2086
	run 2 "$AGENTLOAD" feed $bad && err_is_one_line
	ok $? "feed $bad: one line, exit 2"
done
for bad in '--procs 0' '--procs 9999' '--units -4' '' stray '--kind x' '--units-last 4 --seconds 1'; do
	# shellcheck disable=SC2086
	run 2 "$AGENTLOAD" hog $bad && err_is_one_line
	ok $? "hog $bad: one line, exit 2"
done

mkdir "$TMP/empty"
run 1 env LD_LIBRARY_PATH="$TMP/empty" "$AGENTLOAD" feed --seconds 0.1 || {
	[ "$got" -eq 0 ] && echo "# a real libcuda.so.1 is installed"
}
{ [ "$got" -eq 0 ] || { err_is_one_line && err_has 'LD_LIBRARY_PATH=build/gpuemu'; }; }
ok $? "no libcuda: one line that says what to do"
run 1 env GPUEMU_DEVICE="$TMP/no/such/dir" "$AGENTLOAD" feed --seconds 0.1 &&
	err_has 'GPUEMU_DEVICE'
ok $? "no place for the emulated GPU: says which variable to set"

for wait in block spin yield event; do
	run 0 "$AGENTLOAD" feed --wait $wait --t-ms 2 --seconds 0.5 --json &&
		check "j['tokens'] > 20 and j['wait'] == '$wait' and rising(j['lateness_us']) and
		       j['emulated'] and j['note'] == 'EMULATED GPU' and
		       sum(n for _, n in j['lateness_us']['hist']) == j['tokens'] and
		       0 < j['cpu']['got_share'] <= 1 and j['starved_s'] >= 0"
	ok $? "feed --wait $wait counts tokens and lateness"
done
run 0 "$AGENTLOAD" feed --t-ms 2 --seconds 1 --phase-ms 100,150 --json && check '0.3 < j["on_s"] < 0.6'
ok $? "feed --phase-ms rests in the off phases"
run 0 "$AGENTLOAD" feed --t-ms 2 --seconds 0.3 --eager 50 --json && check 'j["launches"] >= 50 * j["tokens"]'
ok $? "feed --eager launches kernel by kernel"
run 0 "$AGENTLOAD" feed --seconds 0.2 && grep -q 'EMULATED GPU' "$TMP/out"
ok $? "the text says that the GPU is emulated"
run 0 timeout --preserve-status -s TERM 1 "$AGENTLOAD" feed --seconds 60 --json &&
	check 'j["seconds"] < 5'
ok $? "feed stops on SIGTERM and still reports"

run 0 "$AGENTLOAD" hog --procs 2 --seconds 0.5 --json &&
	check 'j["units"] > 50 and j["units"] == sum(j["per_proc"]) and len(j["per_proc"]) == 2'
ok $? "hog --seconds counts units"
run 0 "$AGENTLOAD" hog --procs 3 --units 500 --json && check 'j["units"] == 500'
ok $? "hog --units does exactly those"
for kind in cpu fork memory io barrier; do
	run 0 "$AGENTLOAD" hog --procs 2 --units 6 --kind $kind --json &&
		check "j['units'] == 6 and j['work'] == '$kind' and not j['per_proc'][2:]"
	ok $? "hog --kind $kind does units of its own"
done
run 0 "$AGENTLOAD" hog --procs 4 --units 3 --units-last 40 --json &&
	check 'j["per_proc"] == [3, 3, 3, 40]'
ok $? "hog --units-last: the last process has more to do"
run 1 env TMPDIR=/proc "$AGENTLOAD" hog --procs 1 --units 3 --kind io && err_has "kind io"
ok $? "a hog that cannot work says why"
run 0 "$AGENTLOAD" hog --procs 2 --seconds 0.5 --life-ms 50 --json && check 'j["spawned"] > 4'
ok $? "hog --life-ms replaces its processes"

"$AGENTLOAD" hog --procs 2 --seconds 30 --comm feeder --count-file "$TMP/count" >/dev/null &
hog=$!
pids="$pids $hog"
wait_for 5 test -s "$TMP/count"
sleep 0.5
# the worker's name and its count, as others read them
child=$(tr ' ' '\n' <"/proc/$hog/task/$hog/children" | head -n 1)
[ "$(cat "/proc/$child/comm")" = feeder ]
ok $? "hog --comm renames the workers"
[ "$(od -A n -t u8 -j 64 -N 8 "$TMP/count")" -gt 0 ]
ok $? "the count file can be read meanwhile"
kill "$hog"
wait "$hog"
ok $? "hog stops on SIGTERM with exit 0"
[ -z "$(ours)" ]
ok $? "and leaves no process"

done_testing

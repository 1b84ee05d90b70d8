#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The main job, natively and without the module: find the feeder, place tools,
# explain, switch off and on, survive kill -9, tell a feeder from a namesake.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need_root
[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"
! pgrep -x starlingd >/dev/null || skip_all "another starlingd is at work: it would place our tasks"
[ -e "$GPUEMU/libcuda.so.1" ] || skip_all "no emulated GPU in $GPUEMU"

# shellcheck disable=SC2016
hogs() {
	"$STARLING" run -q "$@" -- sh -c \
		'"$0" hog --procs 4 --seconds 180 >/dev/null & trap "kill $!" TERM; wait' \
		"$AGENTLOAD" >/dev/null 2>&1 &
	child $!
	HOGS=$!
}

feed() {
	LD_LIBRARY_PATH=$GPUEMU "$AGENTLOAD" feed --t-ms 5 "$@" >"$TMP/feed" 2>&1 &
	child $!
	FEED=$!
}

descendants() {
	tr ' ' '\n' 2>/dev/null <"/proc/$1/task/$1/children" | while read -r child; do
		echo "$child"
		descendants "$child"
	done
}
hog_pids() {
	descendants "$HOGS" | while read -r p; do
		grep -q agentload "/proc/$p/comm" 2>/dev/null && echo "$p"
	done
}
all_attributes() {
	for p in $(hog_pids) $(ls "/proc/$FEED/task"); do
		attributes "$p"
	done 2>/dev/null | sort -u
}
# in the idle class, or kept off a CPU: which of them is the policy's choice
tools_aside() {
	[ -n "$(hog_pids)" ] || return 1
	for p in $(hog_pids); do
		[ "$(attributes "$p")" != "$(attributes $$)" ] || return 1
	done
}
# all were started from here: so they look when nobody touches them
nothing_changed() { [ "$(all_attributes)" = "$(attributes $$)" ]; }
# others may use a GPU here as well: ask only for what is ours
explains() { "$STARLING" explain "$1" 2>/dev/null | grep -q "$2"; }
is_feeder() { explains "$1" 'role    feeder'; }
feeder_found() { is_feeder "$FEED"; }

daemon_start -v || { ok 1 "start"; done_testing; }
hogs -n builders
wait_for 10 sh -c "[ -n \"\$(cat /proc/$HOGS/task/$HOGS/children)\" ]"
sleep 1
agent_row() { "$STARLING" status | grep " $1  *run "; }
[ "$(agent_row builders | wc -l)" -eq 1 ]
ok $? "run registers an agent"
wait_for 20 sh -c "[ \"\$(\"$STARLING\" status | awk '/ builders /{ print \$5 }')\" -ge 5 ]"
ok $? "its descendants belong to it"
"$STARLING" status | grep -q '^  *TID ' || ! tools_aside
ok $? "without a feeder nothing is changed"

feed --wait spin --seconds 180
wait_for 10 feeder_found
ok $? "the feeder is found"
wait_for 15 tools_aside
ok $? "tools are put aside"
detect=$(status_value "s['daemon']['detect_max_us']")
[ "${detect:-999999}" -lt 100000 ]
ok $? "from its first wait to placed: $detect us"
run 0 "$STARLING" status && out_has 'TID  *COMM  *AGENT  *CPUS  *STYLE' &&
	out_has ' feeder  *-  *[a-z]*ed '
ok $? "status shows the feeder"
run 0 "$STARLING" explain "$FEED" && out_has 'role    feeder, by detection: waits for the GPU'
ok $? "explain tells why it is one"
# the shortest slice that there is, where the kernel takes one of a task's own
if grep -q '^se.slice ' "/proc/$FEED/sched" 2>/dev/null &&
	! "$STARLING" check | grep -q 'takes none of a task'; then
	run 0 "$STARLING" explain "$FEED" && out_has 'slice 100 us'
	ok $? "and with which slice it runs"
else
	skip "the feeder's slice" "this kernel takes none"
fi
run 0 "$STARLING" explain "$(hog_pids | tail -n 1)" && out_has 'role    tool' && out_has '  placed  '
ok $? "explain tells what was done to a tool"

run 0 "$STARLING" off && wait_for 3 nothing_changed
ok $? "off restores everything"
sleep 1
nothing_changed
ok $? "and nothing is placed while off"
run 0 "$STARLING" on && wait_for 15 tools_aside
ok $? "on places again"

daemon_stop KILL
! nothing_changed
ok $? "kill -9 leaves changes behind"
daemon_start -v
ok $? "the next start"
grep -q 'restored [1-9][0-9]* task' "$TMP/log"
ok $? "says what it restored"
daemon_stop TERM
wait_for 3 nothing_changed
ok $? "after it and a stop all attributes are back"

daemon_start -v && wait_for 10 feeder_found
ok $? "a daemon that starts later finds the feeder as well"
daemon_stop KILL
run 0 "$STARLINGD" --journal-undo && nothing_changed
ok $? "--journal-undo after kill -9 restores everything"
kill "$HOGS" "$FEED"

daemon_start -v
hogs -n forgers
"$AGENTLOAD" hog --procs 1 --seconds 180 --comm feeder >/dev/null 2>&1 &
child $!
FORGER=$!
feed --wait yield --seconds 180
wait_for 10 feeder_found
ok $? "a yielding feeder is found"
sleep 1
feeder_found && ! is_feeder "$FORGER" && ! is_feeder "$(pgrep -P "$FORGER" | head -n 1)"
ok $? "a hog with a server's name is not taken for one"
daemon_stop TERM
ok $? "stop under load"

done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Over time: cores are lent while the GPU is idle and taken back at once; of
# many short tools none is lost from its agent; agents end with their tasks.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need_root
[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"
! pgrep -x starlingd >/dev/null || skip_all "another starlingd is at work: it would place our tasks"
[ -e "$GPUEMU/libcuda.so.1" ] || skip_all "no emulated GPU in $GPUEMU"

count() { status_value "sum(a['$1'] for a in s['agents'] if a['name'] == '$2')"; }

daemon_start -v || { ok 1 "start"; done_testing; }

# shellcheck disable=SC2016
run 0 "$STARLING" run -n forker -- sh -c \
	'i=0; while [ $i -lt 600 ]; do /bin/true; i=$((i + 1)); done; exec sleep 3'
# shellcheck disable=SC2317
all_counted() { [ "$(count forks forker)" -eq 600 ] && [ "$(count exits forker)" -ge 600 ]; }
wait_for 5 all_counted
ok $? "600 short tools in a row: each was the agent's"
[ "$(status_value "s['daemon']['lost_tasks'] + s['daemon']['lost_events']")" -eq 0 ]
ok $? "and no event was lost"
# counts are as old as the daemon's last round, a second on a quiet machine
# shellcheck disable=SC2317
ended() { [ "$(count tasks forker)" = 0 ]; }
wait_for 5 ended
ok $? "an agent that has ended has no tasks"

# agents that are gone before their joining is through
for i in 1 2 3 4 5 6 7 8 9 10; do
	for j in 1 2 3 4 5; do
		"$STARLING" run -q -n "brief$i$j" -- /bin/true &
		child $!
		[ "$j" -gt 3 ] && kill -KILL $! 2>/dev/null
	done
	wait $!
done 2>/dev/null
# shellcheck disable=SC2317
gone() { [ "$(status_value "sum(a['tasks'] for a in s['agents'] if 'brief' in a['name'])")" = 0 ]; }
wait_for 10 gone
ok $? "agents that exit or are killed while they join leave no task behind"

"$STARLING" run -q -n tools -- "$AGENTLOAD" hog --procs 3 --seconds 300 >/dev/null 2>&1 &
HOGS=$!
child $HOGS
LD_LIBRARY_PATH=$GPUEMU "$AGENTLOAD" feed --t-ms 5 --wait spin --phase-ms 700,1500 \
	--seconds 12 >"$TMP/feed" 2>&1 &
child $!
wait $!
lent=$(grep -c 'all quiet: .*lent' "$TMP/log")
[ "$lent" -ge 2 ]
ok $? "cores are lent while the feeder is quiet ($lent times)"
back=$(grep -c 'feeders active .*free of tools' "$TMP/log")
[ "$back" -ge 2 ]
ok $? "and taken back when it goes on ($back times)"
late=$(status_value "s['daemon']['detect_max_us']")
[ "${late:-999999}" -lt 100000 ]
ok $? "the latest of these took $late us"
wait_for 10 sh -c "\"$STARLING\" explain $(pgrep -P $HOGS | head -n 1) | grep -q 'role    tool'"
ok $? "tools keep their role while nothing is changed"
daemon_stop TERM
ok $? "stop"

done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The daemon's life: start, one instance, modes, stop, bad options.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need_root

run 2 "$STARLINGD" --nonsense
ok $? "an unknown option is a usage error"
run 2 "$STARLINGD" stray && err_has "unexpected argument 'stray'"
ok $? "so is an argument"
run 0 "$STARLINGD" --version && out_has '^starlingd '
ok $? "--version"
run 0 "$STARLINGD" --help && out_has 'journal-undo'
ok $? "--help"
run 1 "$STARLINGD" --placer magic && err_has "no placer 'magic'" && err_lines 1
ok $? "a placer that is not there: one line"
run 2 "$STARLINGD" --sched-ext always && err_has "sched-ext is never, opt-in or auto, not 'always'"
ok $? "a use of sched_ext that is not there"
run 1 "$STARLINGD" --placer sched_ext --sched-ext never && err_has 'ruled out by --sched-ext' &&
	err_lines 1
ok $? "sched_ext asked for and ruled out: one line"
run 2 "$STARLINGD" --noise loud && err_has "noise is on or off, not 'loud'"
ok $? "nor is any noise but on and off"
run 2 "$STARLINGD" --guard loud && err_has "guard is on or off, not 'loud'"
ok $? "nor any such guard"
for bad in 499ms 601s 2 x; do
	run 2 "$STARLINGD" --guard-epoch $bad &&
		err_has "guard-epoch is a time from 500ms to 600s, not '$bad'"
	ok $? "nor an epoch of '$bad'"
done
run 2 "$STARLINGD" --leases slots=0 && err_has "slots has to be a number from 1 to 64" && err_lines 1
ok $? "a lease rule out of its range: one line"
run 1 "$STARLINGD" --rundir /proc/none && err_has 'cannot use /proc/none' && err_lines 1
ok $? "a run-time directory that cannot be made: one line"
chmod 755 "$TMP"
run 4 setpriv --reuid 65534 --regid 65534 --clear-groups "$STARLINGD" \
	--rundir "$TMP/denied" && err_has 'run as root' && err_lines 1
ok $? "a user without rights: one line, exit 4"
run 0 "$STARLINGD" --journal-undo && err_has 'restored 0 tasks'
ok $? "--journal-undo with nothing to undo"

daemon_start
ok $? "start"
head -n 1 "$TMP/log" | grep -Eq "managing [0-9]+ cpus?( \([0-9]+ big\))?: probes [a-z+]+, module (yes|no), placer [a-z]+; no GPU thread seen yet"
ok $? "the first line tells the mode"
run 0 "$STARLING" explain 2 && out_has '^rules: all in force, none is tried'
ok $? "the guard is off unless it is asked for"
run 1 "$STARLINGD" && err_has "already running as process $DAEMON" && err_lines 1
ok $? "a second instance is refused with the pid of the first"
run 1 "$STARLINGD" --journal-undo && err_has 'already running'
ok $? "so is --journal-undo beside it"
kill -HUP "$DAEMON"
sleep 0.2
daemon_answers
ok $? "SIGHUP does not end it"
run 0 "$STARLING" status && out_has '^on: [0-9]* cpus' && out_has '^no agents' &&
	out_has '^no GPU threads' && ! err_has .
ok $? "status of a quiet machine"
run 0 "$STARLING" check && out_has '^daemon  *ok '
ok $? "check sees the daemon"
run 0 "$STARLING" status && out_has '^limits of placer [a-z]*:$'
ok $? "status tells what the placer at work cannot do here"
[ "$(status_value 'sum(p["at_work"] for p in s["mode"]["placers"])')" = 1 ] &&
	[ "$(status_value '[p["why_not"] for p in s["mode"]["placers"] if p["at_work"]][0]')" = None ] &&
	status_value '[p["why_not"] for p in s["mode"]["placers"] if p["name"] == "sched_ext"][0]' |
		grep -q .
ok $? "and, as JSON, why the others are not at work"
daemon_stop INT && ! [ -e "$STARLING_RUNDIR/control" ]
ok $? "SIGINT: exit 0, socket gone"

daemon_start --dry-run && run 0 "$STARLING" status && out_has '^dry-run: .* placer none'
ok $? "--dry-run only watches"
kill -KILL "$DAEMON"
wait "$DAEMON" 2>/dev/null
run 3 "$STARLING" status && err_has 'not running'
ok $? "a socket left by kill -9 is told from a daemon"
daemon_start
ok $? "and does not stop the next start"
daemon_stop TERM
ok $? "SIGTERM: exit 0"

python3 - "$TMP/notify" "$TMP/notified" <<'PY' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(20)
got = s.recv(4096) + b"|" + s.recv(4096)
open(sys.argv[2], "wb").write(got)
PY
child $!
wait_for 10 test -S "$TMP/notify"
NOTIFY_SOCKET=$TMP/notify daemon_start --no-bpf
daemon_stop TERM
wait_for 10 test -s "$TMP/notified"
grep -q 'READY=1.*STOPPING=1' "$TMP/notified"
ok $? "sd_notify: READY and STOPPING"

done_testing

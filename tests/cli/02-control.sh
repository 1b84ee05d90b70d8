#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The control socket: wire format, errors, bounds. Needs no BPF.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need_root

daemon_start --no-bpf --no-kmod --placer none --guard on
ok $? "the daemon starts with /proc only"

python3 tests/cli/control.py "$STARLING_RUNDIR/control" "$TMP"
tests=$((tests + $(cat "$TMP/tests")))
failed=$((failed + $(cat "$TMP/failed")))

if command -v varlinkctl >/dev/null; then
	run 0 varlinkctl introspect "unix:$STARLING_RUNDIR/control" org.starling.Control &&
		out_has 'method Status'
	ok $? "varlinkctl introspect"
	run 0 varlinkctl call "unix:$STARLING_RUNDIR/control" org.starling.Control.Status '{}' &&
		out_has '"starling"'
	ok $? "varlinkctl call"
else
	skip "varlinkctl introspect and call" "no varlinkctl"
fi

for cmd in status version 'explain 1' log; do
	# shellcheck disable=SC2086
	run 0 "$STARLING" $cmd --json && is_json
	ok $? "$cmd --json is JSON"
done
run 1 "$STARLING" explain 4194305 && err_has 'no process or thread 4194305' && err_lines 1
ok $? "explain of a process that is not there"
run 0 "$STARLING" explain 2 && out_has 'kernel thread'
ok $? "explain of a kernel thread"
run 0 "$STARLING" off --json && is_json && run 0 "$STARLING" status && out_has '^off: '
ok $? "off"
run 0 "$STARLING" on --json && is_json
ok $? "on"
run 0 "$STARLING" log && [ "$(cut -d' ' -f 3- "$TMP/out")" = \
	" daemon     switched off: 0 tasks restored; watching only
 daemon     switched on" ]
ok $? "log has both"
run 0 "$STARLING" log --json && python3 -c '
import json, sys
log = json.load(open(sys.argv[1]))
assert [e["seq"] for e in log["entries"]] == [1, 2] and log["missed"] == 0' "$TMP/out"
ok $? "log --json numbers them"
run 0 "$STARLING" explain 2 && out_has '^rules, tried in epochs of 2 s:'
ok $? "explain says how rules are tried"
chmod 755 "$TMP"
run 4 setpriv --reuid 65534 --regid 65534 --clear-groups "$STARLING" off &&
	err_has 'not permitted' && err_lines 1
ok $? "off by a user: exit 4"
run 0 setpriv --reuid 65534 --regid 65534 --clear-groups "$STARLING" status
ok $? "status by a user"
run 0 setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$STARLING" run -w 300 -n mine -- "$STARLING" status && out_has ' mine  *run  *300 '
ok $? "run by a user registers its own process"

daemon_stop TERM
ok $? "SIGTERM: exit 0"
! [ -e "$STARLING_RUNDIR/control" ]
ok $? "the socket is gone"

done_testing

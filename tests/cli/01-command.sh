#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The command alone: help, errors, exit codes, output without a daemon.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

run 0 "$STARLING" help && out_has '^  run ' && out_has '^  check '
ok $? "help lists the commands"

run 0 "$STARLING" help run && out_has 'weight=N'
ok $? "help run tells its options"

run 2 "$STARLING" statsu && err_has "no command 'statsu'; did you mean 'status'?" && err_lines 1
ok $? "an unknown command: one line with the nearest name"

run 2 "$STARLING" frobnicate && err_has "'starling help' lists them" && err_lines 1
ok $? "an unknown command that is near to none"

for cmd in status lease explain log off on check version; do
	run 2 "$STARLING" $cmd --nonsense && err_has "unrecognized option '--nonsense'"
	ok $? "$cmd: an unknown option is a usage error"
done

for cmd in status 'explain 1' log off on; do
	# shellcheck disable=SC2086
	run 3 "$STARLING" $cmd && err_has 'starlingd is not running' && err_lines 1 &&
		! [ -s "$TMP/out" ]
	ok $? "$cmd without a daemon: one line, exit 3"
done
run 3 "$STARLING" && err_has 'not running'
ok $? "no argument is status"

if [ -e /dev/starling ]; then
	skip "lease without the module" "the module is loaded"
else
	run 1 "$STARLING" lease && err_has 'modprobe starling' && err_lines 1
	ok $? "lease without the module: one line"
fi

run 2 "$STARLING" explain && err_has 'PID or TID is needed'
ok $? "explain needs a PID"
for bad in 0 -- x1 99999999999; do
	run 2 "$STARLING" explain $bad
	ok $? "explain refuses '$bad'"
done
run 2 "$STARLING" status --watch 0
ok $? "status refuses a watch time of 0"

run 0 "$STARLING" version && out_has '^starlingd not running$'
ok $? "version without a daemon"
run 0 "$STARLING" version --json && is_json
ok $? "version --json is JSON"

"$STARLING" check >"$TMP/out" 2>"$TMP/err"
[ $? -le 1 ] && out_has '^CHECK  *STATE  *DETAIL' && out_has '^btf ' &&
	out_has 'starlingd' && ! [ -s "$TMP/err" ]
ok $? "check answers without a daemon"
"$STARLING" check --json >"$TMP/out" 2>"$TMP/err"
[ $? -le 1 ] && is_json && python3 -c '
import json, sys
for c in json.load(open(sys.argv[1]))["checks"]:
    assert c["state"] in ("ok", "warn", "no", "found"), c
    assert c["state"] == "ok" or c["remedy"], c' "$TMP/out"
ok $? "check --json: a remedy for each no"
"$STARLING" check >"$TMP/out" 2>&1
out_has '^limits of placer task:' && out_has "^  agents' weights have no effect"
ok $? "check tells what each placer cannot do here"
"$STARLING" check --json 2>/dev/null | python3 -c '
import json, sys
p = {p["name"]: p["cannot"] for p in json.load(sys.stdin)["placers"]}
assert list(p) == ["sched_ext", "sched_ext_partial", "cgroup", "task"], p
assert "agents\x27 weights have no effect" in p["task"], p
assert all(text not in p["sched_ext"] for text in p["task"] if "weights" in text), p'
ok $? "check --json, too"
"$STARLING" check --no-legend >"$TMP/out" 2>&1
! out_has CHECK
ok $? "check --no-legend prints no headings"
mkdir -p "$TMP/lib" && touch "$TMP/lib/libcuda.so.1"
LD_LIBRARY_PATH=$TMP/lib "$STARLING" check >"$TMP/out" 2>&1
out_has "^libcuda  *ok  *$TMP/lib/libcuda.so.1"
ok $? "check finds libcuda on the search path without loading it"
if [ "$(id -u)" -eq 0 ]; then
	chmod 755 "$TMP"
	run 1 setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$STARLING" check && out_has '^bpf  *no' && out_has '^bpf: run starlingd as root'
	ok $? "check as a user: no BPF, with the remedy, exit 1"
else
	skip "check as a user" "needs root"
fi

# shellcheck disable=SC2016
run 1 sh -c '"$1" help >/dev/full' sh "$STARLING" && err_has 'cannot write the output'
ok $? "a full disk is an error"
# shellcheck disable=SC2016
run 1 sh -c '"$1" help >&-' sh "$STARLING" && err_has 'cannot write the output'
ok $? "a closed stdout is an error"

STARLING_SOCKET=$(printf '/tmp/%0200d' 0)
export STARLING_SOCKET
run 1 "$STARLING" status && err_lines 1
ok $? "a socket path that is too long: one line"
unset STARLING_SOCKET

run 7 "$STARLING" run -- sh -c 'exit 7' && err_has 'runs unmanaged' && err_lines 1
ok $? "run passes the exit status, with one warning line"
run 7 "$STARLING" run -q -- sh -c 'exit 7' && ! [ -s "$TMP/err" ]
ok $? "run -q is quiet"
run 127 "$STARLING" run -q no-such-command-here && err_lines 1
ok $? "run: 127 when the command is not found"
run 126 "$STARLING" run -q "$TMP" && err_lines 1
ok $? "run: 126 when it cannot be executed"
run 125 "$STARLING" run
ok $? "run: 125 without a command"
for bad in '-w 0' '-w 10001' '-w x' '-r king' '-n 12345678901234567890123456789012'; do
	# shellcheck disable=SC2086
	run 125 "$STARLING" run $bad true
	ok $? "run: 125 for $bad"
done
run 0 "$STARLING" run -q -- echo --json && out_has '^--json$'
ok $? "run leaves the command's options alone"
"$STARLING" run -q -- sh -c 'kill -TERM $$' 2>/dev/null
[ $? -eq 143 ]
ok $? "run dies by the command's signal"
"$STARLING" run -q -- sh -c 'echo $$' >"$TMP/out" 2>&1 &
pid=$!
wait "$pid"
[ "$(cat "$TMP/out")" = "$pid" ]
ok $? "run keeps the PID"

done_testing

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# lib.sh - TAP for the tests beside it, and a daemon with its own run-time
# directory, so that a test never meets the machine's own starlingd.

cd "$(dirname "$0")/../.." || exit 1
O=$(cd "${O:-build}" && pwd) || exit 1
STARLING=$O/bin/starling
STARLINGD=$O/bin/starlingd
# shellcheck disable=SC2034
AGENTLOAD=$O/bin/agentload
# shellcheck disable=SC2034
GPUEMU=$O/gpuemu
TMP=$(mktemp -d "${TMPDIR:-/tmp}/starling-cli.XXXXXX") || exit 1
STARLING_RUNDIR=$TMP/run
export STARLING_RUNDIR
unset STARLING_SOCKET LD_LIBRARY_PATH
DAEMON=
CHILDREN=
tests=0
failed=0

cleanup() {
	# shellcheck disable=SC2086
	[ -n "$DAEMON$CHILDREN" ] && kill $DAEMON $CHILDREN 2>/dev/null
	[ -n "$DAEMON" ] && wait "$DAEMON" 2>/dev/null
	rm -rf "$TMP"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# ok STATUS TEXT: one result; what a failed one saw is in $TMP/out, $TMP/err
ok() {
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests - $2"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $tests - $2"
	[ -f "$TMP/out" ] && head -n 15 "$TMP/out" | sed 's/^/# out: /'
	[ -f "$TMP/err" ] && head -n 15 "$TMP/err" | sed 's/^/# err: /'
	[ -f "$TMP/log" ] && tail -n 8 "$TMP/log" | sed 's/^/# log: /'
}

skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

done_testing() {
	echo "1..$tests"
	[ "$failed" -eq 0 ]
	exit
}

# run STATUS CMD...: output to $TMP/out and $TMP/err; true when it exits so
run() {
	want=$1
	shift
	"$@" >"$TMP/out" 2>"$TMP/err"
	got=$?
	[ "$got" -eq "$want" ] && return 0
	echo "# exit status $got, wanted $want: $*"
	return 1
}

out_has() { grep -q -e "$1" "$TMP/out"; }
err_has() { grep -q -e "$1" "$TMP/err"; }
err_lines() { [ "$(wc -l <"$TMP/err")" -eq "$1" ]; }
is_json() { python3 -m json.tool <"$TMP/out" >/dev/null; }

# status_value EXPR: EXPR over the object s = starling status --json
status_value() {
	"$STARLING" status --json 2>/dev/null | python3 -c '
import json, sys
s = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1" 2>/dev/null
}

# wait_for SECONDS CMD...: until CMD is true
wait_for() {
	end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

daemon_answers() { "$STARLING" status --json >/dev/null 2>&1; }

# daemon_start [OPTION...]: its stderr goes to $TMP/log
daemon_start() {
	# masks of interrupts are the machine's: one daemon at a time may change them
	"$STARLINGD" --noise off "$@" 2>"$TMP/log" &
	DAEMON=$!
	wait_for 15 daemon_answers
}

# daemon_stop SIGNAL: its exit status
daemon_stop() {
	kill "-$1" "$DAEMON"
	wait "$DAEMON" 2>/dev/null
	status=$?
	DAEMON=
	return "$status"
}

# child PID: ended when the test ends
child() { CHILDREN="$CHILDREN $1"; }

need_root() { [ "$(id -u)" -eq 0 ] || skip_all "needs root"; }

# All that a placer may change of a thread, as one line.
attributes() {
	printf '%s ' "$(awk '/^Cpus_allowed_list/ { print $2 }' "/proc/$1/status")"
	sed 's/.*) //' "/proc/$1/stat" | awk '{ printf "nice %s policy %s", $17, $39 }'
	awk '/^se.slice / { printf " slice %s", $3 }' "/proc/$1/sched" 2>/dev/null
	echo
}

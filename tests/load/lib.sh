# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# lib.sh - TAP for the tests beside it, and an emulated GPU of their own.

cd "$(dirname "$0")/../.." || exit 1
O=$(cd "${O:-build}" && pwd) || exit 1
AGENTLOAD=$O/bin/agentload
TMP=$(mktemp -d "${TMPDIR:-/tmp}/starling-load.XXXXXX") || exit 1
GPUEMU_DEVICE=$TMP/gpu
LD_LIBRARY_PATH=$O/gpuemu
export GPUEMU_DEVICE LD_LIBRARY_PATH
tests=0
failed=0
pids=

cleanup() {
	# shellcheck disable=SC2086
	[ -n "$pids" ] && kill $pids 2>/dev/null
	wait
	rm -rf "$TMP"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# ok STATUS TEXT: one result, with what the last run() saw if it failed
ok() {
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests - $2"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $tests - $2"
	for f in out err; do
		[ -f "$TMP/$f" ] && tail -n 15 "$TMP/$f" | cut -c 1-200 | sed "s/^/# $f: /"
	done
}

done_testing() {
	echo "1..$tests"
	[ "$failed" -eq 0 ]
	exit
}

# run STATUS CMD...: output in $TMP/out and $TMP/err
run() {
	want=$1
	shift
	"$@" >"$TMP/out" 2>"$TMP/err" </dev/null
	got=$?
	[ "$got" -eq "$want" ] && return
	echo "# exit status $got, expected $want: $*"
	return 1
}

err_is_one_line() { [ "$(wc -l <"$TMP/err")" -eq 1 ]; }
err_has() { grep -q -- "$1" "$TMP/err"; }

# check EXPRESSION: true of the JSON object j in $TMP/out
check() {
	python3 - "$TMP/out" "$1" <<-'PY'
		import json, sys
		j = json.load(open(sys.argv[1]))
		def rising(h):
		    return h["min"] <= h["p50"] <= h["p95"] <= h["p99"] <= h["max"]
		if not eval("(" + sys.argv[2] + ")"):
		    sys.exit(f"# not true: {sys.argv[2]}")
	PY
}

# processes that have this test's GPU in their environment, but for our own
ours() {
	grep -lzsx "GPUEMU_DEVICE=$GPUEMU_DEVICE" /proc/[0-9]*/environ |
		grep -v "^/proc/$$/" | cut -d/ -f3 | while read -r pid; do
		grep -qs agentload "/proc/$pid/comm" "/proc/$pid/cmdline" && echo "$pid"
		grep -qs "^sh.-c" "/proc/$pid/cmdline" && echo "$pid"
	done | sort -u
}

wait_for() {
	tries=$(($1 * 10))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

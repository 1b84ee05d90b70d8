#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What is missing is said in one line, and the rest works.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need_root

one_line() { [ "$(grep -vc -e 'managing\|watching\|restored' "$TMP/log")" -eq 1 ]; }

works() {
	"$STARLING" run -q --role tool -n aside -- sleep 30 &
	child $!
	pid=$!
	wait_for 5 sh -c "\"$STARLING\" status | grep -q ' aside '" &&
		run 0 "$STARLING" explain "$pid" && out_has 'role    tool, by owner'
}

daemon_start --no-bpf && head -n 1 "$TMP/log" | grep -q 'probes proc'
ok $? "--no-bpf: the mode line tells it"
works
ok $? "run --role works with /proc only"
daemon_stop TERM
ok $? "stop"

if command -v capsh >/dev/null; then
	# shellcheck disable=SC2016
	capsh --drop=cap_bpf,cap_sys_admin,cap_perfmon -- -c 'exec "$0"' "$STARLINGD" 2>"$TMP/log" &
	DAEMON=$!
	wait_for 10 daemon_answers && grep -qi 'CAP_BPF' "$TMP/log" && one_line
	ok $? "no CAP_BPF: one line names it"
	works
	ok $? "run --role works without CAP_BPF"
	daemon_stop TERM
	ok $? "stop"
else
	skip "no CAP_BPF" "no capsh"
fi

done_testing

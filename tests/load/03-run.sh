#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Traces, and whole runs of them: all steps done, sane numbers, nothing left.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

trace() { "$AGENTLOAD" trace --seconds 2 --cpu-scale 0.01 --cpus 2 "$@"; }
nobody() { [ -z "$(ours)" ]; }
lines() { wc -l <"$TMP/$1"; }

trace --seed 5 >"$TMP/a" && trace --seed 5 -o "$TMP/b" >/dev/null && cmp -s "$TMP/a" "$TMP/b"
ok $? "one seed gives one trace"
trace --seed 6 >"$TMP/c" && ! cmp -s "$TMP/a" "$TMP/c"
ok $? "another seed gives another"
trace --seed 5 --agents 10 >"$TMP/d" && grep -v 'agentload_trace' "$TMP/a" >"$TMP/e" &&
	grep -v -e 'agentload_trace' -e '"step":9' -e '"agent":9' "$TMP/d" >"$TMP/f" &&
	[ "$(grep -c '"agent"' "$TMP/e")" -eq 9 ] && [ "$(grep -c '"agent"' "$TMP/f")" -eq 9 ]
ok $? "a tenth agent can be added"
"$AGENTLOAD" trace --seed 5 --seconds 20 --rho 1.5 --cpus 4 | head -n 1 >"$TMP/out" &&
	check '0.8 < j["tool_cpu_s"] / (20 * 4) / 1.5 < 1.25'
ok $? "--rho offers the load that was asked for"

for bad in '--agents 0' '--agents 65' '--seconds x' '--cpu-scale 0' stray; do
	# shellcheck disable=SC2086
	run 2 "$AGENTLOAD" trace $bad && err_is_one_line
	ok $? "trace $bad: one line, exit 2"
done
run 1 "$AGENTLOAD" trace -o "$TMP/no/dir" && err_is_one_line && err_has 'cannot write'
ok $? "a trace that cannot be written: one line"

run 2 "$AGENTLOAD" run && err_is_one_line && err_has 'give --trace FILE'
ok $? "run without a trace: one line, exit 2"
run 2 "$AGENTLOAD" run --trace "$TMP/none" && err_is_one_line && err_has "$TMP/none: No such file"
ok $? "a trace that is not there"
{ head -n 12 "$TMP/a" && echo 'oops'; } >"$TMP/bad"
run 2 "$AGENTLOAD" run --trace "$TMP/bad" && err_is_one_line && err_has 'line 13: not JSON'
ok $? "a broken line: its number"
sed '12s/"prompt":[0-9]*/"prompt":-1/' "$TMP/a" >"$TMP/bad"
run 2 "$AGENTLOAD" run --trace "$TMP/bad" && err_has 'line 12: step out of range'
ok $? "a value out of range: its line"
head -n 12 "$TMP/a" >"$TMP/bad"
run 2 "$AGENTLOAD" run --trace "$TMP/bad" && err_has 'ends too early'
ok $? "a trace cut short"
: >"$TMP/bad"
run 2 "$AGENTLOAD" run --trace "$TMP/bad" && err_has 'empty'
ok $? "an empty trace"
run 2 "$AGENTLOAD" run --trace "$TMP/a" --server ftp://x && err_is_one_line
ok $? "a server address of another kind"

run 0 "$AGENTLOAD" run --trace "$TMP/a" --work "$TMP/work" --json "$TMP/json" \
	--timeline "$TMP/timeline" --wait block
ok $? "a run of two seconds and nine agents"
grep -q 'EMULATED GPU' "$TMP/out" && grep -q '^code-0 ' "$TMP/out"
ok $? "its table says that the GPU is emulated"
cp "$TMP/json" "$TMP/out" && check 'j["complete"] and j["steps"] == j["planned"] and
	j["tools"]["failed"] == 0 and len(j["agents"]) == 9 and j["strays"] == 0'
ok $? "all steps done, no tool failed"
check 'all(rising(h) for h in (j["ttft_us"], j["itl_us"], j["step_us"], j["tools"]["wall_us"],
	j["feeder"]["lateness_us"]))'
ok $? "percentiles rise"
check 'j["tokens"] == sum(a["tokens"] for a in j["agents"]) and
	j["itl_us"]["n"] + j["ttft_us"]["n"] == j["tokens"] and
	all(a["cpu_s"] > 0 and a["gpu_s"] > 0 for a in j["agents"])'
ok $? "tokens and seconds add up"
check '0 < j["feeder"]["got_share"] <= 1 and j["feeder"]["starved_s"] >= 0 and
	0 < j["gpu_busy_share"] <= 1 and j["makespan_s"] >= 1'
ok $? "shares are shares"
cp "$TMP/timeline" "$TMP/out" && check 'j["note"] == "EMULATED GPU" and
	len(j["gpu"]["busy"]) > 5 and all(a < b for a, b, _ in j["gpu"]["busy"]) and
	len(j["agents"]) == 9 and all(a["spans"] and a["tools"] for a in j["agents"]) and
	j["feeder"]["spans"]'
ok $? "the timeline has the GPU, the feeder, agents and tools"
"$AGENTLOAD" run --trace "$TMP/a" --work "$TMP/work" --json - >"$TMP/out" 2>"$TMP/err" &&
	python3 - "$TMP/out" "$TMP/json" <<-'PY'
		import json, sys
		a, b = (json.load(open(f)) for f in sys.argv[1:])
		for key in ("steps", "tokens"):
		    assert a[key] == b[key], key
		assert abs(a["tools"]["work_s"] - b["tools"]["work_s"]) < 1e-6
	PY
ok $? "a second run of the trace does the same work"

# a wrapper that notes its arguments and becomes the command, as `starling run`
cat >"$TMP/wrapper" <<-'SH'
	#!/bin/sh
	echo "$1 $2" >>"$0.log"
	shift 2
	exec "$@"
SH
chmod +x "$TMP/wrapper"
run 0 "$AGENTLOAD" run --trace "$TMP/a" --work "$TMP/work" --wrap "$TMP/wrapper %n %r" &&
	[ "$(lines wrapper.log)" -eq 10 ] && grep -qx 'server service' "$TMP/wrapper.log" &&
	grep -qx 'etl-7 orchestrator' "$TMP/wrapper.log"
ok $? "--wrap wraps the server and each agent"
run 1 "$AGENTLOAD" run --trace "$TMP/a" --work "$TMP/work" --wrap /no/such/program &&
	err_has 'cannot run /no/such/program'
ok $? "a wrapper that is not there: said"
run 1 "$AGENTLOAD" run --trace "$TMP/a" --work /proc/nothing && err_has 'with --work'
ok $? "a work directory that cannot be made: said"
[ -z "$(ours)" ]
ok $? "no process is left"

trace --seed 5 --seconds 60 -o "$TMP/long" >/dev/null
for sig in TERM INT KILL; do
	# asynchronous commands of a script ignore INT unless told otherwise
	python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$AGENTLOAD" run --trace "$TMP/long" --work "$TMP/work" \
		>"$TMP/out" 2>"$TMP/err" &
	run=$!
	pids="$pids $run"
	# until all are there
	wait_for 10 sh -c "[ \$(wc -w </proc/$run/task/$run/children) -ge 10 ]"
	sleep 1
	[ "$(ours | wc -l)" -ge 11 ]
	ok $? "before SIG$sig the run and its ten processes are there"
	kill -"$sig" "$run"
	wait "$run" 2>/dev/null
	status=$?
	wait_for 5 nobody
	ok $? "SIG$sig leaves no process"
	[ "$sig" = KILL ] || { [ "$status" -eq 1 ] && err_has interrupted; }
	ok $? "SIG$sig: exit status $status"
done

done_testing

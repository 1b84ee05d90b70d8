#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Where inference should run, and what agents have cost: of a machine without a GPU
# and of one with the emulated one. The queue of leases is in tests/vm/guest-advise.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need_root

# advice EXPR [OPTION...]: EXPR is true of the object a, the answer
advice() {
	expr=$1
	shift
	"$STARLING" advise --json "$@" 2>/dev/null | python3 -c '
import json, sys
a = json.load(sys.stdin)
sys.exit(not eval(sys.argv[1]))' "($expr)" 2>/dev/null
}
gpu() { [ "$(status_value "($1)")" = True ]; }
talker() { status_value "[a for a in s['agents'] if a['name'] == 'talker'][0]['$1']"; }

run 3 "$STARLING" advise && err_has 'starlingd is not running' && err_lines 1 &&
	! [ -s "$TMP/out" ]
ok $? "without a daemon: one line, exit 3"
for bad in '--memory 0' '--memory 16X' '--gpu 16' '--gpu x' '--priority king' \
	'--agent d1 --priority batch' '--nonsense' 'here'; do
	# shellcheck disable=SC2086
	run 2 "$STARLING" advise $bad
	ok $? "$bad is a usage error"
done

daemon_start --no-bpf --no-kmod --placer none --gpu off
run 0 "$STARLING" advise && out_has '^\(cpu\|elsewhere\): .*no GPU is known' &&
	[ "$(wc -l <"$TMP/out")" -eq 5 ]
ok $? "nobody knows of a GPU: said so, with the rest in lines below"
run 0 "$STARLING" advise --no-legend && [ "$(wc -l <"$TMP/out")" -eq 1 ]
ok $? "--no-legend: one line"
run 0 "$STARLING" advise --json && is_json
ok $? "--json is JSON"
advice "a['version'] == 1 and a['sure'] == 'unknown' and a['queue'] is None and
	not a['gpu']['known'] and a['gpu']['busy_percent'] is None and
	a['gpu']['bottleneck'] == 'unknown' and a['ratio']['cpu_gpu'] is None and
	a['ratio']['reckoned'] == 9 and a['cpu']['cpus'] > 0 and
	a['memory']['available_bytes'] > 0 and a['asked']['priority'] == 'normal'"
ok $? "what is not known is null, what is known is there"
advice "a['advice'] == 'elsewhere'" --memory 1000T && run 0 "$STARLING" advise --memory 1000T
ok $? "memory that nobody has: elsewhere, exit 0"
advice "a['asked'] == {'agent': None, 'priority': 'batch', 'gpu': 0,
	'memory_bytes': 512 * 2**20}" --priority batch --memory 512M
ok $? "what was asked is in the answer"
run 1 "$STARLING" advise --gpu 7 && err_has 'no GPU 7 here' && err_lines 1
ok $? "a GPU that is not there: one line"
run 1 "$STARLING" advise --agent m77 && err_has "no agent 'm77'" && err_lines 1
ok $? "an agent that is not there: one line"
wait_for 30 advice "a['cpu']['idle_cpus'] is not None and
	0 <= a['cpu']['idle_cpus'] <= a['cpu']['cpus'] and a['cpu']['recent_s'] >= 1"
ok $? "after a moment it is known how many cores are idle"
run 0 "$STARLING" run -q -n someone -p interactive -- sh -c "\"$STARLING\" advise --json --agent \
	\$(\"$STARLING\" status --json | grep -o '\"d[0-9]*\"' | tr -d '\"' | head -n 1)" &&
	out_has '"priority": "interactive"'
ok $? "--agent: at its own priority"
run 0 python3 tests/cli/route.py "$STARLING" && out_has '^elsewhere\|^cpu'
ok $? "the guide's router has an answer"
chmod 755 "$TMP"
run 0 setpriv --reuid 65534 --regid 65534 --clear-groups "$STARLING" advise
ok $? "advise by a user"
daemon_stop TERM
run 0 python3 tests/cli/route.py "$STARLING" && out_has '^elsewhere$'
ok $? "and without a daemon, too"

if ! [ -e "$GPUEMU/libnvidia-ml.so.1" ]; then
	skip "with the emulated GPU" "no emulated GPU in $GPUEMU"
	done_testing
fi
GPUEMU_DEVICE=$TMP/gpu
LD_LIBRARY_PATH=$GPUEMU
export GPUEMU_DEVICE LD_LIBRARY_PATH
daemon_start --no-kmod --dry-run
wait_for 30 advice "a['gpu']['known'] and a['gpu']['memory_total_bytes'] == 2**34"
ok $? "a GPU: its memory is known"
advice "a['advice'] != 'gpu' and a['sure'] != 'unknown' or
	a['cpu']['idle_cpus'] is None" --memory 17G &&
	run 0 "$STARLING" advise --memory 17G && out_has 'never fit on the GPU'
ok $? "more memory than it has: not there, with the reason"
advice "a['queue'] is None and a['expected_wait_ms'] is None"
ok $? "no module: no queue, and no expected wait"
"$STARLING" run -q -n talker -- "$AGENTLOAD" feed --t-ms 20 --wait block --seconds 300 \
	>"$TMP/feed" 2>&1 &
pid=$!
child $pid
wait_for 60 gpu "any(a['name'] == 'talker' and a['gpu_s'] and 'driver' in a['gpu_source'] and
	a['cpu_gpu'] and a['gpu_energy_j'] for a in s['agents'])"
ok $? "an agent at work: GPU time from the driver, energy and ratio"
gpu "sum(a['gpu_s'] or 0 for a in s['agents']) <= s['ratio']['gpu_s']['value'] * 1.001"
ok $? "agents had no more of the GPU than it was busy"
wait_for 60 gpu "any(a['name'] == 'talker' and a['cpu_gpu_recent'] and a['recent_s'] <= 61
	for a in s['agents']) and None not in (s['ratio']['cpu_gpu'], s['ratio']['of_reckoned'])"
ok $? "and there is a ratio of late, of the agent and of the machine"
wait_for 60 advice "a['gpu']['busy_percent'] is not None and a['gpu']['bottleneck'] ==
	('yes' if a['gpu']['busy_percent'] >= 90 else
	 'idle' if a['gpu']['busy_percent'] < 10 else 'no') and a['gpu']['busy_percent'] > 20"
ok $? "advise has how busy it was, and whether it is the bottleneck"
run 0 "$STARLING" status && out_has ' talker .* ~\?[0-9.]* .* ~[0-9.]*$' &&
	out_has '^agents. CPU seconds per GPU second: .* is made for 9: [0-9.]* times that$'
ok $? "status shows the agent's and the machine's"
was=$(talker gpu_s)
kill $pid
wait_for 20 gpu "not [p for p in s['gpu']['processes'] if p['pid'] == $pid]"
now=$(talker gpu_s)
[ -n "$now" ] && [ "$(printf '%s\n%s\n' "$was" "$now" | sort -g | head -n 1)" = "$was" ]
ok $? "what it has had stays when its process has ended: $was s, then $now s"
wait_for 60 advice "a['gpu']['bottleneck'] == 'idle'"
ok $? "nobody at work: idle"
daemon_stop TERM
ok $? "stop"
done_testing

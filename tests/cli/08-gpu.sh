#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What a GPU's driver tells arrives in status; a driver that is absent, removed,
# stuck or broken is said once, and the daemon goes on.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need_root
[ -e "$GPUEMU/libnvidia-ml.so.1" ] || skip_all "no emulated GPU in $GPUEMU"

GPUEMU_DEVICE=$TMP/gpu
export GPUEMU_DEVICE

gpu() { [ "$(status_value "($1)")" = True ]; }
known() { gpu "s['gpu']['known']"; }
unknown() { gpu "not s['gpu']['known'] and not s['gpu']['devices']"; }
lines() { grep -c "GPU values are $1" "$TMP/log"; }
busy() { status_value "[p['busy_s']['value'] for p in s['gpu']['processes'] if p['pid'] == $1][0]"; }
reader() { status_value "s['gpu']['reader']['pid']"; }
greater() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -g | head -n 1)" != "$1" ]; }
grows() {
	now=$(busy "$1")
	[ -n "$now" ] && greater "$now" "$2"
}
# the driver does nothing at once, and the daemon asks once a second
mode() {
	if [ $# -gt 0 ]; then
		echo "$*" >"$GPUEMU_DEVICE.nvml"
	else
		rm -f "$GPUEMU_DEVICE.nvml"
	fi
}

if ! ldconfig -p | grep -q libnvidia-ml.so.1 && ! [ -d /dev/dri ]; then
	daemon_start --no-kmod --dry-run
	wait_for 10 gpu "'no source' in (s['gpu']['why'] or '')"
	ok $? "no GPU: status says why nothing is known"
	run 0 "$STARLING" status && out_has '^GPU values: none: no source' &&
		[ "$(lines .)" -eq 0 ]
	ok $? "and the log has no line of it"
	daemon_stop TERM
else
	skip "no GPU: status says why nothing is known" "this machine has a GPU"
	skip "and the log has no line of it" "this machine has a GPU"
fi

run 2 "$STARLINGD" --gpu maybe && err_has "on or off, not 'maybe'"
ok $? "--gpu takes on or off"
daemon_start --no-kmod --dry-run --gpu off
gpu "s['gpu']['why'] == 'switched off by --gpu off' and not s['gpu'].get('reader')"
ok $? "--gpu off: nothing is asked, and status says so"
daemon_stop TERM

LD_LIBRARY_PATH=$GPUEMU
export LD_LIBRARY_PATH
daemon_start --no-kmod --dry-run
"$STARLING" run -q -n talker -- "$AGENTLOAD" feed --t-ms 20 --wait block --seconds 200 \
	>"$TMP/feed" 2>&1 &
pid=$!
child $pid
"$AGENTLOAD" feed --t-ms 20 --wait block --seconds 200 >/dev/null 2>&1 &
other=$!
child $other
wait_for 20 gpu "len([p for p in s['gpu']['processes'] if p['busy_s'] and p['energy_j'] and
	p['pid'] in ($pid, $other)]) == 2"
ok $? "two processes: busy time and energy are known"
gpu "all(p['memory_bytes']['value'] > 0 and p['memory_bytes']['source'] == ['driver'] and
	not p['memory_bytes']['estimated'] for p in s['gpu']['processes'])"
ok $? "their memory is the driver's word"
gpu "all(p['energy_j']['estimated'] and 'model' in p['energy_j']['source']
	for p in s['gpu']['processes'])"
ok $? "their share of energy is an estimate"
gpu "[p['agent'] for p in s['gpu']['processes'] if p['pid'] == $pid] ==
	[a['id'] for a in s['agents'] if a['name'] == 'talker']"
ok $? "a process has its agent"
gpu "s['gpu']['devices'][0]['id'] == 'ffff:01:00.0' and
	s['gpu']['devices'][0]['number'] == 0 and
	s['gpu']['devices'][0]['uuid'] == 'GPU-73746172-6c69-6e67-2d67-7075656d7500' and
	sum(p['busy_s']['value'] for p in s['gpu']['processes']) <=
	s['daemon']['uptime_s']"
ok $? "the device is named, and nobody was busy for longer than there was time"
run 0 "$STARLING" status && out_has '^GPU  *NAME  *BUSY_%' &&
	out_has "^ *$pid  *agentload  *[md][0-9]*  *~[0-9.]*  *[0-9]*  *~[0-9.]*  *driver"
ok $? "status shows device and processes"
kill $other

mode gb10
wait_for 10 gpu "s['gpu']['devices'][0]['memory_bytes']['source'] == ['kernel']"
ok $? "no memory told by the driver: the machine's, by the kernel"
mode xid=79
wait_for 10 gpu "s['gpu']['devices'][0]['faults']['value'] == 1 and
	s['gpu']['devices'][0]['last_fault'] == 79"
ok $? "a fault is counted and named"

was=$(busy $pid)
mode gone
wait_for 10 unknown && [ "$(lines 'not known')" -eq 1 ]
ok $? "driver removed: nothing is known, said once"
gpu "all(p['busy_s'] is None and p['memory_bytes'] is None for p in s['gpu']['processes'])"
ok $? "and a value that is not known is null"
mode
wait_for 40 known && wait_for 20 grows $pid "$was"
ok $? "there again: found by itself, and totals go on"

was=$(busy $pid)
old=$(reader)
mode crash
wait_for 10 unknown && daemon_answers
ok $? "the library crashes: the daemon goes on"
mode
wait_for 40 known && [ "$(reader)" != "$old" ] && wait_for 20 grows $pid "$was"
ok $? "and reads again by another process"

mode hang
wait_for 30 unknown && grep -q 'driver does not answer' "$TMP/log" && daemon_answers
ok $? "no call returns: given up, and the daemon answers"
round=$(status_value "s['daemon']['round_max_us']")
[ "${round:-9999999}" -lt 2000000 ]
ok $? "no round has waited for it: $round us at most"
mode
# no reader has lived for a minute, so that the pauses have grown
wait_for 120 known
ok $? "and it is read again when calls return"

last=$(reader)
daemon_stop TERM
ok $? "stop"
gone() { ! kill -0 "$last" 2>/dev/null; }
wait_for 5 gone
ok $? "no reader stays behind"

run 0 sh -c "LD_LIBRARY_PATH=$GPUEMU \"$STARLING\" check --cuda" ||
	[ "$got" -eq 1 ] && out_has '^nvml  *memory  *yes' && out_has '^nvml  *is there  *yes' &&
	out_has '^FFFF:01:00.0 .* 48 yes  *0 to -5'
ok $? "check tells what each source can tell, and of CUDA's devices"
LD_LIBRARY_PATH=$GPUEMU/old "$STARLING" check >"$TMP/out" 2>&1
out_has '^nvml  *-  *no  *the driver.s library is too old'
ok $? "check: a library that is too old is called that"
LD_LIBRARY_PATH=$GPUEMU "$STARLING" check --json >"$TMP/out" 2>&1
is_json && python3 -c '
import json, sys
for s in json.load(open(sys.argv[1]))["gpu_sources"]:
    assert s["detail"], s
    assert s["there"] == (s["name"] == "nvml") or s["name"] != "nvml", s
    assert not s["there"] or any(v for v in s["values"].values()), s' "$TMP/out"
ok $? "check --json has them too"

done_testing

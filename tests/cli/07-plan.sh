#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# starling plan: what comes out for each machine of tests/fixtures, by meaning.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

# Lines of a load file that is then $TMP/load
load() { printf '%s\n' "$@" >"$TMP/load"; }

# plan EXPR: EXPR over the last JSON output. cpus(TEXT) is a set, kept the
# protected CPUs, task[NAME] a line of the load, kind(NAME) "big"/"little" CPUs.
plan() {
	python3 -c '
import json, sys
p = json.load(open(sys.argv[1]))
def cpus(text):
    out = set()
    for part in filter(None, (text or "").split(",")):
        a, _, b = part.partition("-")
        out |= set(range(int(a), int(b or a) + 1))
    return out
usable = cpus(p["machine"]["usable"])
kept = cpus(p["plan"]["protected"])
lent = cpus(p["plan"]["lent"])
task = {t["name"]: t for t in p["tasks"]}
cpu = {c["cpu"]: c for c in p["machine"]["cpu"]}
def kind(big):
    return {n for n, c in cpu.items() if c["big"] == big}
assert usable == set(cpu), "cpu"
assert kept == {n for n, c in cpu.items() if c["protected"]}, "protected"
sys.exit(0 if eval("(" + sys.argv[2] + ")") else 1)' "$TMP/out" "$1" 2>"$TMP/err"
}

# on MACHINE EXPR TEXT: with the load of $TMP/load
on() {
	if [ ! -d "$TMP/$1" ]; then
		tests/fixtures/make "$1" "$TMP/$1" || return
	fi
	run 0 "$STARLING" plan --json --sysroot "$TMP/$1" --load "$TMP/load" && plan "$2"
	ok $? "$1: $3"
}

# What holds everywhere with one feeder that spins beside tools.
load 'feeder wait=spin' service 'agent count=9' tool
everywhere='kept and not lent and kept < usable and
	task["feeder"]["role"] == "feeder" and task["feeder"]["cpus"] is None and
	cpus(task["feeder"]["kept"]) == kept and task["service"]["role"] == "service" and
	task["agent"]["role"] == "orchestrator" and task["agent"]["cpus"] is None and
	task["tool"]["role"] == "tool" and cpus(task["tool"]["cpus"]) == usable - kept and
	task["tool"]["idle_class"] and
	len({cpu[n]["core"] for n in kept}) == 1 and
	not {cpu[n]["core"] for n in kept} & {cpu[n]["core"] for n in usable - kept} and
	all(cpu[n]["big"] for n in kept)'
for machine in $(tests/fixtures/make --list | cut -d' ' -f1); do
	on "$machine" "$everywhere" "one whole fast core is kept, tools have the rest"
done

slow='cpus(task["tool"]["prefer"])'
on gb10 "kept == {19} and $slow == cpus('0-4,10-14')" "last core of the larger cache"
on gb10-hot "kept == {9} and cpu[19]['hot'] and not cpu[9]['hot']" "not where it is hot"
on gb10-offline 'kept == {17} and usable == cpus("0-3,6-17")' "what is online"
on gb10-part "kept == {9} and usable == cpus('0-9') and $slow == cpus('0-4')" \
	"what the cpuset allows"
on x86 'kept == {9, 19} and not task["tool"]["prefer"]' "both threads of a core"
on hybrid "kept == {10, 11} and $slow == cpus('12-15')" "a performance core"
on hybrid-lp "kept <= kind(True) == cpus('0-5') and $slow == cpus('6-15')" \
	"cores outside the cache are slow ones"
on x3d 'kept == {7, 23} and cpu[7]["cache_kib"] == 96 << 10' "the die with the larger cache"
on strix "kept <= kind(True) == cpus('0-3,12-15')" "dense cores are slow ones"
on epyc 'kept <= cpus(p["machine"]["near_gpu"]) == cpus("0-15,32-47")' "the node of the GPU"
on orin 'kept == {5} and p["machine"]["big"] == 6' "six equal cores"
on gh200 'kept == {71} and p["machine"]["near_gpu"] is None and
	{c["node"] for c in cpu.values()} == {0}' "nodes of memory alone count for nothing"

load 'feeder wait=yield count=3' 'agent' 'tool count=5'
on gb10 'kept == {18, 19}' "one core in ten at most"
on x3d '{cpu[n]["cache"] for n in kept} == {0} and len(kept) == 4' "two cores in one cache"
on epyc 'len(kept) == 6 and len({cpu[n]["cache"] for n in kept}) == 1' "three in one cache"
on hybrid 'kept == {10, 11}' "six and four cores have one to spare"

load 'feeder wait=block' 'agent' 'tool'
on gb10 'not kept and task["feeder"]["real_time"] and task["tool"]["cpus"] is None and
	not task["tool"]["idle_class"]' "one that blocks needs no core, nor a class"
load 'feeder wait=block cpu=60' 'agent' 'tool'
on gb10 'not task["feeder"]["real_time"] and task["feeder"]["nice_delta"] < 0' \
	"one that runs for long is not real-time"
load 'feeder wait=block group=1' 'agent' 'tool group=2'
on gb10 'kept == {19}' "beside tools in another group it does"
load 'feeder wait=spin active=no' 'agent' 'tool'
on gb10 'not kept and lent == {19} and task["feeder"]["active"] is False and
	task["tool"]["cpus"] is None' "a quiet one has its core lent"
load 'agent' 'tool'
on gb10 'not kept and not task["tool"]["idle_class"] and not task["tool"]["prefer"]' \
	"no feeder, no change"
# A model on CPUs: the fast cores of one cache, if it is one of two and holds all.
at='cpus(task["llama"]["cpus"])'
load 'inference llama count=5' 'agent' 'tool'
on gb10 "$at == cpus('15-19') and task['llama']['role'] == 'inference' and
	task['llama']['nice_delta'] == -10 and p['plan']['inference'] == 5 and
	not task['tool']['idle_class'] and task['tool']['cpus'] is None" "one cluster's fast cores"
on gb10-offline "$at == cpus('6-9,15-17')" "all fast cores, if no cluster has enough online"
on x3d "$at == cpus('0-7')" "the die with the larger cache"
on hybrid-lp "$at == cpus('0-5')" "one thread of each performance core"
for machine in x86 epyc gh200 orin boost plain; do
	on "$machine" "task['llama']['cpus'] is None and task['llama']['nice_delta'] == -10" \
		"no CPUs to prefer for a model"
done
load 'inference llama count=8'
on gb10 "$at == cpus('5-9,15-19')" "more threads than one cluster has: all fast cores"
on hybrid "task['llama']['cpus'] is None" "more threads than fast cores: all CPUs"
load 'feeder wait=spin' 'inference llama count=4' 'agent' 'tool'
on gb10 "kept == {19} and $at == cpus('15-18')" "not on a feeder's core"

load 'feeder llama wait=spin' 'agent a weight=300 count=2' 'tool cc count=4' \
	'orchestrator loop' 'background index  # said, not seen' '' '# a comment' \
	'agent b' 'tool sh'
on gb10 'task["cc"]["count"] == 8 and task["cc"]["agent"] == "a" and
	task["cc"]["weight"] == 300 and task["sh"]["weight"] == 100 and
	task["loop"]["role"] == "orchestrator" and task["index"]["role"] == "background" and
	task["index"]["role_source"] == "owner"' "agents, weights, names"

# The plan of a dry run has the names of the daemon's.
run 0 "$STARLING" plan --json && plan '{"seq", "why", "protected", "lent", "feeders",
	"feeders_active", "inference", "inference_active", "roles"} == set(p["plan"]) and
	p["version"] == 1 and
	p["machine"]["sysroot"] is None'
ok $? "this machine, default load"
run 0 "$STARLING" plan --sysroot "$TMP/gb10" && out_has '\[19\]' && out_has 'cache 1  16 MiB  big' &&
	out_has '^tool .* 0-18 .* 0-4,10-14 '
ok $? "a picture, and a table"
run 0 "$STARLING" plan --sysroot "$TMP/epyc" && out_has '^node 0, at the GPU$' &&
	out_has '^node 1$' && out_has '\[15+47\]'
ok $? "nodes and hardware threads in the picture"
run 0 "$STARLING" plan --no-legend --sysroot "$TMP/gb10" && ! out_has TASK && ! out_has node
ok $? "--no-legend prints the tasks alone"

run 1 "$STARLING" plan --sysroot "$TMP/none" && err_has "no directory $TMP/none" && err_lines 1
ok $? "a directory that is not there: one line"
mkdir "$TMP/empty"
run 1 "$STARLING" plan --sysroot "$TMP/empty" && err_has 'cpu/online' && err_lines 1
ok $? "a directory without a machine: one line"
run 1 "$STARLING" plan --load "$TMP/none" && err_has "cannot read $TMP/none" && err_lines 1
ok $? "a load file that is not there: one line"
run 1 "$STARLING" plan --load "$TMP" && err_lines 1
ok $? "a load file that is a directory: one line"

# wrong LINE-NUMBER WORDS LINES...
wrong() {
	at=$1 words=$2
	shift 2
	load "$@"
	run 1 "$STARLING" plan --load "$TMP/load" && err_has "load:$at: .*$words" && err_lines 1 &&
		! [ -s "$TMP/out" ]
	ok $? "a load file: $words"
}
wrong 2 "'fedeer' is none of feeder, service" 'agent' 'fedeer'
wrong 1 "'dance' is no value of wait: use one of unknown, block, spin, yield" \
	'feeder wait=dance'
wrong 3 "'0' is no value of count: use 1 to" '' 'agent' 'tool count=0'
wrong 1 "'1x' is no value of weight" 'agent weight=1x'
wrong 1 "'' is no value of weight" 'agent weight='
wrong 2 "tool has no 'wait'" 'agent' 'tool wait=spin'
wrong 1 "put an 'agent' line before it" 'tool'
wrong 1 "put a 'feeder' line before it" 'service'
wrong 1 "two names, 'a' and 'b'" 'feeder a b'
wrong 1 'name is longer than 31' "feeder $(printf '%032d' 0)"
wrong 1 'longer than 254' "$(printf '#%0300d' 0)"
wrong 2 'more than 4096 tasks' 'agent count=4000' 'tool'
wrong 257 'more than 256 lines' "$(yes agent | head -n 257)"
load '# nothing'
run 1 "$STARLING" plan --load "$TMP/load" && err_has 'describes no task' && err_lines 1
ok $? "a load file without a task"
run 2 "$STARLING" plan extra
ok $? "an argument is a usage error"

done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# At the same time on a GPU, by MPS: where the daemon allows it and the driver, an
# emulated one, says that it would be so; and in one line why not.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
need_root
[ -e "$GPUEMU/libcuda.so.1" ] || skip_all "no emulated GPU in $GPUEMU"

GPUEMU_DEVICE=$TMP/gpu
LD_LIBRARY_PATH=$GPUEMU
export GPUEMU_DEVICE LD_LIBRARY_PATH
unset CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER STARLING_GPU CUDA_MPS_PIPE_DIRECTORY \
	CUDA_MPS_ACTIVE_THREAD_PERCENTAGE CUDA_MPS_CLIENT_PRIORITY CUDA_MPS_PINNED_DEVICE_MEM_LIMIT
PIPE=$TMP/pipe
mkdir "$PIPE" "$TMP/lib"
echo none >"$TMP/lib/libcuda.so.1"
# what stands for a control daemon, see tests/gpuemu
mps_starts() { touch "$PIPE/control"; }

# share STATUS ARG [OPTION...]: what MPS and CUDA are told is in $TMP/out
share() {
	status=$1 arg=$2
	shift 2
	run "$status" "$STARLING" run -q --gpu="$arg" "$@" -- sh -c 'env | grep ^CUDA_ | sort'
}
# refused TEXT: nothing was run
refused() { [ ! -s "$TMP/out" ] && err_lines 1 && err_has "$1"; }
# is LINE...: that, of MPS, and nothing else
is() {
	printf '%s\n' "$@" >"$TMP/want"
	grep '^CUDA_MPS' "$TMP/out" | diff "$TMP/want" - >"$TMP/diff" && [ ! -s "$TMP/err" ] && return
	sed 's/^/# /' "$TMP/diff"
	return 1
}
# shared VALUE: what check --cuda says of each device
shared() {
	python3 -c '
import json, sys
print([d["mps"] for d in json.load(open(sys.argv[1]))["cuda_devices"]])' "$TMP/out" | grep -qxF "[$1]"
}
pipe=CUDA_MPS_PIPE_DIRECTORY=$PIPE
daemon() { daemon_start --no-kmod --no-bpf --placer none --gpu off "$@"; }

mps_starts
share 125 share && refused 'starlingd, which may allow MPS, does not answer'
ok $? "no daemon: one line, and nothing is run"

for bad in maybe on-top ''; do
	run 2 "$STARLINGD" --mps "$bad" && err_has "off, on or a directory from / on, not '$bad'"
	ok $? "--mps refuses '$bad'"
done
for off in '' '--mps off'; do
	# shellcheck disable=SC2086
	daemon $off
	share 125 share && refused "MPS is not allowed here: 'starlingd --mps on' allows it"
	ok $? "not allowed by starlingd $off"
	[ "$(status_value "s['gpu']['mps']")" = "{'allowed': False, 'pipe': None}" ]
	ok $? "and status says so"
	daemon_stop TERM
done
daemon --mps on
[ "$(status_value "s['gpu']['mps']")" = "{'allowed': True, 'pipe': '/tmp/nvidia-mps'}" ]
ok $? "allowed where NVIDIA's daemon is by default"
daemon_stop TERM

daemon --mps "$PIPE"
rm "$PIPE/control"
share 125 share && refused "no MPS by $PIPE: CUDA would not share FFFF:01:00.0 by it; start nvidia"
ok $? "allowed, but nobody is there: one line"
mps_starts
LD_LIBRARY_PATH=$TMP/lib
share 125 share && refused "no MPS by $PIPE: no CUDA: "
ok $? "allowed, but there is no CUDA: one line"
LD_LIBRARY_PATH=$GPUEMU
CUDA_VISIBLE_DEVICES=-1
export CUDA_VISIBLE_DEVICES
share 125 share && refused "no MPS by $PIPE: no CUDA: cuInit: error 100"
ok $? "allowed, but CUDA is shown no device: one line"
unset CUDA_VISIBLE_DEVICES

share 0 share && is "$pipe"
ok $? "allowed and there: the command is told where"
out_has '^CUDA_VISIBLE_DEVICES=0$' && out_has '^CUDA_DEVICE_ORDER=PCI_BUS_ID$'
ok $? "and sees its GPU"
share 0 share,see=all && is "$pipe" && ! out_has VISIBLE
ok $? "or all"
GPUEMU_DEVICES=2 CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=1
export GPUEMU_DEVICES CUDA_DEVICE_ORDER CUDA_VISIBLE_DEVICES
share 0 share && is "$pipe" && out_has '^CUDA_VISIBLE_DEVICES=1$'
ok $? "or what it was let see"
run 0 "$STARLING" run --gpu=share -- true && err_lines 1 &&
	err_has "leaves out GPU 0 (gpu=0, the default): left so; unset it, or give gpu=$"
ok $? "with a line"
share 125 share,memory=4G && refused "leaves out GPU 0 (gpu=0, the default); unset it"
ok $? "but memory of another GPU is not limited: one line"
share 125 share,memory=4G,see=all && refused "leaves out GPU 0 (gpu=0, the default); unset it"
ok $? "nor where it sees all that it may"
share 0 share,memory=4G,gpu=1 && is CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=1=4096M "$pipe"
ok $? "only that of its own"
unset GPUEMU_DEVICES CUDA_DEVICE_ORDER CUDA_VISIBLE_DEVICES
share 0 share,percent=30,priority=batch,memory=16G &&
	is CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=30 CUDA_MPS_CLIENT_PRIORITY=1 \
		CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=16384M "$pipe"
ok $? "percent, priority and memory"
share 0 share --priority batch && is CUDA_MPS_CLIENT_PRIORITY=1 "$pipe"
ok $? "a batch agent is below normal"
share 0 share,priority=interactive --priority batch && is CUDA_MPS_CLIENT_PRIORITY=0 "$pipe"
ok $? "unless it is of another class on the GPU"
"$STARLING" run -q --gpu=share -- "$STARLING" check --cuda --json >"$TMP/out" 2>"$TMP/err"
shared True
ok $? "inside, CUDA says that it is shared"
CUDA_MPS_PIPE_DIRECTORY=$TMP/lib "$STARLING" check --cuda --json >"$TMP/out" 2>"$TMP/err"
shared False
ok $? "and elsewhere that it is not"
CUDA_MPS_PIPE_DIRECTORY=$PIPE "$STARLING" check --cuda >"$TMP/out" 2>"$TMP/err"
out_has '^PCI .* MPS *$' && out_has '^FFFF:01:00.0 .* yes *$'
ok $? "check shows it to people, too"
run 0 "$STARLING" run --gpu=share -n sharer -- "$STARLING" status --json &&
	out_has '"name": "sharer"' && ! [ -s "$TMP/err" ]
ok $? "it is an agent as others"

CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=40
CUDA_MPS_CLIENT_PRIORITY=1
CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=1G
CUDA_MPS_PIPE_DIRECTORY=$PIPE
export CUDA_MPS_ACTIVE_THREAD_PERCENTAGE CUDA_MPS_CLIENT_PRIORITY \
	CUDA_MPS_PINNED_DEVICE_MEM_LIMIT CUDA_MPS_PIPE_DIRECTORY
share 0 share && is CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=40 CUDA_MPS_CLIENT_PRIORITY=1 \
	CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=1G "$pipe"
ok $? "what the environment says stays"
share 0 share,percent=10,memory=1M --priority normal &&
	is CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=10 CUDA_MPS_CLIENT_PRIORITY=0 \
		CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=1M "$pipe"
ok $? "unless an option says otherwise"
CUDA_MPS_PIPE_DIRECTORY=$TMP/lib
touch "$TMP/lib/control"
share 125 share && refused "'$TMP/lib' is not where MPS is allowed, which is $PIPE: unset it"
ok $? "pipes of one's own are not the administrator's"
unset CUDA_MPS_ACTIVE_THREAD_PERCENTAGE CUDA_MPS_CLIENT_PRIORITY \
	CUDA_MPS_PINNED_DEVICE_MEM_LIMIT CUDA_MPS_PIPE_DIRECTORY

for bad in share,percent=0 share,percent=101 share,percent=x share,turn=5ms lease,percent=5 \
	share,lease lease,share share,what=5 both; do
	share 125 $bad && err_has '^starling run: --gpu' && ! [ -s "$TMP/out" ]
	ok $? "--gpu=$bad is refused"
done
share 125 share,memory=100K && refused 'MPS counts in MiB'
ok $? "--gpu=share,memory=100K is refused"
share 125 share --gpu=lease && err_has 'not both' && ! [ -s "$TMP/out" ]
ok $? "nor are turns and the same time to be had together"
STARLING_GPU=gpu=0,name=outer
export STARLING_GPU
share 125 share && err_has "nor share within a 'starling run' with lease" && ! [ -s "$TMP/out" ]
ok $? "not one inside the other, either"
unset STARLING_GPU
daemon_stop TERM

# Somebody else who listens, and allows everything.
chmod 755 "$TMP"
mkdir "$TMP/theirs"
chown 65534 "$TMP/theirs"
python3 - "$TMP/theirs/control" "$PIPE" >"$TMP/log" 2>&1 <<'PY' &
import json, os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
answer = {"parameters": {"gpu": {"mps": {"allowed": True, "pipe": sys.argv[2]}, "devices": []}}}
while True:
    c = s.accept()[0]
    if c.recv(65536):
        c.sendall(json.dumps(answer).encode() + b"\0")
    c.close()
PY
child $!
STARLING_SOCKET=$TMP/theirs/control
export STARLING_SOCKET
wait_for 10 daemon_answers && run 0 "$STARLING" status --json && out_has "$PIPE"
ok $? "somebody else's daemon answers"
share 125 share && refused "is not root's, and cannot allow MPS"
ok $? "and allows nothing"

done_testing

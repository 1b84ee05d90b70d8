#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The inference server as its clients see it.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

"$AGENTLOAD" serve --port 0 --t1-ms 5 --wait block >"$TMP/server" 2>"$TMP/err" &
server=$!
pids="$pids $server"
wait_for 10 grep -q listening "$TMP/server"
ok $? "the server says where it listens"
grep -q 'EMULATED GPU' "$TMP/server"
ok $? "and that its GPU is emulated"
port=$(sed 's/.*127.0.0.1:\([0-9]*\),.*/\1/' "$TMP/server")

# the client prints TAP lines without numbers
python3 tests/load/client.py "$port" >"$TMP/lines" 2>"$TMP/err"
while read -r result text; do
	[ "$result" = ok ]
	ok $? "$text"
done <"$TMP/lines"
[ "$(wc -l <"$TMP/lines")" -ge 12 ]
ok $? "the client came to its end"

run 1 "$AGENTLOAD" serve --port "$port" && err_is_one_line && err_has "port $port is in use"
ok $? "a busy port: one line, exit 1"
for bad in '--port 70000' '--t1-ms 0' '--max-batch 0' '--wait nap' stray; do
	# shellcheck disable=SC2086
	run 2 "$AGENTLOAD" serve $bad && err_is_one_line
	ok $? "serve $bad: one line, exit 2"
done
! grep -v 127.0.0.1 "$TMP/server" && ! python3 -c "
import socket, sys
socket.create_connection((socket.gethostbyname(socket.gethostname()), int(sys.argv[1])), 2) if not \
	socket.gethostbyname(socket.gethostname()).startswith('127.') else sys.exit(1)" "$port" \
	2>/dev/null
ok $? "it listens on 127.0.0.1 only"

# a client in the middle of a stream must not keep it from stopping
python3 - "$port" "$TMP/streaming" <<-'PY' &
	import http.client, sys
	c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
	c.request("POST", "/v1/completions", '{"prompt": "x", "max_tokens": 9999, "stream": true}')
	r = c.getresponse()
	open(sys.argv[2], "w").close()
	try:
	    r.read()
	except Exception:
	    pass
PY
wait_for 20 test -e "$TMP/streaming"
kill "$server"
wait "$server"
ok $? "SIGTERM with a client in mid-stream: exit 0"
[ -z "$(ours)" ]
ok $? "and leaves no process"

done_testing

# SPDX-License-Identifier: GPL-2.0-only
"""What a client of an OpenAI-style server does, right and wrong; one result a line."""

import http.client
import json
import socket
import sys
import time

PORT = int(sys.argv[1])


def check(good, text):
    print("ok" if good else "bad", text, flush=True)


def ask(method, path, body=None):
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    c.request(method, path, body)
    r = c.getresponse()
    text = r.read().decode()
    return r.status, json.loads(text)


def stream(max_tokens, prompt="Why is the sky blue?"):
    """The events of a streamed completion, each with the time it came."""
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    c.request("POST", "/v1/completions", json.dumps(
        {"prompt": prompt, "max_tokens": max_tokens, "stream": True}))
    r = c.getresponse()
    events = []
    while True:
        line = r.readline().decode()
        if not line:
            break
        if line.startswith("data: "):
            events.append((time.monotonic(), line[6:].strip()))
    return r, events


def raw(data):
    """Status of the answer to bytes that no library would send."""
    with socket.create_connection(("127.0.0.1", PORT), 10) as s:
        s.sendall(data)
        answer = s.recv(100).decode()
    return int(answer.split()[1]) if answer else 0


def settled():
    for _ in range(50):
        if ask("GET", "/stats")[1]["queued"] == 0:
            return True
        time.sleep(0.1)
    return False


def test_stream():
    r, events = stream(20)
    check(r.status == 200 and r.getheader("Content-Type") == "text/event-stream" and
          r.getheader("Transfer-Encoding") == "chunked", "a stream is chunked and of events")
    tokens = [json.loads(e) for _, e in events if e != "[DONE]"]
    text = [t for t in tokens if t["choices"]]
    check(len(text) == 20 and events[-1][1] == "[DONE]", "20 tokens, then [DONE]")
    check(text[-1]["choices"][0]["finish_reason"] == "length" and
          all(t["choices"][0]["finish_reason"] is None for t in text[:-1]),
          "only the last token has a reason to finish")
    usage = tokens[-1]["usage"]
    check(usage["completion_tokens"] == 20 and usage["gpu_ms"] > 50, "usage has the GPU's time")
    # 19 gaps of 5 ms at least: they did not come in one piece
    check(events[19][0] - events[0][0] > 0.08, "tokens come as they are made")


def test_requests():
    status, j = ask("POST", "/v1/completions", '{"prompt": [1, 2, 3], "max_tokens": 3}')
    check(status == 200 and j["usage"]["prompt_tokens"] == 3 and j["choices"][0]["text"],
          "an answer in one piece")
    check(ask("GET", "/v1/models")[1]["data"][0]["object"] == "model", "models")
    check(ask("GET", "/health")[1]["status"] == "ok", "health")
    j = ask("GET", "/stats")[1]
    check(j["emulated"] and j["note"] == "EMULATED GPU" and j["tokens"] >= 23 and
          j["lateness_us"]["n"] == j["steps"] and j["feeder"]["tid"] > 0, "stats")


TOOL = {"type": "function", "function": {"name": "count", "parameters": {
    "type": "object", "required": ["word", "times"],
    "properties": {"word": {"type": "string"}, "times": {"type": "integer"}}}}}


def chat(*messages, **more):
    return ask("POST", "/v1/chat/completions", json.dumps(
        {"messages": list(messages), "max_tokens": 4, **more}))


def test_chat():
    user = {"role": "user", "content": "How often does it say core?"}
    status, j = chat(user)
    choice = j["choices"][0]
    check(status == 200 and choice["message"]["content"] and choice["finish_reason"] == "stop" and
          j["usage"]["completion_tokens"] == 4, "chat: talks")
    j = chat(user, tools=[TOOL])[1]
    call = j["choices"][0]["message"]["tool_calls"][0]
    arguments = json.loads(call["function"]["arguments"])
    check(call["function"]["name"] == "count" and isinstance(arguments["word"], str) and
          isinstance(arguments["times"], int), "chat: calls the tool that it is offered")
    j = chat(user, j["choices"][0]["message"], {"role": "tool", "tool_call_id": call["id"],
                                                "content": "3"}, tools=[TOOL])[1]
    check(j["choices"][0]["message"]["content"], "chat: talks when it has the tool's answer")
    parts = [{"type": "text", "text": "x" * 40}]
    check(chat({"role": "user", "content": parts})[1]["usage"]["prompt_tokens"] == 10,
          "chat: text in parts")
    for body in ("{", "{}", '{"messages": []}', '{"messages": [{}], "max_tokens": 0}',
                 '{"messages": [{}], "stream": true}'):
        status, j = ask("POST", "/v1/chat/completions", body)
        check(status == 400 and j["error"]["message"], f"chat: 400 for {body}")


def test_errors():
    for body, what in (("{", "no JSON"), ("{}", "no prompt"), ('{"prompt": 5}', "a number"),
                       ('{"prompt": "x", "max_tokens": 0}', "no tokens"),
                       ('{"prompt": "x", "max_tokens": 1e9}', "too many tokens")):
        status, j = ask("POST", "/v1/completions", body)
        check(status == 400 and j["error"]["message"], f"400 for {what}")
    check(ask("GET", "/nothing")[0] == 404, "404 for an unknown path")
    check(ask("GET", "/v1/completions")[0] == 405, "405 for a wrong method")
    check(raw(b"nonsense\r\n\r\n") == 400, "400 for what is not HTTP")
    check(raw(b"POST /v1/completions HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n") == 413,
          "413 for a body that is too long")
    check(raw(b"GET /health HTTP/1.1\r\nX: " + b"a" * 20000 + b"\r\n\r\n") in (0, 400),
          "a header that is too long ends the connection")
    check(raw(b"POST /x HTTP/1.1\r\nContent-Length: -5\r\n\r\n") == 400, "400 for a length of -5")


def test_leaving():
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    c.request("POST", "/v1/completions", '{"prompt": "x", "max_tokens": 9999, "stream": true}')
    c.getresponse().read(200)
    c.close()
    check(settled(), "a client that leaves frees its place")


def main():
    for test in (test_stream, test_requests, test_chat, test_errors, test_leaving):
        test()


main()

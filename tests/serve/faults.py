#!/usr/bin/env python3
"""What bad clients, bad networks and signals do to `tokenyard serve`: faults.py PROGRAM [CASE...]

Needs nothing but Python. Every case starts a server of its own on a free port; after each, whatever clients did, no request may
be left, no KV block held, no descriptor lost, and the trace must be whole.
"""

import http.client
import json
import os
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PROGRAM = sys.argv[1]
SLOW = ["--backend", "sim", "--set", 'step_time={"per_step_us":2000}']  # 2 ms a step: there is time to break in
FAST = ["--backend", "sim", "--set", 'step_time={"per_step_us":0.001}']


class Server:
    def __init__(self, *arguments, trace=True):
        self.folder = tempfile.TemporaryDirectory()
        self.trace = os.path.join(self.folder.name, "served.trace") if trace else None
        command = [PROGRAM, "serve", "--port", "0", *arguments] + (["--trace", self.trace] if trace else [])
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.search(r":(\d+) serves", line)
        if not found:
            raise AssertionError("the server does not start: " + line + self.process.stderr.read())
        self.port = int(found.group(1))
        self.descriptors = self.num_descriptors()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            if kind is None:
                self.is_clean()
            self.end(check=kind is None)
        self.folder.cleanup()

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path)
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, body

    def post(self, path, body, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, data, {"Content-Type": "application/json", **(headers or {})})
        reply = connection.getresponse()
        text = reply.read()
        connection.close()
        return reply.status, text

    def metric(self, name):
        text = self.get("/metrics")[1].decode()
        return sum(float(value) for value in re.findall(rf"^vllm:{name}{{[^}}]*}} (\S+)$", text, re.M))

    def num_descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024

    def wait_for(self, holds, what, seconds=20):
        end = time.time() + seconds
        while time.time() < end:
            if holds():
                return
            time.sleep(0.02)
        raise AssertionError(f"after {seconds} s: {what}")

    def is_clean(self):
        self.wait_for(lambda: self.metric("num_requests_running") == 0, "requests still run")
        self.wait_for(lambda: self.metric("num_requests_waiting") == 0, "requests still wait")
        assert self.metric("kv_cache_usage_perc") == 0, "blocks are held"
        self.wait_for(lambda: self.num_descriptors() <= self.descriptors + 1, f"{self.num_descriptors()} descriptors, began with {self.descriptors}")

    def end(self, check=True):
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=60)
        if check:
            assert self.process.returncode == 0, f"exit status {self.process.returncode}: {err}"
            self.trace_is_whole()

    def trace_is_whole(self):
        if self.trace:
            with open(self.trace) as trace:
                last = trace.readlines()[-1]
            assert last.startswith('{"end"'), "the trace has no end: " + last[:80]
            replayed = subprocess.run([PROGRAM, "replay", self.trace], capture_output=True, text=True)
            assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def request(path, body, extra=""):
    data = json.dumps(body).encode()
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n{extra}\r\n".encode() + data


def stream_request(tokens, prompt="Once upon a time", **fields):
    return request("/v1/completions", {"prompt": prompt, "max_tokens": tokens, "ignore_eos": True, "stream": True, "seed": 1, **fields})


def read_all(connection):
    out = b""
    while part := connection.recv(1 << 16):
        out += part
    return out


def read_until(connection, text):
    out = b""
    while text not in out:
        part = connection.recv(1 << 16)
        assert part, f"the connection ended before {text}: {out[-200:]}"
        out += part
    return out


def reset(connection):
    """Closes with RST, as a client that crashes does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def status_of(reply):
    return int(re.match(rb"HTTP/1\.[01] (\d+)", reply).group(1))


# --- what is sent wrongly ---


def bodies():
    with Server(*FAST) as server:
        def status(body, path="/v1/chat/completions", headers=None):
            code, text = server.post(path, body, headers)
            if code >= 400:
                error = json.loads(text)["error"]
                assert set(error) == {"message", "type", "param", "code"}, error
            return code

        assert status(b"") == 400
        assert status(b"{") == 400
        assert status(b"null") == 400
        assert status(b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}') == 400  # no UTF-8
        assert status(b'{"messages": [{"role": "user", "content": "\\ud800"}]}') == 400  # half a surrogate pair
        assert status(b"[" * 100000 + b"]" * 100000) == 400  # deep
        assert status(b'{"a":' * 5000 + b"1" + b"}" * 5000) == 400
        assert status(b'{"prompt": "x", "max_tokens": 1e400}', "/v1/completions") == 400
        assert status(b'{"prompt": "x", "seed": 123456789012345678901234567890}', "/v1/completions") == 400
        assert status(b'{"prompt": "x"}', "/v1/completions", {"Content-Type": "text/plain"}) == 415
        assert status(b"{}", "/nothing") == 404
        assert server.get("/v1/completions")[0] == 405
        # 10 MB, of which every byte is read: too long for the context.
        assert status(json.dumps({"prompt": "a " * 5_000_000, "max_tokens": 1}).encode(), "/v1/completions") == 400
        assert status(json.dumps({"prompt": [1] * 2_000_000, "max_tokens": 1}).encode(), "/v1/completions") == 400
        # Larger than the limit: refused by its length, before it is read.
        with server.connect() as connection:
            connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n")
            assert status_of(connection.recv(1 << 16)) == 413
        with server.connect() as connection:  # or by its size, in chunks
            connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(64):
                    connection.sendall(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
            except OSError:
                pass
            assert status_of(connection.recv(1 << 16)) == 413
        assert server.get("/health")[0] == 200


def bodies_fill_memory():
    """Half-sent large bodies hold memory up to a bound in all; ordinary requests do not notice."""
    head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with Server(*FAST) as server:
        holders = []
        for _ in range(8):  # 8 x 30 MiB of 256 MiB: the rest has no room for a ninth
            connection = server.connect()
            connection.sendall(head + b"Content-Length: %d\r\n\r\n{" % (30 << 20))
            holders.append(connection)
        reply = b""
        while not reply:
            with server.connect() as connection:
                connection.sendall(head + b"Content-Length: %d\r\n\r\n{" % (30 << 20))
                connection.settimeout(1)
                try:
                    reply = connection.recv(1 << 16)
                except TimeoutError:  # it came before the others
                    pass
        assert status_of(reply) == 503 and b"Retry-After: 1" in reply and b"no room for this body" in reply, reply
        with server.connect() as connection:  # nor for one in chunks
            connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(30):
                    connection.sendall(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
            except OSError:
                pass
            assert status_of(connection.recv(1 << 16)) == 503
        assert server.post("/v1/completions", b'{"prompt": "x", "max_tokens": 1}')[0] == 200
        for connection in holders:
            connection.close()
        big = b"x" * (30 << 20)
        server.wait_for(lambda: server.post("/v1/completions", big)[0] == 400, "the room of clients that left is not free")
        for _ in range(12):  # more than 256 MiB in all: what was read makes room again
            assert server.post("/v1/completions", big)[0] == 400


def health_during_large_body():
    with Server(*FAST) as server:
        slowest = 0
        big = json.dumps({"prompt": "a " * 5_000_000, "max_tokens": 1}).encode()
        thread = threading.Thread(target=lambda: server.post("/v1/completions", big))
        thread.start()
        while thread.is_alive():
            start = time.time()
            assert server.get("/health")[0] == 200
            slowest = max(slowest, time.time() - start)
        thread.join()
        assert slowest < 1, f"/health took {slowest:.2f} s while a large body was read"


def no_http():
    with Server(*FAST) as server:
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00", b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 3 + b"\0" * 100,
                        b"GET /\x80 HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n",
                        b"POST /v1/completions HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                        b"POST /v1/completions HTTP/1.1\r\nContent-Length: -5\r\n\r\n"):
            with server.connect() as connection:
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
                reply = read_all(connection)
                assert reply == b"" or status_of(reply) == 400, reply
        dice = random.Random(1)
        for _ in range(300):
            with server.connect() as connection:
                connection.sendall(dice.randbytes(dice.randrange(1, 500)))
                connection.shutdown(socket.SHUT_WR)
                read_all(connection)


def header_flood():
    with Server(*FAST) as server:
        for head in (b"GET /health HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(100000)),
                     b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n", b"GET /health HTTP/1.1\r\nX: " + b"a" * 1_000_000):
            with server.connect() as connection:
                try:
                    connection.sendall(head)
                except OSError:
                    pass
                reply = connection.recv(1 << 16)
                assert status_of(reply) in (400, 431), reply
        assert server.get("/health")[0] == 200


def half_sent():
    with Server(*FAST) as server:
        whole = stream_request(5)
        for cut in list(range(1, len(whole), 7)):
            connection = server.connect()
            connection.sendall(whole[:cut])
            (connection.close if cut % 2 else lambda: reset(connection))()
        with server.connect() as connection:  # byte by byte it is a request all the same
            for byte in whole:
                connection.sendall(bytes([byte]))
            assert read_until(connection, b"[DONE]").count(b"data: {") == 6


def slowloris():
    with Server(*FAST) as server:
        held = []
        for _ in range(200):
            connection = server.connect()
            connection.sendall(b"GET /health HTTP/1.1\r\nX-")
            held.append(connection)
        assert server.get("/health")[0] == 200
        started = time.time()
        while time.time() - started < 40 and held:
            for connection in list(held):
                try:
                    connection.sendall(b"a")
                except OSError:
                    held.remove(connection)
            time.sleep(1)
        assert not held, f"{len(held)} connections that never end their header are still open"


def pipelined():
    with Server(*FAST) as server:
        with server.connect() as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + stream_request(4) + request("/v1/completions", {"prompt": "x", "max_tokens": 2})
                               + b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            reply = read_all(connection)
            assert reply.count(b"HTTP/1.1 200") == 6, reply
            assert reply.index(b"[DONE]") < reply.index(b"text_completion\",\"created", reply.index(b"[DONE]")) < reply.index(b'"version"')


def old_http():
    with Server(*FAST) as server:
        with server.connect() as connection:
            connection.sendall(stream_request(4).replace(b"HTTP/1.1", b"HTTP/1.0"))
            reply = read_all(connection)
            assert b"chunked" not in reply and reply.endswith(b"data: [DONE]\n\n"), reply


def expect_continue():
    with Server(*FAST) as server:
        body = json.dumps({"prompt": "x", "max_tokens": 2}).encode()
        with server.connect() as connection:
            connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
            assert status_of(connection.recv(1 << 16)) == 100
            connection.sendall(body)
            assert status_of(connection.recv(1 << 16)) == 200


# --- who goes away ---


def slow_reader():
    with Server(*FAST) as server:
        stuck = []
        for _ in range(20):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(stream_request(100_000))
            stuck.append(connection)
        before = time.time()
        status, text = server.post("/v1/completions", {"prompt": "x", "max_tokens": 50, "ignore_eos": True})
        assert status == 200 and time.time() - before < 5, "another client waits for those that do not read"
        server.wait_for(lambda: server.metric("num_requests_running") == 0, "a stream that nobody reads still runs")
        assert server.resident_mb() < 400, f"{server.resident_mb():.0f} MB"
        for connection in stuck:
            connection.close()


def half_closed():
    with Server(*SLOW) as server:
        for body in ({"stream": True}, {}):
            with server.connect() as connection:
                connection.sendall(request("/v1/completions", {"prompt": "x", "max_tokens": 50, "ignore_eos": True, **body}))
                connection.shutdown(socket.SHUT_WR)
                reply = read_all(connection)
                assert (b"[DONE]" if body else b'"completion_tokens":50') in reply, reply[-300:]
        assert server.metric("request_success_total") == 2


def gone_in_every_phase():
    """Waiting, prefill, decode; by FIN or by RST; streaming or not. Its prefix stays cached."""
    arguments = ["--backend", "sim", "--set", 'step_time={"per_step_us":10000}', "--set", "engine.max_num_seqs=2", "--set", "engine.max_num_batched_tokens=64", "--set", "engine.num_blocks=400"]
    with Server(*arguments) as server:
        token = 10
        for stream in (True, False):
            for leave in (socket.socket.close, reset):
                holders = [server.connect() for _ in range(2)]
                for holder in holders:
                    holder.sendall(stream_request(2000))
                    read_until(holder, b"data: {")  # decodes
                waiting = server.connect()
                waiting.sendall(request("/v1/completions", {"prompt": "x", "max_tokens": 5, "stream": stream}))
                server.wait_for(lambda: server.metric("num_requests_waiting") == 1, "it does not wait")
                leave(waiting)
                server.wait_for(lambda: server.metric("num_requests_waiting") == 0, "who waits is not cancelled", 2)
                leave(holders[0])
                server.wait_for(lambda: server.metric("num_requests_running") == 1, "who decodes is not cancelled", 2)
                prefill = server.connect()
                token += 1  # a prompt that no cache has: some sixty steps of prefill
                prefill.sendall(request("/v1/completions", {"prompt": [token] * 4000, "max_tokens": 5, "stream": stream}))
                server.wait_for(lambda: server.metric("num_requests_running") == 2, "it does not run")
                leave(prefill)
                server.wait_for(lambda: server.metric("num_requests_running") == 1, "who is in prefill is not cancelled", 2)
                leave(holders[1])
                server.is_clean()
        prompt = {"prompt": [9] * 320, "max_tokens": 500, "ignore_eos": True, "stream": True}
        first = server.connect()
        first.sendall(request("/v1/completions", prompt))
        read_until(first, b"data: {")
        reset(first)
        server.is_clean()
        _, text = server.post("/v1/completions", {"prompt": [9] * 320, "max_tokens": 1})
        assert json.loads(text)["usage"]["prompt_tokens_details"]["cached_tokens"] >= 304, text


def disconnects():
    """10,000 clients that leave at random moments, several at a time."""
    arguments = ["--backend", "sim", "--set", 'step_time={"per_step_us":200}', "--set", "engine.max_num_seqs=16", "--set", "engine.num_blocks=600"]
    with Server(*arguments) as server:
        count = int(os.environ.get("TOKENYARD_DISCONNECTS", "10000"))
        broken = []

        def client(seed):
            dice = random.Random(seed)
            try:
                for _ in range(count // 8):
                    connection = server.connect()
                    text = stream_request(dice.randrange(1, 200), prompt=[dice.randrange(3, 9)] * dice.randrange(1, 400), n=dice.choice((1, 1, 3))) \
                        if dice.random() < 0.7 else request("/v1/completions", {"prompt": "x", "max_tokens": dice.randrange(1, 200), "ignore_eos": True})
                    connection.sendall(text if dice.random() < 0.9 else text[:dice.randrange(len(text))])
                    if dice.random() < 0.3:
                        time.sleep(dice.random() * 0.01)
                    if dice.random() < 0.2:
                        connection.settimeout(0.05)
                        try:
                            connection.recv(dice.randrange(1, 5000))
                        except TimeoutError:
                            pass
                    (connection.close if dice.random() < 0.5 else lambda: reset(connection))()
            except Exception as error:
                broken.append(error)

        threads = [threading.Thread(target=client, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not broken, broken


def reload_under_load():
    """Many short connections while streams run, as a page that is reloaded makes them."""
    with Server(*SLOW) as server:
        streams = [server.connect() for _ in range(20)]
        for stream in streams:
            stream.sendall(stream_request(300))
        for _ in range(300):
            assert server.get("/")[0] == 200
            assert server.get("/live")[0] == 200
        for stream in streams:
            assert read_until(stream, b"[DONE]").count(b"data: {") == 301
            stream.close()


def full_queue():
    with Server(*SLOW, "--max-waiting", "3", "--set", "engine.max_num_seqs=1") as server:
        connections = [server.connect() for _ in range(20)]
        for connection in connections:
            connection.sendall(stream_request(100))
        replies = [connection.recv(1 << 16) for connection in connections]
        refused = [reply for reply in replies if status_of(reply) == 429]
        assert 14 <= len(refused) <= 17, len(refused)
        assert all(b"Retry-After: 1" in reply for reply in refused)
        for connection in connections:
            connection.close()


def one_prompt_many_answers():
    for policy in ("vllm_v1", "nano_vllm"):
        with Server(*FAST, "--policy", policy, "--set", "engine.max_num_batched_tokens=131072", "--set", "engine.max_model_len=2048") as server:
            _, text = server.post("/v1/completions", {"prompt": [5] * 321, "n": 4, "max_tokens": 20, "ignore_eos": True, "seed": 5})
            choices = json.loads(text)["choices"]
            assert [c["index"] for c in choices] == [0, 1, 2, 3] and len({c["text"] for c in choices}) == 4
            assert server.metric("prefix_cache_hits_total") == 3 * 320, server.metric("prefix_cache_hits_total")
            for i in range(4):
                _, one = server.post("/v1/completions", {"prompt": [5] * 321, "max_tokens": 20, "ignore_eos": True, "seed": 5 + i})
                assert json.loads(one)["choices"][0]["text"] == choices[i]["text"]


def keys():
    with Server(*FAST, "--api-key", "secret") as server:
        body = {"prompt": "x", "max_tokens": 1}
        assert server.post("/v1/completions", body)[0] == 401
        assert server.post("/v1/completions", body, {"Authorization": "Bearer wrong!"})[0] == 401
        assert server.post("/v1/completions", body, {"Authorization": "Bearer secret"})[0] == 200
        assert server.get("/v1/models")[0] == 401 and server.get("/live")[0] == 401
        assert server.get("/health")[0] == 200 and server.get("/metrics")[0] == 200 and server.get("/")[0] == 200


# --- how it ends ---


def drain():
    with Server(*SLOW) as server:
        running = server.connect()
        running.sendall(stream_request(300))
        read_until(running, b"data: {")
        idle = server.connect()
        server.process.send_signal(signal.SIGTERM)
        assert read_until(running, b"[DONE]").count(b"finish_reason\":\"length") == 1
        assert idle.recv(100) == b""
        assert server.process.wait(20) == 0
        server.trace_is_whole()


def drain_timeout():
    with Server(*SLOW, "--drain-timeout", "0.3") as server:
        stream, whole = server.connect(), server.connect()
        stream.sendall(stream_request(100_000))
        read_until(stream, b"data: {")
        whole.sendall(request("/v1/completions", {"prompt": "x", "max_tokens": 100_000, "ignore_eos": True}))
        server.wait_for(lambda: server.metric("num_requests_running") == 2, "two do not run")
        started = time.time()
        server.process.send_signal(signal.SIGTERM)
        last = read_until(stream, b"[DONE]")
        assert b'"code":"shutting_down"' in last, last[-300:]
        assert status_of(whole.recv(1 << 16)) == 503
        stream.close(), whole.close()
        assert server.process.wait(20) == 0
        assert time.time() - started < 5
        server.trace_is_whole()


def second_signal():
    with Server(*SLOW) as server:
        stream = server.connect()
        stream.sendall(stream_request(100_000))
        read_until(stream, b"data: {")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        started = time.time()
        server.process.send_signal(signal.SIGTERM)
        assert b'"code":"shutting_down"' in read_until(stream, b"[DONE]")
        stream.close()
        assert server.process.wait(20) == 0
        assert time.time() - started < 4
        server.trace_is_whole()


def killed():
    with Server(*SLOW) as server:
        stream = server.connect()
        stream.sendall(stream_request(2000))
        for _ in range(40):
            stream.recv(1 << 16)
            time.sleep(0.02)
        server.process.kill()
        server.process.wait()
        described = subprocess.run([PROGRAM, "replay", server.trace], capture_output=True, text=True)
        assert described.returncode == 0, described.stdout + described.stderr
        steps = int(re.search(r"all (\d+) steps identical", described.stdout).group(1))
        assert steps > 50, described.stdout


def followed():
    """What is served is in the trace within a second."""
    with Server(*SLOW) as server:
        stream = server.connect()
        stream.sendall(stream_request(1000))
        read_until(stream, b"data: {")
        time.sleep(1)
        with open(server.trace) as trace:
            assert len(trace.readlines()) > 20
        stream.close()


def no_descriptors():
    """More clients than descriptors: those beyond wait, and are served when others have gone."""
    with Server(*FAST) as server:
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, 64))
        crowd = [server.connect() for _ in range(200)]
        for connection in crowd:
            connection.close()
        server.wait_for(lambda: server.get("/health")[0] == 200, "nobody is served any more")


def wrong_start():
    def says(*arguments):
        done = subprocess.run([PROGRAM, "serve", *arguments], capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    with Server(*FAST) as server:
        assert "cannot listen here: Address already in use" in says("--port", str(server.port))
    assert "cannot listen here" in says("--host", "no.such.host.invalid")
    assert "from 0 to 65535" in says("--port", "70000")


CASES = [bodies, bodies_fill_memory, health_during_large_body, no_http, header_flood, half_sent, pipelined, old_http, expect_continue, slow_reader, half_closed,
         gone_in_every_phase, disconnects, reload_under_load, full_queue, one_prompt_many_answers, keys, drain, drain_timeout, second_signal, killed, followed,
         no_descriptors, wrong_start, slowloris]

if __name__ == "__main__":
    wanted = sys.argv[2:]
    failed = 0
    for case in CASES:
        if wanted and case.__name__ not in wanted:
            continue
        started = time.time()
        try:
            case()
            print(f"ok      {case.__name__} ({time.time() - started:.1f} s)", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAILED  {case.__name__}: {type(error).__name__}: {error}", flush=True)
            if os.environ.get("TOKENYARD_TRACEBACK"):
                raise
    sys.exit(1 if failed else 0)

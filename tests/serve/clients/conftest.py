"""A running `tokenyard serve` for clients that others wrote. clients.sh says which program: $TOKENYARD."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI, OpenAI
from prometheus_client.parser import text_string_to_metric_families

STORY = "story"  # the embedded model's name


class Server:
    """`tokenyard serve` with `options`, on a port that is free."""

    def __init__(self, folder: Path, *options: str, env: dict[str, str] | None = None) -> None:
        self.trace = folder / "served.trace"
        self._errors = folder / "stderr"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [os.environ["TOKENYARD"], "serve", "--port", "0", "--trace", str(self.trace), *options],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **(env or {})},
                text=True,
            )
        assert self._process.stdout is not None
        greeting = self._process.stdout.readline()
        assert greeting.startswith("http://"), f"it said {greeting!r} and {self._errors.read_text()!r}"
        self.root = greeting.split()[0]
        self.url = self.root + "/v1"

    def client(self, **options: object) -> OpenAI:
        return OpenAI(base_url=self.url, **{"api_key": "none", "max_retries": 0, "timeout": 60, **options})

    def async_client(self, **options: object) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=self.url, **{"api_key": "none", "max_retries": 0, "timeout": 60, **options})

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.root + path, timeout=60) as reply:
            return reply.read().decode()

    def metrics(self) -> dict[str, float]:
        """Each sample by name, those that differ by a reason or an edge as NAME{reason}."""
        out = {}
        for family in text_string_to_metric_families(self.get("/metrics")):
            for sample in family.samples:
                label = sample.labels.get("finished_reason") or sample.labels.get("le")
                out[sample.name + (f"{{{label}}}" if label else "")] = sample.value
        return out

    def wait_until(self, met: Callable[[dict[str, float]], bool], seconds: float = 30) -> dict[str, float]:
        """The metrics once they are as wanted."""
        end = time.monotonic() + seconds
        while not met(metrics := self.metrics()):
            assert time.monotonic() < end, f"not within {seconds} s: {metrics}"
            time.sleep(0.02)
        return metrics

    def wait_until_idle(self) -> dict[str, float]:
        return self.wait_until(lambda m: m["vllm:num_requests_running"] == m["vllm:num_requests_waiting"] == 0)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self._process.wait(60)

    def end(self) -> None:
        """Ends it as its owner would, and looks at what it leaves."""
        if self._process.poll() is None:
            self.terminate()
        assert self.wait() == 0, self._errors.read_text()
        # Its decisions can be taken again, one by one.
        replay = subprocess.run([os.environ["TOKENYARD"], "replay", str(self.trace)], capture_output=True, text=True, check=False)
        assert replay.returncode == 0, replay.stdout + replay.stderr

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def running(folder: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    server = Server(folder, *options, env=env)
    try:
        yield server
        server.end()
    finally:
        server.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded storyteller on the CPU."""
    yield from running(tmp_path_factory.mktemp("server"), "--backend", "cpu", "--threads", "1")


@pytest.fixture(scope="session")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A simulated GPU that takes some 60 ms for a token: there is time to leave, and this machine has little to do."""
    yield from running(
        tmp_path_factory.mktemp("slow"), "--backend", "sim", "--hardware", "l4", "--model-shape", "llama-3.1-8b"
    )


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Servers with options of their own, for one test."""
    servers: list[Server] = []

    def begin(*options: str, env: dict[str, str] | None = None) -> Server:
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        servers.append(Server(folder, *options, env=env))
        return servers[-1]

    try:
        yield begin
        for server in servers:
            server.end()
    finally:
        for server in servers:
            server.kill()


@pytest.fixture(scope="session")
def client(server: Server) -> OpenAI:
    return server.client()

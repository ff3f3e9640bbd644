"""A trace, line by line, as docs/trace-format.md has it. What a recorder sees of a running engine goes in; whole lines come out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from typing import Any


_json = json.JSONEncoder(separators=(",", ":")).encode


def squeeze(blocks: Iterable[int]) -> list[int]:
    """b, -n for b, b+1 ... b+n."""
    out: list[int] = []
    last = -2
    for block in blocks:
        if block == last + 1 and out:
            if out[-1] < 0:
                out[-1] -= 1
            else:
                out.append(-1)
        else:
            out.append(block)
        last = block
    return out


class Step:
    """One step's changes, by the trace's keys."""

    __slots__ = ("ahead", "fields", "number", "refusals", "start")

    def __init__(self, number: int, start: int, ahead: bool) -> None:
        self.number = number
        self.start = start
        self.ahead = ahead
        self.fields: dict[str, Any] = {}
        self.refusals: list[tuple[int, str, int, int]] = []


class TraceFile:
    """Lines are appended whole, each with one system call, so a killed process leaves a readable trace."""

    def __init__(self, path: str) -> None:
        base, number = path, 1
        while True:
            try:
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
                break
            except FileExistsError:  # nothing is overwritten
                number += 1
                root, extension = os.path.splitext(base)
                path = f"{root}.{number}{extension}"
        self.path = path
        self._began = time.monotonic_ns()
        self._last_end = 0
        self._next_step = 0
        self._numbers = 0
        self._flying: list[Step] = []
        self._held: list[dict[str, Any]] = []  # what came while a step runs stands after its line
        self._standing: dict[tuple[int, str], tuple[int, int, int]] = {}  # since, needed, available

    def now(self) -> int:
        return time.monotonic_ns() - self._began

    @property
    def next_step(self) -> int:
        return self._next_step

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    def header(self, program: str, backend: str, engine: dict[str, Any], **more: dict[str, Any]) -> None:
        version = 3 if "vllm_version" in engine else 2 if engine.get("async_scheduling") else 1
        self._write({"tokenyard_trace": version, "program": program, "backend": backend, "engine": engine, **more})

    def join(self, id: str, prompt: list[int], arrival: int, ahead: bool, **options: Any) -> int:
        number = self._numbers
        self._numbers += 1
        at = max(self.now(), self._last_end)
        line: dict[str, Any] = {"join": number, "id": id, "step": self._next_step, "at": at, "arrival": max(0, min(arrival, at))}
        line["prompt"] = [[prompt]]
        line.update((key, value) for key, value in options.items() if value)
        self._between(line, ahead)
        return number

    def cancel(self, number: int, reason: str, ahead: bool) -> None:
        line = {"cancel": number, "step": self._next_step, "at": max(self.now(), self._last_end), "reason": reason}
        self._between(line, ahead)

    def _between(self, line: dict[str, Any], ahead: bool) -> None:
        if ahead:
            line["ahead"] = True
        if self._flying:
            self._held.append(line)
        else:
            self._write(line)

    def plan(self, start: int) -> Step:
        step = Step(self._next_step, max(start, self._last_end), bool(self._flying))
        self._next_step += 1
        self._flying.append(step)
        return step

    def ran(self, step: Step, finish: list[tuple[int, str]], tokens: list[int]) -> None:
        """`step`, the oldest in flight, has said its tokens: its line is written."""
        start = max(step.start, self._last_end)
        end = max(self.now(), start)
        self._last_end = end
        fields = step.fields
        self._refusals(step)
        line: dict[str, Any] = {"step": step.number, "t": start, "dur": end - start}
        for key in ("prefill", "admit", "chunk", "grow", "skip", "preempt", "refuse", "refused_until"):
            if fields.get(key):
                line[key] = fields[key]
        if finish:
            line["finish"] = finish
        for key in ("unfindable", "findable"):
            if fields.get(key):
                line[key] = fields[key]
        if any(token >= 0 for token in tokens):
            line["tokens"] = tokens
        if step.ahead:
            line["ahead"] = True
        self._flying.remove(step)
        held, self._held = self._held, []
        self._write(line, *held)

    def _refusals(self, step: Step) -> None:
        began, seen = [], set()
        for request, cause, needed, available in step.refusals:
            key = (request, cause)
            seen.add(key)
            since = self._standing.get(key)
            if since is None:
                began.append([request, cause, needed, available])
            self._standing[key] = (step.number if since is None else since[0], needed, available)
        over = [key for key in self._standing if key not in seen]
        if began:
            step.fields["refuse"] = began
        if over:
            ended = [(key, self._standing.pop(key)) for key in over]
            step.fields["refused_until"] = [[r, cause, needed, available, since] for (r, cause), (since, needed, available) in ended]

    def end(self) -> None:
        if self._file >= 0:
            if not self._flying:
                self._write({"end": self._next_step, "at": max(self.now(), self._last_end)})
            self.close()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, *lines: dict[str, Any]) -> None:
        text = "".join(_json(line) + "\n" for line in lines).encode()
        while text:
            text = text[os.write(self._file, text) :]

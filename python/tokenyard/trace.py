"""Traces: every decision of a run, from a simulator, a GPU, or somebody else's engine."""

from __future__ import annotations

import html
import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

from tokenyard import _arguments, _tables, _tokenyard


@dataclass(frozen=True)
class Row:
    """`count` tokens of a request from position `first` on; `sample`: the next one is sampled."""

    request: str
    first: int
    count: int
    sample: bool


@dataclass(frozen=True)
class Refusal:
    """needed > available held, since step `since`."""

    request: str
    cause: str
    needed: int
    available: int
    since: int


@dataclass(frozen=True)
class State:
    """What there is while a step runs: what it decided has happened, what comes of it has not."""

    step: int
    running: list[str]
    waiting: list[str]
    rows: list[Row]
    tables: dict[str, list[int]]  # block ids by running request
    computed: dict[str, int]  # tokens with K/V by running request
    refusals: list[Refusal]
    free_blocks: int
    blocks: _tables.Table  # references, owner (a request's number), index in its table, findable


class Trace(_tables.Tables):
    """A trace file, read whole. Raises TraceError, naming file, line and reason.

    One that was cut off is read as far as it goes; `complete` is False then.
    """

    def __init__(self, path: _arguments.PathLike) -> None:
        self._file = _tokenyard.TraceFile(_arguments.path_text("path", path))
        super().__init__(self._file.ids(), self._file.requests(), self._file.steps(), self._file.events())
        header = self._file.header()
        self.program = header["program"]
        self.backend = header["backend"]
        self.engine: dict[str, Any] = json.loads(header["engine"])
        self.scenario: dict[str, Any] = json.loads(header["scenario"] or "{}")
        self.model: dict[str, Any] = json.loads(header["model"] or "{}")
        self.hardware: dict[str, Any] = json.loads(header["hardware"] or "{}")

    @classmethod
    def open(cls, path: _arguments.PathLike) -> Trace:
        return cls(path)

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def complete(self) -> bool:
        return self._file.complete

    def state(self, step: int) -> State:
        """Going on to a later step costs the steps between; going back begins again."""
        if isinstance(step, bool) or not isinstance(step, int):
            raise _arguments.wrong_type("step", "a step's number", step)
        if not 0 <= step < 2**63:
            raise IndexError(f"{self.path}: there is no step {step}")
        state: dict[str, Any] = self._file.state(step)
        return State(
            step,
            state["running"],
            state["waiting"],
            [Row(*row) for row in state["rows"]],
            state["tables"],
            state["computed"],
            [Refusal(*refusal) for refusal in state["refusals"]],
            state["free_blocks"],
            _tables.view(state["blocks"], _tables.BLOCKS),
        )

    def to_scenario(self, model: str | dict[str, Any] | None = None, hardware: str | dict[str, Any] | None = None) -> dict[str, Any]:
        """The same arrivals, lengths and shared beginnings as a scenario for simulate(), which may change the rest.

        model and hardware: built-in names, files, or dicts; what a simulated trace has in its header if left out. Requests are as
        long as they were here, so one that was cut short is so again.
        """
        scenario: dict[str, Any] = json.loads(_tokenyard.trace_scenario(self.path))
        scenario.update((key, value) for key, value in (("model", model), ("hardware", hardware)) if value)
        if "model" not in scenario or "hardware" not in scenario:
            raise ValueError(f"{self.path}: expected a model and hardware, which this trace does not bring along")
        return scenario

    def export_perfetto(self, path: _arguments.PathLike) -> None:
        """Chrome/Perfetto JSON: a lane a request, steps, counters."""
        _tokenyard.export_perfetto([self._file], _arguments.path_text("path", path))

    def _repr_png_(self) -> bytes | None:
        """What `tokenyard view --shot` draws. None where the package was built without Dear ImGui."""
        if not _tokenyard.has_pictures:
            return None
        with tempfile.TemporaryDirectory() as folder:
            png = Path(folder) / "trace.png"
            _tokenyard.draw_trace(self.path, str(png))
            return png.read_bytes()

    def _repr_html_(self) -> str | None:
        """The same moment in words, where there is no picture of it."""
        if _tokenyard.has_pictures:
            return None
        return f"<pre>{html.escape(_tokenyard.describe_trace(self.path))}</pre>"

    def __reduce__(self) -> tuple[type[Trace], tuple[str]]:
        return Trace, (self.path,)

    def __repr__(self) -> str:
        end = "" if self.complete else ", cut off"
        return f"<Trace {self.path}: {len(self.steps)} steps, {len(self.ids)} requests, {self.engine['policy']}{end}>"


TraceLike = Union[Trace, _arguments.PathLike]


def opened(trace: TraceLike) -> Trace:
    return trace if isinstance(trace, Trace) else Trace(trace)


@dataclass(frozen=True)
class Difference:
    """Where two traces part. False when they do not."""

    same: bool
    steps: int  # that both have in common
    text: str
    headers: str  # the engine's fields that differ

    def __bool__(self) -> bool:
        return not self.same

    def __str__(self) -> str:
        if self.same:
            return f"the same in all {self.steps} steps"
        return f"{self.headers}\n{self.text}" if self.headers else self.text

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def diff(a: TraceLike, b: TraceLike, *, ignore: str | Collection[str] | None = None) -> Difference:
    """The first step at which two traces part, with each side's reasons. ignore="time" compares decisions alone, and
    ignore=("time", "tokens") those of two runs of a real engine, which hardly ever sample the same."""
    ignored = {ignore} if isinstance(ignore, str) else set(ignore or ())
    if not ignored <= {"time", "tokens"}:
        raise ValueError(f'ignore: expected "time", "tokens", both or nothing, found {ignore!r}')
    first, second = opened(a), opened(b)
    return Difference(*_tokenyard.diff(first._file, second._file, "time" in ignored, "tokens" in ignored))


@dataclass(frozen=True)
class Replay:
    identical: bool
    steps: int  # reproduced
    first_difference: str
    values: dict[str, Any]  # as simulate(...).to_dict()


def replay(trace: TraceLike, *, goodput: Mapping[str, float] | None = None) -> Replay:
    """Schedules a recorded run again, with its times and tokens, and compares every decision."""
    path = trace.path if isinstance(trace, Trace) else _arguments.path_text("trace", trace)
    identical, steps, difference, values = _tokenyard.replay(path, _arguments.goodput_words(goodput))
    return Replay(identical, steps, difference, json.loads(values))

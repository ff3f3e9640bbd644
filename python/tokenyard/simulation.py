"""Scenarios on simulated hardware: one run, many runs, the highest rate, a lesson."""

from __future__ import annotations

import html
import itertools
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import numpy.typing as npt

from tokenyard import _arguments, _tables, _tokenyard

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Plot:
    """A picture that notebooks show."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: _arguments.PathLike) -> None:
        Path(path).write_text(self.svg, encoding="utf-8")


class Result:
    """What a run measured. Every name that `vllm bench serve` writes is an attribute: `result.p99_ttft_ms`; dir() lists them.

    tables: a row a request, a step, an event. plot: latencies, memory and queues.
    """

    tables: _tables.Tables
    plot: Plot

    def __init__(
        self, values: dict[str, Any], text: str, plot: Plot, scenario: dict[str, Any], tables: _tables.Tables
    ) -> None:
        self._values = values
        self._text = text
        self._scenario = scenario
        self.plot = plot
        self.tables = tables

    def __getattr__(self, name: str) -> Any:
        # While unpickling there are no values yet.
        values = self.__dict__.get("_values", {})
        if name in values:
            return values[name]
        raise AttributeError(f"a Result has no {name!r}; dir() lists what it has")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._values})

    def to_dict(self) -> dict[str, Any]:
        """As `tokenyard simulate --json` writes it."""
        return dict(self._values)

    def to_scenario(self) -> dict[str, Any]:
        """The resolved scenario: nothing left to a default or a name."""
        return json.loads(json.dumps(self._scenario))  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<Result of {self.scenario}: {self.completed} requests in {self.duration:.6g} s, policy {self.policy}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self._text)}</pre>{self.plot.svg}"


def scenarios() -> list[str]:
    """The names that `simulate` knows."""
    return _arguments.scenario_names()


def _trace_path(trace: _arguments.PathLike | None) -> str:
    return "" if trace is None else _arguments.path_text("trace", trace)


def simulate(
    scenario: _arguments.Scenario,
    set: Mapping[str, Any] | None = None,
    *,
    variant: str | None = None,
    goodput: Mapping[str, float] | None = None,
    trace: _arguments.PathLike | None = None,
) -> Result:
    """Runs a scenario (a name, a file, recorded traffic, a dict), as `tokenyard simulate` does.

    set: {"engine.num_blocks": 700, "hardware": "h100-sxm"}. variant: one that the scenario has. goodput: limits in ms,
    {"ttft": 500}. trace: a file for every decision.
    """
    path, text = _arguments.source(scenario)
    overrides = _arguments.overrides(set)
    if variant is not None:
        if not isinstance(variant, str):
            raise _arguments.wrong_type("variant", "a name", variant)
        if text:
            raise ValueError("variant: expected a scenario that is a name or a file; a dict says its values itself")
        overrides = _tokenyard.variant(path, variant) + overrides
    values, table, plot, nothing, resolved, ids, requests, steps, events = _tokenyard.simulate(
        path, text, overrides, _arguments.goodput_words(goodput), _trace_path(trace)
    )
    if nothing:
        warnings.warn(nothing, RuntimeWarning, stacklevel=2)
    tables = _tables.Tables(ids, requests, steps, events)
    return Result(json.loads(values), table, Plot(plot), json.loads(resolved), tables)


@dataclass(frozen=True)
class Sweep:
    """All combinations of some values. `runs`: a dict a run, with the values it was given and what it measured."""

    axes: dict[str, list[Any]]
    runs: list[dict[str, Any]]
    left_out: list[str]  # why a combination cannot be run

    def frame(self) -> pandas.DataFrame:
        return _tables.pandas_module().DataFrame(self.runs)

    def _rows(self) -> list[list[str]]:
        names = [*self.axes, "request_throughput", "output_throughput", "p99_ttft_ms", "p99_tpot_ms", "preemptions"]
        cells = [[f"{run[n]:.4g}" if isinstance(run[n], float) else str(run[n]) for n in names] for run in self.runs]
        return [names, *cells]

    def __str__(self) -> str:
        rows = self._rows()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows)

    def _repr_html_(self) -> str:
        head, *rows = self._rows()

        def line(cells: list[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        return "<table>" + line(head, "th") + "".join(line(row, "td") for row in rows) + "</table>"


Axes = Mapping[str, Union[Sequence[Any], "npt.NDArray[Any]"]]


def combinations(vary: Axes) -> list[dict[str, Any]]:
    """Every combination of the values, the last axis running fastest: what `sweep` and a cluster map over."""
    if not isinstance(vary, Mapping) or not vary:
        raise _arguments.wrong_type("vary", 'a dict such as {"engine.max_num_seqs": [64, 256]}', vary)
    for path, values in vary.items():
        if isinstance(values, (str, bytes)) or not isinstance(values, (Sequence, np.ndarray)) or len(values) == 0:
            raise _arguments.wrong_type(f"vary: {path}", "a list of values", values)
    plain = [[v.item() if isinstance(v, np.generic) else v for v in values] for values in vary.values()]
    return [dict(zip(vary, values)) for values in itertools.product(*plain)]


def measure(
    scenario: _arguments.Scenario,
    set: Mapping[str, Any] | None = None,
    *,
    goodput: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """`simulate(...).to_dict()` without tables and plot: what one run of a sweep does."""
    path, text = _arguments.source(scenario)
    values: dict[str, Any] = json.loads(
        _tokenyard.measure(path, text, _arguments.overrides(set), _arguments.goodput_words(goodput))
    )
    return values


def sweep(
    scenario: _arguments.Scenario,
    vary: Axes,
    set: Mapping[str, Any] | None = None,
    *,
    goodput: Mapping[str, float] | None = None,
    jobs: int | None = None,
) -> Sweep:
    """Runs all combinations of `vary`'s values on all cores (`jobs` threads). What cannot be run is left out and named."""
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise _arguments.wrong_type("jobs", "a whole number from 1", jobs)
    given = combinations(vary)
    fixed = dict(set or {}) if set is None or isinstance(set, Mapping) else None
    if fixed is None:
        raise _arguments.wrong_type("set", 'a dict such as {"engine.num_blocks": 700}', set)
    _arguments.goodput_words(goodput)

    def run(values: dict[str, Any]) -> dict[str, Any] | str:
        try:
            return {**values, **measure(scenario, {**fixed, **values}, goodput=goodput)}
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        done = list(pool.map(run, given))
    runs = [run for run in done if isinstance(run, dict)]
    left_out = [why for why in done if isinstance(why, str)]
    if not runs:
        raise ValueError(left_out[0])
    return Sweep({path: list(values) for path, values in vary.items()}, runs, left_out)


@dataclass(frozen=True)
class Probe:
    """One rate that a search tried."""

    rate_scale: float
    rate: float  # requests per second
    values: dict[str, float]  # of the goals' metrics, ms
    lost: float  # share of the requests: cancelled, failed, cut off
    met: bool


@dataclass(frozen=True)
class Capacity:
    """`met`: the highest rate found to meet the goal, None if none does; `missed`: the lowest found to miss it."""

    slo: str
    met: Probe | None
    missed: Probe | None
    probes: list[Probe]


def capacity(
    scenario: _arguments.Scenario,
    slo: str,
    set: Mapping[str, Any] | None = None,
    *,
    precision: float = 0.02,
) -> Capacity:
    """The highest arrival rate that meets `slo`, such as "ttft_p99=500ms,tpot_p99=50ms"."""
    if not isinstance(slo, str):
        raise _arguments.wrong_type("slo", "a text such as ttft_p99=500ms", slo)
    if isinstance(precision, bool) or not isinstance(precision, (int, float)):
        raise _arguments.wrong_type("precision", "a number", precision)
    if not 0.0001 <= precision <= 0.5:
        raise ValueError(f"precision: expected a number from 0.0001 to 0.5, found {precision!r}")
    path, text = _arguments.source(scenario)
    metrics, tried = _tokenyard.capacity(path, text, _arguments.overrides(set), slo, float(precision))
    probes = [Probe(scale, rate, dict(zip(metrics, values)), lost, met) for scale, rate, values, lost, met in tried]
    return Capacity(
        slo,
        max((probe for probe in probes if probe.met), key=lambda probe: probe.rate_scale, default=None),
        min((probe for probe in probes if not probe.met), key=lambda probe: probe.rate_scale, default=None),
        probes,
    )


@dataclass(frozen=True)
class Expectation:
    text: str
    holds: bool
    left: float
    right: float


@dataclass(frozen=True)
class Lesson:
    """A classroom scenario with its variants' results."""

    name: str
    title: str
    teaches: str
    look_for: str
    notes: dict[str, str]  # by variant
    show: list[str]  # the metrics that matter
    results: dict[str, dict[str, Any]]  # by variant
    expectations: list[Expectation]

    @property
    def holds(self) -> bool:
        return all(expectation.holds for expectation in self.expectations)

    def __str__(self) -> str:
        names = list(self.results)
        rows = [["metric", *names]]
        rows += [[m, *(f"{_value(self.results[name], m):.4g}" for name in names)] for m in self.show]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [f"{self.title}\n\n{self.teaches}\nLook for\n  {self.look_for}\n"]
        lines += ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) for row in rows]
        lines += [""] + [f"{'holds' if e.holds else 'FAILS'}  {e.text}   ({e.left:.4g} and {e.right:.4g})" for e in self.expectations]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _value(values: Mapping[str, Any], name: str) -> float:
    """"kv_slots.used" is the field "used" of the object "kv_slots"; what there is not is NaN."""
    value: Any = values
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return float("nan") if value is None else float(value)


def explain(scenario: _arguments.PathLike) -> Lesson:
    """Runs a classroom scenario's variants side by side and checks what they must show."""
    if not isinstance(scenario, (str, os.PathLike)):
        raise _arguments.wrong_type("scenario", "a name or a path", scenario)
    path = _arguments.find_scenario(_arguments.path_text("scenario", scenario))
    lesson: dict[str, Any] = _tokenyard.lesson(path)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        measured = list(pool.map(lambda v: json.loads(_tokenyard.measure(path, "", v[2], [])), lesson["variants"]))
    results: dict[str, dict[str, Any]] = {v[0]: values for v, values in zip(lesson["variants"], measured)}
    checked = [Expectation(text, *_tokenyard.check(text, lambda v, m: _value(results[v], m))) for text in lesson["expect"]]
    return Lesson(
        lesson["name"],
        lesson["title"] or lesson["name"],
        lesson["teaches"],
        lesson["look_for"],
        {name: note for name, note, _ in lesson["variants"]},
        lesson["show"],
        results,
        checked,
    )

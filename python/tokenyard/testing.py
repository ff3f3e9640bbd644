"""Regression tests on traces. What fails says so in the sentences of `tokenyard diff`. docs/regression.md."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import numpy as np

from tokenyard.trace import Trace, TraceLike, diff, opened

__all__ = ["assert_latency", "assert_no_preemption", "assert_same_decisions"]


def assert_same_decisions(a: TraceLike, b: TraceLike, *, ignore: str | Collection[str] | None = "time") -> None:
    """Both traces decide alike in every step. ignore=None: they also take as long."""
    difference = diff(a, b, ignore=ignore)
    if difference:
        raise AssertionError(str(difference))


def _time(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.9f}".rstrip("0").rstrip(".") + " s"


def assert_no_preemption(trace: TraceLike) -> None:
    """No request lost its blocks."""
    of = opened(trace)
    preempted = of.events[of.events["kind"] == "preempt"]
    if len(preempted) == 0:
        return
    first = preempted[0]
    name, other = of.ids[first["request"]], of.ids[first["other"]]
    whom = "itself" if name == other else other
    raise AssertionError(
        f"{of.path}: {len(preempted)} preemptions, the first in step {first['step']} at {_time(int(first['at']))}: {name} is "
        f"preempted for {whom}, which needs {first['needed']} blocks, {first['available']} free"
    )


def _latencies(trace: Trace) -> dict[str, Any]:
    """Milliseconds, over completed requests as `tokenyard simulate` has them."""
    reasons = trace.requests["finish_reason"]
    done = trace.requests[np.isin(reasons, ["stop", "length", "kv_capacity"]) & (trace.requests["first_token"] >= 0)]
    ttft = (done["first_token"] - done["arrival"]) / 1e6
    several = done[done["output_tokens"] > 1]
    tpot = (several["last_token"] - several["first_token"]) / (several["output_tokens"] - 1) / 1e6
    return {"ttft": ttft, "tpot": tpot, "e2el": (done["last_token"] - done["arrival"]) / 1e6}


def assert_latency(trace: TraceLike, **limits: float) -> None:
    """assert_latency(trace, ttft_p99=500, tpot_mean=50): ttft, tpot or e2el; mean, median or pNN; milliseconds."""
    if not limits:
        raise TypeError("assert_latency: expected a limit such as ttft_p99=500")
    of = opened(trace)
    latencies = _latencies(of)
    failures = []
    for name, limit in limits.items():
        known = re.fullmatch(r"(ttft|tpot|e2el)_(mean|median|p(\d{1,2}(?:_\d+)?))", name)
        if known is None:
            raise TypeError(f"assert_latency: expected ttft, tpot or e2el, then _mean, _median or _pNN, found {name}")
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not np.isfinite(limit):
            raise TypeError(f"assert_latency: {name}: expected milliseconds, found {limit!r}")
        values = latencies[known[1]]
        if len(values) == 0:
            raise AssertionError(f"{of.path}: no request completed, so there is no {name}")
        if known[2] == "mean":
            value = float(np.mean(values))
        else:
            percent = 50.0 if known[2] == "median" else float(known[3].replace("_", "."))
            value = float(np.percentile(values, percent))
        if value > limit:
            failures.append(f"{of.path}: {name} is {value:.6g} ms, the limit is {limit:g} ms")
    if failures:
        raise AssertionError("\n".join(failures))

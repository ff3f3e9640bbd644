from __future__ import annotations

import gc
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import tokenyard
from tokenyard import _tokenyard, testing


def test_a_trace_as_tables(traces: dict[str, Path]) -> None:
    trace = tokenyard.Trace.open(traces["vllm_v1"])
    result = tokenyard.simulate("prefill-first", {"engine.policy": "vllm_v1"})
    assert trace.complete and trace.engine["policy"] == "vllm_v1" and trace.backend == "sim"
    assert (trace.requests == result.tables.requests).all()
    assert (trace.steps == result.tables.steps).all()
    assert (trace.events == result.tables.events).all()
    assert trace.ids == result.tables.ids


def test_the_state_at_a_step_is_the_same_from_anywhere(traces: dict[str, Path]) -> None:
    trace = tokenyard.Trace.open(traces["vllm_v1"])
    last = len(trace.steps) - 1
    forwards = [trace.state(step) for step in (5, 40, last)]
    for state in reversed(forwards):
        again = trace.state(state.step)
        assert (again.running, again.waiting, again.rows, again.tables) == (
            state.running, state.waiting, state.rows, state.tables
        )  # fmt: skip
        assert (again.blocks == state.blocks).all()
    for state in forwards:
        step = trace.steps[state.step]
        assert step["tokens"] == sum(row.count for row in state.rows)
        assert step["free_blocks"] == state.free_blocks
        assert step["running"] == len(state.running) and step["waiting"] == len(state.waiting)
        holders = np.zeros(len(state.blocks), int)
        for table in state.tables.values():
            holders[table] += 1
        assert (state.blocks["references"] == holders).all()
    for step in (-1, last + 1, 2**70):
        with pytest.raises(IndexError, match="there is no step"):
            trace.state(step)


def test_a_notebook_shows_a_picture_or_the_same_in_words(traces: dict[str, Path], recorded: Path, tmp_path: Path) -> None:
    for path in (traces["vllm_v1"], recorded / "vllm-0.26-cpu.trace"):
        trace = tokenyard.Trace.open(path)
        picture, words = trace._repr_png_(), trace._repr_html_()
        assert (picture is None) != (words is None)
        if picture is not None:
            # PNG's signature, then the header's width and height.
            assert picture[:8] == b"\x89PNG\r\n\x1a\n" and picture[16:24] == (1280).to_bytes(4, "big") + (800).to_bytes(4, "big")
            assert picture == trace._repr_png_()
        described = _tokenyard.describe_trace(str(path))
        assert described.startswith(f"{path}: ") and f"{len(trace.steps)} steps" in described
    copy = tmp_path / "gone.trace"
    copy.write_bytes(traces["orca"].read_bytes())
    trace = tokenyard.Trace.open(copy)
    copy.unlink()
    with pytest.raises(ValueError, match="gone.trace"):
        _tokenyard.describe_trace(trace.path)


def test_tables_outlive_their_trace(traces: dict[str, Path]) -> None:
    trace = tokenyard.Trace.open(traces["vllm_v1"])
    steps, requests, blocks = trace.steps, trace.requests, trace.state(7).blocks
    expected = int(steps["tokens"].sum())
    del trace
    gc.collect()
    assert steps["tokens"].sum() == expected and len(requests) > 0 and len(blocks) > 0


def test_pickle_names_the_file(traces: dict[str, Path]) -> None:
    trace = tokenyard.Trace.open(traces["orca"])
    assert (pickle.loads(pickle.dumps(trace)).steps == trace.steps).all()


def test_diff_says_what_the_command_says(traces: dict[str, Path]) -> None:
    difference = tokenyard.diff(traces["vllm_v1"], tokenyard.Trace.open(traces["orca"]), ignore="time")
    assert difference and "the traces part" in str(difference) and "policy: vllm_v1, orca" in str(difference)
    same = tokenyard.diff(traces["orca"], traces["orca"])
    assert not same and str(same) == f"the same in all {same.steps} steps"
    with pytest.raises(ValueError, match='expected "time"'):
        tokenyard.diff(traces["orca"], traces["orca"], ignore="blocks")
    with pytest.raises(ValueError, match="expected"):
        tokenyard.diff(traces["orca"], traces["orca"], ignore=("time", "blocks"))
    assert not tokenyard.diff(traces["orca"], traces["orca"], ignore=("time", "tokens"))


def test_a_gpus_run_is_replayed(recorded: Path) -> None:
    replay = tokenyard.replay(recorded / "h100-nano-vllm.trace")
    assert replay.identical and replay.steps == 1032 and replay.first_difference == ""
    assert replay.values["total_output_tokens"] == 133966


def test_perfetto(traces: dict[str, Path], tmp_path: Path) -> None:
    tokenyard.Trace.open(traces["orca"]).export_perfetto(tmp_path / "orca.json")
    assert json.loads((tmp_path / "orca.json").read_text())


def test_a_broken_trace_names_line_and_reason(traces: dict[str, Path], tmp_path: Path) -> None:
    lines = traces["orca"].read_text().splitlines(keepends=True)
    broken = tmp_path / "broken.trace"
    broken.write_text("".join(lines[:5]) + '{"step": "x"}\n')
    with pytest.raises(tokenyard.TraceError, match=r"broken.trace: line 6"):
        tokenyard.Trace.open(broken)
    with pytest.raises(tokenyard.TraceError, match=r"line 6"):
        tokenyard.replay(broken)
    # A line of another place in the run does not fit.
    broken.write_text("".join(lines[:1] + lines[-20:]))
    with pytest.raises(tokenyard.TraceError, match="broken.trace|trace: "):
        tokenyard.Trace.open(broken)
    with pytest.raises(tokenyard.TraceError, match="cannot be read"):
        tokenyard.Trace.open(tmp_path / "none.trace")
    assert issubclass(tokenyard.TraceError, ValueError)
    with pytest.raises(TypeError, match="path: expected a path"):
        tokenyard.Trace.open(3)  # type: ignore[arg-type]


def test_a_trace_that_was_cut_off(traces: dict[str, Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.trace"
    cut.write_bytes(traces["orca"].read_bytes()[:20000])
    trace = tokenyard.Trace.open(cut)
    assert not trace.complete and 0 < len(trace.steps) and "cut off" in repr(trace)


def test_assertions(traces: dict[str, Path], tmp_path: Path) -> None:
    testing.assert_same_decisions(traces["orca"], traces["orca"])
    with pytest.raises(AssertionError, match="only in .*vllm_v1.trace"):
        testing.assert_same_decisions(traces["orca"], traces["vllm_v1"])

    testing.assert_no_preemption(traces["vllm_v1"])
    storm = tmp_path / "storm.trace"
    result = tokenyard.simulate("preemption-storm", trace=storm)
    assert result.preemptions > 0
    with pytest.raises(AssertionError, match=rf"{result.preemptions} preemptions, the first in step \d+ at .* is preempted for"):
        testing.assert_no_preemption(storm)

    testing.assert_latency(storm, ttft_p99=result.p99_ttft_ms * 1.0001, tpot_mean=result.mean_tpot_ms * 1.0001)
    with pytest.raises(AssertionError, match=r"ttft_p99 is .* ms, the limit is"):
        testing.assert_latency(storm, ttft_p99=result.p99_ttft_ms * 0.9999)
    with pytest.raises(AssertionError, match="e2el_median"):
        testing.assert_latency(storm, e2el_median=result.median_e2el_ms * 0.9999)
    for wrong in ({}, {"ttft_p999": 5}, {"itl_p99": 5}, {"ttft_p99": "5"}):
        with pytest.raises(TypeError, match="assert_latency"):
            testing.assert_latency(storm, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["prefill-first", "preemption-storm", "system-prompt-storm"])
def test_a_trace_is_a_scenario(name: str, tmp_path: Path) -> None:
    result = tokenyard.simulate(name, trace=tmp_path / "run.trace")
    trace = tokenyard.Trace.open(tmp_path / "run.trace")
    again = tokenyard.simulate(trace.to_scenario())
    assert (again.tables.steps == result.tables.steps).all() and (again.tables.requests == result.tables.requests).all()
    assert tokenyard.simulate(trace.to_scenario(hardware="h100-sxm")).p99_e2el_ms < result.p99_e2el_ms


def test_a_vllms_run_under_other_settings(recorded: Path) -> None:
    trace = tokenyard.Trace.open(recorded / "vllm-0.26-cpu.trace")
    model = str(Path(tokenyard.__file__).parent / "scenarios" / "models" / "story" / "config.json")
    scenario = trace.to_scenario(model, "a100-80gb")
    as_recorded = tokenyard.simulate(scenario)
    assert as_recorded.completed == len(trace.ids) and as_recorded.preemptions > 0
    assert tokenyard.simulate(scenario, {"engine.num_blocks": 400}).preemptions == 0
    with pytest.raises(ValueError, match="expected a model and hardware"):
        trace.to_scenario()

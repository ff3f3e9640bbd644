from __future__ import annotations

import json
import os
import pickle
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tokenyard
from tokenyard.simulation import combinations, measure

def latencies(result: tokenyard.Result) -> dict[str, Any]:
    done = result.tables.requests[np.isin(result.tables.requests["finish_reason"], ["stop", "length", "kv_capacity"])]
    several = done[done["output_tokens"] > 1]
    return {
        "ttft": (done["first_token"] - done["arrival"]) / 1e6,
        "tpot": (several["last_token"] - several["first_token"]) / (several["output_tokens"] - 1) / 1e6,
        "e2el": (done["last_token"] - done["arrival"]) / 1e6,
    }


@pytest.mark.parametrize("name", ["preemption-storm", "prefill-first", "gpu-poisson", "slowest-gates-batch", "multi-turn-chat"])
def test_tables_say_what_the_metrics_say(name: str) -> None:
    result = tokenyard.simulate(name)
    assert len(result.tables.steps) == result.steps
    assert len(result.tables.ids) == len(result.tables.requests)
    done = np.isin(result.tables.requests["finish_reason"], ["stop", "length", "kv_capacity"])
    assert done.sum() == result.completed
    assert result.tables.requests["prompt_tokens"][done].sum() == result.total_input_tokens
    assert result.tables.requests["preemptions"].sum() == result.preemptions == result.tables.steps["preempted"].sum()
    if result.policy != "static":  # whose clients get all tokens at the end
        assert result.tables.requests["output_tokens"][done].sum() == result.total_output_tokens
        for metric, values in latencies(result).items():
            assert np.percentile(values, 99) == pytest.approx(getattr(result, f"p99_{metric}_ms"), rel=1e-6)


def test_tables_of_a_run_planned_ahead() -> None:
    settings = {"engine.async_scheduling": True, "engine.policy": "vllm_v1"}
    result = tokenyard.simulate("preemption-storm", settings)
    done = np.isin(result.tables.requests["finish_reason"], ["stop", "length", "kv_capacity"])
    assert result.tables.requests["output_tokens"][done].sum() == result.total_output_tokens
    assert np.percentile(latencies(result)["e2el"], 99) == pytest.approx(result.p99_e2el_ms, rel=1e-6)


def test_the_same_numbers_as_the_benchmark_writes() -> None:
    result = tokenyard.simulate("prefill-first", goodput={"ttft": 500, "tpot": 50.5})
    values = result.to_dict()
    assert values["request_goodput"] == result.request_goodput > 0
    assert {"mean_ttft_ms", "p99_itl_ms", "output_throughput", "kv_slots"} <= set(values) <= set(dir(result))
    assert measure("prefill-first", goodput={"ttft": 500, "tpot": 50.5}) == values
    with pytest.raises(AttributeError, match="has no 'p98_ttft_ms'"):
        result.p98_ttft_ms


def test_a_result_goes_through_pickle_and_its_scenario_gives_it_again() -> None:
    result = tokenyard.simulate("prefill-first", {"engine.max_num_seqs": 7})
    copy = pickle.loads(pickle.dumps(result))
    assert copy.to_dict() == result.to_dict() and (copy.tables.requests == result.tables.requests).all() and copy.tables.ids == result.tables.ids
    again = tokenyard.simulate(result.to_scenario())
    assert (again.tables.steps == result.tables.steps).all()
    assert result.to_scenario()["engine"]["max_num_seqs"] == 7


def test_notebooks_get_the_table_and_the_plot() -> None:
    result = tokenyard.simulate("prefill-first")
    page = result._repr_html_()
    assert "Output token throughput" in page and "<svg" in page
    assert result.plot._repr_svg_().startswith("<svg") or "<svg" in result.plot._repr_svg_()
    assert "Successful requests" in str(result)


def test_a_variant_and_a_trace(tmp_path: Path) -> None:
    result = tokenyard.simulate("prefill-first", variant="mixed", trace=tmp_path / "mixed.trace")
    assert result.policy == "vllm_v1"
    assert len(tokenyard.Trace.open(tmp_path / "mixed.trace").steps) == len(result.tables.steps)


def test_frames() -> None:
    pandas = pytest.importorskip("pandas")
    result = tokenyard.simulate("prefill-first")
    frame = result.tables.requests_frame()
    assert isinstance(frame, pandas.DataFrame) and list(frame.index) == result.tables.ids
    assert (frame["ended"].to_numpy() == result.tables.requests["ended"]).all()
    assert len(result.tables.events_frame()) == len(result.tables.events) and len(result.tables.steps_frame()) == len(result.tables.steps)


def test_a_sweep_names_what_it_leaves_out() -> None:
    sweep = tokenyard.sweep("prefill-first", {"engine.policy": ["orca", "vllm_v1"], "engine.max_num_seqs": np.array([4, 0])})
    assert [run["engine.max_num_seqs"] for run in sweep.runs] == [4, 4]
    assert len(sweep.left_out) == 2 and all("max_num_seqs" in why for why in sweep.left_out)
    assert sweep.runs[1]["p99_ttft_ms"] == tokenyard.simulate("prefill-first", {"engine.max_num_seqs": 4}).p99_ttft_ms
    assert "engine.policy" in str(sweep) and "<table>" in sweep._repr_html_()
    assert pickle.loads(pickle.dumps(sweep)) == sweep


def test_combinations_run_the_last_axis_fastest() -> None:
    assert combinations({"a": [1, 2], "b": "x y".split()}) == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}
    ]  # fmt: skip


def test_capacity_brackets_the_edge() -> None:
    found = tokenyard.capacity("prefill-first", "ttft_p99=2s", precision=0.3)
    assert found.met is not None and found.missed is not None
    assert found.met.values["p99_ttft_ms"] <= 2000 < found.missed.values["p99_ttft_ms"]
    assert found.met.rate_scale < found.missed.rate_scale <= found.met.rate_scale * 1.31


def test_a_lesson_holds() -> None:
    lesson = tokenyard.explain("prefill-first")
    assert lesson.holds and len(lesson.expectations) > 2
    assert "holds  prefill_first.p99_itl_ms" in str(lesson)
    assert set(lesson.results) == set(lesson.notes) == {"prefill_first", "mixed"}


def test_ctrl_c_ends_a_long_run() -> None:
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for _ in range(100):
            tokenyard.simulate("chat-hour", {"engine.num_blocks": 700})
    assert time.monotonic() - began < 20


def test_nothing_served_is_a_warning() -> None:
    with pytest.warns(RuntimeWarning, match="no request was served"):
        tokenyard.simulate("prefill-first", {"engine.max_model_len": 2})


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: tokenyard.simulate("prefil-first"), ValueError, "did you mean prefill-first"),
        (lambda: tokenyard.simulate("/nowhere.json"), ValueError, "/nowhere.json: cannot be read"),
        (lambda: tokenyard.simulate(3), TypeError, "scenario: expected a name"),
        (lambda: tokenyard.simulate(b"x"), TypeError, "scenario: expected a name"),
        (lambda: tokenyard.simulate("a\0b"), ValueError, "null character"),
        (lambda: tokenyard.simulate({}), ValueError, "scenario"),
        (lambda: tokenyard.simulate({"x": float("nan")}), ValueError, "finite"),
        (lambda: tokenyard.simulate({"x": object()}), TypeError, "what JSON has"),
        (lambda: tokenyard.simulate("prefill-first", {"engine.num_blocks": -3}), ValueError, "num_blocks: expected an integer"),
        (lambda: tokenyard.simulate("prefill-first", {"engine.nm_blocks": 3}), ValueError, "nm_blocks"),
        (lambda: tokenyard.simulate("prefill-first", {"engine.num_blocks": float("inf")}), ValueError, "finite number"),
        (lambda: tokenyard.simulate("prefill-first", {3: 3}), TypeError, "a path such as"),
        (lambda: tokenyard.simulate("prefill-first", ["engine.num_blocks=3"]), TypeError, "set: expected a dict"),
        (lambda: tokenyard.simulate("prefill-first", goodput={"ttf": 3}), ValueError, "expected ttft:MS"),
        (lambda: tokenyard.simulate("prefill-first", goodput={"ttft": "3"}), TypeError, "milliseconds"),
        (lambda: tokenyard.simulate("prefill-first", variant="mix"), ValueError, "mix"),
        (lambda: tokenyard.simulate("prefill-first", trace="/nowhere/x.trace"), ValueError, "cannot be written"),
        (lambda: tokenyard.sweep("prefill-first", {}), TypeError, "vary"),
        (lambda: tokenyard.sweep("prefill-first", {"engine.policy": "orca"}), TypeError, "a list of values"),
        (lambda: tokenyard.sweep("prefill-first", {"engine.policy": ["x"]}), ValueError, "policy"),
        (lambda: tokenyard.sweep("prefill-first", {"engine.policy": ["orca"]}, jobs=0), TypeError, "jobs"),
        (lambda: tokenyard.capacity("prefill-first", "ttft=5"), ValueError, "ttft"),
        (lambda: tokenyard.capacity("prefill-first", "ttft_p99=2s", precision=2), ValueError, "precision"),
        (lambda: tokenyard.explain("nothing"), ValueError, "nothing.json"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message.replace("(", r"\(")) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_dict_is_a_scenario() -> None:
    scenario = json.loads((Path(tokenyard.__file__).parent / "scenarios" / "prefill-first.json").read_text())
    assert (tokenyard.simulate(scenario).tables.steps == tokenyard.simulate("prefill-first").tables.steps).all()


def test_threads_do_not_disturb_each_other() -> None:
    expected = measure("prefill-first")
    found: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: found.append(measure("prefill-first"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4

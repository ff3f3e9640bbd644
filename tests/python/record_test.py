from __future__ import annotations

import importlib.util
import json
import logging
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import nano_vllm_stand_in as nano
import pytest

import tokenyard
from tokenyard.record import nano_vllm
from tokenyard.record._writer import TraceFile, squeeze

SOURCES = Path(__file__).parents[2]


def test_squeezed_blocks_are_those_of_the_format() -> None:
    assert squeeze([]) == []
    assert squeeze([1, 2, 3, 4, 5, 6, 7]) == [1, -6]
    assert squeeze([1, 4, 5, 3, 2, 0]) == [1, 4, -1, 3, 2, 0]
    dice = random.Random(1)
    for _ in range(200):
        blocks = [dice.randrange(12) for _ in range(dice.randrange(9))]
        expanded: list[int] = []
        for b in squeeze(blocks):
            expanded += range(expanded[-1] + 1, expanded[-1] + 1 - b) if b < 0 else [b]
        assert expanded == blocks


def run_nano(path: Path, seed: int, **limits: Any) -> nano_vllm.Recording:
    dice = random.Random(seed)
    llm = nano.LLM(**limits)
    recording = nano_vllm.record(llm, path)
    for _ in range(2):
        shared = [dice.randrange(5, 60) for _ in range(16)]
        prompts = [shared[: dice.randrange(17)] + [dice.randrange(5, 60) for _ in range(dice.randrange(1, 20))] for _ in range(25)]
        llm.generate(prompts, [dice.randrange(1, 14) for _ in prompts], dice)
    recording.close()
    return recording


@pytest.mark.parametrize("seed", range(12))
def test_nano_vllms_decisions_are_replayed(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    limits = {
        "num_blocks": dice.randrange(14, 40),
        "max_num_seqs": dice.randrange(2, 12),
        "max_num_batched_tokens": dice.randrange(8, 60),
    }
    path = tmp_path / "nano.trace"
    run_nano(path, seed, **limits)
    replay = tokenyard.replay(path)
    assert replay.identical, replay.first_difference
    trace = tokenyard.Trace.open(path)
    assert trace.complete and len(trace.ids) == 50 and trace.engine["policy"] == "nano_vllm"
    assert (trace.requests["finish_reason"] != "").all()


def test_the_nano_vllm_runs_have_what_matters(tmp_path: Path) -> None:
    text = ""
    for seed, num_blocks, most_tokens, seats in [(0, 26, 10, 9), (11, 28, 57, 9), (2, 26, 57, 3)]:
        path = tmp_path / f"{seed}.trace"
        run_nano(path, seed, num_blocks=num_blocks, max_num_seqs=seats, max_num_batched_tokens=most_tokens)
        assert tokenyard.replay(path).identical
        text += path.read_text()
    for what in ("preempt", "chunk", "grow", "unfindable", "refused_until", '"seats"', '"token_budget"', '"blocks"'):
        assert what in text


def test_a_recorder_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "nano.trace"
    path.write_text("mine")
    recording = run_nano(path, 1, num_blocks=30, max_num_seqs=6, max_num_batched_tokens=20)
    assert path.read_text() == "mine" and recording.path == str(tmp_path / "nano.2.trace")
    assert tokenyard.replay(recording.path).identical


def test_a_fault_of_the_recorders_ends_the_recording_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    dice = random.Random(1)
    llm = nano.LLM(num_blocks=30, max_num_seqs=6, max_num_batched_tokens=20)
    nano_vllm.record(llm, tmp_path / "nano.trace")
    monkeypatch.setattr(TraceFile, "ran", broken)
    with caplog.at_level(logging.WARNING):
        llm.generate([[5, 6, 8]] * 5, [4] * 5, dice)
    assert [r.message for r in caplog.records] == [
        "Tokenyard's recording ends here: OSError: [Errno 28] No space left on device"
    ]
    assert not llm.scheduler.running and not tokenyard.Trace.open(tmp_path / "nano.trace").complete


def test_an_older_nano_vllm_and_a_busy_one_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    llm = nano.LLM(num_blocks=30, max_num_seqs=6, max_num_batched_tokens=20)
    llm.scheduler.add(nano.Sequence([5], 2, True))
    with pytest.raises(ValueError, match="nothing to do"):
        nano_vllm.record(llm, tmp_path / "x.trace")
    monkeypatch.delattr(nano.BlockManager, "hash_blocks")
    with pytest.raises(ValueError, match="April 2026"):
        nano_vllm.record(nano.LLM(num_blocks=3, max_num_seqs=6, max_num_batched_tokens=20), tmp_path / "x.trace")
    assert not list(tmp_path.iterdir())


def test_kill_9_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "killed.trace"
    program = (
        "import random, sys; sys.path.insert(0, sys.argv[1]); import record_test, pathlib\n"
        "print('ready', flush=True)\n"
        "while True: record_test.run_nano(pathlib.Path(sys.argv[2]), 1, num_blocks=20, max_num_seqs=6, max_num_batched_tokens=20)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(Path(__file__).parent), str(path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while not path.exists() or path.stat().st_size < 4000:
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    assert path.read_bytes().endswith(b"\n")
    assert tokenyard.replay(path).identical


@pytest.mark.parametrize("name", ["vllm-0.26-cpu.trace", "vllm-0.26-async.trace"])
def test_recordings_of_a_real_vllm(recorded: Path, name: str) -> None:
    trace = tokenyard.Trace.open(recorded / name)
    assert trace.program == "vllm 0.26.0: story, bfloat16, x86_64" and trace.complete
    assert trace.steps["preempted"].sum() > 0 and trace.steps["hit_tokens"].sum() > 0
    replay = tokenyard.replay(trace)
    assert replay.identical, replay.first_difference


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed here (docs/vllm.md)")
@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_scheduler_of_a_vllm_that_is_here(tmp_path: Path, asynchronous: bool) -> None:
    path = tmp_path / "vllm.trace"
    settings = {"num_blocks": 40, "max_num_seqs": 8, "max_num_batched_tokens": 128, "async_scheduling": asynchronous}
    program = SOURCES / "tests" / "python" / "run_vllm_scheduler.py"
    subprocess.run([sys.executable, str(program), str(path), json.dumps(settings)], check=True)
    replay = tokenyard.replay(path)
    assert replay.identical, replay.first_difference
    trace = tokenyard.Trace.open(path)
    assert trace.complete and trace.steps["hit_tokens"].sum() > 0 and trace.steps["preempted"].sum() > 0


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed here (docs/vllm.md)")
def test_a_vllm_that_generates_here(tmp_path: Path) -> None:
    path = tmp_path / "vllm.trace"
    settings = {"num_gpu_blocks_override": 40, "max_num_batched_tokens": 512, "max_num_seqs": 16, "block_size": 16}
    program = SOURCES / "tests" / "python" / "run_vllm.py"
    subprocess.run(
        [sys.executable, str(program), json.dumps(settings)], env={**os.environ, "TOKENYARD_TRACE": str(path)}, check=True
    )
    replay = tokenyard.replay(path)
    assert replay.identical, replay.first_difference

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tokenyard
from tokenyard import LLM, SamplingParams

GREEDY = SamplingParams(temperature=0.0, max_tokens=24)
ENDLESS = SamplingParams(max_tokens=450, ignore_eos=True)
STORY = "Once upon a time"


@pytest.fixture(scope="module")
def llm() -> Iterator[LLM]:
    with LLM(enforce_eager=True, tensor_parallel_size=1, max_model_len=512, backend="cpu") as llm:
        yield llm


def test_nano_vllms_interface(llm: LLM) -> None:
    ids = llm.encode(STORY)
    outputs = llm.generate([STORY, "The dog"], [GREEDY, SamplingParams(temperature=0.0, max_tokens=3, ignore_eos=True)])
    assert len(outputs) == 2 and outputs[0]["text"] == outputs[0].text and len(outputs[1]["token_ids"]) == 3
    assert outputs[0].finish_reason == "length" and outputs[0].prompt_tokens == len(ids)
    assert llm.decode(outputs[0].token_ids) == outputs[0].text
    assert llm.generate([ids], GREEDY, use_tqdm=False)[0].text == outputs[0].text
    assert llm.generate([], GREEDY) == []
    assert llm.config["max_model_len"] == 512 and llm.backend == "cpu"


def test_fp8_keeps_k_and_v_in_eight_bits() -> None:
    with LLM(kv_cache_dtype="fp8", max_model_len=512, backend="cpu") as fp8:
        assert fp8.generate(STORY, GREEDY)[0].finish_reason == "length"
    with pytest.raises(ValueError, match="kv_cache_dtype: expected auto or fp8, found 'int8'"):
        LLM(kv_cache_dtype="int8")


def test_text_does_not_depend_on_the_batch(llm: LLM) -> None:
    params = SamplingParams(temperature=0.9, seed=7, max_tokens=20)
    alone = llm.generate(STORY, params)[0]
    for output in llm.generate([STORY] * 5, params):
        assert output.token_ids == alone.token_ids and output.seed == 7


def test_without_a_seed_texts_differ(llm: LLM) -> None:
    outputs = llm.generate([STORY] * 4, SamplingParams(max_tokens=30))
    assert len({output.text for output in outputs}) > 1
    again = llm.generate(STORY, SamplingParams(max_tokens=30, seed=outputs[0].seed))[0]
    assert again.text == outputs[0].text


def test_answers_do_not_depend_on_the_ranks(tmp_path: Path) -> None:
    params = [SamplingParams(temperature=0.9, seed=seed, max_tokens=20, logprobs=3) for seed in range(3)]
    answers = {}
    for ranks in (1, 2, 4):
        trace = tmp_path / f"{ranks}.trace"
        with LLM(tensor_parallel_size=ranks, backend="cpu", trace=trace, num_kvcache_blocks=64) as llm:
            outputs = llm.generate([STORY, "The dog", "A long time ago, in a wood"], params)
        # repr() of a float tells its bits.
        answers[ranks] = [(output.token_ids, repr(output.logprobs)) for output in outputs]
        assert tokenyard.Trace.open(trace).hardware.get("tensor_parallel", 1) == ranks
    assert answers[2] == answers[1] and answers[4] == answers[1]


def test_chat_and_stop_strings(llm: LLM) -> None:
    answer = llm.chat([{"role": "user", "content": "Hi"}], SamplingParams(temperature=0, max_tokens=40))[0]
    assert answer.text and answer.finish_reason in ("stop", "length")
    two = llm.chat([[{"role": "user", "content": "Hi"}]] * 2, SamplingParams(temperature=0, max_tokens=40))
    assert [one.text for one in two] == [answer.text] * 2
    whole = llm.generate(STORY, GREEDY)[0].text
    word = whole.split()[3]
    assert llm.generate(STORY, SamplingParams(temperature=0.0, max_tokens=24, stop=word))[0].text == whole[: whole.index(word)]


def test_logprobs(llm: LLM) -> None:
    output = llm.generate(STORY, SamplingParams(temperature=0, max_tokens=3, logprobs=2))[0]
    assert len(output.logprobs) == 3
    for token, ((chosen, logprob), top) in zip(output.token_ids, output.logprobs):
        assert chosen == token == top[0][0] and logprob == top[0][1] <= 0 and len(top) == 2


def test_streams(llm: LLM) -> None:
    whole = llm.generate(STORY, GREEDY)[0].text
    pieces = list(llm.stream(STORY, GREEDY))
    assert "".join(pieces) == whole and len(pieces) > 3

    async def two_at_once() -> list[str]:
        async def read() -> str:
            return "".join([piece async for piece in llm.astream(STORY, GREEDY)])

        return list(await asyncio.gather(read(), read()))

    assert asyncio.run(two_at_once()) == [whole, whole]


def test_leaving_a_stream_cancels_it(tmp_path: Path) -> None:
    trace = tmp_path / "left.trace"
    with LLM(trace=trace) as llm:
        for _piece in llm.stream(STORY, ENDLESS):
            break
    requests = tokenyard.Trace.open(trace).requests
    assert requests["finish_reason"][0] == "cancelled" and requests["output_tokens"][0] < 450


def test_ctrl_c_returns_what_is_there(llm: LLM) -> None:
    params = [SamplingParams(max_tokens=1, ignore_eos=True)] + [ENDLESS] * 60  # seconds of work
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a script runs in the background
    threading.Timer(0.15, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    outputs = llm.generate([STORY] * 61, params, use_tqdm=False)
    signal.signal(signal.SIGINT, before)
    assert len(outputs) == 61
    assert outputs[0].finish_reason == "length"
    assert {output.finish_reason for output in outputs[1:]} == {"cancelled"}
    assert 0 < len(outputs[1].token_ids) < 450
    assert llm.generate(STORY, GREEDY)[0].finish_reason == "length"  # and goes on


def test_other_threads_run_meanwhile(llm: LLM) -> None:
    counted = 0
    done = threading.Event()

    def count() -> None:
        nonlocal counted
        while not done.wait(0.001):
            counted += 1

    thread = threading.Thread(target=count)
    thread.start()
    llm.generate([STORY] * 4, SamplingParams(max_tokens=60, ignore_eos=True))
    done.set()
    thread.join()
    assert counted > 10


def test_an_answer_outlives_its_llm() -> None:
    llm = LLM(backend="cpu")
    pending = llm._engine.submit(STORY, GREEDY._json(), False)
    del llm
    gc.collect()
    assert pending.result()[2] == "length"


def test_a_trace_of_a_real_run_is_replayed(tmp_path: Path) -> None:
    trace = tmp_path / "run.trace"
    with LLM(trace=trace, policy="nano_vllm", max_num_seqs=2, num_kvcache_blocks=40, kvcache_block_size=16) as llm:
        llm.generate([STORY] * 3, GREEDY)
        with pytest.raises(ValueError, match="refused|never|blocks|model length|max_model_len"):
            llm.generate([list(range(5, 1000))], GREEDY)
    assert tokenyard.replay(trace).identical
    with pytest.raises(ValueError, match="closed"):
        llm.generate(STORY, GREEDY)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda llm: llm.generate([[10**6]], GREEDY), ValueError, "token id 1000000"),
        (lambda llm: llm.generate([[-1]], GREEDY), ValueError, "token id -1"),
        (lambda llm: llm.generate([[2**40]], GREEDY), TypeError, "token ids"),
        (lambda llm: llm.generate([3.5], GREEDY), TypeError, "token ids"),
        (lambda llm: llm.generate(None, GREEDY), TypeError, "texts or lists"),
        (lambda llm: llm.generate("", GREEDY), ValueError, "empty"),
        (lambda llm: llm.generate("a", [GREEDY, GREEDY]), ValueError, "expected 1, one a prompt, found 2"),
        (lambda llm: llm.generate("a", 3), TypeError, "SamplingParams"),
        (lambda llm: llm.chat("Hi", GREEDY), TypeError, "messages"),
        (lambda llm: llm.chat([{"role": "user"}], GREEDY), TypeError, "role"),
        (lambda llm: llm.chat([{"role": "king", "content": "x"}], GREEDY), ValueError, "expected the role system, user or assistant"),
        (lambda llm: llm.decode([5000]), ValueError, "token ids from 0"),
        (lambda llm: llm.stream(3), TypeError, "prompt"),
        (lambda _: SamplingParams(temperature=-1), ValueError, "temperature: expected a number between 0 and 100"),
        (lambda _: SamplingParams(temperature=float("nan")), ValueError, "finite"),
        (lambda _: SamplingParams(max_tokens=0), ValueError, "max_tokens"),
        (lambda _: SamplingParams(max_tokens=True), TypeError, "max_tokens"),
        (lambda _: SamplingParams(seed=-2), ValueError, "seed"),
        (lambda _: SamplingParams(stop=[3]), TypeError, "stop"),
        (lambda _: LLM("/nowhere"), ValueError, "/nowhere/config.json: cannot be read"),
        (lambda _: LLM(tensor_parallel_size=3), ValueError, "tensor_parallel_size: expected 1, 2, 4 or 8, found 3"),
        (lambda _: LLM(tensor_parallel_size=0), ValueError, "tensor_parallel_size: expected 1, 2, 4 or 8, found 0"),
        (lambda _: LLM(tensor_parallel_size="2"), TypeError, "tensor_parallel_size"),
        (lambda _: LLM(tensor_parallel_size=True), TypeError, "tensor_parallel_size"),
        (lambda _: LLM(tensor_parallel_size=8, backend="cpu"), ValueError, "8 ranks|tensor_parallel"),
        (lambda _: LLM(max_model_len=-1), ValueError, "max_model_len"),
        (lambda _: LLM(max_num_seqs="4"), TypeError, "max_num_seqs"),
        (lambda _: LLM(policy="vllm"), ValueError, "policy: expected one of"),
        (lambda _: LLM(backend="tpu"), ValueError, "backend"),
        (lambda _: LLM(threads=-1), ValueError, "threads"),
    ],
)
def test_bad_input_is_one_sentence(llm: LLM, call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        call(llm)
    assert "\n" not in str(caught.value)

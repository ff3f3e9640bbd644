"""/v1/chat/completions by the official client."""

from __future__ import annotations

import time

import openai
import pytest
from conftest import STORY, Server
from openai import OpenAI

ASK = [{"role": "user", "content": "Tell me a story about a fox."}]


def chat(client: OpenAI, **fields):
    return client.chat.completions.create(**{"model": STORY, "messages": ASK, "max_tokens": 12, "seed": 1, **fields})


def chunks(client: OpenAI, **fields):
    return list(chat(client, stream=True, **fields))


def text(answer) -> str:
    return answer.choices[0].message.content


def text_of_chunks(all_chunks, index: int = 0) -> str:
    choices = [choice for chunk in all_chunks for choice in chunk.choices if choice.index == index]
    return "".join(choice.delta.content or "" for choice in choices)


def test_an_answer_has_every_field(client: OpenAI) -> None:
    answer = chat(client)
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == STORY
    assert abs(answer.created - time.time()) < 60
    assert answer.system_fingerprint
    [choice] = answer.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "length", None)
    assert (choice.message.role, choice.message.refusal, choice.message.tool_calls) == ("assistant", None, None)
    assert choice.message.content
    assert answer.usage.completion_tokens == 12
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 12


def test_ids_differ(client: OpenAI) -> None:
    assert chat(client).id != chat(client).id


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("longest", [5, 5.0])  # some languages know doubles alone
def test_the_longest_answer(client: OpenAI, name: str, longest: float) -> None:
    answer = client.chat.completions.create(model=STORY, messages=ASK, **{name: longest})
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (5, "length")


def test_without_a_limit_the_model_ends_its_text(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=STORY, messages=ASK, temperature=0)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens > 40
    assert not text(answer).endswith("<|im_end|>")


def test_greedy_answers_are_the_same(client: OpenAI) -> None:
    assert text(chat(client, temperature=0, seed=1)) == text(chat(client, temperature=0, seed=2))


def test_a_seed_gives_one_text(client: OpenAI) -> None:
    texts = [text(chat(client, temperature=1, seed=7, max_tokens=30)) for _ in range(3)]
    assert texts[0] == texts[1] == texts[2]


def test_seeds_give_different_texts(client: OpenAI) -> None:
    assert len({text(chat(client, temperature=1, seed=seed, max_tokens=30)) for seed in range(5)}) > 2


def test_without_a_seed_texts_differ(client: OpenAI) -> None:
    assert len({text(chat(client, temperature=1, seed=None, max_tokens=30)) for _ in range(5)}) > 2


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, -(2**63)])
def test_any_integer_is_a_seed(client: OpenAI, seed: int) -> None:
    assert text(chat(client, seed=seed))


def test_n_answers_have_the_seeds_that_follow(client: OpenAI) -> None:
    answer = chat(client, n=3, seed=40, temperature=1, max_tokens=20)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    alone = [text(chat(client, seed=40 + i, temperature=1, max_tokens=20)) for i in range(3)]
    assert [choice.message.content for choice in answer.choices] == alone
    assert answer.usage.completion_tokens == 60
    assert answer.usage.prompt_tokens == chat(client).usage.prompt_tokens


@pytest.mark.parametrize("stop", [" fox", [" fox"], [" never said", " fox", " zebra"], "o"])
def test_a_stop_text_ends_and_is_left_out(client: OpenAI, stop: str | list[str]) -> None:
    whole = text(chat(client, temperature=0, max_tokens=100))
    ended = chat(client, temperature=0, max_tokens=100, stop=stop)
    first = min(whole.find(one) for one in ([stop] if isinstance(stop, str) else stop) if one in whole)
    assert text(ended) == whole[:first]
    assert ended.choices[0].finish_reason == "stop"


def test_a_stop_text_across_tokens(client: OpenAI) -> None:
    whole = text(chat(client, temperature=0, max_tokens=40))
    middle = whole[20:32]  # begins and ends anywhere
    assert text(chat(client, temperature=0, max_tokens=40, stop=middle)) == whole[: whole.find(middle)]


def test_logprobs_are_of_the_tokens_said(client: OpenAI) -> None:
    choice = chat(client, logprobs=True, temperature=1).choices[0]
    assert len(choice.logprobs.content) == 12
    assert b"".join(bytes(token.bytes) for token in choice.logprobs.content).decode() == choice.message.content
    for token in choice.logprobs.content:
        assert token.logprob <= 0
        assert token.top_logprobs == []


def test_top_logprobs_are_in_order(client: OpenAI) -> None:
    for token in chat(client, logprobs=True, top_logprobs=5, temperature=0).choices[0].logprobs.content:
        values = [candidate.logprob for candidate in token.top_logprobs]
        assert len(values) == 5
        assert values == sorted(values, reverse=True)
        assert (token.top_logprobs[0].token, values[0]) == (token.token, token.logprob)


def test_top_k_of_one_is_greedy(client: OpenAI) -> None:
    assert text(chat(client, temperature=5, extra_body={"top_k": 1})) == text(chat(client, temperature=0))


@pytest.mark.parametrize("top_p", [1e-6, 5e-324])
def test_a_tiny_top_p_is_greedy(client: OpenAI, top_p: float) -> None:
    assert text(chat(client, temperature=1, top_p=top_p)) == text(chat(client, temperature=0))


def test_min_p_of_one_is_greedy(client: OpenAI) -> None:
    assert text(chat(client, temperature=1, extra_body={"min_p": 1})) == text(chat(client, temperature=0))


def test_a_repetition_penalty_changes_the_text(client: OpenAI) -> None:
    penalised = chat(client, temperature=0, max_tokens=80, extra_body={"repetition_penalty": 1.8})
    assert text(penalised) != text(chat(client, temperature=0, max_tokens=80))


def test_ignore_eos_goes_on(client: OpenAI) -> None:
    answer = chat(client, temperature=0, max_tokens=600, extra_body={"ignore_eos": True})
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (600, "length")


def test_min_tokens_come_first(client: OpenAI) -> None:
    end = chat(client, temperature=0, max_tokens=900).usage.completion_tokens
    longer = chat(client, temperature=0, max_tokens=900, extra_body={"min_tokens": end + 5})
    assert longer.usage.completion_tokens >= end + 5


def test_a_conversation_is_found_in_the_cache(client: OpenAI) -> None:
    ask = [{"role": "user", "content": "Tell me a story about a whale, a lamp and a very old lighthouse keeper."}]
    first = chat(client, messages=ask, max_tokens=40)
    assert first.usage.prompt_tokens_details.cached_tokens == 0
    more = [*ask, {"role": "assistant", "content": text(first)}, {"role": "user", "content": "And then?"}]
    second = chat(client, messages=more)
    assert second.usage.prompt_tokens_details.cached_tokens >= 48


def test_parts_are_one_text(client: OpenAI) -> None:
    parts = [{"type": "text", "text": "Tell me a story"}, {"type": "text", "text": " about a fox."}]
    in_parts = chat(client, messages=[{"role": "user", "content": parts}], temperature=0)
    assert text(in_parts) == text(chat(client, temperature=0))


@pytest.mark.parametrize("role", ["system", "developer"])
def test_whoever_sets_the_rules(client: OpenAI, role: str) -> None:
    with_rules = chat(client, messages=[{"role": role, "content": "You tell stories about bears."}, *ASK], temperature=0)
    assert with_rules.usage.prompt_tokens > chat(client).usage.prompt_tokens
    other = "developer" if role == "system" else "system"
    same = chat(client, messages=[{"role": other, "content": "You tell stories about bears."}, *ASK], temperature=0)
    assert text(with_rules) == text(same)


def test_text_in_any_script(client: OpenAI) -> None:
    answer = chat(client, messages=[{"role": "user", "content": "Füchse \u72d0\u72f8 \U0001f98a\x00 \"\\\n"}])
    assert text(answer)


def test_fields_that_change_nothing_are_passed_over(client: OpenAI) -> None:
    plain = chat(client, temperature=0)
    fields = {"user": "somebody", "store": False, "metadata": {"a": "b"}, "service_tier": "auto", "parallel_tool_calls": True}
    neutral = {"presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "response_format": {"type": "text"}}
    extra = {"a_field_of_next_year": {"x": [1]}}
    assert text(chat(client, temperature=0, **fields, **neutral, extra_body=extra)) == text(plain)


def test_a_stream_says_what_the_whole_says(client: OpenAI) -> None:
    whole = chat(client, temperature=1, seed=3, max_tokens=60)
    assert text_of_chunks(chunks(client, temperature=1, seed=3, max_tokens=60)) == text(whole)


def test_the_order_of_a_stream(client: OpenAI) -> None:
    all_chunks = chunks(client)
    assert {chunk.object for chunk in all_chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in all_chunks}) == 1
    assert all(chunk.usage is None for chunk in all_chunks)
    choices = [chunk.choices[0] for chunk in all_chunks]
    assert (choices[0].delta.role, choices[0].delta.content) == ("assistant", "")
    assert [choice.finish_reason for choice in choices] == [None] * (len(choices) - 1) + ["length"]
    assert not choices[-1].delta.content
    # A chunk a token: whoever measures latencies counts on it.
    assert len(choices) == 1 + 12 + 1


def test_a_stream_has_usage_when_asked(client: OpenAI) -> None:
    all_chunks = chunks(client, stream_options={"include_usage": True})
    assert [chunk.usage for chunk in all_chunks[:-1]] == [None] * (len(all_chunks) - 1)
    assert all_chunks[-1].choices == []
    assert all_chunks[-1].usage.completion_tokens == 12
    assert all_chunks[-1].usage.prompt_tokens == chat(client).usage.prompt_tokens


def test_a_stream_of_several_answers(client: OpenAI) -> None:
    fields = {"n": 3, "seed": 5, "temperature": 1, "max_tokens": 20}
    whole, parts = chat(client, **fields), chunks(client, **fields)
    for choice in whole.choices:
        assert text_of_chunks(parts, choice.index) == choice.message.content
    ends = [choice.index for chunk in parts for choice in chunk.choices if choice.finish_reason]
    assert sorted(ends) == [0, 1, 2]


def test_a_stream_with_logprobs(client: OpenAI) -> None:
    fields = {"logprobs": True, "top_logprobs": 2, "temperature": 0}
    whole = chat(client, **fields).choices[0].logprobs.content
    parts = [choice for chunk in chunks(client, **fields) for choice in chunk.choices if choice.logprobs]
    assert [token for choice in parts for token in choice.logprobs.content] == whole


def test_a_stop_text_is_not_streamed(client: OpenAI) -> None:
    parts = chunks(client, temperature=0, max_tokens=100, stop=" fox")
    assert text_of_chunks(parts) == text(chat(client, temperature=0, max_tokens=100, stop=" fox"))
    assert parts[-1].choices[0].finish_reason == "stop"


def test_the_helper_for_streams(client: OpenAI) -> None:
    fields = {"model": STORY, "messages": ASK, "temperature": 0}
    with client.chat.completions.stream(**fields) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert text(final) == "".join(deltas) == text(client.chat.completions.create(**fields))
    assert final.choices[0].finish_reason == "stop"


def test_the_helper_says_that_an_answer_was_cut_short(client: OpenAI) -> None:
    with client.chat.completions.stream(model=STORY, messages=ASK, max_tokens=3) as stream:
        stream.until_done()
        with pytest.raises(openai.LengthFinishReasonError):
            stream.get_final_completion()


def test_the_raw_response(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model=STORY, messages=ASK, max_tokens=12, seed=1)
    assert raw.status_code == 200
    assert raw.headers["content-type"].startswith("application/json")
    assert int(raw.headers["content-length"]) == len(raw.content)
    assert text(raw.parse()) == text(chat(client))


def test_the_raw_stream(client: OpenAI) -> None:
    asked = {"model": STORY, "messages": ASK, "max_tokens": 3, "stream": True}
    with client.chat.completions.with_streaming_response.create(**asked) as raw:
        assert raw.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in raw.iter_lines() if line]
    assert all(line.startswith("data: {") for line in lines[:-1])
    assert lines[-1] == "data: [DONE]"


def test_who_leaves_a_stream_stops_it(slow_server: Server) -> None:
    before = slow_server.wait_until_idle()
    stream = chat(slow_server.client(), model=None, stream=True, max_tokens=1000, extra_body={"ignore_eos": True})
    next(iter(stream))
    slow_server.wait_until(lambda m: m["vllm:num_requests_running"] == 1)
    stream.close()
    after = slow_server.wait_until_idle()
    assert after["vllm:request_success_total{abort}"] == before["vllm:request_success_total{abort}"] + 1
    assert after["vllm:kv_cache_usage_perc"] == 0

"""/v1/completions, /tokenize and /detokenize by the official client."""

from __future__ import annotations

import pytest
from conftest import STORY
from openai import OpenAI


def complete(client: OpenAI, prompt="Once upon a time", **fields):
    return client.completions.create(**{"model": STORY, "prompt": prompt, "max_tokens": 10, "temperature": 0, **fields})


def post(client: OpenAI, path: str, **body) -> dict:
    """Of the server's own, beside /v1."""
    root = str(client.base_url).removesuffix("/v1/")
    return client.post(root + path, cast_to=object, body=body)


def ids_of(client: OpenAI, text: str) -> list[int]:
    return post(client, "/tokenize", prompt=text)["tokens"]


def test_a_completion_has_every_field(client: OpenAI) -> None:
    answer = complete(client)
    assert (answer.object, answer.model) == ("text_completion", STORY)
    assert answer.id.startswith("cmpl-")
    [choice] = answer.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "length", None)
    assert choice.text.startswith(",")
    assert answer.usage.completion_tokens == 10
    assert answer.usage.prompt_tokens == len(ids_of(client, "Once upon a time"))


def test_without_a_limit_there_are_sixteen_tokens(client: OpenAI) -> None:
    assert client.completions.create(model=STORY, prompt="Once").usage.completion_tokens == 16


def test_token_ids_are_a_prompt(client: OpenAI) -> None:
    assert complete(client, ids_of(client, "Once upon a time")).choices[0].text == complete(client).choices[0].text


def test_a_list_of_texts(client: OpenAI) -> None:
    prompts = ["Once upon a time", "The fox", "A very old whale"]
    answer = complete(client, prompts)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert [choice.text for choice in answer.choices] == [complete(client, prompt).choices[0].text for prompt in prompts]
    assert answer.usage.completion_tokens == 30
    assert answer.usage.prompt_tokens == sum(len(ids_of(client, prompt)) for prompt in prompts)


def test_a_list_of_token_ids(client: OpenAI) -> None:
    prompts = ["Once upon a time", "The fox"]
    answer = complete(client, [ids_of(client, prompt) for prompt in prompts])
    assert [choice.text for choice in answer.choices] == [complete(client, prompt).choices[0].text for prompt in prompts]


def test_n_of_each_prompt_stand_together(client: OpenAI) -> None:
    fields = {"temperature": 1, "seed": 20}
    answer = complete(client, ["Once", "The fox"], n=2, **fields)
    alone = [
        complete(client, prompt, temperature=1, seed=20 + i).choices[0].text for prompt in ("Once", "The fox") for i in range(2)
    ]
    assert [choice.text for choice in answer.choices] == alone


def test_best_of_one_is_no_choice(client: OpenAI) -> None:
    assert complete(client, best_of=1).choices


def test_echo(client: OpenAI) -> None:
    echoed = complete(client, echo=True).choices[0].text
    assert echoed == "Once upon a time" + complete(client).choices[0].text


def test_echo_of_token_ids(client: OpenAI) -> None:
    echoed = complete(client, ids_of(client, "Once upon a time"), echo=True).choices[0].text
    assert echoed == complete(client, echo=True).choices[0].text


def test_echo_in_a_stream(client: OpenAI) -> None:
    for prompt in ("Once upon a time", ["The fox", "Once"]):
        whole = complete(client, prompt, echo=True)
        parts = list(complete(client, prompt, echo=True, stream=True))
        for choice in whole.choices:
            assert "".join(part.choices[0].text for part in parts if part.choices[0].index == choice.index) == choice.text


def test_logprobs(client: OpenAI) -> None:
    choice = complete(client, logprobs=3).choices[0]
    logprobs = choice.logprobs
    assert "".join(logprobs.tokens) == choice.text
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.top_logprobs) == len(logprobs.text_offset) == 10
    for token, value, top, offset in zip(
        logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, logprobs.text_offset, strict=True
    ):
        assert value <= 0
        assert len(top) == 3
        assert max(top.values()) == top[token] == value
        assert choice.text[offset:].startswith(token)


def test_no_logprob_but_the_token_s_own(client: OpenAI) -> None:
    logprobs = complete(client, logprobs=0, temperature=1, seed=4).choices[0].logprobs
    assert len(logprobs.token_logprobs) == 10


def test_logprobs_in_a_stream(client: OpenAI) -> None:
    whole = complete(client, logprobs=2).choices[0].logprobs
    parts = [part.choices[0].logprobs for part in complete(client, logprobs=2, stream=True) if part.choices[0].logprobs]
    for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        assert [value for part in parts for value in getattr(part, name)] == getattr(whole, name)


def test_stop(client: OpenAI) -> None:
    whole = complete(client, max_tokens=60).choices[0].text
    ended = complete(client, max_tokens=60, stop=["."]).choices[0]
    assert (ended.text, ended.finish_reason) == (whole[: whole.find(".")], "stop")


def test_a_stop_token(client: OpenAI) -> None:
    whole = complete(client).choices[0].text
    comma = ids_of(client, "Once upon a time,")[-1]
    ended = complete(client, extra_body={"stop_token_ids": [comma]})
    assert whole.startswith(",")
    assert (ended.choices[0].text, ended.choices[0].finish_reason, ended.usage.completion_tokens) == ("", "stop", 1)


def test_a_stream_says_what_the_whole_says(client: OpenAI) -> None:
    whole = complete(client, max_tokens=50, temperature=1, seed=9).choices[0]
    parts = list(complete(client, max_tokens=50, temperature=1, seed=9, stream=True))
    assert "".join(part.choices[0].text for part in parts) == whole.text
    assert [part.choices[0].finish_reason for part in parts if part.choices[0].finish_reason] == [whole.finish_reason]
    assert parts[-1].choices[0].finish_reason == whole.finish_reason


def test_a_stream_of_several_prompts(client: OpenAI) -> None:
    prompts = ["Once upon a time", "The fox"]
    parts = list(complete(client, prompts, stream=True, stream_options={"include_usage": True}))
    assert parts[-1].choices == []
    assert parts[-1].usage.completion_tokens == 20
    for i, choice in enumerate(complete(client, prompts).choices):
        assert "".join(part.choices[0].text for part in parts[:-1] if part.choices[0].index == i) == choice.text


def test_a_prompt_as_long_as_the_context_allows(client: OpenAI) -> None:
    answer = complete(client, [5] * 1023, max_tokens=1)
    assert (answer.usage.total_tokens, answer.choices[0].finish_reason) == (1024, "length")


def test_a_prompt_said_twice_is_cached(client: OpenAI) -> None:
    prompt = list(range(100, 300))
    assert complete(client, prompt).usage.prompt_tokens_details.cached_tokens == 0
    assert complete(client, prompt).usage.prompt_tokens_details.cached_tokens == 192
    # Blocks of 16 tokens; the last token of a prompt is always computed.
    assert complete(client, prompt[:192]).usage.prompt_tokens_details.cached_tokens == 176


@pytest.mark.parametrize("text", ["Once upon a time", "", " two  spaces ", "Füchse \u72d0 \U0001f98a", "<|im_end|>", "\r\n\t\x00"])
def test_tokens_there_and_back(client: OpenAI, text: str) -> None:
    answer = post(client, "/tokenize", prompt=text, return_token_strs=True)
    assert answer["count"] == len(answer["tokens"]) == len(answer["token_strs"])
    assert answer["max_model_len"] == 1024
    assert post(client, "/detokenize", tokens=answer["tokens"])["prompt"] == text


def test_the_tokens_of_a_conversation(client: OpenAI) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    tokens = post(client, "/tokenize", messages=messages)
    answer = client.chat.completions.create(model=STORY, messages=messages, max_tokens=1)
    assert answer.usage.prompt_tokens == tokens["count"]
    assert complete(client, tokens["tokens"]).choices[0].text == (
        client.chat.completions.create(model=STORY, messages=messages, max_tokens=10, temperature=0).choices[0].message.content
    )

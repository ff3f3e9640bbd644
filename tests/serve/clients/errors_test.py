"""What is wrong comes as the official client's exceptions, with the name of the field."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from conftest import STORY, Server
from openai import OpenAI

ASK = [{"role": "user", "content": "Hello"}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}

WRONG_CHATS = [
    ("temperature", {"temperature": -0.1}),
    ("temperature", {"temperature": "hot"}),
    ("temperature", {"temperature": True}),
    ("top_p", {"top_p": 1.5}),
    ("top_p", {"top_p": 0}),
    ("n", {"n": 0}),
    ("n", {"n": 1.5}),
    ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": -5}),
    ("max_tokens", {"max_tokens": "many"}),
    ("max_completion_tokens", {"max_completion_tokens": 0}),
    ("messages", {"messages": []}),
    ("messages", {"messages": "Hello"}),
    ("messages", {"messages": [{"role": "wizard", "content": "Hello"}]}),
    ("messages", {"messages": [{"role": "user"}]}),
    ("messages", {"messages": [{"role": "user", "content": [IMAGE]}]}),
    ("top_logprobs", {"logprobs": True, "top_logprobs": 99}),
    ("top_logprobs", {"top_logprobs": 3}),
    ("stop", {"stop": 5}),
    ("stop", {"stop": [1, 2]}),
    ("seed", {"seed": "x"}),
    ("stream_options", {"stream_options": {"include_usage": True}}),
    ("presence_penalty", {"presence_penalty": 0.5}),
    ("frequency_penalty", {"frequency_penalty": -0.5}),
    ("logit_bias", {"logit_bias": {"5": 100}}),
    ("tools", {"tools": [TOOL]}),
    ("response_format", {"response_format": {"type": "json_object"}}),
    ("response_format", {"response_format": SCHEMA}),
    ("modalities", {"modalities": ["audio"]}),
    ("top_k", {"extra_body": {"top_k": -2}}),
    ("min_tokens", {"extra_body": {"min_tokens": 100, "max_tokens": 10}}),
    ("stop_token_ids", {"extra_body": {"stop_token_ids": ["a"]}}),
]


@pytest.mark.parametrize(("name", "fields"), WRONG_CHATS, ids=lambda value: value if isinstance(value, str) else str(value)[:50])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_wrong_field_is_named(client: OpenAI, name: str, fields: dict, stream: bool) -> None:
    if stream and "stream_options" in fields:
        pytest.skip("right in a stream")
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": STORY, "messages": ASK, "stream": stream, **fields})
    assert caught.value.status_code == 400
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param == name
    assert caught.value.body["message"] and "\n" not in caught.value.body["message"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("prompt", {"prompt": ""}),
        ("prompt", {"prompt": []}),
        ("prompt", {"prompt": [["a"]]}),
        ("prompt", {"prompt": [99_999_999]}),
        ("prompt", {"prompt": [-1]}),
        ("prompt", {"prompt": 7}),
        ("logprobs", {"logprobs": 500}),
        ("best_of", {"best_of": 4}),
        ("suffix", {"suffix": " the end"}),
        ("echo", {"echo": "yes"}),
    ],
    ids=str,
)
def test_a_wrong_completion_is_named(client: OpenAI, name: str, fields: dict) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(**{"model": STORY, "prompt": "Once", **fields})
    assert caught.value.param == name


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("previous_response_id", {"previous_response_id": "resp_1"}),
        ("background", {"background": True}),
        ("metadata", {"metadata": ["a"]}),
        ("tools", {"tools": {"type": "function"}}),
        ("max_output_tokens", {"max_output_tokens": 0}),
        ("input", {"input": []}),
        ("input", {"input": [], "instructions": "You tell stories."}),
        ("input", {"input": [{"type": "function_call_output", "call_id": "c", "output": "5"}]}),
        ("temperature", {"temperature": 1e9}),
        ("text.format", {"text": {"format": {"type": "json_object"}}}),
    ],
    ids=str,
)
def test_a_wrong_response_is_named(client: OpenAI, name: str, fields: dict) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": STORY, "input": "Hello", **fields})
    assert caught.value.param == name


def test_a_prompt_that_is_too_long_says_how_long(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model=STORY, prompt=[5] * 1500)
    assert caught.value.code == "context_length_exceeded"
    assert "1500" in caught.value.message
    assert "1024" in caught.value.message


def test_an_answer_that_is_too_long_says_how_long(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=STORY, messages=ASK, max_tokens=5000)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "max_tokens")
    assert "5000" in caught.value.message
    assert "1024" in caught.value.message


def test_another_model(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=ASK)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4o")


def test_the_model_that_is_served(client: OpenAI) -> None:
    [model] = client.models.list()
    assert (model.id, model.object) == (STORY, "model")
    assert client.models.retrieve(STORY) == model


@pytest.mark.parametrize("call", ["embeddings", "images", "moderations", "files", "retrieve", "cancel"])
def test_what_is_not_there(client: OpenAI, call: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "embeddings": lambda: client.embeddings.create(model=STORY, input="x"),
        "images": lambda: client.images.generate(prompt="x"),
        "moderations": lambda: client.moderations.create(input="x"),
        "files": lambda: client.files.list(),
        "retrieve": lambda: client.responses.retrieve("resp_1"),
        "cancel": lambda: client.responses.cancel("resp_1"),
    }
    with pytest.raises(openai.NotFoundError):
        calls[call]()


def test_the_wrong_method(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.get("/chat/completions", cast_to=object)
    assert caught.value.status_code == 405
    assert caught.value.response.headers["allow"] == "POST"


def test_a_body_that_is_no_json(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.post("/chat/completions", cast_to=object, content=b'{"messages": [', options={"headers": {"Content-Type": "application/json"}})


def test_a_body_beyond_the_limit(server: Server) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        server.client().completions.create(model=STORY, prompt="x" * (40 << 20))
    assert caught.value.status_code == 413


def test_the_key(start: Callable[..., Server]) -> None:
    server = start(env={"TOKENYARD_API_KEY": "open sesame"})
    for wrong in ("open sesam", "open sesame!", "x"):
        with pytest.raises(openai.AuthenticationError) as caught:
            server.client(api_key=wrong).chat.completions.create(model=STORY, messages=ASK, max_tokens=1)
        assert caught.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            server.client(api_key=wrong).models.list()
    right = server.client(api_key="open sesame")
    assert right.chat.completions.create(model=STORY, messages=ASK, max_tokens=1).choices
    server.get("/health")
    server.get("/metrics")


def test_a_full_queue(start: Callable[..., Server]) -> None:
    server = start("--backend", "sim", "--hardware", "l4", "--max-waiting", "1", "--set", "engine.max_num_seqs=1")

    def tokens(retries: int) -> int:
        short = server.client(max_retries=retries).chat.completions.create(model=None, messages=ASK, max_tokens=2)
        return short.usage.completion_tokens

    running = server.client().chat.completions.create(
        model=None, messages=ASK, max_tokens=2000, stream=True, extra_body={"ignore_eos": True}
    )
    next(iter(running))
    with ThreadPoolExecutor() as others:
        waits = others.submit(tokens, 0)
        server.wait_until(lambda m: m["vllm:num_requests_waiting"] == 1)
        with pytest.raises(openai.RateLimitError) as caught:
            tokens(0)
        assert caught.value.code == "queue_full"
        assert int(caught.value.response.headers["retry-after"]) >= 1
        # The official client comes again after the time it was told, and is served once there is room.
        comes_again = others.submit(tokens, 5)
        time.sleep(0.5)
        running.close()
        assert (waits.result(), comes_again.result()) == (2, 2)


def test_who_does_not_wait_stops_the_work(slow_server: Server) -> None:
    before = slow_server.wait_until_idle()
    begin = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        slow_server.client(timeout=0.5).chat.completions.create(
            model=None, messages=ASK, max_tokens=1000, extra_body={"ignore_eos": True}
        )
    assert time.monotonic() - begin < 10
    after = slow_server.wait_until_idle()
    assert after["vllm:request_success_total{abort}"] == before["vllm:request_success_total{abort}"] + 1


def test_a_server_that_shuts_down(start: Callable[..., Server]) -> None:
    server = start("--backend", "sim", "--hardware", "l4", "--drain-timeout", "0.5")
    stream = server.client().chat.completions.create(
        model=None, messages=ASK, max_tokens=2000, stream=True, extra_body={"ignore_eos": True}
    )
    chunks = iter(stream)
    next(chunks)
    server.terminate()
    # The stream goes on for the time that is left, and ends with the reason.
    with pytest.raises(openai.APIError) as caught:
        for _ in chunks:
            pass
    assert "shutting down" in caught.value.message
    assert server.wait() == 0
    with pytest.raises(openai.APIConnectionError):
        server.client().models.list()


def test_a_short_answer_ends_while_the_server_drains(start: Callable[..., Server]) -> None:
    server = start("--backend", "sim", "--hardware", "l4", "--drain-timeout", "30")
    stream = iter(
        server.client().chat.completions.create(
            model=None, messages=ASK, max_tokens=20, stream=True, extra_body={"ignore_eos": True}
        )
    )
    next(stream)
    server.terminate()
    assert list(stream)[-1].choices[0].finish_reason == "length"
    assert server.wait() == 0

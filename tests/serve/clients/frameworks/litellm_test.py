"""LiteLLM, by its two routes to such a server."""

from __future__ import annotations

import os

import pytest
from conftest import STORY, Server

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the Internet for prices when it is imported
import litellm  # noqa: E402

ASK = [{"role": "user", "content": "Tell me a story about a fox."}]


def fields(server: Server, route: str) -> dict:
    return {"model": f"{route}/{STORY}", "api_base": server.url, "api_key": "none", "temperature": 0, "max_tokens": 12}


def said(server: Server) -> str:
    answer = server.client().chat.completions.create(model=STORY, messages=ASK, temperature=0, max_tokens=12)
    return answer.choices[0].message.content


@pytest.mark.parametrize("route", ["openai", "hosted_vllm"])
def test_a_chat(server: Server, route: str) -> None:
    answer = litellm.completion(messages=ASK, **fields(server, route))
    assert answer.choices[0].message.content == said(server)
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 12)


@pytest.mark.parametrize("route", ["openai", "hosted_vllm"])
def test_a_stream(server: Server, route: str) -> None:
    chunks = list(litellm.completion(messages=ASK, stream=True, stream_options={"include_usage": True}, **fields(server, route)))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == said(server)
    whole = litellm.stream_chunk_builder(chunks, messages=ASK)
    assert (whole.choices[0].message.content, whole.usage.completion_tokens) == (said(server), 12)


def test_a_completion(server: Server) -> None:
    answer = litellm.text_completion(prompt="Once upon a time", **fields(server, "text-completion-openai"))
    assert answer.choices[0].text.startswith(",")
    assert answer.usage.completion_tokens == 12


def test_a_response(server: Server) -> None:
    asked = fields(server, "openai")
    asked["max_output_tokens"] = asked.pop("max_tokens") + 10
    answer = litellm.responses(input=ASK[0]["content"], **asked)
    assert answer.output[0].content[0].text.startswith(said(server))


def test_another_model(server: Server) -> None:
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(messages=ASK, **{**fields(server, "openai"), "model": "openai/gpt-4o"})


def test_a_prompt_that_is_too_long(server: Server) -> None:
    with pytest.raises(litellm.ContextWindowExceededError):
        litellm.completion(messages=[{"role": "user", "content": "fox " * 3000}], **fields(server, "openai"))

"""LangChain's two classes for OpenAI, and its use of /v1/responses."""

from __future__ import annotations

import asyncio

import langchain_openai as langchain
from conftest import STORY, Server

ASK = "Tell me a story about a fox."


def chat(server: Server, **fields):
    fields = {"model": STORY, "base_url": server.url, "api_key": "none", "temperature": 0, "max_tokens": 12, "max_retries": 0, **fields}
    return langchain.ChatOpenAI(**fields)


def test_invoke(server: Server) -> None:
    answer = chat(server).invoke([("system", "You tell stories."), ("human", ASK)])
    assert answer.content
    assert answer.usage_metadata["output_tokens"] == 12
    assert answer.response_metadata["finish_reason"] == "length"


def test_a_stream(server: Server) -> None:
    chunks = list(chat(server, stream_usage=True).stream(ASK))
    assert "".join(chunk.content for chunk in chunks) == chat(server).invoke(ASK).content
    assert sum(chunk.usage_metadata["output_tokens"] for chunk in chunks if chunk.usage_metadata) == 12


def test_a_batch(server: Server) -> None:
    questions = [f"Tell me story {i}." for i in range(6)]
    assert [answer.content for answer in chat(server).batch(questions)] == [
        chat(server).invoke(question).content for question in questions
    ]


def test_asynchronously(server: Server) -> None:
    async def both() -> tuple[str, str]:
        whole, parts = await asyncio.gather(chat(server).ainvoke(ASK), _collect(chat(server)))
        return whole.content, parts

    async def _collect(model) -> str:
        return "".join([chunk.content async for chunk in model.astream(ASK)])

    whole, parts = asyncio.run(both())
    assert whole == parts != ""


def test_stop_and_logprobs(server: Server) -> None:
    answer = chat(server, max_tokens=60).bind(stop=["."], logprobs=True, top_logprobs=2).invoke(ASK)
    assert "." not in answer.content
    assert answer.response_metadata["finish_reason"] == "stop"
    assert len(answer.response_metadata["logprobs"]["content"][0]["top_logprobs"]) == 2


def test_responses(server: Server) -> None:
    model = chat(server, use_responses_api=True)
    answer = model.invoke(ASK)
    assert answer.text == chat(server).invoke(ASK).content
    parts = list(model.stream(ASK))
    assert "".join(part.text for part in parts) == answer.text
    # The answer goes back as LangChain keeps it.
    assert model.invoke([("human", ASK), answer, ("human", "And then?")]).text


def test_completions(server: Server) -> None:
    model = langchain.OpenAI(model=STORY, base_url=server.url, api_key="none", temperature=0, max_tokens=8)
    whole = model.invoke("Once upon a time")
    assert whole.startswith(",")
    assert "".join(model.stream("Once upon a time")) == whole
    several = model.generate(["Once upon a time", "The fox"])
    assert several.generations[0][0].text == whole
    assert several.llm_output["token_usage"]["completion_tokens"] == 16

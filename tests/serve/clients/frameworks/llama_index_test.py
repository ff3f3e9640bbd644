"""LlamaIndex' class for servers of this kind."""

from __future__ import annotations

import asyncio

from conftest import STORY, Server
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike


def model(server: Server, *, chat: bool):
    return OpenAILike(
        model=STORY, api_base=server.url, api_key="none", is_chat_model=chat, temperature=0, max_tokens=12, context_window=1024
    )


def messages() -> list:
    return [ChatMessage(role="system", content="You tell stories."), ChatMessage(role="user", content="About a fox, please.")]


def test_a_chat(server: Server) -> None:
    whole = model(server, chat=True).chat(messages())
    assert whole.message.content
    assert whole.raw.usage.completion_tokens == 12
    parts = list(model(server, chat=True).stream_chat(messages()))
    assert "".join(part.delta for part in parts) == parts[-1].message.content == whole.message.content


def test_a_completion(server: Server) -> None:
    whole = model(server, chat=False).complete("Once upon a time")
    assert whole.text.startswith(",")
    parts = list(model(server, chat=False).stream_complete("Once upon a time"))
    assert "".join(part.delta for part in parts) == whole.text


def test_asynchronously(server: Server) -> None:
    async def several() -> list[str]:
        answers = await asyncio.gather(*(model(server, chat=True).achat(messages()) for _ in range(4)))
        return [answer.message.content for answer in answers]

    assert set(asyncio.run(several())) == {model(server, chat=True).chat(messages()).message.content}

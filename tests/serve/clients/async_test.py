"""The official client's asynchronous half: many requests at once."""

from __future__ import annotations

import asyncio

import openai
import pytest
from conftest import STORY, Server
from openai import AsyncOpenAI, OpenAI


def ask(i: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Tell me story number {i}."}]


async def streamed(client: AsyncOpenAI, i: int, **fields) -> str:
    stream = await client.chat.completions.create(
        model=STORY, messages=ask(i), max_tokens=20, temperature=1, seed=i, stream=True, **fields
    )
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def test_many_at_once_say_what_each_says_alone(server: Server, client: OpenAI) -> None:
    async def all_at_once() -> list[str]:
        async with server.async_client() as many:
            return await asyncio.gather(*(streamed(many, i) for i in range(24)))

    together = asyncio.run(all_at_once())
    for i in (0, 11, 23):
        alone = client.chat.completions.create(model=STORY, messages=ask(i), max_tokens=20, temperature=1, seed=i)
        assert together[i] == alone.choices[0].message.content


def test_whole_answers_at_once(server: Server) -> None:
    async def all_at_once() -> list[int]:
        async with server.async_client() as many:
            answers = await asyncio.gather(
                *(many.chat.completions.create(model=STORY, messages=ask(i), max_tokens=5 + i) for i in range(10))
            )
            return [answer.usage.completion_tokens for answer in answers]

    assert asyncio.run(all_at_once()) == list(range(5, 15))


def test_all_three_interfaces_at_once(server: Server) -> None:
    async def all_at_once() -> tuple[int, int, int]:
        async with server.async_client() as many:
            chat, text, response = await asyncio.gather(
                many.chat.completions.create(model=STORY, messages=ask(1), max_tokens=4),
                many.completions.create(model=STORY, prompt="Once", max_tokens=5),
                many.responses.create(model=STORY, input="Hello", max_output_tokens=6),
            )
            return chat.usage.completion_tokens, text.usage.completion_tokens, response.usage.output_tokens

    assert asyncio.run(all_at_once()) == (4, 5, 6)


def test_models(server: Server) -> None:
    async def names() -> list[str]:
        async with server.async_client() as one:
            return [model.id async for model in one.models.list()]

    assert asyncio.run(names()) == [STORY]


def test_an_error_is_raised(server: Server) -> None:
    async def wrong() -> None:
        async with server.async_client() as one:
            await one.chat.completions.create(model=STORY, messages=[])

    with pytest.raises(openai.BadRequestError):
        asyncio.run(wrong())


def test_the_helper_for_responses(server: Server) -> None:
    async def helped() -> tuple[str, str]:
        async with (
            server.async_client() as one,
            one.responses.stream(model=STORY, input="Hello", temperature=0) as stream,
        ):
            deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            return "".join(deltas), "".join(part.text for item in (await stream.get_final_response()).output for part in item.content)

    said, final = asyncio.run(helped())
    assert said == final != ""


def test_a_cancelled_task_stops_its_request(slow_server: Server) -> None:
    before = slow_server.wait_until_idle()

    async def leave() -> None:
        async with slow_server.async_client() as one:
            tasks = [
                asyncio.create_task(
                    one.chat.completions.create(messages=ask(i), model=None, max_tokens=1000, extra_body={"ignore_eos": True})
                )
                for i in range(8)
            ]
            while (await asyncio.to_thread(slow_server.metrics))["vllm:num_requests_running"] < 8:
                await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
            assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*tasks, return_exceptions=True))

    asyncio.run(leave())
    after = slow_server.wait_until_idle()
    assert after["vllm:request_success_total{abort}"] == before["vllm:request_success_total{abort}"] + 8
    assert after["vllm:kv_cache_usage_perc"] == 0


def test_who_leaves_does_not_disturb_the_others(server: Server, client: OpenAI) -> None:
    async def some_leave() -> list[str]:
        async with server.async_client() as many:

            async def leaves(i: int) -> None:
                stream = await many.chat.completions.create(model=STORY, messages=ask(i), max_tokens=500, stream=True)
                async for _ in stream:
                    break
                await stream.close()

            stay = [asyncio.create_task(streamed(many, i)) for i in range(8)]
            await asyncio.gather(*(leaves(i) for i in range(16)))
            return await asyncio.gather(*stay)

    said = asyncio.run(some_leave())
    server.wait_until_idle()
    alone = client.chat.completions.create(model=STORY, messages=ask(5), max_tokens=20, temperature=1, seed=5)
    assert said[5] == alone.choices[0].message.content

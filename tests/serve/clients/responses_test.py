"""/v1/responses by the official client."""

from __future__ import annotations

import openai
import pytest
from conftest import STORY, Server
from openai import OpenAI

ASK = "Tell me a story about a fox."


def respond(client: OpenAI, **fields):
    fields = {"model": STORY, "input": ASK, "max_output_tokens": 12, "temperature": 0, **fields}
    return client.responses.create(**fields)


def test_a_response_has_every_field(client: OpenAI) -> None:
    answer = respond(client)
    assert (answer.object, answer.model, answer.error) == ("response", STORY, None)
    assert answer.id.startswith("resp_")
    [item] = answer.output
    assert (item.type, item.role) == ("message", "assistant")
    assert item.id.startswith("msg_")
    [part] = item.content
    assert (part.type, part.annotations) == ("output_text", [])
    assert answer.output_text == part.text
    assert answer.usage.output_tokens == 12
    assert answer.usage.total_tokens == answer.usage.input_tokens + 12
    assert answer.usage.output_tokens_details.reasoning_tokens == 0


def test_an_answer_cut_short_is_incomplete(client: OpenAI) -> None:
    answer = respond(client)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.output[0].status == "incomplete"


def test_an_answer_that_ends_is_complete(client: OpenAI) -> None:
    answer = respond(client, max_output_tokens=None)
    assert (answer.status, answer.incomplete_details) == ("completed", None)
    assert answer.output[0].status == "completed"


def test_it_says_what_a_chat_says(client: OpenAI) -> None:
    chat = client.chat.completions.create(
        model=STORY, messages=[{"role": "user", "content": ASK}], max_tokens=12, temperature=0
    )
    assert respond(client).output_text == chat.choices[0].message.content
    assert respond(client).usage.input_tokens == chat.usage.prompt_tokens


def test_a_seed_gives_one_text(client: OpenAI) -> None:
    texts = {respond(client, temperature=1, extra_body={"seed": 5}, max_output_tokens=30).output_text for _ in range(3)}
    assert len(texts) == 1
    assert respond(client, temperature=1, extra_body={"seed": 6}, max_output_tokens=30).output_text not in texts


@pytest.mark.parametrize(
    "asked",
    [
        [{"role": "user", "content": ASK}],
        [{"type": "message", "role": "user", "content": ASK}],
        [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": ASK}]}],
    ],
)
def test_input_in_every_form(client: OpenAI, asked: list) -> None:
    assert respond(client, input=asked).output_text == respond(client).output_text


def test_instructions_come_first(client: OpenAI) -> None:
    rules = "You tell stories about bears."
    as_message = [{"role": "developer", "content": rules}, {"role": "user", "content": ASK}]
    with_rules = respond(client, instructions=rules)
    assert with_rules.instructions == rules
    assert with_rules.usage.input_tokens > respond(client).usage.input_tokens
    assert with_rules.output_text == respond(client, input=as_message).output_text


def test_a_conversation_is_sent_whole(client: OpenAI) -> None:
    first = respond(client, max_output_tokens=40)
    history = [{"role": "user", "content": ASK}, *first.output, {"role": "user", "content": "And then?"}]
    second = respond(client, input=history)
    chat = client.chat.completions.create(
        model=STORY,
        messages=[
            {"role": "user", "content": ASK},
            {"role": "assistant", "content": first.output_text},
            {"role": "user", "content": "And then?"},
        ],
        max_tokens=12,
        temperature=0,
    )
    assert second.output_text == chat.choices[0].message.content
    assert second.usage.input_tokens_details.cached_tokens >= 32


def test_thoughts_are_left_out(client: OpenAI) -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": []}
    assert respond(client, input=[thought, {"role": "user", "content": ASK}]).output_text == respond(client).output_text


def test_tools_are_not_called(client: OpenAI) -> None:
    tools = [
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False},
        {"type": "web_search"},
        {"type": "a_tool_of_next_year"},
    ]
    answer = respond(client, tools=tools, tool_choice="auto", parallel_tool_calls=False)
    assert answer.output_text == respond(client).output_text
    assert answer.parallel_tool_calls is False


def test_what_was_asked_comes_back(client: OpenAI) -> None:
    answer = respond(client, metadata={"lesson": "7"}, top_p=0.5, temperature=0.7)
    assert (answer.metadata, answer.top_p, answer.temperature) == ({"lesson": "7"}, 0.5, 0.7)
    assert (answer.max_output_tokens, answer.store, answer.previous_response_id) == (12, False, None)


def test_logprobs(client: OpenAI) -> None:
    answer = respond(client, include=["message.output_text.logprobs"], top_logprobs=2)
    logprobs = answer.output[0].content[0].logprobs
    assert b"".join(bytes(token.bytes) for token in logprobs).decode() == answer.output_text
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in logprobs)


def test_the_events_of_a_stream(client: OpenAI) -> None:
    events = list(respond(client, stream=True))
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * len(deltas),
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert len(deltas) == 12
    whole = respond(client).output_text
    assert "".join(event.delta for event in deltas) == whole
    done, part, item, last = events[-4:]
    assert done.text == part.part.text == item.item.content[0].text == last.response.output_text == whole
    of_item = [event.item_id for event in events if hasattr(event, "item_id")]
    assert set(of_item) == {item.item.id}
    assert (events[0].response.status, events[0].response.output, events[0].response.usage) == ("in_progress", [], None)
    assert events[0].response.id == last.response.id
    assert last.response.usage.output_tokens == 12


def test_a_stream_that_ends_is_completed(client: OpenAI) -> None:
    last = list(respond(client, stream=True, max_output_tokens=None))[-1]
    assert (last.type, last.response.status) == ("response.completed", "completed")


def test_a_stream_with_logprobs(client: OpenAI) -> None:
    fields = {"include": ["message.output_text.logprobs"]}
    events = list(respond(client, stream=True, **fields))
    streamed = [token for event in events if event.type == "response.output_text.delta" for token in event.logprobs]
    whole = respond(client, **fields).output[0].content[0].logprobs
    assert [token.token for token in streamed] == [token.token for token in whole]
    [done] = [event for event in events if event.type == "response.output_text.done"]
    assert [token.token for token in done.logprobs] == [token.token for token in whole]


def test_the_helper_for_streams(client: OpenAI) -> None:
    with client.responses.stream(model=STORY, input=ASK, temperature=0) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert final.output_text == "".join(deltas) == respond(client, max_output_tokens=None).output_text


def test_an_empty_field_is_as_if_left_out(client: OpenAI) -> None:
    nothing = {"instructions": None, "previous_response_id": None, "tools": [], "metadata": {}, "store": True, "truncation": "auto"}
    assert respond(client, **nothing).output_text == respond(client).output_text


def test_a_structured_answer_is_refused(client: OpenAI) -> None:
    form = {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}}
    with pytest.raises(openai.BadRequestError) as caught:
        respond(client, text=form)
    assert caught.value.param == "text.format"


def test_who_leaves_a_stream_stops_it(slow_server: Server) -> None:
    before = slow_server.wait_until_idle()
    stream = slow_server.client().responses.create(
        input=ASK, max_output_tokens=1000, stream=True, extra_body={"ignore_eos": True}
    )
    for event in stream:
        if event.type == "response.output_text.delta":
            break
    stream.close()
    after = slow_server.wait_until_idle()
    assert after["vllm:request_success_total{abort}"] == before["vllm:request_success_total{abort}"] + 1

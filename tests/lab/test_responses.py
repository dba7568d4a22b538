"""The Responses API from a real lab: answers, events and the round trip of a function's call.

With the unmodified client, which is told to check each object; and nothing may stand in an object
that its type does not know.
"""

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from labserver import KEY, MODEL, Server
from openai.types.responses import Response
from pydantic import BaseModel

ASK: dict[str, Any] = {
    "model": MODEL,
    "input": "Tell me a long story about the sea.",
    "max_output_tokens": 16,
}
RATING = {
    "type": "object",
    "properties": {"stars": {"type": "integer", "enum": [1, 2, 3, 4, 5]}},
    "required": ["stars"],
    "additionalProperties": False,
}
RATE: Any = [{"type": "function", "name": "rate", "parameters": RATING, "strict": True}]
CALLED: dict[str, Any] = {"model": MODEL, "tools": RATE, "tool_choice": "required"}


class Rating(BaseModel):
    """What `parse` shall return."""

    stars: int


@pytest.fixture(scope="module")
def client(lab: Server) -> openai.OpenAI:
    return lab.client(_strict_response_validation=True)


def assert_known(value: Any) -> None:
    """Fail if an object of the package holds a field that its type does not have."""
    if isinstance(value, list):
        for each in value:
            assert_known(each)
    if isinstance(value, openai.BaseModel):
        assert not value.model_extra, (type(value), value.model_extra)
        for name in type(value).model_fields:
            assert_known(getattr(value, name))


def test_an_answer_is_a_response(client: openai.OpenAI, lab: Server) -> None:
    asked = ASK | {"instructions": "Tell stories.", "temperature": 0, "metadata": {"a": "b"}}
    answer = client.responses.create(**asked, store=True, top_logprobs=2)
    assert_known(answer)
    assert answer.output_text and answer.instructions == "Tell stories." and answer.temperature == 0
    assert answer.metadata == {"a": "b"} and answer.usage.output_tokens == 16
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.output[0].status == "incomplete"
    logprobs = answer.output[0].content[0].logprobs
    assert "".join(token.token for token in logprobs) == answer.output_text
    assert len(logprobs[0].top_logprobs) == 2
    chat = [
        {"role": "system", "content": "Tell stories."},
        {"role": "user", "content": ASK["input"]},
    ]
    same = lab.chat(messages=chat, max_tokens=16)
    assert same.choices[0].message.content == answer.output_text
    with pytest.raises(openai.NotFoundError, match="keeps no responses"):
        client.responses.retrieve(answer.id)


def test_events_say_the_same_as_an_answer(client: openai.OpenAI) -> None:
    client.responses.create(**ASK)  # from now on the prompt is read from the cache: same rounding
    whole = client.responses.create(**ASK, temperature=0, top_logprobs=0)
    events = list(client.responses.create(**ASK, temperature=0, top_logprobs=2, stream=True))
    for event in events:
        assert_known(event)
    [done] = [event for event in events if event.type == "response.output_text.done"]
    assert len(done.logprobs) == 16 and len(done.logprobs[0].top_logprobs) == 2
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = list(dict.fromkeys(event.type for event in events))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.incomplete",
    ]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text == events[-1].response.output_text
    assert len(deltas) > 3
    assert events[-1].response.usage.total_tokens == whole.usage.total_tokens
    ids = {event.item_id for event in events if hasattr(event, "item_id")}
    assert ids == {events[-1].response.output[0].id}


def test_events_are_named_and_end_without_a_mark(lab: Server) -> None:
    body = ASK | {"stream": True}
    headers = {"Authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"{lab.url}/v1/responses", json=body, headers=headers, timeout=60)
    lines = [line for line in answer.text.splitlines() if line]
    assert lines[0] == "event: response.created" and "[DONE]" not in answer.text
    for name, data in zip(lines[::2], lines[1::2], strict=True):
        assert name == f"event: {json.loads(data.removeprefix('data: '))['type']}"


def test_a_function_is_called_and_its_output_sent_back(client: openai.OpenAI) -> None:
    asked: list[Any] = [{"role": "user", "content": "Rate: good."}]
    answer = client.responses.create(**CALLED, input=asked, max_output_tokens=60)
    assert_known(answer)
    [call] = answer.output
    assert call.type == "function_call" and json.loads(call.arguments)["stars"] in range(1, 6)
    assert answer.status == call.status == "completed" and answer.output_text == ""
    asked += [
        *answer.output,
        {"type": "function_call_output", "call_id": call.call_id, "output": "ok"},
    ]
    asked += [item.model_dump() for item in client.responses.create(**ASK).output]  # all its nulls
    asked += [{"role": "user", "content": "Thanks."}]
    after = client.responses.create(
        **CALLED | {"tool_choice": "none"}, input=asked, max_output_tokens=16
    )
    assert after.output[0].type == "message"


def test_a_call_comes_in_pieces(client: openai.OpenAI) -> None:
    events = list(client.responses.create(**CALLED, input="Rate: good.", stream=True))
    for event in events:
        assert_known(event)
    pieces = [e.delta for e in events if e.type == "response.function_call_arguments.delta"]
    [done] = [e for e in events if e.type == "response.function_call_arguments.done"]
    [added] = [e for e in events if e.type == "response.output_item.added"]
    assert (added.item.name, added.item.arguments) == ("rate", "") and len(pieces) > 3
    assert "".join(pieces) == done.arguments == events[-1].response.output[0].arguments
    assert events[-1].type == "response.completed"


def test_answers_become_objects(client: openai.OpenAI) -> None:
    asked = ASK | {"max_output_tokens": 30}
    assert isinstance(client.responses.parse(**asked, text_format=Rating).output_parsed, Rating)
    with client.responses.stream(**asked, text_format=Rating) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Rating)


def test_the_asynchronous_client_is_answered_too(lab: Server) -> None:
    async def both() -> tuple[Response, list[Any]]:
        async with openai.AsyncOpenAI(base_url=f"{lab.url}/v1", api_key=KEY) as client:
            answer, stream = await asyncio.gather(
                client.responses.create(**ASK), client.responses.create(**ASK, stream=True)
            )
            return answer, [event async for event in stream]

    answer, events = asyncio.run(both())
    assert answer.output_text and events[-1].type == "response.incomplete"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/moderations"),
        ("POST", "/vector_stores"),
        ("GET", "/vector_stores/vs_1/files"),
        ("DELETE", "/conversations/conv_1"),
        ("POST", "/images/variations"),
        ("GET", "/chat/completions"),
        ("POST", "/chat/completions/chatcmpl-1"),
        ("GET", "/responses/resp_1"),
    ],
)
def test_what_is_not_here_says_so(lab: Server, method: str, path: str) -> None:
    status, answer = lab.call(method, path, {"input": "x"} if method == "POST" else None)
    assert status == 404 and answer["error"]["code"] != "unknown_url"
    assert len(answer["error"]["message"]) > 60 and "typos" not in answer["error"]["message"]

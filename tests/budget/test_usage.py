"""The size of a request, from every form that its body and its answer can have."""

import json
from typing import Any

import pytest
from budgets import HELLO, MODEL, USAGE

from workbook.budget import NotCountableError, usage
from workbook.prices import registry, tokens

MINI = registry.get(MODEL)


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"prompt": "Hello."}, ["Hello."]),
        ({"prompt": ["Hello.", "And you?"]}, ["Hello.", "And you?"]),
        ({}, [""]),
    ],
)
def test_prompts_of_completions_are_counted(body: dict[str, Any], texts: list[str]) -> None:
    assert usage.prompt_tokens(body, MINI) == sum(tokens.count(text, MODEL) for text in texts)


def test_tools_and_schemas_are_in_the_most_a_prompt_can_have() -> None:
    plain = usage.prompt_tokens_at_most({"messages": HELLO}, MINI)
    assert plain >= usage.prompt_tokens({"messages": HELLO}, MINI)
    tool = {"type": "function", "function": {"name": "rate", "description": "Stars. " * 50}}
    assert usage.prompt_tokens_at_most({"messages": HELLO, "tools": [tool]}, MINI) > plain + 100


def test_a_prompt_made_of_numbers_is_not_counted() -> None:
    with pytest.raises(NotCountableError, match="numbers"):
        usage.prompt_tokens({"prompt": [[1, 2, 3]]}, MINI)


def test_every_answer_may_be_as_long_as_it_may_be() -> None:
    assert usage.completion_tokens_at_most({"max_tokens": 7, "n": 3}, MINI) == 21
    body = {"messages": HELLO}
    rest = usage.completion_tokens_at_most(body, MINI)
    assert rest + usage.prompt_tokens(body, MINI) == MINI.context_window


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"choices": [{"message": {"content": "Hi"}}], "usage": USAGE}, (USAGE, "Hi")),
        ({"choices": [{"text": "Hi"}, {"text": " you"}]}, (None, "Hi you")),
        ({"choices": [{"message": {"content": None}}]}, (None, "")),
        ([1, 2], (None, "")),
    ],
)
def test_an_answer_gives_its_usage_and_its_text(data: Any, expected: tuple) -> None:
    assert usage.of_answer(json.dumps(data).encode()) == expected


def test_tool_calls_are_text_too_and_a_stream_is_put_together() -> None:
    calls = [{"function": {"name": "rate", "arguments": "{}"}}]
    chunks = [
        {"choices": [{"delta": {"content": "Hi"}}]},
        {"choices": [{"delta": {"tool_calls": calls}}]},
        {"choices": [], "usage": USAGE},
    ]
    stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    assert usage.of_answer(stream.encode()) == (USAGE, "Hi" + json.dumps(calls))

"""The size of a request, from every form that its body and its answer can have."""

import json
from typing import Any

import pytest
from budgets import HELLO, MODEL, USAGE

from workbook.budget import answers, usage
from workbook.budget.answers import Usage
from workbook.prices import registry, tokens

MINI = registry.get(MODEL)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": "Hello."}, ["Hello."]),
        ({"prompt": ["Hello.", "And you?"]}, ["Hello.", "And you?"]),
        ({}, [""]),
    ],
)
def test_prompts_of_completions_are_counted(body: dict[str, Any], expected: list[str]) -> None:
    assert usage.input_tokens(body.get("prompt"), MINI) >= usage.prompt_tokens(body, MINI)
    assert usage.prompt_tokens(body, MINI) == sum(tokens.count(text, MODEL) for text in expected)


def test_a_prompt_made_of_numbers_has_as_many_tokens() -> None:
    assert usage.prompt_tokens({"prompt": [[1, 2, 3], [4]]}, MINI) == 4


def test_tools_and_schemas_are_in_the_most_a_prompt_can_have() -> None:
    plain = usage.prompt_tokens_at_most({"messages": HELLO}, MINI)
    assert plain >= usage.prompt_tokens({"messages": HELLO}, MINI)
    tool = {"type": "function", "function": {"name": "rate", "description": "Stars. " * 50}}
    assert usage.prompt_tokens_at_most({"messages": HELLO, "tools": [tool]}, MINI) > plain + 100
    end = {"prompt": "a", "suffix": "Stars. " * 50}
    assert usage.prompt_tokens_at_most(end, MINI) > 100


@pytest.mark.parametrize(
    ("body", "answers_"),
    [
        ({"max_tokens": 7, "n": 3}, 3),
        ({"max_tokens": 7, "n": 2, "best_of": 20}, 20),
        ({"max_tokens": 7, "prompt": ["a", "b"], "n": 2}, 4),
        ({"max_tokens": 7, "prompt": [1, 2, 3]}, 1),
        ({"max_tokens": 7, "prompt": [[1], [2]]}, 2),
        ({"max_tokens": 3, "max_completion_tokens": 7}, 1),
        ({"max_output_tokens": 7}, 1),
    ],
)
def test_every_answer_may_be_as_long_as_it_may_be(body: dict[str, Any], answers_: int) -> None:
    assert usage.completion_tokens_at_most(body, MINI) == 7 * answers_


@pytest.mark.parametrize(
    ("data", "used", "text"),
    [
        (
            {"choices": [{"message": {"content": "Hi"}}], "usage": USAGE},
            Usage(1000, 0, 10),
            "Hi",
        ),
        ({"choices": [{"text": "Hi"}, {"text": " you"}]}, None, "Hi you"),
        ({"choices": [{"message": {"content": None}}]}, None, ""),
        ([1, 2], None, ""),
        (
            {"output": [{"content": [{"text": "Hi"}]}, {"arguments": "{}"}]},
            None,
            "Hi{}",
        ),
        # reasoning that only the total has; what was written to the cache costs more
        ({"usage": USAGE | {"total_tokens": 1500}}, Usage(1000, 0, 500), ""),
        (
            {"usage": USAGE | {"prompt_tokens_details": {"cache_write_tokens": 9}}},
            Usage(1009, 0, 10),
            "",
        ),
        ({"usage": {"input_tokens": 5, "output_tokens": 3}}, Usage(5, 0, 3), ""),
        ({"usage": USAGE | {"prompt_tokens_details": {"cached_tokens": 1e9}}}, None, ""),
        ({"usage": USAGE | {"completion_tokens": -5}}, None, ""),
        ({"usage": USAGE | {"completion_tokens": "9"}}, None, ""),
        ({"usage": {"total_tokens": 5}}, None, ""),
    ],
)
def test_an_answer_gives_its_usage_and_its_text(data: Any, used: Usage | None, text: str) -> None:
    raw = json.dumps(data).encode()
    assert (answers.usage_of(raw), answers.text_of(raw)) == (used, text)


def test_tool_calls_are_text_too_and_a_stream_is_put_together() -> None:
    calls = [{"function": {"name": "rate", "arguments": "{}"}}]
    chunks = [
        {"choices": [{"delta": {"content": "Hi\u2028"}}]},
        {"choices": [{"delta": {"tool_calls": calls}}]},
        {"choices": [], "usage": USAGE},
    ]
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks]
    stream = ("".join(lines) + "data: [DONE]\n\n").encode()
    assert answers.usage_of(stream) == Usage(1000, 0, 10)
    assert answers.text_of(stream) == "Hi\u2028" + json.dumps(calls)


def test_a_stream_of_a_response_says_what_it_used_in_its_last_event() -> None:
    done = {
        "type": "response.completed",
        "response": {"usage": {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}},
    }
    stream = f'event: a\ndata: {{"delta": "Hi"}}\n\nevent: b\ndata: {json.dumps(done)}\n\n'
    assert answers.usage_of(stream.encode()) == Usage(5, 0, 3)

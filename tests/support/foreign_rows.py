"""Rows in the forms of other tools for the doctor's tests: every word in them is there only once.

`FORMS` builds one row of each form from a source of words; `extras` adds keys that no form knows.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

Word = Callable[[], str]


def words() -> Word:
    """A source of words of which none comes twice."""
    numbers = itertools.count(1)
    return lambda: f"word{next(numbers)}x"


SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}}
UPPER = {"type": "OBJECT", "properties": {"title": {"type": "STRING"}}}


def _turns(w: Word, speaker: str, text: str, user: str, assistant: str, rounds: int = 1) -> list:
    return [{speaker: role, text: w()} for _ in range(rounds) for role in (user, assistant)]


def _messages(w: Word, rounds: int = 1) -> list:
    return _turns(w, "role", "content", "user", "assistant", rounds)


def _calls(w: Word) -> list:
    return [
        {"from": "human", "value": w()},
        {"from": "function_call", "value": json.dumps({"name": "lend", "arguments": {"a": w()}})},
        {"from": "observation", "value": w()},
        {"from": "gpt", "value": w()},
    ]


def _block(w: Word) -> dict:
    return {
        "system": w(),
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": w()}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": w()},
                    {"type": "tool_use", "id": "t1", "name": "lend", "input": {"title": w()}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t1",
                        "content": [{"type": "text", "text": w()}],
                    },
                    {"type": "text", "text": w()},
                ],
            },
            {"role": "assistant", "content": w()},
        ],
        "tools": [{"name": "lend", "description": w(), "input_schema": SCHEMA}],
    }


def _vertex(w: Word, snake: bool = False) -> dict:
    name = (lambda camel, low: low) if snake else (lambda camel, low: camel)
    call, answer = (
        name("functionCall", "function_call"),
        name("functionResponse", "function_response"),
    )
    return {
        name("systemInstruction", "system_instruction"): {"parts": [{"text": w()}]},
        "contents": [
            {"role": "user", "parts": [{"text": w()}]},
            {
                "role": "model",
                "parts": [{"text": w()}, {call: {"name": "lend", "args": {"b": w()}}}],
            },
            {"role": "user", "parts": [{answer: {"name": "lend", "response": {"ok": w()}}}]},
            {"role": "model", "parts": [{"text": w()}]},
        ],
        "tools": [
            {
                name("functionDeclarations", "function_declarations"): [
                    {"name": "lend", "description": w(), "parameters": UPPER}
                ]
            }
        ],
    }


def _bedrock(w: Word) -> dict:
    return {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": w()}],
        "messages": [
            {"role": "user", "content": [{"text": w()}]},
            {"role": "assistant", "content": [{"text": w()}]},
        ],
    }


def _responses(w: Word) -> dict:
    return {
        "instructions": w(),
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": w()}]},
            {
                "type": "function_call",
                "call_id": "c",
                "name": "lend",
                "arguments": f'{{"a": "{w()}"}}',
            },
            {"type": "function_call_output", "call_id": "c", "output": w()},
        ],
        "output": [
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": w(), "annotations": []}],
            }
        ],
    }


def _hh(w: Word) -> dict:
    start = f"\n\nHuman: {w()}\n\nAssistant: {w()}\n\nHuman: {w()}\n\nAssistant:"
    return {"chosen": f"{start} {w()}", "rejected": f"{start} {w()}"}


def _whole(w: Word) -> dict:
    start = _messages(w, 2)[:3]
    answers = ([*start, {"role": "assistant", "content": w()}] for _ in range(2))
    return {
        **dict(zip(("chosen", "rejected"), answers, strict=True)),
        "prompt": start[0]["content"],
    }


FORMS: dict[str, tuple[str, Callable[[Word], dict]]] = {
    "chat": ("chat", lambda w: {"messages": _messages(w, 2)}),
    "chat-system": ("chat", lambda w: {"messages": _messages(w), "system": w()}),
    "sharegpt": (
        "chat",
        lambda w: {"conversations": _turns(w, "from", "value", "human", "gpt"), "system": w()},
    ),
    "sharegpt-odd": (
        "chat",
        lambda w: {"conversations": _turns(w, "role", "content", "user", "chatgpt", 2)},
    ),
    "sharegpt-calls": (
        "chat",
        lambda w: {
            "conversations": _calls(w),
            "tools": json.dumps([{"name": "lend", "description": w(), "parameters": SCHEMA}]),
        },
    ),
    "swift-turns": (
        "chat",
        lambda w: {
            "conversation": [{"human": w(), "assistant": w()}, {"human": w(), "assistant": w()}]
        },
    ),
    "alpaca": (
        "chat",
        lambda w: {
            "instruction": w(),
            "input": w(),
            "output": w(),
            "system": w(),
            "history": [[w(), w()], [w(), w()]],
        },
    ),
    "alpaca-null": ("chat", lambda w: {"instruction": w(), "input": None, "output": w()}),
    "swift": ("chat", lambda w: {"query": w(), "response": w(), "system": w()}),
    "pairs": ("completion", lambda w: {"prompt": w(), "completion": w()}),
    "palm": ("completion", lambda w: {"input_text": w(), "output_text": w()}),
    "pairs-system": ("chat", lambda w: {"system": w(), "prompt": w(), "completion": w()}),
    "trl-pairs": (
        "chat",
        lambda w: {
            "prompt": _messages(w)[:1],
            "completion": [{"role": "assistant", "content": w()}],
        },
    ),
    "anthropic": ("chat", _block),
    "bedrock": ("chat", _bedrock),
    "vertex": ("chat", _vertex),
    "vertex-snake": ("chat", lambda w: _vertex(w, snake=True)),
    "responses": ("chat", _responses),
    "evals": ("chat", lambda w: {"input": _messages(w)[:1], "ideal": w()}),
    "cohere": (
        "chat",
        lambda w: {
            "chat_history": [{"role": "USER", "message": w()}, {"role": "CHATBOT", "message": w()}],
            "message": w(),
            "response": w(),
            "preamble": w(),
        },
    ),
    "trl-preference": ("preference", lambda w: {"prompt": w(), "chosen": w(), "rejected": w()}),
    "trl-implicit": (
        "preference",
        lambda w: (
            lambda q: {
                "chosen": [q, {"role": "assistant", "content": w()}],
                "rejected": [q, {"role": "assistant", "content": w()}],
            }
        )({"role": "user", "content": w()}),
    ),
    "ultrafeedback": ("preference", _whole),
    "hh": ("preference", _hh),
    "orca": (
        "preference",
        lambda w: {"system": w(), "question": w(), "chosen": w(), "rejected": w()},
    ),
    "ranking": (
        "preference",
        lambda w: {
            "conversations": [{"from": "human", "value": w()}],
            "chosen": {"from": "gpt", "value": w()},
            "rejected": {"from": "gpt", "value": w()},
        },
    ),
    "ranking-alpaca": (
        "preference",
        lambda w: {"instruction": w(), "input": w(), "chosen": w(), "rejected": w()},
    ),
    "swift-rejected": (
        "preference",
        lambda w: {"messages": _messages(w, 2), "rejected_response": w()},
    ),
    "openai-dpo": (
        "preference",
        lambda w: {
            "input": {"messages": _messages(w)[:1]},
            "preferred_output": [{"role": "assistant", "content": w()}],
            "non_preferred_output": [{"role": "assistant", "content": w()}],
        },
    ),
}
"""(the format it is read as, a builder) of each form."""


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(the nearest key, the word) of every word in a value; JSON in texts is looked into."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, key)
    elif isinstance(value, str):
        for piece in value.replace('"', " ").replace("}", " ").split():
            if piece.startswith("word") and piece.endswith("x"):
                yield key, piece

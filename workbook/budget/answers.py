"""What an answer says was used, and the text that it holds: whole, or as a stream of events.

Knows the bodies of OpenAI's answers. Knows no prices and counts no texts.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Usage:
    """Tokens of one answer, as the host counts them."""

    prompt: int
    cached: int  # of the prompt
    completion: int  # with those of reasoning


def usage_of(data: bytes) -> Usage | None:
    """What the answer says was used; None where it says nothing, or nothing sensible."""
    for piece in reversed(_pieces(data)):
        if _whole(piece).get("usage"):
            return read_usage(_whole(piece)["usage"])
    return None


def read_usage(value: Any) -> Usage | None:
    """`usage` of chat and text completions, of responses, embeddings and batches."""
    if not isinstance(value, dict):
        return None
    if "prompt_tokens" in value:
        names, details = ("prompt_tokens", "completion_tokens"), "prompt_tokens_details"
    else:
        names, details = ("input_tokens", "output_tokens"), "input_tokens_details"
    inside = value.get(details)
    inside = inside if isinstance(inside, dict) else {}
    numbers = [
        value.get(names[0]),
        value.get(names[1], 0),
        value.get("total_tokens", 0),
        inside.get("cached_tokens") or 0,
        inside.get("cache_write_tokens") or 0,  # cost more than others, at the most twice
    ]
    if not all(is_count(number) for number in numbers):
        return None
    prompt, completion, total, cached, written = numbers
    # Some hosts count reasoning only in the total.
    return Usage(prompt + written, min(cached, prompt), max(completion, total - prompt))


def is_count(value: Any) -> bool:
    """Whether this can be a number of tokens."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def tier_of(data: bytes) -> str | None:
    """The class of service in which the answer was made, if it says so."""
    for piece in reversed(_pieces(data)):
        if _whole(piece).get("service_tier"):
            return str(_whole(piece)["service_tier"])
    return None


def text_of(data: bytes) -> str:
    """All that an answer says, calls of functions included."""
    texts: list[str] = []
    for piece in _pieces(data):
        for item in _whole(piece).get("output") or []:  # of a response
            texts.extend(part.get("text") or "" for part in item.get("content") or [])
            texts.append(item.get("arguments") or "")
        for choice in piece.get("choices") or []:
            part = choice.get("message") or choice.get("delta") or {"content": choice.get("text")}
            texts.append(part.get("content") or "")
            if part.get("tool_calls"):
                texts.append(json.dumps(part["tool_calls"]))
    return "".join(texts)


def json_object(data: bytes) -> dict[str, Any]:
    """The object that was sent; empty where something else was."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def objects(data: bytes) -> Iterator[dict[str, Any]]:
    """The object that was sent, or those of a list of them."""
    value = json_object(data)
    listed = value.get("data") if value.get("object") == "list" else [value]
    yield from (each for each in listed or [] if isinstance(each, dict))


def _whole(piece: dict[str, Any]) -> dict[str, Any]:
    """What a piece says: an event of the Responses API carries the whole response."""
    response = piece.get("response")
    return response if isinstance(response, dict) else piece


def _pieces(data: bytes) -> list[dict[str, Any]]:
    whole = json_object(data)
    if whole:
        return [whole]
    lines = data.decode("utf-8", errors="replace").split("\n")
    return [json_object(line[5:].encode()) for line in lines if line.startswith("data:")]

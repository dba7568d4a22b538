"""The size of a request: the tokens that it sends, the most it can get back, and what it got.

Knows the bodies of OpenAI's chat and text completions. Knows no prices and sends nothing.
"""

import json
from typing import Any

from workbook.errors import WorkbookError
from workbook.prices import tokens
from workbook.prices.model import Model


class NotCountableError(WorkbookError):
    """What the call would cost can't be known, so no budget could hold. Nothing was sent."""


def prompt_tokens(body: dict[str, Any], model: Model) -> int:
    """The prompt's tokens as the vendor will count them, as far as its rule is published."""
    if "messages" in body:
        return tokens.count_chat(body["messages"], model.id)
    prompts = body.get("prompt", "")
    prompts = [prompts] if isinstance(prompts, str) else prompts
    if not all(isinstance(prompt, str) for prompt in prompts):
        raise NotCountableError("a prompt made of numbers can't be counted.")
    return sum(tokens.count(prompt, model.id) for prompt in prompts)


def prompt_tokens_at_most(body: dict[str, Any], model: Model) -> int:
    """No fewer tokens than the prompt: all of it written out as JSON, with tools and schemas."""
    for message in body.get("messages", []):
        content = message.get("content")
        if isinstance(content, list) and any(part.get("type") != "text" for part in content):
            raise NotCountableError("a message with an image, a sound or a file can't be counted.")
    parts = ("messages", "prompt", "tools", "functions", "response_format")
    text = json.dumps([body[part] for part in parts if part in body], ensure_ascii=False)
    return max(prompt_tokens(body, model), tokens.count(text, model.id))


def completion_tokens_at_most(body: dict[str, Any], model: Model) -> int:
    """The most tokens the answers can have together."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is None:
        if model.context_window is None:
            raise NotCountableError("the call names no max_completion_tokens.")
        limit = max(1, model.context_window - prompt_tokens(body, model))
    return limit * (body.get("n") or 1)


def of_answer(data: bytes) -> tuple[dict[str, Any] | None, str]:
    """`usage`, if the answer has it, and the text it holds: a JSON body, or a stream of events."""
    pieces = [json_object(data)]
    if not pieces[0]:
        lines = data.decode("utf-8", errors="replace").splitlines()
        pieces = [json_object(line[5:].encode()) for line in lines if line.startswith("data:")]
    usage = next((piece["usage"] for piece in reversed(pieces) if piece.get("usage")), None)
    texts = []
    for piece in pieces:
        for choice in piece.get("choices") or []:
            part = choice.get("message") or choice.get("delta") or {"content": choice.get("text")}
            texts.append(part.get("content") or "")
            if part.get("tool_calls"):
                texts.append(json.dumps(part["tool_calls"]))
    return usage, "".join(texts)


def json_object(data: bytes) -> dict[str, Any]:
    """The object that was sent; empty where something else was."""
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}

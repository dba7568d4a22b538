"""The size of a request: the tokens that it sends, and the most it can get back.

Knows the bodies of OpenAI's requests. Knows no prices and sends nothing.
"""

import json
from collections.abc import Mapping
from typing import Any

from workbook.errors import WorkbookError
from workbook.prices import tokens
from workbook.prices.model import Model


class NotCountableError(WorkbookError):
    """What the call would cost can't be known, so no budget could hold. Nothing was sent."""


_CHAINED = ("previous_response_id", "conversation")  # what the host adds to the prompt from before
# What of a body gets into the prompt.
_TEXTS = ("messages", "prompt", "suffix", "input", "instructions", "tools", "tool_choice")
_MORE_TEXTS = ("functions", "function_call", "response_format", "text")


def prompt_tokens(body: Mapping[str, Any], model: Model) -> int:
    """The prompt's tokens as the vendor will count them, as far as its rule is published."""
    if "messages" in body:
        return tokens.count_chat(body["messages"], model.id)
    return _of_prompts(body.get("prompt") or body.get("input") or "", model)


def _of_prompts(value: Any, model: Model) -> int:
    """A text, or several; a token may stand as its number."""
    if isinstance(value, str):
        return tokens.count(value, model.id)
    if isinstance(value, int):
        return 1
    if isinstance(value, list):
        return sum(_of_prompts(each, model) for each in value)
    return tokens.count(json.dumps(value, ensure_ascii=False), model.id)


def prompt_tokens_at_most(body: Mapping[str, Any], model: Model, known: bool = True) -> int:
    """No fewer tokens than the prompt: all of it written out as JSON, with tools and schemas.

    known: whether the host's own vocabulary is the model's; of any other a token has a byte or more
    Raises NotCountableError for an image, a sound or a file, and tools that the host runs itself.
    """
    _check_parts(body)
    chained = [name for name in _CHAINED if body.get(name)]
    if chained:
        if model.context_window is None:
            raise NotCountableError(f"how much `{chained[0]}` adds to the prompt can't be counted.")
        return model.context_window
    text = json.dumps([body[part] for part in _TEXTS + _MORE_TEXTS if part in body], ensure_ascii=False)
    if not known:
        return len(text.encode("utf-8", "replace"))
    return max(prompt_tokens(body, model), tokens.count(text, model.id))


def _check_parts(body: Mapping[str, Any]) -> None:
    items = body.get("messages") or body.get("input") or []
    for item in items if isinstance(items, list) else []:
        if not isinstance(item, Mapping):
            continue
        if item.get("type", "message") not in ("message", "function_call", "function_call_output"):
            raise NotCountableError(f"input of the type {item['type']} can't be counted.")
        for content in (item.get("content"), item.get("output")):
            for part in content if isinstance(content, list) else []:
                if part.get("type") not in ("text", "input_text", "output_text", "refusal"):
                    raise NotCountableError(
                        "a message with an image, a sound or a file can't be counted."
                    )
    for tool in body.get("tools") or []:
        if tool.get("type") not in ("function", "custom"):
            raise NotCountableError(f"what the tool {tool.get('type')} costs can't be counted.")


def completion_tokens_at_most(body: Mapping[str, Any], model: Model) -> int:
    """The most tokens the answers can have together, those of their reasoning included.

    Where no limit is given, an answer ends at the model's greatest, or where its window is full.
    """
    names = ("max_completion_tokens", "max_tokens", "max_output_tokens")
    limits = [body[name] for name in names if body.get(name) is not None]
    limit = max(limits, default=None)
    if limit is None:
        bounds = [getattr(model, "max_output_tokens", None)]
        if model.context_window is not None:
            bounds.append(max(1, model.context_window - prompt_tokens(body, model)))
        limit = min((bound for bound in bounds if bound is not None), default=None)
    if limit is None:
        raise NotCountableError("the call names no max_completion_tokens.")
    answers = max(body.get("n") or 1, body.get("best_of") or 1)
    return limit * answers * _prompts(body.get("prompt"))


def _prompts(value: Any) -> int:
    """How many prompts of a text completion there are: each gets its own answers."""
    if isinstance(value, list) and not all(isinstance(each, int) for each in value):
        return len(value)
    return 1

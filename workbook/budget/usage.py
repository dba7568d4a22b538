"""The size of a request: the tokens that it sends, and the most it can get back.

Knows the bodies of OpenAI's requests. Knows no prices and sends nothing.
"""

import json
from collections.abc import Mapping
from typing import Any

from workbook.errors import WorkbookError
from workbook.prices import sizes
from workbook.prices.model import Model


class NotCountableError(WorkbookError):
    """What the call would cost can't be known, so no budget could hold. Nothing was sent."""


_CHAINED = ("previous_response_id", "conversation")  # what the host adds to the prompt from before
_PARTS = ("text", "input_text", "output_text", "refusal")
_IMAGES = ("image_url", "input_image", "image")
_ITEMS = ("message", "function_call", "function_call_output")  # of a response's input
# What of a body gets into the prompt, besides what `workbook.prices.sizes` counts.
_BESIDE = ("suffix", "tool_choice", "function_call")
_ALL = (*_BESIDE, "messages", "prompt", "input", "instructions", "tools", "functions", "text")
_ALL_TEXTS = (*_ALL, "response_format")


def prompt_tokens(body: Mapping[str, Any], model: Model) -> int:
    """The prompt's tokens as the vendor will count them, as far as its rule is published."""
    return sizes.for_model(model).request(body).expected


def input_tokens(value: Any, model: Model) -> int:
    """The tokens of what is to be embedded: a text, several, or the numbers of tokens."""
    return sizes.for_model(model).request({"prompt": value}).at_most


def prompt_tokens_at_most(body: Mapping[str, Any], model: Model, known: bool = True) -> int:
    """No fewer tokens than the prompt has, with tools, schemas and images.

    known: whether the host's own vocabulary is the model's; of any other a token has a byte or more
    Raises NotCountableError for a sound or a file, and for tools that the host runs itself.
    """
    has_images = _check_parts(body)
    chained = [name for name in _CHAINED if body.get(name)]
    if chained:
        if model.context_window is None:
            raise NotCountableError(f"how much `{chained[0]}` adds to the prompt can't be counted.")
        return model.context_window
    if not known:
        if has_images:
            raise NotCountableError("what an image costs at this host is not known here.")
        return len(_as_text(body, _ALL_TEXTS).encode("utf-8", "replace"))
    sizer = sizes.for_model(model)
    size = sizer.request(body)
    if size.gaps:
        raise NotCountableError(f"{', '.join(sorted(size.gaps))} can't be counted.")
    return size.at_most + sizer.tokens(_as_text(body, _BESIDE))


def _as_text(body: Mapping[str, Any], parts: tuple[str, ...]) -> str:
    values = [body[part] for part in parts if part in body]
    return json.dumps(values, ensure_ascii=False) if values else ""


def _check_parts(body: Mapping[str, Any]) -> bool:
    """Whether there are images. Raises NotCountableError for parts of any kind not known here."""
    has_images = False
    items = body.get("messages") or body.get("input") or []
    for item in items if isinstance(items, list) else []:
        if not isinstance(item, Mapping):
            continue
        if item.get("type", "message") not in _ITEMS:
            raise NotCountableError(f"input of the type {item['type']} can't be counted.")
        for content in (item.get("content"), item.get("output")):
            for part in content if isinstance(content, list) else []:
                if part.get("type") in _IMAGES:
                    has_images = True
                elif part.get("type") not in _PARTS:
                    raise NotCountableError("a message with a sound or a file can't be counted.")
    for tool in body.get("tools") or []:
        if tool.get("type") not in ("function", "custom"):
            raise NotCountableError(f"what the tool {tool.get('type')} costs can't be counted.")
    return has_images


def completion_tokens_at_most(body: Mapping[str, Any], model: Model) -> int:
    """The most tokens the answers can have together, those of their reasoning included.

    Where no limit is given, an answer ends at the model's greatest, or where its window is full.
    """
    names = ("max_completion_tokens", "max_tokens", "max_output_tokens")
    limits = [body[name] for name in names if body.get(name) is not None]
    limit = max(limits, default=None)
    if limit is None:
        bounds = [model.max_output_tokens]
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

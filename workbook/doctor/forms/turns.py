"""Lists of turns as other tools write them, as messages: ShareGPT's, Anthropic's, Bedrock's, ….

Keys of a turn that are not used stay in its message.
"""

from collections.abc import Mapping
from typing import Any

from workbook.doctor.forms.tool_lists import (
    arguments_text,
    call,
    calls_in,
    tagged_answers,
    tagged_calls,
)
from workbook.doctor.forms.values import Row, as_text, decoded, is_empty, text_in
from workbook.rows.rules import ROLES

ROLE_NAMES = {
    "human": "user",
    "prompter": "user",
    "customer": "user",
    "client": "user",
    "visitor": "user",
    "question": "user",
    "q": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "claude": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "answer": "assistant",
    "a": "assistant",
    "instruction": "system",
    "preamble": "system",
    "observation": "tool",
    "tool_response": "tool",
    "function_response": "tool",
    "function_result": "tool",
    "ipython": "tool",
}
"""Roles under their names elsewhere, as OpenAI's."""
_CALLS = ("function_call", "tool_call", "tool_calls")
_SPEAKER = ("from", "role", "speaker", "author")
_WORDS = ("value", "content", "text", "message", "utterance")


def role_of(name: Any) -> Any:
    """A role under OpenAI's name; what is no known name stays."""
    small = name.strip().lower() if isinstance(name, str) else name
    return small if small in ROLES else ROLE_NAMES.get(small, name) if small else name


def is_turn(value: Any) -> bool:
    """Whether somebody says something in it."""
    return (
        isinstance(value, Mapping)
        and any(isinstance(value.get(key), str) for key in _SPEAKER)
        and any(key in value for key in (*_WORDS, "tool_calls", "function_call", "parts"))
    )


def speaker_of(turn: Mapping[str, Any]) -> Any:
    """The role of who speaks in a turn, under OpenAI's name if it has one there."""
    return role_of(next((turn[key] for key in _SPEAKER if isinstance(turn.get(key), str)), None))


def is_turns(value: Any) -> bool:
    """Whether it is a list of turns, and not an empty one."""
    return isinstance(value, list) and bool(value) and all(map(is_turn, value))


def messages_from(turns: list[Mapping[str, Any]]) -> list[Row]:
    """ShareGPT's turns, or those of a list under another name, as messages.

    Calls that stand as JSON in a turn of their own become calls with ids, and what follows them
    answers them in their order.
    """
    messages: list[Row] = []
    open_ids: list[str] = []
    n_calls = 0
    for turn in turns:
        rest = dict(turn)
        speaker = rest.pop(next(key for key in _SPEAKER if isinstance(rest.get(key), str)))
        key = next((name for name in _WORDS if name in rest), None)
        value = rest.pop(key) if key else None
        role = role_of(speaker)
        said, calls = "", calls_in(value) if speaker in _CALLS else []
        if not calls and role == "assistant":
            said, calls = tagged_calls(value)
        if calls:
            ids = [f"call_{n_calls + place}" for place in range(1, len(calls) + 1)]
            n_calls += len(calls)
            open_ids += ids
            listed = [call(*pair, call_id) for pair, call_id in zip(calls, ids, strict=True)]
            words = said or None
            messages.append({"role": "assistant", "content": words, "tool_calls": listed, **rest})
        elif role == "tool" and "tool_call_id" not in rest:
            tagged = tagged_answers(value)
            answers: Any = tagged or decoded(value)
            value = tagged[0] if len(tagged) == 1 else value
            several = isinstance(answers, list) and 1 < len(answers) == len(open_ids)
            for answer in answers if several else [value]:
                named = {"tool_call_id": open_ids.pop(0)} if open_ids else {}
                messages.append({"role": role, **named, "content": as_text(answer), **rest})
        else:
            messages.append({"role": role, "content": value, **rest})
    return messages


def with_system(messages: list[Row], system: Any) -> list[Row]:
    """The messages under a system message, if there is one to put before them."""
    content = instructions_in(system)
    return [{"role": "system", "content": content}, *messages] if content else messages


def instructions_in(system: Any) -> str | list[Any] | None:
    """What a system message says: its text, or its blocks where more than text is in them; None
    where it is neither."""
    text = text_in(system)
    if text is None and isinstance(system, list):
        parts = [_part(block) if isinstance(block, Mapping) else block for block in system]
        if all(isinstance(part, dict) and part.get("type") == "text" for part in parts):
            return parts
    return text


def has_foreign_blocks(messages: Any) -> bool:
    """Whether a message has Anthropic's or Bedrock's blocks in its content."""
    return isinstance(messages, list) and any(
        _is_foreign(block)
        for message in messages
        if isinstance(message, Mapping) and isinstance(message.get("content"), list)
        for block in message["content"]
    )


_OF_USE = {"type", "id", "name", "input", "toolUseId"}
_OF_RESULT = {"type", "tool_use_id", "toolUseId", "content", "is_error", "status"}
_OF_SOURCE = {"type", "media_type", "data", "url"}
_BLOCKS = {"tool_use", "tool_result", "thinking", "redacted_thinking", "document"}


def _is_foreign(block: Any) -> bool:
    if not isinstance(block, Mapping):
        return False
    kind = block.get("type")
    if kind is None:
        return bool(block.keys() & {"text", "toolUse", "toolResult", "image", "reasoningContent"})
    if kind == "image":
        return isinstance(block.get("source"), Mapping)
    return kind in ("input_text", "output_text", *_BLOCKS)


def from_blocks(message: Mapping[str, Any]) -> list[Row]:
    """A message with Anthropic's, Bedrock's or the Responses API's blocks, as messages: answers of
    tools become messages of their own. A block without a place stays as a part."""
    content = message.get("content")
    if not isinstance(content, list):
        return [dict(message)]
    answers, calls, parts, thoughts = [], [], [], []
    unused: Row = {}
    for block in content:
        if not isinstance(block, Mapping):
            parts.append(block)
        elif use := _inner(block, "tool_use", "toolUse"):
            call_id = use.get("id", use.get("toolUseId"))
            calls.append(call(use.get("name"), use.get("input"), call_id))
            unused |= _without(use, _OF_USE)
        elif answer := _inner(block, "tool_result", "toolResult"):
            answers.append(_answer(answer))
        elif block.get("type") == "thinking" and isinstance(block.get("thinking"), str):
            thoughts.append(block["thinking"])
        elif thought := _thought(block):
            thoughts.append(thought)
        else:
            parts.append(_part(block))
    rest = unused | _without(message, {"role", "content"})
    role = message.get("role")
    messages = answers
    if parts or calls or thoughts or not content:
        text = text_in(parts)
        words: Any = parts if text is None else text
        more: Row = {"reasoning_content": "\n\n".join(thoughts)} if thoughts else {}
        if calls:
            more = {"tool_calls": calls, **more}
        messages = [*answers, {"role": role, "content": words or None, **more, **rest}]
    elif rest and messages:
        messages = [*messages[:-1], {**messages[-1], **rest}]
    return messages


def _thought(block: Mapping[str, Any]) -> str:
    """What the model thinks in a block of Bedrock's; "" for any other."""
    inner = block.get("reasoningContent")
    text = inner.get("reasoningText") if isinstance(inner, Mapping) and len(block) == 1 else None
    said = text.get("text") if isinstance(text, Mapping) else None
    return said if isinstance(said, str) else ""


def _inner(block: Mapping[str, Any], kind: str, key: str) -> Mapping[str, Any] | None:
    """Anthropic's block of this kind, or what Bedrock has under this key."""
    if block.get("type") == kind:
        return block
    value = block.get(key)
    return value if isinstance(value, Mapping) and len(block) == 1 else None


def _answer(answer: Mapping[str, Any]) -> Row:
    """A tool's answer as a message."""
    call_id = answer.get("tool_use_id", answer.get("toolUseId"))
    content = answer.get("content")
    if isinstance(content, list):  # Bedrock has objects in it, too
        content = [
            {"text": as_text(part["json"])}
            if isinstance(part, Mapping) and part.keys() == {"json"}
            else part
            for part in content
        ]
    text = text_in(content)
    message: Row = {
        "role": "tool",
        "tool_call_id": call_id,
        "content": as_text(content) if text is None else text,
    }
    message |= _without(answer, _OF_RESULT)
    failed = answer.get("is_error") or answer.get("status") == "error"
    return {**message, "is_error": True} if failed else message


def _part(block: Mapping[str, Any]) -> Any:
    """A block of text or an image as a part of OpenAI's; any other as it is."""
    kind = block.get("type")
    unused: Row
    if kind in (None, "input_text", "output_text") and isinstance(block.get("text"), str):
        rest = {key: value for key, value in block.items() if not is_empty(value)}
        return {**rest, "type": "text"}
    source = block.get("source")
    if kind == "image" and isinstance(source, Mapping):
        url = source.get("url")
        if isinstance(source.get("data"), str):
            url = f"data:{source.get('media_type')};base64,{source['data']}"
        unused = _without(block, {"source"}) | _without(source, _OF_SOURCE)
        return {**unused, **_image(url)} if url else dict(block)
    image = block.get("image")
    if kind is None and isinstance(image, Mapping) and isinstance(image.get("source"), Mapping):
        data, place = image["source"].get("bytes"), image["source"].get("s3Location")
        uri = place.get("uri") if isinstance(place, Mapping) else None
        url = f"data:image/{image.get('format')};base64,{data}" if data else uri
        unused = _without(block, {"image"}) | _without(image, {"format", "source"})
        unused |= _without(image["source"], {"bytes", "s3Location"})
        unused |= _without(place, {"uri"}) if isinstance(place, Mapping) else {}
        return {**unused, **_image(url)} if url else dict(block)
    if kind == "input_image" and isinstance(block.get("image_url"), str):
        return {**_without(block, {"image_url"}), **_image(block["image_url"])}
    return dict(block)


def _image(url: str) -> Row:
    return {"type": "image_url", "image_url": {"url": url}}


def _without(value: Mapping[str, Any], used: set[str]) -> Row:
    """The keys that hold something, but for those that are used: they stay, to be named."""
    return {k: item for k, item in value.items() if k not in used and not is_empty(item)}


def from_responses(items: list[Any], role: str) -> tuple[list[Row], list[Any]]:
    """(messages, what has no place) of a list of the Responses API.

    role: of a message that names none.
    """
    messages: list[Row] = []
    rest: list[Any] = []
    for item in items:
        kind = item.get("type", "message") if isinstance(item, Mapping) else None
        if kind == "message" and "content" in item:
            words = {
                key: value for key, value in item.items() if key not in ("type", "id", "status")
            }
            messages += from_blocks({"role": role, **words})
        elif kind == "function_call":
            listed = {
                "id": item.get("call_id", item.get("id")),
                "type": "function",
                "function": {
                    "name": item.get("name"),
                    "arguments": arguments_text(item.get("arguments")),
                },
            }
            if messages and messages[-1].get("tool_calls") and messages[-1]["content"] is None:
                messages[-1]["tool_calls"].append(listed)
            else:
                messages.append({"role": "assistant", "content": None, "tool_calls": [listed]})
        elif kind == "function_call_output":
            text = as_text(item.get("output"))
            call_id = item.get("call_id")
            messages.append({"role": "tool", "tool_call_id": call_id, "content": text})
        else:
            rest.append(item)
    return messages, rest

"""Finds what breaks a rule in one row, in the order in which a reader would look.

Takes any Python value and raises nothing. What follows from a broken rule stands in
`workbook.rows.rules`; what is read into the text is the doctor's.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from workbook.quoting import as_json, excerpt, kind_of
from workbook.rows.rules import (
    CHAT_KEYS,
    COMPLETION_KEYS,
    INPUT_KEYS,
    MESSAGE_KEYS,
    OUTPUTS,
    PART_TYPES,
    PREFERENCE_KEYS,
    ROLES,
)


@dataclass(frozen=True)
class Violation:
    """A rule that a row breaks, in words, and the value to quote."""

    rule: str
    message: str
    value: Any


def format_of(row: Any) -> str | None:
    """ "chat", "completion", "preference" (two answers, for DPO), or None for what is none."""
    if not isinstance(row, Mapping):
        return None
    if "messages" in row:
        return "chat"
    if any(key in row for key in OUTPUTS) or isinstance(row.get("input"), Mapping):
        return "preference"
    return "completion" if "prompt" in row or "completion" in row else None


def violations(row: Any) -> Iterator[Violation]:
    """Every rule that one row breaks, whatever Python value it is; raises nothing."""
    kind = format_of(row)
    if not isinstance(row, Mapping):
        yield Violation("not-object", f"this line is {kind_of(row)}, not an object", row)
    elif kind is None and (known := _known_keys(row)):
        name = excerpt(known[0], 30)
        yield Violation("format-case", f"key `{name}` is not written as it should be", row)
    elif kind is None:
        yield Violation("format", "neither `messages` nor `prompt` and `completion`", row)
    else:
        checks = {"chat": _chat, "completion": _completion, "preference": _preference}
        yield from checks[kind](row)
        if _is_broken(text := as_json(row)):
            yield Violation("half-character", "a text holds half a character", text)


def meant(name: Any, known: Iterable[str]) -> str:
    """“; did you mean …?”, where one of the known names is much like it."""
    close = get_close_matches(name.lower(), known, 1, 0.75) if isinstance(name, str) else []
    return f"; did you mean `{close[0]}`?" if close else ""


def _known_keys(row: Mapping) -> list[str]:
    """Keys that would be known if they were written in small letters, without spaces."""
    known = CHAT_KEYS | COMPLETION_KEYS | PREFERENCE_KEYS
    strings = [key for key in row if isinstance(key, str) and key not in known]
    return [key for key in strings if key.strip().lower() in known]


def _is_broken(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _keys(row: Mapping, known: set[str], where: str = "") -> Iterator[Violation]:
    for key in row:
        if key in known:
            continue
        name = excerpt(key, 30)
        if isinstance(key, str) and key.strip().lower() in known:
            text = f"key `{name}` is not written as it should be"
            yield Violation("key-case", f"{where}{text}", {key: row[key]})
        else:
            allowed = ", ".join(f"`{each}`" for each in sorted(known))
            text = f"key `{name}` is not one of {allowed}{meant(key, known)}"
            yield Violation("key", f"{where}{text}", {key: row[key]})


def _chat(row: Mapping) -> Iterator[Violation]:
    yield from _keys(row, CHAT_KEYS)
    yield from _tools(row)
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        yield Violation("messages", "`messages` is missing, empty, or no list", messages)
        return
    yield from _each(messages)
    whole = [message for message in messages if isinstance(message, Mapping)]
    yield from _speakers(whole)
    yield from _all_weights(whole)
    yield from _answers_of_tools(whole)


def _each(messages: list[Any]) -> Iterator[Violation]:
    for place, message in enumerate(messages, start=1):
        yield from _message(message, f"message {place}: ")


def _message(message: Any, where: str) -> Iterator[Violation]:
    if not isinstance(message, Mapping):
        yield Violation("message", f"{where}is no object", message)
        return
    yield from _keys(message, MESSAGE_KEYS, where)
    role = message.get("role")
    if role is None:
        yield Violation("message", f"{where}has no `role`", message)
    elif not isinstance(role, str) or role not in ROLES:
        hint = meant(role, ROLES) or f"; allowed: {', '.join(ROLES)}"
        text = f"{where}unknown role `{excerpt(role, 30)}`{hint}"
        yield Violation("role", text, message)
    for key in ("name", "tool_call_id", "refusal"):
        if not isinstance(message.get(key) or "", str):
            yield Violation("text", f"{where}`{key}` is {kind_of(message[key])}", message)
    yield from _weight(message, where)
    yield from _calls(message, where)
    yield from _content(message, where)


def _content(message: Mapping, where: str) -> Iterator[Violation]:
    content = message.get("content")
    speaks = message.get("role") == "assistant" and bool(
        message.get("tool_calls") or message.get("function_call") or message.get("refusal")
    )
    if content is None:
        if not speaks:
            problem = "`content` is null" if "content" in message else "has no `content`"
            yield Violation("content", f"{where}{problem}", message)
    elif isinstance(content, str):
        if not content.strip():
            yield Violation("blank", f"{where}the content is empty", content)
    elif not isinstance(content, list):
        yield Violation("content", f"{where}content is {kind_of(content)}, not text", content)
    elif not content or not all(
        isinstance(part, Mapping) and isinstance(part.get("type"), str) for part in content
    ):
        yield Violation("content", f"{where}a list of content holds parts with a `type`", content)
    else:
        for part in content:
            yield from _part(part, message.get("role"), where)


def _part(part: Mapping, role: Any, where: str) -> Iterator[Violation]:
    kind = part["type"]
    value = part.get(PART_TYPES.get(kind, ""))
    if kind not in PART_TYPES:
        yield Violation("part", f"{where}unknown part `{excerpt(kind, 30)}`", part)
    elif not isinstance(value, str if kind in ("text", "refusal") else Mapping):
        yield Violation("part", f"{where}a part of type `{kind}` needs `{PART_TYPES[kind]}`", part)
    elif isinstance(value, Mapping):
        if kind == "image_url" and not isinstance(value.get("url"), str):
            yield Violation("part", f"{where}`image_url` needs a `url`", part)
        elif role == "assistant":
            text = f"{where}the assistant's message holds `{kind}`"
            yield Violation("picture-answer", text, part)
        else:
            yield Violation("picture", f"{where}a part of type `{kind}`", part)


def _tools(row: Mapping) -> Iterator[Violation]:
    """Lists of tools that are none, or that hold something else than functions."""
    for key in ("tools", "functions"):
        listed = row.get(key)
        if listed is None:
            continue
        if not isinstance(listed, list):
            yield Violation("tools", f"`{key}` is {kind_of(listed)}, not a list", listed)
            continue
        for tool in listed:
            function = tool
            if key == "tools" and isinstance(tool, Mapping):
                function = tool.get("function") if tool.get("type") == "function" else None
            if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
                text = f"`{key}` holds something that is no function with a name"
                yield Violation("tools", text, tool)


def _calls(message: Mapping, where: str) -> Iterator[Violation]:
    """Calls that are incomplete, or not the assistant's."""
    calls, old = message.get("tool_calls"), message.get("function_call")
    if message.get("role") != "assistant" and (calls is not None or old is not None):
        yield Violation("call", f"{where}only the assistant calls tools", message)
    if calls is not None and (not isinstance(calls, list) or not calls):
        yield Violation("call", f"{where}`tool_calls` is empty or no list", message)
    functions = [] if old is None else [old]
    for call in calls if isinstance(calls, list) else []:
        whole = (
            isinstance(call, Mapping)
            and isinstance(call.get("id"), str)
            and call.get("type") == "function"
        )
        functions.append(call.get("function") if whole else None)
    for function in functions:
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            yield Violation("call", f"{where}a call is incomplete", message)
        elif not holds_json(function.get("arguments")):
            is_text = isinstance(function.get("arguments"), str)
            text = f"{where}`arguments` is not JSON written as text"
            rule = "call-arguments" if is_text else "call"
            yield Violation(rule, text, function.get("arguments"))


def holds_json(value: Any) -> bool:
    """Whether the value is JSON written as text, as a call's `arguments` are."""
    if not isinstance(value, str):
        return False
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _answers_of_tools(messages: list[Mapping]) -> Iterator[Violation]:
    """Answers of tools that nobody has called."""
    called: list[Any] = []
    for message in messages:
        if message.get("role") == "tool" and message.get("tool_call_id") not in called:
            yield Violation("tool-answer", "a tool's answer to no earlier call", message)
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            called += [call.get("id")] if isinstance(call, Mapping) else []


def _speakers(messages: list[Mapping]) -> Iterator[Violation]:
    roles = [message.get("role") for message in messages]
    if not roles or not all(isinstance(role, str) and role in ROLES for role in roles):
        return  # who speaks is not known until that is mended
    if "assistant" not in roles:
        yield Violation("no-assistant", "no message is the assistant's", messages[-1])
    elif roles[-1] != "assistant":
        text = f"the last message is the {roles[-1]}'s, not the assistant's"
        yield Violation("last-turn", text, messages[-1])


def _weight(message: Mapping, where: str) -> Iterator[Violation]:
    weight = message.get("weight")
    if weight is None:
        return
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight not in (0, 1):
        text = f"{where}weight is `{excerpt(weight, 20)}`, not 0 or 1"
        yield Violation("weight", text, message)
    elif message.get("role") != "assistant":
        text = f"{where}a weight on a message that is not the assistant's"
        yield Violation("weight", text, message)


def _all_weights(messages: list[Mapping]) -> Iterator[Violation]:
    learned = [
        message.get("weight", 1) for message in messages if message.get("role") == "assistant"
    ]
    if learned and all(weight == 0 and weight is not False for weight in learned):
        yield Violation("weights-all-zero", "all weights are 0: nothing is learned", messages)


def _completion(row: Mapping) -> Iterator[Violation]:
    yield from _keys(row, COMPLETION_KEYS)
    for key in ("prompt", "completion"):
        text = row.get(key)
        if not isinstance(text, str):
            problem = f"is {kind_of(text)}, not text" if key in row else "is missing"
            yield Violation(key, f"`{key}` {problem}", row)
        elif key == "completion" and not text:
            yield Violation("completion-empty", "the completion is empty: nothing to learn", row)
        elif key == "completion" and not text.strip():
            yield Violation("blank", "the completion is empty", row)


def _preference(row: Mapping) -> Iterator[Violation]:
    yield from _keys(row, PREFERENCE_KEYS)
    prompt = row.get("input")
    if (
        not isinstance(prompt, Mapping)
        or not isinstance(prompt.get("messages"), list)
        or not prompt["messages"]
    ):
        yield Violation("dpo", "`input` is no object with a list of `messages`", prompt)
    else:
        yield from _keys(prompt, INPUT_KEYS)
        yield from _tools(prompt)
        yield from _each(prompt["messages"])
        whole = [message for message in prompt["messages"] if isinstance(message, Mapping)]
        yield from _answers_of_tools(whole)
        if whole and whole[-1].get("role") == "assistant":
            text = "the last message of the input is the assistant's"
            yield Violation("dpo-turn", text, whole[-1])
    for key in OUTPUTS:
        output = row.get(key)
        if (
            not isinstance(output, list)
            or len(output) != 1
            or not isinstance(output[0], Mapping)
            or output[0].get("role") != "assistant"
        ):
            yield Violation("dpo", f"`{key}` is no list of one assistant's message", output)
        else:
            yield from _message(output[0], f"`{key}`: ")
    preferred = row.get("preferred_output")
    if preferred and as_json(preferred) == as_json(row.get("non_preferred_output")):
        yield Violation("dpo-same", "both outputs are the same", preferred)

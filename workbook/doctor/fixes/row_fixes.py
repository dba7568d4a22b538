"""What mends one row by itself: its keys, roles, weights and turns. Knows no other row."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from workbook.doctor import row_checks
from workbook.doctor.fixes.editing import Edit, Row, edit_messages
from workbook.doctor.forms.hints import judged as mark_of
from workbook.doctor.forms.tool_lists import arguments_text
from workbook.doctor.forms.turns import ROLE_NAMES
from workbook.doctor.row_parts import is_system, objects_in
from workbook.rows.messages import unknown_in_part
from workbook.rows.rules import (
    CHAT_KEYS,
    COMPLETION_KEYS,
    MESSAGE_KEYS,
    PREFERENCE_KEYS,
    ROLES,
)
from workbook.rows.validator import format_of

_KEYS = {"chat": CHAT_KEYS, "completion": COMPLETION_KEYS, "preference": PREFERENCE_KEYS}


def key_case(row: Row) -> Row:
    """Keys get the spelling that the formats know."""

    def renamed(value: Mapping, known: set[str]) -> Mapping:
        if value.keys() <= known:
            return value
        fixed: dict = {}
        for key, item in value.items():
            small = key.strip().lower() if isinstance(key, str) else key
            fixed[small if small in known and small not in value else key] = item
        return value if fixed.keys() == value.keys() else fixed

    if not isinstance(row, Mapping):
        return row
    row = renamed(row, CHAT_KEYS | COMPLETION_KEYS | PREFERENCE_KEYS)
    return edit_messages(row, lambda message: renamed(message, MESSAGE_KEYS))


def unknown_key(row: Row) -> Row:
    """Keys that the row's format doesn't know go."""

    def without(value: Mapping, known: set[str]) -> Mapping:
        if value.keys() <= known:
            return value
        return {key: item for key, item in value.items() if key in known}

    kind = format_of(row)
    # What a grader reads has keys of any name; without its mark a bad answer looks like any.
    if kind not in _KEYS or mark_of(row) is not None:
        return row
    return edit_messages(
        without(row, _KEYS[kind]), lambda message: _plain_parts(without(message, MESSAGE_KEYS))
    )


def _plain_parts(message: Mapping) -> Mapping:
    """A message whose parts have no key that their type does not know."""
    parts = message.get("content")
    if not isinstance(parts, list) or not any(map(unknown_in_part, objects_in(parts))):
        return message
    plain = [
        {key: part[key] for key in part if key not in unknown_in_part(part)}
        if isinstance(part, Mapping)
        else part
        for part in parts
    ]
    return {**message, "content": plain}


def judged(row: Row) -> Row | None:
    """An answer that is marked as good loses the mark; None for one that is marked as bad."""
    mark = mark_of(row) if format_of(row) in ("chat", "completion") else None
    if mark is None:
        return row
    bare = {key: item for key, item in row.items() if key not in ("label", "kto_tag")}
    return bare if mark else None


def arguments(message: Mapping) -> Mapping:
    """Arguments of calls that are objects become JSON in a text."""

    def called(function: Any) -> Any:
        if isinstance(function, Mapping) and isinstance(function.get("arguments"), Mapping):
            return {**function, "arguments": arguments_text(function["arguments"])}
        return function

    calls = message.get("tool_calls")
    if isinstance(calls, list):
        mended = [
            {**_typed(call), "function": called(call["function"])}
            if isinstance(call, Mapping) and "function" in call
            else call
            for call in calls
        ]
        if mended != calls:
            message = {**message, "tool_calls": mended}
    call = message.get("function_call")
    return message if called(call) is call else {**message, "function_call": called(call)}


def _typed(call: Mapping) -> Mapping:
    """A call of a function with its type; Mistral's files have none."""
    return call if "type" in call else {**call, "type": "function"}


def whole_characters(text: str) -> str:
    """Halves of two-part characters become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def weight(message: Mapping) -> Mapping:
    """A message's weight as a number; none but on the assistant's."""
    value = message.get("weight")
    if "weight" in message and message.get("role") != "assistant":
        return {key: item for key, item in message.items() if key != "weight"}
    if isinstance(value, bool) or (isinstance(value, str) and value in ("0", "1")):
        return {**message, "weight": int(value)}
    return message


def role(message: Mapping) -> Mapping:
    """A message's role by its name elsewhere, or by the nearest known one."""
    name = message.get("role")
    if not isinstance(name, str) or name in ROLES:
        return message
    small = name.strip().lower()
    close = get_close_matches(ROLE_NAMES.get(small, small), ROLES, 1, 0.75)
    return {**message, "role": close[0]} if close else message


def system_place(messages: list) -> list:
    """The system messages come first."""
    return sorted(messages, key=lambda message: not is_system(message))


def last_turn(messages: list) -> list | None:
    """What comes after the last answer goes; None where there is no answer."""
    end = len(messages)
    while (
        end
        and isinstance(messages[end - 1], Mapping)
        and messages[end - 1].get("role") != "assistant"
    ):
        end -= 1
    return messages[:end] or None


def alternation(messages: list) -> list:
    """Turns of one speaker in a row are joined."""
    turns: list[Any] = []
    for message in messages:
        before = turns[-1] if turns else None
        if (
            isinstance(message, Mapping)
            and isinstance(before, Mapping)
            and message.keys() == before.keys() == {"role", "content"}
            and message["role"] == before["role"] in ("user", "assistant")
            and isinstance(message["content"], str)
            and isinstance(before["content"], str)
        ):
            turns[-1] = {**before, "content": f"{before['content']}\n{message['content']}"}
        else:
            turns.append(message)
    return turns


def without(code: str) -> Edit:
    """Leave out rows in which the checks of single rows find this."""

    def edit(row: Row) -> Row:
        return None if any(name == code for name, _, _ in row_checks.check_row(row)) else row

    return edit


def small_letters(text: str) -> str:
    """Small letters, where it is mostly capitals."""
    return text.lower() if row_checks.is_shouted(text) else text

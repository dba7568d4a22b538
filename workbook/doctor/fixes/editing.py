"""How a row is changed without touching the original: by its messages, its texts, its turns.

Every function gives the very same object back where nothing changed. Knows no fix.
"""

from collections.abc import Callable, Mapping
from typing import Any

from workbook.rows.rules import COMPLETION_KEYS, OUTPUTS
from workbook.rows.validator import format_of

Row = Any
Edit = Callable[[Row], Row]
"""Gives the row changed, itself where there is nothing to change, or None to leave it out."""


def with_values(row: Mapping, values: Mapping[str, Any]) -> Mapping:
    """The row with other values."""
    if all(row.get(key) is value for key, value in values.items()):
        return row
    return {**row, **values}


def same_items(one: list, other: list) -> bool:
    """Whether both lists hold the very same objects."""
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def edit_messages(row: Row, change: Callable[[Mapping], Mapping]) -> Row:
    """The row with every message changed."""

    def all_of(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        messages = [change(item) if isinstance(item, Mapping) else item for item in value]
        return value if same_items(messages, value) else messages

    if not isinstance(row, Mapping):
        return row
    row = with_values(row, {key: all_of(row[key]) for key in ("messages", *OUTPUTS) if key in row})
    prompt = row.get("input")
    if isinstance(prompt, Mapping) and "messages" in prompt:
        prompt = with_values(prompt, {"messages": all_of(prompt["messages"])})
        row = with_values(row, {"input": prompt})
    return row


def edit_text(value: Mapping, key: str, change: Callable[[str], str]) -> Mapping:
    """The value with another text under a key."""
    text = value.get(key)
    if not isinstance(text, str) or (new_text := change(text)) == text:
        return value
    return {**value, key: new_text}


def edit_texts(row: Row, change: Callable[[str], str]) -> Row:
    """The row with every text that is said changed; keys, roles and names are not."""

    def in_message(message: Mapping) -> Mapping:
        content = message.get("content")
        if not isinstance(content, list):
            return edit_text(message, "content", change)
        parts = [
            edit_text(part, "text", change) if isinstance(part, Mapping) else part
            for part in content
        ]
        return message if same_items(parts, content) else {**message, "content": parts}

    row = edit_messages(row, in_message)
    if isinstance(row, Mapping):
        for key in COMPLETION_KEYS:
            row = edit_text(row, key, change)
    return row


def edit_turns(change: Callable[[list], list | None]) -> Edit:
    """A change of a chat's list of messages; None leaves the row out."""

    def edit(row: Row) -> Row:
        before = row.get("messages") if isinstance(row, Mapping) else None
        if not isinstance(before, list):
            return row
        after = change(before)
        if after is None:
            return None
        return row if same_items(after, before) else {**row, "messages": after}

    return edit


def edit_pairs(key: str, change: Callable[[str], str]) -> Edit:
    """A change of the prompts, or of the completions, of pairs."""
    return lambda row: edit_text(row, key, change) if format_of(row) == "completion" else row

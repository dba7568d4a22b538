"""Fixes for which all rows are read first: signs of the older format, and common beginnings."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from workbook.doctor.common_text import common_start
from workbook.doctor.fixes.editing import Edit, Row, edit_pairs, edit_text, edit_turns, same_items
from workbook.doctor.row_parts import is_system
from workbook.doctor.set_checks.style import ANSWER_PREFIX, PREFIX, is_open
from workbook.rows.validator import format_of

SEPARATORS = ("\n\n###\n\n", " ->", "\n\n===\n\n", "\n\n---\n\n")
ENDINGS = (" END", "\n", " [END]", "***")
"""What may be put after prompts and completions of the older format; the first that stands in none
of them is used, as by the removed tool."""


def ending_sign(key: str, signs: tuple[str, ...]) -> Callable[[Iterable[Row]], Edit]:
    """Put the first of the signs that occurs in none of these texts after each."""

    def learn(rows: Iterable[Row]) -> Edit:
        free = list(signs)
        for row in rows:
            text = row.get(key) if format_of(row) == "completion" else None
            if isinstance(text, str):
                free = [sign for sign in free if sign not in text]
        sign = (free or signs)[0]
        return edit_pairs(key, lambda text: text if text.endswith(sign) else text + sign)

    return learn


def answer_prefix(rows: Iterable[Row]) -> Edit:
    """Take what opens every answer away, unless nothing would be left."""
    prefix = _common_prefix(map(_answer, rows), ANSWER_PREFIX)

    def shorter(text: str) -> str:
        rest = text.removeprefix(prefix).lstrip()
        space = " " if prefix[:1] == " " else ""  # completions of the older format begin with one
        return f"{space}{rest}" if prefix and rest and text.startswith(prefix) else text

    def in_chat(messages: list) -> list:
        if not messages or not isinstance(messages[-1], Mapping):
            return messages
        return [*messages[:-1], edit_text(messages[-1], "content", shorter)]

    edit_chat, edit_completions = edit_turns(in_chat), edit_pairs("completion", shorter)
    return lambda row: edit_chat(edit_completions(row))


def user_prefix(rows: Iterable[Row]) -> Edit:
    """Take what opens every question from prompts; in chat it becomes the end of the system
    message."""
    prefix = _common_prefix(map(_question, rows), PREFIX)

    def shorter(text: str) -> str:
        return text.removeprefix(prefix) if prefix and len(text) > len(prefix) else text

    def in_chat(messages: list) -> list:
        new_messages = [
            edit_text(message, "content", shorter)
            if isinstance(message, Mapping) and message.get("role") == "user"
            else message
            for message in messages
        ]
        if same_items(new_messages, messages):
            return messages
        first = new_messages[0]
        if is_system(first) and isinstance(first.get("content"), str):
            content = f"{first['content']}\n{prefix.strip()}"
            return [{**first, "content": content}, *new_messages[1:]]
        return [{"role": "system", "content": prefix.strip()}, *new_messages]

    edit_chat, edit_prompts = edit_turns(in_chat), edit_pairs("prompt", shorter)
    return lambda row: edit_chat(edit_prompts(row))


def _question(row: Row) -> str | None:
    """The text of the last question; None where there is none."""
    if format_of(row) == "completion":
        return _text(row.get("prompt"))
    return _content(row, slice(-2, None), "user")


def _answer(row: Row) -> str | None:
    """The text of the answer; None where there is none."""
    if format_of(row) == "completion":
        return _text(row.get("completion"))
    return _content(row, slice(-1, None), "assistant")


def _content(row: Row, place: slice, role: str) -> str | None:
    """What the first of the messages at this place says, if it is this speaker's."""
    messages = row.get("messages") if isinstance(row, Mapping) else None
    last = messages[place][:1] if isinstance(messages, list) else []
    if last and isinstance(last[0], Mapping) and last[0].get("role") == role:
        return _text(last[0].get("content"))
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _common_prefix(texts: Iterable[str | None], least: int) -> str:
    """The words that all these texts begin with; "" for less than `least` characters."""
    prefix: str | None = None
    for text in texts:
        if text is not None:
            prefix = text if prefix is None else common_start(prefix, text)
    words = re.match(r"(?s)(?:.*\W)?", prefix or "")  # whole words only
    start = words[0] if words else ""
    return start if len(start.strip()) >= least and not is_open(start) else ""

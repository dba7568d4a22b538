"""What mends each kind of mistake: the safe fixes, and those that are made only when named.

Safe is what changes no word that the model learns from. Every change takes a row and gives it back
mended: the very same object where there was nothing to mend. Knows no files.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from workbook.doctor import personal_data, row_checks, text_checks
from workbook.doctor.near_duplicates import common_start
from workbook.doctor.set_checks import ANSWER_PREFIX, PREFIX
from workbook.rows import rules
from workbook.rows.rules import CHAT_KEYS, COMPLETION_KEYS, MESSAGE_KEYS, PREFERENCE_KEYS
from workbook.rows.validator import format_of

SEPARATORS = ("\n\n###\n\n", " ->", "\n\n===\n\n", "\n\n---\n\n")
ENDINGS = (" END", "\n", " [END]", "***")
"""What may be put after prompts and completions of the older format; the first that stands in none
of them is taken, as the removed tool did."""

Row = Any
_ROLES = {
    "bot": "assistant",
    "ai": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "human": "user",
    "customer": "user",
    "instruction": "system",
}


@dataclass(frozen=True)
class Fix:
    """One kind of fix; with neither function it is made by writing the file anew.

    change   returns the row mended, or None to leave it out
    learn    sees all rows first and returns the change
    """

    safe: bool
    told: str
    change: Callable[[Row], Row] | None = None
    learn: Callable[[Iterable[Row]], Callable[[Row], Row]] | None = None


def _with(row: Mapping, changed: Mapping[str, Any]) -> Row:
    """The row with other values; itself where they are the same ones."""
    if all(row.get(key) is value for key, value in changed.items()):
        return row
    return dict(row) | changed


def _messages(row: Row, change: Callable[[Mapping], Mapping]) -> Row:
    """The row with every message changed."""

    def all_of(listed: Any) -> Any:
        if not isinstance(listed, list):
            return listed
        changed = [change(each) if isinstance(each, Mapping) else each for each in listed]
        same = all(one is other for one, other in zip(changed, listed, strict=True))
        return listed if same else changed

    if not isinstance(row, Mapping):
        return row
    row = _with(
        row,
        {
            key: all_of(row[key])
            for key in ("messages", "preferred_output", "non_preferred_output")
            if key in row
        },
    )
    asked = row.get("input")
    if isinstance(asked, Mapping) and "messages" in asked:
        row = _with(row, {"input": _with(asked, {"messages": all_of(asked["messages"])})})
    return row


def _text(value: Mapping, key: str, change: Callable[[str], str]) -> Mapping:
    """With another text under a key; itself where it stays the same."""
    text = value.get(key)
    if not isinstance(text, str) or (changed := change(text)) == text:
        return value
    return dict(value) | {key: changed}


def _texts(row: Row, change: Callable[[str], str]) -> Row:
    """The row with every text that is said changed; keys, roles and names are not."""

    def in_message(message: Mapping) -> Mapping:
        said = message.get("content")
        if not isinstance(said, list):
            return _text(message, "content", change)
        parts = [
            _text(part, "text", change) if isinstance(part, Mapping) else part for part in said
        ]
        same = all(one is other for one, other in zip(parts, said, strict=True))
        return message if same else dict(message) | {"content": parts}

    row = _messages(row, in_message)
    if isinstance(row, Mapping):
        for key in COMPLETION_KEYS:
            row = _text(row, key, change)
    return row


def _key_case(row: Row) -> Row:
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
    return _messages(row, lambda message: renamed(message, MESSAGE_KEYS))


def _unknown_key(row: Row) -> Row:
    def kept(value: Mapping, known: set[str]) -> Mapping:
        return (
            value
            if value.keys() <= known
            else {key: item for key, item in value.items() if key in known}
        )

    known = {"chat": CHAT_KEYS, "completion": COMPLETION_KEYS, "preference": PREFERENCE_KEYS}.get(
        format_of(row)
    )
    return (
        row
        if known is None
        else _messages(kept(row, known), lambda message: kept(message, MESSAGE_KEYS))
    )


def _weight(message: Mapping) -> Mapping:
    weight = message.get("weight")
    if "weight" in message and message.get("role") != "assistant":
        return {key: value for key, value in message.items() if key != "weight"}
    if isinstance(weight, bool) or (isinstance(weight, str) and weight in ("0", "1")):
        return dict(message) | {"weight": int(weight)}
    return message


def _role(message: Mapping) -> Mapping:
    role = message.get("role")
    if not isinstance(role, str) or role in rules.ROLES:
        return message
    small = role.strip().lower()
    close = get_close_matches(_ROLES.get(small, small), rules.ROLES, 1, 0.75)
    return dict(message) | {"role": close[0]} if close else message


def _listed(change: Callable[[list], list | None]) -> Callable[[Row], Row]:
    """A change of a chat's list of messages; None leaves the row out."""

    def mended(row: Row) -> Row:
        before = row.get("messages") if isinstance(row, Mapping) else None
        if not isinstance(before, list):
            return row
        after = change(before)
        same = (
            after is not None
            and len(after) == len(before)
            and all(one is other for one, other in zip(after, before, strict=True))
        )
        return row if same else None if after is None else dict(row) | {"messages": after}

    return mended


def _system_place(messages: list) -> list:
    def is_system(message: Any) -> bool:
        return isinstance(message, Mapping) and message.get("role") in ("system", "developer")

    return sorted(messages, key=lambda message: not is_system(message))


def _last_turn(messages: list) -> list | None:
    end = len(messages)
    while (
        end
        and isinstance(messages[end - 1], Mapping)
        and messages[end - 1].get("role") != "assistant"
    ):
        end -= 1
    return messages[:end] or None


def _alternation(messages: list) -> list:
    joined: list[Any] = []
    for message in messages:
        before = joined[-1] if joined else None
        if (
            isinstance(message, Mapping)
            and isinstance(before, Mapping)
            and message.keys() == before.keys() == {"role", "content"}
            and message["role"] == before["role"] in ("user", "assistant")
            and isinstance(message["content"], str)
            and isinstance(before["content"], str)
        ):
            joined[-1] = dict(before) | {"content": f"{before['content']}\n{message['content']}"}
        else:
            joined.append(message)
    return joined


def _without(*codes: str) -> Callable[[Row], Row]:
    """Leave out rows that the checks of single rows find with one of these codes."""

    def change(row: Row) -> Row:
        return None if any(code in codes for code, _, _ in row_checks.check_row(row)) else row

    return change


def _lower(text: str) -> str:
    return text.lower() if row_checks.shouted(text) else text


# Pairs of the older format, and what stands before every question or answer


def _pair(key: str, change: Callable[[str], str]) -> Callable[[Row], Row]:
    return lambda row: _text(row, key, change) if format_of(row) == "completion" else row


def _sign(key: str, signs: tuple[str, ...]) -> Callable[[Iterable[Row]], Callable[[Row], Row]]:
    """Put the first of the signs that occurs in none of these texts after each."""

    def learn(rows: Iterable[Row]) -> Callable[[Row], Row]:
        free = list(signs)
        for row in rows:
            text = row.get(key) if format_of(row) == "completion" else None
            if isinstance(text, str):
                free = [sign for sign in free if sign not in text]
        sign = (free or signs)[0]
        return _pair(key, lambda text: text if text.endswith(sign) else text + sign)

    return learn


def _asked_or_given(row: Row, answer: bool) -> str | None:
    """The text of the last question, or of the answer; None where there is none."""
    if format_of(row) == "completion":
        text = row.get("completion" if answer else "prompt")
    else:
        messages = row.get("messages") if isinstance(row, Mapping) else None
        last = messages[-1 if answer else -2 :][:1] if isinstance(messages, list) else []
        wanted = "assistant" if answer else "user"
        text = (
            last[0].get("content")
            if last and isinstance(last[0], Mapping) and last[0].get("role") == wanted
            else None
        )
    return text if isinstance(text, str) else None


def _common_start(rows: Iterable[Row], answer: bool, least: int) -> str:
    """The words that all questions, or all answers, begin with; "" for less than `least` signs."""
    start: str | None = None
    for row in rows:
        text = _asked_or_given(row, answer)
        if text is not None:
            start = common_start(text if start is None else start, text)
    start = re.match(r"(?s)(?:.*\W)?", start or "")[0]  # whole words only
    return start if len(start.strip()) >= least else ""


def _answer_prefix(rows: Iterable[Row]) -> Callable[[Row], Row]:
    start = _common_start(rows, True, ANSWER_PREFIX)

    def shorter(text: str) -> str:
        rest = text.removeprefix(start).lstrip()
        space = " " if start[:1] == " " else ""  # completions of the older format begin with one
        return f"{space}{rest}" if start and rest and text.startswith(start) else text

    def in_chat(messages: list) -> list:
        return (
            [*messages[:-1], _text(messages[-1], "content", shorter)]
            if messages and isinstance(messages[-1], Mapping)
            else messages
        )

    return lambda row: _listed(in_chat)(_pair("completion", shorter)(row))


def _user_prefix(rows: Iterable[Row]) -> Callable[[Row], Row]:
    """Take it from prompts; in chat it becomes the end of the system message."""
    start = _common_start(rows, False, PREFIX)

    def shorter(text: str) -> str:
        return text.removeprefix(start) if start and len(text) > len(start) else text

    def in_chat(messages: list) -> list:
        changed = [
            _text(each, "content", shorter)
            if isinstance(each, Mapping) and each.get("role") == "user"
            else each
            for each in messages
        ]
        if all(one is other for one, other in zip(changed, messages, strict=True)):
            return messages
        first = changed[0]
        if (
            isinstance(first, Mapping)
            and first.get("role") in ("system", "developer")
            and isinstance(first.get("content"), str)
        ):
            return [dict(first) | {"content": f"{first['content']}\n{start.strip()}"}, *changed[1:]]
        return [{"role": "system", "content": start.strip()}, *changed]

    return lambda row: _listed(in_chat)(_pair("prompt", shorter)(row))


FIXES: dict[str, Fix] = {
    "bom": Fix(True, "the byte order mark goes"),
    "blank-line": Fix(True, "empty lines go"),
    "encoding": Fix(True, "UTF-8 is written"),
    "compressed": Fix(True, "it is written unpacked"),
    "json-list": Fix(True, "one example a line is written"),
    "not-jsonl": Fix(True, "JSONL is written"),
    "repeated-key": Fix(True, "the last of two values stays, as every reader takes it"),
    "key-case": Fix(True, "keys get their right spelling", _key_case),
    "weight": Fix(
        True,
        'true, "1" become 1; weights of others than the assistant go',
        lambda row: _messages(row, _weight),
    ),
    "control-character": Fix(
        True, "invisible characters go", lambda row: _texts(row, text_checks.clean)
    ),
    "not-json": Fix(False, "lines that can't be read are left out"),
    "not-utf8": Fix(False, "lines that can't be read are left out"),
    "long-line": Fix(False, "lines that can't be read are left out"),
    "role": Fix(
        False, "bot, human, asistant, … become assistant, user", lambda row: _messages(row, _role)
    ),
    "unknown-key": Fix(False, "keys that the format doesn't know go", _unknown_key),
    "empty-content": Fix(
        False, "examples with empty texts are left out", _without("empty-content")
    ),
    "system-place": Fix(False, "the system message moves to the front", _listed(_system_place)),
    "last-turn": Fix(False, "turns after the last answer go", _listed(_last_turn)),
    "alternation": Fix(False, "turns of one speaker in a row are joined", _listed(_alternation)),
    "duplicate": Fix(False, "of equal examples one stays"),
    "near-duplicate": Fix(False, "of nearly equal examples one stays"),
    "long-text": Fix(False, "pairs over 10,000 characters are left out", _without("long-text")),
    "refusal": Fix(False, "examples that refuse are left out", _without("refusal")),
    "upper-case": Fix(False, "capitals become small letters", lambda row: _texts(row, _lower)),
    "personal-data": Fix(
        False,
        "addresses, phone and card numbers are masked, and keys",
        lambda row: _texts(row, personal_data.mask),
    ),
    "secret": Fix(False, "keys are masked", lambda row: _texts(row, personal_data.hide)),
    "no-separator": Fix(False, "prompts end with a separator", learn=_sign("prompt", SEPARATORS)),
    "no-ending": Fix(False, "completions end with a sign", learn=_sign("completion", ENDINGS)),
    "user-prefix": Fix(
        False, "what opens every question goes, in chat into the system message", learn=_user_prefix
    ),
    "answer-prefix": Fix(False, "what opens every answer goes", learn=_answer_prefix),
    "no-space": Fix(
        False,
        "completions begin with a space",
        _pair("completion", lambda text: text if text[:1].isspace() else f" {text}"),
    ),
}
"""Every fix, by the code of what it mends."""

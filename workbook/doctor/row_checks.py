"""What can be wrong with one example: the rules of its form, and what is said in it.

The rules stand in `workbook.rows`; here they get the doctor's codes, and what no rule forbids but
people would want to know is added. What each code means stands in `workbook.doctor.codes`. Knows
nothing of files, nor of how findings look.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from workbook.doctor import text_checks, tool_checks
from workbook.doctor.codes import LONG_TEXT, Problem
from workbook.rows.rules import OUTPUTS, ROLES, RULES
from workbook.rows.validator import format_of, violations


def check_row(row: Any) -> Iterator[Problem]:
    """Everything about one row that can be seen without the others."""
    for violation in violations(row):
        yield RULES[violation.rule].code, violation.message, violation.value
    kind = format_of(row)
    if kind == "chat" and isinstance(row["messages"], list):
        messages = [message for message in row["messages"] if isinstance(message, Mapping)]
        for check in (_no_user, _system_place, _turns, _said):
            yield from check(messages)
        yield from tool_checks.use(row, messages)
    elif kind == "completion":
        yield from _pair(row)
    elif kind == "preference":
        for where, messages in _conversations(row):
            for code, text, quoted in _said(messages):
                yield code, f"{where}{text}", quoted


def _no_user(messages: list[Mapping]) -> Iterator[Problem]:
    roles = [message.get("role") for message in messages]
    if roles and "user" not in roles and all(role in ROLES for role in roles):
        yield "no-user", "no message is the user's", messages[-1]


def _system_place(messages: list[Mapping]) -> Iterator[Problem]:
    for place, message in enumerate(messages):
        if place and message.get("role") in ("system", "developer"):
            yield "system-place", f"message {place + 1} is a system message", message


def _turns(messages: list[Mapping]) -> Iterator[Problem]:
    spoken = [
        message
        for message in messages
        if message.get("role") in ("user", "assistant", "tool", "function")
    ]
    roles = [message.get("role") for message in spoken]
    if "user" in roles and roles[0] == "assistant":
        yield "starts-assistant", "the first turn is the assistant's", spoken[0]
    for before, message in pairwise(spoken):
        if message["role"] == before["role"] in ("user", "assistant") and before.get(
            "name"
        ) == message.get("name"):
            yield "alternation", f"two turns of the {message['role']} in a row", message


def texts_of(value: Any) -> Iterator[str]:
    """The texts of a message's content: itself, or its text parts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                yield part["text"]


def _said(messages: list[Mapping]) -> Iterator[Problem]:
    asked = None
    for place, message in enumerate(messages, start=1):
        role = message.get("role")
        for text in texts_of(message.get("content")):
            for code, problem, quoted in text_checks.check(text):
                yield code, f"message {place}: {problem}", quoted
            if shouted(text):
                yield "upper-case", f"message {place}: mostly capitals", text
            if role == "assistant":
                if text_checks.refuses(text):
                    yield "refusal", f"message {place}: the answer refuses", text
                if asked and len(text.split()) > 2 and text.strip().lower() == asked:
                    yield "echo", f"message {place}: the answer repeats the question", text
            elif role == "user":
                asked = text.strip().lower()


def shouted(text: str) -> bool:
    """Mostly capitals, in more than a word or a name."""
    capitals = sum(map(str.isupper, text))
    return capitals > 10 and 20 <= sum(map(str.isalpha, text)) < 2 * capitals


def _pair(row: Mapping) -> Iterator[Problem]:
    """What is said in a prompt and a completion."""
    texts = {key: row[key] for key in ("prompt", "completion") if isinstance(row.get(key), str)}
    for key, text in texts.items():
        if key == "completion" and not text.strip():
            continue
        for code, problem, quoted in text_checks.check(text):
            yield code, f"`{key}`: {problem}", quoted
        if shouted(text):
            yield "upper-case", f"`{key}`: mostly capitals", text
    if (size := sum(map(len, texts.values()))) > LONG_TEXT:
        yield "long-text", f"{size:,} characters", row
    if "completion" not in texts:
        return
    if text_checks.refuses(texts["completion"]):
        yield "refusal", "the completion refuses", texts["completion"]
    asked = texts.get("prompt", "")
    if len(asked.split()) > 2 and asked.strip().lower() == texts["completion"].strip().lower():
        yield "echo", "the completion repeats the prompt", row


def _conversations(row: Mapping) -> Iterator[tuple[str, list[Mapping]]]:
    """(where, messages) of a preference: the input's, then those of each output."""
    asked = row.get("input")
    if isinstance(asked, Mapping) and isinstance(asked.get("messages"), list):
        yield "", [message for message in asked["messages"] if isinstance(message, Mapping)]
    for key in OUTPUTS:
        given = row.get(key)
        if isinstance(given, list) and len(given) == 1 and isinstance(given[0], Mapping):
            yield f"`{key}`: ", given

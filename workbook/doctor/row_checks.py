"""What can be wrong with one example: the rules of its form, and what is said in it.

The rules stand in `workbook.rows`; here they get the doctor's codes, and what no rule forbids but
people would want to know is added. What each code means stands in `workbook.doctor.codes`. Knows
nothing of files, nor of how findings look.
"""

import string
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from workbook.doctor import host_checks, text_checks, tool_checks
from workbook.doctor.limits import LONG_TEXT
from workbook.doctor.lines import Problem
from workbook.doctor.row_parts import is_system, objects_in, texts_of
from workbook.rows.rules import OUTPUTS, ROLES, RULES
from workbook.rows.validator import format_of, violations

_CAPITALS = string.ascii_uppercase.encode()


def check_row(row: Any, host: str | None = None, with_texts: bool = True) -> Iterator[Problem]:
    """Everything about one row that can be seen without the others.

    host: whose rules hold, too; by default OpenAI's.
    with_texts: whether what is said is looked at, too; none of that is an error.
    """
    checks = host_checks.checks_of(host)
    has_image = False
    for violation in violations(row, checks.output_roles):
        code = RULES[violation.rule].code
        if code != "image" or not has_image:  # eleven images need one word
            yield code, violation.message, violation.value
        has_image = has_image or code == "image"
    kind = format_of(row)
    if kind in ("chat", "reinforcement") and isinstance(row["messages"], list):
        messages = objects_in(row["messages"])
        for check in (_no_user, _system_place, _turns):
            yield from check(messages)
        if with_texts:
            yield from _contents(messages)
        if kind == "chat":
            yield from _last_weight(messages)
        yield from tool_checks.check(row, messages)
    elif kind == "completion":
        if with_texts:
            yield from _pair(row)
    elif kind == "preference":
        if isinstance(prompt := row.get("input"), Mapping):
            yield from _no_user(objects_in(prompt.get("messages")))
        for where, messages in _conversations(row) if with_texts else ():
            for code, problem, value in _contents(messages):
                yield code, f"{where}{problem}", value

    yield from checks.of_row(row)


def _no_user(messages: list[Mapping]) -> Iterator[Problem]:
    roles = [message.get("role") for message in messages]
    if roles and "user" not in roles and all(role in ROLES for role in roles):
        yield "no-user", "no message is the user's", messages[-1]


def _system_place(messages: list[Mapping]) -> Iterator[Problem]:
    for place, message in enumerate(messages):
        if place and is_system(message):
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
        if (
            message["role"] == before["role"] in ("user", "assistant")
            and before.get("name") == message.get("name")
            and not (_shows_image(before) or _shows_image(message))  # as in OpenAI's guide
        ):
            yield "alternation", f"two turns of the {message['role']} in a row", message


def _shows_image(message: Mapping) -> bool:
    content = message.get("content")
    return isinstance(content, list) and any(
        isinstance(part, Mapping) and part.get("type") == "image_url" for part in content
    )


def _last_weight(messages: list[Mapping]) -> Iterator[Problem]:
    """A last answer that is not learned, where earlier ones are."""
    last = messages[-1] if messages else {}
    if last.get("role") == "assistant" and last.get("weight") == 0:
        answers = [message for message in messages if message.get("role") == "assistant"]
        if any(message.get("weight", 1) != 0 for message in answers):
            yield "last-weight", "the last answer has weight 0: it is not learned", last


def _contents(messages: list[Mapping]) -> Iterator[Problem]:
    """What is said in the messages."""
    question = None
    texts = [text for message in messages for text in texts_of(message.get("content"))]
    checks = text_checks.checks_of(texts)
    for place, message in enumerate(messages, start=1):
        role = message.get("role")
        for text in texts_of(message.get("content")):
            for find in checks:
                for code, problem, value in find(text):
                    yield code, f"message {place}: {problem}", value
            if is_shouted(text):
                yield "upper-case", f"message {place}: mostly capitals", text
            if role == "assistant":
                if text_checks.refuses(text):
                    yield "refusal", f"message {place}: the answer refuses", text
                if question and text.strip().lower() == question and len(text.split()) > 2:
                    yield "echo", f"message {place}: the answer repeats the question", text
            elif role == "user":
                question = text.strip().lower()


def is_shouted(text: str) -> bool:
    """Whether it is mostly capitals, in more than a word or a name."""
    if len(text) < 20:
        return False
    if text.isascii():
        signs = text.encode()
        capitals = len(signs) - len(signs.translate(None, _CAPITALS))
    else:
        capitals = sum(map(str.isupper, text))
    return capitals > 10 and 20 <= sum(map(str.isalpha, text)) < 2 * capitals


def _pair(row: Mapping) -> Iterator[Problem]:
    """What is said in a prompt and a completion."""
    texts = {key: row[key] for key in ("prompt", "completion") if isinstance(row.get(key), str)}
    for key, text in texts.items():
        if key == "completion" and not text.strip():
            continue
        for code, problem, value in text_checks.check(text):
            yield code, f"`{key}`: {problem}", value
        if is_shouted(text):
            yield "upper-case", f"`{key}`: mostly capitals", text
    if (size := sum(map(len, texts.values()))) > LONG_TEXT:
        yield "long-text", f"{size:,} characters", row
    if "completion" not in texts:
        return
    if text_checks.refuses(texts["completion"]):
        yield "refusal", "the completion refuses", texts["completion"]
    prompt = texts.get("prompt", "")
    if len(prompt.split()) > 2 and prompt.strip().lower() == texts["completion"].strip().lower():
        yield "echo", "the completion repeats the prompt", row


def _conversations(row: Mapping) -> Iterator[tuple[str, list[Mapping]]]:
    """(where, messages) of a preference: the input's, then those of each output."""
    prompt = row.get("input")
    if isinstance(prompt, Mapping):
        yield "", objects_in(prompt.get("messages"))
    for key in OUTPUTS:
        output = row.get(key)
        if isinstance(output, list) and len(output) == 1 and isinstance(output[0], Mapping):
            yield f"`{key}`: ", output

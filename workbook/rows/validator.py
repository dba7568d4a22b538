"""Finds what breaks a rule in one row, in the order in which a reader would look.

Takes any Python value and raises nothing. What follows from a broken rule stands in
`workbook.rows.rules`; what is read into the text is the doctor's.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import orjson

from workbook.quoting import as_json, excerpt, kind_of
from workbook.rows import messages, tools
from workbook.rows.rules import (
    BOOKKEEPING_KEYS,
    CHAT_KEYS,
    COMPLETION_KEYS,
    INPUT_KEYS,
    OUTPUTS,
    PREFERENCE_KEYS,
    ROLES,
)
from workbook.rows.violation import Violation, json_hint, unknown_keys


def format_of(row: Any) -> str | None:
    """ "chat", "completion", "preference" (two answers, for DPO), "reinforcement" (a prompt, and
    what a grader compares the answer with), or None for what is none."""
    if not isinstance(row, Mapping):
        return None
    if "messages" in row:
        if row.keys() <= CHAT_KEYS or not _is_prompt(row["messages"]):
            return "chat"
        return "reinforcement" if reference_keys(row) else "chat"
    if any(key in row for key in OUTPUTS) or isinstance(row.get("input"), Mapping):
        return "preference"
    return "completion" if "prompt" in row or "completion" in row else None


def reference_keys(row: Mapping) -> list[Any]:
    """Keys beside `messages` that a grader may be meant to read."""
    known = CHAT_KEYS | BOOKKEEPING_KEYS
    return [key for key in row if not (isinstance(key, str) and key.strip().lower() in known)]


def is_plain(row: Any) -> bool:
    """Whether it is a chat of texts that nobody left empty, as most rows are: nothing can be wrong
    but who speaks, and half a character."""
    return (
        type(row) is dict
        and len(row) == 1
        and type(listed := row.get("messages")) is list
        and bool(listed)
        and all(map(messages.is_plain, listed))
    )


def _is_prompt(listed: Any) -> bool:
    """Whether the last of these messages is not the assistant's."""
    last = listed[-1] if isinstance(listed, list) and listed else None
    role = last.get("role") if isinstance(last, Mapping) else None
    return isinstance(role, str) and role in ROLES and role != "assistant"


def violations(
    row: Any, output_roles: tuple[str, ...] = (), prompt: bool = False
) -> Iterator[Violation]:
    """Every rule that one row breaks, whatever Python value it is; raises nothing.

    prompt: whether its messages are meant to be answered, as in reinforcement: without anything
        for a grader to read, that can't be told from a conversation that lacks its end.
    output_roles: whose messages the outputs of a preference may hold, for a host that takes
        several; else each is one of the assistant's.
    """
    kind = format_of(row)
    if kind == "chat" and prompt:
        kind = "reinforcement"
    if kind == "chat" and is_plain(row):
        yield from _speakers(row["messages"])
    elif not isinstance(row, Mapping):
        yield Violation("not-object", f"this line is {kind_of(row)}, not an object", row)
    elif kind is None and (name := _misspelt_key(row)):
        yield Violation("format-case", f"key `{name}` is not written as it should be", row)
    elif kind is None:
        yield Violation("format", "neither `messages` nor `prompt` and `completion`", row)
    elif kind == "preference":
        yield from _preference(row, output_roles)
    else:
        yield from _CHECKS[kind](row)
    if kind and _is_broken(row):
        yield Violation("half-character", "a text holds half a character", as_json(row))


def _misspelt_key(row: Mapping) -> str | None:
    """The first key that, in small letters and without spaces, would make it a known format."""
    spelling = {key.strip().lower(): key for key in row if isinstance(key, str)}
    if format_of({small: row[key] for small, key in spelling.items()}) is None:
        return None
    known = CHAT_KEYS | COMPLETION_KEYS | PREFERENCE_KEYS
    names = (key for small, key in spelling.items() if small in known and small != key)
    return excerpt(next(names, ""), 30)


def _is_broken(row: Mapping) -> bool:
    """Whether a text holds half of a two-part character."""
    try:
        orjson.dumps(row)  # five times as fast, and refuses such a text, among other things
    except (TypeError, ValueError, RecursionError):
        try:
            as_json(row).encode("utf-8")
        except UnicodeEncodeError:
            return True
    return False


def _chat(row: Mapping) -> Iterator[Violation]:
    if not row.keys() <= CHAT_KEYS:
        yield from unknown_keys(row, CHAT_KEYS)
    whole = yield from _conversation(row)
    yield from _speakers(whole)
    yield from _all_weights(whole)
    yield from tools.answers(whole)


def _reinforcement(row: Mapping) -> Iterator[Violation]:
    """A prompt; all other keys are the grader's (OpenAI's guide to reinforcement fine-tuning)."""
    whole = yield from _conversation(row)
    if whole and (role := whole[-1].get("role")) != "user":
        text = f"the last message is the {role}'s, not the user's"
        yield Violation("prompt-turn", text, whole[-1])
    yield from tools.answers(whole)


def _conversation(row: Mapping) -> Generator[Violation, None, list[Mapping]]:
    """What is wrong with tools and messages; returns those messages that are objects."""
    yield from tools.descriptions(row)
    listed = row.get("messages")
    if not isinstance(listed, list) or not listed:
        text = f"`messages` is missing, empty, or no list{json_hint(listed)}"
        yield Violation("messages", text, listed)
        return []
    yield from messages.each(listed)
    return [message for message in listed if isinstance(message, Mapping)]


def _speakers(messages: list[Mapping]) -> Iterator[Violation]:
    roles = [message.get("role") for message in messages]
    if not roles or not all(isinstance(role, str) and role in ROLES for role in roles):
        return  # who speaks is not known until that is mended
    if "assistant" not in roles:
        yield Violation("no-assistant", "no message is the assistant's", messages[-1])
    elif roles[-1] != "assistant":
        text = f"the last message is the {roles[-1]}'s, not the assistant's"
        yield Violation("last-turn", text, messages[-1])


def _all_weights(messages: list[Mapping]) -> Iterator[Violation]:
    learned = [
        message.get("weight", 1) for message in messages if message.get("role") == "assistant"
    ]
    if learned and all(weight == 0 and weight is not False for weight in learned):
        yield Violation("weights-all-zero", "all weights are 0: nothing is learned", messages)


def _completion(row: Mapping) -> Iterator[Violation]:
    if not row.keys() <= COMPLETION_KEYS:
        yield from unknown_keys(row, COMPLETION_KEYS)
    for key in ("prompt", "completion"):
        text = row.get(key)
        if not isinstance(text, str):
            problem = f"is {kind_of(text)}, not text" if key in row else "is missing"
            yield Violation(key, f"`{key}` {problem}", row)
        elif key == "completion" and not text:
            yield Violation("completion-empty", "the completion is empty: nothing to learn", row)
        elif key == "completion" and not text.strip():
            yield Violation("blank", "the completion is empty", row)


def _preference(row: Mapping, output_roles: tuple[str, ...]) -> Iterator[Violation]:
    if not row.keys() <= PREFERENCE_KEYS:
        yield from unknown_keys(row, PREFERENCE_KEYS)
    prompt = row.get("input")
    if (
        not isinstance(prompt, Mapping)
        or not isinstance(prompt.get("messages"), list)
        or not prompt["messages"]
    ):
        yield Violation("dpo", "`input` is no object with a list of `messages`", prompt)
        whole = []
    else:
        if not prompt.keys() <= INPUT_KEYS:
            yield from unknown_keys(prompt, INPUT_KEYS)
        whole = yield from _conversation(prompt)
        yield from tools.answers(whole)
        if whole and whole[-1].get("role") == "assistant":
            text = "the last message of the input is the assistant's"
            yield Violation("dpo-turn", text, whole[-1])
    for key in OUTPUTS:
        output: Any = row.get(key)
        if problem := _output_problem(output, output_roles):
            yield Violation("dpo", f"`{key}` is no list of {problem}", output)
            continue
        for item in output:
            yield from messages.message(item, f"`{key}`: ")
    preferred = row.get("preferred_output")
    if preferred and preferred == row.get("non_preferred_output"):
        yield Violation("dpo-same", "both outputs are the same", preferred)


def _output_problem(output: Any, output_roles: tuple[str, ...]) -> str:
    """What an output should be and is not; "" for a good one."""
    if not isinstance(output, list) or not all(isinstance(item, Mapping) for item in output):
        roles = []
    else:
        roles = [item.get("role") for item in output]
    if not output_roles:
        return "" if roles == ["assistant"] else "one assistant's message"
    if "assistant" in roles and all(role in output_roles for role in roles):
        return ""
    return f"messages of {' and '.join(output_roles)}, one of them the assistant's"


_CHECKS: dict[str | None, Callable[[Mapping], Iterator[Violation]]] = {
    "chat": _chat,
    "completion": _completion,
    "reinforcement": _reinforcement,
}

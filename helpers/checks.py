"""What can be wrong with one example: one small function for each mistake.

Knows the formats and their rules; what each code means stands in `helpers.codes`.
Knows nothing of files (`helpers.dataset` reads them) nor of how findings look (`helpers.report`).
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from helpers import content as words
from helpers import tool_checks
from helpers.codes import (CHAT_KEYS, COMPLETION_KEYS, INPUT_KEYS, LONG_TEXT, MESSAGE_KEYS,
                           PART_TYPES, PREFERENCE_KEYS, ROLES, Problem, as_json, excerpt, kind_of)

# Checks of one chat row, in the order in which a reader would look.

def _keys(row: Mapping, known: set[str]) -> Iterator[Problem]:
    for key in row:
        if key not in known and isinstance(key, str) and key.strip().lower() in known:
            yield ("key-case", f"key `{excerpt(key, 30)}` is not written as it should be",
                   {key: row[key]})
        elif key not in known:
            yield ("unknown-key", f"key `{excerpt(key, 30)}` is not one of {_list(known)}"
                   f"{_meant(key, known)}", {key: row[key]})


def _known_keys(row: Mapping) -> list[str]:
    known = CHAT_KEYS | COMPLETION_KEYS | PREFERENCE_KEYS
    return [key for key in row if isinstance(key, str) and key.strip().lower() in known]


def _meant(name: Any, known: Iterable[str]) -> str:
    """“; did you mean …?”, where one of the known names is much like it."""
    close = get_close_matches(name.lower(), known, 1, 0.75) if isinstance(name, str) else []
    return f"; did you mean `{close[0]}`?" if close else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def check_row(value: Any) -> Iterator[Problem]:
    """Everything about one row that can be seen without the others."""
    kind = format_of(value)
    if not isinstance(value, Mapping):
        yield "not-object", f"this line is {kind_of(value)}", value
    elif kind is None and (known := _known_keys(value)):
        yield "key-case", f"key `{excerpt(known[0], 30)}` is not written as it should be", value
    elif kind is None:
        yield "no-format", "neither `messages` nor `prompt` and `completion`", value
    else:
        yield from {"chat": check_chat, "completion": check_completion,
                    "preference": check_preference}[kind](value)
        if _broken(text := as_json(value)):
            yield "broken-character", "a text holds half a character", text


def check_chat(row: Mapping) -> Iterator[Problem]:
    """Everything about one chat example that can be seen without the others."""
    yield from _keys(row, CHAT_KEYS)
    yield from tool_checks.descriptions(row)
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "messages", "`messages` is missing, empty, or no list", messages
        return
    for place, message in enumerate(messages, start=1):
        for code, text, quoted in _message(message):
            yield code, f"message {place}: {text}", quoted
    whole = [message for message in messages if isinstance(message, Mapping)]
    for check in (_speakers, _order, _turns, _weights, tool_checks.answers, _said):
        yield from check(whole)
    yield from tool_checks.use(row, whole)


def _message(message: Any) -> Iterator[Problem]:
    if not isinstance(message, Mapping):
        yield "message", "is no object", message
        return
    yield from _keys(message, MESSAGE_KEYS)
    role = message.get("role")
    if role is None:
        yield "message", "has no `role`", message
    elif not isinstance(role, str) or role not in ROLES:
        yield "role", f"unknown role `{excerpt(role, 30)}`{_meant(role, ROLES)}", message
    for key in ("name", "tool_call_id", "refusal"):
        if not isinstance(message.get(key) or "", str):
            yield "not-text", f"`{key}` is {kind_of(message[key])}", message
    yield from _content(message)
    yield from tool_checks.calls_of(message)


def _calls(message: Mapping) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def _content(message: Mapping) -> Iterator[Problem]:
    content = message.get("content")
    if content is None:
        if message.get("role") == "assistant" and (_calls(message) or message.get("refusal")):
            return
        problem = "`content` is null" if "content" in message else "has no `content`"
        yield "content", problem, message
    elif isinstance(content, str):
        if not content.strip():
            yield "empty-content", "the content is empty", content
    elif not isinstance(content, list):
        yield "content", f"content is {kind_of(content)}, not text", content
    elif not content or not all(isinstance(part, Mapping) and isinstance(part.get("type"), str)
                                for part in content):
        yield "content", "a list of content holds parts with a `type`", content
    else:
        yield from _parts(content, message.get("role"))


def _parts(content: list[Mapping], role: Any) -> Iterator[Problem]:
    for part in content:
        kind = part["type"]
        value = part.get(PART_TYPES.get(kind, ""))
        if kind not in PART_TYPES:
            yield "part", f"unknown part `{excerpt(kind, 30)}`", part
        elif not isinstance(value, str if kind in ("text", "refusal") else Mapping):
            yield "part", f"a part of type `{kind}` needs `{PART_TYPES[kind]}`", part
        elif kind in ("image_url", "input_audio", "file"):
            if kind == "image_url" and not isinstance(value.get("url"), str):
                yield "part", "`image_url` needs a `url`", part
            elif role == "assistant":
                yield "image-answer", f"the assistant's message holds `{kind}`", part
            else:
                yield "image", f"a part of type `{kind}`", part


def _broken(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _speakers(messages: list[Mapping]) -> Iterator[Problem]:
    roles = [message.get("role") for message in messages]
    if not roles or not all(isinstance(role, str) and role in ROLES for role in roles):
        return  # who speaks is not known until that is mended
    if "assistant" not in roles:
        yield "no-assistant", "no message is the assistant's", messages[-1]
    elif roles[-1] != "assistant":
        yield "last-turn", f"the last message is the {roles[-1]}'s", messages[-1]
    if "user" not in roles:
        yield "no-user", "no message is the user's", messages[-1]


def _order(messages: list[Mapping]) -> Iterator[Problem]:
    for place, message in enumerate(messages):
        if place and message.get("role") in ("system", "developer"):
            yield "system-place", f"message {place + 1} is a system message", message


def _turns(messages: list[Mapping]) -> Iterator[Problem]:
    spoken = [message for message in messages
              if message.get("role") in ("user", "assistant", "tool", "function")]
    roles = [message.get("role") for message in spoken]
    if "user" in roles and roles[0] == "assistant":
        yield "starts-assistant", "the first turn is the assistant's", spoken[0]
    for before, message in zip(spoken, spoken[1:], strict=False):
        if message["role"] == before["role"] in ("user", "assistant") \
                and before.get("name") == message.get("name"):
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
            for code, problem, quoted in words.check(text):
                yield code, f"message {place}: {problem}", quoted
            if shouted(text):
                yield "upper-case", f"message {place}: mostly capitals", text
            if role == "assistant":
                if words.refuses(text):
                    yield "refusal", f"message {place}: the answer refuses", text
                if asked and len(text.split()) > 2 and text.strip().lower() == asked:
                    yield "echo", f"message {place}: the answer repeats the question", text
            elif role == "user":
                asked = text.strip().lower()


def shouted(text: str) -> bool:
    """Mostly capitals, in more than a word or a name."""
    capitals = sum(map(str.isupper, text))
    return capitals > 10 and 20 <= sum(map(str.isalpha, text)) < 2 * capitals


def _weights(messages: list[Mapping]) -> Iterator[Problem]:
    for message in messages:
        weight = message.get("weight")
        if weight is None:
            continue
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight not in (0, 1):
            yield "weight", f"weight is `{excerpt(weight, 20)}`", message
        elif message.get("role") != "assistant":
            yield "weight", "a weight on a message that is not the assistant's", message
    learned = [message.get("weight", 1) for message in messages
               if message.get("role") == "assistant"]
    if learned and all(weight == 0 and weight is not False for weight in learned):
        yield "weights-all-zero", "all weights are 0", messages


def check_completion(row: Mapping) -> Iterator[Problem]:
    """Everything about one prompt/completion example that can be seen without the others."""
    yield from _keys(row, COMPLETION_KEYS)
    for key in ("prompt", "completion"):
        text = row.get(key)
        if not isinstance(text, str):
            problem = f"is {kind_of(text)}, not text" if key in row else "is missing"
            yield key, f"`{key}` {problem}", row
        elif key == "completion" and not text.strip():
            yield "empty-content", "the completion is empty", row
        else:
            for code, problem, quoted in words.check(text):
                yield code, f"`{key}`: {problem}", quoted
            if shouted(text):
                yield "upper-case", f"`{key}`: mostly capitals", text
    texts = [row[key] for key in ("prompt", "completion") if isinstance(row.get(key), str)]
    if sum(map(len, texts)) > LONG_TEXT:
        yield "long-text", f"{sum(map(len, texts)):,} characters", row
    if isinstance(row.get("completion"), str):
        if words.refuses(row["completion"]):
            yield "refusal", "the completion refuses", row["completion"]
        if len(texts) == 2 and len(texts[0].split()) > 2 and \
                texts[0].strip().lower() == texts[1].strip().lower():
            yield "echo", "the completion repeats the prompt", row


def check_preference(row: Mapping) -> Iterator[Problem]:
    """Everything about one preference example (DPO) that can be seen without the others."""
    yield from _keys(row, PREFERENCE_KEYS)
    asked = row.get("input")
    if not isinstance(asked, Mapping) or not isinstance(asked.get("messages"), list) \
            or not asked["messages"]:
        yield "dpo", "`input` is no object with a list of `messages`", asked
    else:
        yield from _keys(asked, INPUT_KEYS)
        yield from tool_checks.descriptions(asked)
        whole = [message for message in asked["messages"] if isinstance(message, Mapping)]
        for place, message in enumerate(asked["messages"], start=1):
            for code, text, quoted in _message(message):
                yield code, f"message {place}: {text}", quoted
        yield from _said(whole)
        if whole and whole[-1].get("role") == "assistant":
            yield "dpo-turn", "the last message of the input is the assistant's", whole[-1]
    for key in ("preferred_output", "non_preferred_output"):
        given = row.get(key)
        if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], Mapping) \
                or given[0].get("role") != "assistant":
            yield "dpo", f"`{key}` is no list of one assistant's message", given
            continue
        for code, text, quoted in [*_message(given[0]), *_said(given)]:
            yield code, f"`{key}`: {text}", quoted
    wished = row.get("preferred_output")
    if wished and as_json(wished) == as_json(row.get("non_preferred_output")):
        yield "dpo-same", "both outputs are the same", wished


def format_of(row: Any) -> str | None:
    """"chat", "completion", "preference" (two answers, for DPO), or None for what is none."""
    if not isinstance(row, Mapping):
        return None
    if "messages" in row:
        return "chat"
    if "preferred_output" in row or "non_preferred_output" in row:
        return "preference"
    return "completion" if "prompt" in row or "completion" in row else None

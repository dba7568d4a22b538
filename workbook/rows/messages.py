"""What breaks a rule in one message: its keys, role, weight, calls, and what it says."""

from collections.abc import Iterator, Mapping
from typing import Any

from workbook.quoting import excerpt, kind_of
from workbook.rows import tools
from workbook.rows.pictures import DETAILS, picture_at
from workbook.rows.rules import MESSAGE_KEYS, PART_TYPES, ROLES
from workbook.rows.violation import Violation, json_hint, meant, unknown_keys

_PLAIN = {"role", "content"}
_OWNERS = {"tool_call_id": "tool", "refusal": "assistant"}  # whose messages have such a key


def each(messages: list[Any]) -> Iterator[Violation]:
    """What is wrong with these messages."""
    for place, item in enumerate(messages, start=1):
        if not is_plain(item):
            yield from message(item, f"message {place}: ")


def is_plain(item: Any) -> bool:
    """Whether it is a role and a text, as nearly all messages are."""
    return (
        type(item) is dict
        and item.keys() == _PLAIN
        and type(content := item["content"]) is str
        and (role := item["role"]).__class__ is str
        and role in ROLES
        and role not in ("tool", "function")
        and bool(content)
        and not content.isspace()
    )


def message(item: Any, where: str) -> Iterator[Violation]:
    """What is wrong with one message.

    where: stands before each sentence.
    """
    if not isinstance(item, Mapping):
        yield Violation("message", f"{where}is no object", item)
        return
    if not item.keys() <= MESSAGE_KEYS:
        yield from unknown_keys(item, MESSAGE_KEYS, where)
    role = item.get("role")
    if role is None:
        yield Violation("message", f"{where}has no `role`", item)
    elif not isinstance(role, str) or role not in ROLES:
        hint = meant(role, ROLES) or f"; allowed: {', '.join(ROLES)}"
        text = f"{where}unknown role `{excerpt(role, 30)}`{hint}"
        yield Violation("role", text, item)
    for key in ("name", "tool_call_id", "refusal"):
        if not isinstance(item.get(key) or "", str):
            yield Violation("text", f"{where}`{key}` is {kind_of(item[key])}", item)
    for key, owner in _OWNERS.items():
        if item.get(key) is not None and role != owner and role in ROLES:
            text = f"{where}`{key}` on a message of the {role}: only the {owner}'s has one"
            yield Violation("misplaced", text, item)
    if role == "function" and not item.get("name"):
        text = f"{where}a function's answer without the function's `name`"
        yield Violation("function-answer", text, item)
    yield from _weight(item, where)
    yield from tools.calls(item, where)
    yield from _content(item, where)


def _weight(item: Mapping, where: str) -> Iterator[Violation]:
    weight = item.get("weight")
    if weight is None:
        return
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight not in (0, 1):
        text = f"{where}weight is `{excerpt(weight, 20)}`, not 0 or 1"
        yield Violation("weight", text, item)
    elif item.get("role") != "assistant":
        text = f"{where}a weight on a message that is not the assistant's"
        yield Violation("weight", text, item)


def _content(item: Mapping, where: str) -> Iterator[Violation]:
    content, role = item.get("content"), item.get("role")
    speaks = role == "assistant" and bool(
        item.get("tool_calls") or item.get("function_call") or item.get("refusal")
    )
    # A call beside it says enough, and a tool may have nothing to say.
    must_speak = not speaks and role not in ("tool", "function")
    if content is None:
        if not speaks:
            problem = "`content` is null" if "content" in item else "has no `content`"
            yield Violation("content", f"{where}{problem}", item)
    elif isinstance(content, str):
        if must_speak and not content.strip():
            yield Violation("blank", f"{where}the content is empty", content)
    elif not isinstance(content, list):
        yield Violation("content", f"{where}content is {kind_of(content)}, not text", content)
    elif not content or not all(
        isinstance(part, Mapping) and isinstance(part.get("type"), str) for part in content
    ):
        yield Violation("content", f"{where}a list of content holds parts with a `type`", content)
    else:
        if must_speak and all(part["type"] == "text" for part in content):
            texts = (part.get("text") for part in content)
            if all(isinstance(text, str) and not text.strip() for text in texts):
                yield Violation("blank", f"{where}the content is empty", content)
        for part in content:
            yield from _part(part, role, where)


def _part(part: Mapping, role: Any, where: str) -> Iterator[Violation]:
    kind = part["type"]
    value = part.get(PART_TYPES.get(kind, ""))
    if others := unknown_in_part(part):
        known = f"`type`, `{PART_TYPES[kind]}`"
        text = f"{where}key `{excerpt(others[0], 30)}` of a part is not one of {known}"
        yield Violation("key", text, {others[0]: part[others[0]]})
    if kind not in PART_TYPES:
        yield Violation("part", f"{where}unknown part `{excerpt(kind, 30)}`", part)
    elif not isinstance(value, str if kind in ("text", "refusal") else Mapping):
        hint = ""
        if kind == "image_url" and isinstance(value, str):
            hint = ': an object, `{"url": …}`, not the address alone'
        text = (
            f"{where}a part of type `{kind}` needs `{PART_TYPES[kind]}`{hint or json_hint(value)}"
        )
        yield Violation("part", text, part)
    elif isinstance(value, Mapping):
        if kind == "image_url":
            yield from _picture(part, value, where)
        if role == "assistant":
            text = f"{where}the assistant's message holds `{kind}`"
            yield Violation("picture-answer", text, part)
        elif role != "user" and role in ROLES:
            text = f"{where}the {role}'s message holds `{kind}`: only the user's may"
            yield Violation("picture-role", text, part)
        else:
            yield Violation("picture", f"{where}a part of type `{kind}`", part)


def unknown_in_part(part: Mapping) -> list[Any]:
    """Keys of a part of a known type that it should not have, and that hold something."""
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in PART_TYPES:
        return []
    return [key for key in part if key not in ("type", PART_TYPES[kind]) and part[key] is not None]


def _picture(part: Mapping, value: Mapping, where: str) -> Iterator[Violation]:
    url, detail = value.get("url"), value.get("detail")
    if not isinstance(url, str):
        yield Violation("part", f"{where}`image_url` needs a `url`", part)
    elif problem := picture_at(url).problem:
        yield Violation("picture-address", f"{where}the image can't be read: {problem}", part)
    if detail is not None and detail not in DETAILS:
        text = f"{where}`detail` is `{excerpt(detail, 20)}`, not one of {', '.join(DETAILS)}"
        yield Violation("part", text, part)

"""Examples from one format into another, and what is lost on the way.

Knows chat, prompt/completion, preference (DPO), Vertex AI's `contents` and Bedrock's conversations.
Azure takes chat and preferences as they are, in files that begin with a byte order mark. A
converter takes what it uses out of a copy; what remains is counted as lost, here and nowhere else.
Knows no files.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from workbook.doctor.conversion.bedrock import to_bedrock
from workbook.doctor.conversion.pairs import pair_of, to_chat, to_prompt_completion, turns_of_pair
from workbook.doctor.conversion.vertex import to_vertex
from workbook.doctor.errors import ConversionError
from workbook.doctor.forms import hints
from workbook.doctor.forms.recognition import recognised
from workbook.doctor.forms.values import is_empty
from workbook.doctor.losses import Losses
from workbook.doctor.row_parts import is_system
from workbook.errors import WorkbookError
from workbook.rows.messages import unknown_in_part
from workbook.rows.rules import (
    CHAT_KEYS,
    COMPLETION_KEYS,
    INPUT_KEYS,
    MESSAGE_KEYS,
    OUTPUTS,
    PREFERENCE_KEYS,
)
from workbook.rows.validator import format_of

__all__ = ["FORMATS", "convert", "to_chat", "to_prompt_completion"]

FORMATS = ("chat", "completion", "azure", "vertex", "bedrock", "dpo")

Row = dict[str, Any]


def convert(row: Any, to: str, lost: Counter[str] | None = None, system: str | None = None) -> Row:
    """One example, in any form that is read, in the format `to`.

    lost: counts what the new format has no place for; without it that is a DataLossWarning.
    system: a system message for rows that have none (not to dpo).
    Raises ConversionError where nothing sensible would be left, and WorkbookError for no format.
    """
    if to not in FORMATS:
        raise WorkbookError(f"No format {to!r}. There are: {', '.join(FORMATS)}.")
    if lost is not None:
        return _converted(row, to, lost, system)
    losses = Losses()
    result = _converted(row, to, losses, system)
    losses.warn()
    return result


def _converted(row: Any, to: str, lost: Counter[str], system: str | None) -> Row:
    row, problems = recognised(row)
    if not isinstance(row, Mapping):
        raise ConversionError("The row is no object.")
    for code, message, _ in problems:
        if code == "unknown-form":
            raise ConversionError(f"{message[:1].upper()}{message[1:].removesuffix('.')}.")
    rest = _without_mark(dict(row))
    kind = format_of(rest)
    if to == "dpo" or (to == "azure" and kind == "preference"):
        return _preference(rest, kind, lost)
    if to == "completion":
        return _pair(rest, kind, lost, system)
    chat = _chat(rest, kind, lost, system)
    if to in ("vertex", "bedrock"):
        return (to_vertex if to == "vertex" else to_bedrock)(chat, lost)
    return chat


def _without_mark(row: Row) -> Row:
    """The row without the mark that its answer is good."""
    mark = hints.judged(row) if format_of(row) in ("chat", "completion") else None
    if mark is False:
        raise ConversionError("An answer that is marked as bad must not be learned.")
    return row if mark is None else {k: v for k, v in row.items() if k not in ("label", "kto_tag")}


def _pair(rest: Row, kind: str | None, lost: Counter[str], system: str | None) -> Row:
    if kind != "completion":
        return pair_of(_chat(rest, kind, lost, system))
    _only(rest, COMPLETION_KEYS, "", lost)
    if not isinstance(rest.get("prompt"), str) or not isinstance(rest.get("completion"), str):
        raise ConversionError("A prompt and a completion are texts. doctor.check says more.")
    if system:
        prompt = rest["prompt"].removeprefix(f"{system}\n\n")
        rest["prompt"] = f"{system}\n\n{prompt}"
    return rest


def _chat(rest: Row, kind: str | None, lost: Counter[str], system: str | None) -> Row:
    """The row as chat of OpenAI's keys alone."""
    if kind == "completion":
        rest = turns_of_pair(rest, system, lost)
    elif kind == "preference":
        rest = _preferred(rest, lost)
    elif kind == "reinforcement":
        raise ConversionError("A row for reinforcement fine-tuning has no answer to learn from.")
    elif kind != "chat":
        raise ConversionError(
            "`contents` holds something that is no object."
            if "contents" in rest
            else "The row is in none of the formats that can be converted."
        )
    _only(rest, CHAT_KEYS, "", lost)
    rest["messages"] = _messages(rest.get("messages"), lost)
    if system and not any(map(is_system, rest["messages"])):
        rest["messages"] = [{"role": "system", "content": system}, *rest["messages"]]
    return rest


def _messages(messages: Any, lost: Counter[str]) -> list[Row]:
    if not isinstance(messages, list) or not all(isinstance(item, Mapping) for item in messages):
        raise ConversionError("`messages` is not a list of messages.")
    copies = [dict(message) for message in messages]
    for message in copies:
        _only(message, MESSAGE_KEYS, " of messages", lost)
        if isinstance(message.get("content"), list):
            message["content"] = [_part(part, lost) for part in message["content"]]
    return copies


def _part(part: Any, lost: Counter[str]) -> Any:
    """A part of a message without the keys that it should not have."""
    others = unknown_in_part(part) if isinstance(part, Mapping) else []
    for key in others:
        lost[f"`{key}` of parts"] += 1
    return {key: part[key] for key in part if key not in others} if others else part


def _only(rest: Row, known: set[str], where: str, lost: Counter[str]) -> None:
    """Take out all keys but these; what was under them is lost, and said to be."""
    for key in [key for key in rest if key not in known]:
        value = rest.pop(key)
        small = key.strip().lower() if isinstance(key, str) else key
        if small in known and small not in rest:
            rest[small] = value
        elif not is_empty(value):
            lost[f"`{key}`{where}"] += 1


def _preferred(row: Row, lost: Counter[str]) -> Row:
    """A preference example as chat that ends with the preferred answer."""
    prompt, answer = row.pop("input", None), row.pop("preferred_output", None)
    rest = dict(prompt) if isinstance(prompt, Mapping) else {}
    messages = rest.pop("messages", None)
    if not isinstance(messages, list) or not isinstance(answer, list):
        raise ConversionError("The preference example is incomplete.")
    row.pop("non_preferred_output", None)
    lost["answers that were not preferred"] += 1
    return {"messages": [*messages, *answer], **rest, **row}


def _preference(rest: Row, kind: str | None, lost: Counter[str]) -> Row:
    if kind != "preference":
        raise ConversionError(
            "A preference example needs two answers, such as `prompt`, `chosen` and "
            "`rejected`. One answer alone says nothing about what is worse."
        )
    _only(rest, PREFERENCE_KEYS, "", lost)
    prompt = rest.get("input")
    if not isinstance(prompt, Mapping) or not all(
        isinstance(rest.get(key), list) for key in OUTPUTS
    ):
        raise ConversionError("The preference example is incomplete.")
    prompt = dict(prompt)
    _only(prompt, INPUT_KEYS, " of `input`", lost)
    outputs = {key: _messages(rest[key], lost) for key in OUTPUTS}
    return {"input": {**prompt, "messages": _messages(prompt.get("messages"), lost)}, **outputs}

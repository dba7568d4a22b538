"""Examples from one format into another, and what is lost on the way.

Knows chat, prompt/completion, preference (DPO), and Vertex AI's `contents`. Azure takes chat as it
is, in files that begin with a byte order mark. Knows no files.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from workbook.doctor.conversion.pairs import to_chat, to_prompt_completion
from workbook.doctor.conversion.vertex import from_vertex, to_vertex
from workbook.doctor.errors import ConversionError
from workbook.doctor.row_parts import is_system
from workbook.errors import WorkbookError
from workbook.rows.validator import format_of

FORMATS = ("chat", "completion", "azure", "vertex", "dpo")

Row = dict[str, Any]


def convert(row: Any, to: str, lost: Counter[str] | None = None, system: str | None = None) -> Row:
    """One example in the format `to`.

    lost: counts what the new format has no place for.
    system: a system message for rows that have none (to chat, Azure and Vertex).
    Raises ConversionError where nothing sensible would be left, and WorkbookError for no format.
    """
    lost = Counter() if lost is None else lost
    if to not in FORMATS:
        raise WorkbookError(f"No format {to!r}. There are: {', '.join(FORMATS)}.")
    if to == "dpo":
        return _to_dpo(row)
    if to == "completion":
        is_pair = format_of(row) == "completion"
        return row if is_pair else to_prompt_completion(_any_to_chat(row, lost, None))
    chat = _any_to_chat(row, lost, system)
    return to_vertex(chat, lost) if to == "vertex" else chat


def _any_to_chat(row: Any, lost: Counter[str], system: str | None) -> Row:
    kind = format_of(row)
    if kind == "completion":
        return to_chat(row, system)
    if kind == "preference":
        row = _preferred(row)
        lost["answers that were not preferred"] += 1
    elif isinstance(row, Mapping) and isinstance(row.get("contents"), list):
        row = from_vertex(row, lost)
    elif kind != "chat":
        raise ConversionError("The row is in none of the formats that can be converted.")
    messages = row["messages"]
    if not isinstance(messages, list) or not all(isinstance(item, Mapping) for item in messages):
        raise ConversionError("`messages` is not a list of messages.")
    if system and not any(map(is_system, messages)):
        return {**row, "messages": [{"role": "system", "content": system}, *messages]}
    return dict(row)


def _preferred(row: Mapping[str, Any]) -> Row:
    """A preference example as chat that ends with the preferred answer."""
    prompt, answer = row.get("input"), row.get("preferred_output")
    rest = dict(prompt) if isinstance(prompt, Mapping) else {}
    messages = rest.pop("messages", None)
    if not isinstance(messages, list) or not isinstance(answer, list):
        raise ConversionError("The preference example is incomplete.")
    return {"messages": [*messages, *answer], **rest}


def _to_dpo(row: Any) -> Row:
    """From `prompt`, `chosen`, `rejected`, as TRL and many published sets have them."""
    if format_of(row) == "preference":
        return dict(row)
    if not isinstance(row, Mapping) or not row.keys() >= {"prompt", "chosen", "rejected"}:
        raise ConversionError(
            "A preference example needs two answers: `prompt`, `chosen` and "
            "`rejected`. One answer alone says nothing about what is worse."
        )
    prompt = _turns(row["prompt"], "user")
    return {
        "input": {"messages": prompt},
        "preferred_output": _turns(row["chosen"], "assistant")[-1:],
        "non_preferred_output": _turns(row["rejected"], "assistant")[-1:],
    }


def _turns(value: Any, role: str) -> list[Row]:
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        return [dict(item) for item in value]
    raise ConversionError("A prompt or an answer is neither text nor a list of messages.")

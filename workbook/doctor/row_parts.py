"""What stands in a row, whatever value it is: objects, texts, speakers. Judges nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from workbook.rows.validator import format_of


def objects_in(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; none where it is no list."""
    if not isinstance(value, list):
        return []
    # Asking for the type first: a dict is what nearly all are, and `Mapping` takes its time.
    return [item for item in value if type(item) is dict or isinstance(item, Mapping)]


def texts_of(content: Any) -> Iterator[str]:
    """The texts of a message's content: itself, or its text parts."""
    if isinstance(content, str):
        yield content
        return
    for part in objects_in(content):
        if isinstance(part.get("text"), str):
            yield part["text"]


def is_system(message: Any) -> bool:
    """Whether a message gives instructions, by its role."""
    return isinstance(message, Mapping) and message.get("role") in ("system", "developer")


def messages_of(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All messages of an example; of a preference the input's and both answers'."""
    if format_of(row) != "preference":
        return objects_in(row.get("messages"))
    prompt = row.get("input")
    return [
        *objects_in(prompt.get("messages") if isinstance(prompt, Mapping) else None),
        *objects_in(row.get("preferred_output")),
        *objects_in(row.get("non_preferred_output")),
    ]

"""Small questions about the values of a row, and JSON that stands in a text. Knows no form."""

import json
import operator
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

from workbook import strict_json
from workbook.doctor.forms import python_literals

Row = dict[str, Any]
_DEEPEST = 60


def is_empty(value: Any) -> bool:
    """Whether there is nothing in it that could be lost; pandas has NaN for an empty cell."""
    if isinstance(value, float):
        return value != value
    return value is None or (isinstance(value, (str, list, dict)) and not value)


def plain(value: Any, depth: int = 0) -> Any:
    """The value with lists in the place of tuples and of arrays, as pandas and NumPy have them; the
    very same where there are none."""
    if isinstance(value, (str, int, float, NoneType)) or depth > _DEEPEST:
        return value
    if isinstance(value, Mapping):
        values = {key: plain(item, depth + 1) for key, item in value.items()}
        return value if all(values[key] is item for key, item in value.items()) else values
    if isinstance(value, (list, tuple)):
        items = [plain(item, depth + 1) for item in value]
        is_same = isinstance(value, list) and all(map(operator.is_, items, value))
        return value if is_same else items
    return plain(value.tolist(), depth + 1) if hasattr(value, "tolist") else value


def is_objects(value: Any) -> bool:
    """Whether it is a list of objects, and not an empty one."""
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)
    )


def first_key(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of these keys that the row has with something in it."""
    return next((name for name in names if not is_empty(row.get(name))), None)


def decoded(value: Any) -> Any:
    """The list or object that a text holds as JSON, or as Python prints it; the value itself where
    it holds none."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        content = strict_json.decoder().decode(value.strip())
    except (ValueError, RecursionError):
        content = python_literals.read(value.strip())
    return content if isinstance(content, (dict, list)) else value


def decoded_if(value: Any, test: Callable[[Any], bool]) -> Any:
    """What a text holds as JSON if that is what the test asks for; else the value itself: a text
    that is JSON may be meant as a text."""
    content = decoded(value)
    return content if content is not value and test(content) else value


def as_text(value: Any) -> str:
    """A value as the text of a message: itself, or JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def text_in(content: Any) -> str | None:
    """The text that content is, or that its parts are; None where there is anything else."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [
        part if isinstance(part, str) else part.get("text") if isinstance(part, Mapping) else None
        for part in content
    ]
    known = all(
        isinstance(part, str) or part.keys() <= {"type", "text"}
        for part in content
        if isinstance(part, (str, Mapping))
    )
    if not known or not all(isinstance(text, str) for text in texts):
        return None
    return "\n\n".join(map(str, texts))

"""Templates of OpenAI's graders: {{item.NAME}} and {{sample.NAME}} within a text.

Knows their form and their values; nothing of graders.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from workbook.grading.errors import GraderError

MAX_PLACES = 1000  # variables of a template
MAX_FILLED = 2**22  # characters of a template with its values
_VARIABLE = re.compile(r"\s*(item|sample)((?:\.[\w-]+|\[\d+\])+)\s*")
_SAMPLE = re.compile(r"\.(output_text|output_json(?:\.[\w-]+|\[\d+\])*)")


class MissingValueError(Exception):
    """A template names what is not there; says which of OpenAI's errors that is."""


def check(template: str, param: str) -> None:
    """Raise GraderError for a template that names what can never be there."""
    places = [place for _, place in _parted(template) if place is not None]
    if len(places) > MAX_PLACES:
        message = f"Invalid '{param}': a template may hold {MAX_PLACES:,} variables."
        raise GraderError(message, "invalid_template", param)
    for place in places:
        variable = _VARIABLE.fullmatch(place)
        if not variable or (variable[1] == "sample" and not _SAMPLE.fullmatch(variable[2])):
            message = (
                f"Invalid '{param}': there is no variable '{place.strip()[:80]}'. A template may "
                "hold {{sample.output_text}}, {{sample.output_json.NAME}} and {{item.NAME}}."
            )
            raise GraderError(message, "invalid_template", param)


def fill_item(template: str, item: dict[str, Any]) -> str:
    """A template of an item's values alone. Raises ValueError."""
    try:
        return fill(template, item, "")
    except MissingValueError:
        raise ValueError(f"the template names what the item lacks: {template[:200]}") from None


def fill(template: str, item: dict[str, Any], sample: str) -> str:
    """The template with its variables' values. Raises MissingValueError, GraderError."""

    def text_of(place: str) -> str:
        variable = _VARIABLE.fullmatch(place)
        if variable is None:
            raise MissingValueError("invalid_variable_error")
        root, path = variable.groups()
        steps = [key or int(index) for key, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", path)]
        value: Any = item
        if root == "sample":
            if steps[0] == "output_text":
                return sample
            value, steps = parsed(sample), steps[1:]
        try:
            for step in steps:
                value = value[step]
        except (LookupError, TypeError):
            raise MissingValueError("invalid_variable_error") from None
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    parts: list[str] = []
    length = 0
    for text, place in _parted(template):
        parts += [text, "" if place is None else text_of(place)]
        length += len(parts[-2]) + len(parts[-1])
        if length > MAX_FILLED:
            message = f"A template with its values is longer than {MAX_FILLED:,} characters."
            raise GraderError(message, "string_above_max_length", "grader")
    return "".join(parts)


def _parted(template: str) -> Iterator[tuple[str, str | None]]:
    """The parts of a template: text, and the {{place}} after it; the last part has none.

    In time linear in its length, also where many places begin and none ends.
    """
    begin = 0
    while (opening := template.find("{{", begin)) >= 0:
        closing = template.find("}}", opening + 2)
        if closing < 0:
            break
        yield template[begin:opening], template[opening + 2 : closing]
        begin = closing + 2
    yield template[begin:], None


def parsed(sample: str) -> Any:
    """An answer as JSON. Raises MissingValueError."""
    try:
        return json.loads(sample)
    except (ValueError, RecursionError):
        raise MissingValueError("sample_parse_error") from None

"""Graders: how good an answer is, as a number, by rules that need no model.

Knows OpenAI's graders and their templates; knows nothing of HTTP, jobs or models.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from workbook.lab.errors import ApiError
from workbook.lab.grading import formula, text_metrics

MAX_PLACES = 1000  # variables of a template
MAX_FILLED = 2**22  # characters of a template with its values
_VARIABLE = re.compile(r"\s*(item|sample)((?:\.[\w-]+|\[\d+\])+)\s*")
_SAMPLE = re.compile(r"\.(output_text|output_json(?:\.[\w-]+|\[\d+\])*)")

# Why the lab lacks a kind of grader.
_UNSUPPORTED = {
    "python": "The lab does not run code that was sent to it",
    "score_model": "Its small model can't judge answers",
    "label_model": "Its small model can't judge answers",
}


@dataclass
class Grade:
    """What a grader gives.

    parts: the rewards of a multi grader's parts, by their names.
    errors: OpenAI's names for what went wrong on the way.
    """

    reward: float
    parts: dict[str, float] = field(default_factory=dict)
    errors: set[str] = field(default_factory=set)


class _MissingValueError(Exception):
    """A template names what is not there; says which of OpenAI's errors that is."""


def check(grader: dict[str, Any], where: str = "grader") -> None:
    """Raise ApiError (400) unless the lab can run a grader that the spec allows."""
    kind = grader["type"]
    if kind in _UNSUPPORTED:
        message = (
            f"{_UNSUPPORTED[kind]}: graders of type '{kind}' are not supported. The lab has "
            "string_check, text_similarity and multi."
        )
        raise ApiError(400, message, "unsupported_grader", f"{where}.type")
    if kind == "multi":
        _check_multi(grader, where)
        return
    for name in ("input", "reference"):
        _check_template(grader[name], f"{where}.{name}")
    metric = grader.get("evaluation_metric", "")
    if metric in text_metrics.MISSING:
        reason, offered = text_metrics.MISSING[metric], ", ".join(text_metrics.METRICS)
        message = f"The lab can't compute '{metric}': {reason}. It has {offered}."
        raise ApiError(400, message, "unsupported_metric", f"{where}.evaluation_metric")


def _check_multi(grader: dict[str, Any], where: str) -> None:
    parts = _parts(grader)
    for name, part in parts.items():
        check(part, f"{where}.graders.{name}")
    try:
        formula.check(grader["calculate_output"], set(parts))
    except formula.FormulaError as error:
        param = f"{where}.calculate_output"
        raise ApiError(400, f"Invalid '{param}': {error}.", "invalid_formula", param) from None


def _check_template(template: str, param: str) -> None:
    places = [place for _, place in _parted(template) if place is not None]
    if len(places) > MAX_PLACES:
        message = f"Invalid '{param}': a template may hold {MAX_PLACES:,} variables."
        raise ApiError(400, message, "invalid_template", param)
    for place in places:
        variable = _VARIABLE.fullmatch(place)
        if not variable or (variable[1] == "sample" and not _SAMPLE.fullmatch(variable[2])):
            message = (
                f"Invalid '{param}': there is no variable '{place.strip()[:80]}'. A template may "
                "hold {{sample.output_text}}, {{sample.output_json.NAME}} and {{item.NAME}}."
            )
            raise ApiError(400, message, "invalid_template", param)


def run(grader: dict[str, Any], item: dict[str, Any], sample: str) -> Grade:
    """Grade the answer `sample` with a grader that was checked. Raises ApiError (400)."""
    if grader["type"] == "multi":
        return _run_multi(grader, item, sample)
    try:
        text, reference = (_fill(grader[name], item, sample) for name in ("input", "reference"))
    except _MissingValueError as error:
        return Grade(0.0, errors={str(error)})
    if grader["type"] == "string_check":
        return Grade(float(_matches(grader["operation"], text, reference)))
    if max(len(text), len(reference)) > text_metrics.MAX_LENGTH:
        message = f"A text to compare is longer than {text_metrics.MAX_LENGTH:,} characters."
        raise ApiError(400, message, "string_above_max_length", "model_sample")
    return Grade(text_metrics.score(grader["evaluation_metric"], text, reference))


def _run_multi(grader: dict[str, Any], item: dict[str, Any], sample: str) -> Grade:
    grades = {name: run(part, item, sample) for name, part in _parts(grader).items()}
    parts = {name: grade.reward for name, grade in grades.items()}
    errors = {error for grade in grades.values() for error in grade.errors}
    try:
        reward = formula.compute(grader["calculate_output"], parts)
    except formula.FormulaError:
        reward, errors = 0.0, errors | {"formula_parse_error"}
    return Grade(reward, parts, errors)


def _parts(grader: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The graders by the names that the formula uses; the spec also allows just one of them."""
    graders = grader["graders"]
    one = isinstance(graders.get("type"), str)
    return {graders["name"]: graders} if one else graders


def _matches(operation: str, text: str, reference: str) -> bool:
    match operation:
        case "eq":
            return text == reference
        case "ne":
            return text != reference
        case "like":
            return reference in text
        case _:  # ilike
            return reference.casefold() in text.casefold()


def fill(template: str, item: dict[str, Any]) -> str:
    """A template of an item's values alone. Raises ValueError."""
    try:
        return _fill(template, item, "")
    except _MissingValueError:
        raise ValueError(f"the template names what the item lacks: {template[:200]}") from None


def _fill(template: str, item: dict[str, Any], sample: str) -> str:
    """The template with its variables' values. Raises _MissingValueError, ApiError (400)."""

    def text_of(place: str) -> str:
        variable = _VARIABLE.fullmatch(place)
        if variable is None:
            raise _MissingValueError("invalid_variable_error")
        root, path = variable.groups()
        steps = [key or int(index) for key, index in re.findall(r"\.([\w-]+)|\[(\d+)\]", path)]
        value: Any = item
        if root == "sample":
            if steps[0] == "output_text":
                return sample
            value, steps = _parsed(sample), steps[1:]
        try:
            for step in steps:
                value = value[step]
        except (LookupError, TypeError):
            raise _MissingValueError("invalid_variable_error") from None
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    parts: list[str] = []
    length = 0
    for text, place in _parted(template):
        parts += [text, "" if place is None else text_of(place)]
        length += len(parts[-2]) + len(parts[-1])
        if length > MAX_FILLED:
            message = f"A template with its values is longer than {MAX_FILLED:,} characters."
            raise ApiError(400, message, "string_above_max_length", "grader")
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


def _parsed(sample: str) -> Any:
    try:
        return json.loads(sample)
    except (ValueError, RecursionError):
        raise _MissingValueError("sample_parse_error") from None

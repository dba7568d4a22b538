"""Faults of requests in OpenAI's words: its sentence, its code and the name of the parameter.

Knows what jsonschema finds and OpenAI's limits of metadata; knows nothing of documents or
endpoints. The words are those that OpenAI's interface answers with.
"""

from collections.abc import Iterable
from typing import Any

from workbook.lab.errors import ApiError

_PYTHON_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
MAX_PAIRS, MAX_KEY, MAX_VALUE = 16, 64, 512  # of metadata


def api_error(error: Any) -> ApiError:
    """The refusal for a `jsonschema.ValidationError`."""
    param = _param(error.absolute_path)
    value, bound = error.instance, error.validator_value
    match error.validator:
        case "required":
            missing = error.message.split("'")[1]
            param = f"{param}.{missing}" if param else missing
            message = f"Missing required parameter: '{param}'."
            return ApiError(400, message, "missing_required_parameter", param)
        case "unknown":
            return unknown(str(param))
        case "type":
            message = (
                f"Invalid type for '{param}': expected {_any_of(bound)}, but got {_kind(value)} "
                "instead."
            )
            return ApiError(400, message, "invalid_type", param)
        case "enum" | "const":
            return not_one_of(value, bound if isinstance(bound, list) else [bound], param)
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            return _beyond(error, value, bound, param)
        case "minLength" | "maxLength" | "minItems" | "maxItems":
            return wrong_length(value, bound, error.validator.startswith("min"), param)
        case "pattern":
            message = (
                f"Invalid '{param}': string does not match pattern. Expected a string that matches "
                f"the pattern '{bound}'."
            )
            return ApiError(400, message, "invalid_value", param)
        case _:
            return ApiError(400, f"Invalid value for '{param}'.", "invalid_value", param)


def unknown(param: str) -> ApiError:
    """The refusal of a field that is not there."""
    return ApiError(400, f"Unknown parameter: '{param}'.", "unknown_parameter", param)


def not_one_of(value: Any, allowed: list[Any], param: str | None) -> ApiError:
    """The refusal of a value that is none of those allowed."""
    text = f"'{value[:80]}'" if isinstance(value, str) else _kind(value)
    message = f"Invalid value: {text}. Supported values are: {listed(allowed, 'and')}."
    return ApiError(400, message, "invalid_value", param)


def wrong_length(value: Any, bound: int, low: bool, param: str | None) -> ApiError:
    """The refusal of a text or list that is too long, or too short (`low`)."""
    thing = "string" if isinstance(value, str) else "array"
    expected = f"Expected {_article(thing)} with {'min' if low else 'max'}imum length {bound}"
    if low and not value:
        message = f"Invalid '{param}': empty {thing}. {expected}, but got an empty {thing} instead."
        return ApiError(400, message, f"empty_{thing}", param)
    message = (
        f"Invalid '{param}': {thing} too {'short' if low else 'long'}. {expected}, "
        f"but got {_article(thing)} with length {len(value)} instead."
    )
    return ApiError(400, message, f"{thing}_{'below_min' if low else 'above_max'}_length", param)


def check_metadata(metadata: Any) -> None:
    """OpenAI's documented limits: 16 pairs, keys of 64 and values of 512 characters."""
    if not isinstance(metadata, dict):
        return
    if len(metadata) > MAX_PAIRS:
        message = (
            f"Invalid 'metadata': too many properties. Expected an object with at most {MAX_PAIRS} "
            f"properties, but got an object with {len(metadata)} properties instead."
        )
        raise ApiError(400, message, "object_above_max_properties", "metadata")
    for key, value in metadata.items():
        param = f"metadata.{key[:200]}"
        if len(key) > MAX_KEY:
            message = (
                f"Invalid property name in 'metadata': '{key[:3]}...{key[-3:]}' is too long. "
                f"Expected a string with maximum length {MAX_KEY}, but got a string with length "
                f"{len(key)} instead."
            )
            raise ApiError(400, message, "property_name_above_max_length", param)
        if isinstance(value, str) and len(value) > MAX_VALUE:
            raise wrong_length(value, MAX_VALUE, False, param)


def listed(values: Iterable[Any], word: str) -> str:
    """'a', 'b', and 'c'"""
    *others, last = [f"'{value}'" for value in values]
    comma = "," if len(others) > 1 else ""
    return f"{', '.join(others)}{comma} {word} {last}" if others else last


def _beyond(error: Any, value: Any, bound: Any, param: str | None) -> ApiError:
    kinds = error.schema.get("type", [])
    number = "integer" if "integer" in kinds else "decimal"
    low = "inimum" in error.validator
    sign = (">" if low else "<") + ("" if error.validator.startswith("ex") else "=")
    side, end = ("below", "min") if low else ("above", "max")
    message = (
        f"Invalid '{param}': {number} {side} {end}imum value. "
        f"Expected a value {sign} {bound}, but got {value} instead."
    )
    return ApiError(400, message, f"{number}_{side}_{end}_value", param)


def _param(path: Any) -> str | None:
    """`messages[0].content` for the path ("messages", 0, "content")."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text or None


def _any_of(names: list[str]) -> str:
    """ "a string", or "one of a string or array of objects" """
    first, *others = [_article(names[0]), *names[1:]] if names else ["null"]
    if not others:
        return first
    return f"one of {', '.join([first, *others[:-1]])} or {others[-1]}"


def _article(kind: str) -> str:
    if kind == "null" or kind.startswith("one of"):
        return kind
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "an integer" if isinstance(value, int) else "a decimal number"
    return next(_article(k) for k, t in _PYTHON_TYPES.items() if isinstance(value, t))

"""OpenAI's interface: requests are checked against its OpenAPI document, faults named as it does.

`openai-api.json` is OpenAI's own document (MIT), cut to what the lab had at first;
`openai-api-overlay.json` adds what that document leaves out and says why; `openai-api-more.json`
has the endpoints that came later, written after the types of OpenAI's package. Knows nothing of
models, files or sockets.
"""

import copy
import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# jsonschema builds a grammar for one string format (IRI) on import: 0.7 s that the lab never uses.
_was_there = "rfc3987_syntax" in sys.modules
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
import jsonschema  # noqa: E402
from jsonschema import Draft202012Validator  # noqa: E402

from workbook.lab import nulls  # noqa: E402
from workbook.lab.errors import ApiError  # noqa: E402

if not _was_there:
    del sys.modules["rfc3987_syntax"]

_FOLDER = Path(__file__).resolve().parent
_PYTHON_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def check(name: str, request: Any) -> dict[str, Any]:
    """The request, once it fits the schema `name`, without the optional fields that are null.

    Raises ApiError (400), for unknown parameters, too.
    """
    if not isinstance(request, dict):
        raise ApiError(400, "The body of the request must be a JSON object.", "invalid_type")
    if unknown := sorted(request.keys() - parameters(name)):
        raise ApiError(400, f"Unknown parameter: '{unknown[0]}'.", "unknown_parameter", unknown[0])
    error = next(_validator(name).iter_errors(request), None)
    if error is not None:
        raise _api_error(error)
    fields: dict[str, Any] = nulls.without(request)
    return fields


def check_metadata(metadata: Any) -> None:
    """OpenAI's documented limits: 16 pairs, keys of 64 and values of 512 characters."""
    if not isinstance(metadata, dict):
        return
    if len(metadata) > 16:
        raise ApiError(
            400,
            "Invalid 'metadata': too many properties. Expected an object with at "
            f"most 16 properties, but got {len(metadata)} instead.",
            "object_above_max_properties",
            "metadata",
        )
    for key, value in metadata.items():
        for text, most in ((key, 64), (value, 512)):
            if isinstance(text, str) and len(text) > most:
                raise ApiError(
                    400,
                    f"Invalid 'metadata': string too long. Expected a string with "
                    f"maximum length {most}, but got length {len(text)} instead.",
                    "string_above_max_length",
                    "metadata",
                )


@functools.cache
def document() -> dict[str, Any]:
    """The whole OpenAPI document, overlay applied."""
    whole = json.loads((_FOLDER / "openai-api.json").read_text(encoding="utf-8"))
    more = json.loads((_FOLDER / "openai-api-more.json").read_text(encoding="utf-8"))
    whole["paths"].update(more["paths"])
    whole["components"]["schemas"].update(more["schemas"])
    for change in json.loads((_FOLDER / "openai-api-overlay.json").read_text(encoding="utf-8")):
        place = whole
        for key in change["at"]:
            place = place[key]
        if isinstance(place, list):
            place.extend(change["add"])
        else:
            place.update(change["add"])
    return whole


def schema(name: str) -> dict[str, Any]:
    """The schema `name` with all it refers to, for any validator."""
    components = copy.deepcopy(document()["components"])
    return {"$ref": f"#/components/schemas/{name}", "components": components}


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    rules = {"oneOf": _errors_of_branch, "anyOf": _errors_of_branch, "properties": _of_properties}
    validator: Draft202012Validator = jsonschema.validators.extend(Draft202012Validator, rules)(
        schema(name)
    )
    return validator


@functools.cache
def parameters(name: str) -> frozenset[str]:
    whole = _resolve({"$ref": f"#/components/schemas/{name}"})
    names = set(whole.get("properties", {}))
    for part in whole.get("allOf", []):
        names |= (
            parameters(part["$ref"].rsplit("/", 1)[1])
            if "$ref" in part
            else set(part.get("properties", {}))
        )
    return frozenset(names)


def _resolve(branch: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in branch:
        branch = document()["components"]["schemas"][branch["$ref"].rsplit("/", 1)[1]]
    return branch


def _of_properties(
    validator: Any, properties: dict[str, dict], instance: Any, schema: dict
) -> Iterator[jsonschema.ValidationError]:
    """What is wrong with an object's fields; null in an optional one is as if it were not there."""
    if not isinstance(instance, dict):
        return
    for name, part in properties.items():
        if name in instance and (instance[name] is not None or name in schema.get("required", [])):
            yield from validator.descend(instance[name], part, path=name, schema_path=name)


def _errors_of_branch(
    validator: Any, branches: list[dict], instance: Any, schema: dict
) -> Iterator[jsonschema.ValidationError]:
    """oneOf and anyOf by the branch that is meant: its errors say more than "matches none"."""
    candidates = [b for b in branches if _may_be(_resolve(b), instance)]
    if not candidates:
        types = [t for b in branches for t in _types(_resolve(b))]
        yield jsonschema.ValidationError(
            "", validator="type", validator_value=types, instance=instance
        )
        return
    if len(candidates) > 1 and isinstance(instance, dict):
        for key in ("role", "type"):
            by_value = {v: b for b in candidates for v in _enum(_resolve(b), key)}
            free = [b for b in candidates if not _enum(_resolve(b), key)]
            if by_value and free and not isinstance(instance.get(key), str):
                # Objects of any names, beside those told apart by one of them.
                told = list(by_value.values())
                kinds = [kind for b in told for kind in _enum(_resolve(b), "type")]
                candidates = told if instance.get("type") in kinds else free
                if candidates is free:
                    continue
            if by_value:
                if key not in instance:
                    yield jsonschema.ValidationError(
                        f"'{key}'", validator="required", instance=instance
                    )
                elif not isinstance(instance[key], str) or instance[key] not in by_value:
                    yield jsonschema.ValidationError(
                        "",
                        validator="enum",
                        path=[key],
                        validator_value=list(by_value),
                        instance=instance[key],
                    )
                else:
                    yield from validator.descend(instance, by_value[instance[key]])
                return
    errors = [list(validator.descend(instance, branch)) for branch in candidates]
    if all(errors):
        yield from errors[0]


def _enum(branch: dict, key: str) -> list[str]:
    return branch.get("properties", {}).get(key, {}).get("enum", [])


def _types(branch: dict) -> list[str]:
    kinds = branch.get("type", [])
    if not kinds:
        kinds = [t for b in branch.get("oneOf", []) + branch.get("anyOf", []) for t in _types(b)]
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _may_be(branch: dict, instance: Any) -> bool:
    kinds = _types(branch)
    return not kinds or any(Draft202012Validator({"type": k}).is_valid(instance) for k in kinds)


def _api_error(error: jsonschema.ValidationError) -> ApiError:
    """OpenAI's sentence, code and parameter name for an error of jsonschema's."""
    param = _param(error.absolute_path)
    value, bound = error.instance, error.validator_value
    number = "integer" if "integer" in _types(error.schema) else "decimal"
    match error.validator:
        case "required":
            missing = error.message.split("'")[1]
            param = f"{param}.{missing}" if param else missing
            return ApiError(
                400, f"Missing required parameter: '{param}'.", "missing_required_parameter", param
            )
        case "type":
            types = [bound] if isinstance(bound, str) else bound
            names = " or ".join(dict.fromkeys(_article(kind) for kind in types))
            message = (
                f"Invalid type for '{param}': expected {names}, but got {_kind(value)} instead."
            )
            return ApiError(400, message, "invalid_type", param)
        case "enum" | "const":
            allowed = ", ".join(f"'{v}'" for v in (bound if isinstance(bound, list) else [bound]))
            text = f"'{value[:80]}'" if isinstance(value, str) else _kind(value)
            message = f"Invalid value: {text}. Supported values are: {allowed}."
            return ApiError(400, message, "invalid_value", param)
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            low = "inimum" in error.validator
            sign = (">" if low else "<") + ("" if error.validator.startswith("ex") else "=")
            side, end = ("below", "min") if low else ("above", "max")
            message = (
                f"Invalid '{param}': {number} {side} {end}imum value. "
                f"Expected a value {sign} {bound}, but got {value} instead."
            )
            return ApiError(400, message, f"{number}_{side}_{end}_value", param)
        case "minLength" | "maxLength" | "minItems" | "maxItems":
            low = error.validator.startswith("min")
            thing = "string" if isinstance(value, str) else "array"
            if thing == "array" and not value:
                message = (
                    f"Invalid '{param}': empty array. Expected an array with minimum "
                    f"length {bound}, but got an empty array instead."
                )
                return ApiError(400, message, "empty_array", param)
            message = (
                f"Invalid '{param}': {thing} too {'short' if low else 'long'}. Expected "
                f"{'a' if thing == 'string' else 'an'} {thing} with "
                f"{'minimum' if low else 'maximum'} length {bound}, "
                f"but got length {len(value)} instead."
            )
            code = f"{thing}_{'below_min' if low else 'above_max'}_length"
            return ApiError(400, message, code, param)
        case _:
            return ApiError(400, f"Invalid value for '{param}'.", "invalid_value", param)


def _param(path: Any) -> str | None:
    """`messages[0].content` for the path ("messages", 0, "content")."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text or None


def _article(kind: str) -> str:
    words = {
        "integer": "an integer",
        "array": "an array",
        "object": "an object",
        "number": "a decimal",
        "null": "null",
    }
    return words.get(kind, f"a {kind}")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "an integer" if isinstance(value, int) else "a decimal"
    return next(_article(k) for k, t in _PYTHON_TYPES.items() if isinstance(value, t))

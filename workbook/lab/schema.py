"""OpenAI's interface: requests are checked against its OpenAPI document, faults named as it does.

`openai-api.json` is OpenAI's own document (MIT), cut to what the lab had at first;
`openai-api-overlay.json` adds what that document leaves out and says why; `openai-api-more.json`
has the endpoints that came later, written after the types of OpenAI's package. Knows nothing of
models, files or sockets.
"""

import copy
import functools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# jsonschema builds a grammar for one string format (IRI) on import: 0.7 s that the lab never uses.
_was_there = "rfc3987_syntax" in sys.modules
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
import jsonschema  # noqa: E402
from jsonschema import Draft202012Validator  # noqa: E402

from workbook.lab import nulls, schema_errors  # noqa: E402
from workbook.lab.errors import ApiError  # noqa: E402

if not _was_there:
    del sys.modules["rfc3987_syntax"]

_FOLDER = Path(__file__).resolve().parent


def check(name: str, request: Any) -> dict[str, Any]:
    """The request, once it fits the schema `name`, without the optional fields that are null.

    Raises ApiError (400), for unknown parameters, too.
    """
    if not isinstance(request, dict):
        raise ApiError(400, "The body of the request must be a JSON object.", "invalid_type")
    if unknown := sorted(request.keys() - parameters(name)):
        raise schema_errors.unknown(unknown[0])
    error = next(_validator(name).iter_errors(request), None)
    if error is not None:
        raise schema_errors.api_error(error)
    schema_errors.check_metadata(request.get("metadata"))
    fields: dict[str, Any] = nulls.without(request)
    return fields


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
    rules = {
        "oneOf": _errors_of_branch,
        "anyOf": _errors_of_branch,
        "properties": _of_properties,
        "additionalProperties": _of_others,
        "type": _of_type,
        "pattern": _of_pattern,
    }
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


def _of_others(
    validator: Any, others: Any, instance: Any, schema: dict
) -> Iterator[jsonschema.ValidationError]:
    """Fields that a closed object does not have; null in one says nothing, and is let be."""
    if not isinstance(instance, dict):
        return
    known = schema.get("properties", {})
    for name in [name for name in instance if name not in known]:
        if others is False and instance[name] is not None:
            yield jsonschema.ValidationError("", validator="unknown", path=[name])
        elif isinstance(others, dict):
            yield from validator.descend(instance[name], others, path=name)


def _of_type(
    validator: Any, kinds: Any, instance: Any, schema: dict
) -> Iterator[jsonschema.ValidationError]:
    if not any(validator.is_type(instance, kind) for kind in _types(schema)):
        yield _wrong_type(schema, instance)


def _wrong_type(schema: dict, instance: Any) -> jsonschema.ValidationError:
    return jsonschema.ValidationError(
        "", validator="type", validator_value=_names(schema), instance=instance
    )


def _of_pattern(
    validator: Any, pattern: str, instance: Any, schema: dict
) -> Iterator[jsonschema.ValidationError]:
    """As JSON Schema has it: $ is the end, and not before a last newline, as in Python."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError("")


def _errors_of_branch(
    validator: Any, branches: list[dict], instance: Any, schema: dict
) -> Iterator[jsonschema.ValidationError]:
    """oneOf and anyOf by the branch that is meant: its errors say more than "matches none"."""
    candidates = [b for b in branches if _may_be(_resolve(b), instance)]
    if not candidates:
        yield _wrong_type(schema, instance)
        return
    default = schema.get("x-default-type")
    if len(candidates) > 1 and isinstance(instance, dict):
        for key in ("role", "type"):
            by_value = {v: b for b in candidates for v in _enum(_resolve(b), key)}
            free = [b for b in candidates if not _enum(_resolve(b), key)]
            if by_value and free and not isinstance(instance.get(key), str):
                # Objects of any names, beside those told apart by one of them.
                told = list(by_value.values())
                kinds = [kind for b in told for kind in _enum(_resolve(b), "type")]
                candidates = told if instance.get("type", default) in kinds else free
                if candidates is free:
                    continue
            if by_value:
                if key not in instance and default is None:
                    yield jsonschema.ValidationError(
                        f"'{key}'", validator="required", instance=instance
                    )
                elif not isinstance(value := instance.get(key), str) or value not in by_value:
                    yield jsonschema.ValidationError(
                        "",
                        validator="enum",
                        path=[key] if default is None else [],
                        validator_value=list(by_value),
                        instance=value if default is None or isinstance(value, str) else "",
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


def _names(branch: dict) -> list[str]:
    """What a branch may be, as OpenAI names it, without articles: "string", "array of objects"."""
    branch = _resolve(branch)
    if name := branch.get("x-name"):
        return [name]
    parts = branch.get("oneOf", []) + branch.get("anyOf", [])
    if parts:
        return list(dict.fromkeys(name for part in parts for name in _names(part)))
    if values := [value for value in branch.get("enum", []) if isinstance(value, str)]:
        return [f"one of {schema_errors.listed(values, 'or')}"]
    names = ["decimal" if k == "number" else k for k in _types(branch) if k != "null"]
    if names == ["array"] and "items" in branch:
        items = _names(branch["items"])
        return [f"array of {items[0]}s" if len(items) == 1 else "array"]
    return names


def _may_be(branch: dict, instance: Any) -> bool:
    kinds = _types(branch)
    return not kinds or any(Draft202012Validator({"type": k}).is_valid(instance) for k in kinds)

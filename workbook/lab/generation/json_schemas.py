"""JSON Schemas as OpenAI takes them: what it refuses, in its words, and how an object is closed.

Knows nothing of requests or grammars.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from workbook.lab.errors import ApiError
from workbook.lab.schema import Draft202012Validator, jsonschema

# What OpenAI's guide to structured outputs says is not supported with `strict`.
_NOT_STRICT = (
    *("oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"),
    *("patternProperties", "propertyNames", "minProperties", "maxProperties", "uniqueItems"),
    *("contains", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties"),
)
_NOT_AT_THE_TOP = ("oneOf", "anyOf", "allOf", "enum", "not")
_NAMED = ("properties", "$defs", "definitions", "patternProperties")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains")
# Characters of a schema, or of all tools: looking at one takes a second for each 150,000. OpenAI
# allows 120,000 in its names and values.
MAX_TEXT = 200_000
# With `strict`, as OpenAI documents them.
_MAX_PROPERTIES, _MAX_DEPTH, _MAX_VALUES = 5000, 10, 1000
_FORMATS = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
)

Path = tuple[str | int, ...]


class Place(NamedTuple):
    """Where a schema stands in a request.

    what: "function 'rate'" or "response_format 'stars'".
    param, code: of the errors about it.
    """

    what: str
    param: str
    code: str | None

    def refusal(self, reason: str) -> ApiError:
        """The error that says why the schema is not taken."""
        return ApiError(400, f"Invalid schema for {self.what}: {reason}", self.code, self.param)


def check(schema: Any, strict: bool, place: Place) -> None:
    """Raise ApiError (400) where OpenAI does, before any model reads the schema."""
    if fault := _fault(json.dumps(schema), strict, place.what.startswith("function")):
        raise place.refusal(fault)


@lru_cache(256)  # an agent sends the same tools with every turn
def _fault(text: str, strict: bool, is_function: bool) -> str | None:
    if len(text) > MAX_TEXT:
        return f"it is longer than {MAX_TEXT:,} characters."
    schema = json.loads(text)
    try:
        Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"{_context(tuple(error.path))}{error.message[:200]}."
    except RecursionError:
        return "it is nested too deeply."
    if is_function or strict:
        kind = schema.get("type") if isinstance(schema, dict) else None
        if kind != "object":
            name = "None" if kind is None else kind
            return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{name}\"'."
        if is_function and any(key in schema for key in _NOT_AT_THE_TOP):
            return (
                "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' "
                "at the top level."
            )
        if "anyOf" in schema:
            return "In context=(), 'anyOf' is not permitted at the top level."
    if (is_function or strict) and "properties" not in schema:
        return "In context=(), object schema missing properties."
    parts = _walk(schema, ())
    faults = (_strict_fault if strict else _loose_fault)(list(parts), is_function)
    return next(faults, None)


def _loose_fault(parts: list[tuple[Path, dict]], is_function: bool) -> Iterator[str]:
    for path, part in parts if is_function else []:
        if part.get("type") == "array" and not {"items", "prefixItems"} & part.keys():
            yield f"{_context(path)}array schema missing items."


def _strict_fault(parts: list[tuple[Path, dict]], is_function: bool) -> Iterator[str]:
    count = values = 0
    for path, part in parts:
        where = _context(path)
        values += len(part.get("enum", []))
        for keyword in _NOT_STRICT:
            if keyword in part:
                yield f"{where}'{keyword}' is not permitted."
        if "$ref" in part:
            if beside := sorted(part.keys() - {"$ref", "$defs", "definitions"}):
                listing = ", ".join(repr(name) for name in beside)
                yield f"{where.removeprefix('In ')}$ref cannot have keywords {{{listing}}}."
            continue
        if not {"type", "anyOf", "enum", "const"} & part.keys():
            yield f"{where}schema must have a 'type' key."
        kinds = part.get("type")
        if "object" in (kinds if isinstance(kinds, list) else [kinds]) or "properties" in part:
            if part.get("additionalProperties") is not False:
                yield f"{where}'additionalProperties' is required to be supplied and to be false."
            names = list(part.get("properties", {}))
            count += len(names)
            required = part.get("required")
            missing = [name for name in names if name not in (required or [])]
            if missing:
                yield (
                    f"{where}'required' is required to be supplied and to be an array including "
                    f"every key in properties. Missing '{missing[0]}'."
                )
            extra = [name for name in required or [] if name not in names]
            if extra:
                yield (
                    f"{where}'required' is required to be supplied and to be an array including "
                    f"every key in properties. Extra required key '{extra[0]}' supplied."
                )
            for name, each in part.get("properties", {}).items():
                if isinstance(each, bool):
                    yield f"{_context((*path, 'properties', name))}schema must have a 'type' key."
        if part.get("type") == "array" and "items" not in part:
            yield f"{where}array schema missing items."
        if (name := part.get("format")) is not None and name not in _FORMATS:
            yield f"{where}'{name}' is not a valid format."
        depth = sum(key in ("properties", "items") for key in path)
        if depth > _MAX_DEPTH:
            yield f"{depth} levels of nesting exceeds limit of {_MAX_DEPTH}."
    if count > _MAX_PROPERTIES:
        yield f"{count} object properties exceeds limit of {_MAX_PROPERTIES}."
    if values > _MAX_VALUES:
        yield (
            f"Expected at most {_MAX_VALUES} enum values in total within a schema when using "
            f"structured outputs, but got {values}."
        )


def _walk(schema: Any, path: Path) -> Iterator[tuple[Path, dict]]:
    """Every schema within a schema, itself first, with the keys that lead there."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for key in _NAMED:
        for name, part in (schema.get(key) or {}).items():
            yield from _walk(part, (*path, key, name))
    for key in _LISTED:
        for i, part in enumerate(schema.get(key) or []):
            yield from _walk(part, (*path, key, i))
    for key in _SINGLE:
        yield from _walk(schema.get(key), (*path, key))


def _context(path: Path) -> str:
    return f"In context={tuple(str(key) for key in path)}, "


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, its objects without other properties than they name, unless they say otherwise.

    Objects that several schemas describe together (`allOf`, a `$ref` beside keywords) stay open:
    each of these would forbid what the others name.
    """
    shared: set[str] = set()  # definitions that describe an object together with others
    for _, part in _walk(schema, ()):
        branches = part.get("allOf") or []
        together = [*branches, part] if len(branches) > 1 or "properties" in part else []
        if "properties" in part:
            together += [*(part.get("anyOf") or []), *(part.get("oneOf") or [])]
        shared |= {each["$ref"] for each in together if isinstance(each, dict) and "$ref" in each}
    closing: dict[str, Any] = _close(schema, "#", shared)
    return closing


def _close(schema: Any, pointer: str, shared: set[str], together: bool = False) -> Any:
    if not isinstance(schema, dict):
        return schema
    copy = dict(schema)
    is_one_of_several = together or pointer in shared
    combines = any(copy.get(key) for key in ("allOf", "anyOf", "oneOf", "$ref", "if", "not"))
    if "properties" in copy and not combines and not is_one_of_several:
        others = {"additionalProperties", "patternProperties", "unevaluatedProperties"}
        if not others & copy.keys():
            copy["additionalProperties"] = False
    for key in _NAMED:
        if isinstance(copy.get(key), dict):
            copy[key] = {
                name: _close(part, f"{pointer}/{key}/{name}", shared)
                for name, part in copy[key].items()
            }
    for key in _LISTED:
        if isinstance(copy.get(key), list):
            several = is_one_of_several or "properties" in copy
            several = several or (key == "allOf" and len(copy[key]) > 1)
            branches = several and key != "prefixItems"
            copy[key] = [
                _close(part, f"{pointer}/{key}/{i}", shared, branches)
                for i, part in enumerate(copy[key])
            ]
    for key in ("items", "additionalProperties"):
        if key in copy:
            copy[key] = _close(copy[key], f"{pointer}/{key}", shared)
    return copy

"""What can be wrong with how an example uses its tools: calls that don't fit, or go unanswered.

Knows OpenAI's `tools` and `tool_calls` and the older `functions`; which form they must have stands
in `workbook.rows`.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

from workbook.doctor.lines import Problem
from workbook.doctor.row_parts import objects_in
from workbook.quoting import excerpt, kind_of
from workbook.rows.tools import holds_json
from workbook.rows.violation import json_hint


def check(row: Mapping, messages: list[Mapping]) -> Iterator[Problem]:
    """Calls that do not fit what the row says of its tools, or that are left unanswered."""
    validators, problems = _descriptions(row)
    yield from problems
    if not validators and not any(map(_calls_something, messages)):
        return
    for place, message in enumerate(messages):
        calls = objects_in(message.get("tool_calls"))
        ids = [call.get("id") for call in calls if isinstance(call.get("id"), str)]
        if len(set(ids)) < len(ids):
            yield "tool-repeated", "two calls have the same id", message
        answers = [
            later.get("tool_call_id")
            for later in messages[place + 1 :]
            if later.get("role") == "tool"
        ]
        if place + 1 < len(messages) and not all(name in answers for name in ids):
            yield "tool-unanswered", "a call without the tool's answer", message
        functions = [call.get("function") for call in calls]
        if isinstance(message.get("function_call"), Mapping):
            functions.append(message["function_call"])
        for function in functions:
            if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
                continue
            name, arguments = function["name"], function.get("arguments")
            if validators and name not in validators:
                yield "tool-unknown", f"`{excerpt(name, 30)}` is called, but not described", message
            elif problem := _misfit(arguments, validators.get(name)):
                yield "tool-arguments", f"arguments: {problem}", arguments


def _calls_something(message: Mapping) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def _descriptions(row: Mapping) -> tuple[dict[str, Any], list[Problem]]:
    """(what checks the arguments of each function of the row, None where nothing can; what is wrong
    with their descriptions)."""
    validators: dict[str, Any] = {}
    problems: list[Problem] = []
    for key in ("tools", "functions"):
        tools = row.get(key)
        for tool in tools if isinstance(tools, list) else []:
            is_tool = key == "tools" and isinstance(tool, Mapping)
            function = tool.get("function") if is_tool else tool
            if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
                continue  # `workbook.rows` says so
            problem, validator = None, None
            if (parameters := function.get("parameters")) is not None:
                problem, validator = _read_schema(parameters)
            if problem:
                problems.append(("tool-schema", f"`parameters` {problem}", tool))
            validators[function["name"]] = validator
    return validators, problems


def _read_schema(parameters: Any) -> tuple[str | None, Any]:
    """(what is wrong with a schema, or what checks arguments against it)."""
    try:
        return _read_text(orjson.dumps(parameters))  # most rows describe the same tools
    except TypeError:  # what orjson can't write: very deep, or a huge number
        return _compiled(parameters)


@lru_cache(maxsize=256)
def _read_text(schema: bytes) -> tuple[str | None, Any]:
    return _compiled(orjson.loads(schema))


def _compiled(parameters: Any) -> tuple[str | None, Any]:
    if not isinstance(parameters, Mapping):
        return f"is {kind_of(parameters)}, not an object{json_hint(parameters)}", None
    if parameters.get("type", "object") != "object":
        return "describes something else than an object", None
    from jsonschema import Draft202012Validator, SchemaError  # here: most files have no tools

    try:
        Draft202012Validator.check_schema(parameters)
    except SchemaError as error:
        return f"is no JSON Schema: {excerpt(error.message, 60)}", None
    except Exception as error:  # schemas from anywhere: too deep, odd references
        return f"is no JSON Schema that can be read ({type(error).__name__})", None
    return None, Draft202012Validator(parameters)


def _misfit(arguments: Any, validator: Any) -> str | None:
    if validator is None or not holds_json(arguments):
        return None
    try:
        problem = next(validator.iter_errors(json.loads(arguments)), None)
    except Exception:  # a reference that leads nowhere: the schema's fault, not the call's
        return None
    return excerpt(problem.message, 60) if problem else None

"""What can be wrong with how an example uses its tools: calls that don't fit, or go unanswered.

Knows OpenAI's `tools` and `tool_calls` and the older `functions`; which form they must have stands
in `workbook.rows`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from workbook.doctor.codes import Problem
from workbook.quoting import excerpt, kind_of
from workbook.rows.validator import holds_json


def use(row: Mapping, messages: list[Mapping]) -> Iterator[Problem]:
    """Calls that do not fit what the row says of its tools, or that are left unanswered."""
    described = _described(row)
    yield from (("tool-schema", problem, quoted) for problem, quoted in described.pop("", []))
    for place, message in enumerate(messages):
        calls = message.get("tool_calls")
        calls = (
            [call for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
        )
        ids = [call.get("id") for call in calls if isinstance(call.get("id"), str)]
        if len(set(ids)) < len(ids):
            yield "tool-repeated", "two calls have the same id", message
        answered = [
            later.get("tool_call_id")
            for later in messages[place + 1 :]
            if later.get("role") == "tool"
        ]
        if place + 1 < len(messages) and not all(name in answered for name in ids):
            yield "tool-unanswered", "a call without the tool's answer", message
        functions = [call.get("function") for call in calls]
        if isinstance(message.get("function_call"), Mapping):
            functions.append(message["function_call"])
        for function in functions:
            name = function.get("name") if isinstance(function, Mapping) else None
            if not described or not isinstance(name, str):
                continue
            if name not in described:
                yield "tool-unknown", f"`{excerpt(name, 30)}` is called, but not described", message
            elif problem := _misfit(function.get("arguments"), described[name]):
                yield "tool-arguments", f"arguments: {problem}", function.get("arguments")


def _described(row: Mapping) -> dict[str, Any]:
    """The parameters of each function of the row; under "" what is wrong with them."""
    found: dict[str, Any] = {}
    for key in ("tools", "functions"):
        listed = row.get(key)
        for tool in listed if isinstance(listed, list) else []:
            within = key == "tools" and isinstance(tool, Mapping)
            function = tool.get("function") if within else tool
            if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
                continue  # `workbook.rows` says so
            parameters = function.get("parameters")
            if parameters is not None and (problem := _schema_problem(parameters)):
                found.setdefault("", []).append((f"`parameters` {problem}", tool))
                parameters = None
            found[function["name"]] = parameters
    return found


def _schema_problem(parameters: Any) -> str | None:
    if not isinstance(parameters, Mapping):
        return f"is {kind_of(parameters)}, not an object"
    if parameters.get("type", "object") != "object":
        return "describes something else than an object"
    from jsonschema import Draft202012Validator, SchemaError  # here: most files have no tools

    try:
        Draft202012Validator.check_schema(parameters)
    except SchemaError as error:
        return f"is no JSON Schema: {excerpt(error.message, 60)}"
    except Exception as error:  # schemas from anywhere: too deep, odd references
        return f"is no JSON Schema that can be read ({type(error).__name__})"
    return None


def _misfit(arguments: Any, parameters: Mapping | None) -> str | None:
    if not parameters or not holds_json(arguments):
        return None
    from jsonschema import Draft202012Validator

    try:
        problems = list(Draft202012Validator(parameters).iter_errors(json.loads(arguments)))
    except Exception:  # a reference that leads nowhere: the schema's fault, not the call's
        return None
    return excerpt(problems[0].message, 60) if problems else None

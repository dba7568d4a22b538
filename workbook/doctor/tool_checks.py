"""What can be wrong with how an example uses its tools: calls that don't fit, or go unanswered.

Knows OpenAI's `tools` and `tool_calls` and the older `functions`; which form they must have stands
in `workbook.rows`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from workbook.doctor.lines import Problem
from workbook.doctor.row_parts import objects_in
from workbook.quoting import excerpt, kind_of
from workbook.rows.tools import holds_json
from workbook.rows.violation import json_hint


def check(row: Mapping, messages: list[Mapping]) -> Iterator[Problem]:
    """Calls that do not fit what the row says of its tools, or that are left unanswered."""
    parameters, problems = _descriptions(row)
    yield from problems
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
            if parameters and name not in parameters:
                yield "tool-unknown", f"`{excerpt(name, 30)}` is called, but not described", message
            elif problem := _misfit(arguments, parameters.get(name)):
                yield "tool-arguments", f"arguments: {problem}", arguments


def _descriptions(row: Mapping) -> tuple[dict[str, Mapping | None], list[Problem]]:
    """(the parameters of each function of the row, None where there are none that can be read;
    what is wrong with them)."""
    parameters_of: dict[str, Mapping | None] = {}
    problems: list[Problem] = []
    for key in ("tools", "functions"):
        tools = row.get(key)
        for tool in tools if isinstance(tools, list) else []:
            is_tool = key == "tools" and isinstance(tool, Mapping)
            function = tool.get("function") if is_tool else tool
            if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
                continue  # `workbook.rows` says so
            parameters = function.get("parameters")
            if parameters is not None and (problem := _schema_problem(parameters)):
                problems.append(("tool-schema", f"`parameters` {problem}", tool))
                parameters = None
            parameters_of[function["name"]] = parameters
    return parameters_of, problems


def _schema_problem(parameters: Any) -> str | None:
    if not isinstance(parameters, Mapping):
        return f"is {kind_of(parameters)}, not an object{json_hint(parameters)}"
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

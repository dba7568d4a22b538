"""Tools and calls of tools as other interfaces write them, in the words of OpenAI's.

Knows functions, with or without a wrapper, of Anthropic, Bedrock, Vertex and the Responses API.
"""

import json
from collections.abc import Mapping
from typing import Any

from workbook.doctor.forms.values import Row, decoded

_TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}
_SCHEMAS = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema")
_DECLARED = ("functionDeclarations", "function_declarations")


def is_foreign(tool: Any) -> bool:
    """Whether a tool is written as Anthropic, Bedrock, Vertex or the Responses API do, or is a
    function without its wrapper."""
    return isinstance(tool, Mapping) and bool(
        tool.keys() & {"input_schema", "toolSpec", *_DECLARED}
        or (tool.get("type") == "function" and "name" in tool and "function" not in tool)
        or (tool.keys() >= {"name", "parameters"} and not tool.keys() & {"type", "function"})
    )


def tools_of(value: Any) -> Any:
    """A list of tools as OpenAI has it; what is none stays what it is."""
    value = decoded(value)
    if isinstance(value, Mapping) and value.keys() == {"tools"}:
        value = value["tools"]
    elif isinstance(value, Mapping) and value.keys() & {"name", *_DECLARED}:
        value = [value]
    if not isinstance(value, list):
        return value
    tools: list[Any] = []
    for item in value:
        item = decoded(item)
        declared = item.keys() & set(_DECLARED) if isinstance(item, Mapping) else ()
        if declared and len(item) == 1 and isinstance(item[min(declared)], list):
            tools += [_tool(function, lower=True) for function in item[min(declared)]]
        else:
            tools.append(_tool(item))
    return tools


def _tool(value: Any, lower: bool = False) -> Any:
    """lower: types are written in small letters, as JSON Schema has them."""
    if not isinstance(value, Mapping) or isinstance(value.get("function"), Mapping):
        return value
    function = dict(value["toolSpec"]) if isinstance(value.get("toolSpec"), Mapping) else {**value}
    if not isinstance(function.get("name"), str):
        return value
    if function.get("type") == "function":
        del function["type"]
    elif "type" in function:  # a tool that a host brings along
        return value
    strict = {"strict": function.pop("strict")} if function.get("strict") is not None else {}
    key = next((name for name in _SCHEMAS if name in function), None)
    if key:
        schema = function.pop(key)
        if isinstance(schema, Mapping) and schema.keys() == {"json"}:
            schema = schema["json"]
        schema = decoded(schema)
        if schema is not None:
            function["parameters"] = small_types(schema) if lower else schema
    return {"type": "function", "function": {**function, **strict}}


def small_types(schema: Any, depth: int = 0) -> Any:
    """A schema whose types are in small letters: Vertex AI writes STRING, too."""
    if depth > 100:
        return schema
    if isinstance(schema, list):
        return [small_types(item, depth + 1) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: value.lower()
        if key == "type" and isinstance(value, str) and value in _TYPES
        else small_types(value, depth + 1)
        for key, value in schema.items()
    }


def arguments_text(value: Any) -> str:
    """A call's arguments as OpenAI has them: JSON in a text."""
    if isinstance(value, str):
        return value
    return json.dumps({} if value is None else value, ensure_ascii=False)


def call(name: Any, arguments: Any, call_id: str) -> Row:
    """A call of a function."""
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments_text(arguments)},
    }


def calls_in(text: Any) -> list[tuple[str, Any]]:
    """(name, arguments) of the calls that a text holds as JSON; none where it holds none."""
    value = decoded(text)
    calls = []
    for item in value if isinstance(value, list) else [value]:
        function = item.get("function", item) if isinstance(item, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            return []
        extra = function.keys() - {"name", "arguments", "parameters"}
        if extra or (function is not item and item.keys() - {"id", "type", "function"}):
            return []
        calls.append((function["name"], function.get("arguments", function.get("parameters"))))
    return calls


def tagged_calls(text: Any) -> tuple[str, list[tuple[str, Any]]]:
    """(what is said beside them, the calls) of a text in which calls stand between tags, as Hermes
    writes them; no calls where one of them can't be read."""
    rest, pieces = _between_tags(text, "tool_call")
    calls = [calls_in(piece) for piece in pieces]
    return (
        (rest, [call[0] for call in calls]) if all(len(call) == 1 for call in calls) else ("", [])
    )


def tagged_answers(text: Any) -> list[str]:
    """The answers of tools that stand between tags in a text, which is nothing else; else none."""
    rest, pieces = _between_tags(text, "tool_response")
    return [] if rest else pieces


def _between_tags(text: Any, name: str) -> tuple[str, list[str]]:
    """(what stands outside, what stands inside) of all tags of a name in a text."""
    if not isinstance(text, str) or f"<{name}>" not in text:
        return "", []
    first, *parts = text.split(f"<{name}>")
    pieces = [part.partition(f"</{name}>") for part in parts]
    if not all(end for _, end, _ in pieces):
        return text, []
    outside = "".join([first, *(after for _, _, after in pieces)])
    return outside.strip(), [inside.strip() for inside, _, _ in pieces]

"""Tokens of what a model is told of functions: definitions, calls, schemas of answers.

No host publishes how it shows them. Expected is what OpenAI's cookbook found by comparing with the
API; at least are the texts alone; at most is the JSON text with room for a host's own sentence.
Knows no vocabulary: a counter of tokens is handed in. Reads any value, also a wrong one.
"""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from workbook.prices.size import Size
from workbook.prices.token_rules import FunctionRules

TokenCounter = Callable[[str], int]
SENTENCE = 64  # tokens at the most of the sentence in which a host says how functions are called
_MARKS = 12  # tokens at the most that mark a call


def definitions(functions: list[Any], rules: FunctionRules, count: TokenCounter) -> Size:
    """The functions that a model may call.

    functions: each `{"name", "description", "parameters"}`, without the `type` around it
    """
    functions = [function for function in functions if isinstance(function, Mapping)]
    return _definitions(json.dumps(functions, default=str), rules, count) if functions else Size()


@lru_cache(maxsize=32)  # the same functions stand in row after row
def _definitions(text: str, rules: FunctionRules, count: TokenCounter) -> Size:
    functions = json.loads(text)
    tools = [{"type": "function", "function": function} for function in functions]
    listing = sum(json_at_most(tool, count) for tool in tools) + SENTENCE
    names = sum(
        count(text) for function in functions for text in _strings(function, "name", "description")
    )
    if rules.as_json:
        # An ASCII text, one a line, as `json.dumps` writes it.
        expected = rules.end + sum(count(json.dumps(function)) + 1 for function in functions)
    else:
        expected = rules.end + sum(_function(function, rules, count) for function in functions)
    return Size(min(names, expected), expected, max(expected, listing))


def _function(function: Mapping[str, Any], rules: FunctionRules, count: TokenCounter) -> int:
    line = f"{function.get('name', '')}:{_sentence(function.get('description'))}"
    parameters = function.get("parameters")
    return rules.function + count(line) + _object(parameters, rules, count)


def _object(schema: Any, rules: FunctionRules, count: TokenCounter) -> int:
    """The properties of an object's schema, and of the objects below it."""
    if not isinstance(schema, Mapping):
        return 0
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    total = rules.properties if properties else 0
    for name, value in properties.items():
        value = value if isinstance(value, Mapping) else {}
        total += rules.property + count(
            f"{name}:{_type(value)}:{_sentence(value.get('description'))}"
        )
        total += _allowed(value.get("enum"), rules, count)
        total += _object(value, rules, count)
    for key in ("items", "additionalProperties"):
        total += _allowed(_of(schema.get(key), "enum"), rules, count)
        total += _object(schema.get(key), rules, count)
    for key in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(key)
        for branch in branches if isinstance(branches, list) else []:
            total += _object(branch, rules, count)
    for key in ("$defs", "definitions"):
        named = schema.get(key)
        for part in named.values() if isinstance(named, Mapping) else []:
            total += _object(part, rules, count)
    return total


def _allowed(values: Any, rules: FunctionRules, count: TokenCounter) -> int:
    if not isinstance(values, list) or not values:
        return 0
    return rules.enum + sum(rules.enum_item + count(str(value)) for value in values)


def _of(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "")
    return "|".join(map(str, kind)) if isinstance(kind, list) else str(kind)


def _sentence(text: Any) -> str:
    return text.removesuffix(".") if isinstance(text, str) else ""


def _strings(value: Mapping[str, Any], *keys: str) -> list[str]:
    """Those of the values that are texts."""
    return [value[key] for key in keys if isinstance(value.get(key), str)]


def _strings_of(values: Any, key: str) -> list[str]:
    objects = [v for v in values if isinstance(v, Mapping)] if isinstance(values, list) else []
    return [text for value in objects for text in _strings(value, key)]


def calls(message: Mapping[str, Any], mark: int, count: TokenCounter) -> Size:
    """The calls that a message makes: names and arguments; `mark` tokens are added for each."""
    total = Size()
    for call in calls_of(message):
        texts = sum(map(count, _strings(call, "name", "arguments")))
        total += Size(texts, texts + mark, max(texts + mark, json_at_most(call, count)) + _MARKS)
    # No model is known to be shown an id.
    for identity in _strings_of(message.get("tool_calls"), "id"):
        total += Size(0, 0, count(identity))
    return total


def texts_of_calls(message: Mapping[str, Any]) -> list[str]:
    """What the calls of a message say: the names and the arguments."""
    return [text for call in calls_of(message) for text in _strings(call, "name", "arguments")]


def calls_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Each `{"name", "arguments"}` of a message, in the present and in the older form."""
    tool_calls = message.get("tool_calls")
    parts = [_of(call, "function") for call in tool_calls] if isinstance(tool_calls, list) else []
    return [part for part in [*parts, message.get("function_call")] if isinstance(part, Mapping)]


def schema(response_format: Any, mark: int, count: TokenCounter) -> Size:
    """The schema that an answer must follow; nothing where the format has none."""
    if not isinstance(response_format, Mapping) or response_format.get("type") != "json_schema":
        return Size()
    inner = response_format.get("json_schema", response_format)  # chat completions, or responses
    text = json.dumps(_of(inner, "schema"), ensure_ascii=False, separators=(",", ":"))
    name = str(_of(inner, "name") or "")
    expected = mark + count(name) + count(text)
    return Size(0, expected, max(expected, json_at_most(inner, count) + SENTENCE))


def json_at_most(value: Any, count: TokenCounter) -> int:
    """Tokens of the longer of the two usual JSON texts of a value."""
    texts = {json.dumps(value, ensure_ascii=escapes, default=str) for escapes in (False, True)}
    return max(count(text) for text in texts)

"""Tools and structured output: the grammar that a chat's answer must follow, so that it parses.

Knows schemas and how a tool call is written; knows nothing of messages, prompts or answers.
"""

import json
import os
import re
from typing import Any, Literal, NamedTuple

import llguidance

from workbook.lab.errors import ApiError
from workbook.lab.generation import json_schemas
from workbook.lab.generation.json_schemas import Place
from workbook.lab.generation.parameters import unsupported
from workbook.lab.model.tokenizer import CALL_OPEN
from workbook.lab.serving.grammar_trial import TRIALS, BusyError

Calls = Literal["never", "maybe", "always"]


class Names(NamedTuple):
    """How an endpoint names, in its errors, what several endpoints have.

    function: where the i-th function stands, as a format.
    form: the format of the answer.
    schema, schema_code: param and code where its JSON Schema is refused.
    messages, prompt: where the word "json" must stand for a JSON object, and how that is said.
    """

    function: str
    form: str
    schema: str
    schema_code: str | None
    messages: str
    prompt: str


CHAT = Names(
    "tools[{}].function",
    "response_format",
    "response_format",
    None,
    "messages",
    "'messages' must contain the word 'json' in some form, to use",
)
RESPONSES = Names(
    "tools[{}]",
    "text.format",
    "text.format.schema",
    "invalid_json_schema",
    "input",
    "Response input messages must contain the word 'json' in some form to use",
)
_JOB_FORM = "method.reinforcement.response_format"
JOB = Names("", _JOB_FORM, _JOB_FORM, None, "", "")


class Constraint(NamedTuple):
    """What an answer must look like.

    calls: whether it is a tool call.
    opening: how it begins: read with the prompt instead of written, which is faster.
    grammar: what the rest must follow, for llguidance; None: nothing.
    """

    calls: Calls
    opening: str
    grammar: str | None


# JSON as training files write it (json.dumps), so that a tuned model meets what it has learned.
_JSON_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def tools_of(body: dict[str, Any], names: Names = CHAT) -> tuple[list[dict], str | dict]:
    """The functions that may be called, and the choice: none, auto, required, or one by name.

    body: tools and tool_choice as in chat.
    Raises ApiError (400).
    """
    tools = body.get("tools") or []
    if len(json.dumps(tools)) > json_schemas.MAX_TEXT:
        message = f"Invalid 'tools': they are longer than {json_schemas.MAX_TEXT:,} characters."
        raise ApiError(400, message, "string_above_max_length", "tools")
    for i, tool in enumerate(tools):
        if tool["type"] != "function":
            raise unsupported(f"tools[{i}].type", "Only tools of type 'function' are supported.")
        function, where = tool["function"], names.function.format(i)
        if "parameters" in function:
            place = Place(
                f"function '{function['name']}'",
                f"{where}.parameters",
                "invalid_function_parameters",
            )
            json_schemas.check(function["parameters"], bool(function.get("strict")), place)
    for name in ("tool_choice", "parallel_tool_calls"):
        if name in body and not tools:
            message = (
                f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
            )
            raise ApiError(400, message, None, name)
    choice = body.get("tool_choice", "auto" if tools else "none")
    if isinstance(choice, dict):
        if choice["type"] != "function":
            raise unsupported(
                "tool_choice.type",
                "The lab lets you force a function by name, or choose none, auto or required.",
            )
        name = choice["function"]["name"]
        if name not in [tool["function"]["name"] for tool in tools]:
            raise ApiError(
                400,
                f"Tool choice 'function' not found in 'tools': '{name}'.",
                "invalid_value",
                "tool_choice",
            )
    return tools, choice


def constraint(
    body: dict[str, Any], tools: list[dict], choice: str | dict, names: Names = CHAT
) -> Constraint:
    """What the tools and the response format ask of the answer. Raises ApiError (400).

    body: messages and response_format as in chat.
    tools, choice: as `tools_of` gives them.
    """
    response_format = body.get("response_format") or {"type": "text"}
    answer = _format_grammar(response_format, body["messages"], names)
    if not tools or choice == "none":
        return Constraint("never", "", answer and _checked(answer, names.form))
    name = choice["function"]["name"] if isinstance(choice, dict) else None
    functions = [t["function"] for t in tools if name in (None, t["function"]["name"])]
    if choice == "auto":
        # An empty answer, or any text that does not look like the opening of a call.
        other = answer.removeprefix("start: ") if answer else r"/([^<](.|\n)*)?/"
        rule = f"start: call | {other}\ncall: {_call_grammar(functions, '')}"
        return Constraint("maybe", "", _checked(rule, "tools"))
    # A space belongs to the token after it, so the opening ends before one.
    heads = [_call_head(function) for function in functions]
    common = os.path.commonprefix(heads)  # noqa: RUF071 - of texts, character by character
    opening = common[: common.rindex(" ")]
    grammar = _checked(f"start: {_call_grammar(functions, opening)}", "tools")
    return Constraint("always", opening, grammar)


def check_job(response_format: dict[str, Any]) -> None:
    """Raise ApiError (400) for a form that a job's answers can't be held to."""
    if grammar := _format_grammar(response_format, [], JOB):
        _checked(grammar, JOB.form)


def job_grammar(response_format: dict[str, Any] | None) -> str | None:
    """What a job's answers must follow, for llguidance; None: nothing. It was checked before."""
    grammar = response_format and _format_grammar(response_format, [], JOB)
    return llguidance.LLMatcher.grammar_from_lark(grammar) if grammar else None


def _call_head(function: dict[str, Any]) -> str:
    return f'{CALL_OPEN}{{"name": {json.dumps(function["name"])}, "arguments": '


def _call_grammar(functions: list[dict], opening: str) -> str:
    """One of the calls after `opening`, up to the end of its arguments: the rest says nothing."""
    return " | ".join(
        f"{json.dumps(_call_head(f).removeprefix(opening))} "
        f"{_json(f.get('parameters') or {'type': 'object', 'properties': {}})}"
        for f in functions
    )


def _format_grammar(
    response_format: dict[str, Any], messages: list[dict], names: Names
) -> str | None:
    if response_format["type"] == "text":
        return None
    if response_format["type"] == "json_object":
        if "json" not in json.dumps(messages).lower():
            message = f"{names.prompt} '{names.form}' of type 'json_object'."
            raise ApiError(400, message, None, names.messages)
        return f"start: {_json({'type': 'object'})}"
    json_schema = response_format["json_schema"]
    schema = json_schema.get("schema") or {"type": "object"}
    what = f"response_format '{json_schema['name']}'"
    place = Place(what, names.schema, names.schema_code)
    json_schemas.check(schema, bool(json_schema.get("strict")), place)
    return f"start: {_json(schema)}"


def _json(schema: dict[str, Any]) -> str:
    return "%json " + json.dumps(json_schemas.closed(schema) | {"x-guidance": _JSON_STYLE})


def _checked(grammar: str, param: str) -> str:
    compiled = llguidance.LLMatcher.grammar_from_lark(grammar)
    try:
        problem = TRIALS.problem(compiled)
    except BusyError:
        raise ApiError(
            429,
            "Many schemas are being looked at. Try again in a few seconds.",
            "rate_limit_exceeded",
            kind="requests",
            headers={"Retry-After": "5"},
        ) from None
    if problem:
        message = f"Invalid schema in '{param}': the lab can't enforce it: {_reason(problem)}."
        raise ApiError(400, message, "invalid_schema", param)
    return compiled


def _reason(problem: str) -> str:
    """What llguidance says, without the grammar that it quotes."""
    lines = [line.strip() for line in problem.strip().splitlines()]
    reason = next((line for line in lines if line.startswith("error:")), lines[0])
    reason = re.sub(r"^(at [^:]*: )?(failed to compile JSON schema: )?(error: )?", "", reason)
    return reason.rstrip(".")[:200]

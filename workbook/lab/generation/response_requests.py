"""The Responses API: OpenAI's request, checked and turned into a plan for the engine.

Its stateless core. Input becomes the messages of a chat in `response_items`; what is written
becomes OpenAI's answer in `response_answers`. Knows nothing of sockets, keys or stored records.
"""

from pathlib import Path
from typing import Any

from workbook.lab import schema
from workbook.lab.errors import ApiError
from workbook.lab.generation import parameters, response_items, structured_output
from workbook.lab.generation.chat import DEFAULT_MAX_TOKENS
from workbook.lab.generation.parameters import unsupported
from workbook.lab.generation.response_answers import ResponsePlan
from workbook.lab.generation.structured_output import RESPONSES
from workbook.lab.model.tokenizer import TemplateError, Tokenizer
from workbook.lab.serving.types import Request

LOGPROBS = "message.output_text.logprobs"

# What OpenAI's models honour and the lab does not, with what a client can do instead.
_UNSUPPORTED = {
    "access_programs": "leave it out",
    "background": "leave it out, or set `background=False`, and wait for the answer",
    "background_options": "leave it out",
    "context_management": "leave it out",
    "conversation": "the lab keeps no conversations; send their items again as 'input'",
    "image": "leave it out",
    "moderation": "leave it out",
    "prompt": "the lab keeps no prompts; send the text as 'instructions' or 'input'",
    "reasoning": "its models do not reason; leave it out",
}
# Parameters of chat, and what they are called here.
_MOVED = {
    "messages": "input",
    "max_completion_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}


def prepare(
    body: dict[str, Any], tokenizer: Tokenizer, context: int, adapter: Path | None
) -> ResponsePlan:
    """Check a request of OpenAI's CreateResponse.

    context: tokens of prompt and answer together that the model can read.
    adapter: a tuned model's folder; None is the base.
    Raises ApiError (400).
    """
    for name in body if isinstance(body, dict) else ():
        if place := _MOVED.get(name):
            message = (
                f"Unsupported parameter: '{name}'. In the Responses API, this parameter has moved "
                f"to '{place}'. Try again with the new parameter."
            )
            raise ApiError(400, message, "unsupported_parameter")
    body = schema.check("CreateResponse", body)
    _refuse(body)
    chat = _chat(body)
    tools, choice = structured_output.tools_of(chat, RESPONSES)
    constraint = structured_output.constraint(chat, tools, choice, RESPONSES)
    try:
        messages = chat["messages"]
        if "instructions" in body:
            messages = [{"role": "system", "content": body["instructions"]}, *messages]
        prompt = tokenizer.chat_prompt(messages, tools or None)
    except TemplateError as error:
        raise ApiError(400, str(error), "invalid_value", "input") from None
    prompt += tokenizer.encode(constraint.opening)
    name, limit = "max_output_tokens", body.get("max_output_tokens")
    size = len(prompt)
    most = parameters.max_tokens(limit, name, "input", size, DEFAULT_MAX_TOKENS, context)
    wants_logprobs = LOGPROBS in body.get("include", []) or body.get("top_logprobs")
    request = Request(
        prompt=prompt,
        max_tokens=most,
        top_logprobs=body.get("top_logprobs", 0) if wants_logprobs else None,
        grammar=constraint.grammar,
        adapter=adapter,
        **parameters.settings(body, 0, tokenizer.size),
    )
    return ResponsePlan(
        body=body,
        requests=[request],
        calls=constraint.calls,
        opening=constraint.opening,
        stream=bool(body.get("stream")),
    )


def _refuse(body: dict[str, Any]) -> None:
    if "previous_response_id" in body and "conversation" in body:
        message = "Ensure you are only providing one of: 'previous_response_id' or 'conversation'."
        raise ApiError(
            400, f"Mutually exclusive parameters: {message}", "mutually_exclusive_parameters"
        )
    if "previous_response_id" in body:
        message = (
            f"Previous response with id '{body['previous_response_id'][:80]}' not found. The lab "
            "keeps no responses: send the items of the conversation again as 'input', as clients "
            "do with `store=False`."
        )
        raise ApiError(400, message, "previous_response_not_found", "previous_response_id")
    if not body["input"]:
        message = (
            "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be "
            "provided."
        )
        raise ApiError(400, message, "missing_required_parameter")
    for name, instead in _UNSUPPORTED.items():
        if body.get(name):
            raise unsupported(name, f"'{name}' is not supported by the lab: {instead}.")
    for name in body.get("include", []):
        if name != LOGPROBS:
            message = f"There is nothing to include for '{name[:80]}': the lab offers '{LOGPROBS}'."
            raise unsupported("include", message)
    if body.get("truncation") == "auto":
        message = (
            "The lab drops nothing from a conversation that is too long: leave 'truncation' out, "
            "or set `truncation='disabled'`, and send less."
        )
        raise unsupported("truncation", message)
    if body.get("text", {}).get("verbosity", "medium") != "medium":
        raise unsupported("text.verbosity", "'text.verbosity' is not supported: leave it out.")
    if "stream_options" in body and not body.get("stream"):
        raise parameters.only_with("stream_options", "stream")
    for i, tool in enumerate(body.get("tools", [])):
        if tool["type"] != "function":
            message = (
                f"Tools of type '{tool['type']}' are not supported by the lab: it runs none and "
                "reaches no other service. Describe a function (type 'function') and run it "
                "yourself."
            )
            raise unsupported(f"tools[{i}].type", message)


def _chat(body: dict[str, Any]) -> dict[str, Any]:
    """Messages (but for the instructions), tools, choice and format as a chat has them."""
    chat: dict[str, Any] = {"messages": response_items.messages(body["input"])}
    if tools := body.get("tools"):
        chat["tools"] = [_nested(tool) for tool in tools]
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        if choice["type"] != "function":
            message = "The lab lets you force a function by name, or choose none, auto or required."
            raise unsupported("tool_choice.type", message)
        choice = _nested({"type": "function", "name": choice["name"]})
    if tools:
        chat["tool_choice"] = choice
    elif choice not in ("none", "auto"):
        message = "Tool choice 'required' must be specified with 'tools' parameter."
        raise ApiError(400, message, None, "tool_choice")
    form = body.get("text", {}).get("format", {"type": "text"})
    if form["type"] == "json_schema":
        json_schema = {key: value for key, value in form.items() if key != "type"}
        form = {"type": "json_schema", "json_schema": json_schema}
    return chat | {"response_format": form}


def _nested(function: dict[str, Any]) -> dict[str, Any]:
    inner = {key: value for key, value in function.items() if key != "type"}
    return {"type": "function", "function": inner}

"""The contract: for each endpoint and field what OpenAI documents and what the lab does with it.

A row is a request that differs in one field from a good one. It is planned, not carried out: that
answers are right, the other tests of the lab say.
"""
# ruff: noqa: E501 - a line of the contract is a line

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from labserver import ASK, MODEL

from workbook.lab import schema
from workbook.lab.errors import ApiError
from workbook.lab.generation import embeddings
from workbook.lab.model import weights
from workbook.lab.service import Lab

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
RESPONSES, EMBEDDINGS = "/v1/responses", "/v1/embeddings"
SCHEMAS = {
    CHAT: "CreateChatCompletionRequest",
    COMPLETIONS: "CreateCompletionRequest",
    RESPONSES: "CreateResponse",
    EMBEDDINGS: "CreateEmbeddingRequest",
}
GOOD: dict[str, dict[str, Any]] = {
    CHAT: {"model": MODEL, "messages": ASK},
    COMPLETIONS: {"model": MODEL, "prompt": "One, two,"},
    RESPONSES: {"model": MODEL, "input": "Name a colour."},
    EMBEDDINGS: {"model": MODEL, "input": "A sea."},
}
HONOURED, IGNORED = "honoured", "taken and without effect"


class Row(NamedTuple):
    """One line of the contract.

    field: a dot parts a field from the case of it.
    lab: HONOURED, IGNORED, or the (code, param) of the refusal.
    says: what its sentence must hold.
    """

    endpoint: str
    field: str
    openai: str
    change: dict[str, Any]
    lab: str | tuple[str | None, str | None]
    says: str = ""


def function(parameters: Any, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": parameters} | more}


def tools(parameters: Any, **more: Any) -> dict[str, Any]:
    return {"tools": [function(parameters, **more)]}


def form(schema: Any, **more: Any) -> dict[str, Any]:
    json_schema = {"name": "x", "schema": schema} | more
    return {"response_format": {"type": "json_schema", "json_schema": json_schema}}


def assistant(*ids: str) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {"role": "assistant", "content": None, "tool_calls": [call | {"id": id} for id in ids]}


def answer(id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": "4"}


def flat(parameters: Any, **more: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "name": "f", "parameters": parameters} | more]}


def text(schema: Any, **more: Any) -> dict[str, Any]:
    return {"text": {"format": {"type": "json_schema", "name": "x", "schema": schema} | more}}


def items(*extra: dict[str, Any]) -> dict[str, Any]:
    return {"input": [*ASK, *extra]}


def parts(role: str, *kinds: str) -> dict[str, Any]:
    return {"input": [{"role": role, "content": [{"type": kind, "text": "x"} for kind in kinds]}]}


CALL = {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "1", "output": "4"}
A_STRING = {"type": "string"}
EMPTY = {"type": "object", "properties": {}}
ONE = {"type": "object", "properties": {"a": A_STRING}}
STRICT = ONE | {"required": ["a"], "additionalProperties": False}
TAKEN = {"tools": [function(EMPTY)]}
BAD_FUNCTION = ("invalid_function_parameters", "tools[0].function.parameters")
BAD_FORMAT = (None, "response_format")
IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]

ROWS = [
    Row(CHAT, "model", "required", {"model": None}, ("invalid_type", "model")),
    Row(CHAT, "messages", "at least one", {"messages": []}, ("empty_array", "messages")),
    Row(CHAT, "messages.image", "read", {"messages": IMAGE}, ("unsupported_parameter", "messages[0].content[0]")),
    Row(CHAT, "messages.tools", "each call answered", {"messages": [*ASK, assistant("1", "2"), answer("2"), answer("1")]}, HONOURED),
    Row(CHAT, "messages.no-call", "refused", {"messages": [*ASK, answer("1")]}, (None, "messages.[1].role"), "must be a response to a preceeding message with 'tool_calls'"),
    Row(CHAT, "messages.late", "refused", {"messages": [*ASK, assistant("1"), answer("1"), *ASK, answer("1")]}, (None, "messages.[4].role"), "must be a response"),
    Row(CHAT, "messages.other-id", "refused", {"messages": [*ASK, assistant("1"), answer("x")]}, (None, "messages.[2].tool_call_id"), "'tool_call_id' of 'x' not found in 'tool_calls' of previous message"),
    Row(CHAT, "messages.unanswered", "refused", {"messages": [*ASK, assistant("1", "2"), answer("1"), *ASK]}, (None, "messages.[3].role"), "did not have response messages: 2"),
    Row(CHAT, "messages.unanswered-last", "refused", {"messages": [*ASK, assistant("1")]}, (None, "messages.[1].role"), "did not have response messages: 1"),
    Row(CHAT, "messages.no-calls", "refused", {"messages": [*ASK, assistant()]}, ("empty_array", "messages[1].tool_calls"), "empty array"),
    Row(CHAT, "messages.many", "2,048", {"messages": ASK * 2049}, ("array_above_max_length", "messages"), "maximum length 2048, but got an array with length 2049 instead."),
    Row(CHAT, "messages.text", "a list", {"messages": "x"}, ("invalid_type", "messages"), "expected an array of objects, but got a string instead."),
    Row(CHAT, "messages.role", "one of six", {"messages": [{"role": "x", "content": "x"}]}, ("invalid_value", "messages[0].role"), "'tool', and 'function'."),
    Row(CHAT, "messages.content", "text or parts", {"messages": [{"role": "user", "content": {}}]}, ("invalid_type", "messages[0].content"), "expected one of a string or array of objects, but got an object instead."),
    Row(CHAT, "messages.no-content", "needed", {"messages": [{"role": "user", "content": None}]}, (None, "messages.[0].content"), "Invalid value for 'content': expected a string, got null."),
    Row(CHAT, "messages.said-nothing", "needed", {"messages": [*ASK, {"role": "assistant", "tool_calls": None}]}, (None, "messages.[1].content"), "expected a string, got null"),
    Row(CHAT, "messages.no-output", "needed", {"messages": [*ASK, assistant("1"), answer("1") | {"content": None}]}, (None, "messages.[2].content")),
    Row(CHAT, "messages.refusal", "stands for content", {"messages": [*ASK, {"role": "assistant", "refusal": "No."}]}, HONOURED),
    Row(CHAT, "messages.developer", "content needed", {"messages": [{"role": "developer"}]}, ("missing_required_parameter", "messages[0].content")),
    Row(CHAT, "messages.name", "one word", {"messages": [ASK[0] | {"name": "a b"}]}, ("invalid_value", "messages[0].name"), "string does not match pattern"),
    Row(CHAT, "messages.user-calls", "an assistant's", {"messages": [assistant("1") | {"role": "user", "content": "x"}]}, ("unknown_parameter", "messages[0].tool_calls")),
    Row(CHAT, "messages.same-call", "ids differ", {"messages": [*ASK, assistant("1", "1"), answer("1")]}, (None, "messages.[1].tool_calls"), "Duplicate value"),
    Row(CHAT, "messages.long-id", "40 characters", {"messages": [*ASK, assistant("x" * 41), answer("x" * 41)]}, ("string_above_max_length", "messages[1].tool_calls[0].id"), "maximum length 40, but got a string with length 41"),
    Row(CHAT, "messages.many-calls", "128", {"messages": [*ASK, assistant(*map(str, range(129)))]}, ("array_above_max_length", "messages[1].tool_calls")),
    Row(CHAT, "audio", "voice of answers", {"audio": {"voice": "ash", "format": "wav"}}, ("unsupported_parameter", "audio")),
    Row(CHAT, "frequency_penalty", "-2 to 2", {"frequency_penalty": 0.5}, HONOURED),
    Row(CHAT, "function_call", "deprecated", {"function_call": "none"}, ("unsupported_parameter", "function_call")),
    Row(CHAT, "functions", "deprecated", {"functions": [{"name": "f"}]}, ("unsupported_parameter", "functions")),
    Row(CHAT, "logit_bias", "token ids to bias", {"logit_bias": {"5": -100}}, HONOURED),
    Row(CHAT, "logprobs", "of the answer's tokens", {"logprobs": True}, HONOURED),
    Row(CHAT, "top_logprobs", "0 to 20, with logprobs", {"logprobs": True, "top_logprobs": 3}, HONOURED),
    Row(CHAT, "top_logprobs.alone", "needs logprobs", {"top_logprobs": 3}, (None, "top_logprobs"), "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."),
    Row(CHAT, "max_completion_tokens", "bounds the answer", {"max_completion_tokens": 3}, HONOURED),
    Row(CHAT, "max_tokens", "deprecated, the same", {"max_tokens": 3}, HONOURED),
    Row(CHAT, "max_tokens.both", "one of the two", {"max_tokens": 3, "max_completion_tokens": 3}, ("invalid_parameter_combination", "max_tokens")),
    Row(CHAT, "metadata", "only with store", {"metadata": {"a": "b"}}, (None, "metadata"), "only allowed when 'store' is enabled"),
    Row(CHAT, "metadata.store", "kept with the answer", {"metadata": {"a": "b"}, "store": True}, IGNORED),
    Row(CHAT, "metadata.length", "16 pairs", {"metadata": {str(i): "" for i in range(17)}, "store": True}, ("object_above_max_properties", "metadata")),
    Row(CHAT, "metadata.text", "an object", {"metadata": "x", "store": True}, ("invalid_type", "metadata"), "expected a metadata object, but got a string"),
    Row(CHAT, "metadata.value", "512 characters", {"metadata": {"k": "x" * 513}, "store": True}, ("string_above_max_length", "metadata.k"), "Invalid 'metadata.k': string too long. Expected a string with maximum length 512, but got a string with length 513 instead."),
    Row(CHAT, "metadata.key", "64 characters", {"metadata": {"k" * 65: "x"}, "store": True}, ("property_name_above_max_length", "metadata." + "k" * 65), "Invalid property name in 'metadata': 'kkk...kkk' is too long."),
    Row(CHAT, "store", "keeps the answer", {"store": True}, IGNORED),
    Row(CHAT, "modalities", "text, audio", {"modalities": ["text"]}, HONOURED),
    Row(CHAT, "modalities.audio", "speaks", {"modalities": ["text", "audio"]}, ("unsupported_parameter", "modalities")),
    Row(CHAT, "moderation", "of input and output", {"moderation": {"model": "omni-moderation-latest"}}, ("unsupported_parameter", "moderation")),
    Row(CHAT, "n", "1 to 128", {"n": 2}, HONOURED),
    Row(CHAT, "n.fraction", "whole", {"n": 1.5}, ("invalid_type", "n"), "expected an integer, but got a decimal number instead."),
    Row(CHAT, "parallel_tool_calls", "with tools", TAKEN | {"parallel_tool_calls": True}, HONOURED),
    Row(CHAT, "parallel_tool_calls.alone", "needs tools", {"parallel_tool_calls": True}, (None, "parallel_tool_calls"), "only allowed when 'tools' are specified"),
    Row(CHAT, "prediction", "speeds up", {"prediction": {"type": "content", "content": "x"}}, ("unsupported_parameter", "prediction")),
    Row(CHAT, "presence_penalty", "-2 to 2", {"presence_penalty": 3}, ("decimal_above_max_value", "presence_penalty")),
    Row(CHAT, "prompt_cache_key", "a hint", {"prompt_cache_key": "x"}, IGNORED),
    Row(CHAT, "prompt_cache_options", "a hint", {"prompt_cache_options": {"mode": "implicit"}}, IGNORED),
    Row(CHAT, "prompt_cache_options.odd", "its own fields", {"prompt_cache_options": {"x": 1}}, ("unknown_parameter", "prompt_cache_options.x")),
    Row(CHAT, "prompt_cache_retention", "a hint", {"prompt_cache_retention": "24h"}, IGNORED),
    Row(CHAT, "reasoning_effort", "of models that reason", {"reasoning_effort": "low"}, ("unsupported_parameter", "reasoning_effort")),
    Row(CHAT, "response_format", "text, json_object, json_schema", form(STRICT, strict=True), HONOURED),
    Row(CHAT, "response_format.object", "needs the word json", {"response_format": {"type": "json_object"}}, (None, "messages"), "must contain the word 'json'"),
    Row(CHAT, "response_format.array", "strict: an object", form({"type": "array", "items": A_STRING}, strict=True), BAD_FORMAT, "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'"),
    Row(CHAT, "response_format.closed", "strict: closed", form(ONE, strict=True), BAD_FORMAT, "In context=(), 'additionalProperties' is required to be supplied and to be false"),
    Row(CHAT, "response_format.required", "strict: all required", form(ONE | {"additionalProperties": False}, strict=True), BAD_FORMAT, "every key in properties. Missing 'a'"),
    Row(CHAT, "response_format.oneOf", "strict: refused", form(STRICT | {"properties": {"a": {"oneOf": [A_STRING]}}}, strict=True), BAD_FORMAT, "In context=('properties', 'a'), 'oneOf' is not permitted"),
    Row(CHAT, "response_format.allOf", "strict: refused", form(STRICT | {"properties": {"a": {"allOf": [A_STRING]}}}, strict=True), BAD_FORMAT, "'allOf' is not permitted"),
    Row(CHAT, "response_format.ref", "strict: alone", form(STRICT | {"$defs": {"A": A_STRING}, "properties": {"a": {"$ref": "#/$defs/A", "description": "x"}}}, strict=True), BAD_FORMAT, "context=('properties', 'a'), $ref cannot have keywords {'description'}"),
    Row(CHAT, "response_format.no-type", "strict: typed", form(STRICT | {"properties": {"a": {}}}, strict=True), BAD_FORMAT, "schema must have a 'type' key"),
    Row(CHAT, "response_format.no-schema", "JSON Schema", form(ONE | {"required": 5}), BAD_FORMAT, "5 is not of type 'array'"),
    Row(CHAT, "response_format.unique", "not enforced", form({"type": "array", "items": A_STRING, "uniqueItems": True}), ("invalid_schema", "response_format"), "can't enforce it: Unimplemented keys: [\"uniqueItems\"]"),
    Row(CHAT, "response_format.lookahead", "not enforced", form(ONE | {"properties": {"a": {"type": "string", "pattern": "^(?=a)"}}}), ("invalid_schema", "response_format"), "look-around"),
    Row(CHAT, "response_format.name", "64 characters", form(ONE, name="x" * 65), ("string_above_max_length", "response_format.json_schema.name")),
    Row(CHAT, "response_format.name-blank", "no blank", form(ONE, name="a b"), ("invalid_value", "response_format.json_schema.name"), "matches the pattern '^[a-zA-Z0-9_-]+$'."),
    Row(CHAT, "response_format.format", "strict: nine formats", form(STRICT | {"properties": {"a": A_STRING | {"format": "uri"}}}, strict=True), BAD_FORMAT, "In context=('properties', 'a'), 'uri' is not a valid format."),
    Row(CHAT, "response_format.date", "strict: nine formats", form(STRICT | {"properties": {"a": A_STRING | {"format": "date"}}}, strict=True), HONOURED),
    Row(CHAT, "response_format.default", "strict: taken", form(STRICT | {"properties": {"a": A_STRING | {"default": "x"}}}, strict=True), HONOURED),
    Row(CHAT, "response_format.extra", "strict: no other required", form(STRICT | {"required": ["a", "b"]}, strict=True), BAD_FORMAT, "Extra required key 'b' supplied."),
    Row(CHAT, "response_format.true", "strict: typed", form(STRICT | {"properties": {"a": True}}, strict=True), BAD_FORMAT, "schema must have a 'type' key"),
    Row(CHAT, "response_format.values", "strict: 1,000 values", form(STRICT | {"properties": {"a": {"enum": [str(i) for i in range(1001)]}}}, strict=True), BAD_FORMAT, "at most 1000 enum values in total"),
    Row(CHAT, "response_format.bare", "strict: properties", form({"type": "object", "additionalProperties": False}, strict=True), BAD_FORMAT, "object schema missing properties"),
    Row(CHAT, "safety_identifier", "for the host", {"safety_identifier": "x"}, IGNORED),
    Row(CHAT, "seed", "repeatable", {"seed": 1}, HONOURED),
    Row(CHAT, "service_tier", "of the host", {"service_tier": "flex"}, IGNORED),
    Row(CHAT, "stop", "up to four", {"stop": list("abcd")}, HONOURED),
    Row(CHAT, "stop.five", "up to four", {"stop": list("abcde")}, ("array_above_max_length", "stop")),
    Row(CHAT, "stream", "events", {"stream": True}, HONOURED),
    Row(CHAT, "stream_options", "with stream", {"stream": True, "stream_options": {"include_usage": True}}, HONOURED),
    Row(CHAT, "stream_options.alone", "with stream", {"stream_options": {"include_usage": True}}, (None, "stream_options"), "The 'stream_options' parameter is only allowed when 'stream' is enabled."),
    Row(CHAT, "stream_options.odd", "its own fields", {"stream": True, "stream_options": {"x": 1}}, ("unknown_parameter", "stream_options.x")),
    Row(CHAT, "temperature", "0 to 2", {"temperature": 2.1}, ("decimal_above_max_value", "temperature")),
    Row(CHAT, "top_p", "0 to 1", {"top_p": 0.5}, HONOURED),
    Row(CHAT, "tools", "functions", tools(ONE), HONOURED),
    Row(CHAT, "tools.none", "at least one", {"tools": []}, ("empty_array", "tools"), "Invalid 'tools': empty array"),
    Row(CHAT, "tools.bare", "no parameters", {"tools": [{"type": "function", "function": {"name": "f"}}]}, HONOURED),
    Row(CHAT, "tools.many", "128", {"tools": [function(EMPTY)] * 129}, ("array_above_max_length", "tools"), "maximum length 128, but got an array with length 129 instead."),
    Row(CHAT, "tools.no-name", "1 to 64 signs", tools(EMPTY, name=""), ("empty_string", "tools[0].function.name"), "empty string. Expected a string with minimum length 1, but got an empty string instead."),
    Row(CHAT, "tools.long-name", "1 to 64 signs", tools(EMPTY, name="f" * 65), ("string_above_max_length", "tools[0].function.name")),
    Row(CHAT, "tools.dot", "no dot", tools(EMPTY, name="a.b"), ("invalid_value", "tools[0].function.name"), "does not match pattern"),
    Row(CHAT, "tools.newline", "no newline", tools(EMPTY, name="a\n"), ("invalid_value", "tools[0].function.name")),
    Row(CHAT, "tools.custom", "free text", {"tools": [{"type": "custom", "custom": {"name": "f"}}]}, ("unsupported_parameter", "tools[0].type")),
    Row(CHAT, "tools.properties", "required", tools({"type": "object"}), BAD_FUNCTION, "Invalid schema for function 'f': In context=(), object schema missing properties"),
    Row(CHAT, "tools.array", "an object", tools({"type": "array", "items": A_STRING}), BAD_FUNCTION, "got 'type: \"array\"'"),
    Row(CHAT, "tools.untyped", "an object", tools({}), BAD_FUNCTION, "got 'type: \"None\"'"),
    Row(CHAT, "tools.items", "arrays have items", tools(ONE | {"properties": {"a": {"type": "array"}}}), BAD_FUNCTION, "In context=('properties', 'a'), array schema missing items"),
    Row(CHAT, "tools.anyOf", "not at the top", tools(ONE | {"anyOf": [ONE]}), BAD_FUNCTION, "at the top level"),
    Row(CHAT, "tools.strict", "strict: closed", tools(ONE, strict=True), BAD_FUNCTION, "'additionalProperties' is required"),
    Row(CHAT, "tools.no-schema", "JSON Schema", tools(ONE | {"properties": []}), BAD_FUNCTION, "is not of type 'object'"),
    Row(CHAT, "tool_choice", "none, auto, required, one", TAKEN | {"tool_choice": "required"}, HONOURED),
    Row(CHAT, "tool_choice.alone", "needs tools", {"tool_choice": "none"}, (None, "tool_choice"), "only allowed when 'tools' are specified"),
    Row(CHAT, "tool_choice.allowed", "some of them", TAKEN | {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}}, ("unsupported_parameter", "tool_choice.type")),
    Row(CHAT, "user", "for the host", {"user": "x"}, IGNORED),
    Row(CHAT, "verbosity", "of newer models", {"verbosity": "low"}, ("unsupported_parameter", "verbosity")),
    Row(CHAT, "web_search_options", "searches", {"web_search_options": {"search_context_size": "low"}}, ("unsupported_parameter", "web_search_options")),
    Row(CHAT, "unknown", "refused", {"top_k": 5}, ("unknown_parameter", "top_k")),
    Row(COMPLETIONS, "model", "required", {"model": None}, ("invalid_type", "model")),
    Row(COMPLETIONS, "prompt", "text, texts, tokens", {"prompt": [[1, 2], [3]]}, HONOURED),
    Row(COMPLETIONS, "best_of", "the best of", {"best_of": 3}, ("unsupported_parameter", "best_of")),
    Row(COMPLETIONS, "echo", "the prompt again", {"echo": True}, HONOURED),
    Row(COMPLETIONS, "frequency_penalty", "-2 to 2", {"frequency_penalty": 1}, HONOURED),
    Row(COMPLETIONS, "logit_bias", "token ids to bias", {"logit_bias": {"x": 1}}, ("invalid_value", "logit_bias")),
    Row(COMPLETIONS, "logprobs", "0 to 5", {"logprobs": 6}, ("integer_above_max_value", "logprobs")),
    Row(COMPLETIONS, "max_tokens", "16 by default", {"max_tokens": 0}, HONOURED),
    Row(COMPLETIONS, "n", "1 to 128", {"n": 2}, HONOURED),
    Row(COMPLETIONS, "presence_penalty", "-2 to 2", {"presence_penalty": 1}, HONOURED),
    Row(COMPLETIONS, "seed", "repeatable", {"seed": 1}, HONOURED),
    Row(COMPLETIONS, "stop", "up to four", {"stop": "x"}, HONOURED),
    Row(COMPLETIONS, "stream", "events", {"stream": True}, HONOURED),
    Row(COMPLETIONS, "stream_options", "with stream", {"stream_options": {"include_usage": True}}, (None, "stream_options"), "only allowed when 'stream' is enabled"),
    Row(COMPLETIONS, "suffix", "fills a gap", {"suffix": "x"}, ("unsupported_parameter", "suffix")),
    Row(COMPLETIONS, "temperature", "0 to 2", {"temperature": 0}, HONOURED),
    Row(COMPLETIONS, "top_p", "0 to 1", {"top_p": 0.5}, HONOURED),
    Row(COMPLETIONS, "user", "for the host", {"user": "x"}, IGNORED),
    Row(RESPONSES, "model", "required here", {"model": None}, ("invalid_type", "model")),
    Row(RESPONSES, "input", "text, or items", {"input": None}, ("invalid_type", "input")),
    Row(RESPONSES, "input.parts", "input_text", parts("user", "input_text"), HONOURED),
    Row(RESPONSES, "input.answers", "output_text", parts("assistant", "output_text"), HONOURED),
    Row(RESPONSES, "input.other-side", "refused", parts("assistant", "input_text"), ("invalid_value", "input[0].content[0]"), "Supported values are: 'output_text' and 'refusal'."),
    Row(RESPONSES, "input.own-side", "refused", parts("user", "output_text"), ("invalid_value", "input[0].content[0]")),
    Row(RESPONSES, "input.image", "read", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, ("unsupported_parameter", "input[0].content[0]")),
    Row(RESPONSES, "input.message", "with its type", {"input": [{"type": "message"} | ASK[0]]}, HONOURED),
    Row(RESPONSES, "input.no-role", "required", {"input": [{"type": "message", "content": "x"}]}, ("invalid_value", "input[0]"), "Invalid value: ''. Supported values are: 'assistant', 'system', 'developer', and 'user'."),
    Row(RESPONSES, "input.calls", "each answered", items(CALL, CALL | {"call_id": "2"}, OUTPUT, OUTPUT | {"call_id": "2"}), HONOURED),
    Row(RESPONSES, "input.unanswered", "refused", items(CALL), (None, "input"), "No tool output found for function call 1."),
    Row(RESPONSES, "input.no-call", "refused", items(OUTPUT), (None, "input"), "No tool call found for function call output with call_id 1."),
    Row(RESPONSES, "input.reference", "an item kept", items({"type": "item_reference", "id": "msg_1"}), ("unsupported_parameter", "input[1]"), "store=False"),
    Row(RESPONSES, "input.reasoning", "of models that reason", items({"type": "reasoning", "id": "rs_1", "summary": []}), ("unsupported_parameter", "input[1]")),
    Row(RESPONSES, "input.search", "of a built-in tool", items({"type": "web_search_call", "id": "ws_1"}), ("unsupported_parameter", "input[1].type"), "web_search_call"),
    Row(RESPONSES, "input.odd", "refused", items({"type": "x"}), ("invalid_value", "input[1]"), "Invalid value: 'x'."),
    Row(RESPONSES, "input.empty", "something", {"input": ""}, ("missing_required_parameter", None), 'One of "input" or "previous_response_id"'),
    Row(RESPONSES, "input.no-items", "something", {"input": []}, ("missing_required_parameter", None)),
    Row(RESPONSES, "input.object", "text, or items", {"input": {}}, ("invalid_type", "input"), "expected one of a string or array of input items, but got an object instead."),
    Row(RESPONSES, "input.number", "items", {"input": [7]}, ("invalid_type", "input[0]"), "expected an input item, but got an integer instead."),
    Row(RESPONSES, "input.role", "one of four", items({"role": "tool", "content": "x"}), ("invalid_value", "input[1]"), "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'."),
    Row(RESPONSES, "input.bare", "a message", items({"content": "x"}), ("invalid_value", "input[1]"), "Invalid value: ''."),
    Row(RESPONSES, "input.chat", "no chat's message", items({"role": "assistant", "content": "x", "tool_calls": []}), ("unknown_parameter", "input[1].tool_calls"), "Unknown parameter: 'input[1].tool_calls'."),
    Row(RESPONSES, "input.phase", "of an assistant", items({"role": "assistant", "content": "x", "phase": "final_answer"}), HONOURED),
    Row(RESPONSES, "input.user-phase", "of an assistant", items(ASK[0] | {"phase": "final_answer"}), ("unknown_parameter", "input[1].phase")),
    Row(RESPONSES, "input.unset", "null is nothing", items(ASK[0] | {"id": None, "status": None, "x": None}), HONOURED),
    Row(RESPONSES, "input.part", "its own fields", {"input": [{"role": "user", "content": [{"type": "input_text", "text": "x", "cache_control": {}}]}]}, ("unknown_parameter", "input[0].content[0].cache_control")),
    Row(RESPONSES, "input.call-name", "1 to 128 signs", items(CALL | {"name": ""}, OUTPUT), ("empty_string", "input[1].name")),
    Row(RESPONSES, "input.call-odd", "its own fields", items(CALL | {"parsed_arguments": {}}, OUTPUT), ("unknown_parameter", "input[1].parsed_arguments")),
    Row(RESPONSES, "messages", "chat's", {"messages": ASK}, ("unsupported_parameter", None), "In the Responses API, this parameter has moved to 'input'."),
    Row(RESPONSES, "response_format", "chat's", form(ONE), ("unsupported_parameter", None), "moved to 'text.format'"),
    Row(RESPONSES, "stop", "chat's", {"stop": "x"}, ("unknown_parameter", "stop")),
    Row(RESPONSES, "access_programs", "of the host", {"access_programs": {"cyber": "standard"}}, ("unsupported_parameter", "access_programs")),
    Row(RESPONSES, "background", "answers later", {"background": True}, ("unsupported_parameter", "background"), "`background=False`"),
    Row(RESPONSES, "background_options", "when", {"background_options": {"completion_window": "2h"}}, ("unsupported_parameter", "background_options")),
    Row(RESPONSES, "context_management", "compaction", {"context_management": [{"type": "compaction"}]}, ("unsupported_parameter", "context_management")),
    Row(RESPONSES, "conversation", "kept items", {"conversation": "conv_1"}, ("unsupported_parameter", "conversation"), "send their items again"),
    Row(RESPONSES, "image", "of images", {"image": {"context_compression": "auto"}}, ("unsupported_parameter", "image")),
    Row(RESPONSES, "include", "more of the answer", {"include": ["message.output_text.logprobs"]}, HONOURED),
    Row(RESPONSES, "include.reasoning", "of models that reason", {"include": ["reasoning.encrypted_content"]}, ("unsupported_parameter", "include")),
    Row(RESPONSES, "include.odd", "one of eight", {"include": ["x"]}, ("invalid_value", "include[0]"), "Invalid value: 'x'."),
    Row(RESPONSES, "instructions", "stand first", {"instructions": "Be brief."}, HONOURED),
    Row(RESPONSES, "max_output_tokens", "at least 16", {"max_output_tokens": 15}, ("integer_below_min_value", "max_output_tokens")),
    Row(RESPONSES, "max_tool_calls", "of built-in tools", {"max_tool_calls": 1}, IGNORED),
    Row(RESPONSES, "metadata", "comes back", {"metadata": {"a": "b"}}, HONOURED),
    Row(RESPONSES, "moderation", "of input and output", {"moderation": {"model": "x"}}, ("unsupported_parameter", "moderation")),
    Row(RESPONSES, "moderation.none", "a model", {"moderation": {}}, ("missing_required_parameter", "moderation.model")),
    Row(RESPONSES, "parallel_tool_calls", "one or several", {"parallel_tool_calls": False}, HONOURED),
    Row(RESPONSES, "previous_response_id", "a kept answer", {"previous_response_id": "resp_1"}, ("previous_response_not_found", "previous_response_id"), "Previous response with id 'resp_1' not found."),
    Row(RESPONSES, "previous_response_id.both", "or a conversation", {"previous_response_id": "resp_1", "conversation": "conv_1"}, ("mutually_exclusive_parameters", None)),
    Row(RESPONSES, "prompt", "a kept prompt", {"prompt": {"id": "pmpt_1"}}, ("unsupported_parameter", "prompt")),
    Row(RESPONSES, "prompt_cache_key", "a hint", {"prompt_cache_key": "x"}, IGNORED),
    Row(RESPONSES, "prompt_cache_options", "a hint", {"prompt_cache_options": {"mode": "implicit"}}, IGNORED),
    Row(RESPONSES, "prompt_cache_retention", "a hint", {"prompt_cache_retention": "24h"}, IGNORED),
    Row(RESPONSES, "reasoning", "of models that reason", {"reasoning": {"effort": "low"}}, ("unsupported_parameter", "reasoning")),
    Row(RESPONSES, "safety_identifier", "for the host", {"safety_identifier": "x"}, IGNORED),
    Row(RESPONSES, "service_tier", "of the host", {"service_tier": "auto"}, IGNORED),
    Row(RESPONSES, "store", "keeps the answer", {"store": True}, IGNORED),
    Row(RESPONSES, "stream", "events", {"stream": True}, HONOURED),
    Row(RESPONSES, "stream_options", "with stream", {"stream_options": {"include_obfuscation": False}}, (None, "stream_options")),
    Row(RESPONSES, "temperature", "0 to 2", {"temperature": 2.5}, ("decimal_above_max_value", "temperature")),
    Row(RESPONSES, "text", "text, json_object, json_schema", text(STRICT, strict=True), HONOURED),
    Row(RESPONSES, "text.chat", "flat", {"text": {"format": {"type": "json_schema", "json_schema": {"name": "x", "schema": ONE}}}}, ("missing_required_parameter", "text.format.name")),
    Row(RESPONSES, "text.strict", "strict: closed", text(ONE, strict=True), ("invalid_json_schema", "text.format.schema"), "Invalid schema for response_format 'x': In context=()"),
    Row(RESPONSES, "text.object", "needs the word json", {"text": {"format": {"type": "json_object"}}}, (None, "input"), "'text.format' of type 'json_object'"),
    Row(RESPONSES, "text.word", "in the input", {"instructions": "Write JSON.", "text": {"format": {"type": "json_object"}}}, (None, "input"), "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'."),
    Row(RESPONSES, "text.odd", "its own fields", {"text": {"x": 1}}, ("unknown_parameter", "text.x")),
    Row(RESPONSES, "text.verbosity", "of newer models", {"text": {"verbosity": "low"}}, ("unsupported_parameter", "text.verbosity")),
    Row(RESPONSES, "tools", "functions", flat(ONE), HONOURED),
    Row(RESPONSES, "tools.name", "1 to 128 signs", flat(EMPTY, name="f" * 129), ("string_above_max_length", "tools[0].name")),
    Row(RESPONSES, "tools.odd", "their own fields", flat(EMPTY, x=1), ("unknown_parameter", "tools[0].x")),
    Row(RESPONSES, "tools.empty", "none", {"tools": []}, HONOURED),
    Row(RESPONSES, "tools.chat", "flat", TAKEN, ("missing_required_parameter", "tools[0].name")),
    Row(RESPONSES, "tools.search", "built in", {"tools": [{"type": "web_search"}]}, ("unsupported_parameter", "tools[0].type"), "Describe a function"),
    Row(RESPONSES, "tools.properties", "required", flat({"type": "object"}), ("invalid_function_parameters", "tools[0].parameters"), "object schema missing properties"),
    Row(RESPONSES, "tool_choice", "none, auto, required, one", flat(EMPTY) | {"tool_choice": {"type": "function", "name": "f"}}, HONOURED),
    Row(RESPONSES, "tool_choice.alone", "needs tools", {"tool_choice": "required"}, (None, "tool_choice"), "must be specified with 'tools'"),
    Row(RESPONSES, "tool_choice.unknown", "one of the tools", flat(EMPTY) | {"tool_choice": {"type": "function", "name": "g"}}, ("invalid_value", "tool_choice"), "'g'"),
    Row(RESPONSES, "top_logprobs", "0 to 20", {"top_logprobs": 21}, ("integer_above_max_value", "top_logprobs")),
    Row(RESPONSES, "top_p", "0 to 1", {"top_p": 0.5}, HONOURED),
    Row(RESPONSES, "truncation", "drops what is too long", {"truncation": "auto"}, ("unsupported_parameter", "truncation"), "`truncation='disabled'`"),
    Row(RESPONSES, "user", "for the host", {"user": "x"}, IGNORED),
    Row(EMBEDDINGS, "model", "required", {"model": None}, ("invalid_type", "model")),
    Row(EMBEDDINGS, "input", "text, texts, tokens, lists of tokens", {"input": [[1, 2], [3]]}, HONOURED),
    Row(EMBEDDINGS, "input.empty", "no empty text", {"input": ""}, ("invalid_value", "input")),
    Row(EMBEDDINGS, "input.tiktoken", "tokens of the model", {"input": [100_000]}, ("invalid_value", "input"), "check_embedding_ctx_length"),
    Row(EMBEDDINGS, "dimensions", "up to the model's", {"dimensions": 8}, HONOURED),
    Row(EMBEDDINGS, "dimensions.many", "up to the model's", {"dimensions": 4096}, (None, "dimensions"), "Must be less than or equal to 576"),
    Row(EMBEDDINGS, "encoding_format", "float, base64", {"encoding_format": "base64"}, HONOURED),
    Row(EMBEDDINGS, "user", "for the host", {"user": "x"}, IGNORED),
]  # fmt: skip


def planned(lab: Lab, endpoint: str, body: dict[str, Any]) -> Any:
    """What the lab is going to do."""
    if endpoint == EMBEDDINGS:
        return embeddings.prepare(body, lab.tokenizer, lab.context, lab.width)
    return lab.plan(endpoint, body).requests


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that loads no model: plans need none."""
    lab = Lab(tmp_path_factory.mktemp("contract") / "state", weights.ensure(), MODEL)
    yield lab
    lab.store.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.endpoint} {row.field}")
def test_each_line_of_the_contract_holds(lab: Lab, row: Row) -> None:
    body = GOOD[row.endpoint] | row.change
    if row.lab in (HONOURED, IGNORED):
        assert planned(lab, row.endpoint, body)
        return
    with pytest.raises(ApiError) as caught:
        planned(lab, row.endpoint, body)
    assert (caught.value.code, caught.value.param) == row.lab
    assert row.says in caught.value.message and caught.value.status == 400


@pytest.mark.parametrize("endpoint", GOOD)
def test_the_contract_names_every_field(endpoint: str) -> None:
    named = {row.field.partition(".")[0] for row in ROWS if row.endpoint == endpoint}
    assert schema.parameters(SCHEMAS[endpoint]) <= named


def test_the_contract_of_responses_names_what_openais_package_does() -> None:
    from openai.types import responses
    from openai.types.responses import response_input_item_param, response_input_param

    fields = responses.response_create_params.ResponseCreateParamsNonStreaming.__annotations__
    assert schema.parameters("CreateResponse") >= fields.keys()
    kinds: dict[str, Any] = {
        "FunctionTool": responses.FunctionToolParam,
        "FunctionToolCall": responses.ResponseFunctionToolCallParam,
        "FunctionCallOutputItemParam": response_input_param.FunctionCallOutput,
        "OutputMessage": responses.ResponseOutputMessageParam,
        "InputMessage": response_input_item_param.Message,
        "TextResponseFormatJsonSchema": responses.ResponseFormatTextJSONSchemaConfigParam,
    }
    for name, kind in kinds.items():  # closed: a new field would be refused
        assert schema.parameters(name) >= kind.__annotations__.keys(), name


@pytest.mark.parametrize("endpoint", GOOD)
def test_null_in_any_optional_field_is_as_if_it_were_not_there(lab: Lab, endpoint: str) -> None:
    good = GOOD[endpoint]
    for name in schema.parameters(SCHEMAS[endpoint]) - good.keys():
        assert planned(lab, endpoint, good | {name: None}) == planned(lab, endpoint, good)


def test_nulls_within_messages_tools_and_schemas_are_as_if_they_were_not_there(lab: Lab) -> None:
    nothing = dict.fromkeys(("title", "description", "enum", "items", "anyOf", "required"))
    a = {"type": "string", "default": None} | nothing
    parameters = {"type": "object", "properties": {"a": a}, "additionalProperties": None}
    call = assistant("1") | dict.fromkeys(("name", "refusal", "audio", "function_call"))
    messages = [
        {"role": "system", "content": "Be brief.", "name": None},
        *ASK,
        call,
        answer("1") | {"name": None},
    ]
    tool = function(parameters | nothing, strict=None, description=None)
    options = {"stream": True, "stream_options": {"include_usage": None}}
    plan = lab.plan(CHAT, {"model": MODEL, "messages": messages, "tools": [tool]} | options)
    bare = [
        {"role": "system", "content": "Be brief."},
        *ASK,
        {key: value for key, value in assistant("1").items() if key != "content"},
        answer("1"),
    ]
    same = function({"type": "object", "properties": {"a": {"type": "string", "default": None}}})
    assert (
        plan.requests == lab.plan(CHAT, GOOD[CHAT] | {"messages": bare, "tools": [same]}).requests
    )


def test_null_stays_where_it_is_a_value(lab: Lab) -> None:
    either = {"type": ["string", "null"], "enum": ["a", None]}
    plan = lab.plan(CHAT, GOOD[CHAT] | form(STRICT | {"properties": {"a": either}}, strict=True))
    assert '["a", null]' in plan.requests[0].grammar.replace("\\", "")
    with pytest.raises(ApiError, match=r"Invalid type for 'metadata\.a'"):
        lab.plan(CHAT, GOOD[CHAT] | {"store": True, "metadata": {"a": None}})


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        (ONE, True),
        (ONE | {"additionalProperties": True}, False),
        (ONE | {"additionalProperties": A_STRING}, False),
        ({"type": "object", "additionalProperties": ONE}, True),
        ({"type": "array", "items": ONE}, True),
        ({"anyOf": [ONE, A_STRING]}, True),
        ({"$defs": {"A": ONE}, "allOf": [{"$ref": "#/$defs/A"}]}, True),
        ({"$defs": {"A": ONE}, "properties": {"b": {"$ref": "#/$defs/A"}}, "additionalProperties": True}, True),
        ({"$defs": {"A": ONE}, "allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": A_STRING}}]}, False),
        ({"allOf": [ONE, {"properties": {"b": A_STRING}}]}, False),
        (ONE | {"anyOf": [{"properties": {"b": A_STRING}}]}, False),
        ({"type": "object"}, False),
    ],
)  # fmt: skip
def test_objects_are_closed_unless_they_say_otherwise(schema: dict, closed: bool) -> None:
    from workbook.lab.generation import json_schemas

    assert ('"additionalProperties": false' in str(json_schemas.closed(schema)).replace("'", '"').replace("False", "false")) == closed  # fmt: skip

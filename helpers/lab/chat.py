"""Chat completions: from OpenAI's request to the engine's, and from its answer back.

Structured output and tool calls are constrained by grammars, so that a finished answer always
parses. Knows nothing of sockets, keys or stored records.
"""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llguidance

from helpers.lab import spec
from helpers.lab.spec import ApiError
from helpers.lab.store import new_id, now
from helpers.lab.tokenizer import CALL_OPEN, Tokenizer

if TYPE_CHECKING:
    from helpers.lab.engine import Completion, Request

DEFAULT_MAX_TOKENS = 512  # a small model may never stop; OpenAI's default is the whole context
MAX_MESSAGES, MAX_TOOLS = 2048, 128  # documented by OpenAI, not in its spec

# What OpenAI's models honour and the lab does not. Saying so beats ignoring it.
_UNSUPPORTED = (
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "moderation",
    "prediction",
    "presence_penalty",
    "reasoning_effort",
    "store",
    "verbosity",
    "web_search_options",
)
_FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# JSON as training files write it (json.dumps), so that a tuned model meets what it has learned.
_JSON_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


@dataclass(frozen=True)
class Plan:
    """A checked request: what the engine is to do, and how the answer is to be shaped."""

    model: str
    requests: list["Request"]
    calls: str  # "never", "maybe" or "always" a tool call
    opening: str  # how the answer begins: read with the prompt instead of written, so it is fast
    stream: bool
    include_usage: bool

    @property
    def prompt_tokens(self) -> int:
        return len(self.requests[0].prompt)


def plan(body: dict[str, Any], tokenizer: Tokenizer, context: int, adapter: Path | None) -> Plan:
    """Check a request of the spec's CreateChatCompletionRequest. Raises ApiError (400)."""
    spec.check("CreateChatCompletionRequest", body)
    _refuse_unsupported(body)
    tools, choice = _tools(body)
    calls, opening, grammar = _constraint(body, tools, choice)
    prompt = tokenizer.chat_prompt(_messages(body), tools or None) + tokenizer.encode(opening)
    max_tokens = _max_tokens(body, len(prompt), context)
    top = None
    if body.get("logprobs"):
        top = body.get("top_logprobs") or 0
    elif body.get("top_logprobs") is not None:
        raise ApiError(
            400,
            "'top_logprobs' needs 'logprobs' to be true.",
            "invalid_parameter_combination",
            "top_logprobs",
        )
    from helpers.lab.engine import Request  # brings torch: not before the request is known good

    stop = body.get("stop") or ()
    seed = body.get("seed")

    def request(number: int) -> Request:
        return Request(
            prompt=prompt,
            max_tokens=max_tokens,
            temperature=_value(body, "temperature", 1.0),
            top_p=_value(body, "top_p", 1.0),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            seed=None if seed is None else (seed + number) % 2**63,
            top_logprobs=top,
            grammar=grammar,
            adapter=adapter,
        )

    options = body.get("stream_options") or {}
    if options and not body.get("stream"):
        raise ApiError(
            400,
            "'stream_options' is only allowed when 'stream' is true.",
            "invalid_parameter_combination",
            "stream_options",
        )
    return Plan(
        model=body["model"],
        requests=[request(i) for i in range(_value(body, "n", 1))],
        calls=calls,
        opening=opening,
        stream=bool(body.get("stream")),
        include_usage=bool(options.get("include_usage")),
    )


def _value(body: dict[str, Any], name: str, default: Any) -> Any:
    return default if body.get(name) is None else body[name]


def _refuse_unsupported(body: dict[str, Any]) -> None:
    for name in _UNSUPPORTED:
        if body.get(name):
            raise _unsupported(name, f"'{name}' is not supported by the lab: leave it out.")
    if set(body.get("modalities") or ["text"]) != {"text"}:
        raise _unsupported("modalities", "The lab's models write text only.")


def _unsupported(param: str, message: str) -> ApiError:
    return ApiError(400, message, "unsupported_parameter", param)


def _messages(body: dict[str, Any]) -> list[dict]:
    messages = body["messages"]
    if len(messages) > MAX_MESSAGES:
        message = (
            f"Invalid 'messages': array too long. Expected an array with maximum length "
            f"{MAX_MESSAGES}, but got length {len(messages)} instead."
        )
        raise ApiError(400, message, "array_above_max_length", "messages")
    for i, message in enumerate(messages):
        content = message.get("content")
        for j, part in enumerate(content if isinstance(content, list) else []):
            if part["type"] not in ("text", "refusal"):
                raise _unsupported(
                    f"messages[{i}].content[{j}]", "The lab's models read text only."
                )
        for j, call in enumerate(message.get("tool_calls") or []):
            if call["type"] != "function":
                raise _unsupported(
                    f"messages[{i}].tool_calls[{j}]", "Only functions are supported."
                )
    return messages


def _max_tokens(body: dict[str, Any], prompt_tokens: int, context: int) -> int:
    names = [n for n in ("max_completion_tokens", "max_tokens") if body.get(n) is not None]
    if len(names) == 2:
        raise ApiError(
            400,
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "invalid_parameter_combination",
            "max_tokens",
        )
    wanted = body[names[0]] if names else None
    if wanted is not None and wanted < 1:
        message = (
            f"Invalid '{names[0]}': integer below minimum value. Expected a value >= 1, "
            f"but got {wanted} instead."
        )
        raise ApiError(400, message, "integer_below_min_value", names[0])
    limit = f"This model's maximum context length is {context} tokens. However, "
    if prompt_tokens >= context:
        raise ApiError(
            400,
            f"{limit}your messages resulted in {prompt_tokens} tokens. Please "
            "reduce the length of the messages.",
            "context_length_exceeded",
            "messages",
        )
    if wanted is None:
        return min(DEFAULT_MAX_TOKENS, context - prompt_tokens)
    if prompt_tokens + wanted > context:
        raise ApiError(
            400,
            f"{limit}you requested {prompt_tokens + wanted} tokens "
            f"({prompt_tokens} in the messages, {wanted} in the completion). Please "
            "reduce the length of the messages or completion.",
            "context_length_exceeded",
            "messages",
        )
    return wanted


# Tools and structured output


def _tools(body: dict[str, Any]) -> tuple[list[dict], str | dict]:
    """The functions that may be called, and the choice: none, auto, required, or one by name."""
    tools = body.get("tools") or []
    if len(tools) > MAX_TOOLS:
        raise ApiError(
            400,
            f"Invalid 'tools': array too long. Expected an array with maximum "
            f"length {MAX_TOOLS}, but got length {len(tools)} instead.",
            "array_above_max_length",
            "tools",
        )
    for i, tool in enumerate(tools):
        if tool["type"] != "function":
            raise _unsupported(f"tools[{i}].type", "Only tools of type 'function' are supported.")
        function, where = tool["function"], f"tools[{i}].function"
        if not _FUNCTION_NAME.fullmatch(function["name"]):
            message = (
                f"Invalid '{where}.name': letters, digits, underscores and hyphens are "
                "allowed, 64 at most."
            )
            raise ApiError(400, message, "invalid_value", f"{where}.name")
        if function.get("strict"):
            _check_strict(function.get("parameters") or {}, f"{where}.parameters")
    choice = body.get("tool_choice") or ("auto" if tools else "none")
    if choice != "none" and not tools:
        raise ApiError(
            400,
            "'tool_choice' is only allowed when 'tools' are given.",
            "invalid_parameter_combination",
            "tool_choice",
        )
    if isinstance(choice, dict):
        if choice["type"] != "function":
            raise _unsupported(
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


def _constraint(
    body: dict[str, Any], tools: list[dict], choice: str | dict
) -> tuple[str, str, str | None]:
    """Whether the answer is a tool call, how it begins, and the grammar the rest must follow."""
    form = body.get("response_format") or {"type": "text"}
    answer = _format_grammar(form, body)
    if not tools or choice == "none":
        return "never", "", answer and _checked(answer, "response_format")
    forced = choice["function"]["name"] if isinstance(choice, dict) else None
    functions = [t["function"] for t in tools if forced in (None, t["function"]["name"])]
    if choice == "auto":
        # An empty answer, or any text that does not look like the opening of a call.
        other = answer.removeprefix("start: ") if answer else r"/([^<](.|\n)*)?/"
        rule = f"start: call | {other}\ncall: {_call_grammar(functions, '')}"
        return "maybe", "", _checked(rule, "tools")
    # A space belongs to the token after it, so the opening ends before one.
    shared = os.path.commonprefix([_call_head(function) for function in functions])
    opening = shared[: shared.rindex(" ")]
    return "always", opening, _checked(f"start: {_call_grammar(functions, opening)}", "tools")


def _call_head(function: dict[str, Any]) -> str:
    return f'{CALL_OPEN}{{"name": {json.dumps(function["name"])}, "arguments": '


def _call_grammar(functions: list[dict], opening: str) -> str:
    """One of the calls after `opening`, up to the end of its arguments: the rest says nothing."""
    return " | ".join(
        f"{json.dumps(_call_head(f).removeprefix(opening))} "
        f"{_json(f.get('parameters') or {'type': 'object'})}"
        for f in functions
    )


def _format_grammar(form: dict[str, Any], body: dict[str, Any]) -> str | None:
    if form["type"] == "text":
        return None
    if form["type"] == "json_object":
        if "json" not in json.dumps(body["messages"]).lower():
            raise ApiError(
                400,
                "'messages' must contain the word 'json' in some form, to use "
                "'response_format' of type 'json_object'.",
                None,
                "messages",
            )
        return f"start: {_json({'type': 'object'})}"
    described = form["json_schema"]
    if not _FUNCTION_NAME.fullmatch(described["name"]):
        raise ApiError(
            400,
            "Invalid 'response_format.json_schema.name': letters, digits, "
            "underscores and hyphens are allowed, 64 at most.",
            "invalid_value",
            "response_format.json_schema.name",
        )
    if described.get("strict"):
        _check_strict(described.get("schema") or {}, "response_format.json_schema.schema")
    return f"start: {_json(described.get('schema') or {'type': 'object'})}"


def _json(schema: dict[str, Any]) -> str:
    return "%json " + json.dumps(schema | {"x-guidance": _JSON_STYLE})


def _checked(grammar: str, param: str) -> str:
    compiled = llguidance.LLMatcher.grammar_from_lark(grammar)
    if problem := llguidance.LLMatcher.validate_grammar(compiled, None):
        reason = problem.strip().splitlines()[0]
        raise ApiError(400, f"Invalid schema in '{param}': {reason}", "invalid_schema", param)
    return compiled


def _check_strict(schema: Any, where: str) -> None:
    """OpenAI's rules for `strict`: no other properties, every property required, at all depths."""
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            raise ApiError(
                400,
                f"Invalid schema in '{where}': with strict, 'additionalProperties' must be false.",
                "invalid_schema",
                where,
            )
        missing = sorted(set(schema.get("properties", {})) - set(schema.get("required", [])))
        if missing:
            raise ApiError(
                400,
                f"Invalid schema in '{where}': with strict, 'required' must name "
                f"every property; '{missing[0]}' is missing.",
                "invalid_schema",
                where,
            )
    for key in ("properties", "$defs", "definitions"):
        for name, part in (schema.get(key) or {}).items():
            _check_strict(part, f"{where}.{key}.{name}")
    for key in ("anyOf", "oneOf", "allOf"):
        for i, part in enumerate(schema.get(key) or []):
            _check_strict(part, f"{where}.{key}[{i}]")
    _check_strict(schema.get("items"), f"{where}.items")


# Answers


def response(chosen: Plan, completions: list["Completion"]) -> dict[str, Any]:
    """A `chat.completion` object."""
    from openai.types.chat import ChatCompletion

    return ChatCompletion(
        id=new_id("chatcmpl-"),
        object="chat.completion",
        created=now(),
        model=chosen.model,
        choices=[_choice(chosen, i, c) for i, c in enumerate(completions)],
        usage=_usage(chosen, completions),
        service_tier="default",
    ).to_dict(mode="json")


def _choice(chosen: Plan, index: int, completion: "Completion") -> dict[str, Any]:
    calls, reason = _calls(chosen, completion)
    message: dict[str, Any] = {"role": "assistant", "content": completion.text, "refusal": None}
    message["annotations"] = []
    if calls:
        message |= {"content": None, "tool_calls": calls}
    return {
        "index": index,
        "message": message,
        "finish_reason": reason,
        "logprobs": _logprobs(completion),
    }


def _calls(chosen: Plan, completion: "Completion") -> tuple[list[dict], str]:
    """The tool call in an answer, if it is one, and the finish reason."""
    head = f'{CALL_OPEN}{{"name": '
    text, reason = chosen.opening + completion.text, completion.finish_reason
    if chosen.calls == "never" or not text.startswith(head):
        return [], reason
    name, arguments = "", ""  # cut off within the name, nothing more is known
    with contextlib.suppress(ValueError):
        name, end = json.JSONDecoder().raw_decode(text, len(head))
        arguments = text[end:].removeprefix(', "arguments":').lstrip()
        json.loads(arguments)
        reason = "tool_calls"
    call = {"name": name, "arguments": arguments}
    return [{"id": new_id("call_"), "type": "function", "function": call}], reason


def _usage(chosen: Plan, completions: list["Completion"]) -> dict[str, Any]:
    written = sum(len(completion.tokens) for completion in completions)
    return {
        "prompt_tokens": chosen.prompt_tokens,
        "completion_tokens": written,
        "total_tokens": chosen.prompt_tokens + written,
        "prompt_tokens_details": {
            "cached_tokens": min(completion.cached_tokens for completion in completions),
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _logprobs(completion: "Completion") -> dict[str, Any] | None:
    if completion.logprobs is None:
        return None
    content = [
        _logprob(t.text, t.logprob) | {"top_logprobs": [_logprob(*pair) for pair in t.top]}
        for t in completion.logprobs
    ]
    return {"content": content, "refusal": None}


def _logprob(text: str, logprob: float) -> dict[str, Any]:
    # JSON has no minus infinity; OpenAI writes -9999 for "impossible" too.
    return {"token": text, "logprob": max(logprob, -9999.0), "bytes": list(text.encode())}


# Streams

Submit = Callable[["Request"], "Future[Completion]"]


async def stream(chosen: Plan, submit: Submit) -> AsyncIterator[str]:
    """The answer as server-sent events; leaving the loop early cancels the work."""
    from openai.types.chat import ChatCompletionChunk

    head = {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": now(),
        "model": chosen.model,
        "service_tier": "default",
    }
    if chosen.include_usage:
        head["usage"] = None

    def event(choices: list[dict], **more: Any) -> str:
        chunk = ChatCompletionChunk(**(head | {"choices": choices} | more))
        return f"data: {json.dumps(chunk.to_dict(mode='json'))}\n\n"

    def delta(index: int, reason: str | None = None, logprobs: Any = None, **values: Any) -> str:
        return event(
            [{"index": index, "delta": values, "finish_reason": reason, "logprobs": logprobs}]
        )

    news, futures = _start(chosen, submit)
    completions: dict[int, Completion] = {}
    shown = [0] * len(futures)  # characters sent of each answer
    text = [""] * len(futures)
    try:
        for index in range(len(futures)):
            yield delta(index, role="assistant", content="", refusal=None)
        while len(completions) < len(futures):
            index, piece = await news.get()
            if isinstance(piece, str):
                text[index] += piece
                if _is_text(chosen, text[index]):
                    yield delta(index, content=text[index][shown[index] :])
                    shown[index] = len(text[index])
                continue
            completion = completions[index] = piece.result()
            calls, reason = _calls(chosen, completion)
            if calls:
                yield delta(index, tool_calls=[{"index": i} | call for i, call in enumerate(calls)])
            elif rest := completion.text[shown[index] :]:
                yield delta(index, content=rest)
            yield delta(index, reason, _logprobs(completion))
        if chosen.include_usage:
            usage = _usage(chosen, list(completions.values()))
            yield event([], usage=usage)
        yield "data: [DONE]\n\n"
    except Exception as error:  # headers are sent: the fault can only be told inside the stream
        body = engine_error(error).body()
        yield f"data: {json.dumps(body)}\n\n"
    finally:
        for future in futures:
            future.cancel()


def _start(chosen: Plan, submit: Submit) -> tuple[asyncio.Queue, list[Future]]:
    """Submit all requests; their texts, then their futures, arrive in one queue."""
    loop, news = asyncio.get_running_loop(), asyncio.Queue()

    def tell(index: int, what: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the server is stopping: its loop is closed
            loop.call_soon_threadsafe(news.put_nowait, (index, what))

    futures = []
    for index, request in enumerate(chosen.requests):
        request.on_text = lambda piece, _, index=index: tell(index, piece)
        future = submit(request)
        future.add_done_callback(lambda done, index=index: tell(index, done))
        futures.append(future)
    return news, futures


def _is_text(chosen: Plan, text: str) -> bool:
    """Whether what has been written so far is to be shown: it can't become a tool call."""
    if chosen.calls == "never":
        return True
    return chosen.calls == "maybe" and not text.startswith(CALL_OPEN[: len(text)])


def engine_error(error: BaseException) -> ApiError:
    """What the client is told when the engine could not answer."""
    if isinstance(error, ValueError):
        return ApiError(400, str(error), "invalid_schema")
    return ApiError(
        500, f"The model could not answer: {error}", "engine_error", kind="server_error"
    )

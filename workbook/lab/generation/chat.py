"""Chat completions: from OpenAI's request to the engine's, and from its answer back.

What an answer must look like, `constraint` says. Knows nothing of sockets, keys or stored records.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbook.lab import schema
from workbook.lab.generation import parameters, structured_output
from workbook.lab.generation.parameters import unsupported
from workbook.lab.model.tokenizer import CALL_OPEN, TemplateError, Tokenizer
from workbook.lab.schema import ApiError
from workbook.lab.state.store import new_id, now

if TYPE_CHECKING:
    from workbook.lab.serving.engine import Completion, Request, TokenLogprob

DEFAULT_MAX_TOKENS = 512  # a small model may never stop; OpenAI's default is the whole context
MAX_MESSAGES = 2048  # documented by OpenAI, not in its spec

# What OpenAI's models honour and the lab does not.
_UNSUPPORTED = (
    "audio",
    "function_call",
    "functions",
    "moderation",
    "prediction",
    "reasoning_effort",
    "store",
    "verbosity",
    "web_search_options",
)


@dataclass(frozen=True)
class Plan:
    """A checked request (see `sampling.Plan`)."""

    model: str
    requests: list["Request"]
    calls: str  # "never", "maybe" or "always" a tool call
    opening: str  # how the answer begins: read with the prompt instead of written, so it is fast
    stream: bool
    include_usage: bool

    def answer(self, completions: list["Completion"]) -> dict[str, Any]:
        """A `chat.completion` object."""
        from openai.types.chat import ChatCompletion

        return ChatCompletion(
            id=new_id("chatcmpl-"),
            object="chat.completion",
            created=now(),
            model=self.model,
            choices=[_choice(self, i, c) for i, c in enumerate(completions)],
            usage=self.usage(completions),
            service_tier="default",
        ).to_dict(mode="json")

    def chunks(self) -> "_Chunks":
        """The same as `chat.completion.chunk` objects."""
        return _Chunks(self)

    def usage(self, completions: list["Completion"]) -> dict[str, Any]:
        """The prompt counts once, however many answers there are."""
        return parameters.usage(len(self.requests[0].prompt), completions)


def plan(body: dict[str, Any], tokenizer: Tokenizer, context: int, adapter: Path | None) -> Plan:
    """Check a request of the spec's CreateChatCompletionRequest. Raises ApiError (400)."""
    schema.check("CreateChatCompletionRequest", body)
    schema.check_metadata(body.get("metadata"))
    parameters.refuse(body, _UNSUPPORTED)
    if set(body.get("modalities") or ["text"]) != {"text"}:
        raise unsupported("modalities", "The lab's models write text only.")
    include_usage = parameters.wants_usage(body)
    tools, choice = structured_output.tools_of(body)
    calls, opening, grammar = structured_output.of(body, tools, choice)
    prompt = _prompt(body, tools, tokenizer) + tokenizer.encode(opening)
    max_tokens = _max_tokens(body, len(prompt), context)
    top = _top_logprobs(body)
    from workbook.lab.serving.engine import (
        Request,
    )  # brings torch: not before the request is known good

    return Plan(
        model=body["model"],
        requests=[
            Request(
                prompt=prompt,
                max_tokens=max_tokens,
                top_logprobs=top,
                grammar=grammar,
                adapter=adapter,
                **parameters.settings(body, number, tokenizer.size),
            )
            for number in range(parameters.value(body, "n", 1))
        ],
        calls=calls,
        opening=opening,
        stream=bool(body.get("stream")),
        include_usage=include_usage,
    )


def _prompt(body: dict[str, Any], tools: list[dict], tokenizer: Tokenizer) -> list[int]:
    try:
        return tokenizer.chat_prompt(_messages(body), tools or None)
    except TemplateError as error:
        raise ApiError(400, str(error), "invalid_value", "messages") from None


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
                raise unsupported(f"messages[{i}].content[{j}]", "The lab's models read text only.")
        for j, call in enumerate(message.get("tool_calls") or []):
            if call["type"] != "function":
                raise unsupported(f"messages[{i}].tool_calls[{j}]", "Only functions are supported.")
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
    name = names[0] if names else "max_tokens"
    return parameters.max_tokens(
        body.get(name), name, "messages", prompt_tokens, DEFAULT_MAX_TOKENS, context
    )


def _top_logprobs(body: dict[str, Any]) -> int | None:
    """How many alternatives to name for each token; None: not even its own probability."""
    if body.get("logprobs"):
        return body.get("top_logprobs") or 0
    if body.get("top_logprobs") is not None:
        raise ApiError(
            400,
            "'top_logprobs' needs 'logprobs' to be true.",
            "invalid_parameter_combination",
            "top_logprobs",
        )
    return None


# Answers


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
        "logprobs": None if completion.logprobs is None else _logprobs(completion.logprobs),
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


def _logprobs(tokens: list["TokenLogprob"]) -> dict[str, Any]:
    content = [
        _logprob(token) | {"top_logprobs": [_logprob(other) for other in token.top]}
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def _logprob(token: "TokenLogprob") -> dict[str, Any]:
    logprob = parameters.logarithm(token.logprob)
    return {"token": token.text, "logprob": logprob, "bytes": list(token.raw)}


# Streams


class _Chunks:
    """One stream (see `streams.Chunks`). What may become a tool call is held back."""

    def __init__(self, chosen: Plan) -> None:
        self._plan = chosen
        self._head = {
            "id": new_id("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": now(),
            "model": chosen.model,
            "service_tier": "default",
        }
        if chosen.include_usage:
            self._head["usage"] = None
        count = len(chosen.requests)
        self._text, self._shown = [""] * count, [0] * count  # written; characters of it sent
        self._held: list[list[TokenLogprob]] = [[] for _ in range(count)]  # not yet sent

    def begin(self, index: int) -> Iterator[dict[str, Any]]:
        yield self._delta(index, role="assistant", content="", refusal=None)

    def text(
        self, index: int, piece: str, logprobs: list["TokenLogprob"]
    ) -> Iterator[dict[str, Any]]:
        self._text[index] += piece
        self._held[index] += logprobs
        if _is_text(self._plan, self._text[index]):
            yield from self._rest(index, self._text[index])

    def end(self, index: int, completion: "Completion") -> Iterator[dict[str, Any]]:
        calls, reason = _calls(self._plan, completion)
        if calls:
            calls = [{"index": number} | call for number, call in enumerate(calls)]
            yield self._delta(index, tool_calls=calls)
        else:
            yield from self._rest(index, completion.text)
        yield self._delta(index, reason)

    def close(self, completions: list["Completion"]) -> Iterator[dict[str, Any]]:
        if self._plan.include_usage:
            yield self._chunk([], usage=self._plan.usage(completions))

    def _rest(self, index: int, text: str) -> Iterator[dict[str, Any]]:
        """What of the text has not been sent, with its logprobs."""
        held, rest = self._held[index], text[self._shown[index] :]
        if rest or held:
            self._held[index], self._shown[index] = [], len(text)
            yield self._delta(index, logprobs=_logprobs(held) if held else None, content=rest)

    def _delta(
        self, index: int, reason: str | None = None, logprobs: Any = None, **values: Any
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": values, "finish_reason": reason, "logprobs": logprobs}
        return self._chunk([choice])

    def _chunk(self, choices: list[dict], **more: Any) -> dict[str, Any]:
        from openai.types.chat import ChatCompletionChunk

        return ChatCompletionChunk(**(self._head | {"choices": choices} | more)).to_dict(
            mode="json"
        )


def _is_text(chosen: Plan, text: str) -> bool:
    """Whether what has been written so far is to be shown: it can't become a tool call."""
    if chosen.calls == "never":
        return True
    return chosen.calls == "maybe" and not text.startswith(CALL_OPEN[: len(text)])

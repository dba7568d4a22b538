"""Chat completions: OpenAI's request, checked and turned into a plan for the engine.

What an answer must look like, `structured_output` says; how it is sent, `chat_answers`. Knows
nothing of sockets, keys or stored records.
"""

from pathlib import Path
from typing import Any

from workbook.lab import schema, schema_errors
from workbook.lab.errors import ApiError
from workbook.lab.generation import parameters, structured_output
from workbook.lab.generation.chat_answers import ChatPlan
from workbook.lab.generation.parameters import unsupported
from workbook.lab.model.tokenizer import TemplateError, Tokenizer
from workbook.lab.serving.types import Request

DEFAULT_MAX_TOKENS = 512  # a small model may never stop; OpenAI's default is the whole context

# What OpenAI's models honour and the lab does not.
_UNSUPPORTED = (
    "audio",
    "function_call",
    "functions",
    "moderation",
    "prediction",
    "reasoning_effort",
    "verbosity",
    "web_search_options",
)


def prepare(
    body: dict[str, Any], tokenizer: Tokenizer, context: int, adapter: Path | None
) -> ChatPlan:
    """Check a request of OpenAI's CreateChatCompletionRequest.

    context: tokens of prompt and answer together that the model can read.
    adapter: a tuned model's folder; None is the base.
    Raises ApiError (400).
    """
    body = schema.check("CreateChatCompletionRequest", body)
    if "metadata" in body and not body.get("store"):
        raise parameters.only_with("metadata", "store")
    parameters.refuse(body, _UNSUPPORTED)
    if set(body.get("modalities") or ["text"]) != {"text"}:
        raise unsupported("modalities", "The lab's models write text only.")
    include_usage = parameters.wants_usage(body)
    tools, choice = structured_output.tools_of(body)
    constraint = structured_output.constraint(body, tools, choice)
    prompt = _prompt(body, tools, tokenizer) + tokenizer.encode(constraint.opening)
    max_tokens = _max_tokens(body, len(prompt), context)
    top_logprobs = _top_logprobs(body)
    return ChatPlan(
        model=body["model"],
        requests=[
            Request(
                prompt=prompt,
                max_tokens=max_tokens,
                top_logprobs=top_logprobs,
                grammar=constraint.grammar,
                adapter=adapter,
                **parameters.settings(body, number, tokenizer.size),
            )
            for number in range(parameters.value(body, "n", 1))
        ],
        calls=constraint.calls,
        opening=constraint.opening,
        stream=bool(body.get("stream")),
        include_usage=include_usage,
    )


def _prompt(body: dict[str, Any], tools: list[dict], tokenizer: Tokenizer) -> list[int]:
    try:
        return tokenizer.chat_prompt(_messages(body), tools or None)
    except TemplateError as error:
        raise ApiError(400, str(error), "invalid_value", "messages") from None


def _messages(body: dict[str, Any]) -> list[dict]:
    messages: list[dict] = body["messages"]
    for i, message in enumerate(messages):
        content = message.get("content")
        for j, part in enumerate(content if isinstance(content, list) else []):
            if part["type"] not in ("text", "refusal"):
                raise unsupported(f"messages[{i}].content[{j}]", "The lab's models read text only.")
        if content is None and not _has_other_content(message):
            text = "Invalid value for 'content': expected a string, got null."
            raise ApiError(400, text, None, f"messages.[{i}].content")
        if "tool_calls" in message and message["role"] != "assistant":
            raise schema_errors.unknown(f"messages[{i}].tool_calls")
        for j, call in enumerate(message.get("tool_calls") or []):
            if call["type"] != "function":
                raise unsupported(f"messages[{i}].tool_calls[{j}]", "Only functions are supported.")
    _check_calls(messages)
    return messages


def _has_other_content(message: dict) -> bool:
    """What may stand for an assistant's content: a call, a refusal."""
    others = ("tool_calls", "function_call", "refusal", "audio")
    return message["role"] == "assistant" and any(name in message for name in others)


def _check_calls(messages: list[dict]) -> None:
    """Every call of a tool must be answered, right after it, and nothing else be answered."""
    call_ids: set[str] = set()  # ids of the last assistant's calls
    waiting: set[str] = set()  # those of them without an answer
    for i, message in enumerate([*messages, {"role": "nobody"}]):
        if message["role"] == "tool":
            call_id, param = message["tool_call_id"], f"messages.[{i}]"
            if not call_ids:
                text = (
                    "Invalid parameter: messages with role 'tool' must be a response to a "
                    "preceeding message with 'tool_calls'."
                )
                raise ApiError(400, text, None, f"{param}.role")
            if call_id not in call_ids:
                text = (
                    f"Invalid parameter: 'tool_call_id' of '{call_id[:80]}' not found in "
                    "'tool_calls' of previous message."
                )
                raise ApiError(400, text, None, f"{param}.tool_call_id")
            waiting.discard(call_id)
            continue
        if waiting:
            text = (
                "An assistant message with 'tool_calls' must be followed by tool messages "
                "responding to each 'tool_call_id'. The following tool_call_ids did not have "
                f"response messages: {', '.join(sorted(waiting))[:400]}"
            )
            raise ApiError(400, text, None, f"messages.[{min(i, len(messages) - 1)}].role")
        call_ids = set()
        for call in message.get("tool_calls") or []:
            if call["id"] in call_ids:
                text = (
                    f"Invalid parameter: Duplicate value for 'tool_call_id' of '{call['id']}' in "
                    f"message[{i}]."
                )
                raise ApiError(400, text, None, f"messages.[{i}].tool_calls")
            call_ids.add(call["id"])
        waiting = set(call_ids)


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
    count: int | None = body.get("top_logprobs")
    if body.get("logprobs"):
        return count or 0
    if count is not None:
        raise parameters.only_with("top_logprobs", "logprobs")
    return None

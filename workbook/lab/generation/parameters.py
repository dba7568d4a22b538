"""What chat and the older completions share: settings of the engine, limits, counts, faults.

Knows requests and answers as OpenAI's bodies; knows nothing of messages, templates or sockets.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from workbook.lab.schema import ApiError

if TYPE_CHECKING:
    from workbook.lab.api.streams import Chunks
    from workbook.lab.serving.engine import Completion, Request


class Plan(Protocol):
    """A checked request: what the engine is to do, and how its answers are to be shaped."""

    requests: "list[Request]"
    stream: bool

    def answer(self, completions: "list[Completion]") -> dict[str, Any]:
        """The object that is sent when all is done."""

    def chunks(self) -> "Chunks":
        """What is sent meanwhile, when the answer is streamed."""


def value(body: dict[str, Any], name: str, default: Any) -> Any:
    """What was asked for; null is the same as nothing."""
    return default if body.get(name) is None else body[name]


def unsupported(param: str, message: str) -> ApiError:
    """What OpenAI's models honour and the lab does not: saying so beats ignoring it."""
    return ApiError(400, message, "unsupported_parameter", param)


def refuse(body: dict[str, Any], names: Iterable[str]) -> None:
    """Raise ApiError (400) when one of these parameters, which the lab lacks, is used."""
    for name in names:
        if body.get(name):
            raise unsupported(name, f"'{name}' is not supported by the lab: leave it out.")


def settings(body: dict[str, Any], number: int, vocabulary: int) -> dict[str, Any]:
    """The engine's settings for the answer with this number, of the n that are wanted.

    vocabulary: how many tokens the model knows. Raises ApiError (400).
    """
    stop, seed = body.get("stop") or (), body.get("seed")
    return {
        "temperature": value(body, "temperature", 1.0),
        "top_p": value(body, "top_p", 1.0),
        "stop": (stop,) if isinstance(stop, str) else tuple(s for s in stop if s),
        "seed": None if seed is None else (seed + number) % 2**63,
        "frequency_penalty": value(body, "frequency_penalty", 0.0),
        "presence_penalty": value(body, "presence_penalty", 0.0),
        "logit_bias": _logit_bias(value(body, "logit_bias", {}), vocabulary),
    }


def _logit_bias(given: dict[str, int], vocabulary: int) -> dict[int, int]:
    for token, bias in given.items():
        number = token.isascii() and token.isdigit() and len(token) < 20  # int() has a limit
        if not (number and int(token) < vocabulary):
            message = (
                f"Invalid key in 'logit_bias': {token[:40]!r} is not a token of this model. Its "
                f"tokens are the numbers from 0 to {vocabulary - 1}; `POST /v1/lab/loss_mask` shows "
                "those of a text."
            )
            raise ApiError(400, message, "invalid_value", "logit_bias")
        if not -100 <= bias <= 100:
            message = f"Invalid 'logit_bias': {bias} for token {token}; it goes from -100 to 100."
            raise ApiError(400, message, "invalid_value", "logit_bias")
    return {int(token): bias for token, bias in given.items()}


def max_tokens(
    wanted: int | None,
    name: str,
    prompt: str,
    size: int,
    default: int,
    context: int,
    least: int = 1,
) -> int:
    """How many tokens may be written. Raises ApiError (400).

    wanted: the parameter `name`. prompt: the parameter that the `size` tokens come from.
    """
    if wanted is not None and wanted < least:
        message = (
            f"Invalid '{name}': integer below minimum value. Expected a value >= {least}, "
            f"but got {wanted} instead."
        )
        raise ApiError(400, message, "integer_below_min_value", name)
    limit = f"This model's maximum context length is {context} tokens. However, "
    if size >= context:
        message = f"{limit}your {prompt} resulted in {size} tokens. Please reduce its length."
        raise ApiError(400, message, "context_length_exceeded", prompt)
    if wanted is not None and size + wanted > context:
        message = (
            f"{limit}you requested {size + wanted} tokens ({size} in the {prompt}, {wanted} in "
            f"the completion). Please reduce the length of the {prompt} or completion."
        )
        raise ApiError(400, message, "context_length_exceeded", prompt)
    return min(default, context - size) if wanted is None else wanted


def wants_usage(body: dict[str, Any]) -> bool:
    """Whether a stream ends with the counts. Raises ApiError (400)."""
    options = body.get("stream_options") or {}
    if options and not body.get("stream"):
        raise ApiError(
            400,
            "'stream_options' is only allowed when 'stream' is true.",
            "invalid_parameter_combination",
            "stream_options",
        )
    return bool(options.get("include_usage"))


def usage(prompt_tokens: int, completions: "list[Completion]") -> dict[str, Any]:
    """A `usage` object."""
    written = sum(len(completion.tokens) for completion in completions)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": written,
        "total_tokens": prompt_tokens + written,
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


def logarithm(logprob: float) -> float:
    """A log-probability that JSON can hold: OpenAI, too, writes -9999 for "impossible"."""
    return max(logprob, -9999.0)


def engine_error(error: BaseException) -> ApiError:
    """What the client is told when the engine could not answer."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ValueError):
        return ApiError(400, str(error), "invalid_schema")
    return ApiError(
        500, f"The model could not answer: {error}", "engine_error", kind="server_error"
    )

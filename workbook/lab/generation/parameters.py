"""What the requests of chat and of the older completions share: the engine's settings, limits.

Knows OpenAI's parameters; knows nothing of messages, templates, answers or sockets.
"""

from collections.abc import Iterable
from typing import Any, TypedDict

from workbook.lab.errors import ApiError


class Settings(TypedDict):
    """The fields of an engine's `Request` that both kinds of requests set alike."""

    temperature: float
    top_p: float
    stop: tuple[str, ...]
    seed: int | None
    frequency_penalty: float
    presence_penalty: float
    logit_bias: dict[int, int]


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


def settings(body: dict[str, Any], number: int, vocabulary: int) -> Settings:
    """The engine's settings for the answer with this number, of the n that are asked for.

    vocabulary: how many tokens the model knows.
    Raises ApiError (400).
    """
    stop, seed = body.get("stop") or (), body.get("seed")
    return {
        "temperature": value(body, "temperature", 1.0),
        "top_p": value(body, "top_p", 1.0),
        "stop": (stop,) if isinstance(stop, str) else tuple(s for s in stop if s),
        "seed": None if seed is None else (_whole(seed) + number) % 2**63,
        "frequency_penalty": value(body, "frequency_penalty", 0.0),
        "presence_penalty": value(body, "presence_penalty", 0.0),
        "logit_bias": _logit_bias(value(body, "logit_bias", {}), vocabulary),
    }


def _whole(seed: int | float) -> int:
    """A seed of 64 bits; 1e30 is a whole number for JSON Schema, and none for Python."""
    if not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
        side, end = ("above", "max") if seed > 0 else ("below", "min")
        message = f"Invalid 'seed': integer {side} {end}imum value. It must fit into 64 bits."
        raise ApiError(400, message, f"integer_{side}_{end}_value", "seed")
    return seed


def _logit_bias(biases: dict[str, int], vocabulary: int) -> dict[int, int]:
    for token, bias in biases.items():
        number = token.isascii() and token.isdigit() and len(token) < 20  # int() has a limit
        if not (number and int(token) < vocabulary):
            message = (
                f"Invalid key in 'logit_bias': {token[:40]!r} is not a token of this model. Its "
                f"tokens are the numbers from 0 to {vocabulary - 1}; `POST /v1/lab/loss_mask` "
                "shows those of a text."
            )
            raise ApiError(400, message, "invalid_value", "logit_bias")
        if not -100 <= bias <= 100:
            message = f"Invalid 'logit_bias': {bias} for token {token}; it goes from -100 to 100."
            raise ApiError(400, message, "invalid_value", "logit_bias")
    return {int(token): bias for token, bias in biases.items()}


def max_tokens(
    limit: int | None,
    name: str,
    prompt: str,
    size: int,
    default: int,
    context: int,
    least: int = 1,
) -> int:
    """How many tokens may be written.

    limit: the request's parameter `name`.
    prompt: the parameter that the `size` tokens of the prompt come from.
    default: where there is no limit, and the context has room.
    context: tokens of prompt and answer together that the model can read.
    least: the smallest limit that makes sense.
    Raises ApiError (400).
    """
    if limit is not None and limit < least:
        message = (
            f"Invalid '{name}': integer below minimum value. Expected a value >= {least}, "
            f"but got {limit} instead."
        )
        raise ApiError(400, message, "integer_below_min_value", name)
    context_limit = f"This model's maximum context length is {context} tokens. However, "
    if size >= context:
        message = (
            f"{context_limit}your {prompt} resulted in {size} tokens. Please reduce its length."
        )
        raise ApiError(400, message, "context_length_exceeded", prompt)
    if limit is not None and size + limit > context:
        message = (
            f"{context_limit}you requested {size + limit} tokens ({size} in the {prompt}, {limit} "
            f"in the completion). Please reduce the length of the {prompt} or completion."
        )
        raise ApiError(400, message, "context_length_exceeded", prompt)
    return min(default, context - size) if limit is None else limit


def wants_usage(body: dict[str, Any]) -> bool:
    """Whether a stream ends with the counts. Raises ApiError (400)."""
    if "stream_options" in body and not body.get("stream"):
        raise only_with("stream_options", "stream")
    return bool(body.get("stream_options", {}).get("include_usage"))


def only_with(name: str, switch: str) -> ApiError:
    """The refusal of a parameter that another one must switch on first."""
    message = f"The '{name}' parameter is only allowed when '{switch}' is enabled."
    return ApiError(400, message, None, name)

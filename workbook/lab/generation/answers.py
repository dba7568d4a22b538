"""What the answers of all endpoints share: counts, logprobs, tool calls, faults.

Knows the engine's completions and OpenAI's `usage`; knows nothing of requests or sockets.
"""

import contextlib
import hashlib
import json
from typing import NamedTuple

from openai.types import CompletionUsage
from openai.types.completion_usage import CompletionTokensDetails, PromptTokensDetails

from workbook.lab import __version__
from workbook.lab.errors import ApiError
from workbook.lab.ids import base_of
from workbook.lab.model.tokenizer import CALL_OPEN
from workbook.lab.serving.types import Completion, TokenLogprob


def usage(prompt_tokens: int, completions: list[Completion]) -> CompletionUsage:
    """A `usage` object.

    prompt_tokens: of all prompts, each counted once.
    """
    completion_tokens = sum(len(completion.tokens) for completion in completions)
    return CompletionUsage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        prompt_tokens_details=PromptTokensDetails(
            cached_tokens=min(completion.cached_tokens for completion in completions),
            audio_tokens=0,
        ),
        completion_tokens_details=CompletionTokensDetails(
            reasoning_tokens=0,
            audio_tokens=0,
            accepted_prediction_tokens=0,
            rejected_prediction_tokens=0,
        ),
    )


class CallText(NamedTuple):
    """A tool call as far as it was written; arguments that were cut off are no whole JSON."""

    name: str
    arguments: str

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        with contextlib.suppress(ValueError):
            json.loads(self.arguments)
            return True
        return False


_CALL_HEAD = f'{CALL_OPEN}{{"name": '
_ARGUMENTS = ', "arguments": '


def call_text(text: str) -> CallText | None:
    """The tool call that an answer is; None where it is none, or not yet as far as its arguments.

    text: with the opening that the answer was given.
    """
    if not text.startswith(_CALL_HEAD):
        return None
    try:
        name, end = json.JSONDecoder().raw_decode(text, len(_CALL_HEAD))
    except ValueError:
        return None
    if not text.startswith(_ARGUMENTS.rstrip(), end):
        return None
    return CallText(name, text[end:].removeprefix(_ARGUMENTS.rstrip()).lstrip())


def may_be_call(text: str) -> bool:
    """Whether a text that begins so may become a tool call."""
    return text.startswith(CALL_OPEN[: len(text)])


def fingerprint(model: str) -> str:
    """OpenAI's `system_fingerprint`: the same where the same lab answers with the same base."""
    setup = f"{__version__} {base_of(model)}"
    return f"fp_{hashlib.sha256(setup.encode()).hexdigest()[:10]}"


def finite_logprob(token: TokenLogprob) -> float:
    """A token's log-probability, as JSON can hold it: of the impossible, -9999, as OpenAI's."""
    assert token.logprob is not None  # only a prompt's first token has none: nothing precedes it
    return max(token.logprob, -9999.0)


def engine_error(error: BaseException) -> ApiError:
    """What the client is told when the engine could not answer."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ValueError):
        return ApiError(400, str(error), "invalid_schema")
    if isinstance(error, FileNotFoundError):  # between the look for it and its loading
        return ApiError(404, "The model was deleted just now.", "model_not_found", "model")
    return ApiError(
        500, f"The model could not answer: {error}", "engine_error", kind="server_error"
    )

"""What the answers of chat and of the older completions share: counts, logprobs, faults.

Knows the engine's completions and OpenAI's `usage`; knows nothing of requests or sockets.
"""

from openai.types import CompletionUsage
from openai.types.completion_usage import CompletionTokensDetails, PromptTokensDetails

from workbook.lab.errors import ApiError
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
    return ApiError(
        500, f"The model could not answer: {error}", "engine_error", kind="server_error"
    )

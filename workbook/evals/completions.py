"""From a ChatCompletion to an `Answer`: its text, tokens, probabilities, price.

Knows OpenAI's types. Knows nothing of sending and of files.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbook.errors import WorkbookError
from workbook.evals.answers import Answer
from workbook.prices import costs

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

_OPENAI = "api.openai.com"
LOCAL = "localhost"


def host_of(client: Any) -> str:
    """The name of the machine that a client talks to; one name for this machine, on any port."""
    host = client.base_url.host
    return LOCAL if host in ("127.0.0.1", "::1", "localhost") else host


def text_of(completion: "ChatCompletion") -> str:
    """What the model said: the text, or what it handed to the first tool that it called."""
    from openai.types.chat import ChatCompletionMessageCustomToolCall

    message = completion.choices[0].message
    if not message.tool_calls:
        return message.content or message.refusal or ""
    call = message.tool_calls[0]
    if isinstance(call, ChatCompletionMessageCustomToolCall):
        return call.custom.input
    return call.function.arguments  # some hosts name no type of call


def answer(
    completion: "ChatCompletion",
    key: str,
    id: str,
    model: str,
    host: str,
    seed: int | None = None,
    seconds: float | None = None,
    batch: bool = False,
) -> Answer:
    """What is kept of a completion. batch: it came through the Batch API, at that price."""
    choice, usage = completion.choices[0], completion.usage
    prompt = usage.prompt_tokens if usage else 0  # some hosts don't count
    written = usage.completion_tokens if usage else 0
    details = usage.prompt_tokens_details if usage else None
    cached = (details.cached_tokens or 0) if details else 0
    logprobs = choice.logprobs.content if choice.logprobs else None
    return Answer(
        key=key,
        id=id,
        model=model,
        seed=seed,
        text=text_of(completion),
        finish_reason=choice.finish_reason,
        prompt_tokens=prompt,
        cached_tokens=cached,
        completion_tokens=written,
        logprobs=[token.model_dump(exclude={"bytes"}) for token in logprobs] if logprobs else None,
        seconds=None if seconds is None else round(seconds, 4),
        usd=_usd(host, model, prompt, written, cached, batch) if usage else None,
        at=now(),
    )


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _usd(
    host: str, model: str, prompt: int, written: int, cached: int, batch: bool
) -> float | None:
    """The price of a request: nothing on this machine, OpenAI's at OpenAI, else not known."""
    if host == LOCAL:
        return 0.0
    if host != _OPENAI:
        return None
    try:
        return costs.request_cost(model, prompt, written, min(cached, prompt), batch=batch)
    except WorkbookError:
        return None

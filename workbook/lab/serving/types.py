"""What goes into the engine and what comes out of it: requests, answers, tokens with logprobs.

Plain data, so that whoever makes a request need not wait for torch. Knows nothing of models,
tokenizers or HTTP.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from workbook.lab.owner import current


@dataclass
class TokenLogprob:
    """A token in its place, and how likely it was.

    text: the token as it reads in a table.
    raw: its bytes; half a character can't be shown as text.
    logprob: natural logarithm of its probability; None where nothing stands before it.
    top: the likeliest tokens in its place, the likeliest first.
    """

    text: str
    raw: bytes
    logprob: float | None
    top: list["TokenLogprob"] = field(default_factory=list)


# Called with a piece of text and the logprobs of its tokens.
OnText = Callable[[str, list[TokenLogprob]], None]


@dataclass(kw_only=True)
class SamplingParams:
    """How to choose each next token, by OpenAI's names.

    temperature: 0 takes the likeliest token.
    top_p: draw among the likeliest tokens whose probabilities add up to it (nucleus sampling).
    seed: makes the draws repeatable.
    frequency_penalty: taken from a token's logit for each time that it was written.
    presence_penalty: taken from a token's logit if it was written at all.
    logit_bias: token id -> what is added to its logit.
    grammar: llguidance's, which the answer must follow.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    grammar: str | None = None


@dataclass
class Request(SamplingParams):
    """What to continue, and how.

    prompt: token ids.
    max_tokens: the most to write; 0 only reads the prompt.
    stop: texts before which the answer ends.
    top_logprobs: how many of the likeliest tokens to name in each place; None: no logprobs at all.
    prompt_logprobs: whether to give those of the prompt's tokens, too.
    adapter: a tuned model's folder; None is the base.
    on_text: called from the engine's thread with each piece of text, as soon as it is certain.
    owner: for whom it is; see `workbook.lab.owner`.
    """

    prompt: list[int]
    max_tokens: int
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    prompt_logprobs: bool = False
    adapter: Path | None = None
    on_text: OnText | None = None
    owner: str = field(default_factory=current)


@dataclass
class Completion:
    """An answer.

    tokens: ids of what was written.
    finish_reason: "length" where max_tokens or the model's context was reached.
    logprobs: of the answer's tokens, after the prompt's where the request asks for those.
    cached_tokens: how much of the prompt had been read before, for another request.
    """

    text: str
    tokens: list[int]
    finish_reason: Literal["stop", "length"]
    logprobs: list[TokenLogprob] | None
    cached_tokens: int = 0

"""The older completions: text goes in as it is, and the model writes on.

What models tuned on prompt/completion pairs are asked with: the prompt becomes tokens exactly as
in training, without a chat template. Knows nothing of sockets, keys or stored records.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai.types import Completion as CompletionObject
from openai.types import CompletionChoice, CompletionUsage
from openai.types.completion_choice import Logprobs

from workbook.lab import schema
from workbook.lab.errors import ApiError
from workbook.lab.generation import answers, parameters
from workbook.lab.generation.parameters import unsupported
from workbook.lab.ids import new_id, now
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.serving.types import Completion, Request, TokenLogprob

DEFAULT_MAX_TOKENS = 16  # the spec's
MAX_ANSWERS = 128  # prompts times n: as many as n alone may be


@dataclass(frozen=True)
class CompletionPlan:
    """A checked request (see `plan.Plan`): n answers to the first prompt, n to the next, …

    echoes: what each answer begins with: its prompt, where `echo` is true.
    """

    model: str
    requests: list[Request]
    n: int
    echoes: list[str]
    stream: bool
    include_usage: bool

    def answer(self, completions: list[Completion]) -> dict[str, Any]:
        """A `text_completion` object."""
        choices = [
            _choice(index, self.echoes[index] + each.text, each.logprobs, each.finish_reason)
            for index, each in enumerate(completions)
        ]
        whole = self.text_completion(new_id("cmpl-"), now(), choices)
        whole.usage = self.usage(completions)
        return _as_json(whole)

    def chunks(self) -> "CompletionChunks":
        """Several `text_completion` objects whose texts follow one another."""
        return CompletionChunks(self)

    def usage(self, completions: list[Completion]) -> CompletionUsage:
        """Each prompt counts once, however many answers there are to it."""
        prompts = sum(len(request.prompt) for request in self.requests[:: self.n])
        return answers.usage(prompts, completions)

    def text_completion(
        self, id: str, created: int, choices: list[CompletionChoice]
    ) -> CompletionObject:
        """The object with these choices."""
        return CompletionObject(
            id=id,
            object="text_completion",
            created=created,
            model=self.model,
            choices=choices,
            system_fingerprint=answers.fingerprint(self.model),
        )


def prepare(
    body: dict[str, Any], tokenizer: Tokenizer, context: int, adapter: Path | None
) -> CompletionPlan:
    """Check a request of OpenAI's CreateCompletionRequest.

    context: tokens of prompt and answer together that the model can read.
    adapter: a tuned model's folder; None is the base.
    Raises ApiError (400).
    """
    body = schema.check("CreateCompletionRequest", body)
    if body.get("suffix"):
        raise unsupported("suffix", "The lab's models write on; they can't fill in a gap.")
    n = parameters.value(body, "n", 1)
    if parameters.value(body, "best_of", n) != n:
        raise unsupported("best_of", "The lab returns every answer it writes: 'best_of' must be n.")
    echo = bool(body.get("echo"))
    prompt_logprobs = echo and body.get("logprobs") is not None
    if prompt_logprobs and body.get("stream"):
        raise unsupported("stream", "With both 'echo' and 'logprobs' the lab answers in one piece.")
    include_usage = parameters.wants_usage(body)
    prompts = _prompts(body.get("prompt"), tokenizer)
    if len(prompts) * n > MAX_ANSWERS:
        message = f"{len(prompts)} prompts, {n} answers each: at most {MAX_ANSWERS} are allowed."
        raise ApiError(400, message, "array_above_max_length", "prompt")
    limit = body.get("max_tokens")
    limits = [
        parameters.max_tokens(
            limit, "max_tokens", "prompt", len(prompt), DEFAULT_MAX_TOKENS, context, least=0
        )
        for prompt in prompts
    ]
    return CompletionPlan(
        model=body["model"],
        requests=[
            Request(
                prompt=prompt,
                max_tokens=max_tokens,
                top_logprobs=body.get("logprobs"),
                prompt_logprobs=prompt_logprobs,
                adapter=adapter,
                **parameters.settings(body, number, tokenizer.size),
            )
            for prompt, max_tokens in zip(prompts, limits, strict=True)
            for number in range(n)
        ],
        n=n,
        echoes=[tokenizer.decode(p) if echo else "" for p in prompts for _ in range(n)],
        stream=bool(body.get("stream")),
        include_usage=include_usage,
    )


def _prompts(prompt: Any, tokenizer: Tokenizer) -> list[list[int]]:
    """Token ids of each prompt: a text, tokens, or a list of either. Raises ApiError (400)."""
    if prompt is None:
        prompt = ""
    is_one = isinstance(prompt, str) or (prompt and isinstance(prompt[0], int))
    prompts = [prompt] if is_one else prompt
    if not prompts:
        raise ApiError(400, "Invalid 'prompt': empty array.", "empty_array", "prompt")
    ids = [tokenizer.text_prompt(p) if isinstance(p, str) else p for p in prompts]
    for tokens in ids:
        if unknown := [token for token in tokens if not 0 <= token < tokenizer.size]:
            message = f"Invalid 'prompt': {unknown[0]} is not a token of this model."
            raise ApiError(400, message, "invalid_value", "prompt")
    # A model writes on from something: from the end of another text, if there is no prompt.
    return [tokens or [tokenizer.end_of_text] for tokens in ids]


class CompletionChunks:
    """One stream (see `plan.Chunks`)."""

    named_events, ends_with_done = False, True

    def __init__(self, plan: CompletionPlan) -> None:
        self._plan, self._id, self._created = plan, new_id("cmpl-"), now()
        self._offsets = [0] * len(plan.echoes)  # characters of each answer that were sent

    def begin(self, index: int) -> Iterator[dict[str, Any]]:
        if echo := self._plan.echoes[index]:
            yield self._chunk([_choice(index, echo)])

    def text(
        self, index: int, piece: str, logprobs: list[TokenLogprob]
    ) -> Iterator[dict[str, Any]]:
        yield self._chunk([_choice(index, piece, logprobs or None, None, self._offsets[index])])
        self._offsets[index] += sum(len(token.text) for token in logprobs)

    def end(self, index: int, completion: Completion) -> Iterator[dict[str, Any]]:
        yield self._chunk([_choice(index, "", None, completion.finish_reason)])

    def close(self, completions: list[Completion]) -> Iterator[dict[str, Any]]:
        if self._plan.include_usage:
            yield self._chunk([], self._plan.usage(completions))

    def failure(self, error: ApiError) -> dict[str, Any]:
        return error.body()

    def _chunk(
        self, choices: list[CompletionChoice], usage: CompletionUsage | None = None
    ) -> dict[str, Any]:
        chunk = self._plan.text_completion(self._id, self._created, choices)
        if self._plan.include_usage:
            chunk.usage = usage  # null in all chunks but the last; left out where nobody asked
        return _as_json(chunk)


def _choice(
    index: int,
    text: str,
    logprobs: list[TokenLogprob] | None = None,
    finish_reason: str | None = None,
    offset: int = 0,
) -> CompletionChoice:
    """One of the choices. Built unchecked: a stream's finish_reason is null, against the type.

    offset: characters of the answer before its first token here.
    """
    return CompletionChoice.construct(
        index=index,
        text=text,
        logprobs=None if logprobs is None else _logprobs(logprobs, offset),
        finish_reason=finish_reason,
    )


def _logprobs(tokens: list[TokenLogprob], offset: int) -> Logprobs:
    """Parallel lists; the token itself is always among the alternatives.

    A prompt's first token has no probability: null, twice. So this is built unchecked, too.
    """
    offsets: list[int] = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.text)
    alternatives = [
        None
        if token.logprob is None
        else {each.text: answers.finite_logprob(each) for each in [*token.top, token]}
        for token in tokens
    ]
    return Logprobs.construct(
        tokens=[token.text for token in tokens],
        token_logprobs=[
            None if logprobs is None else logprobs[token.text]
            for token, logprobs in zip(tokens, alternatives, strict=True)
        ],
        top_logprobs=alternatives,
        text_offset=offsets,
    )


def _as_json(completion: CompletionObject) -> dict[str, Any]:
    return completion.to_dict(mode="json", warnings=False)

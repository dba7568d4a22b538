"""The older completions: text goes in as it is, and the model writes on.

What models tuned on prompt/completion pairs are asked with: the prompt becomes tokens exactly as
in training, without a chat template. Knows nothing of sockets, keys or stored records.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbook.lab import schema
from workbook.lab.generation import parameters
from workbook.lab.generation.parameters import unsupported
from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.schema import ApiError
from workbook.lab.state.store import new_id, now

if TYPE_CHECKING:
    from workbook.lab.serving.engine import Completion, Request, TokenLogprob

DEFAULT_MAX_TOKENS = 16  # the spec's
MAX_ANSWERS = 128  # prompts times n: as many as n alone may be


@dataclass(frozen=True)
class Plan:
    """A checked request (see `sampling.Plan`): n answers to the first prompt, n to the next, …"""

    model: str
    requests: list["Request"]
    n: int
    echoes: list[str]  # what each answer begins with: its prompt where `echo` is true
    stream: bool
    include_usage: bool

    def answer(self, completions: list["Completion"]) -> dict[str, Any]:
        """A `text_completion` object."""
        choices = [
            self.choice(i, self.echoes[i] + c.text, c.logprobs, c.finish_reason)
            for i, c in enumerate(completions)
        ]
        return self.body(new_id("cmpl-"), now(), choices, usage=self.usage(completions))

    def chunks(self) -> "_Chunks":
        """Several `text_completion` objects whose texts follow one another."""
        return _Chunks(self)

    def usage(self, completions: list["Completion"]) -> dict[str, Any]:
        """Each prompt counts once, however many answers there are to it."""
        prompts = sum(len(request.prompt) for request in self.requests[:: self.n])
        return parameters.usage(prompts, completions)

    def body(self, id: str, created: int, choices: list[dict], **more: Any) -> dict[str, Any]:
        """The object with these choices. Built unchecked: finish_reason is null in a stream."""
        from openai.types import Completion as Answer

        values = {"created": created, "model": self.model, "choices": choices} | more
        whole = Answer.construct(id=id, object="text_completion", **values)
        return whole.to_dict(mode="json", warnings=False)

    def choice(
        self,
        index: int,
        text: str,
        logprobs: "list[TokenLogprob] | None",
        reason: str | None,
        offset: int = 0,
    ) -> dict[str, Any]:
        """One of the choices; offset: characters before its first token with a logprob."""
        named = None if logprobs is None else _logprobs(logprobs, offset)
        return {"text": text, "index": index, "logprobs": named, "finish_reason": reason}


def plan(body: dict[str, Any], tokenizer: Tokenizer, context: int, adapter: Path | None) -> Plan:
    """Check a request of the spec's CreateCompletionRequest. Raises ApiError (400)."""
    schema.check("CreateCompletionRequest", body)
    if body.get("suffix"):
        raise unsupported("suffix", "The lab's models write on; they can't fill in a gap.")
    n = parameters.value(body, "n", 1)
    if parameters.value(body, "best_of", n) != n:
        raise unsupported("best_of", "The lab returns every answer it writes: 'best_of' must be n.")
    echo = bool(body.get("echo"))
    both = echo and body.get("logprobs") is not None
    if both and body.get("stream"):
        raise unsupported("stream", "With both 'echo' and 'logprobs' the lab answers in one piece.")
    include_usage = parameters.wants_usage(body)
    prompts = _prompts(body.get("prompt"), tokenizer)
    if len(prompts) * n > MAX_ANSWERS:
        message = f"{len(prompts)} prompts, {n} answers each: at most {MAX_ANSWERS} are allowed."
        raise ApiError(400, message, "array_above_max_length", "prompt")
    wanted = body.get("max_tokens")
    most = [
        parameters.max_tokens(
            wanted, "max_tokens", "prompt", len(p), DEFAULT_MAX_TOKENS, context, least=0
        )
        for p in prompts
    ]
    from workbook.lab.serving.engine import (
        Request,
    )  # brings torch: not before the request is known good

    return Plan(
        model=body["model"],
        requests=[
            Request(
                prompt=prompt,
                max_tokens=limit,
                top_logprobs=body.get("logprobs"),
                prompt_logprobs=both,
                adapter=adapter,
                **parameters.settings(body, number, tokenizer.size),
            )
            for prompt, limit in zip(prompts, most, strict=True)
            for number in range(n)
        ],
        n=n,
        echoes=[tokenizer.decode(p) if echo else "" for p in prompts for _ in range(n)],
        stream=bool(body.get("stream")),
        include_usage=include_usage,
    )


def _prompts(given: Any, tokenizer: Tokenizer) -> list[list[int]]:
    """Token ids of each prompt: a text, tokens, or a list of either. Raises ApiError (400)."""
    if given is None:
        given = ""
    alone = isinstance(given, str) or (given and isinstance(given[0], int))
    prompts = [given] if alone else given
    if not prompts:
        raise ApiError(400, "Invalid 'prompt': empty array.", "empty_array", "prompt")
    ids = [tokenizer.text_prompt(p) if isinstance(p, str) else p for p in prompts]
    for prompt in ids:
        if bad := [token for token in prompt if not 0 <= token < tokenizer.size]:
            message = f"Invalid 'prompt': {bad[0]} is not a token of this model."
            raise ApiError(400, message, "invalid_value", "prompt")
    # A model writes on from something: from the end of another text, if there is no prompt.
    return [prompt or [tokenizer.end_of_text] for prompt in ids]


def _logprobs(tokens: "list[TokenLogprob]", offset: int) -> dict[str, Any]:
    """Parallel lists; the token itself is always among the alternatives. A prompt's first token has
    no probability: null, twice."""
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.text)
    likely = [
        None
        if token.logprob is None
        else {each.text: parameters.logarithm(each.logprob) for each in [*token.top, token]}
        for token in tokens
    ]
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [
            None if some is None else some[token.text]
            for token, some in zip(tokens, likely, strict=True)
        ],
        "top_logprobs": likely,
        "text_offset": offsets,
    }


class _Chunks:
    """One stream (see `streams.Chunks`)."""

    def __init__(self, chosen: Plan) -> None:
        self._plan, self._id, self._created = chosen, new_id("cmpl-"), now()
        self._offsets = [0] * len(chosen.echoes)
        self._more = {"usage": None} if chosen.include_usage else {}

    def begin(self, index: int) -> Iterator[dict[str, Any]]:
        if echo := self._plan.echoes[index]:
            yield self._chunk(self._plan.choice(index, echo, None, None))

    def text(
        self, index: int, piece: str, logprobs: "list[TokenLogprob]"
    ) -> Iterator[dict[str, Any]]:
        named = logprobs or None
        yield self._chunk(self._plan.choice(index, piece, named, None, self._offsets[index]))
        self._offsets[index] += sum(len(token.text) for token in logprobs)

    def end(self, index: int, completion: "Completion") -> Iterator[dict[str, Any]]:
        yield self._chunk(self._plan.choice(index, "", None, completion.finish_reason))

    def close(self, completions: "list[Completion]") -> Iterator[dict[str, Any]]:
        if self._plan.include_usage:
            yield self._plan.body(self._id, self._created, [], usage=self._plan.usage(completions))

    def _chunk(self, choice: dict[str, Any]) -> dict[str, Any]:
        return self._plan.body(self._id, self._created, [choice], **self._more)

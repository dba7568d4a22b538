"""One answer being written: its tokens, their text and logprobs, and where it ends.

Samples from logits that it is given, decodes, cuts at stop strings, streams what is certain, and
hands over the answer. Knows the tokenizer; nothing of models, of the other answers, or of HTTP.

Shapes: V rows of the vocabulary.
"""

import bisect
import itertools
from concurrent.futures import Future
from typing import Literal

from torch import Tensor

from workbook.lab.model.tokenizer import Tokenizer
from workbook.lab.serving.sampler import Sampler
from workbook.lab.serving.types import Completion, OnText, Request, TokenLogprob

_numbers = itertools.count()
_HALF = "\ufffd"  # what the tokenizer decodes half a character to


class Sequence:
    """A request, and the tokens of its prompt and answer so far."""

    def __init__(
        self,
        request: Request,
        future: "Future[Completion]",
        sampler: Sampler,
        tokenizer: Tokenizer,
        context: int,
    ) -> None:
        """
        future: gets the answer.
        context: the most tokens, the prompt's included, that the model can read.
        """
        self.request, self.future = request, future
        self._sampler, self._tokenizer, self._context = sampler, tokenizer, context
        self.number = next(_numbers)  # the younger, the higher
        self.tokens = list(request.prompt)
        self.n_computed = 0  # tokens whose keys and values are in the cache
        self.n_cached: int | None = None  # tokens that had been read before, for another request
        self._prompt_logprobs: list[TokenLogprob] = []
        self.restart()
        self._logprobs: list[TokenLogprob] = []
        self._ends: list[int] = []  # characters of text after each of these tokens
        self._sent = 0  # characters handed to on_text
        self._sent_logprobs = 0  # logprobs handed to on_text

    def begin(self, n_cached: int) -> None:
        """It gets a slot, in which so many tokens have been read for others."""
        self.n_computed = n_cached
        if self.n_cached is None:
            self.n_cached = n_cached

    def restart(self) -> None:
        """It has lost its slot: all is to be read again, but for what is known of the prompt."""
        self.n_computed = 0
        if self.wants_prompt_logprobs:  # nothing stands before the first one
            self._prompt_logprobs = [self._entry(self.request.prompt[0], None)]

    @property
    def wants_prompt_logprobs(self) -> bool:
        """Whether the logprobs of the prompt's tokens are asked for and not known yet."""
        request = self.request
        return request.prompt_logprobs and len(self._prompt_logprobs) < len(request.prompt)

    @property
    def pending(self) -> int:
        """Tokens that the model has yet to read: more than one of a prompt, or after a restart."""
        return len(self.tokens) - self.n_computed

    @property
    def reads_prompt(self) -> bool:
        return self.n_computed < len(self.request.prompt)

    def extend(self, logits: Tensor) -> bool:
        """Sample the next token from its logits (V,); True when the answer is finished.

        An error, of its grammar or its caller, ends this answer and no other.
        """
        try:
            return self._extend(logits)
        except Exception as error:
            deliver(self.future, error)
            return True

    def _extend(self, logits: Tensor) -> bool:
        request, stops = self.request, self._tokenizer.stops
        if not request.max_tokens:  # only the prompt's logprobs are wanted
            self._finish("", "length")
            return True
        token = self._sampler.sample(logits, self._generated)
        if request.top_logprobs is not None and token not in stops:
            entry = self._ranked(token, logits.log_softmax(-1), request.top_logprobs)
            self._logprobs.append(entry)
        self.tokens.append(token)
        ended = token in stops or self._sampler.finished
        full = len(self._generated) >= request.max_tokens or len(self.tokens) >= self._context
        if not (ended or full or request.stop or request.on_text):
            return False  # nobody needs the text yet
        text = self._tokenizer.decode(self._generated)
        self._ends.append(len(text.rstrip(_HALF)))
        cut = min((at for stop in request.stop if (at := text.find(stop)) >= 0), default=None)
        if cut is not None:
            text, ended = text[:cut], True
            del self._logprobs[bisect.bisect_left([0, *self._ends[:-1]], cut) :]
        if request.on_text:
            self._stream(request.on_text, text, ended or full)
        if ended or full:
            self._finish(text, "stop" if ended else "length")
        return ended or full

    def add_prompt_logprobs(self, tokens: list[int], logits: Tensor) -> None:
        """Name tokens of the prompt, in order, by the logits (len(tokens), V) for their places."""
        top = self.request.top_logprobs or 0
        for token, logprobs in zip(tokens, logits.log_softmax(-1), strict=True):
            self._prompt_logprobs.append(self._ranked(token, logprobs, top))

    @property
    def _generated(self) -> list[int]:
        return self.tokens[len(self.request.prompt) :]

    def _stream(self, on_text: OnText, text: str, finished: bool) -> None:
        """Hand on what is certain: no half character, nothing that may become a stop string."""
        certain = len(text)
        if not finished:
            text = text.rstrip(_HALF)
            longest = max((len(stop) - 1 for stop in self.request.stop), default=0)
            certain = max(self._sent, len(text) - longest)
        count = len(self._logprobs) if finished else bisect.bisect_right(self._ends, certain)
        logprobs = self._logprobs[self._sent_logprobs : count]
        if certain > self._sent or logprobs:
            on_text(text[self._sent : certain], logprobs)
            self._sent, self._sent_logprobs = certain, count

    def _finish(self, text: str, reason: Literal["stop", "length"]) -> None:
        logprobs = None
        if self.request.top_logprobs is not None:
            logprobs = self._prompt_logprobs + self._logprobs
        completion = Completion(text, self._generated, reason, logprobs, self.n_cached or 0)
        deliver(self.future, completion)

    def _ranked(self, token: int, logprobs: Tensor, top: int) -> TokenLogprob:
        """A token with the likeliest ones in its place, by all log-probabilities (V,)."""
        entry = self._entry(token, float(logprobs[token]))
        likeliest = logprobs.topk(top).indices.tolist()
        entry.top = [self._entry(other, float(logprobs[other])) for other in likeliest]
        return entry

    def _entry(self, token: int, logprob: float | None) -> TokenLogprob:
        return TokenLogprob(self._tokenizer.piece(token), self._tokenizer.raw(token), logprob)


def deliver(future: "Future[Completion]", result: Completion | Exception) -> None:
    """Give whoever waits the result, unless the work was cancelled."""
    if future.set_running_or_notify_cancel():
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)

"""Grammars that an answer must follow: compiled for a tokenizer, and which tokens they allow next.

The work is llguidance's, which is loaded at the first grammar. Whether a grammar may be compiled at
all, `serving.grammar_trial` has found out before. Knows nothing of requests, jobs or the model.
"""

import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # they take memory and time that most who read this never need
    from llguidance import LLMatcher, LLTokenizer
    from torch import Tensor

KEPT = 4  # compiled grammars: their memory grows with what has been written by them
GRACE, PER_TOKEN = 2.0, 0.05  # seconds of the processor that an answer's grammar may take
# Less than llguidance allows by itself: an answer's grammar grows while it is written, and 32 of
# them may be (measured: 1 KB a state).
LIMITS: dict[str, Any] = {
    "max_lexer_states": 50_000,
    "max_items_in_row": 10_000,
    "verbose_errors": False,
}


class GrammarError(ValueError):
    """An answer can't follow its grammar, or not to its end; says why."""


class GrammarCompiler:
    """Compiles llguidance grammars for one tokenizer. One thread at a time."""

    def __init__(self, tokenizer: Path, vocabulary: int, end: int) -> None:
        """
        tokenizer: a tokenizer.json.
        vocabulary: V, the model's logits; some models have more than tokens.
        end: the token that ends a turn.
        """
        self._file, self._vocabulary, self._end = tokenizer, vocabulary, end
        self._tokenizer: LLTokenizer | None = None
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()  # the one used last is the last

    def matcher(self, grammar: str) -> "GrammarMatcher":
        """What follows one answer along. Raises GrammarError."""
        compiled = self._compiled.pop(grammar, None)
        if compiled is None:
            compiled = self._compile(grammar)
        self._compiled[grammar] = compiled
        while len(self._compiled) > KEPT:
            self._compiled.popitem(last=False)
        return GrammarMatcher(compiled.deep_copy())

    def _compile(self, grammar: str) -> "LLMatcher":
        import llguidance

        if self._tokenizer is None:
            text = self._file.read_text(encoding="utf-8")
            self._tokenizer = llguidance.LLTokenizer(text, self._vocabulary, self._end)
        limits = llguidance.LLParserLimits(**LIMITS)
        matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0, limits=limits)
        if matcher.is_error():
            raise GrammarError(f"This schema cannot be enforced: {matcher.get_error()}")
        return matcher


class GrammarMatcher:
    """Follows one answer along its grammar.

    What llguidance gives up on, it calls stopped, as if the answer were at its end: here that is an
    error.
    """

    def __init__(self, matcher: "LLMatcher") -> None:
        self._matcher = matcher
        self._seconds, self._tokens = 0.0, 0

    @property
    def finished(self) -> bool:
        """Whether the answer is whole: nothing more may follow."""
        return self._matcher.is_stopped()

    def allowed(self, vocabulary: int) -> np.ndarray:
        """Which of all tokens may come next, a bit each, the first one lowest (1, V / 32).

        Raises GrammarError.
        """
        from llguidance import numpy as bitmasks

        began = time.thread_time()
        allowed = bitmasks.allocate_token_bitmask(1, vocabulary)
        bitmasks.fill_next_token_bitmask(self._matcher, allowed, 0)
        self._check()
        self._seconds += time.thread_time() - began
        if self._seconds > GRACE + PER_TOKEN * self._tokens:
            raise GrammarError("This schema takes too long to follow: make it simpler.")
        return allowed

    def mask(self, logits: "Tensor") -> "Tensor":
        """Logits (V,), those of every token that the grammar forbids at minus infinity.

        Raises GrammarError.
        """
        import torch
        from llguidance import numpy as bitmasks

        row = logits.numpy().copy()[None]  # (1, V)
        bitmasks.apply_token_bitmask_inplace(row, self.allowed(logits.shape[-1]))
        return torch.from_numpy(row[0])

    def advance(self, token: int) -> None:
        """Go on by a token that was written. Raises GrammarError."""
        self._matcher.consume_token(token)
        self._tokens += 1
        self._check()

    def _check(self) -> None:
        matcher = self._matcher
        if matcher.is_error() or (matcher.is_stopped() and not matcher.is_accepting()):
            reason = (matcher.get_error().strip() or matcher.stop_reason()).splitlines()[0][:200]
            raise GrammarError(
                f"The answer can't be brought to an end that fits the schema ({reason}). Make the "
                "schema simpler, above all its patterns."
            )

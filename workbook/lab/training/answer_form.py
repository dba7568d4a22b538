"""Holds sampled answers to a grammar, many at a time, as serving holds one.

What was allowed in each place is kept: training has to weigh a token against those that it was
drawn from, and no others. Knows grammars and tokens; nothing of models, rewards or schemas.

Shapes: B prompts, G answers to each, b prompts that are still written, V vocabulary.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workbook.lab.model.grammar import GrammarCompiler, GrammarError, GrammarMatcher
from workbook.lab.training.failures import UnrecoverableError

NEVER = -1e30  # a logit without any weight, which sums and products survive

Allowed = list[bytes]  # of an answer: the tokens that might have stood in each place, a bit each


class AnswerForm:
    """What all answers of a job look like."""

    def __init__(self, tokenizer: Path, vocabulary: int, end: int, grammar: str) -> None:
        """
        tokenizer, vocabulary, end: see `GrammarCompiler`.
        grammar: llguidance's.
        """
        self._compiler = GrammarCompiler(tokenizer, vocabulary, end)
        self._grammar, self._vocabulary = grammar, vocabulary

    def begin(self, prompts: int, answers: int) -> "FormedAnswers":
        """What follows so many new answers along."""
        try:
            matchers = [
                [self._compiler.matcher(self._grammar) for _ in range(answers)]
                for _ in range(prompts)
            ]
        except GrammarError as error:
            raise _failure(error) from None
        return FormedAnswers(matchers, self._vocabulary)


class FormedAnswers:
    """Answers, each with its place in the grammar."""

    def __init__(self, matchers: list[list[GrammarMatcher]], vocabulary: int) -> None:
        self._matchers, self._vocabulary = matchers, vocabulary
        self._kept: dict[bytes, bytes] = {}  # most places allow the same as another
        self.allowed: list[list[Allowed]] = [[[] for _ in row] for row in matchers]

    def mask(self, logits: Tensor, active: Sequence[int], going: np.ndarray) -> Tensor:
        """Logits (b, G, V) without what the grammar forbids.

        active: which of the prompts they are.
        going: whether an answer goes on (b, G); False is written where the grammar gives it up.
        Raises UnrecoverableError where that is so before the first token.
        """
        size = -(-self._vocabulary // 32) * 4
        rows = np.full((*going.shape, size), 255, np.uint8)
        for i, g in zip(*np.nonzero(going), strict=True):
            matcher, allowed = self._matchers[active[i]][g], self.allowed[active[i]][g]
            try:
                bits = matcher.allowed(self._vocabulary).tobytes()
            except GrammarError as error:
                if not allowed:
                    raise _failure(error) from None
                going[i, g] = False
                continue
            allowed.append(self._kept.setdefault(bits, bits))
            rows[i, g] = np.frombuffer(bits, np.uint8)
        return logits.masked_fill(~_unpacked(rows, self._vocabulary).to(logits.device), NEVER)

    def advance(self, tokens: np.ndarray, active: Sequence[int], going: np.ndarray) -> None:
        """Go on by the tokens that were drawn (b, G).

        going: as before; False is written where an answer is whole.
        """
        for i, g in zip(*np.nonzero(going), strict=True):
            matcher = self._matchers[active[i]][g]
            try:
                matcher.advance(int(tokens[i, g]))
                going[i, g] = not matcher.finished
            except GrammarError:
                going[i, g] = False


def masked(scores: Tensor, allowed: Allowed) -> Tensor:
    """Logits (l, V) of so many places without what was not allowed there."""
    rows = np.frombuffer(b"".join(allowed), np.uint8).reshape(len(allowed), -1)
    return scores.masked_fill(~_unpacked(rows, scores.shape[-1]).to(scores.device), NEVER)


def _unpacked(rows: np.ndarray, vocabulary: int) -> Tensor:
    """Bits (…, bytes) as truth values (…, V)."""
    return torch.from_numpy(
        np.unpackbits(rows, axis=-1, count=vocabulary, bitorder="little").view(np.bool_)
    )


def _failure(error: GrammarError) -> UnrecoverableError:
    return UnrecoverableError("invalid_schema", f"The job's response_format: {error}")

"""Grammars that an answer must follow: compiled for a tokenizer, and which tokens they allow next.

The work is llguidance's, which is loaded at the first grammar. Knows nothing of requests or models.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:  # it takes memory that most servers never need
    from llguidance import LLMatcher, LLTokenizer


class GrammarCompiler:
    """Compiles llguidance grammars for one tokenizer."""

    def __init__(self, tokenizer: Path, vocabulary: int, end: int) -> None:
        """
        tokenizer: a tokenizer.json.
        vocabulary: V, the model's logits; some models have more than tokens.
        end: the token that ends a turn.
        """
        self._file, self._vocabulary, self._end = tokenizer, vocabulary, end
        self._tokenizer: LLTokenizer | None = None

    def matcher(self, grammar: str) -> "LLMatcher":
        """What follows one answer along. Raises ValueError for a grammar that can't be enforced."""
        import llguidance

        if self._tokenizer is None:
            text = self._file.read_text(encoding="utf-8")
            self._tokenizer = llguidance.LLTokenizer(text, self._vocabulary, self._end)
        matcher = llguidance.LLMatcher(self._tokenizer, grammar)
        if matcher.is_error():
            raise ValueError(f"This schema cannot be enforced: {matcher.get_error()}")
        return matcher


def mask(logits: Tensor, matcher: "LLMatcher") -> Tensor:
    """Logits (V,), those of every token that the grammar forbids at minus infinity."""
    from llguidance import numpy as bitmasks

    allowed = bitmasks.allocate_token_bitmask(1, logits.shape[-1])  # (1, V / 32), a bit a token
    bitmasks.fill_next_token_bitmask(matcher, allowed, 0)
    row = logits.numpy().copy()[None]  # (1, V)
    bitmasks.apply_token_bitmask_inplace(row, allowed)
    return torch.from_numpy(row[0])

"""Chooses the next token of an answer from the model's logits.

In this order: the request's biases and penalties, its grammar, temperature, top_p, the dice. Knows
nothing of models, batches or requests that wait.

Shapes: V rows of the vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@dataclass(kw_only=True)
class Rules:
    """How to choose, by OpenAI's names. A grammar is llguidance's, and the answer must follow it."""

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    grammar: str | None = None


class Chooser:
    """Chooses the tokens of one answer, one after the other."""

    def __init__(self, rules: Rules, grammars: "Grammars") -> None:
        """Raises ValueError for a grammar that can't be enforced."""
        self._rules, self._random = rules, np.random.default_rng(rules.seed)
        self._matcher = None if rules.grammar is None else grammars.matcher(rules.grammar)
        self._biased = torch.tensor(list(rules.logit_bias), dtype=torch.long)  # token ids
        self._bias = torch.tensor(list(rules.logit_bias.values()), dtype=torch.float32)

    @property
    def finished(self) -> bool:
        """Whether the grammar allows nothing more."""
        return self._matcher is not None and self._matcher.is_stopped()

    def choose(self, logits: Tensor, written: Sequence[int]) -> int:
        """The next token after those written, by the model's logits (V,) for its place."""
        token = self._pick(self._allowed(self._shifted(logits, written)))
        if self._matcher is not None:
            self._matcher.consume_token(token)
        return token

    def _shifted(self, logits: Tensor, written: Sequence[int]) -> Tensor:
        """OpenAI's formula, for each token: plus its bias, minus frequency_penalty for each time it
        was written, minus presence_penalty if it was written at all.
        https://platform.openai.com/docs/api-reference/chat/create"""
        rules = self._rules
        if len(self._bias):
            logits = logits.index_add(0, self._biased, self._bias.to(logits.dtype))
        if written and (rules.frequency_penalty or rules.presence_penalty):
            places, counts = torch.tensor(written).unique(return_counts=True)
            penalty = counts * rules.frequency_penalty + rules.presence_penalty
            logits = logits.index_add(0, places, -penalty.to(logits.dtype))
        return logits

    def _allowed(self, logits: Tensor) -> Tensor:
        """With every token that the grammar forbids at minus infinity."""
        if self._matcher is None:
            return logits
        import llguidance.numpy as masks

        mask = masks.allocate_token_bitmask(1, logits.shape[-1])
        masks.fill_next_token_bitmask(self._matcher, mask, 0)
        row = logits.numpy().copy()[None]
        masks.apply_token_bitmask_inplace(row, mask)
        return torch.from_numpy(row[0])

    def _pick(self, logits: Tensor) -> int:
        rules = self._rules
        if rules.temperature < 1e-4 or rules.top_p < 1e-4:
            return int(logits.argmax())
        probabilities, ids = (logits / rules.temperature).softmax(-1).sort(descending=True)
        kept = probabilities.cumsum(-1) - probabilities < rules.top_p
        kept[0] = True
        weights = (probabilities * kept).double().numpy()
        point = self._random.random() * weights.sum()
        index = int(np.searchsorted(weights.cumsum(), point, side="right"))
        return int(ids[min(index, int(kept.sum()) - 1)])


class Grammars:
    """Compiles llguidance grammars for one tokenizer; the library is loaded at the first use."""

    def __init__(self, tokenizer: Path, rows: int, end: int) -> None:
        """tokenizer: a tokenizer.json. rows: V; some models have more than tokens. end: of a turn."""
        self._tokenizer, self._rows, self._end, self._compiled = tokenizer, rows, end, None

    def matcher(self, grammar: str):
        """What follows one answer along. Raises ValueError for a grammar that can't be enforced."""
        import llguidance

        if self._compiled is None:
            text = self._tokenizer.read_text(encoding="utf-8")
            self._compiled = llguidance.LLTokenizer(text, self._rows, self._end)
        matcher = llguidance.LLMatcher(self._compiled, grammar)
        if matcher.is_error():
            raise ValueError(f"This schema cannot be enforced: {matcher.get_error()}")
        return matcher

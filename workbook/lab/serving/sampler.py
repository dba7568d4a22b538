"""The next token of an answer, from the model's logits.

In this order: the request's biases and penalties, its grammar, temperature, top_p, the dice. Knows
nothing of models, batches or requests that wait.

Shapes: V rows of the vocabulary.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from workbook.lab.model.grammar import GrammarMatcher
from workbook.lab.serving.types import SamplingParams

GREEDY = 1e-4  # temperatures and top_p below this take the likeliest token


class Sampler:
    """Samples the tokens of one answer, one after the other."""

    def __init__(self, params: SamplingParams, matcher: GrammarMatcher | None = None) -> None:
        """matcher: of the grammar, if the answer must follow one; see `GrammarCompiler`."""
        self._params, self._matcher = params, matcher
        self._random = np.random.default_rng(params.seed)
        # Made once, not for each token: a request may bias thousands of tokens.
        self._bias_ids = torch.tensor(list(params.logit_bias), dtype=torch.long)
        self._bias = torch.tensor(list(params.logit_bias.values()), dtype=torch.float32)

    @property
    def finished(self) -> bool:
        """Whether the grammar allows nothing more."""
        return self._matcher is not None and self._matcher.finished

    def sample(self, logits: Tensor, generated: Sequence[int]) -> int:
        """The next token.

        logits: the model's for its place (V,).
        generated: the tokens that were written before, without the prompt.
        """
        logits = self._penalize(logits, generated)
        if self._matcher is None:
            return self._draw(logits)
        token = self._draw(self._matcher.mask(logits))
        self._matcher.advance(token)
        return token

    def _penalize(self, logits: Tensor, generated: Sequence[int]) -> Tensor:
        """OpenAI's formula, for each token: plus its bias, minus frequency_penalty for each time it
        was written, minus presence_penalty if it was written at all.
        https://platform.openai.com/docs/api-reference/chat/create"""
        params = self._params
        if len(self._bias):
            logits = logits.index_add(0, self._bias_ids, self._bias.to(logits.dtype))
        if generated and (params.frequency_penalty or params.presence_penalty):
            ids, counts = torch.tensor(generated).unique(return_counts=True)
            penalty = counts * params.frequency_penalty + params.presence_penalty
            logits = logits.index_add(0, ids, -penalty.to(logits.dtype))
        return logits

    def _draw(self, logits: Tensor) -> int:
        params = self._params
        if params.temperature < GREEDY or params.top_p < GREEDY:
            return int(logits.argmax())
        probabilities = (logits / params.temperature).softmax(-1)  # (V,)
        if params.top_p >= 1:
            return self._roll(probabilities)
        probabilities, ids = probabilities.sort(descending=True)
        # The nucleus: each token before which the likelier ones do not add up to top_p yet.
        nucleus = probabilities.cumsum(-1) - probabilities < params.top_p  # (V,)
        nucleus[0] = True
        return int(ids[self._roll(probabilities[: int(nucleus.sum())])])

    def _roll(self, weights: Tensor) -> int:
        """An index, drawn in proportion to the weights."""
        sums = weights.numpy().cumsum(dtype=np.float64)
        point = self._random.random() * sums[-1]
        # Rounding may point past the last; what weighs nothing is never drawn.
        return int(min(np.searchsorted(sums, point, side="right"), np.argmax(sums >= sums[-1])))

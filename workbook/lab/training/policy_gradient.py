"""The policy gradient: which of several answers to a prompt become likelier, and by how much.

An answer's advantage is its reward minus the mean of its prompt's group, as in GRPO (Shao et al.
2024), not divided by the deviation and with one weight for every token (Liu et al. 2025, "Dr.
GRPO"): neither easy prompts nor short answers count more. The answers come from the model as it is,
so there is no ratio to clip. Knows rollouts and the adapter; nothing of rewards or optimizers.

Shapes: L tokens of the answers of a micro-batch, N rows of it, C model width, V vocabulary.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workbook.lab.model import lora
from workbook.lab.model.llama import Llama
from workbook.lab.training.answer_form import Allowed, masked
from workbook.lab.training.lora_layers import LoRABlock, apply_blocks
from workbook.lab.training.rollouts import Rollout, shared_length
from workbook.lab.training.tree_attention import Tree

MICRO_BATCH = 1024  # rows, unless one prompt with its answers has more
RECOMPUTE_ABOVE = 1024  # rows: layers of larger micro-batches are computed again
LOGIT_ROWS = 256  # rows of logits at a time (200 KB a row in float32)
WIDTH_STEP = 4  # divides the answers' width: for each shape oneDNN writes and keeps code
SAME = 1e-9  # rewards that differ by less do not differ


def advantages(rewards: list[float]) -> list[float]:
    """Of the answers to one prompt."""
    mean = sum(rewards) / len(rewards)
    return [reward - mean for reward in rewards]


def varies(rewards: list[float]) -> bool:
    """Whether there is anything to learn from a group."""
    return max(rewards) - min(rewards) > SAME


@dataclass
class Group:
    """A prompt's rollout, and the advantage of each of its answers."""

    rollout: Rollout
    advantages: list[float]


class PolicyGradient:
    """Minimises - mean over all tokens of (A - kl (log p - log r)) log p.

    With the advantage A of a token's answer, the model p and the reference r, the model that the
    job starts from: the first part makes better answers likelier, the second holds p near r (its
    gradient is that of the Kullback-Leibler divergence at the places that were visited).
    """

    def __init__(
        self,
        model: Llama,
        adapter: lora.Adapter,
        reference: lora.Adapter,
        kl: float,
        temperature: float,
    ) -> None:
        """
        reference: the adapter at the start of the job.
        kl: how strongly to hold on to the reference; 0 leaves it out.
        temperature: the one that answers are sampled with; logits are divided by it here, too.
        """
        self._model, self._kl, self._temperature = model, kl, temperature
        layers = range(min(lora.layers(adapter)), model.config.layers)
        self._blocks = [LoRABlock(model, layer, adapter) for layer in layers]
        self._reference = [LoRABlock(model, layer, reference) for layer in layers]

    def backward(self, groups: list[Group], n_tokens: int) -> dict[str, float]:
        """Add the gradient to the adapter's; gives the loss, and the divergence from the reference.

        n_tokens: of all the step's answers, also of groups that are left out.
        """
        loss = divergence = 0.0
        count = 0
        for part in _micro_batches(groups):
            batch = _MicroBatch(part)
            row, target, advantage = batch.learned(self._model.device)  # (L,) each
            allowed = batch.allowed()
            reference = self._reference_logprobs(batch, row, target, allowed) if self._kl else None
            x = batch.run(self._model, self._blocks).index_select(0, row)  # (L, C)
            value, gradient, distance = self._gradient(
                x.detach(), target, advantage, reference, allowed
            )
            loss, divergence = loss + value, divergence + distance
            count += len(row)
            x.backward(gradient / n_tokens)
        return {"loss": loss / n_tokens, "kl": divergence / max(1, count)}

    def _reference_logprobs(
        self, batch: "_MicroBatch", row: Tensor, target: Tensor, allowed: Allowed | None
    ) -> Tensor:
        with torch.no_grad():
            x = batch.run(self._model, self._reference).index_select(0, row)
            parts = [slice(i, i + LOGIT_ROWS) for i in range(0, len(x), LOGIT_ROWS)]
            return torch.cat(
                [self._logprobs(x[p], target[p], allowed and allowed[p]) for p in parts]
            )

    def _logprobs(self, x: Tensor, target: Tensor, allowed: Allowed | None) -> Tensor:
        """Natural log-probabilities (l,) of tokens (l,) after the rows x (l, C).

        allowed: the tokens that each was drawn from; None: all.
        """
        scores = self._model.logits(x) / self._temperature  # (l, V)
        if allowed is not None:
            scores = masked(scores, allowed)
        return scores.gather(1, target[:, None])[:, 0] - scores.logsumexp(-1)

    def _gradient(
        self,
        x: Tensor,
        target: Tensor,
        advantage: Tensor,
        reference: Tensor | None,
        allowed: Allowed | None,
    ) -> tuple[float, Tensor, float]:
        """Sums over all tokens: the loss, its gradient with respect to x (L, C), the divergence.

        A token's loss depends on its own row of x alone, so its gradient is taken at once: logits
        (L, V) are made a few rows at a time and not kept.
        """
        loss = divergence = 0.0
        gradients = []
        for begin in range(0, len(x), LOGIT_ROWS):
            some = slice(begin, begin + LOGIT_ROWS)
            rows = x[some].requires_grad_()
            logprobs = self._logprobs(rows, target[some], allowed and allowed[some])
            weight = advantage[some]
            if reference is not None:
                distance = logprobs.detach() - reference[some]
                weight = weight - self._kl * distance
                divergence += float(distance.sum())
            gradients.append(torch.autograd.grad(-(weight * logprobs).sum(), rows)[0])
            loss -= float((advantage[some] * logprobs.detach()).sum())
        return loss, torch.cat(gradients), divergence


def _micro_batches(groups: list[Group]) -> Iterator[list[Group]]:
    """Groups in parts that fit the memory, those of prompts alike in length together."""
    part: list[Group] = []
    for group in sorted(groups, key=lambda group: len(group.rollout.prompt)):
        if part and _MicroBatch([*part, group]).tree.size > MICRO_BATCH:
            yield part
            part = []
        part.append(group)
    if part:
        yield part


class _MicroBatch:
    """Some groups in one packed row."""

    def __init__(self, groups: list[Group]) -> None:
        self._groups = groups
        prompts = [group.rollout.prompt for group in groups]
        # The last token of an answer predicts nothing that is learned: it has no row.
        longest = max(len(answer) for group in groups for answer in group.rollout.answers) - 1
        width = math.ceil(longest / WIDTH_STEP) * WIDTH_STEP
        answers = len(groups[0].rollout.answers)
        self.tree = Tree([len(p) for p in prompts], shared_length(prompts), answers, width)

    def run(self, model: Llama, blocks: list[LoRABlock]) -> Tensor:
        """The last layer's output (N, C)."""
        tree = self.tree
        angles = model.angles(tree.positions())
        recompute = tree.size > RECOMPUTE_ABOVE
        return apply_blocks(blocks, self._states(), angles, tree, recompute)

    def _states(self) -> Tensor:
        """The frozen layers' output of all rows (N, C), zero where there is padding."""
        tree = self.tree
        first = self._groups[0].rollout.prompt_states
        x = first.new_zeros(tree.size, first.shape[1])
        x[: tree.shared] = first[: tree.shared]
        own = x[tree.shared : tree.before_answers].unflatten(0, (tree.prompts, tree.own))
        for place, group in zip(own, self._groups, strict=True):
            rows = group.rollout.prompt_states[tree.shared :]
            place[: len(rows)] = rows
        if tree.width:
            shape = (tree.prompts, tree.answers, tree.width)
            answers = x[tree.before_answers :].unflatten(0, shape)  # (B, G, T, C)
            for place, group in zip(answers, self._groups, strict=True):
                states = group.rollout.answer_states[:, : tree.width]
                place[:, : states.shape[1]] = states
        return x

    def allowed(self) -> Allowed | None:
        """Of each of the answers' tokens, in the order of `learned`; None where all were."""
        rollouts = [group.rollout for group in self._groups]
        if rollouts[0].allowed is None:
            return None
        return [
            bits
            for rollout in rollouts
            for answer, allowed in zip(rollout.answers, rollout.allowed or (), strict=True)
            for bits in allowed[: len(answer)]
        ]

    def learned(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Of each of the answers' tokens: the row that predicts it, itself, its advantage (L,)."""
        rows: list[np.ndarray] = []
        targets: list[int] = []
        weights: list[np.ndarray] = []
        for b, group in enumerate(self._groups):
            for a, answer in enumerate(group.rollout.answers):
                begin = self.tree.answer_row(b, a)
                own = np.arange(begin, begin + len(answer) - 1)
                rows.append(np.concatenate([[self.tree.last_row(b)], own]))
                targets += answer
                weights.append(np.full(len(answer), group.advantages[a], np.float32))
        return (
            torch.from_numpy(np.concatenate(rows)).long().to(device),
            torch.tensor(targets, device=device),
            torch.from_numpy(np.concatenate(weights)).to(device),
        )

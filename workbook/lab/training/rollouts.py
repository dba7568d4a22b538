"""Answers sampled from the model in training, many at a time, with what training needs of them.

Prompts are read once however many answers they get, and what all of them begin with once for all.
The frozen layers' outputs are kept: training begins above them. Knows tokens and tensors; nothing
of rewards, losses or text.

Shapes: B prompts, G answers to each, A = B G rows of a step, C model width, V vocabulary, L layers,
K key/value heads, D head width, P + S places of the prompts (see `tree_attention`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workbook.lab.model.linear import LINEARS
from workbook.lab.model.llama import Block, Llama
from workbook.lab.model.lora import Adapter
from workbook.lab.training.answer_form import Allowed, AnswerForm, FormedAnswers
from workbook.lab.training.lora_layers import LoRALinear
from workbook.lab.training.tree_attention import Level, Tree, attention

TOKENS = 8192  # of prompts and answers that are sampled together (23 KB each)
GROW = 16  # places for tokens of the answers that memory is taken for at a time


@dataclass
class Rollout:
    """A prompt, and the answers that were sampled.

    prompt: token ids.
    answers: token ids, with the one that ends the turn where the model wrote it.
    entropy: the mean over all tokens of how open each choice was, in nats.
    prompt_states: the frozen layers' output (len(prompt), C).
    answer_states: the same of the answers' tokens but their last (G, T, C), padded.
    allowed: of each answer, what its form allowed in each place; None where answers have none.
    """

    prompt: list[int]
    answers: list[list[int]]
    entropy: float
    prompt_states: Tensor
    answer_states: Tensor
    allowed: list[Allowed] | None = None


class RolloutSampler:
    """Samples with an adapter as it is at the moment."""

    def __init__(
        self,
        model: Llama,
        adapter: Adapter,
        first: int,
        stops: set[int],
        temperature: float,
        form: AnswerForm | None = None,
    ) -> None:
        """
        first: the lowest layer with an adapter.
        stops: tokens that end an answer.
        form: what every answer must look like.
        """
        self._model, self._form = adapted(model, adapter), form
        self._first, self._temperature = first, temperature
        self._stops = torch.tensor(sorted(stops), device=model.device)

    @torch.no_grad()
    def sample(self, prompts: list[list[int]], draws: list[np.ndarray]) -> list[Rollout]:
        """Answers to each prompt, in order.

        draws: for each prompt numbers in [0, 1) (G, most tokens), one a token: the same draws give
            the same answers.
        """
        rollouts: list[Rollout | None] = [None] * len(prompts)
        for part in _parts([len(prompt) for prompt in prompts], draws[0].shape if draws else ()):
            some = self._sample([prompts[i] for i in part], np.stack([draws[i] for i in part]))
            for i, rollout in zip(part, some, strict=True):
                rollouts[i] = rollout
        return [rollout for rollout in rollouts if rollout is not None]

    def _sample(self, prompts: list[list[int]], draws: np.ndarray) -> list[Rollout]:
        reading = _Reading(self._model, self._first, prompts)
        form = self._form.begin(len(prompts), draws.shape[1]) if self._form else None
        writing = _Writing(self._model, self._first, reading, self._temperature, self._stops, form)
        writing.run(torch.from_numpy(draws).float().to(self._model.device))
        return [writing.rollout(b, prompt) for b, prompt in enumerate(prompts)]


def adapted(model: Llama, adapter: Adapter) -> Llama:
    """The model with its adapter beside its matrices, not merged: it computes as training does."""
    blocks = []
    for layer, block in enumerate(model.blocks):
        if f"{layer}.{LINEARS[0]}.a" in adapter:
            linears = {
                name: _Adapted(
                    LoRALinear(
                        getattr(block, name).weight,
                        adapter[f"{layer}.{name}.a"],
                        adapter[f"{layer}.{name}.b"],
                    )
                )
                for name in LINEARS
            }
            block = Block(norm1=block.norm1, norm2=block.norm2, **linears)  # type: ignore[arg-type]
        blocks.append(block)
    return Llama(model.config, model.embedding, blocks, model.norm, model.head)


class _Adapted:
    """A `LoRALinear` called as a `Linear` is."""

    def __init__(self, linear: LoRALinear) -> None:
        self._linear = linear

    def __call__(self, x: Tensor) -> Tensor:
        return self._linear.forward(x)[0]


def shared_length(prompts: list[list[int]]) -> int:
    """How many tokens all begin with; each keeps at least one of its own."""
    shared, limit = 0, min(map(len, prompts)) - 1
    while shared < limit and all(prompt[shared] == prompts[0][shared] for prompt in prompts):
        shared += 1
    return shared


def _parts(lengths: list[int], draws: tuple[int, ...]) -> Iterator[list[int]]:
    """Prompts by their numbers, in parts that fit the memory; those of a part are alike in length.

    draws: the shape of each prompt's (G, most tokens).
    """
    part: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        # Sorted: the next one is the longest so far.
        if part and (len(part) + 1) * (lengths[i] + draws[0] * draws[1]) > TOKENS:
            yield part
            part = []
        part.append(i)
    if part:
        yield part


class _Reading:
    """The prompts, read: keys and values of all layers, the frozen layers' output."""

    def __init__(self, model: Llama, first: int, prompts: list[list[int]]) -> None:
        self.tree = tree = Tree([len(p) for p in prompts], shared_length(prompts), 0, 0)
        self.far: list[tuple[Tensor, Tensor]] = []  # of each layer: k and v (B, K, P + S, D)
        ids = np.zeros((tree.prompts, tree.own), np.int64)
        for row, prompt in zip(ids, prompts, strict=True):
            row[: len(prompt) - tree.shared] = prompt[tree.shared :]
        packed = np.concatenate([prompts[0][: tree.shared], ids.ravel()]).astype(np.int64)

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            self.far.append((tree.far(k, len(k)).contiguous(), tree.far(v, len(v)).contiguous()))
            return tree.attention(q, k, v)

        x, angles = model.embed(torch.from_numpy(packed)), model.angles(tree.positions())
        for layer in range(model.config.layers):
            if layer == first:
                self._states = x
            x = model.block(layer, x, angles, attend)
        rows = [tree.last_row(b) for b in range(tree.prompts)]
        self.logits = model.logits(x[rows])  # (B, V)

    def states(self, prompt: int) -> Tensor:
        """The frozen layers' output for a prompt's tokens (length, C)."""
        tree = self.tree
        begin = tree.shared + prompt * tree.own
        own = self._states[begin : begin + tree.lengths[prompt] - tree.shared]
        return torch.cat([self._states[: tree.shared], own])


class _Writing:
    """The answers to some prompts as they are written, a token of each at a time."""

    def __init__(
        self,
        model: Llama,
        first: int,
        reading: _Reading,
        temperature: float,
        stops: Tensor,
        form: FormedAnswers | None,
    ) -> None:
        self._model, self._first, self._reading = model, first, reading
        self._temperature, self._stops, self._form = temperature, stops, form
        self._states: list[tuple[Tensor, Tensor]] = []  # of each step: which prompts, (b, G, C)

    def run(self, draws: Tensor) -> None:
        """Write until all have ended, or have as many tokens as there are draws (B, G, most)."""
        prompts, answers, most = draws.shape
        model, device = self._model, draws.device
        self._tokens = torch.zeros(prompts, answers, most, dtype=torch.long, device=device)
        self._lengths = torch.zeros(prompts, answers, dtype=torch.long, device=device)
        self._entropies = torch.zeros(prompts, answers, device=device)  # sums
        going = torch.ones(prompts, answers, dtype=torch.bool, device=device)
        active = torch.arange(prompts, device=device)  # prompts with an answer that goes on
        starts = torch.tensor(self._reading.tree.lengths, device=device)
        near = _Near(model, self._reading.far, self._reading.tree.padding(device), answers)
        logits = self._reading.logits[:, None].expand(-1, answers, -1)  # (B, G, V)
        for place in range(most):
            on = going[active]  # (b, G)
            logits, on = self._formed(logits, active, on)
            token, entropy = self._draw(logits, draws[active, :, place])
            self._tokens[active, :, place] = token
            self._lengths[active] += on
            self._entropies[active] += entropy * on
            going[active] = self._goes_on(token, active, on)
            if place + 1 == most or not going.any():
                return
            still = going[active].any(1)
            if int(still.sum()) <= 3 * len(active) // 4:  # copying has a price, too
                active, token = active[still], token[still]
                near.keep(still)
            positions = (starts[active] + place).repeat_interleave(answers)
            x, angles = model.embed(token.flatten()), model.angles(positions)  # (A, C)
            near.begin()
            for layer in range(model.config.layers):
                if layer == self._first:
                    self._states.append((active, x.unflatten(0, (-1, answers))))
                x = model.block(layer, x, angles, near.attend)
            logits = model.logits(x).unflatten(0, (-1, answers))

    def _formed(self, logits: Tensor, active: Tensor, on: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of what may be drawn, and the answers that go on, if they have a form."""
        if self._form is None:
            return logits, on
        going = on.cpu().numpy().copy()
        logits = self._form.mask(logits, active.tolist(), going)
        return logits, torch.from_numpy(going).to(on.device)

    def _goes_on(self, token: Tensor, active: Tensor, on: Tensor) -> Tensor:
        """Which answers go on after these tokens (b, G)."""
        on = on & ~torch.isin(token, self._stops)
        if self._form is None:
            return on
        going = on.cpu().numpy().copy()
        self._form.advance(token.cpu().numpy(), active.tolist(), going)
        return torch.from_numpy(going).to(on.device)

    def _draw(self, logits: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens that the draws (b, G) fall upon, and the entropy of each choice (b, G)."""
        scores = logits / self._temperature
        weights = (scores - scores.amax(-1, keepdim=True)).exp_()  # (b, G, V)
        edges = weights.cumsum(-1)
        total = edges[..., -1:]
        token = torch.searchsorted(edges, draws[..., None] * total, right=True)[..., 0]
        # Rounding may point past the last token that weighs anything.
        token = token.minimum(torch.searchsorted(edges, total.contiguous())[..., 0])
        mean = (weights * scores).sum(-1) / total[..., 0]
        entropy = scores.amax(-1) + total[..., 0].log() - mean
        return token, entropy

    def rollout(self, b: int, prompt: list[int]) -> Rollout:
        """What came of a prompt."""
        lengths = self._lengths[b].tolist()
        answers = [row[:n] for row, n in zip(self._tokens[b].tolist(), lengths, strict=True)]
        states = [x[active == b] for active, x in self._states]  # (1 or 0, G, C)
        rows = [row[0] for row in states if len(row)][: max(lengths) - 1]
        empty = self._reading.states(b).new_zeros(len(answers), 0, self._model.config.width)
        entropy = float(self._entropies[b].sum()) / max(1, sum(lengths))
        return Rollout(
            prompt,
            answers,
            entropy,
            self._reading.states(b),
            torch.stack(rows, dim=1) if rows else empty,
            self._form.allowed[b] if self._form else None,
        )


class _Near:
    """Keys and values of the answers themselves, and attention over these and the prompts'."""

    def __init__(
        self, model: Llama, far: list[tuple[Tensor, Tensor]], bias: Tensor, answers: int
    ) -> None:
        """far, bias: see `attention`."""
        config = model.config
        self._far, self._bias, self._answers, self._length = far, bias, answers, 0
        rows = len(bias) * answers
        shape = (config.layers, 2, rows, config.kv_heads, 0, config.head_width)
        self._cache = far[0][0].new_zeros(shape)

    def begin(self) -> None:
        """A token more of each answer is to come."""
        self._length += 1
        if self._length > self._cache.shape[4]:
            more = list(self._cache.shape)
            more[4] = GROW
            self._cache = torch.cat([self._cache, self._cache.new_zeros(more)], dim=4)

    def keep(self, still: Tensor) -> None:
        """Forget all prompts but these (b,)."""
        self._far = [(k[still], v[still]) for k, v in self._far]
        self._bias = self._bias[still]
        self._cache = self._cache[:, :, still.repeat_interleave(self._answers)]

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q (A, H, D) on the cache and the new k, v (A, K, D): (A, H, D)."""
        near_k, near_v = self._cache[layer, :, :, :, : self._length]  # (A, K, t, D) each
        near_k[:, :, -1], near_v[:, :, -1] = k, v
        level = Level(len(self._bias), self._answers, 1)
        return attention(level, q, *self._far[layer], near_k, near_v, self._bias)

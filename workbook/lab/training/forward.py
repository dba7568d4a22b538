"""Examples through the model: the log-probability of each token that is learned from.

Four things make it fast on a CPU. The frozen layers below the adapter are run once per example,
not once per epoch. What all examples of a batch begin with (the system prompt) is run once per
batch. Logits are computed only where there is a label. The layers with an adapter have a backward
pass of their own (`lora_layers`, `packed_attention`).

Four things bound its memory, and change no result: batches are cut into micro-batches, whose
gradients add up; the layers of one that is long even so are computed again for the backward pass
instead of kept; logits are made a few rows at a time; micro-batches have few different widths.
Knows nothing of losses, optimizers or files.

Shapes: B examples a micro-batch, P shared tokens at their beginning, T tokens after it (padded),
N = P + B T rows, C model width, V vocabulary, L learned tokens (labels).
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from workbook.lab.model import lora
from workbook.lab.model.llama import Angles, Llama
from workbook.lab.training.lora_layers import LoRABlock, apply_blocks
from workbook.lab.training.packed_attention import Layout

MICRO_BATCH = 512  # rows, unless one entry has more (14 KB a row and layer are kept)
RECOMPUTE_ABOVE = 1024  # rows: layers of larger micro-batches are computed again, see `lora_layers`
LOGIT_ROWS = 256  # rows of logits at a time (200 KB a row in float32)
WIDTH_STEP = 4  # divides all T: for each shape oneDNN writes and keeps code (200 MB less)
CACHE_BYTES = 256 * 2**20  # memory for the frozen layers' outputs


class ForwardPass:
    """A model with an adapter, and examples to run through it."""

    def __init__(
        self, model: Llama, adapter: lora.Adapter, examples: Iterable[tuple[list[int], list[bool]]]
    ) -> None:
        """
        adapter: on all layers from its first one; those below are frozen.
        examples: token ids of each, and whether each of them is learned.
        """
        self._model, self._first = model, min(lora.layers(adapter))
        self._blocks = [
            LoRABlock(model, layer, adapter) for layer in range(self._first, model.config.layers)
        ]
        self._ids: list[np.ndarray] = []  # token ids
        self._labels: list[np.ndarray] = []  # positions of the tokens that are learned, never 0
        for ids, mask in examples:
            self._ids.append(np.array(ids, np.int32))
            self._labels.append(np.flatnonzero(mask[1:]) + 1)
        self._cache: dict[int, Tensor] = {}  # example -> output of the frozen layers (length, C)
        self._cache_room = CACHE_BYTES

    def __len__(self) -> int:
        return len(self._ids)

    def length(self, example: int) -> int:
        """Tokens of an example."""
        return len(self._ids[example])

    def n_labels(self, example: int) -> int:
        """Learned tokens of an example."""
        return len(self._labels[example])

    def micro_batches(self, batch: Iterable[list[int]]) -> Iterator[list[int]]:
        """A batch in parts that fit the memory, each of an entry or more.

        batch: entries, each of one or more examples, which stay together.
        """
        part: list[int] = []
        for entry in batch:
            wider = part + entry
            if part and self._layout(wider).size > MICRO_BATCH:
                yield part
                wider = entry
            part = wider
        if part:
            yield part

    def logprobs(self, examples: list[int]) -> tuple[Tensor, Tensor]:
        """Of every learned token, in order: its natural log-probability (L,), and whether it is
        the likeliest (L,). The gradient reaches the adapter unless it is switched off."""
        model, layout = self._model, self._layout(examples)
        angles = model.angles(torch.from_numpy(layout.positions()).to(model.device))
        x = self._frozen_layers(examples, layout, angles)  # (N, C)
        x = apply_blocks(self._blocks, x, angles, layout, recompute=len(x) > RECOMPUTE_ABOVE)
        # The row before a token predicts it.
        rows = [layout.rows(b, self._labels[i] - 1) for b, i in enumerate(examples)]
        targets = [self._ids[i][self._labels[i]] for i in examples]
        row, target = (
            torch.from_numpy(np.concatenate(each)).long().to(model.device)
            for each in (rows, targets)
        )
        return self._label_logprobs(x.index_select(0, row), target)

    def _label_logprobs(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """`logprobs`, in which each value depends on its own row of x alone. So its gradient is
        taken at once, in place of keeping all logits (L, V) until the backward pass.

        x: the last layer's output (L, C).
        target: the token ids to predict (L,).
        """
        with_gradient = torch.is_grad_enabled()
        values: list[Tensor] = []
        correct: list[Tensor] = []
        gradients: list[Tensor] = []  # of each value with respect to its row of x
        for rows, ids in zip(x.detach().split(LOGIT_ROWS), target.split(LOGIT_ROWS), strict=True):
            logits = self._model.logits(rows.requires_grad_(with_gradient))  # (LOGIT_ROWS, V)
            value = -F.cross_entropy(logits, ids, reduction="none")
            values.append(value.detach())
            correct.append(logits.detach().argmax(-1) == ids)
            if with_gradient:
                gradients.append(torch.autograd.grad(value.sum(), rows)[0])
        value = torch.cat(values)
        if with_gradient:  # adds zero, with the gradient that was taken
            change = x.float() - x.detach().float()
            value = value + (change * torch.cat(gradients).float()).sum(-1)
        return value, torch.cat(correct)

    def _layout(self, examples: list[int]) -> Layout:
        ids, shared = [self._ids[i] for i in examples], 0
        if len(ids) > 1:  # the row that predicts the first label is each example's own
            limit = min(self._labels[i][0] - 1 for i in examples)
            same = np.logical_and.reduce([row[:limit] == ids[0][:limit] for row in ids])
            shared = limit if same.all() else int(same.argmin())
        width = max(map(len, ids)) - int(shared)
        return Layout(len(ids), int(shared), math.ceil(width / WIDTH_STEP) * WIDTH_STEP)

    def _frozen_layers(self, examples: list[int], layout: Layout, angles: Angles) -> Tensor:
        """The frozen layers' output (N, C), from the cache where it is there."""
        model = self._model
        if any(i not in self._cache for i in examples):
            ids = layout.pack([self._ids[i] for i in examples])  # (N,)
            x = model.embed(torch.from_numpy(ids).to(model.device))
            with torch.no_grad():
                for layer in range(self._first):
                    x = model.block(layer, x, angles, layout.attend)
            self._store(examples, layout, x)
            return x
        rows = [self._cache[i] for i in examples]
        x = rows[0].new_zeros(layout.size, rows[0].shape[1])
        x[: layout.shared] = rows[0][: layout.shared]
        own = x[layout.shared :].unflatten(0, (layout.examples, layout.width))  # (B, T, C)
        for place, row in zip(own, rows, strict=True):
            place[: len(row) - layout.shared] = row[layout.shared :]
        return x

    def _store(self, examples: list[int], layout: Layout, x: Tensor) -> None:
        """Keep the frozen layers' output (N, C) in the cache, while there is room."""
        for b, i in enumerate(examples):
            begin = layout.shared + b * layout.width
            row = torch.cat([x[: layout.shared], x[begin : begin + self.length(i) - layout.shared]])
            if i not in self._cache and row.nbytes <= self._cache_room:
                self._cache[i] = row
                self._cache_room -= row.nbytes

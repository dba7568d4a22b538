"""Examples through the model: the log-probability of each token that is learned from.

Four things make it fast on a CPU. The frozen layers below the adapter are run once per example,
not once per epoch. What all examples of a batch begin with (the system prompt) is run once per
batch. Logits are computed only where there is a label. The layers with an adapter have a backward
pass of their own (`tuned`, `attention`).

Four things bound its memory, and change no result: batches are cut into portions; the layers of a
portion that is long even so are computed again for the backward pass instead of kept; logits are
made a few rows at a time; portions have few different widths. Knows nothing of losses, optimizers
or files.

Shapes: B examples a portion, P shared tokens at their beginning, T tokens after it (padded),
N = P + B T rows, C model width, H heads, K key/value heads, D head width, V vocabulary, L labels.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workbook.lab.model.llama import Llama
from workbook.lab.model.lora import Adapter, layers
from workbook.lab.training import lora_layers
from workbook.lab.training.packed_attention import Layout

PORTION = 512  # rows of a portion, unless one entry has more (14 KB a row and layer are kept)
KEPT = 1024  # rows whose layers' insides are kept for the backward pass; of more they are not
LABELS = 256  # rows of logits at a time (200 KB a row in float32)
STEP = (
    4  # divides all widths of portions: for each shape oneDNN writes and keeps code (200 MB less)
)
CACHE_BYTES = 256 * 2**20  # memory for the frozen layers' outputs


class Learner:
    """A model and its examples, each token ids and whether each of them is learned."""

    def __init__(
        self, model: Llama, adapter: Adapter, examples: Iterable[tuple[list[int], list[bool]]]
    ) -> None:
        """adapter: on all layers from its first one; those below are frozen."""
        self._model, self._first = model, min(layers(adapter))
        own = range(self._first, model.config.layers)
        self._layers = [lora_layers.Layer(model, i, adapter) for i in own]
        self._ids: list[np.ndarray] = []  # token ids
        self._labels: list[np.ndarray] = []  # positions of the tokens that are learned, never 0
        for ids, trained in examples:
            self._ids.append(np.array(ids, np.int32))
            self._labels.append(np.flatnonzero(trained[1:]) + 1)
        self._cache: dict[int, Tensor] = {}  # example -> output of the frozen layers (length, C)
        self._cache_room = CACHE_BYTES

    def __len__(self) -> int:
        return len(self._ids)

    def length(self, example: int) -> int:
        """Tokens of an example."""
        return len(self._ids[example])

    def labels(self, example: int) -> int:
        """Learned tokens of an example."""
        return len(self._labels[example])

    def portions(self, batch: Iterable[list[int]]) -> Iterator[list[int]]:
        """A batch, whose entries stay together, in parts that fit the memory, an entry or more."""
        part: list[int] = []
        for entry in batch:
            wider = part + entry
            if part and self._layout(wider).size > PORTION:
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
        x = self._below(examples, layout, angles)
        x = lora_layers.through(self._layers, x, angles, layout, keep=len(x) <= KEPT)
        at = [layout.rows(b, self._labels[i] - 1) for b, i in enumerate(examples)]
        labels = [
            self._ids[i][self._labels[i]] for i in examples
        ]  # the row before predicts a token
        rows, target = (
            torch.from_numpy(np.concatenate(each)).long().to(model.device) for each in (at, labels)
        )
        return self._of_labels(x.index_select(0, rows), target)

    def _of_labels(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """`logprobs` from the last layer's output (L, C) and the token ids to predict (L,).

        Each log-probability depends on its own row of x alone. So its gradient is taken at once,
        in place of keeping all logits (L, V) until the backward pass.
        """
        learn = torch.is_grad_enabled()
        values, right, slopes = [], [], []
        for rows, ids in zip(x.detach().split(LABELS), target.split(LABELS), strict=True):
            logits = self._model.logits(rows.requires_grad_(learn))
            value = -F.cross_entropy(logits, ids, reduction="none")
            values.append(value.detach())
            right.append(logits.detach().argmax(-1) == ids)
            if learn:
                slopes.append(torch.autograd.grad(value.sum(), rows)[0])
        value = torch.cat(values)
        if learn:  # adds zero, with the gradient that was taken
            change = x.float() - x.detach().float()
            value = value + (change * torch.cat(slopes).float()).sum(-1)
        return value, torch.cat(right)

    def _layout(self, examples: list[int]) -> Layout:
        ids, shared = [self._ids[i] for i in examples], 0
        if len(ids) > 1:  # the row that predicts the first label is each example's own
            limit = min(self._labels[i][0] - 1 for i in examples)
            same = np.logical_and.reduce([row[:limit] == ids[0][:limit] for row in ids])
            shared = limit if same.all() else int(same.argmin())
        width = max(map(len, ids)) - int(shared)
        return Layout(len(ids), int(shared), math.ceil(width / STEP) * STEP)

    def _below(self, examples: list[int], layout: Layout, angles) -> Tensor:
        """The frozen layers' output (N, C), from the cache where it is there."""
        model = self._model
        if any(i not in self._cache for i in examples):
            ids = layout.pack([self._ids[i] for i in examples])
            x = model.embed(torch.from_numpy(ids).to(model.device))
            with torch.no_grad():
                for i in range(self._first):
                    x = model.block(i, x, angles, layout.attend)
            self._keep(examples, layout, x)
            return x
        rows = [self._cache[i] for i in examples]
        x = rows[0].new_zeros(layout.size, rows[0].shape[1])
        x[: layout.shared] = rows[0][: layout.shared]
        own = x[layout.shared :].unflatten(0, (layout.examples, layout.width))
        for place, row in zip(own, rows, strict=True):
            place[: len(row) - layout.shared] = row[layout.shared :]
        return x

    def _keep(self, examples: list[int], layout: Layout, x: Tensor) -> None:
        for b, i in enumerate(examples):
            begin = layout.shared + b * layout.width
            row = torch.cat([x[: layout.shared], x[begin : begin + self.length(i) - layout.shared]])
            if i not in self._cache and row.nbytes <= self._cache_room:
                self._cache[i] = row
                self._cache_room -= row.nbytes

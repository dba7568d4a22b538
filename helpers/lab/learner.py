"""Examples through the model: the log-probability of each token that is learned from.

Three things make it fast on a CPU. The frozen layers below the adapter are run once per example,
not once per epoch. What all examples of a batch begin with (the system prompt) is run once per
batch. Logits are computed only where there is a label.

Three things bound its memory, and change no result: batches are cut into portions; the layers of a
portion that is long even so are computed again for the backward pass instead of kept; logits are
made a few rows at a time. Knows nothing of losses, optimizers or files.

Shapes: B examples a portion, P shared tokens at their beginning, T tokens after it (padded),
N = P + B T rows, C model width, H heads, K key/value heads, D head width, V vocabulary, L labels.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from helpers.lab.model import Llama

PORTION = 512  # rows of a portion, unless one entry has more (23 KB a row and layer are kept)
KEPT = 1024  # rows whose layers' insides are kept for the backward pass; of more they are not
LABELS = 256  # rows of logits at a time (200 KB a row in float32)
CACHE_BYTES = 256 * 2**20  # memory for the frozen layers' outputs


class Learner:
    """A model and its examples, each token ids and whether each of them is learned."""

    def __init__(
        self, model: Llama, first_layer: int, examples: Iterable[tuple[list[int], list[bool]]]
    ) -> None:
        """first_layer: those below are frozen, so that their output can be kept."""
        self._model, self._first = model, first_layer
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
        again = torch.is_grad_enabled() and len(x) > KEPT
        for i in range(self._first, model.config.layers):
            if again:
                x = checkpoint(model.block, i, x, angles, layout.attend, use_reentrant=False)
            else:
                x = model.block(i, x, angles, layout.attend)
        at = [layout.rows(b, self._labels[i] - 1) for b, i in enumerate(examples)]
        labels = [self._ids[i][self._labels[i]] for i in examples]  # the row before predicts a token
        rows, target = (torch.from_numpy(np.concatenate(each)).long().to(model.device)
                        for each in (at, labels))  # fmt: skip
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

    def _layout(self, examples: list[int]) -> "Layout":
        ids, shared = [self._ids[i] for i in examples], 0
        if len(ids) > 1:  # the row that predicts the first label is each example's own
            limit = min(self._labels[i][0] - 1 for i in examples)
            same = np.logical_and.reduce([row[:limit] == ids[0][:limit] for row in ids])
            shared = limit if same.all() else int(same.argmin())
        return Layout(len(ids), int(shared), max(map(len, ids)) - int(shared))

    def _below(self, examples: list[int], layout: "Layout", angles) -> Tensor:
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
        start = self._cache[examples[0]][: layout.shared]
        ends = [self._cache[i][layout.shared :] for i in examples]
        padded = torch.nn.utils.rnn.pad_sequence(ends, batch_first=True)
        return torch.cat([start, padded.flatten(0, 1)])

    def _keep(self, examples: list[int], layout: "Layout", x: Tensor) -> None:
        for b, i in enumerate(examples):
            begin = layout.shared + b * layout.width
            row = torch.cat([x[: layout.shared], x[begin : begin + self.length(i) - layout.shared]])
            if i not in self._cache and row.nbytes <= self._cache_room:
                self._cache[i] = row
                self._cache_room -= row.nbytes


class Layout:
    """Where the tokens of a portion stand in the packed rows, and who sees whom.

    Rows 0..P-1 are the shared beginning, seen by all; then T rows for each example, padded at the
    end, where padding is seen by nothing that counts.
    """

    def __init__(self, examples: int, shared: int, width: int) -> None:
        self.examples, self.shared, self.width = examples, shared, width
        self.size = shared + examples * width  # N
        self._mask: Tensor | None = None

    def rows(self, example: int, positions: np.ndarray) -> np.ndarray:
        """The packed rows of some of an example's own positions, all past the shared ones."""
        return positions + example * self.width

    def positions(self) -> np.ndarray:
        """The position in its example of each packed row (N,)."""
        own = np.arange(self.shared, self.shared + self.width)
        return np.concatenate([np.arange(self.shared), np.tile(own, self.examples)])

    def pack(self, ids: list[np.ndarray]) -> np.ndarray:
        """Token ids of all packed rows (N,); padding is token 0."""
        own = np.zeros((self.examples, self.width), np.int32)
        for row, tokens in zip(own, ids, strict=True):
            row[: len(tokens) - self.shared] = tokens[self.shared :]
        return np.concatenate([ids[0][: self.shared], own.ravel()])

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Causal attention of (N, H, D) queries on (N, K, D) keys, within each example."""
        p, shape = self.shared, (self.examples, self.width)
        q_own, k_own, v_own = (t[p:].unflatten(0, shape).transpose(1, 2) for t in (q, k, v))
        mixed = []
        if p:
            q_all, k_all, v_all = (t[:p].transpose(0, 1)[None] for t in (q, k, v))
            start = F.scaled_dot_product_attention(q_all, k_all, v_all, is_causal=True,
                                                   enable_gqa=True)  # fmt: skip
            mixed.append(start[0].transpose(0, 1))
            k_own = torch.cat([k_all.expand(self.examples, -1, -1, -1), k_own], dim=2)
            v_own = torch.cat([v_all.expand(self.examples, -1, -1, -1), v_own], dim=2)
        mask = self._seen(q.device)
        own = F.scaled_dot_product_attention(q_own, k_own, v_own, mask, is_causal=mask is None,
                                             enable_gqa=True)  # fmt: skip
        mixed.append(own.transpose(1, 2).flatten(0, 1))
        return torch.cat(mixed)

    def _seen(self, device: torch.device) -> Tensor | None:
        """Who of T own tokens sees whom of P + T (T, P + T); None where plain causal will do."""
        if self.shared and self._mask is None:
            start = torch.ones(self.width, self.shared, dtype=torch.bool, device=device)
            own = torch.ones(self.width, self.width, dtype=torch.bool, device=device).tril()
            self._mask = torch.cat([start, own], dim=1)
        return self._mask

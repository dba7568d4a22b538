"""Where the tokens of several examples stand in one packed row, who sees whom, and attention itself.

The backward pass is written out, and makes the attention weights again in place of keeping them.
torch's own for a CPU takes four times as long on examples as short as ours (measured: 8 examples of
40 own tokens after 32 shared ones, 7 ms against 1.6), and as long on 4,000 tokens.

Shapes: B examples, P shared tokens at their beginning, T tokens after it (padded), N = P + B T
rows, H query heads in groups of G for each of K key/value heads, D head width.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

QUERIES = 256  # rows of attention weights at a time: a long example needs no more memory for them


class Layout:
    """Rows 0..P-1 are the shared beginning, seen by all; then T rows for each example, padded at
    the end, where padding is seen by nothing that counts."""

    def __init__(self, examples: int, shared: int, width: int) -> None:
        self.examples, self.shared, self.width = examples, shared, width
        self.size = shared + examples * width  # N

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
        """`mix`, as `Llama.block` asks for it."""
        return self.mix(q, k, v)

    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Causal attention of (N, H, D) queries on (N, K, D) keys, within each example: (N, H, D)."""
        mixed = torch.empty(q.shape, dtype=q.dtype, device=q.device)
        for rows, keys, values in self._parts(k, v):
            mixed[rows] = _unfold(_mix(_fold(q[rows], keys), keys, values))
        return mixed

    def mix_back(self, q: Tensor, k: Tensor, v: Tensor, d_mixed: Tensor) -> Tensor:
        """The gradients with respect to q, k and v, side by side (N, H + 2K, D)."""
        heads, groups = q.shape[1], k.shape[1]
        d_qkv = q.new_zeros(len(q), heads + 2 * groups, q.shape[2])
        d_q, d_k, d_v = d_qkv.split([heads, groups, groups], dim=1)
        for rows, keys, values in self._parts(k, v):
            queries, slope = (_fold(each[rows], keys) for each in (q, d_mixed))
            slopes = _mix_back(queries, keys, values, slope)
            d_q[rows] = _unfold(slopes[0])
            seen = keys.shape[2] - slopes[0].shape[3]  # shared rows, other than the queries' own
            for whole, part in zip((d_k, d_v), slopes[1:], strict=True):
                whole[rows] += part[:, :, seen:].transpose(1, 2).flatten(0, 1)
                whole[:seen] += part[:, :, :seen].sum(0).transpose(0, 1)
        return d_qkv

    def _parts(self, k: Tensor, v: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Rows whose keys and values (B, K, S, D) are alike: of the beginning, and of all after it."""
        p = self.shared
        start = [each[None, :p].transpose(1, 2) for each in (k, v)]  # (1, K, P, D)
        if p:
            yield slice(0, p), *start
        both = []
        for each, before in zip((k, v), start, strict=True):
            own = each[p:].unflatten(0, (self.examples, self.width)).transpose(1, 2)  # (B, K, T, D)
            both.append(torch.cat([before.expand(self.examples, -1, -1, -1), own], dim=2))
        yield slice(p, self.size), *both


def _fold(rows: Tensor, keys: Tensor) -> Tensor:
    """(B T, H, D) -> (B, K, G, T, D): heads that share keys side by side."""
    examples, groups = keys.shape[:2]
    return rows.unflatten(1, (groups, -1)).unflatten(0, (examples, -1)).permute(0, 2, 3, 1, 4)


def _unfold(heads: Tensor) -> Tensor:
    """(B, K, G, T, D) -> (B T, H, D)."""
    return heads.permute(0, 3, 1, 2, 4).flatten(2, 3).flatten(0, 1)


def _weights(q: Tensor, k: Tensor) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Some queries at a time: which, themselves (B K, G t, D), the keys up to the last one's place
    (B K, s, D), and the attention weights (B K, G t, s)."""
    groups, width = q.shape[2:4]
    keys, before = k.flatten(0, 1), k.shape[2] - width
    for first in range(0, width, QUERIES):
        some = slice(first, min(first + QUERIES, width))
        part, seen = q[:, :, :, some].flatten(2, 3).flatten(0, 1), keys[:, : before + some.stop]
        hidden = q.new_full((some.stop - first, seen.shape[1]), -torch.inf).triu(before + first + 1)
        scores = torch.baddbmm(
            hidden.repeat(groups, 1), part, seen.transpose(1, 2), alpha=q.shape[-1] ** -0.5
        )
        yield some, part, seen, scores.softmax(-1)


def _mix(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Queries (B, K, G, T, D), the last of the keys and values (B, K, S, D), to (B, K, G, T, D)."""
    mixed, values = torch.empty(q.shape, dtype=q.dtype, device=q.device), v.flatten(0, 1)
    for some, _, seen, weights in _weights(q, k):
        part = torch.bmm(weights, values[:, : seen.shape[1]])
        mixed[:, :, :, some] = part.view(mixed[:, :, :, some].shape)
    return mixed


def _mix_back(q: Tensor, k: Tensor, v: Tensor, d_mixed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients with respect to q, k and v."""
    d_q = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    d_k, d_v = (torch.zeros_like(each.flatten(0, 1)) for each in (k, v))
    values, scale = v.flatten(0, 1), q.shape[-1] ** -0.5
    for some, part, seen, weights in _weights(q, k):
        s = seen.shape[1]
        slope = d_mixed[:, :, :, some].flatten(2, 3).flatten(0, 1)
        d_v[:, :s] += torch.bmm(weights.transpose(1, 2), slope)
        d_weights = torch.bmm(slope, values[:, :s].transpose(1, 2))
        d_scores = torch.ops.aten._softmax_backward_data(d_weights, weights, -1, weights.dtype)
        d_q[:, :, :, some] = torch.bmm(d_scores, seen).mul_(scale).view(d_q[:, :, :, some].shape)
        d_k[:, :s] += torch.bmm(d_scores.transpose(1, 2), part).mul_(scale)
    return d_q, d_k.view(k.shape), d_v.view(v.shape)

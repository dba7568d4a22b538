"""A tree of prompts and answers in one packed row: who sees whom, and the attention.

What all prompts begin with stands there once, each prompt once, and all answers to it after it. The
backward pass is written out. Knows nothing of models, sampling or losses.

Shapes: P tokens that all prompts share, B prompts of S more tokens (padded), G answers to each of
T tokens (padded), N = P + B S + B G T rows; H query heads in groups of J for each of K key/value
heads, D head width. A level of the tree has g groups of m members of t rows each; the members of a
group see F rows in common, which stand before them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_WEIGHTS = 2**23  # attention weights at a time: long rows need no more memory for them


@dataclass(frozen=True)
class Level:
    """Rows of one level that ask: `groups` x `members` x `width` of them."""

    groups: int
    members: int
    width: int


class Tree:
    """Where the tokens of some prompts and their answers stand. `LoRABlock` asks for attention."""

    def __init__(self, lengths: list[int], shared: int, answers: int, width: int) -> None:
        """
        lengths: tokens of each of the B prompts, all more than `shared`.
        shared: P.
        answers: G.
        width: T; 0 where only prompts are read.
        """
        self.lengths, self.shared, self.answers, self.width = lengths, shared, answers, width
        self.prompts, self.own = len(lengths), max(lengths) - shared  # B, S
        self.before_answers = shared + self.prompts * self.own  # P + B S
        self.size = self.before_answers + self.prompts * answers * width  # N

    def positions(self) -> Tensor:
        """Each row's position in its text (N,)."""
        own = torch.arange(self.shared, self.shared + self.own).repeat(self.prompts)
        starts = torch.tensor(self.lengths).repeat_interleave(self.answers)  # (B G,)
        answers = (starts[:, None] + torch.arange(self.width)).flatten()
        return torch.cat([torch.arange(self.shared), own, answers])

    def last_row(self, prompt: int) -> int:
        """The row of a prompt's last token, which predicts the first of each answer."""
        return self.shared + prompt * self.own + self.lengths[prompt] - self.shared - 1

    def answer_row(self, prompt: int, answer: int) -> int:
        """The row of an answer's first token; the others follow."""
        return self.before_answers + (prompt * self.answers + answer) * self.width

    def padding(self, device: torch.device) -> Tensor:
        """Zero for each row that answers see before them, minus infinity for padding (B, P + S)."""
        ends = torch.tensor(self.lengths, device=device)
        places = torch.arange(self.shared + self.own, device=device)
        bias = torch.zeros(self.prompts, len(places), device=device)
        return bias.masked_fill_(places >= ends[:, None], -torch.inf)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """`attention`, as `Llama.block` asks for it."""
        return self.attention(q, k, v)

    def attention(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q (N, H, D) on k and v (N, K, D), to (N, H, D)."""
        out = torch.empty_like(q)
        for level, rows, bias in self._levels(q.device):
            far_k, far_v, near_k, near_v = self._keys(level, rows, k, v)
            out[rows] = attention(level, q[rows], far_k, far_v, near_k, near_v, bias)
        return out

    def attention_backward(self, q: Tensor, k: Tensor, v: Tensor, d_out: Tensor) -> Tensor:
        """The gradients with respect to q, k and v, side by side (N, H + 2K, D)."""
        heads, kv_heads = q.shape[1], k.shape[1]
        d_qkv = q.new_zeros(len(q), heads + 2 * kv_heads, q.shape[2])
        d_q, d_k, d_v = d_qkv.split([heads, kv_heads, kv_heads], dim=1)
        for level, rows, bias in self._levels(q.device):
            keys = self._keys(level, rows, k, v)
            d_q[rows], *d_keys = _attention_backward(level, q[rows], *keys, bias, d_out[rows])
            for whole, far, near in ((d_k, *d_keys[::2]), (d_v, *d_keys[1::2])):
                whole[rows] += near.transpose(1, 2).flatten(0, 1)
                far = far.transpose(1, 2)  # (g, F, K, D)
                if rows.start:
                    whole[: self.shared] += far[:, : self.shared].sum(0)
                if far.shape[1] > self.shared:
                    between = slice(self.shared, self.before_answers)
                    whole[between] += far[:, self.shared :].flatten(0, 1)
        return d_qkv

    def _levels(self, device: torch.device) -> Iterator[tuple[Level, slice, Tensor | None]]:
        """Each level with its rows, and the bias (g, F) of the rows before them."""
        if self.shared:
            yield Level(1, 1, self.shared), slice(0, self.shared), None
        yield (
            Level(1, self.prompts, self.own),
            slice(self.shared, self.before_answers),
            None,
        )
        if self.width:
            level = Level(self.prompts, self.answers, self.width)
            yield level, slice(self.before_answers, self.size), self.padding(device)

    def _keys(
        self, level: Level, rows: slice, k: Tensor, v: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Keys and values of the rows before a level (g, K, F, D), and its own (g m, K, t, D)."""
        far_k, far_v = (self.far(each[: rows.start], rows.start) for each in (k, v))
        near_k, near_v = (
            each[rows].unflatten(0, (-1, level.width)).transpose(1, 2) for each in (k, v)
        )
        return far_k, far_v, near_k, near_v

    def far(self, rows: Tensor, end: int) -> Tensor:
        """What a level that begins at row `end` sees before it: (end, K, D) -> (g, K, F, D)."""
        shared = rows[None, : min(end, self.shared)]  # (1, P, K, D)
        if end > self.shared:
            own = rows[self.shared : end].unflatten(0, (self.prompts, self.own))
            shared = torch.cat([shared.expand(self.prompts, -1, -1, -1), own], dim=1)
        return shared.transpose(1, 2)


def attention(
    level: Level,
    q: Tensor,
    far_k: Tensor,
    far_v: Tensor,
    near_k: Tensor,
    near_v: Tensor,
    bias: Tensor | None,
) -> Tensor:
    """One level's rows on those before them, and on their own member's up to themselves.

    q: (g m t', H, D), the last t' of t rows of each member.
    far_k, far_v: (g, K, F, D).
    near_k, near_v: (g m, K, t, D).
    bias: added to the scores of the rows before (g, F).
    The result is (g m t', H, D).
    """
    queries = _group(level, q, far_k)  # (g, K, m, J, t', D)
    out = torch.empty_like(queries)
    for part in _parts(level, queries, far_k.shape[2], near_k.shape[2]):
        far, near = _weights(level, queries[:, :, :, :, part], far_k, near_k, bias, part)
        rows = out[:, :, :, :, part]  # (g, K, m, J, t', D)
        rows.copy_((far @ far_v).view(rows.shape))
        rows += _by_group(level, near @ near_v[:, :, : near.shape[3]]).reshape(rows.shape)
    return _ungroup(out)


def _attention_backward(
    level: Level,
    q: Tensor,
    far_k: Tensor,
    far_v: Tensor,
    near_k: Tensor,
    near_v: Tensor,
    bias: Tensor | None,
    d_out: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of q, far_k, far_v, near_k and near_v, each of its shape.

    With the weights w = softmax(z) and z = q k^T / sqrt(D): d_v = w^T d_out, d_w = d_out v^T,
    d_z = softmax's own backward, d_q = d_z k / sqrt(D), d_k = d_z^T q / sqrt(D).
    """
    queries, d_outs = _group(level, q, far_k), _group(level, d_out, far_k)
    d_queries = torch.empty_like(queries)
    d_far_k, d_far_v, d_near_k, d_near_v = (
        torch.zeros_like(each, memory_format=torch.contiguous_format)
        for each in (far_k, far_v, near_k, near_v)
    )
    scale = q.shape[-1] ** -0.5
    for part in _parts(level, queries, far_k.shape[2], near_k.shape[2]):
        some = queries[:, :, :, :, part]
        far, near = _weights(level, some, far_k, near_k, bias, part)
        s = near.shape[3]
        q_far, d_far_out = (each.flatten(2, 4) for each in (some, d_outs[:, :, :, :, part]))
        q_near, d_near_out = (
            _by_member(level, each) for each in (some, d_outs[:, :, :, :, part])
        )  # (g m, K, J t', D)
        d_far_v += far.transpose(2, 3) @ d_far_out
        d_near_v[:, :, :s] += near.transpose(2, 3) @ d_near_out
        d_far = d_far_out @ far_v.transpose(2, 3)  # (g, K, m J t', F)
        d_near = d_near_out @ near_v[:, :, :s].transpose(2, 3)  # (g m, K, J t', s)
        weights = torch.cat([_as_members(level, far), near], dim=3)
        d_weights = torch.cat([_as_members(level, d_far), d_near], dim=3)
        d_scores = torch.ops.aten._softmax_backward_data(d_weights, weights, -1, weights.dtype)
        d_far, d_near = d_scores.mul_(scale).split([far.shape[3], s], dim=3)
        d_far = _as_groups(level, d_far)
        d_some = (d_far @ far_k).view(some.shape)
        d_some += _by_group(level, d_near @ near_k[:, :, :s]).reshape(some.shape)
        d_queries[:, :, :, :, part] = d_some
        d_far_k += d_far.transpose(2, 3) @ q_far
        d_near_k[:, :, :s] += d_near.transpose(2, 3) @ q_near
    return _ungroup(d_queries), d_far_k, d_far_v, d_near_k, d_near_v


def _weights(
    level: Level,
    queries: Tensor,
    far_k: Tensor,
    near_k: Tensor,
    bias: Tensor | None,
    part: slice,
) -> tuple[Tensor, Tensor]:
    """Attention weights on the rows before (g, K, m J t', F), and on a member's own (g m, K, J t',
    s), of the queries `part` (g, K, m, J, t', D) of each member."""
    rows, scale = queries.shape[4], queries.shape[-1] ** -0.5
    before = near_k.shape[2] - level.width  # own rows in front of the first query
    s = before + part.stop
    far = (queries.flatten(2, 4) @ far_k.transpose(2, 3)).mul_(scale)
    if bias is not None:
        far += bias[:, None, None].to(far.dtype)
    near = _by_member(level, queries) @ near_k[:, :, :s].transpose(2, 3)
    near = near.mul_(scale).unflatten(2, (-1, rows))  # (g m, K, J, t', s)
    if rows > 1:
        mask = near.new_full((rows, s), -torch.inf).triu(before + part.start + 1)
        near += mask
    scores = torch.cat([_as_members(level, far), near.flatten(2, 3)], dim=3)
    far, near = scores.softmax(-1).split([far.shape[3], s], dim=3)
    return _as_groups(level, far), near


def _parts(level: Level, queries: Tensor, far: int, near: int) -> Iterator[slice]:
    """Some of each member's queries at a time."""
    rows = queries.shape[4]
    a_row = queries[:, :, :, :, :1, 0].numel() * (far + near)
    step = max(1, MAX_WEIGHTS // a_row)
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))


def _group(level: Level, rows: Tensor, keys: Tensor) -> Tensor:
    """(g m t, H, D) -> (g, K, m, J, t, D), heads that share keys side by side."""
    rows = rows.unflatten(1, (keys.shape[1], -1))
    rows = rows.unflatten(0, (level.groups, level.members, -1))  # (g, m, t, K, J, D)
    return rows.permute(0, 3, 1, 4, 2, 5)


def _ungroup(heads: Tensor) -> Tensor:
    """(g, K, m, J, t, D) -> (g m t, H, D)."""
    return heads.permute(0, 2, 4, 1, 3, 5).flatten(3, 4).flatten(0, 2)


def _by_member(level: Level, queries: Tensor) -> Tensor:
    """(g, K, m, J, t, D) -> (g m, K, J t, D)."""
    return queries.transpose(1, 2).flatten(3, 4).flatten(0, 1)


def _by_group(level: Level, rows: Tensor) -> Tensor:
    """(g m, K, J t, D) -> (g, K, m, J t, D)."""
    return rows.unflatten(0, (level.groups, level.members)).transpose(1, 2)


def _as_members(level: Level, weights: Tensor) -> Tensor:
    """(g, K, m J t, F) -> (g m, K, J t, F)."""
    return weights.unflatten(2, (level.members, -1)).transpose(1, 2).flatten(0, 1)


def _as_groups(level: Level, weights: Tensor) -> Tensor:
    """(g m, K, J t, F) -> (g, K, m J t, F)."""
    grouped = weights.unflatten(0, (level.groups, level.members)).transpose(1, 2)
    return grouped.flatten(2, 3)

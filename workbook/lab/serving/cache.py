"""Keys and values of what was read before: attention over the answers in progress, and prompts
that are remembered because others may begin alike. Knows nothing of sampling, text or requests.

Shapes: S slots (answers in progress), T positions, L layers, H query heads, K key/value heads,
D head width, N tokens of a step.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

CACHED_TOKENS = 4096  # prompt tokens remembered, of all models together (about 23 KB each)


@dataclass(eq=False)
class Prefix:
    """The beginning of a prompt as one model has read it: tokens (T,), k and v (L, K, T, D)."""

    reader: object
    tokens: np.ndarray
    k: Tensor
    v: Tensor


class Prefixes:
    """Prompts that were read lately, by any model, to be reused by prompts that begin alike."""

    def __init__(self) -> None:
        self._entries: list[Prefix] = []  # the one used last is the last

    def longest(self, reader: object, tokens: np.ndarray) -> tuple[int, Prefix | None]:
        """The longest remembered beginning of `tokens`, at most all but its last token."""
        best, found = 0, None
        for entry in self._entries:
            if entry.reader is reader:
                length = min(common(tokens, entry.tokens), len(tokens) - 1)
                if length > best:
                    best, found = length, entry
        if found:
            self._entries.sort(key=lambda entry: entry is found)  # stable: the used one goes last
        return best, found

    def remember(self, prefix: Prefix) -> None:
        """Keep a beginning; those not used for longest make room for it."""
        if len(prefix.tokens) > CACHED_TOKENS:
            return
        self._entries.append(prefix)
        while sum(len(entry.tokens) for entry in self._entries) > CACHED_TOKENS:
            self._entries.pop(0)

    def forget(self, reader: object) -> None:
        """Drop what a model has read."""
        self._entries = [entry for entry in self._entries if entry.reader is not reader]


class Attention:
    """Attention over the cache: one batched call for the answers, one call for each prompt chunk."""

    def __init__(
        self,
        k: Tensor,
        v: Tensor,
        writing: list[int],
        positions: list[int],
        reading: list[tuple[int, int, int]],
    ) -> None:
        """k, v: (L, S, K, T, D), into which each call writes. writing: slots with one new token, at
        `positions`. reading: (slot, start, tokens) of each chunk. In a step they come in this order.
        """
        self._k, self._v, self._reading = k, v, reading
        self._slots, self._at = (
            torch.tensor(each, device=k.device) for each in (writing, positions)
        )
        self._count = len(writing)
        contiguous = writing == list(range(self._count))
        self._pick = slice(0, self._count) if contiguous else self._slots
        if writing:
            self._length = max(positions) + 1
            visible = torch.arange(self._length, device=k.device)[None] <= self._at[:, None]
            self._mask = visible[:, None, None]  # (n, 1, 1, T)
        self._masks = [_causal(start, n, k.device) for _, start, n in reading]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        cache_k, cache_v, n = self._k[layer], self._v[layer], self._count
        mixed = torch.empty_like(q)
        if n:
            cache_k[self._slots, :, self._at] = k[:n]
            cache_v[self._slots, :, self._at] = v[:n]
            # The query heads that share a key head stand where several queries would.
            grouped = q[:n].view(n, k.shape[1], -1, q.shape[-1])
            mixed[:n] = F.scaled_dot_product_attention(
                grouped,
                cache_k[self._pick, :, : self._length],
                cache_v[self._pick, :, : self._length],
                self._mask,
            ).reshape(n, *q.shape[1:])
        for (slot, start, size), mask in zip(self._reading, self._masks):
            here, end = slice(n, n + size), start + size
            cache_k[slot, :, start:end] = k[here].transpose(0, 1)
            cache_v[slot, :, start:end] = v[here].transpose(0, 1)
            mixed[here] = F.scaled_dot_product_attention(
                q[here].transpose(0, 1)[None],
                cache_k[slot, None, :, :end],
                cache_v[slot, None, :, :end],
                mask,
                is_causal=mask is None,
                enable_gqa=True,
            )[0].transpose(0, 1)
            n += size
        return mixed


def _causal(start: int, n: int, device: torch.device) -> Tensor | None:
    """Which of start + n positions each of the last n may see; None where plain causal will do."""
    if start == 0:
        return None
    positions = torch.arange(start + n, device=device)
    return positions[None] <= positions[start:, None]


def common(a: np.ndarray, b: np.ndarray) -> int:
    """How many tokens two sequences share at their beginning."""
    n = min(len(a), len(b))
    differ = np.flatnonzero(a[:n] != b[:n])
    return int(differ[0]) if len(differ) else n

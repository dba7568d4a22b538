"""Keys and values of the answers in progress: a slot for each, in one tensor that grows as needed.

Knows where they are kept, and attention over them; nothing of sampling, text or requests.

Shapes: L layers, S slots, K key/value heads, T positions, D head width, H query heads in groups of
G = H / K, N tokens of a step.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from workbook.lab.model.llama import Llama

SLOTS = 32  # answers written at the same time
TOTAL_TOKENS = 16384  # bound on slots times the longest sequence, of all models together
ROUND_TO = 64  # positions of a cache are a multiple of it


class KVCache:
    """Keys and values of one model's answers in progress."""

    def __init__(self, model: Llama) -> None:
        self._config, self._dtype, self._device = model.config, model.dtype, model.device
        self.clear()

    @property
    def positions(self) -> int:
        """How many there is memory for, in all slots together."""
        return self.k.shape[1] * self.k.shape[3]

    def clear(self) -> None:
        """Give back all memory."""
        self.k = self._zeros(0, 0)  # (L, S, K, T, D)
        self.v = self._zeros(0, 0)

    def reserve(self, slots: int, length: int, filled: list[int]) -> None:
        """Make room for so many slots of so many positions, and for some more.

        filled: how many positions are in use, of each slot from the first.
        """
        have_slots, have_length = self.k.shape[1], self.k.shape[3]
        if slots <= have_slots and length <= have_length:
            return
        length = max([length, *filled])
        if length > have_length or slots * have_length > TOTAL_TOKENS:
            # A quarter more than is needed now, rounded up, if the bound has room for it.
            more = -(-length * 5 // 4 // ROUND_TO) * ROUND_TO
            have_length = max(length, min(more, TOTAL_TOKENS // slots))
        slots = max(slots, min(SLOTS, 2 * slots, TOTAL_TOKENS // have_length))
        self.k = self._copy(self.k, slots, have_length, filled)  # one after the other: the old k
        self.v = self._copy(self.v, slots, have_length, filled)  # is gone before the new v comes

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of one slot to another."""
        self.k[:, target, :, :length] = self.k[:, source, :, :length]
        self.v[:, target, :, :length] = self.v[:, source, :, :length]

    def write(self, slot: int, k: Tensor, v: Tensor) -> None:
        """Fill the first positions of a slot: k and v (L, K, T, D)."""
        self.k[:, slot, :, : k.shape[2]] = k
        self.v[:, slot, :, : v.shape[2]] = v

    def read(self, slot: int, length: int) -> tuple[Tensor, Tensor]:
        """A copy of the first `length` positions of a slot: k and v (L, K, T, D)."""
        return self.k[:, slot, :, :length].clone(), self.v[:, slot, :, :length].clone()

    def _copy(self, old: Tensor, slots: int, length: int, filled: list[int]) -> Tensor:
        new, longest = self._zeros(slots, length), max(filled, default=0)
        new[:, : len(filled), :, :longest] = old[:, : len(filled), :, :longest]
        return new

    def _zeros(self, slots: int, length: int) -> Tensor:
        c = self._config
        shape = (c.layers, slots, c.kv_heads, length, c.head_width)
        return torch.zeros(shape, dtype=self._dtype, device=self._device)


@dataclass(frozen=True)
class Chunk:
    """Some tokens of one slot that go through the model in one step, from position `start` on."""

    slot: int
    start: int
    size: int


class CachedAttention:
    """Attention over the cache: one batched call for the answers, one call for each prompt chunk.

    A step's tokens come in that order: one of each answer being written, then the chunks.
    """

    def __init__(self, cache: KVCache, decoding: list[Chunk], prefilling: list[Chunk]) -> None:
        """
        cache: into which each call writes the keys and values that it is given.
        decoding: slots with one new token.
        prefilling: chunks of the prompts being read.
        """
        self._cache, self._prefilling = cache, prefilling
        self._count = len(decoding)  # n
        device = cache.k.device
        if decoding:
            _, _, heads, length, _ = cache.k.shape
            slots = [chunk.slot for chunk in decoding]
            slot = torch.tensor(slots, device=device)  # (n,)
            # Slots in order are read as a view; picking them by number would copy the cache.
            in_order = slots == list(range(self._count))
            self._pick = slice(0, self._count) if in_order else slot
            position = torch.tensor([chunk.start for chunk in decoding], device=device)  # (n,)
            # Rows of a layer's cache, seen as (S K T, D), that the new keys and values are put in.
            head = slot[:, None] * heads + torch.arange(heads, device=device)  # (n, K)
            self._rows = (head * length + position[:, None]).flatten()  # (n K,)
            self._length = max(chunk.start for chunk in decoding) + 1  # T of the longest answer
            hidden = torch.arange(self._length, device=device)[None] > position[:, None]
            # Added to the scores: made once, where a mask of booleans is turned into it each time.
            mask = torch.zeros(hidden.shape, dtype=cache.k.dtype, device=device)
            self._mask = mask.masked_fill_(hidden, -torch.inf)[:, None, None]  # (n, 1, 1, T)
        self._masks = [_causal_mask(chunk, device) for chunk in prefilling]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q (N, H, D) on the cache and the new k, v (N, K, D): (N, H, D)."""
        cache_k, cache_v = self._cache.k[layer], self._cache.v[layer]  # (S, K, T, D)
        n = self._count
        if not self._prefilling:
            return self._decode(cache_k, cache_v, q, k, v)
        out = torch.empty_like(q)
        if n:
            out[:n] = self._decode(cache_k, cache_v, q[:n], k[:n], v[:n])
        for chunk, mask in zip(self._prefilling, self._masks, strict=True):
            rows, end = slice(n, n + chunk.size), chunk.start + chunk.size
            cache_k[chunk.slot, :, chunk.start : end] = k[rows].transpose(0, 1)
            cache_v[chunk.slot, :, chunk.start : end] = v[rows].transpose(0, 1)
            out[rows] = F.scaled_dot_product_attention(
                q[rows].transpose(0, 1)[None],  # (1, H, size, D)
                cache_k[chunk.slot, None, :, :end],  # (1, K, end, D)
                cache_v[chunk.slot, None, :, :end],
                mask,
                is_causal=mask is None,
                enable_gqa=True,
            )[0].transpose(0, 1)
            n += chunk.size
        return out

    def _decode(self, cache_k: Tensor, cache_v: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """One token of each answer: q (n, H, D), k and v (n, K, D): (n, H, D)."""
        width = q.shape[-1]
        cache_k.view(-1, width).index_copy_(0, self._rows, k.reshape(-1, width))
        cache_v.view(-1, width).index_copy_(0, self._rows, v.reshape(-1, width))
        # The query heads that share a key head stand where several queries would:
        # so keys need not be repeated for each of them.
        return F.scaled_dot_product_attention(
            q.view(len(q), k.shape[1], -1, width),  # (n, K, G, D)
            cache_k[self._pick, :, : self._length],  # (n, K, T, D)
            cache_v[self._pick, :, : self._length],
            self._mask,
        ).reshape(q.shape)


def _causal_mask(chunk: Chunk, device: torch.device) -> Tensor | None:
    """Which positions each of the chunk's tokens may see; None where plain causal will do."""
    if chunk.start == 0:
        return None
    positions = torch.arange(chunk.start + chunk.size, device=device)
    return positions[None] <= positions[chunk.start :, None]  # (size, end)

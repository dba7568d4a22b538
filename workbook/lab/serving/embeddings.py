"""Texts as vectors: what the lower half of the base model makes of their tokens, averaged.

Measured on the lab's own base: the middle layer found 11 of 16 paraphrases, the last one 10, and it
costs half as much.
A thread of its own, beside the engine's, so that answers go on. Knows token ids and the model;
nothing of HTTP or of how vectors are sent.

Shapes: N tokens of several texts in a row, C model width, H query heads, K key/value heads, D head
width.
"""

from collections.abc import Iterator
from concurrent.futures import Future

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from workbook.lab.model.llama import Llama
from workbook.lab.serving.brief_thread import BriefThread

PACKED = 1024  # tokens that go through the model at a time; a longer text goes alone

Vectors = list[np.ndarray]  # (C,) each, of length 1


class Embedder:
    """Makes vectors with one model."""

    def __init__(self, model: Llama) -> None:
        self._model = model
        self._thread = BriefThread("embeddings")

    def submit(self, texts: list[list[int]]) -> list[Future[Vectors]]:
        """The vectors of texts (token ids), some texts a future; `cancel()` drops what waits."""
        return [self._thread.submit(self._embed, pack) for pack in _packs(texts)]

    def close(self) -> None:
        """Stop the thread; what waits is cancelled."""
        self._thread.close()

    @torch.inference_mode()
    def _embed(self, texts: list[list[int]]) -> Vectors:
        sizes = [len(text) for text in texts]
        x = self._model.embed(torch.tensor([token for text in texts for token in text]))  # (N, C)
        positions = torch.cat([torch.arange(size) for size in sizes])  # (N,)
        angles, attend = self._model.angles(positions), _Apart(sizes)
        for layer in range(self._model.config.layers // 2 + 1):
            x = self._model.block(layer, x, angles, attend)
        # The first token's state is far longer than the others', and alike in every text.
        parts = [part[1:] if len(part) > 1 else part for part in x.split(sizes)]
        means = torch.stack([part.float().mean(0) for part in parts])  # (texts, C)
        return list(F.normalize(means, dim=-1).cpu().numpy())


class _Apart:
    """Causal attention within each text."""

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q (N, H, D), k and v (N, K, D): (N, H, D)."""
        parts = zip(*(each.split(self._sizes) for each in (q, k, v)), strict=True)
        return torch.cat(
            [_causal(*(each.transpose(0, 1)[None] for each in part)) for part in parts]
        )


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """q (1, H, n, D), k and v (1, K, n, D): (n, H, D)."""
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    return out[0].transpose(0, 1)


def _packs(texts: list[list[int]]) -> Iterator[list[list[int]]]:
    pack: list[list[int]] = []
    for text in texts:
        if pack and sum(map(len, pack)) + len(text) > PACKED:
            yield pack
            pack = []
        pack.append(text)
    yield pack

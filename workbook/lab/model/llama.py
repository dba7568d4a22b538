"""The Llama forward pass: embeddings, blocks of attention and MLP, logits.

It sees a packed row of N tokens, of however many texts, and asks the caller's `attend` to let them
see each other; it knows nothing of batches, caches, tokenizers, files or training.

Shapes: N tokens, C model width, H query heads, K key/value heads, D head width, F MLP width,
V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from workbook.lab.model.config import Config
from workbook.lab.model.linear import Linear, PackedLinear

# attend(layer, q (N, H, D), k (N, K, D), v (N, K, D)) -> (N, H, D)
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
Angles = tuple[Tensor, Tensor]  # cosines and sines (N, 1, D) of each token's position


@dataclass
class Block:
    """The weights of one layer; its linear ones are those of `LINEARS`."""

    norm1: Tensor  # (C,)
    qkv: Linear | PackedLinear  # (N, C) -> (N, (H + 2K) D)
    out: Linear | PackedLinear  # (N, H D) -> (N, C)
    norm2: Tensor  # (C,)
    gate_up: Linear | PackedLinear  # (N, C) -> (N, 2F)
    down: Linear | PackedLinear  # (N, F) -> (N, C)


class Llama:
    """A model in memory: `embed`, then `block` for each layer, then `logits`."""

    def __init__(
        self,
        config: Config,
        embedding: Tensor,
        blocks: list[Block],
        norm: Tensor,
        head: Linear | PackedLinear,
    ) -> None:
        self.config = config
        self.embedding = embedding  # (V, C)
        self.blocks = blocks
        self.norm = norm  # (C,)
        self.head = head  # (N, C) -> (N, V)
        self.dtype, self.device = embedding.dtype, embedding.device
        half = torch.arange(0, config.head_width, 2, device=self.device) / config.head_width
        frequencies = 1.0 / config.rope_theta**half  # (D / 2,)
        if config.rope_divisors:
            frequencies /= torch.tensor(config.rope_divisors, device=self.device)
        positions = torch.arange(config.context, device=self.device)
        angles = torch.outer(positions, frequencies)  # (context, D / 2)
        # (context, 1, D): the two halves of a head turn by the same angles
        self._cos = angles.cos().repeat(1, 2)[:, None].to(self.dtype)
        self._sin = angles.sin().repeat(1, 2)[:, None].to(self.dtype)

    def embed(self, tokens: Tensor) -> Tensor:
        """(N,) token ids -> (N, C)."""
        return self.embedding[tokens.to(self.device)]

    def angles(self, positions: Tensor) -> Angles:
        """(N,) positions, each in its own text -> cosines and sines (N, 1, D) for `block`."""
        positions = positions.to(self.device)
        return self._cos[positions], self._sin[positions]

    def block(self, i: int, x: Tensor, angles: Angles, attend: Attend) -> Tensor:
        """Layer i: (N, C) -> (N, C)."""
        c, layer = self.config, self.blocks[i]
        n = x.shape[0]
        n_qk = c.heads + c.kv_heads  # heads of queries and keys: values have no position
        qkv = layer.qkv(self._norm(x, layer.norm1)).view(n, -1, c.head_width)  # (N, H + 2K, D)
        qk = rotate(qkv[:, :n_qk], *angles)  # (N, H + K, D)
        attention = attend(i, qk[:, : c.heads], qk[:, c.heads :], qkv[:, n_qk:])  # (N, H, D)
        x = layer.out(attention.reshape(n, -1)).add_(x)
        gate, up = layer.gate_up(self._norm(x, layer.norm2)).chunk(2, dim=-1)  # (N, F) each
        return layer.down(F.silu(gate).mul_(up)).add_(x)

    def logits(self, x: Tensor) -> Tensor:
        """(N, C) -> (N, V), in float32."""
        return self.head(self._norm(x, self.norm)).float()

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self.config.epsilon)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (RoPE, Su et al. 2021): (N, heads, D), halves rotated as pairs."""
    left, right = x.chunk(2, dim=-1)
    return (x * cos).add_(torch.cat((-right, left), dim=-1).mul_(sin))

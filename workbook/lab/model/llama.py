"""The Llama forward pass: embeddings, blocks of attention and MLP, logits.

It sees a packed row of N tokens and asks the caller's `attend` to mix them; it knows nothing of
batches, caches, tokenizers or training. Weights are read from a Hugging Face folder.

Shapes: N tokens, C model width, H query heads, K key/value heads, D head width, F MLP width,
V vocabulary.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

# attend(layer, q (N, H, D), k (N, K, D), v (N, K, D)) -> (N, H, D)
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
Linear = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Config:
    """The sizes of a Llama-family model, as `config.json` gives them."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    mlp_width: int
    vocabulary: int
    context: int
    rope_theta: float
    epsilon: float
    rope_divisors: tuple[float, ...] = ()  # one a rotary frequency, where they are scaled

    @classmethod
    def read(cls, folder: Path) -> "Config":
        raw = json.loads((Path(folder) / "config.json").read_text())
        return cls(
            layers=raw["num_hidden_layers"],
            width=raw["hidden_size"],
            heads=raw["num_attention_heads"],
            kv_heads=raw["num_key_value_heads"],
            head_width=raw.get("head_dim") or raw["hidden_size"] // raw["num_attention_heads"],
            mlp_width=raw["intermediate_size"],
            vocabulary=raw["vocab_size"],
            context=raw["max_position_embeddings"],
            rope_theta=raw["rope_theta"],
            epsilon=raw["rms_norm_eps"],
            rope_divisors=tuple(raw.get("rope_divisors") or ()),
        )


@dataclass
class Block:
    """One layer. Its seven matrices are four here: those with the same input are one."""

    norm1: Tensor  # (C,)
    qkv: Linear  # (N, C) -> (N, (H + 2K) D)
    out: Linear  # (N, H D) -> (N, C)
    norm2: Tensor  # (C,)
    gate_up: Linear  # (N, C) -> (N, 2F)
    down: Linear  # (N, F) -> (N, C)


LINEARS = ("qkv", "out", "gate_up", "down")


class Dense:
    """A matrix multiplication by weight (out, in)."""

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)


class Packed:
    """The same with the weight laid out for the processor once: 1.5 to 3 times faster on few rows.

    Only for CPU inference: it has no gradient, and the original layout is gone.
    """

    def __init__(self, weight: Tensor) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, None, "none", [], "")

    @staticmethod
    def works(dtype: torch.dtype) -> bool:
        """Whether this build of torch has the operation for this dtype."""
        try:
            x, w = torch.randn(3, 64).to(dtype), torch.randn(32, 64).to(dtype)
            return torch.allclose(Packed(w)(x).float(), F.linear(x, w).float(), atol=0.5)
        except (AttributeError, RuntimeError, NotImplementedError):
            return False


class Llama:
    """A model in memory: `embed`, then `block` for each layer, then `logits`."""

    def __init__(
        self, config: Config, embedding: Tensor, blocks: list[Block], norm: Tensor, head: Linear
    ) -> None:
        self.config = config
        self.embedding = embedding  # (V, C)
        self.blocks = blocks
        self.norm = norm  # (C,)
        self.head = head  # (N, C) -> (N, V)
        self.dtype, self.device = embedding.dtype, embedding.device
        half = torch.arange(0, config.head_width, 2, device=self.device) / config.head_width
        frequencies = 1.0 / config.rope_theta**half
        if config.rope_divisors:
            frequencies /= torch.tensor(config.rope_divisors, device=self.device)
        angles = torch.outer(torch.arange(config.context, device=self.device), frequencies)
        # (context, 1, D): the two halves of a head turn by the same angles
        self._cos = angles.cos().repeat(1, 2)[:, None].to(self.dtype)
        self._sin = angles.sin().repeat(1, 2)[:, None].to(self.dtype)

    @classmethod
    def load(cls, folder: Path, dtype: torch.dtype, device: str | torch.device = "cpu") -> "Llama":
        """Read a Hugging Face folder (config.json, model.safetensors) of the Llama family."""
        config = Config.read(folder)
        with _Weights(folder, dtype, device) as weights:
            blocks = [_block(weights, i) for i in range(config.layers)]
            embedding = weights["model.embed_tokens.weight"]
            tied = "lm_head.weight" not in weights
            head = Dense(embedding if tied else weights["lm_head.weight"])
            return cls(config, embedding, blocks, weights["model.norm.weight"], head)

    def embed(self, tokens: Tensor) -> Tensor:
        """(N,) token ids -> (N, C)."""
        return self.embedding[tokens.to(self.device)]

    def angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) positions -> cosines and sines (N, 1, D) for `block`."""
        positions = positions.to(self.device)
        return self._cos[positions], self._sin[positions]

    def block(self, i: int, x: Tensor, angles: tuple[Tensor, Tensor], attend: Attend) -> Tensor:
        """Layer i: (N, C) -> (N, C)."""
        c, layer = self.config, self.blocks[i]
        n = x.shape[0]
        heads = layer.qkv(self._normed(x, layer.norm1)).view(n, -1, c.head_width)
        turned = rotate(heads[:, : c.heads + c.kv_heads], *angles)
        mixed = attend(
            i, turned[:, : c.heads], turned[:, c.heads :], heads[:, c.heads + c.kv_heads :]
        )
        x = x + layer.out(mixed.reshape(n, -1))
        gate, up = layer.gate_up(self._normed(x, layer.norm2)).chunk(2, dim=-1)
        return x + layer.down(F.silu(gate) * up)

    def logits(self, x: Tensor) -> Tensor:
        """(N, C) -> (N, V), in float32."""
        return self.head(self._normed(x, self.norm)).float()

    def _normed(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x, weight.shape, weight, self.config.epsilon)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021): (N, heads, D), halves rotated as pairs."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


class _Weights:
    """The tensors of a folder by name, each read from the disk when it is asked for."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: str | torch.device) -> None:
        self._path, self._dtype, self._device = Path(folder) / "model.safetensors", dtype, device

    def __enter__(self) -> "_Weights":
        self._file = safe_open(self._path, "pt", device=str(self._device)).__enter__()
        self._names = set(self._file.keys())
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> Tensor:
        return self._file.get_tensor(name).to(
            self._dtype, copy=True
        )  # else it keeps the file mapped


def load_blocks(
    folder: Path, dtype: torch.dtype, device: str | torch.device, layers: Iterable[int]
) -> dict[int, Block]:
    """Some layers of a Hugging Face folder, by their number."""
    with _Weights(folder, dtype, device) as weights:
        return {i: _block(weights, i) for i in layers}


def _block(weights: _Weights, i: int) -> Block:
    name = f"model.layers.{i}."

    def joined(*parts: str) -> Dense:
        return Dense(torch.cat([weights[f"{name}{part}.weight"] for part in parts]))

    return Block(
        norm1=weights[name + "input_layernorm.weight"],
        qkv=joined("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        out=joined("self_attn.o_proj"),
        norm2=weights[name + "post_attention_layernorm.weight"],
        gate_up=joined("mlp.gate_proj", "mlp.up_proj"),
        down=joined("mlp.down_proj"),
    )


def pick_dtype() -> torch.dtype:
    """The faster of float32 and bfloat16 on this processor, by a short measurement.

    bfloat16 is fast only where the processor has instructions for it, whatever its name says.
    """
    return max((torch.float32, torch.bfloat16), key=gflops)


def gflops(dtype: torch.dtype, device: str | torch.device = "cpu") -> float:
    """Speed of a matrix multiplication of this model's sizes, in 10^9 operations a second."""
    x, w = (torch.randn(n, 576, device=device).to(dtype) for n in (256, 1536))
    times = []
    for _ in range(6):
        begin = time.perf_counter()
        F.linear(x, w)[0, 0].item()  # a GPU works on until its result is asked for
        times.append(time.perf_counter() - begin)
    return 2 * x.shape[0] * w.numel() / min(times) / 1e9

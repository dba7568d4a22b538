"""A model's folder in Hugging Face's form, read into `Llama`: the name and shape of every weight.

Knows config.json and model.safetensors; nothing of where folders come from, or of tokenizers.

Shapes: see `llama`; weights are (out, in).
"""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from safetensors import safe_open
from torch import Tensor

from workbook.lab.model.config import Config
from workbook.lab.model.linear import Linear
from workbook.lab.model.llama import Block, Llama


def load(folder: Path, dtype: torch.dtype, device: str | torch.device = "cpu") -> Llama:
    """The model in a folder."""
    config = Config.read(folder)
    with _Weights(folder, dtype, device) as weights:
        blocks = [_block(weights, i) for i in range(config.layers)]
        embedding = weights["model.embed_tokens.weight"]
        tied = "lm_head.weight" not in weights  # the head is the embedding, used backwards
        head = Linear(embedding if tied else weights["lm_head.weight"])
        return Llama(config, embedding, blocks, weights["model.norm.weight"], head)


def load_blocks(
    folder: Path, dtype: torch.dtype, device: str | torch.device, layers: Iterable[int]
) -> dict[int, Block]:
    """Some layers of the model in a folder, by their number."""
    with _Weights(folder, dtype, device) as weights:
        return {i: _block(weights, i) for i in layers}


def shapes(config: dict[str, Any]) -> dict[str, list[int]]:
    """Every weight of a model by its name, in the shape that config.json's settings ask for."""
    width, mlp = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]  # H D
    keys = config["num_key_value_heads"] * config["head_dim"]  # K D
    layer = {
        "self_attn.q_proj": [queries, width],
        "self_attn.k_proj": [keys, width],
        "self_attn.v_proj": [keys, width],
        "self_attn.o_proj": [width, queries],
        "mlp.gate_proj": [mlp, width],
        "mlp.up_proj": [mlp, width],
        "mlp.down_proj": [width, mlp],
        "input_layernorm": [width],
        "post_attention_layernorm": [width],
    }
    whole = {"model.embed_tokens": [config["vocab_size"], width], "model.norm": [width]}
    if not config["tie_word_embeddings"]:
        whole["lm_head"] = [config["vocab_size"], width]
    for i in range(config["num_hidden_layers"]):
        whole |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
    return {f"{name}.weight": shape for name, shape in whole.items()}


class _Weights:
    """The tensors of a folder by name, each read from the disk when it is asked for."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: str | torch.device) -> None:
        self._path, self._dtype, self._device = Path(folder) / "model.safetensors", dtype, device

    def __enter__(self) -> Self:
        self._file = safe_open(self._path, "pt", device=str(self._device)).__enter__()
        self._names = set(self._file.keys())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.__exit__(kind, error, traceback)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> Tensor:
        tensor = self._file.get_tensor(name)
        return tensor.to(self._dtype, copy=True)  # else it keeps the file mapped


def _block(weights: _Weights, i: int) -> Block:
    name = f"model.layers.{i}."

    def joined(*parts: str) -> Linear:
        return Linear(torch.cat([weights[f"{name}{part}.weight"] for part in parts]))

    return Block(
        norm1=weights[name + "input_layernorm.weight"],
        qkv=joined("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        out=joined("self_attn.o_proj"),
        norm2=weights[name + "post_attention_layernorm.weight"],
        gate_up=joined("mlp.gate_proj", "mlp.up_proj"),
        down=joined("mlp.down_proj"),
    )

"""Low-rank adapters (LoRA, Hu et al. 2021): what training changes of a model, and how it is kept.

A matrix W (out, in) is used as W + (α / R) B A with A (R, in) and B (out, R); W stays frozen.
Knows nothing of data, losses or serving. Shapes: R rank.
"""

import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor

from workbook.lab.model.linear import LINEARS, Linear
from workbook.lab.model.llama import Block, Llama

RANK = 16  # R of the lab's adapters; notebook 06 tries others
ALPHA = 32  # α

Adapter = dict[str, Tensor]  # "14.qkv.a" -> A (R, in), "14.qkv.b" -> B (out, R); float32


def create(model: Llama, layers: range, generator: torch.Generator, rank: int = RANK) -> Adapter:
    """A new adapter for all four matrices of `layers`. B is zero: training starts from the base."""
    adapter = {}
    for i in layers:
        for name in LINEARS:
            out, width = getattr(model.blocks[i], name).weight.shape
            bound = width**-0.5  # Kaiming-uniform, as the LoRA authors' code initialises A
            a = torch.empty(rank, width).uniform_(-bound, bound, generator=generator)
            adapter[f"{i}.{name}.a"], adapter[f"{i}.{name}.b"] = a, torch.zeros(out, rank)
    return adapter


def scale(a: Tensor) -> float:
    """α / R, from A (R, in): the larger the rank, the less each of its directions counts."""
    return ALPHA / len(a)


def check(model: Llama, adapter: Adapter) -> None:
    """Raise ValueError unless the adapter fits the model: it may be another base's, or damaged."""
    if not adapter:
        raise ValueError("it is empty")
    for name, tensor in adapter.items():
        try:
            layer, matrix, part = name.split(".")
            out, width = getattr(model.blocks[int(layer)], matrix).weight.shape
        except (ValueError, IndexError, AttributeError):
            raise ValueError(f"{name} names no matrix of the model") from None
        if tensor.shape != ((RANK, width) if part == "a" else (out, RANK)):
            raise ValueError(f"{name} has the shape {list(tensor.shape)}")
        if not tensor.isfinite().all():
            raise ValueError(f"{name} holds what is not a number")


def layers(adapter: Adapter) -> list[int]:
    """The layers that an adapter changes, in order."""
    return sorted({layer for layer, _ in _matrices(adapter)})


def merge(blocks: dict[int, Block], adapter: Adapter) -> None:
    """Add the adapter into the matrices of the blocks of its layers."""
    for layer, name in _matrices(adapter):
        weight = getattr(blocks[layer], name).weight  # (out, in)
        a, b = (adapter[f"{layer}.{name}.{part}"].to(weight.device) for part in "ab")
        # Added in float32: in bfloat16 small changes would be lost to rounding.
        setattr(blocks[layer], name, Linear((weight.float() + scale(a) * b @ a).to(weight.dtype)))


def save(folder: Path, adapter: Adapter, about: dict[str, int]) -> None:
    """Write an adapter into a folder, to survive a power cut.

    about: what is worth knowing of it.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in adapter.items()}
    with open(folder / "adapter.safetensors", "wb") as file:  # a full disk raises OSError here
        file.write(serialize(tensors))
        file.flush()
        os.fsync(file.fileno())
    (folder / "adapter.json").write_text(json.dumps({"rank": RANK, "scale": ALPHA / RANK} | about))


def load(folder: Path) -> Adapter:
    """Read an adapter that `save` wrote."""
    return load_file(Path(folder) / "adapter.safetensors")


def _matrices(adapter: Adapter) -> list[tuple[int, str]]:
    """(layer, name) of each matrix with an adapter."""
    keys = [key.split(".") for key in adapter]
    return [(int(layer), name) for layer, name, part in keys if part == "a"]

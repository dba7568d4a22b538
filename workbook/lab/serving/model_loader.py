"""The models that are served: the base, and tuned ones with their adapter merged in.

Their weights are laid out for the processor where that is faster. Knows folders and weights;
nothing of requests.
"""

from collections.abc import Iterable
from pathlib import Path

import torch

from workbook.lab.model import checkpoint, lora
from workbook.lab.model.linear import LINEARS, Linear, PackedLinear
from workbook.lab.model.llama import Block, Llama


class ModelLoader:
    """Loads a base and what was tuned from it."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        """folder: of the base, as Hugging Face has it."""
        self._folder, self._dtype, self._device = folder, dtype, device
        self._packs = device.type == "cpu" and PackedLinear.works(dtype)

    def base(self) -> Llama:
        model = checkpoint.load(self._folder, self._dtype, self._device)
        self._pack(model.blocks)
        model.head = self._packed(model.head)
        return model

    def tuned(self, base: Llama, adapter_folder: Path) -> Llama:
        """The base with an adapter merged in; layers that it does not touch are shared.

        Raises FileNotFoundError and the errors of safetensors for a damaged adapter.
        """
        adapter = lora.load(adapter_folder)
        # Read anew: the base's own weights may be packed, and stay as they are.
        layers = checkpoint.load_blocks(
            self._folder, self._dtype, self._device, lora.layers(adapter)
        )
        lora.merge(layers, adapter)
        self._pack(layers.values())
        blocks = [layers.get(i, block) for i, block in enumerate(base.blocks)]
        return Llama(base.config, base.embedding, blocks, base.norm, base.head)

    def _pack(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            for name in LINEARS:
                setattr(block, name, self._packed(getattr(block, name)))

    def _packed(self, linear: Linear | PackedLinear) -> Linear | PackedLinear:
        if self._packs and isinstance(linear, Linear):
            return PackedLinear(linear.weight)
        return linear

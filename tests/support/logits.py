"""The lab's model on one text, all of it at once: what other ways to compute it must agree with."""

import torch

from workbook.lab.model.llama import Llama
from workbook.lab.training.packed_attention import Layout


def logits(model: Llama, ids: list[int]) -> torch.Tensor:
    """Those of all places in a text (T, V)."""
    with torch.no_grad():
        x, angles = model.embed(torch.tensor(ids)), model.angles(torch.arange(len(ids)))
        for i in range(model.config.layers):
            x = model.block(i, x, angles, Layout(1, 0, len(ids)).attend)
        return model.logits(x)

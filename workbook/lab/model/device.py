"""Where the model computes, and in which number format: an Nvidia or Apple GPU, or the processor.

`WORKBOOK_LAB_DEVICE` decides: cpu, cuda or mps; auto, which is also the default, takes a GPU where
torch reports one. Knows nothing of models.
"""

import os

import torch

from workbook.errors import WorkbookError
from workbook.lab.model.llama import pick_dtype

VARIABLE = "WORKBOOK_LAB_DEVICE"
NAMES = ("auto", "cpu", "cuda", "mps")


def choose() -> torch.device:
    """The device to compute on. Raises WorkbookError when the one asked for is not there."""
    asked = os.environ.get(VARIABLE) or "auto"
    if asked not in NAMES:
        raise WorkbookError(f"{VARIABLE} is {asked!r}; it can be {', '.join(NAMES)}.")
    found = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if asked == "auto":
        return torch.device(next(name for name, there in found.items() if there))
    if not found[asked]:
        raise WorkbookError(
            f"{VARIABLE} asks for {asked}, but torch reports no such device on this machine. Set it "
            "to cpu or auto, or install a build of torch for that device."
        )
    return torch.device(asked)


def dtype(device: torch.device) -> torch.dtype:
    """The format of the frozen weights; what is trained is kept in float32 everywhere."""
    if device.type == "cpu":
        return pick_dtype()
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float32

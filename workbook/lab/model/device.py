"""Where the model computes, and in which number format: an Nvidia or Apple GPU, or the processor.

`WORKBOOK_LAB_DEVICE` decides: cpu, cuda or mps; auto, which is also the default, takes a GPU where
torch reports one. Knows how fast they multiply; nothing of models.
"""

import math
import os
import time

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from workbook.errors import WorkbookError

VARIABLE = "WORKBOOK_LAB_DEVICE"
NAMES = ("auto", "cpu", "cuda", "mps")
TRIES = 8  # of a multiplication, of which the fastest counts


def choose() -> torch.device:
    """The device to compute on. Raises WorkbookError when the one asked for is not there."""
    name = os.environ.get(VARIABLE) or "auto"
    if name not in NAMES:
        raise WorkbookError(f"{VARIABLE} is {name!r}; it can be {', '.join(NAMES)}.")
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, is_there in available.items() if is_there)
    if not available[name]:
        raise WorkbookError(
            f"{VARIABLE} asks for {name}, but torch reports no such device on this machine. Set it "
            "to cpu or auto, or install a build of torch for that device."
        )
    return torch.device(name)


def dtype(device: torch.device) -> torch.dtype:
    """The format of the frozen weights; what is trained is kept in float32 everywhere."""
    if device.type == "cpu":
        return fastest_dtype()
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float32


def fastest_dtype() -> torch.dtype:
    """The faster of float32 and bfloat16 on this processor, by a short measurement.

    bfloat16 is fast only where the processor has instructions for it, whatever its name says.
    Measured in turns and by one thread: with two threads, which wait for each other, the wrong one
    seemed faster in 6 of 40 tries beside two busy programs.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        sides = {dtype: _matrices(dtype, "cpu") for dtype in (torch.float32, torch.bfloat16)}
        times = dict.fromkeys(sides, math.inf)
        for _ in range(TRIES):
            for dtype, matrices in sides.items():
                times[dtype] = min(times[dtype], _seconds(*matrices))
    finally:
        torch.set_num_threads(threads)
    return min(times, key=lambda dtype: times[dtype])


def gflops(dtype: torch.dtype, device: str | torch.device = "cpu") -> float:
    """Speed of a matrix multiplication of a small model's sizes, in 10^9 operations a second."""
    x, weight = _matrices(dtype, device)
    seconds = min(_seconds(x, weight) for _ in range(TRIES))
    return 2 * x.shape[0] * weight.numel() / seconds / 1e9


def _matrices(dtype: torch.dtype, device: str | torch.device) -> tuple[Tensor, Tensor]:
    """Rows of activations (256, 576), and a weight (1536, 576)."""
    x, weight = (torch.randn(n, 576, device=device).to(dtype) for n in (256, 1536))
    return x, weight


def _seconds(x: Tensor, weight: Tensor) -> float:
    """How long their multiplication takes."""
    begin = time.perf_counter()
    F.linear(x, weight)[0, 0].item()  # a GPU works on until its result is asked for
    return time.perf_counter() - begin
